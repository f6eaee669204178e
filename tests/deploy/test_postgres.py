"""The private PostgreSQL: unprivileged, closed to strangers, back with its data after a kill."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from deploy.local.account import service_account
from deploy.local.errors import DeployError
from deploy.local.lingering import processes_in, wait_until_unused
from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor


@pytest.fixture
def own_postgres(servers, own_folder):
    """A durable cluster of the test's own, started."""
    with Supervisor() as supervisor:
        server = PostgresServer(servers, own_folder / "pg")
        server.start(supervisor)
        yield server, supervisor


def scalar(url, sql):
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
        return row[0] if row else None


def execute(url, sql):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)


def test_a_new_database_can_have_timescaledb_and_a_hypertable(database):
    execute(database, "CREATE EXTENSION timescaledb")
    execute(database, "CREATE TABLE reading (at timestamptz NOT NULL, value float8)")
    assert scalar(database, "SELECT count(*) FROM create_hypertable('reading', 'at')") == 1


def test_the_plain_tier_has_no_timescaledb_to_offer(plain_database):
    offered = "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'"
    assert scalar(plain_database, offered) == 0


def test_telemetry_is_off_and_only_loopback_listens(database):
    assert scalar(database, "SHOW timescaledb.telemetry_level") == "off"
    assert scalar(database, "SHOW listen_addresses") == "127.0.0.1"
    assert scalar(database, "SHOW unix_socket_directories") == ""


def test_the_server_runs_as_the_service_account_and_never_as_root(postgres):
    owner = Path(f"/proc/{postgres.pid}").stat().st_uid
    assert owner == service_account(postgres.folder).uid
    assert owner != 0
    assert stat.S_IMODE(postgres.folder.stat().st_mode) == 0o700


def test_a_wrong_password_is_refused_and_the_right_one_is_private(postgres):
    password = postgres.url("postgres").partition("retroproof:")[2].partition("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url("postgres").replace(password, "wrong"))
    files = [path for path in postgres.folder.iterdir() if path.is_file() and password in path.read_text()]
    assert [path.name for path in files] == ["state.json"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_a_durable_cluster_keeps_committed_rows_and_its_port_through_kill_9(own_postgres):
    server, supervisor = own_postgres
    url = server.create_database("kept")
    assert scalar(url, "SHOW fsync") == "on"
    execute(url, "CREATE TABLE t AS SELECT 42 AS answer")
    server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    server.start(supervisor)
    assert scalar(url, "SELECT answer FROM t") == 42


def test_a_lock_file_that_names_another_living_process_does_not_block_the_start(own_postgres):
    server, supervisor = own_postgres
    url = server.create_database("kept")
    server.kill()
    lock = server.folder / "data" / "postmaster.pid"
    assert lock.exists()
    # A process of the same user: the case in which PostgreSQL itself would believe the lock file.
    sleeper = supervisor.start(
        "sleeper", ["sleep", "60"], log=server.folder / "sleep.log", account=service_account(server.folder)
    )
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(sleeper.pid), *lines[1:]]))
    server.start(supervisor)
    assert scalar(url, "SELECT 1") == 1


def test_a_second_start_on_the_same_folder_is_refused_and_the_first_goes_on(own_postgres, servers, monkeypatch):
    server, supervisor = own_postgres
    monkeypatch.setattr("deploy.local.server.LINGERING_DEADLINE_S", 0.2)
    with pytest.raises(DeployError, match=f"already runs .*process {server.pid}"):
        PostgresServer(servers, server.folder).start(supervisor)
    assert scalar(server.url("postgres"), "SELECT 1") == 1


def test_leaving_the_supervisor_stops_the_server_in_order_and_leaves_no_process(servers, own_folder):
    with Supervisor() as supervisor:
        server = PostgresServer(servers, own_folder / "pg", fast=True)
        server.start(supervisor)
        data = server.folder / "data"
        assert processes_in(data)
    assert processes_in(data) == []
    assert "database system is shut down" in (server.folder / "postgres.log").read_text()
    assert not (data / "postmaster.pid").exists()


def test_when_the_whole_stack_is_killed_the_servers_shut_down_and_the_next_start_has_the_data(servers, own_folder):
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from deploy.local.home import home_folder\nfrom deploy.local.mosquitto import MosquittoBroker\n"
        "from deploy.local.postgres import PostgresServer\nfrom deploy.local.process import Supervisor\n"
        "from deploy.local.servers import find_servers\n"
        "folder, servers, supervisor = Path(sys.argv[1]), find_servers(home_folder()), Supervisor()\n"
        "postgres = PostgresServer(servers, folder / 'pg')\npostgres.start(supervisor)\n"
        "MosquittoBroker(servers, folder / 'plant', 'plant').start(supervisor)\n"
        "print(postgres.create_database('kept'), flush=True)\nsys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, own_folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stack:
        url = stack.stdout.readline().strip()
        execute(url, "CREATE TABLE t AS SELECT 42 AS answer")
        stack.kill()
    for name in ("pg", "plant"):
        wait_until_unused(own_folder / name / "data", name, deadline_s=10)
    assert "database system is shut down" in (own_folder / "pg" / "postgres.log").read_text()
    with Supervisor() as supervisor:
        PostgresServer(servers, own_folder / "pg").start(supervisor)
        assert scalar(url, "SELECT answer FROM t") == 42


def test_a_copied_database_has_the_rows_of_its_template(postgres, database):
    execute(database, "CREATE TABLE t AS SELECT 7 AS answer")
    template = database.rpartition("/")[2]
    copy = postgres.create_database(f"{template}_copy", template=template)
    assert scalar(copy, "SELECT answer FROM t") == 7
    postgres.drop_database(f"{template}_copy")
    assert not postgres.has_database(f"{template}_copy")


def test_what_the_server_refuses_is_told(postgres):
    with pytest.raises(DeployError, match=r"PostgreSQL refuses .*syntax error"):
        postgres.psql("SELEC 1")


@pytest.mark.parametrize("name", ["kill", "stop", "pid"])
def test_a_server_that_does_not_run_says_so(servers, own_folder, name):
    server = PostgresServer(servers, own_folder / "pg")
    with pytest.raises(DeployError, match="not running; start it first"):
        _ = getattr(server, name) if name == "pid" else getattr(server, name)()


def test_root_drops_to_an_unprivileged_user_and_anyone_else_stays_who_they_are():
    account = service_account()
    expected = pwd.getpwuid(os.getuid()).pw_name
    assert account.name in ({"postgres", "nobody"} if os.getuid() == 0 else {expected})
