"""What the measurements stand on: servers of their own in one folder, durable as in production."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.local.servers import Servers
from ingest.database import connect
from ingest.migrate import migrate
from ingest.tier import equip


@dataclass(frozen=True)
class Ground:
    """A running PostgreSQL, and what it takes to start more beside it."""

    servers: Servers
    supervisor: Supervisor
    folder: Path
    postgres: PostgresServer

    def database(self, name: str) -> str:
        """The URL of a new database with our tables."""
        # Nobody can connect to template0; TimescaleDB's scheduler may be in template1 just now.
        url = self.postgres.create_database(name, template="template0")
        with connect(url) as conn:
            migrate(conn)
            equip(conn)
        return url

    @property
    def copy_file(self) -> Path:
        """Where the database server, not we, can write and read."""
        return self.folder / "postgres" / "readings.copy"
