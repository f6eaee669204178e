"""Every needed point of a plan by interval, in each window, and what was found in its readings on the way."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from verification.findings import Finding
from verification.metrics.formula import Intervals, Quantity
from verification.model import PointKind
from verification.plan.edges import span_us
from verification.plan.grounds import adjustment_points, grounds
from verification.plan.measure import MeasureSpec
from verification.plan.resolve import adjustment_formula, measure_spec, plan_formula
from verification.plan.shape import EDGE_TOLERANCE_US, Plan, WindowName
from verification.progress import Advance, untold
from verification.quality.readings import check_readings, plausible, stuck
from verification.series.calendar import Calendar
from verification.series.columns import Booleans, Floats, Series, clean, empty_series
from verification.series.intervals import MIN_COVERAGE, IntervalValues, interval_values

HOUR_US = 3_600_000_000
NO_CONSTANTS: Mapping[str, float] = {}


@dataclasses.dataclass(frozen=True, eq=False)
class PointWindow:
    """Every needed point by interval, in one window. `stuck`: intervals in which a gauge hangs, bool[n] by name.
    `hours` are the points of bent formulas by the hour, where intervals are longer; in theirs, `stopped` are those in
    which the line stands, of a plan that leaves that out.
    """

    calendar: Calendar
    points: Mapping[str, IntervalValues]
    stuck: Mapping[str, Booleans]
    hours: PointWindow | None = None
    stopped: Booleans | None = None

    def evaluate(self, formula: Quantity, constants: Mapping[str, float] = NO_CONSTANTS) -> Floats:
        """The formula of each interval's means and totals, float64[n]; nan where one of its points is unknown or it has
        no value. `constants` are other values of the formula's own constants.
        """
        on = self._intervals
        if constants:
            on = dataclasses.replace(on, values={**on.values, **constants})
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value: Floats = np.broadcast_to(np.asarray(formula.evaluate(on), dtype=np.float64), len(self.calendar))
        known = np.isfinite(value)
        return value if known.all() else np.where(known, value, np.nan)

    def taken_together(self, formula: Quantity, constants: Mapping[str, float] = NO_CONSTANTS) -> Floats:
        """The mean or total of what the formula is within each interval, float64[n]: of a bent one by the hour where
        that is known, else what `evaluate` gives.
        """
        value = self.evaluate(formula, constants)
        if not formula.bent or self.hours is None:
            return value
        by_hour = self.by_the_hour(formula, constants)
        return np.where(np.isfinite(by_hour), by_hour, value)

    def by_the_hour(self, formula: Quantity, constants: Mapping[str, float] = NO_CONSTANTS) -> Floats:
        """The mean or total of what a bent formula is in each hour (HJ 75), by interval, float64[n]; nan where less
        than half of an interval is known so, all of them where intervals are no longer than that. A mean is one of the
        hours in which the line runs; a total is of all of them.
        """
        n, hours = len(self.calendar), self.hours
        if not formula.bent or hours is None:
            return np.full(n, np.nan)
        value, length = hours.evaluate(formula, constants), hours.calendar.length_us
        is_total = formula.extent == "total"
        if not is_total and hours.stopped is not None:
            length = np.where(hours.stopped, 0, length)
        slot, known = self.calendar.holding(hours.calendar), np.isfinite(value)
        asked, covered = (np.bincount(slot, weights=each, minlength=n) for each in (length, length * known))
        summed = np.bincount(slot, weights=np.where(known, value * (1 if is_total else length), 0.0), minlength=n)
        enough = (covered > 0) & (covered >= MIN_COVERAGE * asked)
        return np.where(enough, summed * (asked if is_total else 1) / np.maximum(covered, 1), np.nan)

    @functools.cached_property
    def _intervals(self) -> Intervals:
        return Intervals(
            {name: found.value for name, found in self.points.items()},
            {name: found.count for name, found in self.points.items()},
            self.calendar.length_us / HOUR_US,
        )


def measure_specs(plan: Plan) -> list[MeasureSpec]:
    """The plan's measures, resolved, in the order of the file."""
    return [measure_spec(plan, name) for name in plan.measures]


def needed_points(plan: Plan) -> list[str]:
    """The points whose readings a verification uses, in order of name: those of the measures and of their models'
    alternatives, of adjustments, bills and balances, and run states.
    """
    specs = measure_specs(plan)
    return sorted(
        {
            *(name for name, point in plan.points.items() if point.kind is PointKind.STATE),
            *(name for spec in specs for name in spec.points),
            *(name for spec in specs for one in spec.alternatives for name in one.formula.points),
            *(name for each in plan.adjustments for name in adjustment_points(plan, each)),
            *_check_points(plan),
        }
    )


