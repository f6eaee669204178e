"""Backs the whole database up into a folder, and restores it into an empty one, proving that both hold the same.

The folder has PostgreSQL's own dump and a manifest: what the server was, and of every table the number of rows and a
checksum, all of the dump's own moment. PostgreSQL's pg_dump and pg_restore do the work; around them TimescaleDB wants
its own calls, and the very version that wrote the dump (its documentation, "Logical backups").

Does not handle: a restore onto a lesser tier (the dump of hypertables needs TimescaleDB, one with compressed chunks the
Community licence; from Apache to Community is the way up), incremental backups (that
is pgBackRest's work, see docs/how-to/deploy.md).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import conninfo, pq, sql

from ingest.database import CONNECT_TIMEOUT_S, Connection, connect
from ingest.errors import IngestError
from ingest.progress import Progress
from ingest.tier import Tier, detect
from verification.shapes import ready

DUMP, MANIFEST = "database.dump", "manifest.json"
SCHEMAS = ("telemetry", "dossier")
POLL_S = 0.1
# Every setting of libpq by its environment variable: on a command line all of the machine could read the password.
_ENVIRONMENT = {one.keyword.decode(): one.envvar.decode() for one in pq.Conninfo.get_defaults() if one.envvar}


class Table(msgspec.Struct, frozen=True):
    """How many rows a table has, and a checksum over them that does not depend on their order."""

    rows: int
    checksum: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds, and what it was taken from. `timescaledb`: its version, None on the plain tier."""

    postgres: str
    timescaledb: str | None
    tier: Tier
    tables: dict[str, Table]


