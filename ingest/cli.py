"""`retroproof ingest`: enrolment, the worker, quarantine."""

from __future__ import annotations

import datetime as dt
import logging
import signal
import threading
import time
from pathlib import Path
from typing import Any

import click

from ingest import logs, register
from ingest.cli_common import database, db_option, plain_errors
from ingest.config import load_config
from ingest.database import statement
from ingest.enrol_cli import enrol
from ingest.gateway.cli import gateway
from ingest.meters_cli import meters
from ingest.release import release
from verification import keys


@click.group()
def ingest() -> None:
    """Enrol devices; take signed batches into the database."""


ingest.add_command(enrol)
ingest.add_command(meters)
ingest.add_command(gateway)


@ingest.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the private key goes; 0600.")
def keygen(out: Path) -> None:
    """Make the key that signs acknowledgements; prints its public half, which agents need as ingest_key."""
    with plain_errors():
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
    with database(url) as conn:
        added = register.enroll(conn, device, key, enterprise, valid_from=valid_from)
    click.echo(f"{device} {'enrolled' if added else 'was enrolled with this key before'}")


@ingest.command()
@click.option("--device", required=True)
@click.option("--key-id", help="End only this key (16 hex digits): what it signed before still counts.")
@db_option
def revoke(url: str, device: str, key_id: str | None) -> None:
    """Take nothing more from a device, or end one of its keys."""
    with database(url) as conn:
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
    help="YAML: db, signing_key, mqtt, http, watch; see docs/reference/ingest.md.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning"]), default="info", show_default=True)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def serve(config: Path, log_level: str, log_format: str) -> None:
    """Take batches from the broker and over HTTP into the database until SIGTERM or Ctrl-C."""
    # The imports of a server take a second that `retroproof db` need not wait for.
    from ingest.health import Health  # noqa: PLC0415
    from ingest.http.serve import serving  # noqa: PLC0415
    from ingest.intake import Intake  # noqa: PLC0415
    from ingest.service import Worker  # noqa: PLC0415

    logs.configure(log_level, log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with plain_errors():
        settings = load_config(config)
        intake, health = Intake(), Health(lag_alarm_s=settings.lag_alarm_s)
        with serving(settings, intake, health) as addresses:
            for address in addresses:
                logging.getLogger(__name__).info("listening: %s", address)
            Worker(settings, stop, intake, health).run()


@ingest.group()
def quarantine() -> None:
    """What was refused, and why."""


@quarantine.command("list")
@click.option("--most", default=100, show_default=True, help="The latest so many.")
@click.option("--released", is_flag=True, help="Also those that were released.")
@db_option
def quarantine_list(url: str, most: int, *, released: bool) -> None:
    """The latest refusals, one a line: id, when last, how often, code, topic's device, epoch, sequence, detail."""
    with database(url) as conn:
        for row in conn.execute(statement("quarantine_list"), {"most": most, "released": released}):
            last, *rest = row[1:]
            click.echo("\t".join(str(item) for item in (row[0], last.isoformat(timespec="seconds"), *rest)))


@quarantine.command("show")
@click.argument("number", type=int)
@click.option("--out", type=click.File("wb"), default="-", help="Where its bytes go; - is the standard output.")
@db_option
def quarantine_show(url: str, number: int, out: Any) -> None:  # noqa: ANN401 - click's lazy file
    """The bytes of a refused batch, as they arrived."""
    with database(url) as conn:
        row = conn.execute(statement("quarantine_entry"), {"id": number}).fetchone()
    if row is None:
        raise click.ClickException(f"there is no entry {number}; see: retroproof ingest quarantine list")
    out.write(row[2])


@quarantine.command("release")
@click.argument("numbers", type=int, nargs=-1, required=True)
@db_option
def quarantine_release(url: str, numbers: tuple[int, ...]) -> None:
    """Judge refused batches again, in this order, after a key or catalogue was mended; exit 1 if one stays out.

    A batch that holds its place in the chain keeps it. Release a catalogue before the readings that need it.
    """
    stays = 0
    with database(url) as conn:
        for number in numbers:
            found = release(conn, number, received_at_us=time.time_ns() // 1000)
            stays += not found.lets_in
            click.echo(f"{number}\t{found.code}" + (f"\t{found.detail}" if found.detail else ""))
    if stays:
        raise click.ClickException(f"{stays} of {len(numbers)} stay in quarantine, for the reason in their line")
