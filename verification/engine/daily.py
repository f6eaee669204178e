"""Readings to daily values, by the local calendar of the plan: counters, interval totals, gauges and states.

Owns counter arithmetic (rollover, reset, jump, gap), time-weighted means and the coverage of each day. A day's
value is either right or missing: nothing is interpolated across a day's edge. Not handled: whether enough days
remain (`sufficiency.py`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo

import numpy as np

from verification.engine.series import Booleans, Floats, Integers, Series
from verification.findings import Finding
from verification.model import PointKind
from verification.plan import EDGE_TOLERANCE_US, Meter, Plan, Window, WindowName

MIN_DAY_COVERAGE = 0.5  # CalTRACK: a day may miss at most 50 % of its sub-daily values
HOUR_US = 3_600_000_000
ROBUST_RATE_MARGIN = 10  # an undeclared maximum rate is taken as this many times the median rate of the running meter
GAP_CADENCES = 1.5  # two readings further apart than this have at least one missing between them


@dataclasses.dataclass(frozen=True, eq=False)
class Calendar:
    """The local days of one window: `edges_us` int64[n+1] are the instants at which they begin and end."""

    label: WindowName
    dates: tuple[dt.date, ...]
    edges_us: Integers

    @classmethod
    def of(cls, label: WindowName, window: Window, zone: zoneinfo.ZoneInfo) -> Calendar:
        """The days of `window`; a day of a clock change has 23 or 25 hours."""
        count = (window.end - window.start).days
        days = [window.start + dt.timedelta(days=offset) for offset in range(count + 1)]
        midnights = [dt.datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
        return cls(
            label,
            tuple(days[:-1]),
            np.array([round(m.timestamp()) * 1_000_000 for m in midnights], dtype=np.int64),
        )

    @property
    def span_us(self) -> tuple[int, int]:
        """The closed span whose readings matter to these days."""
        return int(self.edges_us[0]) - EDGE_TOLERANCE_US, int(self.edges_us[-1]) + EDGE_TOLERANCE_US

    @property
    def length_us(self) -> Integers:
        """The length of each day [us]."""
        lengths: Integers = np.diff(self.edges_us)
        return lengths

    def date_at(self, time_us: int) -> str:
        """The date of the day that holds `time_us`; an instant just outside counts to the nearest day."""
        index = int(np.searchsorted(self.edges_us, time_us, side="right")) - 1
        return self.dates[min(max(index, 0), len(self.dates) - 1)].isoformat()

    def first(self, days: Booleans) -> str:
        """The first date of those marked."""
        return self.dates[int(np.argmax(days))].isoformat()


@dataclasses.dataclass(frozen=True, eq=False)
class DayValues:
    """One point by day: `value` float64[n] in the point's unit (nan = missing), `covered_us` int64[n], `constant`
    bool[n].
    """

    value: Floats
    covered_us: Integers
    constant: Booleans

    @property
    def present(self) -> Booleans:
        """Which days have a value."""
        return ~np.isnan(self.value)


def daily_values(plan: Plan, point: str, series: Series, calendar: Calendar) -> tuple[DayValues, list[Finding]]:
    """The days of `point` from its cleaned readings in the calendar's span."""
    cadence_us = plan.points[point].cadence_s * 1_000_000
    inside = (series.time_us >= calendar.edges_us[0]) & (series.time_us < calendar.edges_us[-1])
    inner = series.take(inside)
    day = np.searchsorted(calendar.edges_us, inner.time_us, side="right") - 1
    hold_us = _hold_us(inner, day, calendar, cadence_us)
    days = len(calendar.dates)
    covered_us = np.zeros(days, dtype=np.int64)
    np.add.at(covered_us, day, hold_us)
    kind = plan.points[point].kind
    if kind is PointKind.COUNTER:
        value, findings = _counter_totals(point, series, calendar, cadence_us, plan.meter_of(point))
    elif kind is PointKind.INTERVAL_TOTAL:
        value, findings = _interval_totals(point, inner, day, calendar, cadence_us)
    else:
        value, findings = _time_weighted_means(inner, day, hold_us, covered_us, calendar), []
    return DayValues(value, covered_us, _constant_days(inner, day, days)), findings


