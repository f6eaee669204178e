"""`retroproof db`: the tables, what the server offers, what is stored, and the readings themselves."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import Callable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import click

from ingest import backup, rebuild, retention, tier
from ingest import migrate as migrations
from ingest.buckets import DayCoverage, counter_deltas, coverage_by_day
from ingest.cli_common import database, db_option, plain_errors
from ingest.database import Connection, connect, statement
from ingest.export import Format, export
from ingest.progress import Progress
from ingest.read import END_OF_TIME_US
from verification.model import NULL_TIME_US, Grade

_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@click.group()
def db() -> None:
    """Create, migrate, inspect and read the database."""


@db.command()
@db_option
def migrate(url: str) -> None:
    """Make the tables, or bring them to this release, and use what the server offers."""
    with database(url) as conn:
        applied = migrations.migrate(conn)
        found = tier.equip(conn)
        click.echo(f"{len(applied)} applied, {len(migrations.migrations(migrations.PACKAGE))} in all, tier {found}")


@db.command()
@db_option
def status(url: str) -> None:
    """What the server offers and what is stored."""
    with database(url) as conn:
        pending = len(migrations.pending(conn))
        known = len(migrations.migrations(migrations.PACKAGE))
        lines: dict[str, object] = {
            "server": _server(conn),
            "tier": tier.detect(conn),
            "schema": f"{known - pending} of {known}" + ("; run: retroproof db migrate" if pending else ""),
        }
        if not pending:
            lines |= tier.storage(conn)
            for grade, name in ((Grade.SIGNED, "readings kept"), (Grade.TRANSPORT, "of gateways kept")):
                horizon = retention.horizon_of(conn, grade)
                lines[name] = "all" if horizon is None else f"from {horizon:%Y-%m-%d %H:%M} UTC on"
            cursor = conn.execute(statement("status_counts"))
            lines |= dict(
                zip((column.name for column in cursor.description or ()), cursor.fetchone() or (), strict=True)
            )
    for name, value in lines.items():
        click.echo(f"{name:20}{value}")


def _server(conn: Connection) -> str:
    row = conn.execute(
        "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"
    ).fetchone()
    version, timescale = row or ("", None)
    return f"PostgreSQL {version}" + (f", TimescaleDB {timescale}" if timescale else "")


def _moment(default_us: int | None) -> Callable[[click.Context, click.Parameter, str | None], int | None]:
    """A click callback that reads an ISO 8601 time with its zone as microseconds since 1970."""

    def read_moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
        if text is None:
            return default_us
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError as err:
            raise click.BadParameter(f"{text!r} is not a time such as 2026-01-31T00:00:00+08:00") from err
        if moment.tzinfo is None:
            raise click.BadParameter(f"{text!r} has no time zone; add one, for example +08:00 or Z")
        return (moment - _UNIX_EPOCH) // _MICROSECOND

    return read_moment


@db.command()
@click.option("--device", required=True)
@db_option
def points(url: str, device: str) -> None:
    """What each point of a device is, since when, and who said so, as CSV."""
    with database(url) as conn:
        cursor = conn.execute(statement("point_history"), {"device": device})
        lines = csv.writer(sys.stdout, lineterminator="\n")
        lines.writerow(column.name for column in cursor.description or ())
        lines.writerows([one.isoformat() if isinstance(one, dt.datetime) else one for one in row] for row in cursor)


@db.command()
@click.option("--device", required=True)
@click.option("--point", "points", multiple=True, help="Only this point; may be given several times.")
@click.option("--start", "start_us", callback=_moment(NULL_TIME_US), help="Such as 2026-01-31T00:00:00+08:00.")
@click.option("--end", "end_us", callback=_moment(END_OF_TIME_US), help="The first moment left out.")
@click.option("--out", type=click.File("wb"), default="-", help="Where it goes; - is standard output.")
@click.option("--format", "form", type=click.Choice([*Format]), help="Default: by the file's suffix, else csv.")
@db_option
def readings(
    url: str,
    device: str,
    points: tuple[str, ...],
    start_us: int,
    end_us: int,
    out: Any,  # noqa: ANN401 - click's file, which has no type of its own
    form: str | None,
) -> None:
    """Every reading as CSV, Parquet or Arrow: point, time, value, status, flags, epoch, sequence, row."""
    suffix = Path(out.name).suffix[1:] if isinstance(out.name, str) else ""
    chosen = Format(form or (suffix if suffix in [*Format] else Format.CSV))
    with plain_errors(), connect(url, statement_timeout_s=0) as conn, Progress("exported", "readings") as progress:
        export(conn, out, chosen, device, points, start_us, end_us, progress.add)


@db.command()
@click.option("--device", required=True)
@click.option("--start", "start_us", callback=_moment(None), required=True, help="Such as 2026-01-31T00:00:00+08:00.")
@click.option("--end", "end_us", callback=_moment(None), required=True, help="The first moment left out.")
@click.option("--zone", default="Asia/Shanghai", show_default=True, help="Whose days.")
@db_option
def coverage(url: str, device: str, start_us: int, end_us: int, zone: str) -> None:
    """By point and day as CSV: readings, good ones, and of the day's quarters of an hour those with a good one."""
    with database(url) as conn:
        days = coverage_by_day(conn, device, start_us, end_us, zone)
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(field.name for field in fields(DayCoverage))
    lines.writerows(astuple(one) for one in days)


