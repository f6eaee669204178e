"""Counts the readings that the plant produced against those that the database holds: none lost, none doubled.

The truth is the simulator's own ledger. A reading is the triple of point, source time and value; both sides are
compared as multisets, so a double cannot hide a loss.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Reading = tuple[str, int, float]


@dataclass(frozen=True)
class Tally:
    """How many readings were produced and stored, and how the two differ."""

    produced: int
    stored: int
    lost: int
    doubled: int

    @property
    def exact(self) -> bool:
        """Whether the database holds just what the plant produced."""
        return self.lost == 0 and self.doubled == 0 and self.produced == self.stored

    def __str__(self) -> str:
        return f"{self.produced:,} produced, {self.stored:,} stored, {self.lost:,} lost, {self.doubled:,} doubled"


def tally(ledger: Path, stored: Iterable[str]) -> Tally:
    """Compare the ledger file with `stored`, lines of CSV that begin with point, time_us and value."""
    with ledger.open(encoding="utf-8", newline="") as file:
        produced = Counter(_readings(file))
    kept = Counter(_readings(stored))
    # What is stored beyond what was produced is a double, or a reading that nobody produced: wrong either way.
    return Tally(produced.total(), kept.total(), (produced - kept).total(), (kept - produced).total())


def produced_so_far(ledger: Path) -> int:
    """How many readings the ledger lists; its first line is a header."""
    with ledger.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - 1


def _readings(lines: Iterable[str]) -> Iterator[Reading]:
    table = csv.reader(lines)
    next(table, None)  # the header; an export that failed has none
    for point, time_us, value, *_ in table:
        yield point, int(time_us), float(value)
