"""The instants at which a plan's intervals begin and end, by its local calendar.

Pure arithmetic in integers, so that an auditor's laptop can tell a window's span without numpy. A day of a clock
change has 23 or 25 hours: its hours are counted from local midnight, and its shifts begin by the clock on the wall.
"""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo

from verification.plan.shape import Adjustment, Interval, Plan, Window

SECOND_US = 1_000_000
STEP_US: dict[Interval, int] = {"15min": 900 * SECOND_US, "hour": 3600 * SECOND_US}
DAYS_A_WEEK = 7
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - wall time, as all here until the zone is asked
NOTHING, MICROSECOND = dt.timedelta(0), dt.timedelta(microseconds=1)


def interval_edges_us(plan: Plan, window: Window) -> list[int]:
    """The edges of the intervals of `window`, microseconds since the epoch: n+1 of them, rising."""
    match plan.interval:
        case "15min" | "hour":
            return _steps(day_edges_us(plan, window), STEP_US[plan.interval])
        case "shift":
            local = _shifts(plan, window)
        case _:
            local = _days(plan.interval, window)
    # A date that the calendar leaves out (Samoa, 2011-12-30) has no length, nor a shift that a clock change swallows.
    return sorted(set(instants_us(local, plan.zone)))


def day_edges_us(plan: Plan, window: Window) -> list[int]:
    """The local midnights at which the days of `window` begin, and its end, microseconds since the epoch."""
    return instants_us(_days("day", window), plan.zone)


def span_us(plan: Plan, window: Window) -> tuple[int, int]:
    """First and last instant of `window`."""
    first = dt.time.fromisoformat(plan.shifts[0].start) if plan.interval == "shift" else dt.time(0)
    start_us, end_us = instants_us([dt.datetime.combine(day, first) for day in (window.start, window.end)], plan.zone)
    return start_us, end_us


def adjustment_span_us(plan: Plan, adjustment: Adjustment) -> tuple[int, int]:
    """First and last instant of the part of the reporting period that an adjustment is for."""
    return span_us(plan, adjustment.window or plan.reporting)


def _days(interval: Interval, window: Window) -> list[dt.datetime]:
    """The midnights at which days, weeks or months begin, and the end of the window."""
    first, end = window.start.toordinal(), window.end.toordinal()
    days = list(map(dt.datetime.fromordinal, range(first, end, DAYS_A_WEEK if interval == "week" else 1)))
    if interval == "month":
        days = [day for day in days if day.day == 1 or day == days[0]]
    return [*days, dt.datetime.fromordinal(end)]


def _steps(midnights: list[int], step_us: int) -> list[int]:
    """Steps of equal length from each local midnight to the next; the last one of a day may be cut short."""
    days = (range(start_us, end_us, step_us) for start_us, end_us in itertools.pairwise(midnights))
    return [*itertools.chain.from_iterable(days), midnights[-1]]


def _shifts(plan: Plan, window: Window) -> list[dt.datetime]:
    """The starts of the shifts of each day; a shift that begins earlier than the first one belongs to the next date."""
    starts = [dt.time.fromisoformat(shift.start) for shift in plan.shifts]
    *days, end = _days("day", window)
    after = [dt.timedelta(days=start < starts[0], hours=start.hour, minutes=start.minute) for start in starts]
    return [*(day + since for day in days for since in after), end + after[0]]


def instants_us(local: list[dt.datetime], zone: zoneinfo.ZoneInfo) -> list[int]:
    """When the clock on the wall shows these times, microseconds since the epoch; at first, where it does so twice.

    The zone is asked for all of them at once: a time by itself takes ten times as long.
    """
    ahead = map(zone.utcoffset, local)
    return [(time - EPOCH - (offset or NOTHING)) // MICROSECOND for time, offset in zip(local, ahead, strict=True)]
