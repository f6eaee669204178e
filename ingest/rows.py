"""Readings in PostgreSQL's binary COPY format, made as numpy records without a Python loop per row.

Every column has a fixed width, so a row is a fixed-width record: the count of fields, then for each field its length
and its value, all big-endian (PostgreSQL documentation, COPY, "Binary Format").

In three steps, because the first needs nothing from the database and the second no ledger row: `encode` turns a batch
into records, point by point, `join` puts those of a group in order once the ids of points are known, and `in_parts`
fills in the ids of batches.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from verification.model import Rows

Records = npt.NDArray[np.void]
Order = npt.NDArray[np.intp]

PG_EPOCH_US = 946_684_800_000_000  # 2000-01-01 UTC, from which PostgreSQL counts the microseconds of a timestamptz
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # flags and the length of the header's extension are zero
TRAILER = b"\xff\xff"
PART = 8_192  # records given to the server at a time: less than 1 MB

# Columns of telemetry.reading in the order of the table.
READING_COLUMNS = {
    "time": ">i8",
    "server_time": ">i8",
    "value": ">f8",
    "status": ">i8",
    "batch_id": ">i8",
    "point_id": ">i4",
    "row": ">i4",
    "flags": ">i2",
}


def _template() -> npt.NDArray[np.void]:
    """A row with its framing words filled in."""
    fields: list[tuple[str, str]] = [("field_count", ">i2")]
    for name, fmt in READING_COLUMNS.items():
        fields += [(f"{name}_bytes", ">i4"), (name, fmt)]
    made = np.zeros(1, np.dtype(fields))
    made["field_count"] = len(READING_COLUMNS)
    for name, fmt in READING_COLUMNS.items():
        made[f"{name}_bytes"] = np.dtype(fmt).itemsize
    return made


_TEMPLATE = _template()
RECORD = _TEMPLATE.dtype
_PG_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Runs:
    """Records that lie point by point: of each point in turn where its run begins, how long it is, and its time span.

    points: the catalogue's indices or point ids; first_times, last_times: microseconds since 2000.
    """

    points: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    counts: npt.NDArray[np.intp]
    first_times: npt.NDArray[np.int64]
    last_times: npt.NDArray[np.int64]

    def __getitem__(self, chosen: Order) -> Runs:
        """These runs, in this order."""
        return Runs(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Encoded:
    """The readings of one batch, point by point, those of one point in their order. Both ids are still missing."""

    records: Records
    runs: Runs


@dataclass(frozen=True, slots=True)
class Joined:
    """The readings of a group, batch by batch, without ids; `order` puts them point by point, as `runs` describes them.

    batches, point_ids: of each reading, in that order, which of the batches it is of (from 0), and its point.
    """

    records: Records
    order: Order
    runs: Runs
    batches: npt.NDArray[np.intp]
    point_ids: npt.NDArray[np.int32]

    def in_parts(self, batch_ids: Sequence[int]) -> Iterator[Records]:
        """Whole records point by point, a part at a time; `batch_ids` are those of the batches that were joined.

        So the server works on one part while the next is put together, and none needs memory of its own.
        """
        ids = np.array(batch_ids, np.int64)
        for start in range(0, len(self.order), PART):
            chosen = slice(start, start + PART)
            part = self.records.take(self.order[chosen])
            part["batch_id"] = ids[self.batches[chosen]]
            part["point_id"] = self.point_ids[chosen]
            yield part

    def totals(self) -> dict[str, list[Any]]:
        """How many records each point has, and its first and last time, as columns."""
        points, begins = np.unique(self.runs.points, return_index=True)
        return {
            "points": points.tolist(),
            "readings": np.add.reduceat(self.runs.counts, begins).tolist(),
            "first_times": [_moment(t) for t in np.minimum.reduceat(self.runs.first_times, begins).tolist()],
            "last_times": [_moment(t) for t in np.maximum.reduceat(self.runs.last_times, begins).tolist()],
        }


def encode(rows: Rows) -> Encoded:
    """One batch, at least one reading, as records."""
    index = np.frombuffer(rows.point, np.uint16)
    order = np.argsort(index, kind="stable")
    counts = np.bincount(index)
    points = np.flatnonzero(counts)
    counts = counts[points]
    starts = np.cumsum(counts) - counts
    time = np.frombuffer(rows.time_us, np.int64).take(order) - PG_EPOCH_US
    records = np.repeat(_TEMPLATE, len(rows))
    records["time"] = time
    records["server_time"] = np.frombuffer(rows.server_time_us, np.int64).take(order) - PG_EPOCH_US
    records["value"] = np.frombuffer(rows.value, np.float64).take(order)
    records["status"] = np.frombuffer(rows.status, np.uint32).take(order)
    records["row"] = order
    records["flags"] = np.frombuffer(rows.flags, np.uint8).take(order)
    spans = np.minimum.reduceat(time, starts), np.maximum.reduceat(time, starts)
    return Encoded(records, Runs(points, starts, counts, *spans))


def join(batches: Sequence[tuple[Encoded, npt.NDArray[np.int32]]]) -> Joined:
    """The readings of these batches, at least one: of each its records and the point ids by catalogue index."""
    lengths = [len(encoded.records) for encoded, _ in batches]
    offsets = np.cumsum(lengths) - lengths
    # As bytes, because numpy copies records field by field and turns their byte order into the machine's.
    records = np.concatenate([encoded.records.view(np.uint8) for encoded, _ in batches]).view(RECORD)
    of_batches = [encoded.runs for encoded, _ in batches]
    runs = Runs(
        np.concatenate([point_ids[encoded.runs.points] for encoded, point_ids in batches]),
        np.concatenate([runs.starts + offset for runs, offset in zip(of_batches, offsets, strict=True)]),
        np.concatenate([runs.counts for runs in of_batches]),
        np.concatenate([runs.first_times for runs in of_batches]),
        np.concatenate([runs.last_times for runs in of_batches]),
    )
    runs = runs[np.argsort(runs.points, kind="stable")]
    before = np.cumsum(runs.counts) - runs.counts
    order = np.arange(len(records)) + np.repeat(runs.starts - before, runs.counts)
    of_batch = np.repeat(np.arange(len(batches)), lengths)
    return Joined(records, order, runs, of_batch[order], np.repeat(runs.points, runs.counts))


def _moment(since_pg_epoch_us: int) -> dt.datetime:
    return _PG_EPOCH + dt.timedelta(microseconds=since_pg_epoch_us)
