"""Proves that the readings are what the stored batches say, and makes them again from the batches if they are not.

The batches are the evidence; `telemetry.reading` is their projection. Both are walked side by side in the order of
batch and row, in constant memory, and compared bit for bit. Verifies no signature: a package's check does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from ingest.database import Connection, connect, statement
from ingest.errors import IngestError
from ingest.ledger import EpochKey, PointIds, read_catalogues
from ingest.rows import READING, SIGNATURE, TRAILER, Records, as_bytes, to_records
from ingest.writer import copy_readings
from verification.batch import open_batch, read_payload
from verification.model import Rows

PAGE = 64  # batches at a time: a few hundred thousand rows, some tens of megabytes


@dataclass(frozen=True, slots=True)
class Comparison:
    """The batches and readings gone through, and where the first difference lies, if there is one."""

    batches: int
    readings: int
    first_difference: str | None


def compare(url: str) -> Comparison:
    """Whether the readings equal their batches, as of one moment, while ingest goes on."""
    try:
        with connect(url, statement_timeout_s=0) as stored, connect(url, statement_timeout_s=0) as derived:
            stored.isolation_level = derived.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with stored.transaction(), derived.transaction():
                row = stored.execute("SELECT pg_export_snapshot()").fetchone()
                derived.execute(f"SET TRANSACTION SNAPSHOT '{row[0] if row else ''}'".encode())
                return _walk(stored, derived)
    except _Differs as found:
        return Comparison(found.batches, found.readings, str(found))


def rebuild(url: str) -> Comparison:
    """Make all readings again from the batches, in one transaction, and compare. Ingest waits meanwhile."""
    with connect(url, statement_timeout_s=0) as conn, conn.transaction():
        conn.execute("LOCK TABLE telemetry.batch IN SHARE MODE")
        conn.execute("TRUNCATE telemetry.reading")
        for _, records in _projections(conn):
            copy_readings(conn, records)
    return compare(url)


class _Differs(Exception):  # noqa: N818 - an outcome; as an exception because only one ends a COPY midway
    def __init__(self, batches: int, readings: int, where: str) -> None:
        super().__init__(where)
        self.batches, self.readings = batches, readings


def _walk(stored: Connection, derived: Connection) -> Comparison:
    batches = readings = 0
    with derived.cursor() as cursor, cursor.copy(statement("readings_in_order")) as copy:
        stream = _Stream(iter(copy))
        stream.take(len(SIGNATURE))
        for batch_ids, records in _projections(stored):
            if stream.take(len(records) * READING.itemsize) != bytes(as_bytes(records)):
                where = f"in one of the batches with ids {batch_ids[0]} to {batch_ids[-1]}"
                raise _Differs(batches, readings, where)
            batches += len(batch_ids)
            readings += len(records)
        # One byte more than the trailer has, so that the stream is read to its end.
        if stream.take(len(TRAILER) + 1) != TRAILER:
            raise _Differs(batches, readings, "in readings that no batch holds")
    return Comparison(batches, readings, None)


def _projections(conn: Connection) -> Iterator[tuple[list[int], Records]]:
    """The readings of every accepted batch, a page at a time, in the order of their ids."""
    point_ids: dict[EpochKey, PointIds] = {}
    after = 0
    while True:
        page = conn.execute(statement("rebuild_page"), {"after": after, "page": PAGE}, binary=True).fetchall()
        if not page:
            return
        missing = sorted({(device, epoch) for _, _, device, epoch in page} - point_ids.keys())
        point_ids |= read_catalogues(conn, missing)[1]
        yield (
            [batch_id for batch_id, *_ in page],
            to_records(
                [(batch_id, _rows(batch_id, data), point_ids[device, epoch]) for batch_id, data, device, epoch in page]
            ),
        )
        after = page[-1][0]


def _rows(batch_id: int, data: bytes) -> Rows:
    payload = read_payload(open_batch(data))
    if not isinstance(payload, Rows):
        raise IngestError(f"batch {batch_id} is in the ledger as readings and holds something else")
    return payload


class _Stream:
    """A run of bytes that arrives in pieces, taken in other pieces."""

    def __init__(self, pieces: Iterator[bytes | bytearray | memoryview]) -> None:
        self._pieces = pieces
        self._held = bytearray()

    def take(self, count: int) -> bytes:
        """The next `count` bytes; fewer at the end."""
        while len(self._held) < count:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._held += piece
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken
