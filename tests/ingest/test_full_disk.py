"""A disk that is really full: the database, or a part of it, lies on a small one that fills up while ingest runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.errors import DeployError
from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.local.servers import Servers
from ingest.database import connect
from ingest.migrate import migrate
from tests.bench.load import ROWS, seal_batches
from tests.ingest.builders import Device, compared, until
from tests.ingest.site import Site, stored

SIZE = "400m"
LEFT_BYTES = 10 << 20  # less than a segment of the server's log, which is 16 MiB
BATCHES = 40  # 200,000 readings: 26 MB of tables, 31 MB of log
NO_SPACE = "No space left on device"


@pytest.fixture
def small_disk(session_folder: Path) -> Iterator[Path]:
    folder = session_folder / "small-disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        folder.rmdir()
        pytest.skip(
            f"NOT TESTED: a really full disk, because we may not mount a small one ({done.stderr.strip()}); run it as"
            " root. What stands in for it, a file that cannot grow, is tested in test_faults.py"
        )
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture(params=["everything", "the tables", "the log"])
def cramped(
    request: pytest.FixtureRequest, servers: Servers, session_folder: Path, small_disk: Path, supervisor: Supervisor
) -> Iterator[PostgresServer]:
    """A server that has only this on the small disk."""
    roomy = session_folder / f"roomy-{request.param.replace(' ', '-')}"
    roomy.mkdir()
    server = PostgresServer(servers, (roomy if request.param == "the log" else small_disk) / "postgres", fast=True)
    server.start(supervisor)
    if request.param != "everything":
        server.stop()
        log, elsewhere = server._data / "pg_wal", (small_disk if request.param == "the log" else roomy) / "pg_wal"
        subprocess.run(["mv", log, elsewhere], check=True)
        log.symlink_to(elsewhere)
        server.start(supervisor)
    yield server
    if is_running(server):
        server.stop()


def is_running(server: PostgresServer) -> bool:
    return server._child is not None and server._child.exit_code is None


def answers(server: PostgresServer, supervisor: Supervisor) -> bool:
    """Whether it takes a statement; starts it where it ended, as a service manager does."""
    if not is_running(server):
        server.start(supervisor)
    try:
        return server.psql("SELECT 1") == "1"
    except DeployError:
        return False


def fill(disk: Path, *, leave_bytes: int) -> Path:
    """A file that takes all room but this."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    subprocess.run(["fallocate", "-l", str(room.f_bavail * room.f_frsize - leave_bytes), ballast], check=True)
    return ballast


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_ingest_goes_on_by_itself_once_there_is_room(
    request: pytest.FixtureRequest,
    cramped: PostgresServer,
    small_disk: Path,
    supervisor: Supervisor,
    new_site: Callable[..., Site],
):
    """Without room for its log PostgreSQL ends itself, and its service manager starts it again; the test stands in."""
    url = cramped.create_database("cramped")
    with connect(url) as conn:
        migrate(conn)
    site, device = new_site(url), Device("full-disk")
    with site.agent(device) as agent:
        with connect(url) as conn:
            sent = seal_batches(conn, device.name, BATCHES, key=device.key)
        ballast = fill(small_disk, leave_bytes=LEFT_BYTES)
        worker = site.start_worker()
        for data in sent:
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        until(lambda: NO_SPACE in (cramped.folder / "postgres.log").read_text())
        until(lambda: site.said("ERROR ingest.steady database") > 0)
        if "the tables" in request.node.name:
            until(lambda: site.said(NO_SPACE) > 1)  # it keeps trying, and says why it waits
            assert 0 <= len(stored(site, device)) < len(sent)
            assert is_running(cramped)
        if "the log" in request.node.name:
            until(lambda: not is_running(cramped))
            until(lambda: site.said("database not reachable") > 1)
        ballast.unlink()
        until(lambda: answers(cramped, supervisor))
        site.until_settled(agent, sent, through=len(sent) - 1)
    assert worker.poll() is None
    assert stored(site, device) == sent
    assert compared(site.url) == (BATCHES, BATCHES * ROWS, None)
