"""The cells of a plain table as numbers: times, values, status codes; each parser remembers what it could not read.

Times must be RFC 3339 with a UTC offset. Offsets that differ within one file are accepted only where the plan's
time zone explains each of them (a clock change), because otherwise nobody knows which clock was right.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
import unicodedata
import zoneinfo

from verification.findings import Finding
from verification.series.columns import STATUS_BAD, STATUS_UNCERTAIN

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
MAX_EXAMPLE_CHARACTERS = 40
MAX_OFFSETS_SHOWN = 5
MAX_STATUS = 0xFFFFFFFF
STATUS_WORDS = {"": 0, "good": 0, "uncertain": STATUS_UNCERTAIN, "bad": STATUS_BAD}

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_STATUS = re.compile(r"\d{1,10}|0[xX][0-9a-fA-F]{1,8}", re.ASCII)


@dataclasses.dataclass
class Problem:
    """Cells that could not be used: how many, and the first of them."""

    count: int = 0
    line: int = 0
    example: str = ""

    def add(self, line: int, text: str) -> None:
        """Count one more; the first one is remembered."""
        if self.count == 0:
            shown = unicodedata.normalize("NFC", text[:MAX_EXAMPLE_CHARACTERS])
            self.line, self.example = line, "".join(c if c.isprintable() else "?" for c in shown)
        self.count += 1

    def findings(self, code: str) -> list[Finding]:
        """As a finding, if there was any."""
        return [Finding.of(code, count=self.count, line=self.line, example=self.example)] if self.count else []


class TimeCells:
    """Parses times; each distinct text once, because every point of a table usually repeats the same instants."""

    def __init__(self, zone: zoneinfo.ZoneInfo) -> None:
        self._zone = zone
        self._seen: dict[str, int | None] = {}
        self._naive = Problem()
        self._unreadable = Problem()
        self._first_line_of_offset: dict[dt.timedelta, int] = {}
        self._zone_explains_all = True

    def parse(self, text: str, line: int) -> int | None:
        """Microseconds since the epoch, or None where the text cannot be used."""
        if text in self._seen and self._seen[text] is not None:
            return self._seen[text]
        self._seen[text] = time_us = self._parse(text, line)
        return time_us

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
            local_offset = time.astimezone(self._zone).utcoffset()
        except (ValueError, OverflowError):
            self._unreadable.add(line, text)
            return None
        offset = time.utcoffset() or dt.timedelta(0)
        self._first_line_of_offset.setdefault(offset, line)
        self._zone_explains_all &= offset == local_offset
        return (time - EPOCH) // MICROSECOND


class ValueCells:
    """Parses values: plain decimal numbers. An empty cell is a missing value and no problem."""

    def __init__(self) -> None:
        self._problem = Problem()

    def parse(self, text: str, line: int) -> float | None:
        """The number, or None where there is none."""
        if text == "":
            return None
        if _NUMBER.fullmatch(text) is None or not math.isfinite(value := float(text)):
            self._problem.add(line, text)
            return None
        return value

    def findings(self) -> list[Finding]:
        """What was wrong with the values of the file."""
        return self._problem.findings("NON_NUMERIC_CELLS")


def parse_status(text: str) -> int:
    """An OPC UA status code, decimal or hexadecimal, or good, uncertain, bad. What cannot be read is bad."""
    word = STATUS_WORDS.get(text.lower())
    if word is not None:
        return word
    if _STATUS.fullmatch(text) is None:
        return STATUS_BAD
    code = int(text, 16 if text[:2].lower() == "0x" else 10)
    return code if code <= MAX_STATUS else STATUS_BAD


def _offset_text(offset: dt.timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
