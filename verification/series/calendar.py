"""The intervals of one window as arrays, and their names for people."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import zoneinfo

import numpy as np

from verification.plan.edges import EPOCH, MICROSECOND, STEP_US, day_edges_us, instants_us, interval_edges_us
from verification.plan.shape import EDGE_TOLERANCE_US, Interval, Plan, WindowName
from verification.series.columns import Booleans, Integers

SECOND_US, HOUR_US, DAY_US = 1_000_000, 3_600_000_000, 86_400_000_000
BY_DATE: frozenset[Interval] = frozenset(["day", "week", "month"])  # these are named by the date on which they begin
WITHIN_AN_HOUR: frozenset[Interval] = frozenset(["15min", "hour"])


@dataclasses.dataclass(frozen=True, eq=False)
class Calendar:
    """The intervals of one window: `edges_us` int64[n+1] are the instants at which they begin and end."""

    label: WindowName
    interval: Interval
    zone: zoneinfo.ZoneInfo
    edges_us: Integers

    @classmethod
    def of(cls, plan: Plan, label: WindowName) -> Calendar:
        """The intervals of the window `label`; a day of a clock change has 23 or 25 hours."""
        window, step_us = plan.windows[label], STEP_US.get(plan.interval)
        edges = np.array(interval_edges_us(plan, window) if step_us is None else day_edges_us(plan, window))
        return cls(label, plan.interval, plan.zone, edges if step_us is None else _in_steps(edges, step_us))

    def by_hour(self) -> Calendar | None:
        """The hours of the intervals, the last of each shorter where they are no whole number; None where intervals
        are no longer than that.
        """
        if self.interval in WITHIN_AN_HOUR:
            return None
        return dataclasses.replace(self, interval="hour", edges_us=_in_steps(self.edges_us, HOUR_US))

    def holding(self, other: Calendar) -> Integers:
        """The number of the interval in which each interval of `other` begins, int64[m]."""
        slots: Integers = np.searchsorted(self.edges_us, other.edges_us[:-1], side="right") - 1
        return slots

    def __len__(self) -> int:
        """The number of intervals."""
        return len(self.edges_us) - 1

    @property
    def span_us(self) -> tuple[int, int]:
        """The closed span whose readings matter to these intervals."""
        return int(self.edges_us[0]) - EDGE_TOLERANCE_US, int(self.edges_us[-1]) + EDGE_TOLERANCE_US

    @functools.cached_property
    def length_us(self) -> Integers:
        """The length of each interval [us]."""
        lengths: Integers = np.diff(self.edges_us)
        return lengths

    def inside(self, span_us: tuple[int, int]) -> Booleans:
        """bool[n]: which intervals lie wholly in a span."""
        first_us, last_us = span_us
        return (self.edges_us[:-1] >= first_us) & (self.edges_us[1:] <= last_us)

    def start(self, index: int) -> dt.datetime:
        """When an interval begins, in the plan's time zone."""
        return dt.datetime.fromtimestamp(int(self.edges_us[index]) // SECOND_US, self.zone)

    @functools.cached_property
    def local_us(self) -> Integers:
        """What the clock on the wall shows when each interval begins, int64[n]: microseconds since 1970-01-01 there."""
        # The zone is asked for each midnight, and for each interval of a day on which the clock changes.
        starts_us = self.edges_us[:-1]
        days = np.arange(starts_us[0] // DAY_US - 1, starts_us[-1] // DAY_US + 3)
        begins_us = np.array(instants_us(days.astype("datetime64[D]").astype("datetime64[us]").tolist(), self.zone))
        ahead_us = days * DAY_US - begins_us
        day = np.searchsorted(begins_us, starts_us, side="right") - 1
        local: Integers = starts_us + ahead_us[day]
        for index in np.flatnonzero(ahead_us[day] != ahead_us[day + 1]).tolist():
            local[index] = (self.start(index).replace(tzinfo=None) - EPOCH) // MICROSECOND
        return local

    @functools.cached_property
    def day_of(self) -> Integers:
        """The number of the local day on which each interval begins, int64[n], from 0."""
        day = self.local_us // DAY_US
        day -= day.min()
        number = np.cumsum(np.bincount(day) > 0) - 1
        days: Integers = number[day]
        return days

    @functools.cached_property
    def month_of(self) -> Integers:
        """The local month in which each interval begins, int64[n]: year * 12 + month, January being 1."""
        months = self.local_us.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return months + 1970 * 12 + 1

    @functools.cached_property
    def hour_of_week(self) -> Integers:
        """The local hour of the week in which each interval begins, int64[n]: 0 is Monday's first hour."""
        hours: Integers = (self.local_us // HOUR_US + 3 * 24) % (7 * 24)  # 1970-01-01 was a Thursday
        return hours

    def name(self, index: int) -> str:
        """An interval's name: a date, or the local time at which it begins."""
        start = self.start(index)
        return start.date().isoformat() if self.interval in BY_DATE else start.isoformat(timespec="minutes")

    def name_at(self, time_us: int) -> str:
        """The name of the interval that holds `time_us`; an instant just outside counts to the nearest one."""
        index = int(np.searchsorted(self.edges_us, time_us, side="right")) - 1
        return self.name(min(max(index, 0), len(self) - 1))

    def first(self, marked: Booleans) -> str:
        """The name of the first interval of those marked."""
        return self.name(int(np.argmax(marked)))

    def offset_us(self, time_us: int) -> int:
        """What the clock on the wall is ahead of UTC."""
        offset = dt.datetime.fromtimestamp(time_us // SECOND_US, self.zone).utcoffset()
        return 0 if offset is None else round(offset.total_seconds()) * SECOND_US


def _in_steps(edges_us: Integers, step_us: int) -> Integers:
    """The edges of steps of equal length from each of these edges to the next; the last one may be cut short."""
    counts = -(-np.diff(edges_us) // step_us)
    first = np.cumsum(counts) - counts
    steps: Integers = np.arange(counts.sum()) - np.repeat(first, counts)
    return np.append(np.repeat(edges_us[:-1], counts) + step_us * steps, edges_us[-1:])
