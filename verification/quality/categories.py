"""The categories of a model by interval: of the calendar (shift, weekday, month), or the code that a point held."""

from __future__ import annotations

import datetime as dt

import numpy as np

from verification.plan.resolve import CALENDAR_CATEGORIES
from verification.plan.shape import Plan
from verification.quality.points import PointWindow
from verification.series.calendar import DAY_US, Calendar

MINUTE_US = 60_000_000
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
            return tuple(WEEKDAYS[hour // 24] for hour in calendar.hour_of_week.tolist())
        case "month":
            return tuple(f"{(month - 1) % 12 + 1:02d}" for month in calendar.month_of.tolist())
        case _:
            return _shifts(plan, calendar)


def _shifts(plan: Plan, calendar: Calendar) -> tuple[str, ...]:
    """The shift in which each interval begins: the one that began last, the night's also after midnight."""
    starts = sorted((dt.time.fromisoformat(shift.start), shift.name) for shift in plan.shifts)
    starts_us = [(start.hour * 60 + start.minute) * MINUTE_US for start, _ in starts]
    begun = np.searchsorted(starts_us, calendar.local_us % DAY_US, side="right") - 1
    return tuple(starts[index][1] for index in begun.tolist())


def _of_point(name: str, window: PointWindow) -> tuple[str, ...]:
    """The code that the point held, to the nearest whole number."""
    value = window.points[name].value
    return tuple("unknown" if np.isnan(code) else str(int(code)) for code in np.rint(value).tolist())
