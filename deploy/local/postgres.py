"""A private PostgreSQL cluster: made on first use, reachable on loopback only, with a password, gone when we are gone.

Owns the cluster's folder (data, log, port and password). Durable unless `fast` is asked for, which is for tests. Knows
nothing of our tables: it makes empty databases, and the migrations do the rest.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from deploy.local.errors import DeployError
from deploy.local.process import Child, Supervisor
from deploy.local.progress import Progress
from deploy.local.server import Server
from deploy.local.servers import Servers
from deploy.local.state import HOST, write_private

SUPERUSER = "retroproof"

# For two cores and a few GB shared with the rest of the stack.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_writer_delay": "10ms",  # the log of a large group is on disk but for its end when the group commits (ADR 98)
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",  # the compiler's library is not fetched
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
TIMESCALE_SETTINGS = {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
# For tests: a crash of the machine may lose everything, a crash of the server loses nothing that it had written out.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off"}
# TimescaleDB's background workers hold every database open, so that it can be neither cloned nor dropped.
FAST_TIMESCALE_SETTINGS = {"timescaledb.max_background_workers": "0"}


class PostgresServer(Server):
    """One cluster in one folder. `start` it under a supervisor, then ask for a `url`."""

    name = "PostgreSQL"
    ready_deadline_s = 60.0  # replaying the log after a crash may take this long on a slow disk
    stop_deadline_s = 60.0

    def __init__(self, servers: Servers, folder: Path, *, fast: bool = False, progress: Progress | None = None) -> None:
        super().__init__(servers, folder, progress)
        self._fast = fast

    def url(self, database: str) -> str:
        """How psycopg and psql reach `database`, password included."""
        return f"postgresql://{SUPERUSER}:{self._state.password(SUPERUSER)}@{HOST}:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Make a database, empty or a copy of `template` (which nobody may be connected to); returns its URL."""
        self.psql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and whoever is still connected to it."""
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def has_database(self, name: str) -> bool:
        """Whether a database of this name exists."""
        return name in self.psql("SELECT datname FROM pg_database").split("\n")

    def psql(self, sql: str, *, database: str = "postgres") -> str:
        """Run one statement and return its rows as bare text. Raises DeployError with what the server says."""
        command: list[str | Path] = [
            self._servers.postgres_bin_dir / "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
            "-d",
        ]
        connection = f"host={HOST} port={self.port} user={SUPERUSER} dbname={database}"
        environment = {**self._environment(), "PGPASSWORD": self._state.password(SUPERUSER)}
        done = subprocess.run([*command, connection], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DeployError(f"PostgreSQL refuses {sql!r}: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def _prepare(self) -> None:
        """Make the cluster on first use, and remove a stale lock file."""
        if not self._data.exists():
            self._make_cluster()
        # Nothing works in the folder (`start` waited for that), but the kernel may have given the process number in a
        # stale lock file to another program, and PostgreSQL would then refuse to start.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        """initdb into a draft that becomes `data` when whole, so that an interruption leaves nothing half made."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.folder / "initdb-password"
        write_private(password_file, self._state.password(SUPERUSER))
        self._own(password_file, 0o600)
        # Collation C sorts by bytes: the same on every machine, whatever its C library's version.
        form = ["--username", SUPERUSER, "--encoding", "UTF8", "--locale", "C", "--auth", "scram-sha-256"]
        command: list[str | Path] = [
            self._servers.postgres_bin_dir / "initdb",
            "-D",
            draft,
            *form,
            "--pwfile",
            password_file,
        ]
        speed = ["--no-sync"] if self._fast else []
        try:
            done = subprocess.run(
                [*command, *speed],
                env=self._environment(),
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=False,
                **self._account.drop(),
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise DeployError(f"PostgreSQL cannot make a cluster in {self.folder}: {done.stderr.strip()}")
        draft.rename(self._data)

    def _launch(self, supervisor: Supervisor) -> Child:
        """Start the server process with our settings on its command line; the cluster's own files stay as made."""
        settings = dict(SETTINGS)
        if self._servers.timescaledb_version:
            settings |= TIMESCALE_SETTINGS
        if self._fast:
            settings |= FAST_SETTINGS
            settings |= FAST_TIMESCALE_SETTINGS if self._servers.timescaledb_version else {}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return supervisor.start(
            self.name,
            [self._servers.postgres_bin_dir / "postgres", "-D", self._data, "-p", str(self.port), *options],
            log=self.folder / "postgres.log",
            env=self._servers.env,
            account=self._account,
            cwd=self._data,
            stop_signal=signal.SIGINT,
        )

    def _answers(self) -> bool:
        """Whether the server takes connections."""
        ask: list[str | Path] = [
            self._servers.postgres_bin_dir / "pg_isready",
            "-q",
            "-h",
            HOST,
            "-p",
            str(self.port),
        ]
        return subprocess.run(ask, env=self._environment(), check=False).returncode == 0
