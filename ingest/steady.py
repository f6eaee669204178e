"""A connection to the database that outlives the database: work is tried again until it succeeds or we are stopped.

Every error is one plain line in the log, with how long we wait; the connection is made anew each time. Work that fails
must leave nothing behind (a transaction does), since it is done again from its start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg

from ingest.database import STATEMENT_TIMEOUT_S, Connection, connect
from ingest.errors import ClockBehindError

RETRY_MIN_S, RETRY_MAX_S = 0.5, 5.0  # a server that is back should not wait for us

T = TypeVar("T")

log = logging.getLogger(__name__)


class SteadyDatabase:
    """For one thread. `note` is told whenever the database answers or fails.

    `greet` does what each new connection needs first; what it raises but errors of the database passes through.
    """

    def __init__(
        self,
        url: str,
        stop: threading.Event,
        note: Callable[[bool], None] = lambda _up: None,
        *,
        greet: Callable[[Connection], None] = lambda _conn: None,
        statement_timeout_s: int = STATEMENT_TIMEOUT_S,
    ) -> None:
        self._url = url
        self._stop = stop
        self._note = note
        self._greet = greet
        self._statement_timeout_s = statement_timeout_s
        self._conn: Connection | None = None

    def attempt(self, what: str, work: Callable[[Connection], T]) -> T | None:
        """What `work` returns in the end; None if we were stopped meanwhile. `what` names in the log what waits."""
        delay_s = RETRY_MIN_S
        while True:
            conn = self._connected()
            if conn is None:
                return None
            try:
                return work(conn)
            except (psycopg.Error, ClockBehindError) as err:
                log.error("database: %s; %s waits %.1f s", _one_line(err), what, delay_s)
            self._note(False)  # noqa: FBT003 - the database's state
            conn.close()
            if self._stop.wait(delay_s):
                return None
            delay_s = min(2 * delay_s, RETRY_MAX_S)

    def close(self) -> None:
        """End the connection."""
        if self._conn is not None:
            self._conn.close()

    def _connected(self) -> Connection | None:
        delay_s = RETRY_MIN_S
        while self._conn is None or self._conn.closed:
            try:
                self._conn = self._greeted()
                self._note(True)  # noqa: FBT003 - the database's state
                log.info("database connected")
            except psycopg.Error as err:
                self._note(False)  # noqa: FBT003 - the database's state
                log.error("database not reachable: %s; next try in %.1f s", _one_line(err), delay_s)
                if self._stop.wait(delay_s):
                    return None
                delay_s = min(2 * delay_s, RETRY_MAX_S)
        return self._conn

    def _greeted(self) -> Connection:
        conn = connect(self._url, statement_timeout_s=self._statement_timeout_s)
        try:
            self._greet(conn)
        except Exception:
            conn.close()
            raise
        return conn


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())
