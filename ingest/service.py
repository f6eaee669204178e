"""The ingest worker: takes groups from the intake, commits them, then answers. It may be killed at any moment.

The order is the promise: commit, then the signed acknowledgement to the agent, then the broker's. While the database is
away the group in hand waits, unacknowledged, the broker holds the rest, and HTTP says 503.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from ingest import asked, migrate
from ingest.admission import Code, Decision
from ingest.ahead import ReadAhead
from ingest.clock import SteadyClock
from ingest.config import IngestConfig
from ingest.database import Connection
from ingest.errors import IngestError
from ingest.health import Health
from ingest.inbox import Inbox
from ingest.intake import Asked, Intake, Item, Parcel, Reply
from ingest.ledger import EpochKey
from ingest.steady import SteadyDatabase
from ingest.writer import Outcome, write_group
from verification import ack

POLL_S = 0.5
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
        self._ahead = ReadAhead(intake)
        self._health = health
        health.metrics.waiting.set_function(lambda: len(intake))
        self._inbox = Inbox(config.broker, intake, health) if config.broker else None
        self._database = SteadyDatabase(
            config.db, stop, self._note_database, statement_timeout_s=config.statement_timeout_s
        )

    def run(self) -> None:
        """Work until stopped. Raises IngestError when the database was not migrated."""
        pending = self._database.attempt("the start", migrate.pending)
        if pending is None:
            return
        if pending:
            raise IngestError("the database lacks tables of this release; make them with: retroproof db migrate")
        if self._inbox is not None:
            self._inbox.start()
        self._ahead.start()
        try:
            while not self._stop.is_set():
                group = self._intake.take(wait_s=POLL_S)
                if group:
                    self._handle(group)
        finally:
            self._ahead.stop()
            if self._inbox is not None:
                self._inbox.stop()
            self._database.close()

    def _note_database(self, up: bool) -> None:  # noqa: FBT001 - the callback's one argument
        self._health.database = up
        if not up:
            self._health.metrics.retries.inc()

    def _handle(self, group: list[Item]) -> None:
        committed = self._database.attempt(f"the group of {len(group)}", lambda conn: self._commit(conn, group))
        if committed is None:
            return
        outcome, refusals = committed
        self._ahead.learn(outcome.keys)
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

    def _commit(self, conn: Connection, group: list[Item]) -> tuple[Outcome, dict[Asked, Reply]]:
        """Write the group; also the questions that get no answer, each with its reason."""
        arrivals = [item.arrival for item in group if isinstance(item, Parcel)]
        questions = [item for item in group if isinstance(item, Asked)]
        now_us, begin_s = self._now_us(), time.monotonic()
        refusals = asked.refusals(conn, questions, now_us)
        chains = [(item.device, epoch) for item in questions if item not in refusals for epoch in item.epochs]
        outcome = write_group(conn, arrivals, received_at_us=now_us, asked=chains)
        self._health.note_group(outcome.decisions, commit_s=time.monotonic() - begin_s, committed_at_us=self._now_us())
        return outcome, refusals


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
