"""A plain table of readings, CSV or Parquet, into series: so that anyone can run the engine without a platform.

Two layouts: long (`point,time,value` and optionally `status`) and wide (`time` and one column per point). Times are
RFC 3339 with their UTC offset; none is guessed. What is wrong with a row becomes a finding; a table that cannot be read
at all is a FormatError. Findings describe the file as it stands, so that a shuffled file has one more. Not handled:
units, which are those that the plan declares, and the cleaning of the readings, which `series.py` does for every
source.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator
from unicodedata import normalize

import numpy as np

from verification.findings import Finding
from verification.plan import Plan
from verification.series.columns import Series
from verification.table.cells import Problem, TimeCells, ValueCells, parse_status
from verification.table.errors import refuse

MAX_TABLE_BYTES = 256 << 20  # two years of ten points at 15 minutes are 30 MB; more belongs in the platform
MAX_NAMES_SHOWN = 10
MAX_NAME_CHARACTERS = 64
PARQUET_MAGIC = b"PAR1"
REQUIRED_LONG = ("point", "time", "value")
Rows = Iterable[tuple[int, list[str]]]  # each with the line on which it ends


@dataclasses.dataclass(frozen=True)
class Table:
    """The readings of the plan's points, in the order of the file, and what was found in it."""

    readings: dict[str, Series]
    findings: list[Finding]


def read_table(data: bytes, plan: Plan, *, name: str = "readings") -> Table:
    """Read a table from the file's bytes; `name` stands for the file in messages. Raises FormatError."""
    if len(data) > MAX_TABLE_BYTES:
        refuse(name, "TABLE_TOO_LARGE", f"it has {len(data)} bytes; a table has at most {MAX_TABLE_BYTES}")
    if not data.strip():
        refuse(name, "TABLE_EMPTY", "it is empty; a header and readings are needed")
    if data.startswith(PARQUET_MAGIC):
        from verification.table.parquet import parquet_rows  # noqa: PLC0415 - pyarrow is slow to load

        header, rows = parquet_rows(data, name)
        return _Reader(plan, name, header).read(enumerate(rows, start=1))
    reader = csv.reader(io.StringIO(_decode(data, name), newline=""), strict=True)
    try:
        header = next(reader, [])
        return _Reader(plan, name, header).read((reader.line_num, row) for row in reader)
    except csv.Error as err:
        refuse(name, "TABLE_MALFORMED", f"line {reader.line_num} is not CSV: {err}")


def _decode(data: bytes, name: str) -> str:
    """UTF-8 text, with or without a byte order mark; other encodings are named, because Chinese Excel writes them."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse(name, "TABLE_NOT_UTF8", "it is UTF-16 text; save it as 'CSV UTF-8' (请另存为“CSV UTF-8”)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        try:
            data.decode("gb18030")
        except UnicodeDecodeError:
            refuse(name, "TABLE_NOT_UTF8", f"it is neither CSV in UTF-8 nor Parquet (byte {err.start})")
        refuse(name, "TABLE_NOT_UTF8", "it looks like GBK text; save it as 'CSV UTF-8' (请另存为“CSV UTF-8”)")


@dataclasses.dataclass
class _Columns:
    """The readings of one point as they accumulate."""

    time_us: list[int] = dataclasses.field(default_factory=list)
    value: list[float] = dataclasses.field(default_factory=list)
    status: list[int] = dataclasses.field(default_factory=list)


class _Reader:
    """Reads rows of one layout, which the header decides."""

    def __init__(self, plan: Plan, name: str, header: list[str]) -> None:
        self._header = [column.strip() for column in header]
        self._check_header(plan, name)
        self._is_long = "point" in self._header
        self._points = {point: _Columns() for point in plan.points}
        self._times = TimeCells(plan.zone)
        self._values = ValueCells()
        self._ragged = Problem()
        self._ignored: dict[str, None] = {}

    def read(self, rows: Rows) -> Table:
        """All rows into series."""
        add = self._add_long if self._is_long else self._add_wide
        for line, row in rows:
            if not row:
                continue
            if len(row) != len(self._header):
                self._ragged.add(line, "")
                continue
            add(line, [cell.strip() for cell in row])
        readings = {
            point: Series.of(columns.time_us, columns.value, columns.status)
            for point, columns in self._points.items()
            if columns.time_us
        }
        return Table(readings, [*self._findings(), *_disorder(readings)])

    def _check_header(self, plan: Plan, name: str) -> None:
        header = self._header
        shown = ", ".join(header[:MAX_NAMES_SHOWN])
        if len(set(header)) < len(header):
            refuse(name, "TABLE_COLUMNS", f"a column appears twice in the header: {shown}")
        if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
            refuse(name, "TABLE_COLUMNS", "columns are separated by semicolons or tabs; use commas")
        if "point" in header or "value" in header:
            missing = [column for column in REQUIRED_LONG if column not in header]
        else:
            missing = [column for column in ("time",) if column not in header]
            if "status" in header:
                refuse(name, "TABLE_COLUMNS", "a wide table has no status; use the columns point, time, value, status")
            if not missing and not set(header) & set(plan.points):
                refuse(name, "TABLE_COLUMNS", f"no column is a point of the plan ({', '.join(plan.points)}): {shown}")
        if missing:
            refuse(name, "TABLE_COLUMNS", f"column {missing[0]!r} is missing; the header has: {shown}")

    def _add_long(self, line: int, row: list[str]) -> None:
        cells = dict(zip(self._header, row, strict=True))
        self._add(line, cells["point"], cells["time"], cells["value"], cells.get("status", ""))

    def _add_wide(self, line: int, row: list[str]) -> None:
        time = row[self._header.index("time")]
        for point, value in zip(self._header, row, strict=True):
            if point != "time" and value != "":
                self._add(line, point, time, value, "")

    def _add(self, line: int, point: str, time: str, value: str, status: str) -> None:
        columns = self._points.get(point)
        if columns is None:
            self._ignored[point] = None
            return
        time_us, number = self._times.parse(time, line), self._values.parse(value, line)
        if time_us is not None and number is not None:
            columns.time_us.append(time_us)
            columns.value.append(number)
            columns.status.append(parse_status(status))

    def _findings(self) -> Iterator[Finding]:
        yield from self._times.findings()
        yield from self._values.findings()
        if self._ragged.count:
            yield Finding.of("RAGGED_ROWS", count=self._ragged.count, line=self._ragged.line)
        if self._ignored:
            names = sorted(normalize("NFC", name[:MAX_NAME_CHARACTERS]) for name in self._ignored)
            shown = ", ".join(names[:MAX_NAMES_SHOWN])
            yield Finding.of("POINTS_IGNORED", count=len(names), names=shown)


def _disorder(readings: dict[str, Series]) -> list[Finding]:
    steps_back = {point: int((np.diff(series.time_us) < 0).sum()) for point, series in readings.items()}
    return [Finding.of("DISORDER_SORTED", point=point, count=count) for point, count in steps_back.items() if count]
