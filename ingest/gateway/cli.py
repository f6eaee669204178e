"""`retroproof ingest gateway`: readings from gateways that are not ours, kept apart as trust grade 'transport'."""

from __future__ import annotations

import csv
import signal
import sys
import threading
from pathlib import Path

import click

from ingest import logs
from ingest.cli_common import database, db_option, plain_errors
from ingest.errors import TakenOverError
from ingest.gateway import read
from ingest.gateway.config import load_config
from ingest.read import points

TAKEN_OVER = 3  # deploy/server/retroproof-gateways.service does not start it again then


@click.group()
def gateway() -> None:
    """Gateways of others (Sparkplug B, plain MQTT), kept apart as trust grade 'transport'."""


@gateway.command()
@click.option("--config", type=click.Path(path_type=Path), required=True, help="YAML; see docs/reference/ingest.md.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning"]), default="info", show_default=True)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def serve(config: Path, log_level: str, log_format: str) -> None:
    """Keep what the configured gateways publish until SIGTERM or Ctrl-C. Run exactly one for a host id.

    Exit code 3: another host with this id took over our session at the broker; to start again would take it back.
    """
    from ingest.gateway.host import Host  # noqa: PLC0415 - paho and protobuf, which the other commands do not need

    logs.configure(log_level, log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with plain_errors():
        try:
            Host(load_config(config), stop).run()
        except TakenOverError as err:
            click.echo(f"Error: {err}", err=True)
            sys.exit(TAKEN_OVER)


@gateway.command()
@db_option
def status(url: str) -> None:
    """Each node and device, one a line: gateway, unit, online or offline, since when, holes in its sequence."""
    with database(url) as conn:
        for unit in read.states(conn):
            state = "online" if unit.online else "offline"
            since = unit.since.isoformat(timespec="seconds")
            click.echo("\t".join((unit.gateway, unit.unit, state, since, str(unit.holes))))


@gateway.command()
@click.option("--gateway", "name", required=True)
@db_option
def readings(url: str, name: str) -> None:
    """Every reading as CSV: grade,point,time_us,value,status,flags."""
    with database(url) as conn:
        names = [point.name for point in points(conn, name)]
        out = csv.writer(sys.stdout)
        out.writerow(["grade", "point", "time_us", "value", "status", "flags"])
        for point, columns in read.load_window(conn, name, names).items():
            rows = zip(columns.time_us, columns.value, columns.status, columns.flags, strict=True)
            out.writerows([columns.grade, point, *row] for row in rows)
