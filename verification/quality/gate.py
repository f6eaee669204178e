"""The data gate: are there intervals enough, and good enough, to say anything? Step 2 of docs/explanation/methods.md.

Turns cleaned readings into two windows of numerator, denominator and drivers for each measure, and says as findings
what is missing, impossible or contradictory. Zeros are data: a stopped line's intervals stay in. Not handled: the
model and its own limits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from verification.findings import Finding
from verification.metrics.formula import Intervals, Quantity
from verification.model import PointKind
from verification.plan.measure import MeasureSpec, Part, measure_spec
from verification.plan.shape import Plan
from verification.quality.window import WindowData
from verification.series.calendar import BY_DATE, Calendar
from verification.series.columns import Booleans, Floats, Integers, Series, clean, empty_series
from verification.series.intervals import HOUR_US, IntervalValues, interval_values

MIN_INTERVALS_PERCENT = 90  # CalTRACK and China's online energy monitoring: at most 10 % missing
MIN_PRODUCTIVE_PERCENT = 10  # a line that produced on fewer of its days stood idle: there is no state to compare
RUNNING = 0.5  # a state at or above this means that the line runs
MAX_COUNT = 2.0**53  # beyond it a double no longer counts every unit of the last decimal place


@dataclasses.dataclass(frozen=True, eq=False)
class PointWindow:
    """Every needed point by interval, in one window."""

    calendar: Calendar
    points: Mapping[str, IntervalValues]

    def evaluate(self, formula: Quantity) -> Floats:
        """The formula's value by interval, float64[n]; nan where one of its points is unknown or it has no value."""
        on = Intervals(
            {name: found.value for name, found in self.points.items()},
            {name: found.count.astype(np.float64) for name, found in self.points.items()},
            self.calendar.length_us / HOUR_US,
        )
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value: Floats = np.broadcast_to(np.asarray(formula.evaluate(on), dtype=np.float64), len(self.calendar))
        return np.where(np.isfinite(value), value, np.nan)


def measure_specs(plan: Plan) -> list[MeasureSpec]:
    """The plan's measures, resolved, in the order of the file."""
    return [measure_spec(plan, name) for name in plan.measures]


def needed_points(plan: Plan) -> list[str]:
    """The points whose readings a verification uses, in order of name: those of the measures, and run states."""
    states = [name for name, point in plan.points.items() if point.kind is PointKind.STATE]
    return sorted({*states, *(name for spec in measure_specs(plan) for name in spec.points)})


def calendars(plan: Plan) -> tuple[Calendar, Calendar]:
    """The intervals of the baseline and of the reporting period."""
    return Calendar.of(plan, "baseline"), Calendar.of(plan, "reporting")


def readings_used(plan: Plan, readings: Mapping[str, Series]) -> dict[str, Series]:
    """The readings that a verification of `plan` stands on: needed points only, within the windows and their edges."""
    spans = [calendar.span_us for calendar in calendars(plan)]
    return {name: readings.get(name, empty_series()).within(spans) for name in needed_points(plan)}


def point_windows(plan: Plan, used: Mapping[str, Series]) -> tuple[PointWindow, PointWindow, list[Finding]]:
    """Every point of `used` (what `readings_used` returns) by interval in both windows, and what was found on the
    way.
    """
    findings: list[Finding] = []
    cleaned = {}
    for name in sorted(used):
        cleaned[name], found = clean(name, used[name])
        findings += found
    windows = []
    for calendar in calendars(plan):
        values: dict[str, IntervalValues] = {}
        for name, series in cleaned.items():
            values[name], found = interval_values(plan, name, series.within([calendar.span_us]), calendar)
            findings += found
        windows.append(PointWindow(calendar, values))
    return windows[0], windows[1], findings


def gate(plan: Plan, spec: MeasureSpec, window: PointWindow) -> tuple[WindowData, list[Finding]]:
    """One window of one measure, and what speaks against its intervals."""
    absent = [name for name in spec.points if _is_absent(window.points[name])]
    numerator, findings = _counted(window, spec.numerator)
    if spec.denominator is None:
        denominator, known_output = np.ones(len(window.calendar), np.int64), np.ones(len(window.calendar), bool)
        output = None
    else:
        denominator, found = _counted(window, spec.denominator)
        findings += found
        output = window.evaluate(spec.denominator.formula)
        known_output = np.isfinite(output)
    columns = [
        denominator / 10 ** (spec.denominator.decimals if spec.denominator else 0)
        if driver.is_denominator
        else window.evaluate(driver.formula)
        for driver in spec.drivers
    ]
    drivers = np.column_stack(columns) if columns else np.empty((len(window.calendar), 0))
    known = np.isfinite(window.evaluate(spec.numerator.formula)) & known_output & np.isfinite(drivers).all(axis=1)
    known &= np.logical_and.reduce([window.points[name].present for name in spec.points])
    excluded, found = _impossible(plan, spec, window, numerator, output)
    findings += found
    covered = np.min([window.points[name].covered_us for name in spec.points], axis=0)
    data = WindowData(
        spec=spec,
        calendar=window.calendar,
        numerator=numerator,
        denominator=denominator,
        drivers=drivers,
        known=known,
        used=known & ~excluded,
        coverage_percent=covered * 100 // window.calendar.length_us,
    )
    return data, [*findings, *_sufficiency(plan, window, data, output, absent)]


def _is_absent(values: IntervalValues) -> bool:
    return not values.covered_us.any() and not values.present.any()


