"""Reads batches while they wait: what needs no database is done while the database works on the group before.

Beside the worker's thread one more: it checks signatures, inflates, and encodes rows for COPY, by the keys that the
worker met in the groups before. It takes nothing out of the intake and decides nothing. A batch that it did not
come to, or could not read, the worker reads itself; so whatever happens here, only time is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingest.intake import Intake

MAX_KEYS = 10_000
POLL_S = 0.5


class ReadAhead:
    """A thread between `start` and `stop`. `learn` is for the worker's thread."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._keys: dict[bytes, Ed25519PublicKey] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the batch in hand."""
        self._stop.set()
        self._thread.join()

    def learn(self, keys: Mapping[bytes, Ed25519PublicKey]) -> None:
        """Registered keys, by key id. Admission judges by the register all the same."""
        if len(self._keys) > MAX_KEYS:
            self._keys = {}
        self._keys.update(keys)

    def _run(self) -> None:
        while not self._stop.is_set():
            parcel = self._intake.next_unread(wait_s=POLL_S)
            if parcel is not None:
                batch = parcel.arrival.batch
                key = self._keys.get(batch.envelope.key_id) if batch else None
                self._intake.put_read(parcel, parcel.arrival.read_ahead(key) if key else parcel.arrival)
