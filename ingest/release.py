"""Judges a quarantined batch again, after a key or a catalogue was mended, and lets it in if nothing stands against it.

A batch that had taken its place in the chain keeps it: its rows are stored under the ledger row that it has had since
it arrived, so what came after it stays as it is, and a window reads as if it had been accepted then. A batch that had
no place is admitted like one that arrives now. Either way it lands exactly once, because the device's lock is held and
the ledger decides; and it is judged by the same numbered steps, so a forgery stays out whoever asks.

Order: what a batch needs comes first, so release a refused catalogue before the readings that name its points.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingest.admission import Arrival, Code, Decision, admit_again
from ingest.database import Connection, statement
from ingest.errors import IngestError
from ingest.ledger import read_snapshot
from ingest.writer import accept_settled, write_group


@dataclass(frozen=True, slots=True)
class Released:
    """What became of it: `accepted`, `duplicate` (its bytes are in by now), or why it stays where it is."""

    code: Code
    detail: str

    @property
    def lets_in(self) -> bool:
        """Whether its readings are stored."""
        return self.code in {Code.ACCEPTED, Code.DUPLICATE}


def release(conn: Connection, number: int, *, received_at_us: int) -> Released:
    """Judge entry `number` again. Raises IngestError if there is none, or if it was released before."""
    with conn.transaction():
        row = conn.execute(statement("quarantine_entry"), {"id": number}).fetchone()
        if row is None:
            raise IngestError(f"there is no entry {number}; see: retroproof ingest quarantine list")
        topic_device, batch_id, data, released_at = row
        if released_at is not None:
            raise IngestError(f"entry {number} was released at {released_at:%Y-%m-%d %H:%M} UTC")
        arrival = Arrival.of(topic_device, data)
        if batch_id is None:
            decision = write_group(conn, [arrival], received_at_us=received_at_us).decisions[0]
        else:
            decision = _release_settled(conn, arrival, batch_id, received_at_us)
        # A batch that took its place and was refused for another reason has an entry of its own for that now.
        if decision.code in {Code.ACCEPTED, Code.DUPLICATE} or (batch_id is None and decision.settles):
            conn.execute(statement("mark_released"), {"id": number})
    return Released(decision.code, decision.detail)


def _release_settled(conn: Connection, arrival: Arrival, batch_id: int, received_at_us: int) -> Decision:
    snapshot = read_snapshot(conn, [arrival])
    decision = admit_again(snapshot.state, arrival, received_at_us=received_at_us)
    if decision.code is Code.ACCEPTED:
        accept_settled(conn, decision, batch_id, snapshot.point_ids)
    return decision
