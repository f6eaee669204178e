"""Connections to PostgreSQL with every wait bounded, and the named statements of the .sql files.

Does not handle: pooling (a worker has one connection), retries (the service does).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 120
LOCK_TIMEOUT_S = 30
DEAD_PEER_TIMEOUT_S = 30
_NAME_LINE = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def connect(url: str, *, statement_timeout_s: int = STATEMENT_TIMEOUT_S) -> Connection:
    """A connection in autocommit: transactions are where the code says so. A statement timeout of 0 is
    none, and then a transaction may also wait between two statements for as long as it likes.
    """
    idle_timeout_s = STATEMENT_TIMEOUT_S if statement_timeout_s else 0
    lock_timeout_s = min(LOCK_TIMEOUT_S, statement_timeout_s) or LOCK_TIMEOUT_S
    options = (
        f"-c statement_timeout={statement_timeout_s}s -c lock_timeout={lock_timeout_s}s"
        f" -c idle_in_transaction_session_timeout={idle_timeout_s}s -c timezone=UTC"
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


@contextmanager
def one_moment(conn: Connection) -> Iterator[None]:
    """Every query inside sees the same moment; inside a transaction of the caller's, that is the caller's affair."""
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        yield
        return
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@functools.cache
def _statements() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for file in ("queries.sql", "reading.sql", "gateway/gateway.sql"):
        parts = _NAME_LINE.split((files("ingest") / file).read_text(encoding="utf-8"))
        found |= {name: body.encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    return found


def statement(name: str) -> bytes:
    """The statement after `-- name: <name>` in queries.sql (writing) or reading.sql. KeyError where there is none."""
    return _statements()[name]