def _hold_us(inner: Series, day: Integers, calendar: Calendar, cadence_us: int) -> Integers:
    """How long each reading stands for: to the next one, at most one cadence, and never past its day."""
    ends = np.minimum(inner.time_us + cadence_us, calendar.edges_us[day + 1])
    following = np.append(inner.time_us[1:], np.iinfo(np.int64).max)
    hold_us: Integers = np.minimum(ends, following) - inner.time_us
    return hold_us


def _time_weighted_means(
    inner: Series, day: Integers, hold_us: Integers, covered_us: Integers, calendar: Calendar
) -> Floats:
    weighted = np.bincount(day, weights=inner.value * hold_us, minlength=len(calendar.dates))
    enough = covered_us >= MIN_DAY_COVERAGE * calendar.length_us
    return np.where(enough, weighted / np.maximum(covered_us, 1), np.nan)


def _interval_totals(
    point: str, inner: Series, day: Integers, calendar: Calendar, cadence_us: int
) -> tuple[Floats, list[Finding]]:
    """Sums of the totals that begin in each day; a day that misses at most half of them is scaled up, and says so."""
    days = len(calendar.dates)
    count = np.bincount(day, minlength=days)
    expected = np.maximum(np.rint(calendar.length_us / cadence_us), 1)
    sums = np.bincount(day, weights=inner.value, minlength=days)
    enough = count >= MIN_DAY_COVERAGE * expected
    scaled = enough & (count < expected)
    value = np.where(enough, sums * np.where(scaled, expected / np.maximum(count, 1), 1.0), np.nan)
    if not scaled.any():
        return value, []
    return value, [Finding.of("TOTALS_SCALED", point=point, window=calendar.label, count=int(scaled.sum()))]


def _constant_days(inner: Series, day: Integers, days: int) -> Booleans:
    """Days with at least two readings that are all the same."""
    changes = np.zeros(days, dtype=np.int64)
    if len(inner):
        changed = (np.diff(inner.value) != 0) & (np.diff(day) == 0)
        np.add.at(changes, day[1:][changed], 1)
    several: Booleans = np.bincount(day, minlength=days) > 1
    stuck: Booleans = several & (changes == 0)
    return stuck


@dataclasses.dataclass(frozen=True, eq=False)
class _Steps:
    """Every step of a register from one reading to the next: how it is to be read."""

    rollover: Booleans
    reset: Booleans
    jump: Booleans
    ambiguous: Booleans
    max_rate_per_hour: float


def _counter_totals(
    point: str, series: Series, calendar: Calendar, cadence_us: int, meter: Meter | None
) -> tuple[Floats, list[Finding]]:
    """Register differences between the days' edges: exact across gaps inside a day, missing where an edge is unread."""
    days = len(calendar.dates)
    if len(series) == 0:
        return np.full(days, np.nan), []
    steps = _classify(series, cadence_us, meter)
    at_edge, read = _nearest(series.time_us, calendar.edges_us)
    modulus = meter.register_modulus if meter is not None and meter.register_modulus is not None else 0.0
    rollovers = np.append(0, np.cumsum(steps.rollover))[at_edge]
    broken = np.append(0, np.cumsum(steps.reset | steps.jump | steps.ambiguous))[at_edge]
    usable = read[1:] & read[:-1] & (np.diff(broken) == 0)
    value = np.where(usable, np.diff(series.value[at_edge]) + modulus * np.diff(rollovers), np.nan)
    return value, _counter_findings(point, series, calendar, steps, _gaps(series, at_edge, usable, cadence_us))


