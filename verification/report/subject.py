"""What a plot draws: the intervals of one measure as numbers, read from a result.

Owns the choice of what is shown per interval: the ratio of numerator to denominator, metered and as the baseline model
expects it. Intervals shorter than a day are added up to local days where there are more of them than a reader can see.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from verification.plan.shape import WindowName

MAX_MARKS = 1200  # more marks than this on one drawing are a smear, and a file too large to send


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval: the numerator as metered and as modelled, None where unknown. Over `per`, the metered denominator,
    it is in the metric's unit.
    """

    start: dt.datetime
    end: dt.datetime
    window: WindowName
    used: bool
    coverage_percent: int
    numerator: float | None
    per: float | None
    expected: float | None
    driver: float | None = None

    @property
    def middle(self) -> float:
        """The interval's middle, in days: what the time axis counts."""
        return (days_of(self.start) + days_of(self.end)) / 2

    @property
    def ratio(self) -> float | None:
        """The metered numerator in the metric's unit."""
        return _ratio(self.numerator, self.per)

    @property
    def expected_ratio(self) -> float | None:
        """The modelled numerator in the metric's unit."""
        return _ratio(self.expected, self.per)

    @property
    def residual(self) -> float | None:
        """Metered less modelled numerator."""
        if self.numerator is None or self.expected is None:
            return None
        return self.numerator - self.expected


@dataclass(frozen=True, slots=True)
class Span:
    """One window (`end` exclusive) with its plain ratio, or its mean where nothing is divided, as number and text."""

    name: WindowName
    start: dt.datetime
    end: dt.datetime
    mean: float | None
    mean_text: str


@dataclass(frozen=True, slots=True)
class Amount:
    """One bar: its name, its value as a number and as text; `total` marks a sum of the others, `good` a change for the
    better (None where it is neither).
    """

    name: str
    value: float
    text: str
    total: bool = False
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One measure, ready to draw. `spread` is k times the residual SD of one interval, in the numerator's unit."""

    title: str
    unit: str
    change_unit: str
    numerator_unit: str
    spans: tuple[Span, ...]  # the windows, in order of time
    fitted: WindowName  # the one that the model was fitted to
    intervals: tuple[Interval, ...]
    spread: float | None
    driver_name: str | None
    driver_unit: str
    line: tuple[float, float] | None  # intercept and slope, where one driver is all there is
    bridge: tuple[Amount, ...] = ()
    budget: tuple[Amount, ...] = ()

    @property
    def shown(self) -> list[Interval]:
        """The intervals to draw: those used, by day where they are many."""
        return by_day(self.used) if len(self.used) > MAX_MARKS else self.used

    @property
    def used(self) -> list[Interval]:
        """The intervals that the figures rest on."""
        return [interval for interval in self.intervals if interval.used]


def days_of(time: dt.datetime) -> float:
    """Local wall time as days: midnight of a date is its ordinal."""
    return time.toordinal() + (time.hour * 3600 + time.minute * 60 + time.second) / 86_400


def by_day(intervals: Sequence[Interval]) -> list[Interval]:
    """Intervals added up to local days; a day is as well covered as its worst interval."""
    days = []
    for (_, window, used), items in groupby(intervals, key=lambda one: (one.start.date(), one.window, one.used)):
        parts = list(items)
        days.append(
            Interval(
                start=parts[0].start,
                end=parts[-1].end,
                window=window,
                used=used,
                coverage_percent=min(part.coverage_percent for part in parts),
                numerator=_total([part.numerator for part in parts]),
                per=_total([part.per for part in parts]),
                expected=_total([part.expected for part in parts]),
                driver=_mean([part.driver for part in parts]),
            )
        )
    return days


def _ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or not under else over / under


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _mean(values: Sequence[float | None]) -> float | None:
    total = _total(values)
    return None if total is None else total / len(values)
