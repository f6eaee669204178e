"""The coverage map: every local day of both windows, how much of it was metered and whether it was used.

One row a month. A day not used is crossed out, so that it is told apart without colour.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from verification.report.axes import Frame, drawing
from verification.report.subject import Subject, WindowName
from verification.report.svg import Drawing, element, group, label, line, text_width
from verification.report.words import Words

ROW, GAP = 17.0, 2.0
MONTH_DAYS = 31
NUMBERED_DAYS = (1, 5, 10, 15, 20, 25, 30)
DAY_NUMBERS = 20.0
FULL, HALF = 100, 50


@dataclass(frozen=True, slots=True)
class Day:
    """One local day: the least coverage of its intervals, and whether all of them were used."""

    window: WindowName
    coverage_percent: int
    used: bool


def coverage(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """The map of both windows, months from above, days from the left."""
    days = _days(subject)
    if not days:
        return None
    months = sorted({date.replace(day=1) for date in days})
    names = {month: f"{month.year}-{month.month:02d}" for month in months}
    left = max(map(text_width, names.values())) + 10
    cell = (frame.width - left - frame.right) / MONTH_DAYS
    key, height = _key(t, frame)
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
    days: dict[dt.date, Day] = {}
    for interval in subject.intervals:
        date = interval.start.date()
        while dt.datetime.combine(date, dt.time()) < interval.end:
            known = days.get(date)
            percent = min(interval.coverage_percent, known.coverage_percent if known else FULL)
            days[date] = Day(interval.window, percent, interval.used and (known.used if known else True))
            date += dt.timedelta(days=1)
    return days


def _cell(day: Day, x: float, y: float, width: float) -> Drawing:
    share = "full" if day.coverage_percent >= FULL else "part" if day.coverage_percent >= HALF else "poor"
    box = {"x": round(x, 2), "y": round(y, 2), "width": round(width - GAP, 2), "height": ROW - GAP}
    square = element("rect", class_=f"day {day.window} {share}", **box)
    if day.used:
        return square
    corners = (round(x, 2), round(y, 2), round(x + width - GAP, 2), round(y + ROW - GAP, 2))
    return group([square, line(*corners, "unused")])


def _key(t: Words, frame: Frame) -> tuple[Drawing, float]:
    """What the squares mean, and the height that it takes."""
    parts, at, y = [], 2.0, 4.0
    samples = [
        (Day("baseline", FULL, used=True), t("window_baseline")),
        (Day("reporting", FULL, used=True), t("window_reporting")),
        (Day("baseline", HALF, used=True), t("coverage_part")),
        (Day("baseline", 0, used=False), t("coverage_unused")),
    ]
    for day, words in samples:
        width = 20 + text_width(words) + 14
        if at + width > frame.width:
            at, y = 2.0, y + ROW
        parts += [_cell(day, at, y, 15), label(words, at + 20, y + ROW - 5, "legend")]
        at += width
    return group(parts), y + ROW
