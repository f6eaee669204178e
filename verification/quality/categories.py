"""The categories of a model by interval: of the calendar (shift, weekday, month), or the code that a point held."""

from __future__ import annotations

import datetime as dt

import numpy as np

from verification.plan.resolve import CALENDAR_CATEGORIES
from verification.plan.shape import Plan
from verification.quality.points import PointWindow
from verification.series.calendar import Calendar

WEEKDAYS = ("1-Mon", "2-Tue", "3-Wed", "4-Thu", "5-Fri", "6-Sat", "7-Sun")


def category_labels(plan: Plan, names: list[str], window: PointWindow) -> dict[str, tuple[str, ...]] | None:
    """For each of `names` a label per interval; None where there are none. An unknown code is "unknown"."""
    if not names:
        return None
    return {
        name: _of_calendar(plan, name, window.calendar) if name in CALENDAR_CATEGORIES else _of_point(name, window)
        for name in names
    }


def _of_calendar(plan: Plan, name: str, calendar: Calendar) -> tuple[str, ...]:
    match name:
        case "weekday":
            return tuple(WEEKDAYS[start.weekday()] for start in calendar.starts)
        case "month":
            return tuple(f"{start.month:02d}" for start in calendar.starts)
        case _:
            return tuple(_shift_at(plan, start.time()) for start in calendar.starts)


def _shift_at(plan: Plan, time: dt.time) -> str:
    """The shift that holds a time of day: the one that began last, the night's also after midnight."""
    starts = sorted((dt.time.fromisoformat(shift.start), shift.name) for shift in plan.shifts)
    begun = [name for start, name in starts if start <= time]
    return begun[-1] if begun else starts[-1][1]


def _of_point(name: str, window: PointWindow) -> tuple[str, ...]:
    """The code that the point held, to the nearest whole number."""
    value = window.points[name].value
    return tuple("unknown" if np.isnan(code) else str(int(code)) for code in np.rint(value).tolist())
