"""What the plant produced: the truth that every count of lost or doubled readings is made against.

An append-only CSV `point,time_us,value,status,produced_us` with that header; times in microseconds since the epoch,
values as Python prints a float. time_us is what the source says, produced_us when it sent the reading: they differ
where a clock is wrong. Rows stand in the order of sending. A row is in the file before any client can see its value,
and is never written twice. The ledger is also what the servers serve history from, and so what carries the plant over
a restart. Beside it lie `LEDGER.plant.json` (which plant this is: a ledger is never continued by another one),
`LEDGER.delivered` (how far the badge gate got its receipts) and `LEDGER.rosters` (how far the rosters are written).

Holds against kill -9 of the simulator, not against power failure: rows are flushed to the operating system, not to the
disk. The file grows by about 20 MB a day of live values at 1 Hz.
"""

from __future__ import annotations

import fcntl
import json
import os
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from simulators.errors import SimulatorError

HEADER = "point,time_us,value,status,produced_us\n"


class Row(NamedTuple):
    """One produced reading. A device with a right clock gives produced_us as its time_us."""

    point: str
    time_us: int
    value: float
    status: int
    produced_us: int

    @classmethod
    def good(cls, point: str, time_us: int, value: float) -> Row:
        """A reading with nothing wrong about it."""
        return cls(point, time_us, value, 0, time_us)


class Column(NamedTuple):
    """The readings of one point, in step with each other. Grow in place while the plant runs."""

    time_us: array[int]
    value: array[float]
    status: array[int]
    produced_us: array[int]


class Ledger:
    """The produced readings of one plant, in memory and on disk. One process holds it; one thread writes it."""

    def __init__(self, path: Path, plant: dict[str, object]) -> None:
        """Open or create the ledger at `path` for `plant`, a description that must be the same every time."""
        self.path = path
        self._delivered_path = path.with_name(path.name + ".delivered")
        self._rosters_path = path.with_name(path.name + ".rosters")
        self._columns: dict[str, Column] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8", newline="\n")
        try:
            self._lock()
            self._load()
            if self.count() == 0:
                self._delivered_path.unlink(missing_ok=True)
                self._rosters_path.unlink(missing_ok=True)
            self._settle_plant(plant)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """The ledger itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Release the file and its lock."""
        self._file.close()

    def points(self) -> Sequence[str]:
        """The points of which the ledger has readings."""
        return tuple(self._columns)

    def column(self, point: str) -> Column:
        """The point's readings in the order of production; `time_us` is never longer than the others."""
        return self._columns.setdefault(point, Column(array("q"), array("d"), array("Q"), array("q")))

    def row(self, point: str, index: int) -> Row:
        """One reading of the point, counted in the order of production."""
        (row,) = self.rows(point, (index,))
        return row

    def rows(self, point: str, indices: Sequence[int]) -> list[Row]:
        """These readings of the point, counted in the order of production."""
        times, values, statuses, produced = self.column(point)
        return [Row(point, times[i], values[i], statuses[i], produced[i]) for i in indices]

    def times_us(self, point: str) -> Sequence[int]:
        """The source times of the point's readings [us]."""
        return self.column(point).time_us

    def last_us(self, point: str) -> int | None:
        """When the plant produced the point's newest reading, or None."""
        produced_us = self.column(point).produced_us
        return produced_us[-1] if produced_us else None

    def count(self) -> int:
        """How many readings the plant has produced."""
        return sum(len(column.time_us) for column in self._columns.values())

    def append(self, rows: Sequence[Row]) -> list[Row]:
        """Write the rows produced after their point's last one, and return those; only then are they history.

        Within one call a device may send a reading twice, or two in the wrong order.
        """
        last = {point: self.last_us(point) for point in {row.point for row in rows}}
        fresh = [row for row in rows if (before := last[row.point]) is None or row.produced_us > before]
        self._file.write(
            "".join(f"{row.point},{row.time_us},{row.value!r},{row.status},{row.produced_us}\n" for row in fresh)
        )
        self._file.flush()
        for row in fresh:
            self._remember(row)
        return fresh

    def delivered(self) -> int:
        """How many of the badge gate's messages are known to be receipted, counted from the first without a hole."""
        return _number_in(self._delivered_path)

    def save_delivered(self, count: int) -> None:
        """Remember `count` for the next start, all or nothing."""
        _replace(self._delivered_path, f"{count}\n")

    def rosters_us(self) -> int:
        """Up to which midnight the rosters are known to be written [us]; 0: none is."""
        return _number_in(self._rosters_path)

    def save_rosters_us(self, midnight_us: int) -> None:
        """Remember `midnight_us` for the next start, all or nothing."""
        _replace(self._rosters_path, f"{midnight_us}\n")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise SimulatorError(
                f"{self.path} is in use by another simulator; stop that one or name another file"
            ) from err

    def _settle_plant(self, plant: dict[str, object]) -> None:
        """Note which plant this is, or refuse to go on with another one; without a row the ledger is anyone's."""
        noted = read_plant(self.path)
        if noted is None or self.count() == 0:
            _replace(_plant_path(self.path), json.dumps(plant, indent=2, sort_keys=True) + "\n")
            return
        differing = sorted(key for key in noted.keys() | plant.keys() if noted.get(key) != plant.get(key))
        if differing:
            said = ", ".join(f"{key} {noted.get(key)!r}, now {plant.get(key)!r}" for key in differing)
            raise SimulatorError(f"{self.path} belongs to another plant ({said}); use its options or another --ledger")

    def _load(self) -> None:
        """Read the file back. A last line cut short by a kill was visible to nobody, and is cut off."""
        self._file.seek(0)
        text = self._file.read()
        if HEADER.startswith(text) and text != HEADER:  # a new file, or one whose header was cut short
            os.truncate(self.path, 0)
            self._file.write(HEADER)
            self._file.flush()
            return
        if not text.startswith(HEADER):
            raise SimulatorError(
                f"{self.path} is not a ledger: its first line is not {HEADER.strip()!r}; name another file"
            )
        whole = text[: text.rfind("\n") + 1]
        if len(whole) != len(text):
            os.truncate(self.path, len(whole.encode("utf-8")))
        lines = whole.splitlines()
        for number, line in enumerate(lines[1:], start=2):
            try:
                point, time_us, value, status, produced_us = line.split(",")
                self._remember(Row(point, int(time_us), float(value), int(status), int(produced_us)))
            except ValueError as err:
                raise SimulatorError(f"{self.path}:{number}: not a ledger row: {line!r}; name another file") from err

    def _remember(self, row: Row) -> None:
        column = self.column(row.point)
        column.value.append(row.value)
        column.status.append(row.status)
        column.produced_us.append(row.produced_us)
        column.time_us.append(row.time_us)  # the last: a reader in another thread goes by the number of times


def read_plant(path: Path) -> dict[str, object] | None:
    """Which plant the ledger at `path` belongs to, or None where there is no such ledger yet."""
    try:
        noted: dict[str, object] = json.loads(_plant_path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return noted


def _number_in(path: Path) -> int:
    """The number that the file holds; 0 where there is no file."""
    return int(path.read_text(encoding="ascii")) if path.exists() else 0


def _plant_path(path: Path) -> Path:
    return path.with_name(path.name + ".plant.json")


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
