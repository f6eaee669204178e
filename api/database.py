"""Connections to PostgreSQL and the named statements of `api/sql`.

One connection per request: on one machine it costs a few milliseconds, and the server's thread pool bounds
how many there are.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files

import psycopg

from ingest.database import Connection
from ingest.migrate import Migration, migrate, pending

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 60
NAME_LINE = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)

MIGRATIONS, SCHEMA = "api.migrations", "dossier"

__all__ = ["Connection", "apply_migrations", "connect", "lacking_tables", "snapshot", "statement"]


def connect(url: str) -> Connection:
    """A connection whose statements cannot run for ever."""
    options = f"-c statement_timeout={STATEMENT_TIMEOUT_S}s -c timezone=UTC"
    return psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, options=options, application_name="retroproof-api")


def snapshot(url: str) -> Connection:
    """A read-only connection that sees one moment throughout, so that readings and heads of a run belong
    together.
    """
    conn = connect(url)
    conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    conn.read_only = True
    return conn


def apply_migrations(conn: Connection) -> list[Migration]:
    """Make this room's tables, or bring them up to date; gives what was applied just now.

    Raises IngestError.
    """
    return migrate(conn, MIGRATIONS, SCHEMA)


def lacking_tables(conn: Connection) -> list[str]:
    """The commands that would make the tables which are not there yet: ingest's, then this room's."""
    commands = {
        "retroproof db migrate": pending(conn),
        "retroproof api migrate": pending(conn, MIGRATIONS, SCHEMA),
    }
    return [command for command, migrations in commands.items() if migrations]


@functools.cache
def _statements() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for file in sorted(files("api.sql").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".sql"):
            parts = NAME_LINE.split(file.read_text(encoding="utf-8"))
            found |= {name: body.encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    return found


def statement(name: str) -> bytes:
    """The statement that follows `-- name: <name>` in one of the .sql files. KeyError where there is none."""
    return _statements()[name]
