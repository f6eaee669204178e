"""Applies migrations: numbered plain SQL files, each once, in order, recorded with its hash.

Shared by every room that owns tables: each has a package of files `NNNN_name.sql` and a schema of its own, in which
`schema_migration` records what was applied. All that is pending goes in one transaction under an advisory lock, so
that two processes may start at once and a failure leaves nothing half done. There is no way back: a mistake is mended
by a further migration.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from psycopg import sql

from ingest.database import Connection
from ingest.errors import IngestError

PACKAGE = "ingest.migrations"
SCHEMA = "telemetry"
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_LOCK = 0x5265_7472_6F50  # "RetroP": any number does, if all use the same


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; sha256 is that of its bytes."""

    version: int
    name: str
    sha256: bytes
    script: bytes


def migrations(package: str) -> list[Migration]:
    """The migrations in `package`, in order. Raises IngestError when numbers are missing or doubled."""
    found = []
    for file in files(package).iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match:
            script = file.read_bytes()
            found.append(Migration(int(match[1]), match[2], hashlib.sha256(script).digest(), script))
    found.sort(key=lambda one: one.version)
    if [one.version for one in found] != list(range(1, len(found) + 1)):
        raise IngestError(f"{package}: migrations must be numbered 0001, 0002, ... without a hole or a double")
    return found


def migrate(conn: Connection, package: str = PACKAGE, schema: str = SCHEMA) -> list[Migration]:
    """Bring `schema` up to date; returns what was applied now. Raises IngestError when an applied file was edited."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        table = sql.Identifier(schema, "schema_migration")
        conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        conn.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} (version integer PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL,"
                " applied_at timestamptz NOT NULL DEFAULT now())"
            ).format(table)
        )
        todo = pending(conn, package, schema)
        for one in todo:
            conn.execute(one.script)
            conn.execute(
                sql.SQL("INSERT INTO {} (version, name, sha256) VALUES (%s, %s, %s)").format(table),
                (one.version, one.name, one.sha256),
            )
    return todo


def pending(conn: Connection, package: str = PACKAGE, schema: str = SCHEMA) -> list[Migration]:
    """The migrations that `schema` still lacks.

    Raises IngestError when an applied file was edited or belongs to a newer release.
    """
    known = migrations(package)
    table = sql.Identifier(schema, "schema_migration")
    if conn.execute("SELECT to_regclass(%s)", (f"{schema}.schema_migration",)).fetchone() == (None,):
        return known
    applied = conn.execute(sql.SQL("SELECT version, name, sha256 FROM {} ORDER BY version").format(table)).fetchall()
    if len(applied) > len(known):
        raise IngestError(
            f"the database has migration {applied[-1][0]} of {schema}, this release only {len(known)}; "
            "install the newer release"
        )
    for (version, name, sha256), one in zip(applied, known, strict=False):
        if (version, name, bytes(sha256)) != (one.version, one.name, one.sha256):
            raise IngestError(
                f"migration {version:04} of {schema} was applied as {name!r} and its file has changed since; "
                "restore the file and put the change into a new migration"
            )
    return known[len(applied) :]
