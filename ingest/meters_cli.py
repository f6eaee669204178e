"""`retroproof ingest meters`: the meter register, from a YAML file into the database and back to the eye."""

from __future__ import annotations

from pathlib import Path

import click

from ingest.cli_common import database, db_option, plain_errors
from ingest.meters import Register, listing, record
from verification.yamlfile import load_yaml

COLUMNS = (
    "enterprise meter valid_from serial unit class_percent ct_ratio vt_ratio register_modulus certificate valid_until"
)


@click.group()
def meters() -> None:
    """The meter register: serials, classes, ratios, registers, calibrations, and the points behind which they stand."""


@meters.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@db_option
def import_meters(url: str, file: Path) -> None:
    """Add what is new in FILE (YAML; see docs/reference/database.md). What is recorded stays as it is."""
    with plain_errors():
        register = load_yaml(file, Register)
    with database(url) as conn:
        added = record(conn, register)
    click.echo(f"{added} added to the register of {register.enterprise}")


@meters.command("list")
@db_option
def list_meters(url: str) -> None:
    """Every version of every meter with its newest certificate, one a line."""
    with database(url) as conn:
        rows = listing(conn)
    click.echo(COLUMNS.replace(" ", "\t"))
    for row in rows:
        click.echo("\t".join("-" if item is None else str(item) for item in row))