def _counted(window: PointWindow, part: Part) -> tuple[Integers, list[Finding]]:
    """A part by interval as whole numbers of its last decimal place; 0 where it is unknown."""
    scaled = np.rint(np.nan_to_num(window.evaluate(part.formula)) * 10.0**part.decimals)
    too_large = np.abs(scaled) > MAX_COUNT
    counted: Integers = np.where(too_large, 0.0, scaled).astype(np.int64)
    if not too_large.any():
        return counted, []
    return counted, [
        Finding.of(
            "VALUES_TOO_LARGE",
            point=part.formula.text,
            window=window.calendar.label,
            count=int(too_large.sum()),
            first=window.calendar.first(too_large),
        )
    ]


def _impossible(
    plan: Plan, spec: MeasureSpec, window: PointWindow, numerator: Integers, output: Floats | None
) -> tuple[Booleans, list[Finding]]:
    """Intervals that contradict themselves: negative totals, output without energy, a running line without output."""
    calendar = window.calendar
    marks: list[tuple[str, str, Booleans, dict[str, str]]] = [
        ("NEGATIVE_TOTALS", name, window.points[name].value < 0, {})
        for name in spec.points
        if plan.points[name].kind in (PointKind.COUNTER, PointKind.INTERVAL_TOTAL)
    ]
    if output is not None and spec.denominator is not None:
        with np.errstate(invalid="ignore"):
            produced, stood = output > 0, output == 0
        if spec.needs_numerator:
            marks.append(("STUCK_VALUES", spec.numerator.formula.text, (numerator == 0) & produced, {}))
        # In a batch process a short interval may well have no output, so only days and longer ones contradict.
        states = [name for name, point in plan.points.items() if point.kind is PointKind.STATE]
        for name in states if plan.interval in BY_DATE else []:
            contradicted = stood & (window.points[name].value >= RUNNING)
            marks.append(("ZERO_OUTPUT_WHILE_RUNNING", spec.denominator.formula.text, contradicted, {"state": name}))
    excluded = np.logical_or.reduce([marked for _, _, marked, _ in marks] or [np.zeros(len(calendar), dtype=bool)])
    # A still gauge is suspicious but possible, so its intervals stay in.
    gauges = [name for name in spec.points if plan.points[name].kind is PointKind.GAUGE]
    running = np.ones(len(calendar), dtype=bool) if output is None else output > 0
    marks += [("STUCK_VALUES", name, window.points[name].constant & running, {}) for name in gauges]
    findings = [
        Finding.of(
            code, point=name, window=calendar.label, count=int(marked.sum()), first=calendar.first(marked), **extra
        )
        for code, name, marked, extra in marks
        if marked.any()
    ]
    return excluded, findings


def _sufficiency(
    plan: Plan, window: PointWindow, data: WindowData, output: Floats | None, absent: list[str]
) -> list[Finding]:
    """Is the window there at all, did the line run, and are there intervals enough?"""
    calendar, spec = window.calendar, data.spec
    productive = _productive_days(plan, window, data, output, absent)
    if productive is not None:
        code = "BASELINE_IDLE" if calendar.label == "baseline" else "REPORTING_IDLE"
        return [Finding.of(code, days=productive, expected=int(calendar.day_of[-1]) + 1)]
    if absent:
        start, end = calendar.name(0), calendar.name(len(calendar) - 1)
        return [
            Finding.of("WINDOW_OUTSIDE_DATA", point=name, window=calendar.label, start=start, end=end)
            for name in absent
        ]
    findings = []
    for name in spec.points:
        missing = ~window.points[name].present
        if missing.any():
            where = {"point": name, "window": calendar.label, "first": calendar.first(missing)}
            findings.append(Finding.of("INTERVALS_MISSING", count=int(missing.sum()), interval=plan.interval, **where))
    expected = len(calendar)
    if data.intervals_used * 100 < MIN_INTERVALS_PERCENT * expected:
        findings.append(
            Finding.of(
                "TOO_FEW_INTERVALS",
                window=calendar.label,
                interval=plan.interval,
                used=data.intervals_used,
                expected=expected,
                percent=data.intervals_used * 100 // expected,
                required=MIN_INTERVALS_PERCENT,
            )
        )
    return findings


def _productive_days(
    plan: Plan, window: PointWindow, data: WindowData, output: Floats | None, absent: list[str]
) -> int | None:
    """The number of productive days where the line stood idle, else None.

    Idle is: output metered and on fewer than a tenth of the days above zero; in the baseline also output never
    metered while the numerator was; or nothing metered but a run state that says so. Nothing at all is no statement
    about the line.
    """
    spec, calendar = data.spec, window.calendar
    if spec.denominator is None or output is None:
        return None
    metered = np.isfinite(output)
    if metered.any():
        days_metered = len(np.unique(calendar.day_of[metered]))
        productive = len(np.unique(calendar.day_of[metered & (output > 0)]))
        return productive if productive * 100 < MIN_PRODUCTIVE_PERCENT * days_metered else None
    if not spec.denominator.formula.points & set(absent):
        return None
    if calendar.label == "baseline" and not spec.numerator.formula.points & set(absent):
        return 0
    states = [window.points[name] for name, point in plan.points.items() if point.kind is PointKind.STATE]
    stood_still = any(state.present.any() and bool((state.value[state.present] < RUNNING).all()) for state in states)
    return 0 if stood_still else None
