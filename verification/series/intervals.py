"""Readings to values by interval, on the local calendar of the plan: counters, interval totals, gauges and states.

Owns counter arithmetic (rollover, reset, jump, gap), time-weighted means and the coverage of each interval. A value
is either right or missing: nothing is interpolated across an edge. Not handled: whether enough of them remain
(`quality/gate.py`).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from verification.findings import Finding
from verification.model import PointKind
from verification.plan.shape import EDGE_TOLERANCE_US, Meter, Plan
from verification.series.calendar import Calendar
from verification.series.columns import Booleans, Floats, Integers, Series

MIN_COVERAGE = 0.5  # CalTRACK: a day may miss at most 50 % of its sub-daily values
HOUR_US = 3_600_000_000
ROBUST_RATE_MARGIN = 10  # an undeclared maximum rate is taken as this many times the median rate of the running meter
GAP_CADENCES = 1.5  # two readings further apart than this have at least one missing between them


@dataclasses.dataclass(frozen=True, eq=False)
class IntervalValues:
    """One point by interval: `value` float64[n] in the point's unit (nan = missing), `covered_us` and the `count` of
    readings int64[n], `constant` bool[n].
    """

    value: Floats
    covered_us: Integers
    count: Integers
    constant: Booleans

    @property
    def present(self) -> Booleans:
        """Which intervals have a value."""
        return ~np.isnan(self.value)


def interval_values(plan: Plan, point: str, series: Series, calendar: Calendar) -> tuple[IntervalValues, list[Finding]]:
    """The values of `point` from its cleaned readings in the calendar's span."""
    cadence_us = plan.points[point].cadence_s * 1_000_000
    inside = (series.time_us >= calendar.edges_us[0]) & (series.time_us < calendar.edges_us[-1])
    inner = series.take(inside)
    slot = np.searchsorted(calendar.edges_us, inner.time_us, side="right") - 1
    hold_us = _hold_us(inner, slot, calendar, cadence_us)
    n = len(calendar)
    covered_us = np.zeros(n, dtype=np.int64)
    np.add.at(covered_us, slot, hold_us)
    kind = plan.points[point].kind
    if kind is PointKind.COUNTER:
        value, findings = _counter_totals(point, series, calendar, cadence_us, plan.meter_of(point))
    elif kind is PointKind.INTERVAL_TOTAL:
        value, findings = _interval_totals(point, inner, slot, calendar, cadence_us)
    else:
        value, findings = _time_weighted_means(inner, slot, hold_us, covered_us, calendar), []
    return IntervalValues(value, covered_us, np.bincount(slot, minlength=n), _constant(inner, slot, n)), findings


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
    point: str, inner: Series, slot: Integers, calendar: Calendar, cadence_us: int
) -> tuple[Floats, list[Finding]]:
    """Sums of the totals that begin in each interval; one that misses at most half is scaled up, and says so."""
    n = len(calendar)
    count = np.bincount(slot, minlength=n)
    expected = np.maximum(np.rint(calendar.length_us / cadence_us), 1)
    sums = np.bincount(slot, weights=inner.value, minlength=n)
    enough = count >= MIN_COVERAGE * expected
    scaled = enough & (count < expected)
    value = np.where(enough, sums * np.where(scaled, expected / np.maximum(count, 1), 1.0), np.nan)
    if not scaled.any():
        return value, []
    return value, [Finding.of("TOTALS_SCALED", point=point, window=calendar.label, count=int(scaled.sum()))]


def _constant(inner: Series, slot: Integers, n: int) -> Booleans:
    """Intervals with at least two readings that are all the same."""
    changes = np.zeros(n, dtype=np.int64)
    if len(inner):
        changed = (np.diff(inner.value) != 0) & (np.diff(slot) == 0)
        np.add.at(changes, slot[1:][changed], 1)
    several: Booleans = np.bincount(slot, minlength=n) > 1
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
    """Register differences between the edges: exact across gaps inside an interval, missing where an edge is unread."""
    n = len(calendar)
    if len(series) == 0:
        return np.full(n, np.nan), []
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
    """The lengths [us] of the steps inside usable intervals that skip at least one due reading."""
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
                    first=calendar.name_at(int(series.time_us[1:][marks][0])),
                    max_rate_per_hour=f"{steps.max_rate_per_hour:.6g}",
                )
            )
    if len(gaps_us):
        hours = f"{gaps_us.sum() / HOUR_US:.2f}"
        findings.append(Finding.of("COUNTER_GAP", **where, count=len(gaps_us), hours=hours))
    return findings
