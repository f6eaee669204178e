"""The data gate: are there days enough, and good enough, to say anything? Step 2 of docs/explanation/methods.md.

Turns cleaned readings into the two windows' daily energy [Wh], output [g] and drivers, and says as findings what is
missing, impossible or contradictory. Zeros are data: a stopped line's days stay in. Not handled: the model and its
own limits.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

import numpy as np

from verification.engine.daily import Calendar, DayValues, daily_values
from verification.engine.series import Booleans, Floats, Integers, Series, clean, empty_series
from verification.findings import Finding
from verification.model import PointKind
from verification.plan import Plan, WindowName
from verification.units import scale_factor

MIN_DAYS_PERCENT = 90  # CalTRACK and China's online energy monitoring: at most 10 % missing
MIN_PRODUCTIVE_PERCENT = 10  # a line that produced on fewer of its days stood idle: there is no state to compare
RUNNING = 0.5  # a state at or above this means that the line runs


@dataclasses.dataclass(frozen=True, eq=False)
class WindowData:
    """One window by day: energy_wh int64[n], output_g int64[n], drivers float64[n, k], used bool[n],
    coverage_percent int64[n].

    Energy and output of a day that is not used may be 0 for want of a value; `known` says which are real.
    """

    label: WindowName
    dates: tuple[dt.date, ...]
    energy_wh: Integers
    output_g: Integers
    drivers: Floats
    known: Booleans
    used: Booleans
    coverage_percent: Integers

    @property
    def days_used(self) -> int:
        """How many days enter the result."""
        return int(self.used.sum())

    @property
    def total_wh(self) -> int:
        """Energy of the days used [Wh]."""
        return int(self.energy_wh[self.used].sum())

    @property
    def total_g(self) -> int:
        """Output of the days used [g]."""
        return int(self.output_g[self.used].sum())


def needed_points(plan: Plan) -> list[str]:
    """The points whose readings a verification uses, in order of name: energy, output, drivers and run states."""
    states = [name for name, point in plan.points.items() if point.kind is PointKind.STATE]
    return sorted({*_required(plan), *states})


def calendars(plan: Plan) -> tuple[Calendar, Calendar]:
    """The days of the baseline and of the reporting period."""
    return Calendar.of("baseline", plan.baseline, plan.zone), Calendar.of("reporting", plan.reporting, plan.zone)


def readings_used(plan: Plan, readings: Mapping[str, Series]) -> dict[str, Series]:
    """The readings that a verification of `plan` stands on: needed points only, within the windows and their edges."""
    spans = [calendar.span_us for calendar in calendars(plan)]
    return {name: readings.get(name, empty_series()).within(spans) for name in needed_points(plan)}


def gate(plan: Plan, used: Mapping[str, Series]) -> tuple[WindowData, WindowData, list[Finding]]:
    """Baseline and reporting period by day, and what was found on the way. `used` is what `readings_used` returns."""
    findings: list[Finding] = []
    cleaned = {}
    for name in needed_points(plan):
        cleaned[name], found = clean(name, used[name])
        findings += found
    windows = []
    for calendar in calendars(plan):
        data, found = _window(plan, calendar, cleaned)
        windows.append(data)
        findings += found
    return windows[0], windows[1], findings


def _required(plan: Plan) -> list[str]:
    return list(dict.fromkeys([plan.metric.energy, plan.metric.output, *plan.model.drivers]))


def _window(plan: Plan, calendar: Calendar, cleaned: Mapping[str, Series]) -> tuple[WindowData, list[Finding]]:
    findings: list[Finding] = []
    days: dict[str, DayValues] = {}
    for name, series in cleaned.items():
        days[name], found = daily_values(plan, name, series.within([calendar.span_us]), calendar)
        findings += found
    required = _required(plan)
    known = np.logical_and.reduce([days[name].present for name in required])
    excluded, found = _impossible(plan, calendar, days)
    findings += found
    data = _assemble(plan, calendar, days, known=known, used=known & ~excluded)
    findings += _sufficiency(plan, calendar, days, data)
    return data, findings


def _assemble(
    plan: Plan, calendar: Calendar, days: Mapping[str, DayValues], *, known: Booleans, used: Booleans
) -> WindowData:
    """Energy in whole Wh and output in whole g, whatever the meters' units, so that sums are exact and units leave
    no trace.
    """

    def whole(name: str, unit: str) -> Integers:
        scaled = np.rint(np.nan_to_num(days[name].value) * scale_factor(plan.points[name].unit, unit))
        integers: Integers = scaled.astype(np.int64)
        return integers

    output_g = whole(plan.metric.output, "g")
    columns = [output_g / 1e6 if name == plan.metric.output else days[name].value for name in plan.model.drivers]
    covered = np.min([days[name].covered_us for name in _required(plan)], axis=0)
    return WindowData(
        calendar.label,
        calendar.dates,
        whole(plan.metric.energy, "Wh"),
        output_g,
        np.column_stack(columns),
        known,
        used,
        covered * 100 // calendar.length_us,
    )


def _impossible(plan: Plan, calendar: Calendar, days: Mapping[str, DayValues]) -> tuple[Booleans, list[Finding]]:
    """Days that contradict themselves: negative totals, output without energy, a running line without output."""
    energy, output = days[plan.metric.energy].value, days[plan.metric.output].value
    marks: list[tuple[str, str, Booleans, dict[str, str]]] = [
        ("NEGATIVE_TOTALS", plan.metric.energy, energy < 0, {}),
        ("NEGATIVE_TOTALS", plan.metric.output, output < 0, {}),
        ("STUCK_VALUES", plan.metric.energy, (energy == 0) & (output > 0), {}),
    ]
    for name, point in plan.points.items():
        if point.kind is PointKind.STATE:
            contradicted = (output == 0) & (days[name].value >= RUNNING)
            marks.append(("ZERO_OUTPUT_WHILE_RUNNING", plan.metric.output, contradicted, {"state": name}))
    excluded = np.logical_or.reduce([days_marked for _, _, days_marked, _ in marks])
    # A still gauge is suspicious but possible, so its days stay in.
    gauges = [name for name in plan.model.drivers if plan.points[name].kind is PointKind.GAUGE]
    marks += [("STUCK_VALUES", name, days[name].constant & (output > 0), {}) for name in gauges]
    findings = [
        Finding.of(
            code,
            point=name,
            window=calendar.label,
            count=int(marked.sum()),
            first=calendar.first(marked),
            **extra,
        )
        for code, name, marked, extra in marks
        if marked.any()
    ]
    return excluded, findings


def _sufficiency(plan: Plan, calendar: Calendar, days: Mapping[str, DayValues], data: WindowData) -> list[Finding]:
    """Is the window there at all, did the line run, and are there days enough?"""
    expected = len(calendar.dates)
    required = _required(plan)
    absent = [name for name in required if not days[name].covered_us.any() and not days[name].present.any()]
    productive = _productive_days(plan, calendar, days, absent)
    if productive is not None:
        code = "BASELINE_IDLE" if calendar.label == "baseline" else "REPORTING_IDLE"
        return [Finding.of(code, days=productive, expected=expected)]
    if absent:
        start, end = calendar.dates[0].isoformat(), calendar.dates[-1].isoformat()
        return [
            Finding.of("WINDOW_OUTSIDE_DATA", point=name, window=calendar.label, start=start, end=end)
            for name in absent
        ]
    findings = []
    for name in required:
        missing = ~days[name].present
        if missing.any():
            findings.append(
                Finding.of(
                    "DAYS_MISSING",
                    point=name,
                    window=calendar.label,
                    count=int(missing.sum()),
                    first=calendar.first(missing),
                )
            )
    if data.days_used * 100 < MIN_DAYS_PERCENT * expected:
        percent = data.days_used * 100 // expected
        findings.append(
            Finding.of(
                "TOO_FEW_DAYS",
                window=calendar.label,
                used=data.days_used,
                expected=expected,
                percent=percent,
                required=MIN_DAYS_PERCENT,
            )
        )
    return findings


def _productive_days(plan: Plan, calendar: Calendar, days: Mapping[str, DayValues], absent: list[str]) -> int | None:
    """The number of productive days where the line stood idle, else None.

    Idle is: output metered and on fewer than a tenth of the days above zero; in the baseline also output never
    metered while energy was; or nothing metered but a run state that says so. Nothing at all is no statement about
    the line.
    """
    output = days[plan.metric.output]
    if output.present.any():
        productive = int((output.value > 0).sum())
        return productive if productive * 100 < MIN_PRODUCTIVE_PERCENT * int(output.present.sum()) else None
    if plan.metric.output not in absent:
        return None
    if calendar.label == "baseline" and plan.metric.energy not in absent:
        return 0
    states = [days[name] for name, point in plan.points.items() if point.kind is PointKind.STATE]
    stood_still = any(state.present.any() and bool((state.value[state.present] < RUNNING).all()) for state in states)
    return 0 if stood_still else None
