"""The servers are found where they are, fetched whole or not at all, and by one process at a time."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys

import pytest

from deploy.local import debian
from deploy.local import servers as servers_module
from deploy.local.errors import DeployError
from deploy.local.home import home_folder
from deploy.local.progress import Progress
from deploy.local.servers import ensure_servers, find_servers, only_one_fetches, read_postgres
from tests.support.plain import without_timescaledb


def test_what_was_fetched_once_is_found_again_without_a_word(servers):
    said = io.StringIO()
    assert ensure_servers(home_folder(), Progress(said)) == servers
    assert said.getvalue() == ""


def test_the_servers_are_new_enough_and_say_their_tier(servers):
    assert int(servers.postgres_version.split(".")[0]) >= 15
    assert servers.mosquitto_version.startswith("2.")
    assert (servers.tier, servers.timescaledb_licence) in {("timescale", "apache"), ("timescale", "community")}


def test_a_postgres_without_the_extensions_files_is_the_plain_tier(servers, tmp_path):
    plain = without_timescaledb(servers, tmp_path)
    found = read_postgres(plain.postgres_bin_dir)
    assert (found.timescaledb_version, found.version) == (None, servers.postgres_version)
    assert plain.tier == "plain"


def test_a_set_counts_as_whole_only_at_the_path_it_was_unpacked_for(tmp_path):
    assert not debian.is_complete(tmp_path)
    (tmp_path / debian.MARKER).write_text(json.dumps({"path": str(tmp_path), "packages": []}))
    assert debian.is_complete(tmp_path)
    moved = shutil.copytree(tmp_path, tmp_path / "moved")
    assert not debian.is_complete(moved)


def test_a_second_process_waits_while_the_first_fetches(tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom deploy.local.progress import Progress\n"
        "from deploy.local.servers import only_one_fetches\n"
        "with only_one_fetches(Path(sys.argv[1]), Progress(sys.stdout)):\n    print('in', flush=True)\n"
    )
    with only_one_fetches(tmp_path, Progress(io.StringIO())):
        second = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True)
        assert second.stdout.readline().startswith("Another process is fetching")
        assert second.poll() is None
    assert second.communicate(timeout=10)[0] == "in\n"


def test_without_debian_and_without_mosquitto_the_command_is_named(monkeypatch, own_folder):
    monkeypatch.setattr(debian, "why_not_possible", lambda *_: "not Debian")
    monkeypatch.setattr(servers_module, "installed_mosquitto", lambda: None)
    with pytest.raises(DeployError, match="apt-get install --no-install-recommends mosquitto"):
        ensure_servers(own_folder, Progress(io.StringIO()))
    assert find_servers(own_folder) is None


def test_plain_postgres_is_said_loudly(monkeypatch, servers, tmp_path):
    plain = without_timescaledb(servers, tmp_path)
    monkeypatch.setattr(servers_module, "find_servers", lambda _home: plain)
    said = io.StringIO()
    assert ensure_servers(tmp_path, Progress(said)) is plain
    assert "WARNING: no TimescaleDB" in said.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_moves_on_a_terminal_and_is_four_lines_in_a_log():
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        progress = Progress(stream)
        progress.step("Fetching")
        for done in range(101):
            progress.percent("packages", done)
        progress.step("Done")
    assert terminal.getvalue().count("\r") == 101
    assert "\r" not in log.getvalue()
    assert log.getvalue().splitlines() == [
        "Fetching",
        *(f"  packages: {percent} %" for percent in (25, 50, 75, 100)),
        "Done",
    ]
