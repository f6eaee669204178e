"""The coverage map: every local day of the windows, how much of it was metered and whether it was used.

One row a month. A day not used is crossed out, one used in part has a corner cut, so that both are told apart without
colour.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from verification.plan.shape import WindowName
from verification.report.axes import Frame, drawing
from verification.report.subject import Interval, Subject
from verification.report.svg import Drawing, element, group, label, line, text_width
from verification.report.words import Words

ROW, GAP = 17.0, 2.0
MONTH_DAYS = 31
NUMBERED_DAYS = (1, 5, 10, 15, 20, 25, 30)
DAY_NUMBERS = 20.0
FULL, HALF = 100, 50


@dataclass(frozen=True, slots=True)
class Day:
    """One local day: the least coverage of its intervals, and which of them were used."""

    window: WindowName
    coverage_percent: int
    used: Literal["all", "some", "none"]


def coverage(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """The map of the windows, months from above, days from the left."""
    days = _days(subject)
    if not days:
        return None
    months = sorted({date.replace(day=1) for date in days})
    names = {month: f"{month.year}-{month.month:02d}" for month in months}
    left = max(map(text_width, names.values())) + 16  # digits are wider than letters in many fonts
    cell = (frame.width - left - frame.right) / MONTH_DAYS
    key, height = _key([span.name for span in subject.spans], t, frame)
    top = height + DAY_NUMBERS
    sized = Frame(frame.name, frame.width, top + ROW * len(months) + 8, frame.right)
    parts = [key]
    parts += [label(str(day), left + cell * (day - 0.5), top - 6, "tick", "middle") for day in NUMBERED_DAYS]
    for row, month in enumerate(months):
        y = top + ROW * row
        parts.append(label(names[month], left - 8, y + ROW - 5, "tick", "end"))
        in_month = [(date, day) for date, day in days.items() if date.replace(day=1) == month]
        parts += [_cell(day, left + cell * (date.day - 1), y, cell) for date, day in in_month]
    return drawing(parts, t("coverage_title", title=subject.title), sized, element_id, "plot coverage")


def _days(subject: Subject) -> dict[dt.date, Day]:
    """Each day that an interval touches."""
    touching: defaultdict[dt.date, list[Interval]] = defaultdict(list)
    for interval in subject.intervals:
        date = interval.start.date()
        while dt.datetime.combine(date, dt.time()) < interval.end:
            touching[date].append(interval)
            date += dt.timedelta(days=1)
    return {date: _day(intervals) for date, intervals in touching.items()}


def _day(intervals: list[Interval]) -> Day:
    used = [interval.used for interval in intervals]
    least = min(interval.coverage_percent for interval in intervals)
    return Day(intervals[-1].window, least, "all" if all(used) else "some" if any(used) else "none")


def _cell(day: Day, x: float, y: float, width: float) -> Drawing:
    share = "full" if day.coverage_percent >= FULL else "part" if day.coverage_percent >= HALF else "poor"
    box = {"x": round(x, 2), "y": round(y, 2), "width": round(width - GAP, 2), "height": ROW - GAP}
    square = element("rect", class_=f"day {day.window} {share}", **box)
    if day.used == "all":
        return square
    right, bottom = x + width - GAP, y + ROW - GAP
    half = ((x + right) / 2, (y + bottom) / 2)
    x1, y1, x2, y2 = (x, y, right, bottom) if day.used == "none" else (half[0], bottom, right, half[1])
    return group([square, line(round(x1, 2), round(y1, 2), round(x2, 2), round(y2, 2), "unused")])


def _key(windows: Sequence[WindowName], t: Words, frame: Frame) -> tuple[Drawing, float]:
    """What the squares mean, and the height that it takes."""
    parts, at, y = [], 2.0, 4.0
    samples = [
        *((Day(window, FULL, used="all"), t(f"window_{window}")) for window in windows),
        (Day("baseline", HALF, used="all"), t("coverage_part")),
        (Day("baseline", FULL, used="some"), t("coverage_some")),
        (Day("baseline", 0, used="none"), t("coverage_unused")),
    ]
    for day, words in samples:
        width = 20 + text_width(words) + 14
        if at + width > frame.width:
            at, y = 2.0, y + ROW
        parts += [_cell(day, at, y, 15), label(words, at + 20, y + ROW - 5, "legend")]
        at += width
    return group(parts), y + ROW
