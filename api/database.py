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

__all__ = ["Connection", "apply_migrations", "connect", "pending_migrations", "snapshot", "statement"]


def connect(url: str) -> Connection:
    """A connection whose statements cannot run for ever."""
    options = f"-c statement_timeout={STATEMENT_TIMEOUT_S}s -c timezone=UTC"
    return psycopg.connect(
        url, connect_timeout=CONNECT_TIMEOUT_S, options=options, application_name="retroproof-api"
    )


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


def pending_migrations(conn: Connection) -> list[Migration]:
    """What `apply_migrations` would apply."""
    return pending(conn, MIGRATIONS, SCHEMA)


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