def _nearest(time_us: Integers, edges_us: Integers) -> tuple[Integers, Booleans]:
    """The reading nearest to each edge (the earlier one of two as near), and whether it is near enough."""
    after = np.clip(np.searchsorted(time_us, edges_us), 0, len(time_us) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(time_us[before] - edges_us) <= np.abs(time_us[after] - edges_us), before, after)
    return nearest, np.abs(time_us[nearest] - edges_us) <= EDGE_TOLERANCE_US


def _classify(series: Series, cadence_us: int, meter: Meter | None) -> _Steps:
    """Tell rollover, reset and jump apart by the most that the meter can count in the time between two readings.

    A drop is a rollover where the register's modulus explains it at a plausible rate, and only where the time
    between the two readings is too short for a whole turn of the register: after a longer gap nobody knows how
    often it turned.
    """
    max_rate = meter.max_rate_per_hour if meter is not None else None
    if max_rate is None:
        max_rate = _robust_max_rate_per_hour(series, cadence_us)
    rise = np.diff(series.value)
    # A batch process moves its counter in bursts, so a step shorter than the cadence may carry a whole cadence's worth.
    possible = max_rate * np.maximum(np.diff(series.time_us), cadence_us) / HOUR_US
    modulus = meter.register_modulus if meter is not None else None
    rollover = np.zeros(len(rise), dtype=bool)
    ambiguous = np.zeros(len(rise), dtype=bool)
    if modulus is not None:
        ambiguous = possible >= modulus
        rollover = (rise < 0) & (rise + modulus >= 0) & (rise + modulus <= possible) & ~ambiguous
    return _Steps(rollover, (rise < 0) & ~rollover & ~ambiguous, rise > possible, ambiguous, max_rate)


def _robust_max_rate_per_hour(series: Series, cadence_us: int) -> float:
    """Ten times the median rate at which the counter rises, seen at its cadence; 0 for one that never rises."""
    _, first = np.unique(series.time_us // cadence_us, return_index=True)
    thinned = series.take(first)
    rise, step_us = np.diff(thinned.value), np.diff(thinned.time_us)
    rising = rise > 0
    if not rising.any():
        return 0.0
    return float(ROBUST_RATE_MARGIN * np.median(rise[rising] * HOUR_US / np.maximum(step_us[rising], cadence_us)))


def _gaps(series: Series, at_edge: Integers, usable: Booleans, cadence_us: int) -> Integers:
    """The lengths [us] of the steps inside usable days that skip at least one due reading."""
    step_us = np.diff(series.time_us)
    inside = np.zeros(len(step_us), dtype=bool)
    for start, end in zip(at_edge[:-1][usable], at_edge[1:][usable], strict=True):
        inside[start:end] = True
    gaps: Integers = step_us[inside & (step_us > GAP_CADENCES * cadence_us)]
    return gaps


def _counter_findings(
    point: str, series: Series, calendar: Calendar, steps: _Steps, gaps_us: Integers
) -> list[Finding]:
    where: dict[str, str | int] = {"point": point, "window": calendar.label}
    findings = []
    if steps.rollover.any():
        findings.append(Finding.of("COUNTER_ROLLOVER", **where, count=int(steps.rollover.sum())))
    for code, marks in (
        ("COUNTER_RESET", steps.reset),
        ("COUNTER_JUMP", steps.jump),
        ("COUNTER_AMBIGUOUS", steps.ambiguous),
    ):
        if marks.any():
            findings.append(
                Finding.of(
                    code,
                    **where,
                    count=int(marks.sum()),
                    first=calendar.date_at(int(series.time_us[1:][marks][0])),
                    max_rate_per_hour=f"{steps.max_rate_per_hour:.6g}",
                )
            )
    if len(gaps_us):
        hours = f"{gaps_us.sum() / HOUR_US:.2f}"
        findings.append(Finding.of("COUNTER_GAP", **where, count=len(gaps_us), hours=hours))
    return findings
