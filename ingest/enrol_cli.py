"""`retroproof ingest enrolment`: tokens for new devices, and the operator's word on who asked with one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from ingest import enrol as enrolment
from ingest.cli_common import database, db_option
from ingest.enrol import Enrolment
from verification import keys

PEM = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group("enrolment")
def enrol() -> None:
    """Let a new device in: token, request, approval."""


@enrol.command()
@click.option("--device", required=True, help="Device id: a-z, 0-9 and -.")
@click.option("--enterprise", required=True, help="Whose device it is.")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long it may be used.")
@db_option
def token(url: str, device: str, enterprise: str, days: int) -> None:
    """Make a one-time token for a device; it is shown now and never again."""
    with database(url) as conn:
        made = enrolment.make_token(conn, device, enterprise, life=dt.timedelta(days=days))
    click.echo(made)
    click.echo(f"On the device: retroproof edge enroll https://ingest.example --token {made}", err=True)


@enrol.command("list")
@click.option("--all", "everything", is_flag=True, help="Also tokens that nobody used, and what was decided.")
@db_option
def list_requests(url: str, everything: bool) -> None:  # noqa: FBT001 - click passes a flag like this
    """Who asks to be let in. Compare the key id with the one on the device's screen before you approve."""
    with database(url) as conn:
        found = enrolment.listed(conn, everything=everything)
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("nobody waits")


@enrol.command()
@click.argument("number", type=int)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the request goes.")
@db_option
def csr(url: str, number: int, out: Path) -> None:
    """Write the certificate request NUMBER to a file, for the authority: retroproof pki sign DEVICE FILE."""
    with database(url) as conn:
        held = enrolment.get(conn, number)
    if held.csr is None:
        raise click.ClickException(f"nobody has used the token of enrolment {number} yet")
    out.write_text(held.csr, encoding="ascii")
    click.echo(f"now run, where the authority is: retroproof pki sign {held.device} {out}")


@enrol.command()
@click.argument("number", type=int)
@click.option("--certificate", type=PEM, required=True, help="What the authority made of the request.")
@click.option("--ca", type=PEM, required=True, help="The authority's own certificate, ca.pem.")
@db_option
def approve(url: str, number: int, certificate: Path, ca: Path) -> None:
    """Let the device of request NUMBER in: its signing key counts from now on."""
    with database(url) as conn:
        done = enrolment.approve(
            conn, number, certificate=certificate.read_text(encoding="ascii"), ca=ca.read_text(encoding="ascii")
        )
    click.echo(f"{done.device} may send; it fetches its certificate by itself")


@enrol.command()
@click.argument("number", type=int)
@click.option("--reason", default="the operator refused", show_default=True, help="What the device is told.")
@db_option
def reject(url: str, number: int, reason: str) -> None:
    """Refuse request NUMBER, or end a token that nobody has used."""
    with database(url) as conn:
        done = enrolment.reject(conn, number, reason)
    click.echo(f"{done.device} was refused; a new token begins anew")


def _line(one: Enrolment) -> str:
    key = keys.key_id(keys.parse_public(one.signing_key)).hex() if one.signing_key else "-"
    when = f"asked {one.requested_at:%Y-%m-%d %H:%M}" if one.requested_at else f"until {one.expires_at:%Y-%m-%d %H:%M}"
    return f"{one.id}  {one.device}  {one.enterprise}  {one.state}  {when}  key id {key}  {one.reason}".rstrip()
