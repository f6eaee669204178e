"""The commands of `retroproof edge` about who this device is."""

from __future__ import annotations

from pathlib import Path

import click

from edge_agent import config
from edge_agent.identity import enrolment, rotation
from verification import keys


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The new private key's file.")
def keygen(out: Path) -> None:
    """Make the key that signs this device's batches, where there is no enrolment; prints what ingest must know."""
    key = keys.generate(out)
    click.echo(f"private key  {out}")
    click.echo(f"public key   {keys.public_text(key)}")
    click.echo(f"key id       {keys.key_id(key).hex()}")


@click.command()
@click.argument("url")
@click.option("--token", required=True, envvar="RETROPROOF_TOKEN", help="The one-time token that the operator gave.")
@click.option("--out", type=click.Path(path_type=Path), default=".", help="Where keys and certificates go.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="The authority by which URL is known, if not public.")
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=600.0, show_default=True, help="Seconds.")
def enroll(url: str, token: str, out: Path, ca_file: Path | None, wait_s: float) -> None:
    """Have the platform at URL let this device in. May be broken off and run again, as often as it takes."""
    done = enrolment.enrol(url, token, out, ca_file=ca_file, wait_s=wait_s, report=click.echo)
    click.echo(f"{done.device} is enrolled. For edge.yaml in {out}:")
    click.echo(f"""
device: {done.device}
signing_key: {enrolment.SIGNING_KEY}
ingest_key: "{done.ingest_key}"
uplink:
  mqtt: mqtts://BROKER:8883  # or without a broker: https: {url}
  ca_file: {enrolment.CA}
  cert_file: {enrolment.CERTIFICATE}
  key_file: {enrolment.TLS_KEY}
""")
    click.echo("Next: retroproof edge init opc.tcp://SERVER:4840")


@click.command("rotate-key")
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="The agent's YAML file.")
def rotate_key(file: Path) -> None:
    """Change the signing key: the old one signs the new one, which signs from the next batch on."""
    found = config.load(file)
    old = keys.key_id(found.private_key()).hex()
    new = keys.parse_public(rotation.rotate(found))
    click.echo(f"key {keys.key_id(new).hex()} signs from now on, in place of {old}; ingest learns it from the agent")
