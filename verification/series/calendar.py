"""The intervals of one window as arrays, and their names for people."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import zoneinfo

import numpy as np

from verification.plan.edges import interval_edges_us
from verification.plan.shape import EDGE_TOLERANCE_US, Interval, Plan, WindowName
from verification.series.columns import Booleans, Integers

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BY_DATE: frozenset[Interval] = frozenset(["day", "week", "month"])  # these are named by the date on which they begin


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
        edges = interval_edges_us(plan, plan.baseline if label == "baseline" else plan.reporting)
        return cls(label, plan.interval, plan.zone, np.array(edges, dtype=np.int64))

    def __len__(self) -> int:
        """The number of intervals."""
        return len(self.edges_us) - 1

    @property
    def span_us(self) -> tuple[int, int]:
        """The closed span whose readings matter to these intervals."""
        return int(self.edges_us[0]) - EDGE_TOLERANCE_US, int(self.edges_us[-1]) + EDGE_TOLERANCE_US

    @property
    def length_us(self) -> Integers:
        """The length of each interval [us]."""
        lengths: Integers = np.diff(self.edges_us)
        return lengths

    @functools.cached_property
    def starts(self) -> tuple[dt.datetime, ...]:
        """When each interval begins, in the plan's time zone."""
        return tuple(self._local(int(start)) for start in self.edges_us[:-1])

    @functools.cached_property
    def day_of(self) -> Integers:
        """The number of the local day on which each interval begins, int64[n], from 0."""
        _, day = np.unique([start.toordinal() for start in self.starts], return_inverse=True)
        days: Integers = day.astype(np.int64)
        return days

    @functools.cached_property
    def year_and_month(self) -> tuple[Integers, Integers]:
        """The local year and month (1 to 12) in which each interval begins, each int64[n]."""
        years = np.array([start.year for start in self.starts], dtype=np.int64)
        return years, np.array([start.month for start in self.starts], dtype=np.int64)

    @functools.cached_property
    def hour_of_week(self) -> Integers:
        """The local hour of the week in which each interval begins, int64[n]: 0 is Monday's first hour."""
        return np.array([start.weekday() * 24 + start.hour for start in self.starts], dtype=np.int64)

    def name(self, index: int) -> str:
        """An interval's name: a date, or the local time at which it begins."""
        start = self.starts[index]
        return start.date().isoformat() if self.interval in BY_DATE else start.isoformat(timespec="minutes")

    def name_at(self, time_us: int) -> str:
        """The name of the interval that holds `time_us`; an instant just outside counts to the nearest one."""
        index = int(np.searchsorted(self.edges_us, time_us, side="right")) - 1
        return self.name(min(max(index, 0), len(self) - 1))

    def first(self, marked: Booleans) -> str:
        """The name of the first interval of those marked."""
        return self.name(int(np.argmax(marked)))

    def _local(self, time_us: int) -> dt.datetime:
        return (EPOCH + dt.timedelta(microseconds=time_us)).astimezone(self.zone)
