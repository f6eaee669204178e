"""The instants at which a plan's intervals begin and end, by its local calendar.

Pure arithmetic in integers, so that an auditor's laptop can tell a window's span without numpy. A day of a clock
change has 23 or 25 hours: its hours are counted from local midnight, and its shifts begin by the clock on the wall.
"""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from collections.abc import Iterator

from verification.plan.shape import Adjustment, Interval, Plan, Window

SECOND_US = 1_000_000
STEP_US: dict[Interval, int] = {"15min": 900 * SECOND_US, "hour": 3600 * SECOND_US}
DAYS_A_WEEK = 7


def interval_edges_us(plan: Plan, window: Window) -> list[int]:
    """The edges of the intervals of `window`, microseconds since the epoch: n+1 of them, rising."""
    zone = plan.zone
    match plan.interval:
        case "15min" | "hour":
            edges = _steps(window, zone, STEP_US[plan.interval])
        case "shift":
            edges = sorted(set(_shifts(plan, window)))  # a shift that a clock change swallows has no length
        case _:
            starts = {_instant_us(day, dt.time(0), zone) for day in _days(plan.interval, window)}
            edges = sorted(starts)  # a date that the calendar leaves out (Samoa, 2011-12-30) has no length
    return edges


def span_us(plan: Plan, window: Window) -> tuple[int, int]:
    """First and last instant of `window`."""
    first = dt.time.fromisoformat(plan.shifts[0].start) if plan.interval == "shift" else dt.time(0)
    return _instant_us(window.start, first, plan.zone), _instant_us(window.end, first, plan.zone)


def adjustment_span_us(plan: Plan, adjustment: Adjustment) -> tuple[int, int]:
    """First and last instant of the part of the reporting period that an adjustment is for."""
    return span_us(plan, adjustment.window or plan.reporting)


def _days(interval: Interval, window: Window) -> Iterator[dt.date]:
    """The dates on which days, weeks or months begin, and the end of the window."""
    day = window.start
    while day < window.end:
        yield day
        if interval == "month":
            day = (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        else:
            day += dt.timedelta(days=DAYS_A_WEEK if interval == "week" else 1)
    yield window.end


def _steps(window: Window, zone: zoneinfo.ZoneInfo, step_us: int) -> list[int]:
    """Steps of equal length from each local midnight to the next; the last one of a day may be cut short."""
    midnights = [_instant_us(day, dt.time(0), zone) for day in _days("day", window)]
    days = (range(start_us, end_us, step_us) for start_us, end_us in itertools.pairwise(midnights))
    return [*itertools.chain.from_iterable(days), midnights[-1]]


def _shifts(plan: Plan, window: Window) -> Iterator[int]:
    """The starts of the shifts of each day; a shift that begins earlier than the first one belongs to the next date."""
    starts = [dt.time.fromisoformat(shift.start) for shift in plan.shifts]
    for day in _days("day", window):
        for start in starts if day < window.end else starts[:1]:
            date = day if start >= starts[0] else day + dt.timedelta(days=1)
            yield _instant_us(date, start, plan.zone)


def _instant_us(day: dt.date, time: dt.time, zone: zoneinfo.ZoneInfo) -> int:
    return round(dt.datetime.combine(day, time, tzinfo=zone).timestamp()) * SECOND_US
