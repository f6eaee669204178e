"""Connections to PostgreSQL with every wait bounded, and the named statements of `queries.sql`.

Does not handle: pooling (a worker has one connection), retries (the service does).
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 120
LOCK_TIMEOUT_S = 30
DEAD_PEER_TIMEOUT_S = 30
_NAME_LINE = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def connect(url: str, *, statement_timeout_s: int = STATEMENT_TIMEOUT_S) -> Connection:
    """A connection in autocommit: transactions are where the code says so. A statement timeout of 0 is none."""
    options = (
        f"-c statement_timeout={statement_timeout_s}s -c lock_timeout={LOCK_TIMEOUT_S}s"
        f" -c idle_in_transaction_session_timeout={STATEMENT_TIMEOUT_S}s -c timezone=UTC"
    )
    return psycopg.connect(
        url,
        autocommit=True,
        application_name="retroproof-ingest",
        connect_timeout=CONNECT_TIMEOUT_S,
        keepalives_idle=DEAD_PEER_TIMEOUT_S,
        tcp_user_timeout=DEAD_PEER_TIMEOUT_S * 1000,
        options=options,
    )


@functools.cache
def _statements() -> dict[str, bytes]:
    parts = _NAME_LINE.split((files("ingest") / "queries.sql").read_text(encoding="utf-8"))
    return {name: body.encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def statement(name: str) -> bytes:
    """The statement that follows `-- name: <name>` in queries.sql. KeyError where there is none."""
    return _statements()[name]
