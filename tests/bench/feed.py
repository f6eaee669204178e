"""The ingest worker as `retroproof ingest serve` runs it, in this process, fed where the broker's messages come in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.admission import Arrival, Code
from ingest.config import IngestConfig
from ingest.health import Health
from ingest.inbox import MAX_UNACKNOWLEDGED
from ingest.intake import Intake, Parcel, Reply
from ingest.service import Worker

DEADLINE_S = 120.0


class Feed:
    """What stands in for the broker: never more batches with the worker than it would send unacknowledged."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._window = threading.Semaphore(MAX_UNACKNOWLEDGED)
        self._replies: list[Reply] = []

    def write(self, device: str, sealed: Sequence[bytes]) -> None:
        """Hand these batches to the worker, and wait until it has committed and answered all of them."""
        self._replies.clear()
        for data in sealed:
            self._wait_for_one()
            if not self._intake.offer(Parcel(Arrival.of(device, data), self._answer)):
                raise RuntimeError("the intake has no room for what the broker may send")
        for _ in range(MAX_UNACKNOWLEDGED):
            self._wait_for_one()
        self._window.release(MAX_UNACKNOWLEDGED)
        if [reply.code for reply in self._replies] != [Code.ACCEPTED] * len(sealed):
            raise RuntimeError("a batch of the bench was not accepted; what was measured is not the writer")

    def _wait_for_one(self) -> None:
        if not self._window.acquire(timeout=DEADLINE_S):
            raise RuntimeError("the worker does not answer; its log says why")

    def _answer(self, reply: Reply) -> None:
        self._replies.append(reply)
        self._window.release()


@contextmanager
def worker(url: str) -> Iterator[Feed]:
    """A worker on the database at `url` while the context lasts."""
    stop, intake = threading.Event(), Intake()
    running = Worker(IngestConfig(url, Ed25519PrivateKey.generate()), stop, intake, Health())
    thread = threading.Thread(target=running.run, name="worker")
    thread.start()
    try:
        yield Feed(intake)
    finally:
        stop.set()
        thread.join()
