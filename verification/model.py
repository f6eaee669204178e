"""What a reading is about: the point it was read from, and the columns in which readings travel.

Values and units are kept as the source sent them; conversion happens in the engine and is recorded there.
"""

from __future__ import annotations

import re
import sys
from array import array
from dataclasses import dataclass
from enum import IntFlag, StrEnum

from verification.errors import FormatError

DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # safe in an MQTT topic, a file name and a certificate's common name
MAX_TEXT_CHARS = 1024
NULL_TIME_US = -11_644_473_600_000_000  # 1601-01-01, which OPC UA (Part 6, 5.2.2.5) uses for "no time"
MAX_TIME_US = 7_258_118_400_000_000  # 2200-01-01


class PointKind(StrEnum):
    """How the values of a point become totals and means over an interval."""

    COUNTER = "counter"
    INTERVAL_TOTAL = "interval_total"
    GAUGE = "gauge"
    STATE = "state"
    EVENT = "event"


class Grade(StrEnum):
    """How far a reading can be trusted, by who answers for it."""

    SIGNED = "signed"  # sealed at the edge by a registered key; anyone can check it
    TRANSPORT = "transport"  # from somebody else's gateway: a broker checked its name, and nothing more


class RowFlag(IntFlag):
    """How a reading came to us, where that differs from a live subscription."""

    BACKFILLED = 1  # from the server's history, after the fact
    MANUAL = 2  # from a file that a person filled in


@dataclass(frozen=True, slots=True)
class Point:
    """One measured quantity at one address; `meter` names the instrument in the meter register, if there is one."""

    name: str
    address: str
    unit: str
    kind: PointKind
    meter: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings as equally long columns, in the order in which they were collected.

    point: index into the epoch's catalogue (uint16); time_us: source time in microseconds since 1970 UTC (int64);
    value: float64; status: full OPC UA status code (uint32); flags: RowFlag (uint8); server_time_us: int64, equal to
    time_us where the server gave none.
    """

    point: array[int]
    time_us: array[int]
    value: array[float]
    status: array[int]
    flags: array[int]
    server_time_us: array[int]

    def __len__(self) -> int:
        return len(self.time_us)

    @classmethod
    def empty(cls) -> Rows:
        """Columns without a row, to append to."""
        return cls(array("H"), array("q"), array("d"), array("I"), array("B"), array("q"))

    def append(
        self,
        point: int,
        time_us: int,
        value: float,
        *,
        status: int = 0,
        flags: int = 0,
        server_time_us: int | None = None,
    ) -> None:
        """Add one reading; server_time_us defaults to the source time."""
        self.point.append(point)
        self.time_us.append(time_us)
        self.value.append(value)
        self.status.append(status)
        self.flags.append(flags)
        self.server_time_us.append(time_us if server_time_us is None else server_time_us)


COLUMN_TYPES = {
    "point": "H",
    "time_us": "q",
    "value": "d",
    "status": "I",
    "flags": "B",
    "server_time_us": "q",
}


def little_endian(column: array[int] | array[float]) -> bytes:
    """The column's bytes, little-endian on every machine."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def from_little_endian(typecode: str, data: bytes) -> array[int] | array[float]:
    """The inverse of `little_endian`. Raises FormatError when the length is not a whole number of items."""
    column: array[int] | array[float] = array(typecode)
    if len(data) % column.itemsize:
        raise FormatError("undecodable", f"a column of {column.itemsize}-byte items has {len(data)} bytes")
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column
