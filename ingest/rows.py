"""Readings in PostgreSQL's binary COPY format, made as numpy records without a Python loop per row.

Every column has a fixed width, so a row is a fixed-width record: the count of fields, then for each field its length
and its value, all big-endian (PostgreSQL documentation, COPY, "Binary Format").
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
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
_PG_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def to_records(batches: Iterable[tuple[int, Rows, npt.NDArray[np.int32]]]) -> Records:
    """The rows of these batches (batch id, rows, point id by catalogue index) as one array of records."""
    todo = list(batches)
    records = np.repeat(_TEMPLATE, sum(len(rows) for _, rows, _ in todo))
    start = 0
    for batch_id, rows, point_ids in todo:
        part = records[start : start + len(rows)]
        part["time"] = np.frombuffer(rows.time_us, np.int64) - PG_EPOCH_US
        part["server_time"] = np.frombuffer(rows.server_time_us, np.int64) - PG_EPOCH_US
        part["value"] = np.frombuffer(rows.value, np.float64)
        part["status"] = np.frombuffer(rows.status, np.uint32)
        part["batch_id"] = batch_id
        part["point_id"] = point_ids[np.frombuffer(rows.point, np.uint16)]
        part["row"] = np.arange(len(rows))
        part["flags"] = np.frombuffer(rows.flags, np.uint8)
        start += len(rows)
    return records


def point_order(records: Records) -> Order:
    """The indices that put the records point by point, those of one point in the order in which they were."""
    return np.argsort(records["point_id"], kind="stable")


def in_parts(records: Records, order: Order) -> Iterator[memoryview]:
    """The bytes that COPY takes, in this order, a part at a time.

    So the server works on one part while the next is put together, and none needs memory of its own.
    """
    for start in range(0, len(order), PART):
        yield records.take(order[start : start + PART]).view(np.uint8).data


def totals(records: Records, order: Order) -> dict[str, list[Any]]:
    """How many records each point has, and its first and last time, as columns; `order` is that of `point_order`."""
    points, starts, counts = np.unique(records["point_id"][order], return_index=True, return_counts=True)
    times = records["time"][order]
    return {
        "points": points.tolist(),
        "readings": counts.tolist(),
        "first_times": [_moment(time) for time in np.minimum.reduceat(times, starts).tolist()],
        "last_times": [_moment(time) for time in np.maximum.reduceat(times, starts).tolist()],
    }


def _moment(since_pg_epoch_us: int) -> dt.datetime:
    return _PG_EPOCH + dt.timedelta(microseconds=since_pg_epoch_us)
