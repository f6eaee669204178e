"""What the plant produced: the truth that every count of lost or doubled readings is made against.

An append-only CSV `point,time_us,value` with that header; times in microseconds since the epoch, values as Python
prints a float. A row is in the file before any client can see its value, and is never written twice. The ledger is also
what the servers serve history from, and so what carries the plant over a restart. Beside it lie `LEDGER.plant.json`
(which plant this is: a ledger is never continued by another one) and `LEDGER.delivered` (how far the badge gate got its
receipts).

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

HEADER = "point,time_us,value\n"


class Row(NamedTuple):
    """One produced reading."""

    point: str
    time_us: int
    value: float


class Ledger:
    """The produced readings of one plant, in memory and on disk. One process holds it; one thread writes it."""

    def __init__(self, path: Path, plant: dict[str, object]) -> None:
        """Open or create the ledger at `path` for `plant`, a description that must be the same every time."""
        self.path = path
        self._delivered_path = path.with_name(path.name + ".delivered")
        self._times: dict[str, array[int]] = {}
        self._values: dict[str, array[float]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8", newline="\n")
        try:
            self._lock()
            self._load()
            if self.count() == 0:
                self._delivered_path.unlink(missing_ok=True)
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
        return tuple(self._times)

    def times_us(self, point: str) -> Sequence[int]:
        """The instants of the point's readings, ascending [us]. Grows in place while the plant runs."""
        return self._times.setdefault(point, array("q"))

    def values(self, point: str) -> Sequence[float]:
        """The point's readings, in step with `times_us`; always at least as many as those."""
        return self._values.setdefault(point, array("d"))

    def last_us(self, point: str) -> int | None:
        """The instant of the point's newest reading, or None."""
        times = self.times_us(point)
        return times[-1] if times else None

    def count(self) -> int:
        """How many readings the plant has produced."""
        return sum(len(times) for times in self._times.values())

    def append(self, rows: Sequence[Row]) -> list[Row]:
        """Write the rows that are newer than their point's last one, and return those; only then are they history."""
        fresh: list[Row] = []
        newest: dict[str, int] = {}
        for row in rows:
            last = newest.get(row.point, self.last_us(row.point))
            if last is None or row.time_us > last:
                newest[row.point] = row.time_us
                fresh.append(row)
        self._file.write("".join(f"{row.point},{row.time_us},{row.value!r}\n" for row in fresh))
        self._file.flush()
        for row in fresh:
            self._remember(row.point, row.time_us, row.value)
        return fresh

    def delivered(self) -> int:
        """How many of the badge gate's messages are known to be receipted, counted from the first without a hole."""
        if not self._delivered_path.exists():
            return 0
        return int(self._delivered_path.read_text(encoding="ascii"))

    def save_delivered(self, count: int) -> None:
        """Remember `count` for the next start, all or nothing."""
        _replace(self._delivered_path, f"{count}\n")

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
                point, time_us, value = line.split(",")
                self._remember(point, int(time_us), float(value))
            except ValueError as err:
                raise SimulatorError(f"{self.path}:{number}: not a ledger row: {line!r}; name another file") from err

    def _remember(self, point: str, time_us: int, value: float) -> None:
        # The value first: a reader in another thread goes by the number of times.
        self._values.setdefault(point, array("d")).append(value)
        self._times.setdefault(point, array("q")).append(time_us)


def read_plant(path: Path) -> dict[str, object] | None:
    """Which plant the ledger at `path` belongs to, or None where there is no such ledger yet."""
    try:
        noted: dict[str, object] = json.loads(_plant_path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return noted


def _plant_path(path: Path) -> Path:
    return path.with_name(path.name + ".plant.json")


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
