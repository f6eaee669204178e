"""`retroproof api`: serve, migrate, keys and access tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import psycopg

from api import tokens
from api.clock import utc_now
from api.database import apply_migrations, connect
from api.tokens import Role
from ingest.http.listen import listen
from verification import keys
from verification.errors import RetroProofError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DEFAULT_DAYS = 90
STOP_S = 10  # how long a stop waits for answers under way


class Group(click.Group):
    """Turns our refusals, and a database that is away, into one plain line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the chosen subcommand."""
        try:
            return super().invoke(ctx)
        except RetroProofError as err:
            raise click.ClickException(str(err)) from err
        except psycopg.OperationalError as err:
            raise click.ClickException(f"The database does not answer: {str(err).strip()}") from err
        except psycopg.errors.UndefinedTable as err:
            raise click.ClickException("Tables are missing; run: retroproof api migrate") from err


@click.group(cls=Group)
def api() -> None:
    """Serve the API and the web pages; make keys and access tokens."""


database = click.option(
    "--db", envvar="RETROPROOF_DB", show_envvar=True, required=True, help="postgresql:// URL of the database."
)


@api.command()
@click.option(
    "--config",
    "config_file",
    type=FILE,
    required=True,
    help="YAML: db, listen, log_key, engine_key, log_origin.",
)
def serve(config_file: Path) -> None:
    """Serve the API and the web pages until SIGTERM or Ctrl-C. Brings its own tables up to date first."""
    import uvicorn  # noqa: PLC0415 - a second of imports that `api token` need not wait for

    from api.app import create_app  # noqa: PLC0415 - as above
    from api.config import load_settings  # noqa: PLC0415 - as above

    settings = load_settings(config_file)
    with connect(settings.db) as conn:
        apply_migrations(conn)
    listener = listen(settings.host, settings.port)
    options = uvicorn.Config(
        create_app(settings), log_level="warning", server_header=False, timeout_graceful_shutdown=STOP_S
    )
    click.echo(f"ready http://{settings.host}:{listener.getsockname()[1]}/")
    uvicorn.Server(options).run(sockets=[listener])


@api.command()
@database
def migrate(db: str) -> None:
    """Make this room's tables, or bring them up to date."""
    with connect(db) as conn:
        applied = apply_migrations(conn)
    click.echo(f"dossier: {len(applied)} migrations applied" if applied else "dossier: up to date")


@api.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the private key goes, mode 0600.")
def keygen(out: Path) -> None:
    """Make a signing key for results or for the log; prints the public half."""
    click.echo(keys.public_text(keys.generate(out)))


@api.group()
def token() -> None:
    """Access tokens: who may sign in, as what, until when."""


@token.command("add")
@database
@click.option("--role", type=click.Choice([str(role) for role in Role]), required=True)
@click.option("--subject", required=True, help="Who will use it: a person or a service.")
@click.option("--enterprise", help="For the role enterprise: which one.")
@click.option("--days", type=click.IntRange(1, tokens.MAX_DAYS), default=DEFAULT_DAYS, show_default=True)
def add_token(db: str, role: str, subject: str, enterprise: str | None, days: int) -> None:
    """Make a token and print it, once."""
    with connect(db) as conn:
        click.echo(tokens.add(conn, Role(role), subject, enterprise, days=days, now=utc_now()))


@token.command("list")
@database
def list_tokens(db: str) -> None:
    """Every token: id, role, subject, enterprise, until when, and whether it was revoked."""
    with connect(db) as conn:
        for row in tokens.list_all(conn):
            ends = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else f"until {row.expires_at:%Y-%m-%d}"
            click.echo(f"{row.id}  {row.role:10}  {row.subject}  {row.enterprise or '-'}  {ends}")


@token.command("revoke")
@database
@click.argument("token_id")
def revoke_token(db: str, token_id: str) -> None:
    """End a token, and every browser session that leans on it, by the id that `list` shows."""
    with connect(db) as conn:
        subject = tokens.revoke(conn, token_id, now=utc_now())
    click.echo(f"revoked: {subject}")
