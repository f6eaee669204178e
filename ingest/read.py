"""Reads back what was stored: windows of readings as numpy columns, batches byte for byte, the heads of the chains.

For the engine and the evidence package. Values and units are as the source sent them. Times are microseconds since 1970
UTC; a window holds its start and not its end. Each answer is of one moment; give a connection with a REPEATABLE READ
transaction where several answers must belong to the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.database import Connection, one_moment, statement
from ingest.errors import IngestError
from ingest.retention import refuse_dropped
from ingest.rows import PG_EPOCH_US
from verification.model import MAX_TIME_US, NULL_TIME_US, Grade, PointKind

PAGE = 64  # batches fetched at a time: at most 16 MiB
END_OF_TIME_US = MAX_TIME_US + 1


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
    grade: Grade


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
        StoredPoint(point_id, name, address, unit, PointKind(kind), meter, Grade(grade))
        for point_id, name, address, unit, kind, meter, grade in rows
    ]


def load_window(
    conn: Connection,
    device: str,
    names: Sequence[str],
    start_us: int = NULL_TIME_US,
    end_us: int = END_OF_TIME_US,
) -> dict[str, Columns]:
    """The signed readings of the points with these names, by name; an unknown name has no readings.

    Those of gateways that sign nothing have a way of their own (ingest.gateway.read), which shows their grade. Raises
    IngestError when one name stands for points of different unit or kind, whose values must not be mixed, and when
    readings of the window were dropped by `retroproof db retain`.
    """
    with one_moment(conn):
        refuse_dropped(conn, device, start_us, end_us)
        ids = {name: [point.id for point in found] for name, found in points_named(conn, device, names).items()}
        window = {"start_us": start_us, "end_us": end_us}
        wanted = {"points": [one for found in ids.values() for one in found], **window}
        parts: dict[int, list[_Part]] = {}
        with conn.cursor(binary=True) as cursor:
            for point_id, *part in cursor.stream(statement("window"), wanted):
                parts.setdefault(point_id, []).append(_Part(*part))
        loaded = {
            name: _assemble([part for one in found for part in parts.pop(one, [])]) for name, found in ids.items()
        }
        for name, columns in loaded.items():
            _order_ties(conn, ids[name], columns)
    return loaded


def points_named(conn: Connection, device: str, names: Sequence[str]) -> dict[str, list[StoredPoint]]:
    """Every point that one of these names stands for. Raises IngestError where they differ in unit or kind."""
    named: dict[str, list[StoredPoint]] = {name: [] for name in names}
    for point in points(conn, device):
        if point.name in named:
            named[point.name].append(point)
    for name, found in named.items():
        if len({(point.unit, point.kind) for point in found}) > 1:
            kinds = ", ".join(sorted(f"{point.kind} in {point.unit}" for point in found))
            raise IngestError(f"{name} of {device} was sent as {kinds}; give the points different names at the edge")
    return named


def load_buckets(conn: Connection, point_ids: Sequence[int], starts_us: Sequence[int], width_us: int) -> Columns:
    """The readings of one name's points in these buckets, each from its start for `width_us`. Inside `one_moment`."""
    wanted = {"points": list(point_ids), "starts_us": list(starts_us), "width_us": width_us}
    with conn.cursor(binary=True) as cursor:
        columns = _assemble([_Part(*part) for part in cursor.stream(statement("buckets_raw"), wanted)])
    _order_ties(conn, list(point_ids), columns)
    return columns


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of readings of one point, status and flags: times and values as PostgreSQL sends them, end to end."""

    status: int
    flags: int
    times: bytes
    values: bytes


def _assemble(parts: list[_Part]) -> Columns:
    """The parts as columns in order of time."""
    # Parts come in any order; by their first time they are nearly sorted, which the sort below makes use of.
    parts.sort(key=lambda part: int.from_bytes(part.times[:8], signed=True))
    count = sum(len(part.times) for part in parts) // 8
    columns = Columns(
        np.empty(count, np.int64), np.empty(count, np.float64), np.empty(count, np.uint32), np.empty(count, np.uint8)
    )
    start = 0
    for part in parts:
        end = start + len(part.times) // 8
        columns.time_us[start:end] = np.frombuffer(part.times, ">i8")
        columns.value[start:end] = np.frombuffer(part.values, ">f8")
        columns.status[start:end] = part.status
        columns.flags[start:end] = part.flags
        start = end
    columns.time_us[:] += PG_EPOCH_US
    if np.all(columns.time_us[1:] >= columns.time_us[:-1]):
        return columns
    order = np.argsort(columns.time_us, kind="stable")
    return Columns(columns.time_us[order], columns.value[order], columns.status[order], columns.flags[order])


def _order_ties(conn: Connection, point_ids: list[int], columns: Columns) -> None:
    """Put readings of one time, which are few, into the order in which they were collected."""
    same = columns.time_us[1:] == columns.time_us[:-1]
    if not same.any():
        return
    tied = np.zeros(len(columns), bool)
    tied[1:] |= same
    tied[:-1] |= same
    wanted = {"points": point_ids, "times_us": np.unique(columns.time_us[tied]).tolist()}
    # Binary, since the text of a NaN is without the bits that a device may have put into it.
    ordered = conn.execute(statement("ties"), wanted, binary=True).fetchall()
    if len(ordered) != int(tied.sum()):
        raise IngestError("readings arrived while this window was read; read it in a REPEATABLE READ transaction")
    value, status, flags = zip(*ordered, strict=True)
    columns.value[tied], columns.status[tied], columns.flags[tied] = value, status, flags


def batches(
    conn: Connection,
    device: str,
    *,
    end_us: int | None = None,
    at_least: Mapping[int, int] | None = None,
    refused: bool = False,
) -> Iterator[StoredBatch]:
    """The batches of a device in order of epoch and sequence; `refused` ones too if asked for. Constant memory.

    With `end_us`, each chain comes up to the last batch that has a reading or an admitted gap before that source time,
    and at least to the sequence that `at_least` names for its epoch: a whole beginning of the chain. What a refused
    batch holds is not known, so all of those come.
    """
    ends: dict[int, int] = dict(conn.execute(statement("chain_ends"), {"device": device, "end_us": end_us}).fetchall())
    for epoch, sequence in (at_least or {}).items():
        ends[epoch] = max(sequence, ends.get(epoch, -1))
    wanted = {"device": device, "epochs": [*ends], "ends": [*ends.values()], "refused": refused, "page": PAGE}
    epoch, sequence = -1, -1
    while True:
        place = {**wanted, "epoch": epoch, "sequence": sequence}
        page = [StoredBatch(*row) for row in conn.execute(statement("batch_page"), place, binary=True)]
        yield from page
        if len(page) < PAGE:
            return
        epoch, sequence = page[-1].epoch, page[-1].sequence


def quarantined(conn: Connection, device: str) -> dict[str, int]:
    """How many batches of the device, or of whoever claimed to be it, lie in quarantine, by reason code."""
    return dict(conn.execute(statement("quarantined_of"), {"device": device}).fetchall())


def heads(conn: Connection, device: str) -> list[ChainHead]:
    """The head of each chain of the device, oldest epoch first; a chain without its first batch has none."""
    return [ChainHead(*row) for row in conn.execute(statement("heads"), {"device": device})]


def coverage(conn: Connection, device: str) -> list[Coverage]:
    """Signed readings that are here, by point name; points without any are left out. Costs a row for each point."""
    return [Coverage(*row) for row in conn.execute(statement("coverage"), {"device": device})]
