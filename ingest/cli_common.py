"""What the commands of this room share: the option that names the database, and errors in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import psycopg

from ingest.database import Connection, connect
from verification.errors import RetroProofError

db_option = click.option(
    "--db",
    "url",
    envvar="RETROPROOF_DB",
    show_envvar=True,  # the message about a missing option names it
    required=True,
    metavar="URL",
    help="postgresql://...; the environment variable keeps a password out of the process list.",
)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Refusals and database errors as one plain sentence."""
    try:
        yield
    except RetroProofError as err:
        raise click.ClickException(str(err)) from err
    except psycopg.errors.UndefinedTable as err:
        raise click.ClickException("the database has no tables of ours; make them with: retroproof db migrate") from err
    except psycopg.errors.LockNotAvailable as err:
        raise click.ClickException(
            "database: another session holds what this needs, and nothing was changed; see who in pg_stat_activity"
            " (state, query), let it end, and try again"
        ) from err
    except psycopg.Error as err:
        raise click.ClickException(f"database: {' '.join(str(err).split())}") from err


@contextmanager
def database(url: str) -> Iterator[Connection]:
    """A connection for one command."""
    with plain_errors(), connect(url) as conn:
        yield conn
