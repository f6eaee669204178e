"""Reads back what was stored: windows of readings as numpy columns, batches byte for byte, the heads of the chains.

For the engine, the evidence package and exports. Values and units are as the source sent them. Times are microseconds
since 1970 UTC; a window holds its start and not its end. Give a connection with a REPEATABLE READ transaction where
several answers must belong to one moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ingest.database import Connection, statement
from ingest.errors import IngestError
from ingest.rows import PG_EPOCH_US, from_copy, record_type
from verification.model import MAX_TIME_US, NULL_TIME_US, PointKind

PAGE = 64  # batches fetched at a time: at most 16 MiB
_WINDOW = record_type({"time": ">i8", "value": ">f8", "status": ">i8", "point_id": ">i4", "flags": ">i2"})


@dataclass(frozen=True, slots=True)
class Columns:
    """The readings of one point, in order of time, those of one time in the order in which they were collected."""

    time_us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    status: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A point as its device described it."""

    id: int
    name: str
    address: str
    unit: str
    kind: PointKind
    meter: str


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as it arrived. code: 'accepted', or why it has no readings."""

    epoch: int
    sequence: int
    sha256: bytes
    code: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last batch of a chain without a hole before it; latest_source_time_us: of the readings up to it, if any."""

    epoch: int
    sequence: int
    sha256: bytes
    latest_source_time_us: int | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many readings of a point are here, and from when to when."""

    point: str
    count: int
    first_us: int
    last_us: int


def points(conn: Connection, device: str) -> list[StoredPoint]:
    """Every point that the device has ever named, by name."""
    rows = conn.execute(statement("points"), {"device": device}).fetchall()
    return [
        StoredPoint(point_id, name, address, unit, PointKind(kind), meter)
        for point_id, name, address, unit, kind, meter in rows
    ]


def load_window(
    conn: Connection,
    device: str,
    names: Sequence[str],
    start_us: int = NULL_TIME_US,
    end_us: int = MAX_TIME_US + 1,
) -> dict[str, Columns]:
    """The readings of the points with these names, by name; an unknown name has no readings.

    Raises IngestError when one name stands for points of different unit or kind, whose values must not be mixed.
    """
    named: dict[str, list[StoredPoint]] = {name: [] for name in names}
    for point in points(conn, device):
        if point.name in named:
            named[point.name].append(point)
    for name, found in named.items():
        if len({(point.unit, point.kind) for point in found}) > 1:
            kinds = ", ".join(sorted(f"{point.kind} in {point.unit}" for point in found))
            raise IngestError(f"{name} of {device} was sent as {kinds}; give the points different names at the edge")
    wanted = {
        "points": [point.id for found in named.values() for point in found],
        "start_us": start_us,
        "end_us": end_us,
    }
    with conn.cursor() as cursor, cursor.copy(statement("window"), wanted) as copy:
        records = from_copy(b"".join(copy), _WINDOW)
    return {
        name: _columns(records[np.isin(records["point_id"], [point.id for point in found])])
        for name, found in named.items()
    }


def _columns(records: npt.NDArray[np.void]) -> Columns:
    return Columns(
        records["time"].astype(np.int64) + PG_EPOCH_US,
        records["value"].astype(np.float64),
        records["status"].astype(np.uint32),
        records["flags"].astype(np.uint8),
    )


def batches(conn: Connection, device: str, *, refused: bool = False) -> Iterator[StoredBatch]:
    """The batches of a device in order of epoch and sequence; `refused` ones too if asked for. Constant memory."""
    epoch, sequence = -1, -1
    while True:
        place = {"device": device, "epoch": epoch, "sequence": sequence, "refused": refused, "page": PAGE}
        page = [StoredBatch(*row) for row in conn.execute(statement("batch_page"), place, binary=True)]
        yield from page
        if len(page) < PAGE:
            return
        epoch, sequence = page[-1].epoch, page[-1].sequence


def heads(conn: Connection, device: str) -> list[ChainHead]:
    """The head of each chain of the device, oldest epoch first; a chain without its first batch has none."""
    return [ChainHead(*row) for row in conn.execute(statement("heads"), {"device": device})]


def coverage(
    conn: Connection, device: str, start_us: int = NULL_TIME_US, end_us: int = MAX_TIME_US + 1
) -> list[Coverage]:
    """Readings per point name in the window; points without any are left out."""
    window = {"device": device, "start_us": start_us, "end_us": end_us}
    return [Coverage(*row) for row in conn.execute(statement("coverage"), window)]


def export_csv(
    conn: Connection,
    out: BinaryIO,
    device: str,
    point: str | None = None,
    start_us: int = NULL_TIME_US,
    end_us: int = MAX_TIME_US + 1,
) -> None:
    """Write the readings as CSV with a header, row by row as the server sends them: constant memory."""
    wanted = {"device": device, "point": point, "start_us": start_us, "end_us": end_us}
    with conn.cursor() as cursor, cursor.copy(statement("export_csv"), wanted) as copy:
        out.writelines(copy)
