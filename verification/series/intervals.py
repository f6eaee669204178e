"""Readings to values by interval, on the local calendar of the plan: counters, totals, gauges, states and
events.

Owns time-weighted means, sums and the coverage of each interval; counters are in `counters.py`. A value is either
right or missing: nothing is interpolated across an edge. Not handled: whether enough of them remain
(`quality/gate.py`).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from verification.findings import Finding
from verification.model import PointKind
from verification.plan.shape import EDGE_TOLERANCE_US, Plan
from verification.series.calendar import Calendar
from verification.series.columns import Booleans, Floats, Integers, Series
from verification.series.counters import counter_totals

MIN_COVERAGE = 0.5  # CalTRACK: a day may miss at most 50 % of its sub-daily values
ASTRIDE_PERCENT = 5  # of what totals stand for: a shift that ends half an hour after midnight is no other day
SECOND_US = 1_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class IntervalValues:
    """One point by interval: `value` float64[n] in the point's unit (nan = missing), `covered_us` and the `count` of
    readings int64[n].
    """

    value: Floats
    covered_us: Integers
    count: Integers

    @property
    def present(self) -> Booleans:
        """Which intervals have a value."""
        return ~np.isnan(self.value)


def interval_values(plan: Plan, point: str, series: Series, calendar: Calendar) -> tuple[IntervalValues, list[Finding]]:
    """The values of `point` from its cleaned readings in the calendar's span."""
    about, n = plan.points[point], len(calendar)
    cadence_us = about.cadence_s * SECOND_US
    inner = series.take(slice(*np.searchsorted(series.time_us, calendar.edges_us[[0, -1]])))
    count = _counts(inner.time_us, calendar.edges_us)
    slot = np.repeat(np.arange(n), count)
    hold_us = _hold_us(inner, slot, calendar, cadence_us)
    covered_us = np.bincount(slot, weights=hold_us, minlength=n).astype(np.int64)
    findings: list[Finding] = []
    match about.kind:
        case PointKind.COUNTER:
            value, findings = counter_totals(point, series, calendar, cadence_us, plan.meter_of(point))
        case PointKind.INTERVAL_TOTAL:
            value, findings = _interval_totals(point, inner, slot, count, calendar, cadence_us)
        case PointKind.EVENT:
            value, covered_us = _event_sums(inner, slot, calendar)
        case _:
            value = _time_weighted_means(inner, slot, hold_us, covered_us, calendar)
    return IntervalValues(value, covered_us, count), findings


def _counts(time_us: Integers, edges_us: Integers) -> Integers:
    """How many of these times, in order, lie in each interval."""
    if np.array_equal(time_us, edges_us[:-1]):  # as totals by interval come, and then there is nothing to be searched
        return np.ones(len(time_us), dtype=np.int64)
    counts: Integers = np.diff(np.searchsorted(time_us, edges_us))
    return counts


def _event_sums(inner: Series, slot: Integers, calendar: Calendar) -> tuple[Floats, Integers]:
    """The sum of the events' values in each interval: no event is a 0, unless the whole window has none.

    A source of events says nothing while nothing happens, so that its silence cannot be told from its failure; a
    window without a single event counts as not covered.
    """
    if len(inner) == 0:
        return np.full(len(calendar), np.nan), np.zeros(len(calendar), dtype=np.int64)
    sums: Floats = np.bincount(slot, weights=inner.value, minlength=len(calendar)).astype(np.float64)
    return sums, calendar.length_us


def _hold_us(inner: Series, slot: Integers, calendar: Calendar, cadence_us: int) -> Integers:
    """How long each reading stands for: to the next one, at most one cadence, and never past its interval."""
    ends = np.minimum(inner.time_us + cadence_us, calendar.edges_us[slot + 1])
    following = np.append(inner.time_us[1:], np.iinfo(np.int64).max)
    hold_us: Integers = np.minimum(ends, following) - inner.time_us
    return hold_us


def _time_weighted_means(
    inner: Series, slot: Integers, hold_us: Integers, covered_us: Integers, calendar: Calendar
) -> Floats:
    weighted = np.bincount(slot, weights=inner.value * hold_us, minlength=len(calendar))
    enough = covered_us >= MIN_COVERAGE * calendar.length_us
    return np.where(enough, weighted / np.maximum(covered_us, 1), np.nan)


def _interval_totals(
    point: str, inner: Series, slot: Integers, count: Integers, calendar: Calendar, cadence_us: int
) -> tuple[Floats, list[Finding]]:
    """Sums of the totals that begin in each interval; one that misses at most half is scaled up, and says so."""
    n = len(calendar)
    expected = np.maximum(np.rint(calendar.length_us / cadence_us), 1)
    sums = np.bincount(slot, weights=inner.value, minlength=n)
    enough = count >= MIN_COVERAGE * expected
    scaled = enough & (count < expected)
    value = np.where(enough, sums * np.where(scaled, expected / np.maximum(count, 1), 1.0), np.nan)
    findings = _astride(point, inner, slot, calendar, cadence_us)
    if scaled.any():
        findings.append(Finding.of("TOTALS_SCALED", point=point, window=calendar.label, count=int(scaled.sum())))
    return value, findings


def _astride(point: str, inner: Series, slot: Integers, calendar: Calendar, cadence_us: int) -> list[Finding]:
    """Totals of which more than ASTRIDE_PERCENT is of the interval after the one in which they begin: of days that
    begin by another clock, or with a shift.
    """
    inside_us = inner.time_us - calendar.edges_us[slot]
    beyond_us = inner.time_us + cadence_us - calendar.edges_us[slot + 1]
    astride = (inside_us > EDGE_TOLERANCE_US) & (beyond_us > EDGE_TOLERANCE_US)
    percent = 100 * float(beyond_us[astride].sum()) / (cadence_us * max(len(inner), 1))
    if percent <= ASTRIDE_PERCENT:
        return []
    where = {"point": point, "window": calendar.label, "first": calendar.name_at(int(inner.time_us[astride][0]))}
    return [Finding.of("TOTALS_ASTRIDE", percent=f"{percent:.3g}", limit=ASTRIDE_PERCENT, **where)]