def backup(url: str, folder: Path, *, pg_bin: Path | None = None, progress: Progress | None = None) -> Manifest:
    """Write the database into `folder`, whole or not at all. Ingest goes on meanwhile.

    Raises IngestError where the folder exists or pg_dump fails.
    """
    if folder.exists():
        raise IngestError(f"{folder} exists; a backup goes into a folder of its own, for example named by the day")
    folder.parent.mkdir(parents=True, exist_ok=True)
    pg_dump = _find("pg_dump", pg_bin)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with connect(url, statement_timeout_s=0) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with conn.transaction():
                row = conn.execute("SELECT pg_export_snapshot()").fetchone()
                dump = ["--format=custom", f"--snapshot={row[0] if row else ''}", f"--file={draft / DUMP}"]
                _run(url, pg_dump, [*dump, "--no-owner", "--no-privileges"], draft / DUMP, progress)
                manifest = describe(conn)
        (draft / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifest


def restore(url: str, folder: Path, *, pg_bin: Path | None = None) -> Manifest:
    """Bring a backup into the empty database at `url` and compare it with the manifest, table by table.

    Raises IngestError where the database is not empty, where the server cannot hold the backup, and where what was
    restored is not what was backed up.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=ready(Manifest))
    except (OSError, msgspec.DecodeError) as err:
        raise IngestError(
            f"{folder} is no backup of ours: {err}; name the folder that retroproof db backup made"
        ) from err
    pg_restore = _find("pg_restore", pg_bin)
    with connect(url, statement_timeout_s=0) as conn:
        _prepare(conn, manifest)
    options = ["--no-owner", "--no-privileges", "--exit-on-error"]
    try:
        _run(url, pg_restore, [*options, f"--dbname={_name(url)}", str(folder / DUMP)])
    except IngestError as err:
        raise IngestError(
            f"{err}; what the database holds now is incomplete: drop it, and restore into a new one (createdb)"
        ) from err
    with connect(url, statement_timeout_s=0) as conn:
        if manifest.timescaledb:
            conn.execute("SELECT timescaledb_post_restore()")
        conn.execute("ANALYZE")
        found = describe(conn)
    differing = [name for name, table in manifest.tables.items() if found.tables.get(name) != table]
    differing += found.tables.keys() - manifest.tables.keys()
    if differing:
        raise IngestError(f"what was restored differs from the backup in {', '.join(sorted(differing))}; do not use it")
    return manifest


def describe(conn: Connection) -> Manifest:
    """The server, and of every table of ours its rows and checksum. Costs about a second for a million rows."""
    row = conn.execute(
        "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"
    ).fetchone()
    names = conn.execute(
        "SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = ANY(%s) AND c.relkind = 'r' ORDER BY 1, 2",
        (list(SCHEMAS),),
    ).fetchall()
    version, timescaledb = row or ("", None)
    return Manifest(version, timescaledb, detect(conn), {f"{s}.{t}": _table(conn, s, t) for s, t in names})


def _table(conn: Connection, schema: str, name: str) -> Table:
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint), 0)::text FROM {} AS t"
    )
    row = conn.execute(query.format(sql.Identifier(schema, name))).fetchone()
    return Table(*row) if row else Table(0, "0")


def _prepare(conn: Connection, manifest: Manifest) -> None:
    """Refuse what cannot work, and make the server ready for the dump."""
    held = conn.execute("SELECT to_regnamespace('telemetry') IS NOT NULL OR to_regnamespace('dossier') IS NOT NULL")
    if held.fetchone() == (True,):
        raise IngestError("the database is not empty; make a new one (createdb) and restore into that")
    if manifest.timescaledb is None:
        return
    role, superuser = _who(conn)
    if not superuser:
        raise IngestError(
            f"with TimescaleDB only a superuser restores: let one say ALTER ROLE {role} SUPERUSER, restore, and then "
            f"ALTER ROLE {role} NOSUPERUSER, so that {role} owns what is restored"
        )
    offered = conn.execute(
        "SELECT true FROM pg_available_extension_versions WHERE name = 'timescaledb' AND version = %s",
        (manifest.timescaledb,),
    ).fetchone()
    if offered is None:
        raise IngestError(
            f"the backup needs TimescaleDB {manifest.timescaledb}, which this server does not offer; "
            "install that version, or restore on a server that has it"
        )
    conn.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS timescaledb VERSION {}").format(manifest.timescaledb))
    if manifest.tier is Tier.COMMUNITY and detect(conn) is not Tier.COMMUNITY:
        raise IngestError(
            "the backup may hold compressed readings, which need TimescaleDB's Community licence; restore on such a "
            "server, for example of the image timescale/timescaledb without -oss"
        )
    conn.execute("SELECT timescaledb_pre_restore()")


def _who(conn: Connection) -> tuple[str, bool]:
    """The role that we are, and whether it is a superuser."""
    row = conn.execute("SELECT current_user, current_setting('is_superuser')::boolean").fetchone()
    return row or ("", False)


def _find(program: str, pg_bin: Path | None) -> Path:
    """One of PostgreSQL's programs. Raises IngestError where it is not."""
    found = shutil.which(program, path=pg_bin)
    if found is None:
        where = f"in {pg_bin}" if pg_bin else "on the PATH; name its folder with --pg-bin"
        raise IngestError(f"there is no {program} {where}")
    return Path(found)


def _run(
    url: str, program: Path, arguments: list[str], growing: Path | None = None, progress: Progress | None = None
) -> None:
    """Run one of PostgreSQL's programs on the database; `progress` hears how `growing` grows."""
    with (
        tempfile.TemporaryFile() as complaint,
        subprocess.Popen([program, "--no-password", *arguments], env=_environment(url), stderr=complaint) as process,
    ):
        seen = 0
        while process.poll() is None:
            time.sleep(POLL_S)
            if progress and growing and growing.exists():
                size = growing.stat().st_size
                progress.add(size - seen)
                seen = size
        complaint.seek(0)
        said = complaint.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise IngestError(f"{program.name} ended with {process.returncode}: {said}")


def _environment(url: str) -> dict[str, str]:
    """The address setting by setting, so that the programs reach the database exactly as we do."""
    settings: dict[str, Any] = conninfo.conninfo_to_dict(url)
    stated = {_ENVIRONMENT[key]: str(value) for key, value in settings.items() if key in _ENVIRONMENT}
    return {**os.environ, "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT_S), **stated}


def _name(url: str) -> str:
    return str(conninfo.conninfo_to_dict(url).get("dbname") or "")
