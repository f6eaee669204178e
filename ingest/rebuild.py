"""Proves that the readings are what the stored batches say, and makes them again from the batches if they are not.

The batches are the evidence; `telemetry.reading` is their projection. Both are walked side by side in the order of
batch and row, in constant memory, and compared bit for bit. Readings that were dropped on purpose (ingest.retention)
are left out on both sides. Verifies no signature: a package's check does.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import psycopg

from ingest.database import Connection, connect, statement
from ingest.errors import IngestError
from ingest.ledger import EpochKey, PointIds, read_catalogues
from ingest.progress import Progress
from ingest.retention import forget_horizon, horizon_of
from ingest.rows import PG_EPOCH_US, READING_COLUMNS, RECORD, Encoded, Records, encode, join
from ingest.writer import copy_readings
from verification.batch import open_batch, read_payload
from verification.model import NULL_TIME_US, Rows

PAGE = 64  # batches at a time: a few hundred thousand rows, some tens of megabytes
# The columns that the statement `readings_of_batches` returns, each packed, in its order.
_COMPARED = [name for name in READING_COLUMNS if name != "batch_id"]
_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was gone through, the hash of those readings, and where the first difference lies, if there is one.

    sha256: over the columns of each batch in turn, as PostgreSQL sends them, so the same after a rebuild or a restore.
    """

    batches: int
    readings: int
    sha256: str
    first_difference: str | None


@dataclass(frozen=True, slots=True)
class _Projection:
    """The readings that one accepted batch stands for."""

    batch_id: int
    place: str
    encoded: Encoded
    point_ids: PointIds

    def records(self, from_us: int) -> Records:
        """Those from `from_us` on, in the order of the batch."""
        parts = list(join([(self.encoded, self.point_ids)]).in_parts([self.batch_id]))
        made = np.frombuffer(b"".join(part.tobytes() for part in parts), RECORD)
        made = made[np.argsort(made["row"])]
        return made[made["time"] >= from_us - PG_EPOCH_US]


def compare(url: str, progress: Progress | None = None) -> Comparison:
    """Whether the readings equal their batches, as of one moment, while ingest goes on."""
    with connect(url, statement_timeout_s=0) as stored, connect(url, statement_timeout_s=0) as derived:
        stored.isolation_level = derived.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with stored.transaction(), derived.transaction():
            row = stored.execute("SELECT pg_export_snapshot()").fetchone()
            derived.execute(f"SET TRANSACTION SNAPSHOT '{row[0] if row else ''}'".encode())
            found = _walk(stored, derived, progress or Progress("compared", "readings"))
            wrong = stored.execute(statement("wrong_total")).fetchone()
            if found.first_difference is None and wrong is not None:
                return replace(found, first_difference=f"in how many there are of {wrong[0]}")
            return found


def rebuild(url: str, progress: Progress | None = None) -> None:
    """Make all readings again from the batches, in one transaction. Ingest waits meanwhile."""
    progress = progress or Progress("rebuilt", "readings")
    with connect(url, statement_timeout_s=0) as conn, conn.transaction():
        conn.execute("LOCK TABLE telemetry.batch IN SHARE MODE")
        conn.execute("TRUNCATE telemetry.reading, telemetry.point_total")
        progress.total = _count(conn)
        for page in _pages(conn):
            readings = join([(one.encoded, one.point_ids) for one in page])
            copy_readings(conn, readings, [one.batch_id for one in page])
            progress.add(len(readings.records))
        forget_horizon(conn)


def _walk(stored: Connection, derived: Connection, progress: Progress) -> Comparison:
    progress.total = _count(stored)
    horizon = horizon_of(stored)
    from_us = NULL_TIME_US if horizon is None else (horizon - _UNIX_EPOCH) // dt.timedelta(microseconds=1)
    batches = readings = 0
    digest = hashlib.sha256()
    with derived.cursor(binary=True) as cursor:
        rows = cursor.stream(statement("readings_of_batches"), {"from_us": from_us})
        held = next(rows, None)
        for page in _pages(stored):
            for wanted in page:
                records = wanted.records(from_us)
                columns = [records[name].tobytes() for name in _COMPARED]
                if len(records):
                    if held is None or held[0] != wanted.batch_id or list(held[1:]) != columns:
                        return Comparison(batches, readings, digest.hexdigest(), _where(held, wanted))
                    held = next(rows, None)
                for column in columns:
                    digest.update(column)
                batches += 1
                readings += len(records)
                progress.add(len(records))
    difference = None if held is None else f"in readings of the id {held[0]}, which no accepted batch has"
    return Comparison(batches, readings, digest.hexdigest(), difference)


def _where(held: tuple[int, ...] | None, wanted: _Projection) -> str:
    if held is not None and held[0] < wanted.batch_id:
        return f"in readings of the id {held[0]}, which no accepted batch has"
    missing = held is None or held[0] > wanted.batch_id
    return f"in {wanted.place}" + (", whose readings are not there" if missing else "")


def _count(conn: Connection) -> int:
    row = conn.execute("SELECT coalesce(sum(row_count), 0) FROM telemetry.batch WHERE code = 'accepted'").fetchone()
    return int(row[0]) if row else 0


def _pages(conn: Connection) -> Iterator[list[_Projection]]:
    """The readings of every accepted batch, in the order of their ids."""
    point_ids: dict[EpochKey, PointIds] = {}
    after = 0
    while page := conn.execute(statement("rebuild_page"), {"after": after, "page": PAGE}, binary=True).fetchall():
        missing = sorted({(device, epoch) for _, _, device, epoch, _ in page} - point_ids.keys())
        point_ids |= read_catalogues(conn, missing)[1]
        made = []
        for batch_id, data, device, epoch, sequence in page:
            place = f"batch {sequence} of epoch {epoch} of {device}"
            made.append(_Projection(batch_id, place, encode(_rows(batch_id, data)), point_ids[device, epoch]))
        yield made
        after = page[-1][0]


def _rows(batch_id: int, data: bytes) -> Rows:
    payload = read_payload(open_batch(data))
    if not isinstance(payload, Rows):
        raise IngestError(f"the batch of id {batch_id} is in the ledger as readings and holds something else")
    return payload
