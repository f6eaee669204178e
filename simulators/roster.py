"""The shift roster (班组考勤表): a CSV file a day, as an office saves it from a Chinese Excel, dropped into a folder.

One line for each shift and team: date, shift, when it begins, team, heads present. Encoded in GB18030, lines end in
CRLF. A day's file is written when that day has ended, whole or not at all, and once: whoever reads the folder may move
it away. Its lines are the ledger's rows of that day; a value that the ledger lacks has no line, and a day without any
has no file. What a kill left unwritten is written at the next start; a file whose writing nobody noted comes twice,
with the same content.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from simulators.errors import SimulatorError
from simulators.grid import SHIFT_H
from simulators.ledger import Ledger, Row
from simulators.plants import Plant
from simulators.points import Point
from simulators.timeline import from_micros

DATE, SHIFT, START, TEAM, HEADS = COLUMNS = ("日期", "班次", "上班时间", "班组", "实到人数")
SHIFT_NAMES = ("夜班", "白班", "中班")
ENCODING = "gb18030"
DATE_FORMAT, START_FORMAT = "%Y-%m-%d", "%H:%M"


def layout(plant: Plant) -> dict[str, object]:
    """How to read the files: the columns that make up the time, how they are written, and the encoding."""
    return {
        "time": [DATE, START],
        "time_format": f"{DATE_FORMAT} {START_FORMAT}",
        "time_zone": plant.timeline.tz.key,
        "encoding": ENCODING,
    }


def address(point: Point) -> dict[str, object]:
    """Where in the files the point stands: its column, and what selects its lines."""
    return {"column": HEADS, "where": {TEAM: point.team}}


class Rosters:
    """Writes the rosters of `plant` from `ledger` into `folder`."""

    def __init__(self, folder: Path, plant: Plant, ledger: Ledger) -> None:
        """Make the folder. Raises SimulatorError for a plant without a roster."""
        self.points = plant.point_names("roster")
        if not self.points:
            raise SimulatorError(f"{plant.line} has no roster among its points; leave out --rosters")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._plant, self._ledger = folder, plant, ledger
        self._written_us = ledger.rosters_us()

    def write(self) -> None:
        """Write the files of all days that the ledger has and that are not written yet."""
        waiting = [row for point in self.points for row in self._rows_after(point, self._written_us)]
        for midnight_us, rows in groupby(sorted(waiting, key=_in_order), key=attrgetter("produced_us")):
            self._write_day(list(rows))
            self._ledger.save_rosters_us(midnight_us)
            self._written_us = midnight_us

    def _rows_after(self, point: str, midnight_us: int) -> list[Row]:
        produced_us = self._ledger.column(point).produced_us
        return self._ledger.rows(point, range(bisect_right(produced_us, midnight_us), len(produced_us)))

    def _write_day(self, rows: Sequence[Row]) -> None:
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(COLUMNS)
        table.writerows(self._line(row) for row in rows)
        day = from_micros(rows[0].produced_us - 1, self._plant.timeline.tz).date()
        path = self._folder / f"考勤表-{day}.csv"
        scratch = path.with_name(path.name + ".new")
        scratch.write_bytes(text.getvalue().encode(ENCODING))
        scratch.replace(path)

    def _line(self, row: Row) -> tuple[str, str, str, str, int]:
        start = from_micros(row.time_us, self._plant.timeline.tz)
        shift = SHIFT_NAMES[start.hour // SHIFT_H]
        team = self._plant.points[row.point].team
        return f"{start:{DATE_FORMAT}}", shift, f"{start:{START_FORMAT}}", team, int(row.value)


def _in_order(row: Row) -> tuple[int, int, str]:
    return row.produced_us, row.time_us, row.point
