"""`retroproof pki`: the certificates of brokers, servers and devices."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.pki.authority import Authority

folder_option = click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), default="pki", show_default=True, help="Where it is."
)


@click.group()
def pki() -> None:
    """Make and revoke the certificates by which brokers, servers and devices know each other."""


@pki.command()
@click.option("--name", default="RetroProof authority", show_default=True, help="What the authority is called.")
@folder_option
def init(folder: Path, name: str) -> None:
    """Make the authority. Keep its folder off the servers, and a copy in a safe."""
    Authority.create(folder, name)
    click.echo(f"{folder}/ca.pem and crl.pem are for servers and devices; {folder}/ca.key must never leave")


@pki.command()
@click.argument("name")
@click.option("--host", "hosts", multiple=True, required=True, help="A name or address by which it is reached.")
@folder_option
def server(folder: Path, name: str, hosts: tuple[str, ...]) -> None:
    """A key and a certificate for the server NAME."""
    click.echo(Authority(folder).server(name, hosts))


@pki.command()
@click.argument("name")
@folder_option
def client(folder: Path, name: str) -> None:
    """A key and a certificate for the device NAME (its id), or for the worker: ingest."""
    click.echo(Authority(folder).client(name))


@pki.command()
@click.argument("name")
@click.argument("request", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@folder_option
def sign(folder: Path, name: str, request: Path) -> None:
    """A certificate for the device NAME, whose key stays where the signing REQUEST was made."""
    click.echo(Authority(folder).sign(request.read_bytes(), name))


@pki.command()
@click.argument("name")
@folder_option
def revoke(folder: Path, name: str) -> None:
    """Refuse NAME's certificate from now on; then give crl.pem to the brokers and restart or reload them."""
    click.echo(Authority(folder).revoke(name))
