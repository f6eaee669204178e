"""The ingest worker: takes groups of messages from the broker, commits them, then acknowledges. It may be killed.

The order is the promise: commit, then the signed acknowledgement to the agent, then the broker's. While the database is
away the group in hand waits, unacknowledged, and the broker holds the rest.
"""

from __future__ import annotations

import logging
import threading
import time

import psycopg

from ingest import migrate
from ingest.admission import Arrival, Code
from ingest.config import IngestConfig
from ingest.database import Connection, connect
from ingest.errors import IngestError
from ingest.inbox import BATCH, Inbox, Message
from ingest.writer import Outcome, write_group
from verification import ack
from verification.batch import INT63_MAX

MAX_GROUP = 64  # batches to a transaction: past this a larger one is no faster, and holds locks and memory longer
MAX_GROUP_BYTES = 8 << 20
POLL_S = 0.5
RETRY_MIN_S, RETRY_MAX_S = 0.5, 5.0  # seconds: a server that is back should not wait for us
SYNC_BYTES = 8
QUIET_CODES = frozenset({Code.ACCEPTED, Code.DUPLICATE, Code.DEFERRED})

log = logging.getLogger(__name__)


class Worker:
    """One worker with one connection to each side; `run` returns after `stop` is set and the group in hand is done."""

    def __init__(self, config: IngestConfig, stop: threading.Event) -> None:
        self._config = config
        self._stop = stop
        self._inbox = Inbox(config.broker)
        self._conn: Connection | None = None

    def run(self) -> None:
        """Work until stopped. Raises IngestError when the database was not migrated."""
        conn = self._connected()
        if conn is None:
            return
        if migrate.pending(conn):
            raise IngestError("the database lacks tables of this release; make them with: retroproof db migrate")
        self._inbox.start()
        try:
            while not self._stop.is_set():
                group = self._inbox.take(wait_s=POLL_S, most=MAX_GROUP, most_bytes=MAX_GROUP_BYTES)
                if group:
                    self._handle(group)
        finally:
            self._inbox.stop()
            if self._conn is not None:
                self._conn.close()

    def _handle(self, group: list[Message]) -> None:
        arrivals = [Arrival.of(message.device, message.payload) for message in group if message.what == BATCH]
        asked = [chain for message in group if message.what != BATCH if (chain := read_sync(message)) is not None]
        outcome = self._commit(arrivals, asked)
        if outcome is None:
            return
        for decision in outcome.decisions:
            if decision.code not in QUIET_CODES:
                log.warning(
                    "refused: topic=%s code=%s detail=%s",
                    decision.arrival.topic_device,
                    decision.code,
                    decision.detail,
                )
        for answer in outcome.acks:
            self._inbox.publish(answer.device, ack.sign(answer, self._config.signing_key))
        for message in group:
            self._inbox.acknowledge(message)

    def _commit(self, arrivals: list[Arrival], asked: list[tuple[str, int]]) -> Outcome | None:
        """Write the group, trying again for as long as the database is away; None if stopped meanwhile."""
        delay_s = RETRY_MIN_S
        while True:
            conn = self._connected()
            if conn is None:
                return None
            try:
                return write_group(conn, arrivals, received_at_us=time.time_ns() // 1000, asked=asked)
            except psycopg.Error as err:
                log.error("database: %s; the group of %s waits %.1f s", _one_line(err), len(arrivals), delay_s)
            conn.close()
            if self._stop.wait(delay_s):
                return None
            delay_s = min(2 * delay_s, RETRY_MAX_S)

    def _connected(self) -> Connection | None:
        """The connection, made anew if it is gone, trying until it works; None if stopped meanwhile."""
        delay_s = RETRY_MIN_S
        while self._conn is None or self._conn.closed:
            try:
                self._conn = connect(self._config.db)
                log.info("database connected")
            except psycopg.Error as err:
                log.error("database not reachable: %s; next try in %.1f s", _one_line(err), delay_s)
                if self._stop.wait(delay_s):
                    return None
                delay_s = min(2 * delay_s, RETRY_MAX_S)
        return self._conn


def read_sync(message: Message) -> tuple[str, int] | None:
    """The chain whose state an agent asks for: its epoch as 8 bytes, big-endian; None if it is not that."""
    epoch = int.from_bytes(message.payload)
    if len(message.payload) != SYNC_BYTES or epoch > INT63_MAX or not message.device:
        return None
    return message.device, epoch


def _one_line(err: psycopg.Error) -> str:
    return " ".join(str(err).split())
