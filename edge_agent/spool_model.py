"""The nouns of the spool, and how rows are packed to lie in it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from verification.errors import RetroProofError
from verification.model import COLUMN_TYPES, NULL_TIME_US, Rows, from_little_endian, little_endian

ROW_BYTES = sum({"B": 1, "H": 2, "I": 4, "q": 8, "d": 8}[code] for code in COLUMN_TYPES.values())
MICROSECONDS_PER_DAY = 86_400_000_000
CHECKSUM_BYTES = 4


class SpoolFullError(RetroProofError):
    """There is no room, or what lies there is too old; nothing was written."""


class TooLargeError(SpoolFullError):
    """It would find no room in an empty spool either."""


class KeyChangeDelayedError(RetroProofError):
    """The signing key cannot be changed just now; nothing was done, and it can be tried again."""


class SpoolDamagedError(RetroProofError):
    """The file does not hold what was written; only a new start can mend that."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a spool and of a batch."""

    max_bytes: int = 1 << 30
    max_age_us: int = 90 * MICROSECONDS_PER_DAY
    max_rows: int = 5_000
    max_wait_us: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose spool this is, and where its chain stands."""

    device: str
    epoch: int
    next_sequence: int
    previous: bytes
    dropped: int
    filtered: int


@dataclass(frozen=True, slots=True)
class PointState:
    """How far a point has been read: latest source time, rows at exactly that time, and the row that came last."""

    time_us: int
    count: int
    row_time_us: int
    value_bits: int
    row_status: int

    @property
    def columns(self) -> tuple[int, int, int, int, int]:
        """As the spool stores it."""
        return (self.time_us, self.count, self.row_time_us, self.value_bits, self.row_status)

    @property
    def row(self) -> tuple[int, float, int]:
        """Source time, value and status of the row that came last."""
        return (self.row_time_us, value_of(self.value_bits), self.row_status)


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch that waits for its acknowledgement."""

    epoch: int
    sequence: int
    sha256: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an acknowledgement led to, with the reason codes of the batches that ingest refused.

    refused: settled, and kept aside here; beyond: not settled (an unknown key, a bad signature), so they stay and are
    sent again; alarm: why the acknowledgement was not believed, and then nothing was deleted.
    """

    deleted: int = 0
    refused: tuple[tuple[int, str], ...] = ()
    beyond: tuple[tuple[int, str], ...] = ()
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits in the spool."""

    epoch: int
    next_sequence: int
    batches: int
    open_rows: int
    used_bytes: int
    max_bytes: int
    oldest_us: int | None
    full: str
    refused: int


class Taken(NamedTuple):
    """Up to which message of a source's subscription the rows are in the spool.

    session: what `Spool.keep_session` shall hold as of this message; None where the message changes nothing about it.
    """

    source: str
    subscription: int
    sequence: int
    session: bytes | None = None


Receipt = tuple[str, bytes]  # a topic and the correlation by which a message on it is known again


def value_bits(value: float) -> int:
    """The 64 bits of a double, by which values are compared exactly, NaN included."""
    return cast("int", struct.unpack("<q", struct.pack("<d", value))[0])


def value_of(bits: int) -> float:
    """The double with these bits."""
    return cast("float", struct.unpack("<d", struct.pack("<q", bits))[0])


def states_after(states: Mapping[int, PointState], rows: Rows, ahead_us: int) -> dict[int, PointState]:
    """The changed states once these rows have been kept; a time beyond `ahead_us` does not count as read up to."""
    last: dict[int, int] = {}
    reached: dict[int, tuple[int, int]] = {}
    for place, (point, time_us) in enumerate(zip(rows.point, rows.time_us, strict=True)):
        last[point] = place
        if point in reached:
            most_us, count = reached[point]
        elif point in states:
            most_us, count = states[point].time_us, states[point].count
        else:
            most_us, count = NULL_TIME_US, 0
        if most_us < time_us <= ahead_us:
            reached[point] = (time_us, 1)
        else:
            reached[point] = (most_us, count + (time_us == most_us))
    return {
        point: PointState(*reached[point], rows.time_us[place], value_bits(rows.value[place]), rows.status[place])
        for point, place in last.items()
    }


def chunks(rows: Rows, most: int, taken_us: int) -> Iterator[tuple[int, int, bytes]]:
    """Rows cut into storable pieces: when they came, how many, and the columns one after another, with a checksum."""
    for start in range(0, len(rows), most):
        columns = [getattr(rows, name)[start : start + most] for name in COLUMN_TYPES]
        data = b"".join(map(little_endian, columns))
        yield taken_us, len(columns[0]), data + zlib.crc32(data).to_bytes(CHECKSUM_BYTES)


def is_sound(count: int, data: bytes) -> bool:
    """Whether a stored piece is as it was written."""
    columns, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    return len(columns) == count * ROW_BYTES and zlib.crc32(columns) == int.from_bytes(checksum)


def extend(rows: Rows, count: int, data: bytes) -> None:
    """Append a stored piece to rows. Raises SpoolDamagedError."""
    if not is_sound(count, data):
        raise SpoolDamagedError("readings in the spool have changed on the disk; a new start replaces the file")
    start = 0
    for name, code in COLUMN_TYPES.items():
        column = getattr(rows, name)
        size = column.itemsize * count
        column.extend(from_little_endian(code, data[start : start + size]))
        start += size
