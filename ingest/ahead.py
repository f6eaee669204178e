"""Reads batches while they wait: what needs no database is done while the database works on the group before.

Beside the worker's thread one more: it checks signatures, inflates, and encodes rows for COPY, by the keys that the
worker met in the groups before. It takes nothing out of the intake and decides nothing. A batch that it did not
come to, or could not read, the worker reads itself; so whatever happens here, only time is lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingest.admission import Arrival, Contents
from ingest.intake import Intake, Parcel
from ingest.rows import encode
from verification.batch import read_payload
from verification.errors import FormatError
from verification.model import Rows

MAX_KEYS = 10_000
POLL_S = 0.5

log = logging.getLogger(__name__)


def read(arrival: Arrival, key: Ed25519PublicKey) -> Arrival:
    """With its contents, if `key` signed it and they are well-formed; else as it was, and admission says why."""
    if arrival.batch is None or not arrival.batch.envelope.signed_by(key):
        return arrival
    try:
        payload = read_payload(arrival.batch)
    except FormatError:
        return arrival
    encoded = encode(payload) if isinstance(payload, Rows) else None
    return replace(arrival, contents=Contents(key, payload, encoded))


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
                self._intake.put_read(parcel, self._read(parcel))

    def _read(self, parcel: Parcel) -> Arrival:
        batch = parcel.arrival.batch
        key = self._keys.get(batch.envelope.key_id) if batch else None
        try:
            return read(parcel.arrival, key) if key else parcel.arrival
        except Exception:  # whatever it was, the thread must live; the worker meets the batch itself
            log.exception("a batch could not be read ahead, and is left to the worker")
            return parcel.arrival
