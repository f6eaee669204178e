"""A plain table of readings, CSV or Parquet, into series: so that anyone can run the engine without a platform.

Two layouts: long (`point,time,value` and optionally `status`, `source`, `kind`, `unit`) and wide (`time` and one
column per point). A wide header may declare a point's kind and unit: `ac_energy [counter kWh]`. A point is called by
its name or by the `column` that the plan gives it, the fixed columns also by their Chinese names; text that is not
UTF-8 is read as GBK, as Chinese Excel writes it. Times are RFC 3339 with their UTC offset; none is guessed. What is
wrong with a row becomes a finding; a table that cannot be read at all is a FormatError. Findings describe the file as
it stands, so that a shuffled file has one more. Not handled: the cleaning of the readings, which `series/columns.py`
does for every source.
"""

from __future__ import annotations

import codecs
import dataclasses
import re
from collections.abc import Iterator, Sequence

import numpy as np

from verification.findings import Finding
from verification.model import PointKind
from verification.plan import Plan
from verification.progress import Advance, untold
from verification.series.columns import Floats, Series
from verification.table.cells import TimeCells, ValueCells, printable, read_flags, read_status
from verification.table.errors import refuse
from verification.table.grid import Grid, csv_grid
from verification.units import UnitError, scale_factor

MAX_TABLE_BYTES = 256 << 20  # two years of ten points at 15 minutes are 30 MB; more belongs in the platform
MAX_NAMES_SHOWN = 10
MAX_NAME_CHARACTERS = 64
PARQUET_MAGIC = b"PAR1"
FIRST_BYTES = 4096
NO_TEXT = {  # how files begin that are often taken for tables
    b"PK\x03\x04": "an Excel workbook or another zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook of 1997-2003",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
SAVE_AS_CSV = "save it as 'CSV UTF-8' (请另存为“CSV UTF-8”)"
REQUIRED_LONG = ("point", "time", "value")
CHINESE = {
    "测点": "point",
    "时间": "time",
    "数值": "value",
    "状态": "status",
    "来源": "source",
    "类型": "kind",
    "单位": "unit",
}
_DECLARED = re.compile(r"([^\[\]]+?)\s*\[([^\[\]]*)\]")  # ac_energy [counter kWh]


@dataclasses.dataclass(frozen=True)
class Table:
    """The readings of the plan's points, in the order of the file, and what was found in it."""

    readings: dict[str, Series]
    findings: list[Finding]


def read_table(data: bytes, plan: Plan, *, name: str = "readings", advance: Advance = untold) -> Table:
    """Read a table from the file's bytes; `name` stands for the file in messages. Raises FormatError.

    `advance` is called when its cells are found and when they are read.
    """
    if len(data) > MAX_TABLE_BYTES:
        remedy = "keep only the plan's points and windows, or save it as Parquet"
        refuse(name, "TABLE_TOO_LARGE", f"a table has at most {MAX_TABLE_BYTES} bytes; {remedy}")
    if not data.strip():
        refuse(name, "TABLE_EMPTY", "it is empty; a header and readings are needed")
    findings: list[Finding] = []
    if data.startswith(PARQUET_MAGIC):
        from verification.table.arrow import parquet_grid  # noqa: PLC0415 - pyarrow is slow to load

        grid = parquet_grid(data, name)
    else:
        utf8, findings = _in_utf8(data, name)
        grid = csv_grid(utf8, name)
    grid = dataclasses.replace(grid, header=[CHINESE.get(column, column) for column in grid.header])
    _check_header(grid.header, plan, name)
    advance()
    table = _Reader(plan, grid).read()
    advance()
    return dataclasses.replace(table, findings=[*findings, *table.findings])


def _in_utf8(data: bytes, name: str) -> tuple[bytes, list[Finding]]:
    """UTF-8 text, with or without a byte order mark, else GBK by way of GB 18030, which contains it.

    A wrong guess can spoil a name and no figure: commas, ends of lines and cells of digits are the same in both.
    """
    for beginning, what in NO_TEXT.items():
        if data.startswith(beginning):
            refuse(name, "TABLE_NOT_UTF8", f"it is {what}; {SAVE_AS_CSV}")
    if b"\0" in data[:FIRST_BYTES]:  # UTF-16 need not begin with its mark
        refuse(name, "TABLE_NOT_UTF8", f"it is UTF-16 text or no text at all; {SAVE_AS_CSV}")
    try:
        data.decode()
    except UnicodeDecodeError as err:
        try:
            return data.decode("gb18030").encode(), [Finding.of("TABLE_IN_GBK")]
        except UnicodeDecodeError:
            refuse(
                name,
                "TABLE_NOT_UTF8",
                f"it is neither CSV in UTF-8 or GBK nor Parquet (byte {err.start}); {SAVE_AS_CSV}",
            )
    return data.removeprefix(codecs.BOM_UTF8), []


def _check_header(header: list[str], plan: Plan, name: str) -> None:
    shown = ", ".join(_short(column) for column in header[:MAX_NAMES_SHOWN])
    called = _points_by_column(plan)
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        refuse(name, "TABLE_COLUMNS", "columns are separated by semicolons or tabs; use commas")
    if "time" not in header:
        refuse(name, "TABLE_COLUMNS", f"the first line must name the columns, 'time' among them; it is: {shown}")
    names = [called.get(column, column) for column, _, _ in map(_declared, header)]
    if len(set(names)) < len(names):
        refuse(name, "TABLE_COLUMNS", f"a column appears twice in the header: {shown}")
    if "point" in header or ("value" in header and "value" not in called):
        missing = [column for column in REQUIRED_LONG if column not in header]
        if missing:
            refuse(name, "TABLE_COLUMNS", f"column {missing[0]!r} is missing; the header has: {shown}")
    elif "status" in header:
        refuse(name, "TABLE_COLUMNS", "a wide table has no status; use the columns point, time, value, status")
    elif not set(names) & set(plan.points):
        refuse(name, "TABLE_COLUMNS", f"no column is a point of the plan ({', '.join(plan.points)}): {shown}")


def _points_by_column(plan: Plan) -> dict[str, str]:
    """The points under everything that a table may call them."""
    return {point.column: name for name, point in plan.points.items() if point.column} | {n: n for n in plan.points}


def _declared(column: str) -> tuple[str, str, str]:
    """Name, kind and unit of a wide table's column; kind and unit are empty where the header does not say them."""
    match = _DECLARED.fullmatch(column)
    if match is None:
        return column, "", ""
    parts = re.split(r"[\s,;]+", match[2].strip())
    kinds = [part for part in parts if part in set(PointKind)]
    units = [part for part in parts if part not in set(PointKind)]
    return match[1].strip(), kinds[0] if kinds else "", " ".join(units)


class _Reader:
    """Reads the columns of one layout, which the header decides."""

    def __init__(self, plan: Plan, grid: Grid) -> None:
        self._plan, self._grid, self._called = plan, grid, _points_by_column(plan)
        self._times = TimeCells(plan.zone)
        self._values = ValueCells()
        self._readings: dict[str, Series] = {}
        self._ignored: set[str] = set()
        self._declarations: dict[str, Finding] = {}

    def read(self) -> Table:
        """All columns into series."""
        if "point" in self._grid.header:
            self._read_long()
        else:
            self._read_wide()
        in_order = {name: self._readings[name] for name in self._plan.points if name in self._readings}
        return Table(in_order, [*self._findings(), *_disorder(in_order)])

    def _read_long(self) -> None:
        """Every row is one reading."""
        grid = self._grid
        labels, point = grid.distinct("point", np.arange(len(grid)))
        names = [self._called.get(label, label) for label in labels]
        known = [number for number, name in enumerate(names) if name in self._plan.points]
        self._ignored |= {name for name in names if name not in self._plan.points}
        rows = np.flatnonzero(np.isin(point, known))
        lines = grid.lines_at(rows)
        time_us, has_time = self._times.read(grid.cells("time", rows), lines)
        value, has_value = self._values.read(grid.cells("value", rows), lines)
        if "kind" in grid.header or "unit" in grid.header:
            points = [names[number] for number in point[rows].tolist()]
            value = self._declared_units(points, grid.texts("kind", rows), grid.texts("unit", rows), value)
        status, flags = read_status(*grid.distinct("status", rows)), read_flags(*grid.distinct("source", rows))
        usable = has_time & has_value
        for name in {names[number] for number in known}:
            mine = usable & np.isin(point[rows], [number for number in known if names[number] == name])
            if mine.any():
                self._readings[name] = Series(time_us[mine], value[mine], status[mine], flags[mine])

    def _read_wide(self) -> None:
        """Every column other than time is one point."""
        grid = self._grid
        declared = {column: self._about(column) for column in grid.header if column != "time"}
        self._ignored |= {name for name, _, _ in declared.values() if name not in self._plan.points}
        columns = {column: about for column, about in declared.items() if about[0] in self._plan.points}
        filled = {column: grid.filled(column) for column in columns}
        needed = np.flatnonzero(np.logical_or.reduce(list(filled.values())))
        time_us, has_time = np.zeros(len(grid), dtype=np.int64), np.zeros(len(grid), dtype=bool)
        time_us[needed], has_time[needed] = self._times.read(grid.cells("time", needed), grid.lines_at(needed))
        for column, (name, kind, unit) in columns.items():
            rows = np.flatnonzero(filled[column])
            value, has_value = self._values.read(grid.cells(column, rows), grid.lines_at(rows))
            if len(rows):
                value = value * self._factor(name, kind, unit)
            usable = has_value & has_time[rows]
            if usable.any():
                self._readings[name] = Series.of(time_us[rows][usable], value[usable])

    def _about(self, column: str) -> tuple[str, str, str]:
        """The point of a wide table's column, and the kind and unit that its header declares."""
        called, kind, unit = _declared(column)
        return self._called.get(called, called), kind, unit

    def _declared_units(
        self, points: Sequence[str], kinds: Sequence[str], units: Sequence[str], value: Floats
    ) -> Floats:
        """The values in the plan's units, where the rows say that they are in others."""
        rows = list(zip(points, kinds, units, strict=True))
        factor = {about: self._factor(*about) for about in dict.fromkeys(rows)}
        return value * np.array([factor[about] for about in rows], dtype=np.float64)

    def _factor(self, name: str, kind: str, unit: str) -> float:
        point = self._plan.points[name]
        if kind and kind != point.kind:
            self._declarations[f"{name} {kind}"] = Finding.of(
                "KIND_DIFFERS", point=name, found=_short(kind), planned=str(point.kind)
            )
        if not unit or unit == point.unit:
            return 1.0
        try:
            factor = scale_factor(unit, point.unit)
        except UnitError:
            self._declarations[f"{name} {unit}"] = Finding.of(
                "UNIT_DIFFERS", point=name, found=_short(unit), planned=point.unit
            )
            return 1.0
        self._declarations[f"{name} {unit}"] = Finding.of(
            "UNIT_CONVERTED", point=name, found=_short(unit), planned=point.unit
        )
        return factor

    def _findings(self) -> Iterator[Finding]:
        yield from self._times.findings()
        yield from self._values.findings()
        yield from (self._declarations[key] for key in sorted(self._declarations))
        ragged = self._grid.ragged
        if ragged.count:
            yield Finding.of("RAGGED_ROWS", count=ragged.count, line=ragged.line)
        if self._ignored:
            names = sorted(_short(name) for name in self._ignored)
            shown = ", ".join(names[:MAX_NAMES_SHOWN])
            yield Finding.of("POINTS_IGNORED", count=len(names), names=shown)


def _short(text: str) -> str:
    return printable(text, MAX_NAME_CHARACTERS)


def _disorder(readings: dict[str, Series]) -> list[Finding]:
    steps_back = {point: int((np.diff(series.time_us) < 0).sum()) for point, series in readings.items()}
    return [Finding.of("DISORDER_SORTED", point=point, count=count) for point, count in steps_back.items() if count]