@db.command()
@click.option("--device", required=True)
@click.option("--point", required=True, help="A counter.")
@click.option("--start", "start_us", callback=_moment(None), required=True, help="Such as 2026-01-31T00:00:00+08:00.")
@click.option("--end", "end_us", callback=_moment(None), required=True, help="The first moment left out.")
@db_option
def deltas(url: str, device: str, point: str, start_us: int, end_us: int) -> None:
    """What a counter rose by in each quarter of an hour, as CSV; times are microseconds since 1970 UTC."""
    with database(url) as conn:
        found = counter_deltas(conn, device, point, start_us, end_us)
    names = [field.name for field in fields(found)]
    click.echo(",".join(names))
    for row in zip(*(getattr(found, name).tolist() for name in names), strict=True):
        click.echo(",".join(map(repr, row)))


@db.command()
@click.option("--keep-days", type=click.IntRange(1), required=True, help="Readings younger than this stay.")
@click.option(
    "--gateways", is_flag=True, help="Those of gateways that sign nothing: they go for good, no batch brings them back."
)
@db_option
def retain(url: str, keep_days: int, *, gateways: bool) -> None:
    """Drop old readings; their batches stay. For a timer: see docs/how-to/deploy.md."""
    grade = Grade.TRANSPORT if gateways else Grade.SIGNED
    with plain_errors(), connect(url, statement_timeout_s=0) as conn:
        horizon = retention.drop_before(conn, dt.datetime.now(dt.UTC) - dt.timedelta(days=keep_days), grade)
    kept = "what gateways sent before is gone" if gateways else "all batches are here"
    click.echo(f"readings are whole from {horizon:%Y-%m-%d %H:%M} UTC on; {kept}")


@db.command("rebuild")
@click.option("--check", "action", flag_value="check", default=True, help="Only compare. The default.")
@click.option("--write", "action", flag_value="write", help="Make the readings again; ingest waits meanwhile.")
@db_option
def rebuild_command(url: str, action: str) -> None:
    """Prove that the readings equal the stored batches bit for bit; exit 1 if not."""
    with plain_errors():
        if action == "write":
            with Progress("rebuilt", "readings") as progress:
                rebuild.rebuild(url, progress)
        with Progress("compared", "readings") as progress:
            found = rebuild.compare(url, progress)
    if found.first_difference:
        raise click.ClickException(f"the readings differ {found.first_difference}; mend: retroproof db rebuild --write")
    click.echo(f"{found.readings} readings equal their {found.batches} batches, sha256 {found.sha256}")


pg_bin_option = click.option(
    "--pg-bin",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="RETROPROOF_PG_BIN",
    help="The folder of pg_dump and pg_restore, of the server's version. Default: the PATH.",
)


@db.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@pg_bin_option
@db_option
def backup_command(url: str, folder: Path, pg_bin: Path | None) -> None:
    """Write everything into a new FOLDER: PostgreSQL's dump, and what it must hold. Ingest goes on meanwhile."""
    with plain_errors(), Progress("written", "bytes") as progress:
        manifest = backup.backup(url, folder, pg_bin=pg_bin, progress=progress)
    rows = sum(table.rows for table in manifest.tables.values())
    click.echo(f"{rows:,} rows of {len(manifest.tables)} tables, tier {manifest.tier}, in {folder}")


@db.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@pg_bin_option
@db_option
def restore_command(url: str, folder: Path, pg_bin: Path | None) -> None:
    """Bring the backup in FOLDER into an empty database, and prove that it is what was backed up."""
    with plain_errors():
        manifest = backup.restore(url, folder, pg_bin=pg_bin)
    rows = sum(table.rows for table in manifest.tables.values())
    click.echo(f"{rows:,} rows of {len(manifest.tables)} tables restored, each table as it was backed up")
