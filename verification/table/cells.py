"""Whole columns of a plain table as numbers: times, values, status codes, marks; each says what it could not read.

Times must be RFC 3339 with a UTC offset. Offsets that differ within one file are accepted only where the plan's
time zone explains each of them (a clock change), because otherwise nobody knows which clock was right. What usually
comes is read by the column; a cell that is unlike the others is looked at by itself.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
import unicodedata
import zoneinfo
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from verification.findings import Finding
from verification.model import RowFlag
from verification.series.columns import STATUS_BAD, STATUS_UNCERTAIN, Booleans, Floats, Integers

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
MAX_EXAMPLE_CHARACTERS = 40
MAX_OFFSETS_SHOWN = 5
MAX_STATUS = 0xFFFFFFFF
STATUS_WORDS = {"": 0, "good": 0, "uncertain": STATUS_UNCERTAIN, "bad": STATUS_BAD}
FLAG_WORDS = {"": 0, "live": 0, "backfilled": int(RowFlag.BACKFILLED), "manual": int(RowFlag.MANUAL)}

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
# The way in which programs write nearly every time: read at once, by the same rules.
OFFSET = r"[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00"  # no clock on earth is further from UTC
PLAIN_TIME = rf"(?:19|20|21)\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:Z|{OFFSET})"
SECONDS = 19  # characters of 2026-03-01T00:00:00


class PackedTexts(Protocol):
    """Texts that their reader keeps packed, without the space around them: nearly always they are read as they lie, and
    unpacked only where one is unlike the others.
    """

    def __len__(self) -> int:
        """The number of cells."""

    def take(self, rows: Integers) -> PackedTexts:
        """The cells at some rows."""

    def filled(self) -> Booleans:
        """Which cells are not empty."""

    def distinct(self) -> tuple[list[str], Integers]:
        """The different texts, and for each cell which of them it has."""

    def numbers(self) -> Floats | None:
        """Numbers by NUMBER, nan for an empty cell; None where a cell is neither, or too large."""

    def times(self) -> Integers | None:
        """Microseconds since the epoch; None unless all cells are a PLAIN_TIME with one and the same offset."""

    def unpacked(self) -> list[str]:
        """The texts."""


Texts = Sequence[str]
Column = Texts | PackedTexts | NDArray[np.float64] | NDArray[np.datetime64]  # Parquet holds numbers and times as such

_NUMBER = re.compile(NUMBER, re.ASCII)
_TIME = re.compile(rf"\d{{4}}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{{1,9}})?([Zz]|{OFFSET})?", re.ASCII)
_STATUS = re.compile(r"\d{1,10}|0[xX][0-9a-fA-F]{1,8}", re.ASCII)
_PLAIN_NUMBERS = re.compile(r"[0-9eE+.\-\n]*", re.ASCII)
_PLAIN_TIMES = re.compile(rf"(?:{PLAIN_TIME}\n)*", re.ASCII)


def printable(text: str, most: int) -> str:
    """A piece of a file as a message may show it: cut, in normal form C, and without what a terminal would obey."""
    shown = unicodedata.normalize("NFC", text[:most])
    return "".join(character if character.isprintable() else "?" for character in shown)


@dataclasses.dataclass
class Problem:
    """Cells that could not be used: how many, and the first of them."""

    count: int = 0
    line: int = 0
    example: str = ""

    def add(self, line: int, text: str) -> None:
        """Count one more; the first one is remembered."""
        if self.count == 0 or line < self.line:
            self.line, self.example = line, printable(text, MAX_EXAMPLE_CHARACTERS)
        self.count += 1

    def findings(self, code: str) -> list[Finding]:
        """As a finding, if there was any."""
        return [Finding.of(code, count=self.count, line=self.line, example=self.example)] if self.count else []


class TimeCells:
    """Reads the times of one file, all at once."""

    def __init__(self, zone: zoneinfo.ZoneInfo) -> None:
        self._zone = zone
        self._naive = Problem()
        self._unreadable = Problem()
        self._first_line_of_offset: dict[dt.timedelta, int] = {}
        self._zone_explains_all = True

    def read(self, cells: Column, lines: Sequence[int]) -> tuple[Integers, Booleans]:
        """Microseconds since the epoch int64[n], and which cells are usable; `lines` are those of the cells."""
        if isinstance(cells, np.ndarray):
            cells = _texts_unless(np.datetime64, cells)
        if isinstance(cells, np.ndarray):
            known = ~np.isnat(cells)
            self._unreadable_all(~known, lines)
            return cells.astype("datetime64[us]").astype(np.int64), known
        if not isinstance(cells, Sequence):
            packed = cells.times()
            if packed is not None:
                return packed, np.ones(len(packed), dtype=bool)
            cells = cells.unpacked()
        distinct = list(dict.fromkeys(cells))
        found = _plain_times(distinct)
        if found is None:
            return self._one_by_one(cells, lines)
        index = dict(zip(distinct, found.tolist(), strict=True))
        times = np.fromiter((index[text] for text in cells), dtype=np.int64, count=len(cells))
        return times, np.ones(len(cells), dtype=bool)

    def findings(self) -> list[Finding]:
        """What was wrong with the times of the file."""
        found = [*self._naive.findings("NAIVE_TIMES"), *self._unreadable.findings("UNREADABLE_TIMES")]
        if len(self._first_line_of_offset) > 1 and not self._zone_explains_all:
            by_line = sorted(self._first_line_of_offset.items(), key=lambda item: item[1])
            found.append(
                Finding.of(
                    "MIXED_TIME_ZONES",
                    offsets=", ".join(_offset_text(offset) for offset, _ in by_line[:MAX_OFFSETS_SHOWN]),
                    timezone=self._zone.key,
                    line=by_line[1][1],
                )
            )
        return found

    def _one_by_one(self, cells: Texts, lines: Sequence[int]) -> tuple[Integers, Booleans]:
        times, usable = np.zeros(len(cells), dtype=np.int64), np.zeros(len(cells), dtype=bool)
        seen: dict[str, int] = {}
        for index, (text, line) in enumerate(zip(cells, lines, strict=True)):
            time_us = seen.get(text)
            if time_us is None:
                time_us = self._parse(text, line)
            if time_us is not None:
                seen[text] = times[index] = time_us
                usable[index] = True
        return times, usable

    def _parse(self, text: str, line: int) -> int | None:
        match = _TIME.fullmatch(text)
        if match is None:
            self._unreadable.add(line, text)
            return None
        if match[2] is None:
            self._naive.add(line, text)
            return None
        try:
            time = dt.datetime.fromisoformat(text.upper())
            offset = time.utcoffset() or dt.timedelta(0)
            self._zone_explains_all &= self._explained(time, offset)
        except (ValueError, OverflowError):
            self._unreadable.add(line, text)
            return None
        self._first_line_of_offset.setdefault(offset, line)
        return (time - EPOCH) // MICROSECOND

    def _explained(self, time: dt.datetime, offset: dt.timedelta) -> bool:
        return time.astimezone(self._zone).utcoffset() == offset

    def _unreadable_all(self, marked: Booleans, lines: Sequence[int]) -> None:
        for index in np.flatnonzero(marked):
            self._unreadable.add(lines[int(index)], "")


class ValueCells:
    """Reads columns of values: plain decimal numbers. An empty cell is a missing value and no problem."""

    def __init__(self) -> None:
        self._problem = Problem()

    def read(self, cells: Column, lines: Sequence[int]) -> tuple[Floats, Booleans]:
        """The numbers float64[n], and which cells hold one."""
        if isinstance(cells, np.ndarray):
            cells = _texts_unless(np.float64, cells)
        if isinstance(cells, np.ndarray):
            numbers = cells.astype(np.float64)
            usable = np.isfinite(numbers)
            for index in np.flatnonzero(~usable):
                self._problem.add(lines[int(index)], str(float(numbers[index])))
            return numbers, usable
        if not isinstance(cells, Sequence):
            found = cells.numbers()
            if found is not None:
                return found, ~np.isnan(found)
            cells = cells.unpacked()
        if _PLAIN_NUMBERS.fullmatch("\n".join(cells)):
            try:
                plain = np.array(list(map(float, cells)), dtype=np.float64)
            except ValueError:
                return self._one_by_one(cells, lines)
            if np.isfinite(plain).all():
                return plain, np.ones(len(cells), dtype=bool)
        return self._one_by_one(cells, lines)

    def findings(self) -> list[Finding]:
        """What was wrong with the values of the file."""
        return self._problem.findings("NON_NUMERIC_CELLS")

    def _one_by_one(self, cells: Texts, lines: Sequence[int]) -> tuple[Floats, Booleans]:
        numbers = np.full(len(cells), np.nan)
        for index, (text, line) in enumerate(zip(cells, lines, strict=True)):
            if text == "":
                continue
            if _NUMBER.fullmatch(text) is None or not math.isfinite(value := float(text)):
                self._problem.add(line, text)
            else:
                numbers[index] = value
        return numbers, np.isfinite(numbers)


def read_status(distinct: Texts, index: Integers) -> NDArray[np.uint32]:
    """OPC UA status codes, decimal or hexadecimal, or good, uncertain, bad. What cannot be read is bad."""
    return np.array([_status(text) for text in distinct], dtype=np.uint32)[index]


def read_flags(distinct: Texts, index: Integers) -> NDArray[np.uint8]:
    """How each reading came: live (or empty), backfilled, manual. What cannot be read was written by a person."""
    return np.array([FLAG_WORDS.get(text.lower(), int(RowFlag.MANUAL)) for text in distinct], dtype=np.uint8)[index]


def _status(text: str) -> int:
    word = STATUS_WORDS.get(text.lower())
    if word is not None:
        return word
    if _STATUS.fullmatch(text) is None:
        return STATUS_BAD
    code = int(text, 16 if text[:2].lower() == "0x" else 10)
    return code if code <= MAX_STATUS else STATUS_BAD


def _texts_unless(kind: type[np.generic], cells: NDArray[Any]) -> NDArray[Any] | Texts:
    """A Parquet column that holds what it should; else its cells as text, for what cannot be read to be shown."""
    return cells if np.issubdtype(cells.dtype, kind) else list(map(str, cells.tolist()))


def _plain_times(distinct: Texts) -> Integers | None:
    """Times that are all whole seconds with one and the same offset, at once; None where they are not."""
    if not _PLAIN_TIMES.fullmatch("".join(f"{text}\n" for text in distinct)):
        return None
    suffixes = {text[SECONDS:] for text in distinct}
    if len(suffixes) > 1:
        return None
    try:
        local = np.array([text[:SECONDS] for text in distinct], dtype="datetime64[us]").astype(np.int64)
    except ValueError:
        return None
    times: Integers = local - _offset(suffixes.pop()) // MICROSECOND if distinct else local
    return times


def _offset(suffix: str) -> dt.timedelta:
    if suffix == "Z":
        return dt.timedelta(0)
    minutes = int(suffix[1:3]) * 60 + int(suffix[4:6])
    return dt.timedelta(minutes=-minutes if suffix[0] == "-" else minutes)


def _offset_text(offset: dt.timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
