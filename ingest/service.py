"""The ingest worker: takes groups from the intake, commits them, then answers. It may be killed at any moment.

The order is the promise: commit, then the signed acknowledgement to the agent, then the broker's. While the database is
away the group in hand waits, unacknowledged, the broker holds the rest, and HTTP says 503.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import psycopg

from ingest import asked, migrate
from ingest.admission import Code, Decision
from ingest.clock import SteadyClock
from ingest.config import IngestConfig
from ingest.database import Connection, connect
from ingest.errors import IngestError
from ingest.health import Health
from ingest.inbox import Inbox
from ingest.intake import Asked, Intake, Item, Parcel, Reply
from ingest.ledger import EpochKey
from ingest.writer import Outcome, write_group
from verification import ack

MAX_GROUP = 64  # batches to a transaction: past this a larger one is no faster, and holds locks and memory longer
MAX_GROUP_BYTES = 8 << 20
POLL_S = 0.5
RETRY_MIN_S, RETRY_MAX_S = 0.5, 5.0  # seconds: a server that is back should not wait for us
QUIET_CODES = frozenset({Code.ACCEPTED, Code.DUPLICATE, Code.DEFERRED})

log = logging.getLogger(__name__)


class Worker:
    """One worker with one connection to each side; `run` returns after `stop` is set and the group in hand is done."""

    def __init__(
        self,
        config: IngestConfig,
        stop: threading.Event,
        intake: Intake,
        health: Health,
        now_us: Callable[[], int] | None = None,
    ) -> None:
        self._config = config
        self._stop = stop
        self._now_us = now_us or SteadyClock().now_us
        self._intake = intake
        self._health = health
        self._inbox = Inbox(config.broker, intake, health) if config.broker else None
        self._conn: Connection | None = None

    def run(self) -> None:
        """Work until stopped. Raises IngestError when the database was not migrated."""
        conn = self._connected()
        if conn is None:
            return
        if migrate.pending(conn):
            raise IngestError("the database lacks tables of this release; make them with: retroproof db migrate")
        if self._inbox is not None:
            self._inbox.start()
        try:
            while not self._stop.is_set():
                group = self._intake.take(wait_s=POLL_S, most=MAX_GROUP, most_bytes=MAX_GROUP_BYTES)
                self._health.metrics.waiting.set(len(self._intake))
                if group:
                    self._handle(group)
        finally:
            if self._inbox is not None:
                self._inbox.stop()
            if self._conn is not None:
                self._conn.close()

    def _handle(self, group: list[Item]) -> None:
        committed = self._commit(group)
        if committed is None:
            return
        outcome, refusals = committed
        acks = {(said.device, said.epoch): ack.sign(said, self._config.signing_key) for said in outcome.acks}
        for decision in outcome.decisions:
            _tell_of_refusal(decision)
        if self._inbox is not None:
            for device, epoch in sorted(_chains_over_mqtt(group) & acks.keys()):
                self._inbox.publish(device, acks[device, epoch])
        decided = {id(decision.arrival): decision for decision in outcome.decisions}
        for item in group:
            if isinstance(item, Parcel):
                item.answer(_reply(decided[id(item.arrival)], acks))
            elif item in refusals:
                item.answer(refusals[item])
            else:
                found = (acks.get((item.device, epoch)) for epoch in item.epochs)
                item.answer(Reply(Code.ACCEPTED, acks=tuple(said for said in found if said is not None)))

    def _commit(self, group: list[Item]) -> tuple[Outcome, dict[Asked, Reply]] | None:
        """Write the group, trying again for as long as the database is away; None if stopped meanwhile."""
        arrivals = [item.arrival for item in group if isinstance(item, Parcel)]
        questions = [item for item in group if isinstance(item, Asked)]
        delay_s = RETRY_MIN_S
        while True:
            conn = self._connected()
            if conn is None:
                return None
            try:
                now_us, begin_s = self._now_us(), time.monotonic()
                refusals = asked.refusals(conn, questions, now_us)
                chains = [(item.device, epoch) for item in questions if item not in refusals for epoch in item.epochs]
                outcome = write_group(conn, arrivals, received_at_us=now_us, asked=chains)
            except psycopg.Error as err:
                log.error("database: %s; the group of %s waits %.1f s", _one_line(err), len(group), delay_s)
            else:
                commit_s, at_us = time.monotonic() - begin_s, self._now_us()
                self._health.note_group(outcome.decisions, commit_s=commit_s, committed_at_us=at_us)
                return outcome, refusals
            self._health.database = False
            self._health.metrics.retries.inc()
            conn.close()
            if self._stop.wait(delay_s):
                return None
            delay_s = min(2 * delay_s, RETRY_MAX_S)

    def _connected(self) -> Connection | None:
        """The connection, made anew if it is gone, trying until it works; None if stopped meanwhile."""
        delay_s = RETRY_MIN_S
        while self._conn is None or self._conn.closed:
            try:
                self._conn = connect(self._config.db, statement_timeout_s=self._config.statement_timeout_s)
                self._health.database = True
                log.info("database connected")
            except psycopg.Error as err:
                log.error("database not reachable: %s; next try in %.1f s", _one_line(err), delay_s)
                if self._stop.wait(delay_s):
                    return None
                delay_s = min(2 * delay_s, RETRY_MAX_S)
        return self._conn


def _chains_over_mqtt(group: Sequence[Item]) -> set[EpochKey]:
    """The chains whose acknowledgement goes out over the broker: over HTTP the response carries it."""
    chains = set()
    for item in group:
        if isinstance(item, Asked):
            if item.proof is None:
                chains |= {(item.device, epoch) for epoch in item.epochs}
        elif item.arrival.topic_device is not None and item.arrival.batch is not None:
            chains.add((item.arrival.topic_device, item.arrival.batch.header.epoch))
    return chains


def _reply(decision: Decision, acks: dict[EpochKey, bytes]) -> Reply:
    header = decision.arrival.batch.header if decision.arrival.batch else None
    said = acks.get((header.device, header.epoch)) if header and decision.proven else None
    return Reply(decision.code, decision.detail, (said,) if said else ())


def _tell_of_refusal(decision: Decision) -> None:
    if decision.code not in QUIET_CODES:
        sender = decision.arrival.topic_device
        log.warning("refused: topic=%s code=%s detail=%s", sender, decision.code, decision.detail)


def _one_line(err: psycopg.Error) -> str:
    return " ".join(str(err).split())
