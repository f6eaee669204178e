"""Reads one CSV file that a person filled in: all of it, or nothing and a list of what is wrong where. Pure.

Understands UTF-8 (with or without the mark that Excel writes) and GB18030, which contains GBK and GB 2312. An empty
cell is no reading. Everything else that is not understood is a `Problem` with line and column, in English and Chinese,
because those who fill in such files read it. A file with a problem gives no reading: half a roster is worse than none.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from edge_agent.config.csvfile import CsvSourceConfig
from verification.model import MAX_TIME_US, NULL_TIME_US

MAX_FILE_BYTES = 16 << 20
MAX_FILE_ROWS = 200_000
MAX_PROBLEMS = 100
MAX_SHOWN = 60
ENCODINGS = ("utf-8-sig", "gb18030")
# Digits in groups of three as Excel shows them, or none; a point before decimals.
NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Problem(NamedTuple):
    """What is wrong in a line (the first is 1; 0: the whole file) and a column (its name, or empty)."""

    line: int
    column: str
    english: str
    chinese: str


class Reading(NamedTuple):
    """One value of one point."""

    point: str
    time_us: int
    value: float


@dataclass(slots=True)
class Table:
    """What a file holds. Readings count only where there are no problems."""

    readings: list[Reading] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _BadCell(Exception):  # noqa: N818 - becomes a Problem with its place
    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english)
        self.english, self.chinese = english, chinese


def read(data: bytes, config: CsvSourceConfig) -> Table:
    """Everything in the file, or what is wrong with it, up to MAX_PROBLEMS."""
    table = Table()
    try:
        text = _decoded(data, config.encoding)
        for problem_or_reading in _read_lines(text, config):
            if isinstance(problem_or_reading, Problem):
                table.problems.append(problem_or_reading)
                if len(table.problems) >= MAX_PROBLEMS:
                    break
            else:
                table.readings.append(problem_or_reading)
    except _BadCell as bad:
        table.problems.append(Problem(0, "", bad.english, bad.chinese))
    if not table.problems and not table.readings:
        table.problems.append(Problem(0, "", "there is not a single value in the file", "文件中没有任何数值"))
    return table


def _decoded(data: bytes, encoding: str) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise _BadCell(
            f"{len(data)} bytes; at most {MAX_FILE_BYTES} are read",
            f"文件有 {len(data)} 字节，最多读取 {MAX_FILE_BYTES} 字节",
        )
    for name in ENCODINGS if encoding == "auto" else (encoding.replace("utf-8", "utf-8-sig"),):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise _BadCell(
        "neither UTF-8 nor GBK text; save it as CSV (not as a workbook)",
        "不是 UTF-8 或 GBK 文本；请另存为 CSV 格式，不要用工作簿格式",
    )


def _read_lines(text: str, config: CsvSourceConfig) -> Iterator[Problem | Reading]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=config.delimiter, strict=True)
    columns: list[str] = []
    try:
        for cells in lines:
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            if not columns:
                columns = stripped
                problems = list(_head_problems(columns, config, lines.line_num))
                yield from problems
                if problems:
                    return
            elif len(cells) != len(columns):
                yield _wrong_count(lines.line_num, len(cells), len(columns))
            elif lines.line_num > MAX_FILE_ROWS:
                yield Problem(
                    lines.line_num, "", f"at most {MAX_FILE_ROWS} lines are read", f"最多读取 {MAX_FILE_ROWS} 行"
                )
                return
            else:
                yield from _read_cells(dict(zip(columns, stripped, strict=True)), lines.line_num, config)
    except csv.Error as err:
        yield Problem(lines.line_num, "", f"not well-formed CSV: {err}", f"CSV 格式有误：{err}")


def _head_problems(columns: list[str], config: CsvSourceConfig, line: int) -> Iterator[Problem]:
    """Every column that is mapped must be there, once."""
    wanted = dict.fromkeys(config.time_columns)
    for point in config.points.values():
        wanted |= dict.fromkeys((point.column, *point.where))
    there = ", ".join(columns)[:MAX_SHOWN]
    for name in wanted:
        if columns.count(name) == 0:
            yield Problem(line, name, f"there is no such column; there are: {there}", f"没有这一列；现有的列：{there}")
        elif columns.count(name) > 1:
            yield Problem(line, name, "there are several columns of this name", "有多个同名的列")


def _wrong_count(line: int, found: int, expected: int) -> Problem:
    return Problem(
        line, "", f"{found} cells; the first line has {expected}", f"本行有 {found} 个单元格，而标题行有 {expected} 个"
    )


def _read_cells(cells: Mapping[str, str], line: int, config: CsvSourceConfig) -> Iterator[Problem | Reading]:
    """The readings of one line; its time is read only where it is needed."""
    time_us: int | None = None
    for name, point in config.points.items():
        if any(cells[column] != text for column, text in point.where.items()) or not cells[point.column]:
            continue
        if time_us is None:
            try:
                time_us = _time_us(" ".join(cells[column] for column in config.time_columns), config)
            except _BadCell as bad:
                yield Problem(line, " ".join(config.time_columns), bad.english, bad.chinese)
                return
        try:
            yield Reading(name, time_us, _number(cells[point.column]))
        except _BadCell as bad:
            yield Problem(line, point.column, bad.english, bad.chinese)


def _number(cell: str) -> float:
    if NUMBER.fullmatch(cell) and any(map(str.isdecimal, cell)):
        try:
            number = float(cell.replace(",", ""))
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    shown = cell[:MAX_SHOWN]
    raise _BadCell(f"not a number: {shown!r}", f"不是数字：{shown!r}")


def _time_us(cell: str, config: CsvSourceConfig) -> int:
    shown = cell[:MAX_SHOWN]
    try:
        moment = (
            datetime.strptime(cell, config.time_format)  # noqa: DTZ007 - the zone comes next
            if config.time_format
            else datetime.fromisoformat(cell)
        )
    except ValueError as err:
        wanted = config.time_format or "2026-03-01T08:00:00+08:00"
        raise _BadCell(f"not a time like {wanted}: {shown!r}", f"不是 {wanted} 格式的时间：{shown!r}") from err
    if moment.tzinfo is None:
        moment = _in_zone(moment, config.time_zone, shown)
    time_us = (moment - _EPOCH) // timedelta(microseconds=1)
    if not NULL_TIME_US <= time_us <= MAX_TIME_US:
        raise _BadCell(f"a time outside the years 1601 to 2200: {shown!r}", f"时间超出 1601 年至 2200 年：{shown!r}")
    return time_us


def _in_zone(moment: datetime, zone: str, shown: str) -> datetime:
    """A local time in its zone; one that the clocks skip or show twice is refused: nobody knows which is meant."""
    if not zone:
        raise _BadCell(f"a time without an offset: {shown!r}", f"时间没有时区：{shown!r}")
    first, second = (moment.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise _BadCell(
            f"the clocks of {zone} change at {shown!r}; write the time with its offset",
            f"{zone} 的时钟在 {shown!r} 时调整，请写明时差",
        )
    return first
