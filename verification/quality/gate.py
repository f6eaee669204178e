"""The data gate: are there intervals enough, and good enough, to say anything? Step 2 of docs/explanation/methods.md.

Turns cleaned readings into windows of numerator, denominator and drivers for each measure, and says as findings
what is missing, impossible or contradictory. Zeros are data: a stopped line's intervals stay in. Not handled: the
model and its own limits.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from verification.findings import Finding
from verification.model import PointKind
from verification.plan.edges import adjustment_span_us
from verification.plan.grounds import run_states
from verification.plan.measure import MeasureSpec, Part
from verification.plan.resolve import adjustment_formula
from verification.plan.shape import Plan, WindowName
from verification.plan.signing import signed_formulas
from verification.quality.categories import category_labels
from verification.quality.points import PointWindow, stands
from verification.quality.window import WindowData
from verification.series.calendar import BY_DATE, WITHIN_AN_HOUR, Calendar
from verification.series.columns import Booleans, Floats, Integers
from verification.series.intervals import IntervalValues

MIN_INTERVALS_PERCENT = 90  # CalTRACK and China's online energy monitoring: at most 10 % missing
MIN_PRODUCTIVE_PERCENT = 10  # a line that produced on fewer of its days stood idle: there is no state to compare
TOTALS = (PointKind.COUNTER, PointKind.INTERVAL_TOTAL, PointKind.EVENT)
RUNNING = 0.5  # a state at or above this means that the line runs
IDLE: dict[WindowName, str] = {
    "baseline": "BASELINE_IDLE",
    "intermediate": "INTERMEDIATE_IDLE",
    "reporting": "REPORTING_IDLE",
}
ROUNDED_SHARE = 1e-4  # of a total: what counting in whole last places may move it by unsaid
MAX_SHARE_PERCENT = 101  # part and whole are not counted at one and the same moment
MAX_COUNT = 2.0**53  # beyond it a double no longer counts every unit of the last decimal place


def gate(plan: Plan, spec: MeasureSpec, window: PointWindow) -> tuple[WindowData, list[Finding]]:
    """One window of one measure, and what speaks against its intervals."""
    calendar = window.calendar
    numerator, known, findings = _counted(window, spec.numerator)
    denominator = np.ones(len(calendar), np.int64)
    if spec.denominator is not None:
        denominator, known_too, found = _counted(window, spec.denominator)
        known &= known_too
        findings += found
    decimals = spec.denominator.decimals if spec.denominator else 0
    columns = [
        denominator / 10**decimals if driver.is_denominator else window.evaluate(driver.formula)
        for driver in spec.drivers
    ]
    drivers = np.array(columns).reshape(len(columns), len(calendar)).T
    known &= np.isfinite(drivers).all(axis=1)
    present = np.logical_and.reduce([window.points[name].present for name in spec.points])
    if (present & ~known).any():
        where = {"window": calendar.label, "first": calendar.first(present & ~known)}
        findings.append(
            Finding.of("FORMULA_UNDEFINED", measure=spec.name, count=int((present & ~known).sum()), **where)
        )
    excluded, found = _impossible(plan, spec, window, numerator, denominator)
    findings += found
    reasons, found = _left_out(plan, window)
    findings += found
    left_out = np.logical_or.reduce([np.zeros(len(calendar), dtype=bool), *reasons.values()])
    undefined, found = _not_adjustable(plan, spec, window, known & present & ~excluded & ~left_out)
    findings += found
    covered = np.min([window.points[name].covered_us for name in spec.points], axis=0)
    data = WindowData(
        spec=spec,
        calendar=calendar,
        numerator=np.where(known & present, numerator, 0),
        denominator=np.where(known & present, denominator, 0),
        drivers=drivers,
        known=known & present,
        used=known & present & ~excluded & ~left_out & ~undefined,
        coverage_percent=covered * 100 // calendar.length_us,
        categories=category_labels(plan, spec.measure.model.categories, window),
        stopped=stands(plan, window.points),
        left_out={
            reason: marked & known & present
            for reason, marked in (*reasons.items(), ("impossible", excluded))
            if (marked & known & present).any()
        },
    )
    findings += _beyond_the_whole(data)
    return data, [*findings, *_sufficiency(plan, window, data, expected=int((~left_out).sum()))]


def _is_absent(values: IntervalValues) -> bool:
    return not values.covered_us.any() and not values.present.any()


def _counted(window: PointWindow, part: Part) -> tuple[Integers, Booleans, list[Finding]]:
    """A part by interval as whole numbers of its last decimal place, and where it is known."""
    value, findings = _value(window, part)
    scaled = np.rint(np.nan_to_num(value) * 10.0**part.decimals)
    too_large = np.abs(scaled) > MAX_COUNT
    counted: Integers = np.where(too_large, 0.0, scaled).astype(np.int64)
    known = np.isfinite(value) & ~too_large
    of = {"point": part.formula.text, "window": window.calendar.label}
    if too_large.any():
        first = window.calendar.first(too_large)
        findings.append(Finding.of("VALUES_TOO_LARGE", count=int(too_large.sum()), first=first, **of))
    exact = value[known] * 10.0**part.decimals
    share, size = abs(float(np.sum(exact - counted[known]))), float(np.sum(np.abs(exact)))
    if share > ROUNDED_SHARE * size:
        step = f"{10.0**-part.decimals:.{part.decimals}f} {part.unit}"
        findings.append(Finding.of("TOTALS_ROUNDED", step=step, percent=f"{100 * share / size:.3g}", **of))
    return counted, known, findings


def _value(window: PointWindow, part: Part) -> tuple[Floats, list[Finding]]:
    """A part by interval, float64[n], and where it had to be computed of the means and totals of whole intervals
    although it is bent.
    """
    value, calendar = window.taken_together(part.formula), window.calendar
    if not part.formula.bent or calendar.interval in WITHIN_AN_HOUR:
        return value, []
    coarse = np.isfinite(value) & ~np.isfinite(window.by_the_hour(part.formula))
    if not coarse.any():
        return value, []
    where = {"window": calendar.label, "first": calendar.first(coarse)}
    return value, [Finding.of("MEANS_COMBINED", term=part.formula.bent, count=int(coarse.sum()), **where)]


def _impossible(
    plan: Plan, spec: MeasureSpec, window: PointWindow, numerator: Integers, denominator: Integers
) -> tuple[Booleans, list[Finding]]:
    """Intervals that contradict themselves: negative totals, output without energy, a running line without output."""
    calendar = window.calendar
    marks: list[tuple[str, str, Booleans, dict[str, str]]] = [
        ("NEGATIVE_TOTALS", name, window.points[name].value < 0, {})
        for name in spec.points
        if plan.points[name].kind in TOTALS
    ]
    marks += [
        ("NEGATIVE_TOTALS", part.formula.text, counted < 0, {})
        for part, counted, counts in (
            (spec.numerator, numerator, spec.needs_numerator),
            (spec.denominator, denominator, True),
        )
        if counts and part is not None and part.formula.text not in plan.points  # else it is named already
    ]
    if spec.denominator is not None and spec.denominator.formula.points:
        output = spec.denominator.formula
        metered = np.isfinite(window.evaluate(output))
        if spec.needs_numerator:
            metered_too = np.isfinite(window.evaluate(spec.numerator.formula))
            without = metered & metered_too & (numerator == 0) & (denominator > 0)
            marks.append(("STUCK_VALUES", spec.numerator.formula.text, without, {}))
        # In a batch process a short interval may well have no output, so only days and longer ones contradict.
        for name in run_states(plan) if plan.interval in BY_DATE and output.extent == "total" else []:
            contradicted = metered & (denominator == 0) & (window.points[name].value >= RUNNING)
            marks.append(("ZERO_OUTPUT_WHILE_RUNNING", output.text, contradicted, {"state": name}))
    excluded = np.logical_or.reduce([marked for _, _, marked, _ in marks] or [np.zeros(len(calendar), dtype=bool)])
    # A value that stands still is suspicious but possible, so its intervals stay in.
    marks += [("STUCK_VALUES", name, window.stuck[name] & (denominator > 0), {}) for name in spec.points]
    findings = [
        Finding.of(
            code, point=name, window=calendar.label, count=int(marked.sum()), first=calendar.first(marked), **extra
        )
        for code, name, marked, extra in marks
        if marked.any()
    ]
    return excluded, findings


def _beyond_the_whole(data: WindowData) -> list[Finding]:
    """A share of the catalogue of which the window's part is more than its whole; where a parameter makes the whole,
    that may be set too low.
    """
    spec, ratio = data.spec, data.ratio
    of_catalogue = spec.catalogue_version is not None  # a formula of the plan's own may compare what it likes
    if not (of_catalogue and spec.is_share) or ratio is None or ratio * 100 <= MAX_SHARE_PERCENT:
        return []
    percent, limit = f"{float(ratio) * 100:.4g}", MAX_SHARE_PERCENT
    if not spec.constants:
        return [Finding.of("SHARE_ABOVE_WHOLE", window=data.label, percent=percent, limit=limit)]
    parameter = spec.constants[0].name
    return [Finding.of("SHARE_ABOVE_IDEAL", window=data.label, percent=percent, limit=limit, parameter=parameter)]


def _left_out(plan: Plan, window: PointWindow) -> tuple[dict[str, Booleans], list[Finding]]:
    """Intervals that the plan itself leaves out, by reason: during its events, and while the line does not run, if it
    says so.
    """
    calendar = window.calendar
    left_out: dict[str, Booleans] = {}
    findings = []
    for event in plan.events:
        start_us, end_us = (_midnight_us(plan, day) for day in (event.start, event.end))
        during = (calendar.edges_us[:-1] < end_us) & (calendar.edges_us[1:] > start_us)
        if event.treat == "exclude" and during.any():
            left_out[f"event:{event.id}"] = during
            where = {"window": calendar.label, "first": calendar.first(during)}
            findings.append(Finding.of("EVENT_EXCLUDED", event=event.id, count=int(during.sum()), **where))
    stopped = stands(plan, window.points)
    if plan.run_state is not None and stopped is not None and stopped.any():
        left_out["stops"] = stopped
        where = {"window": calendar.label, "first": calendar.first(stopped)}
        findings.append(Finding.of("STOPS_LEFT_OUT", state=plan.run_state.point, count=int(stopped.sum()), **where))
    return left_out, findings


def _not_adjustable(
    plan: Plan, spec: MeasureSpec, window: PointWindow, usable: Booleans
) -> tuple[Booleans, list[Finding]]:
    """Intervals of the reporting period for which an adjustment that applies has no value."""
    calendar = window.calendar
    undefined = np.zeros(len(calendar), dtype=bool)
    findings = []
    for each in signed_formulas(plan, spec.name) if calendar.label == "reporting" else []:
        value = window.taken_together(adjustment_formula(plan, each, each.unit))
        lacking = usable & ~np.isfinite(value) & calendar.inside(adjustment_span_us(plan, each))
        if lacking.any():
            count, first = int(lacking.sum()), calendar.first(lacking)
            found = Finding.of("ADJUSTMENT_UNDEFINED", id=each.id, count=count, interval=plan.interval, first=first)
            findings.append(found)
        undefined |= lacking
    return undefined, findings


def _midnight_us(plan: Plan, day: dt.date) -> int:
    return round(dt.datetime.combine(day, dt.time(0), tzinfo=plan.zone).timestamp()) * 1_000_000


def _sufficiency(plan: Plan, window: PointWindow, data: WindowData, expected: int) -> list[Finding]:
    """Is the window there at all, did the line run, and are there intervals enough of those `expected`?"""
    calendar, spec = window.calendar, data.spec
    absent = [name for name in spec.points if _is_absent(window.points[name])]
    productive = _productive_days(plan, window, data, absent)
    if productive is None and data.used.any() and spec.denominator is not None and data.total_denominator <= 0:
        productive = 0  # what it made is in intervals that are left out, or is less than the steps that are counted
    if productive is not None:
        days = {"days": productive, "expected": int(calendar.day_of[-1]) + 1}
        return [Finding.of(IDLE[calendar.label], window=calendar.label, **days)]
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
    if expected == 0 or data.intervals_used * 100 < MIN_INTERVALS_PERCENT * expected:
        findings.append(
            Finding.of(
                "TOO_FEW_INTERVALS",
                window=calendar.label,
                interval=plan.interval,
                used=data.intervals_used,
                expected=expected,
                percent=data.intervals_used * 100 // max(expected, 1),
                required=MIN_INTERVALS_PERCENT,
            )
        )
    return findings


def _productive_days(plan: Plan, window: PointWindow, data: WindowData, absent: list[str]) -> int | None:
    """The number of productive days where the line stood idle, else None.

    Idle is: the part of the metric that shows activity metered and on fewer than a tenth of the days above zero; in
    the baseline also output never metered while the numerator was; or nothing metered but a run state that says so.
    Nothing at all is no statement about the line. A metric that shows no activity by itself (people, a concentration)
    goes by the plan's run state.
    """
    spec, calendar = data.spec, window.calendar
    shows = spec.numerator if spec.activity == "numerator" else spec.denominator
    if spec.activity == "neither" or shows is None:
        return _days_run(plan, window)
    output = window.evaluate(shows.formula)
    metered = np.isfinite(output)
    if metered.any():
        days_metered = _days_of(calendar, metered)
        productive = _days_of(calendar, metered & (output > 0))
        return productive if productive * 100 < MIN_PRODUCTIVE_PERCENT * days_metered else None
    if not shows.formula.points & set(absent):
        return None
    consumed = spec.activity == "denominator" and not spec.numerator.formula.points & set(absent)
    if calendar.label == "baseline" and consumed:
        return 0
    states = [window.points[name] for name in run_states(plan)]
    stood_still = any(state.present.any() and bool((state.value[state.present] < RUNNING).all()) for state in states)
    return 0 if stood_still else None


def _days_of(calendar: Calendar, marked: Booleans) -> int:
    """The number of days on which marked intervals begin."""
    return int(np.count_nonzero(np.bincount(calendar.day_of[marked])))


def _days_run(plan: Plan, window: PointWindow) -> int | None:
    """The number of days on which the plan's run state says that the line ran, where they are fewer than a tenth."""
    if plan.run_state is None:
        return None
    state, calendar = window.points[plan.run_state.point], window.calendar
    days = _days_of(calendar, state.present)
    ran = _days_of(calendar, state.present & (state.value >= plan.run_state.at_least))
    return ran if ran * 100 < MIN_PRODUCTIVE_PERCENT * days else None
