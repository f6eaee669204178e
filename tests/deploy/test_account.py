"""Folders that an unprivileged server can reach, also from a clone in a closed place."""

from __future__ import annotations

import io
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from deploy.local.account import (
    Account,
    can_enter,
    outside_path,
    private_folder,
    readable_folder,
    service_account,
)
from deploy.local.errors import DeployError
from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.local.progress import Progress

ME = Account("me", os.getuid(), os.getgid())
# Nobody owns files here; used to judge permissions only.
STRANGER = Account("stranger", 64999, 64999)


@pytest.fixture
def closed(own_folder):
    """A folder that only we may enter, as a clone in /root or in a `mktemp -d` folder is."""
    own_folder.chmod(0o700)
    return own_folder


@pytest.fixture
def progress():
    return Progress(io.StringIO())


@pytest.fixture
def moved(closed):
    """Where `closed/data` goes; removed after the test."""
    target = outside_path(closed / "data")
    yield target
    if target.is_symlink():
        target.unlink()
    elif target.exists():
        for path in sorted(target.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        target.rmdir()


@pytest.mark.parametrize(
    ("mode", "enters"), [(0o700, False), (0o710, False), (0o701, True), (0o744, False), (0o755, True)]
)
def test_a_stranger_enters_a_folder_by_the_x_bit_for_others(own_folder, mode, enters):
    own_folder.chmod(mode)
    assert can_enter(own_folder / "data", STRANGER) is enters
    assert can_enter(own_folder / "data", ME)


def test_the_owners_bit_counts_for_the_owner_even_when_others_may(own_folder):
    own_folder.chmod(0o655)
    assert not can_enter(own_folder / "data", ME)
    own_folder.chmod(0o755)


def test_a_reachable_folder_stays_in_its_place(own_folder, progress):
    assert private_folder(own_folder / "data", ME, progress) == own_folder / "data"
    assert not (own_folder / "data").is_symlink()
    assert stat.S_IMODE((own_folder / "data").stat().st_mode) == 0o700


def test_an_unreachable_folder_moves_out_with_what_it_holds_and_leaves_a_link(closed, moved, progress):
    (closed / "data").mkdir()
    (closed / "data" / "row").write_text("kept")
    assert readable_folder(closed / "data", STRANGER, progress) == moved
    assert (closed / "data").is_symlink()
    assert (closed / "data" / "row").read_text() == "kept"
    assert readable_folder(closed / "data", STRANGER, progress) == moved


def test_what_a_removed_clone_left_outside_is_not_taken_for_the_new_one_s(closed, moved, progress):
    """`make clean`, or a fresh clone in the place of an old one: the link is gone, what it led to is not."""
    left = readable_folder(closed / "data", STRANGER, progress)
    (left / "old").touch()
    (closed / "data").unlink()
    (closed / "data").mkdir()
    (closed / "data" / "new").touch()
    assert readable_folder(closed / "data", STRANGER, progress) == moved
    assert [path.name for path in moved.iterdir()] == ["new"]
    (closed / "data").unlink()
    assert list(readable_folder(closed / "data", STRANGER, progress).iterdir()) == []


def test_a_folder_that_many_ask_for_at_once_is_moved_once(closed, moved, progress):
    """As the workers of a test run do in a fresh clone."""
    begin = threading.Barrier(8)

    def ask(_: int) -> Path:
        begin.wait()
        return readable_folder(closed / "data", STRANGER, progress)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {moved}
    assert (closed / "data").resolve() == moved


def test_the_move_is_said(closed, moved):
    stream = io.StringIO()
    readable_folder(closed / "data", STRANGER, Progress(stream))
    assert f"data/ lies in {moved}" in stream.getvalue()


def test_a_link_that_someone_put_in_our_place_outside_is_refused(closed, moved, progress):
    moved.symlink_to("/etc")
    with pytest.raises(DeployError, match="is not ours"):
        readable_folder(closed / "data", STRANGER, progress)
    assert not (closed / "data").exists()


def test_two_folders_never_share_a_place_outside(own_folder):
    assert outside_path(own_folder / "a") != outside_path(own_folder / "b")


def test_postgres_starts_for_a_closed_clone_and_under_root_its_data_lies_outside(servers, closed, moved):
    as_root = os.getuid() == 0
    with Supervisor() as supervisor:
        server = PostgresServer(servers, closed / "data", fast=True)
        server.start(supervisor)
        with psycopg.connect(server.url("postgres")) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    folder = moved if as_root else closed / "data"
    assert row == (str(folder / "data"),)
    assert (closed / "data").is_symlink() == as_root
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == service_account(folder).uid != 0