def only_checking_points(plan: Plan) -> frozenset[str]:
    """The points of bills and balances on which no measure stands: they can withdraw a figure, and make none."""
    return _check_points(plan).difference(*(grounds(plan, spec) for spec in measure_specs(plan)))


def _check_points(plan: Plan) -> frozenset[str]:
    """The points of bills and balances."""
    sides = [side for balance in plan.balances for side in (balance.left, balance.right)]
    return frozenset(bill.point for bill in plan.bills).union(*(plan_formula(plan, side).points for side in sides))


def bent_points(plan: Plan) -> frozenset[str]:
    """The points of the formulas of metrics, adjustments and balances that means of long intervals would not do for."""
    specs = measure_specs(plan)
    formulas = [part.formula for spec in specs for part in (spec.numerator, spec.denominator) if part is not None]
    formulas += [adjustment_formula(plan, each, each.unit) for each in plan.adjustments if each.formula]
    formulas += [plan_formula(plan, side) for balance in plan.balances for side in (balance.left, balance.right)]
    return frozenset().union(*(formula.points for formula in formulas if formula.bent))


def calendars(plan: Plan) -> list[Calendar]:
    """The intervals of each window, in order of time."""
    return [Calendar.of(plan, label) for label in plan.windows]


def readings_used(plan: Plan, readings: Mapping[str, Series]) -> dict[str, Series]:
    """The readings that a verification of `plan` stands on: needed points only, within the windows and their edges."""
    spans = reading_spans(plan)
    return {name: readings.get(name, empty_series()).within(spans) for name in needed_points(plan)}


def reading_spans(plan: Plan) -> list[tuple[int, int]]:
    """The closed spans [us] of the windows with their edges' tolerance, in order of time: what has to be read."""
    spans = [span_us(plan, window) for window in plan.windows.values()]
    return [(first - EDGE_TOLERANCE_US, last + EDGE_TOLERANCE_US) for first, last in spans]


def point_windows(
    plan: Plan, used: Mapping[str, Series], advance: Advance = untold
) -> tuple[dict[WindowName, PointWindow], list[Finding]]:
    """Every point of `used` (what `readings_used` returns) by interval in each window, by name in order of time, and
    what was found in its readings. `advance` is called after each.
    """
    each = calendars(plan)
    values: list[dict[str, IntervalValues]] = [{} for _ in each]
    hangs: list[dict[str, Booleans]] = [{} for _ in each]
    findings: list[Finding] = []
    only_checking, bent, gating = only_checking_points(plan), bent_points(plan), plan.run_state
    if bent and gating is not None and gating.gate:
        bent |= {gating.point}
    hours = [calendar.by_hour() if bent else None for calendar in each]
    hourly: list[dict[str, IntervalValues]] = [{} for _ in each]
    for name in sorted(used):
        cleaned, found = clean(name, used[name])
        findings += found
        cleaned, found = plausible(name, plan, cleaned)
        findings += found
        windows = [(calendar, cleaned.between(calendar.span_us)) for calendar in each]
        findings += check_readings(name, plan.points[name], windows, only_checks=name in only_checking)
        for index, (calendar, series) in enumerate(windows):
            values[index][name], found = interval_values(plan, name, series, calendar)
            findings += found
            hangs[index][name] = _by_interval(stuck(plan.points[name], series), series, calendar)
            within = hours[index]
            if within is not None and name in bent:
                hourly[index][name], _ = interval_values(plan, name, series, within)
        advance()
    windows_by_name = {}
    for calendar, value, hang, within, by_hour in zip(each, values, hangs, hours, hourly, strict=True):
        finer = None if within is None else PointWindow(within, by_hour, {}, stopped=stands(plan, by_hour))
        windows_by_name[calendar.label] = PointWindow(calendar, value, hang, finer)
    return windows_by_name, findings


def stands(plan: Plan, points: Mapping[str, IntervalValues]) -> Booleans | None:
    """Where the line does not run, bool[n], in a plan that leaves that out; None in another."""
    gating = plan.run_state
    return None if gating is None or not gating.gate else points[gating.point].value < gating.at_least


def _by_interval(marked: Booleans, series: Series, calendar: Calendar) -> Booleans:
    """The intervals in which a marked reading lies."""
    hit = np.zeros(len(calendar), dtype=bool)
    slot = np.searchsorted(calendar.edges_us, series.time_us[marked], side="right") - 1
    hit[slot[(slot >= 0) & (slot < len(calendar))]] = True
    return hit
