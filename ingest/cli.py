"""`retroproof ingest` and `retroproof db`: enrolment, the worker, quarantine; the tables and what is in them."""

from __future__ import annotations

import datetime as dt
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import psycopg

from ingest import migrate as migrations
from ingest import read, rebuild, register
from ingest.config import load_config
from ingest.database import Connection, connect, statement
from ingest.service import Worker
from ingest.tier import detect
from verification import keys
from verification.errors import RetroProofError
from verification.model import MAX_TIME_US, NULL_TIME_US

_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)

db_option = click.option(
    "--db",
    "url",
    envvar="RETROPROOF_DB",
    required=True,
    metavar="URL",
    help="postgresql://...; or the environment variable RETROPROOF_DB, which keeps a password out of the process list.",
)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Refusals and database errors as one plain sentence."""
    try:
        yield
    except RetroProofError as err:
        raise click.ClickException(str(err)) from err
    except psycopg.errors.UndefinedTable as err:
        raise click.ClickException("the database has no tables of ours; make them with: retroproof db migrate") from err
    except psycopg.Error as err:
        raise click.ClickException(f"database: {' '.join(str(err).split())}") from err


@contextmanager
def _database(url: str) -> Iterator[Connection]:
    with _plain_errors(), connect(url) as conn:
        yield conn


@click.group()
def ingest() -> None:
    """Enrol devices; take signed batches into the database."""


@ingest.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the private key goes; 0600.")
def keygen(out: Path) -> None:
    """Make the key that signs acknowledgements; prints its public half, which agents need as ingest_key."""
    with _plain_errors():
        click.echo(keys.public_text(keys.generate(out)))


@ingest.command()
@click.option("--device", required=True, help="Device id: a-z, 0-9 and -.")
@click.option(
    "--key",
    required=True,
    help='The device\'s public key, "ed25519:...", as `retroproof edge keygen` prints it.',
)
@click.option("--enterprise", required=True, help="Whose device it is.")
@click.option("--valid-from", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="Default: a day ago.")
@db_option
def enroll(url: str, device: str, key: str, enterprise: str, valid_from: dt.datetime | None) -> None:
    """Let a device send; called again with another key, add that key to it."""
    with _database(url) as conn:
        added = register.enroll(conn, device, key, enterprise, valid_from=valid_from)
    click.echo(f"{device} {'enrolled' if added else 'was enrolled with this key before'}")


@ingest.command()
@click.option("--device", required=True)
@click.option("--key-id", help="End only this key (16 hex digits): what it signed before still counts.")
@db_option
def revoke(url: str, device: str, key_id: str | None) -> None:
    """Take nothing more from a device, or end one of its keys."""
    with _database(url) as conn:
        if key_id:
            register.retire_key(conn, device, key_id)
        else:
            register.revoke_device(conn, device)
    click.echo(f"{device} {f'key {key_id} ended' if key_id else 'revoked'}")


@ingest.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    required=True,
    help="YAML: db, mqtt, password_file, signing_key.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning"]), default="info", show_default=True)
def run(config: Path, log_level: str) -> None:
    """Take batches from the broker into the database until SIGTERM or Ctrl-C."""
    logging.basicConfig(
        level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _plain_errors():
        Worker(load_config(config), stop).run()


@ingest.group()
def quarantine() -> None:
    """What was refused, and why."""


@quarantine.command("list")
@click.option("--most", default=100, show_default=True, help="The latest so many.")
@db_option
def quarantine_list(url: str, most: int) -> None:
    """The latest refusals, one a line: id, when last, how often, code, topic's device, epoch, sequence, detail."""
    with _database(url) as conn:
        for row in conn.execute(statement("quarantine_list"), {"most": most}):
            last, *rest = row[1:]
            click.echo("\t".join(str(item) for item in (row[0], last.isoformat(timespec="seconds"), *rest)))


@quarantine.command("show")
@click.argument("number", type=int)
@click.option("--out", type=click.File("wb"), default="-", help="Where its bytes go; - is the standard output.")
@db_option
def quarantine_show(url: str, number: int, out: Any) -> None:  # noqa: ANN401 - click's lazy file
    """The bytes of a refused batch, as they arrived."""
    with _database(url) as conn:
        row = conn.execute(statement("quarantine_bytes"), {"id": number}).fetchone()
    if row is None:
        raise click.ClickException(f"there is no entry {number}; see: retroproof ingest quarantine list")
    out.write(row[0])


@click.group()
def db() -> None:
    """Create, migrate, inspect and read the database."""


@db.command()
@db_option
def migrate(url: str) -> None:
    """Make the tables, or bring them to this release."""
    with _database(url) as conn:
        applied = migrations.migrate(conn)
        click.echo(
            f"{len(applied)} applied, {len(migrations.migrations(migrations.PACKAGE))} in all, tier {detect(conn)}"
        )


@db.command()
@db_option
def status(url: str) -> None:
    """What the server offers and what is stored."""
    with _database(url) as conn:
        pending = len(migrations.pending(conn))
        row = conn.execute(
            "SELECT current_setting('server_version'), "
            "(SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')"
        ).fetchone()
        version, timescale = row or ("", None)
        known = len(migrations.migrations(migrations.PACKAGE))
        lines: dict[str, object] = {
            "server": f"PostgreSQL {version}" + (f", TimescaleDB {timescale}" if timescale else ""),
            "tier": detect(conn),
            "schema": f"{known - pending} of {known}" + ("; run: retroproof db migrate" if pending else ""),
        }
        if not pending:
            cursor = conn.execute(statement("status_counts"))
            counts = cursor.fetchone()
            lines |= dict(zip((column.name for column in cursor.description or ()), counts or (), strict=True))
    for name, value in lines.items():
        click.echo(f"{name:20}{value}")


def _moment(default_us: int) -> Callable[[click.Context, click.Parameter, str | None], int]:
    """A click callback that reads an ISO 8601 time with its zone as microseconds since 1970."""

    def read_moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int:
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
@click.option("--point", help="Only this point.")
@click.option("--start", "start_us", callback=_moment(NULL_TIME_US), help="Such as 2026-01-31T00:00:00+08:00.")
@click.option("--end", "end_us", callback=_moment(MAX_TIME_US + 1), help="The first moment left out.")
@click.option("--csv", "out", type=click.File("wb"), default="-", help="Where it goes; - is standard output.")
@db_option
def readings(
    url: str,
    device: str,
    point: str | None,
    start_us: int,
    end_us: int,
    out: Any,  # noqa: ANN401 - click's file, which has no type of its own
) -> None:
    """Every reading as CSV: point,time_us,value,status,flags,epoch,sequence,row."""
    with _plain_errors(), connect(url, statement_timeout_s=0) as conn:
        read.export_csv(conn, out, device, point, start_us, end_us)


@db.command("rebuild")
@click.option("--check", "action", flag_value="check", default=True, help="Only compare. The default.")
@click.option("--write", "action", flag_value="write", help="Make the readings again; ingest waits meanwhile.")
@db_option
def rebuild_command(url: str, action: str) -> None:
    """Prove that the readings equal the stored batches bit for bit; exit 1 if not."""
    with _plain_errors():
        found = rebuild.rebuild(url) if action == "write" else rebuild.compare(url)
    if found.first_difference:
        raise click.ClickException(f"the readings differ {found.first_difference}; mend: retroproof db rebuild --write")
    click.echo(f"{found.readings} readings equal their {found.batches} batches")
