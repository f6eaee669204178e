"""What a plan contradicts in itself: every check that needs no reading. Each names the key and says what to write.

Not handled: the shape of the file (`shape.py`) and the names and formulas of a measure (`measure.py`).
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Literal

from verification import keys
from verification.errors import ConfigError
from verification.metrics.catalogue import OXYGEN_REFERENCE, limits
from verification.metrics.formula import FormulaError
from verification.model import PointKind
from verification.plan.check_adjustments import check_adjustments, check_fits
from verification.plan.check_windows import SPOKEN, check_chaining, check_windows
from verification.plan.edges import DAYS_A_WEEK, SECOND_US, STEP_US, interval_edges_us, span_us
from verification.plan.measure import OUTPUT, MeasureSpec, PlanError
from verification.plan.resolve import measure_spec, plan_formula
from verification.plan.shape import Bill, Measure, Plan, Window
from verification.units import UnitError, check_unit, same_dimension, scale_factor

MIN_CONFIDENCE = 0.5  # exclusive; at or below it an interval says nothing
MAX_CONFIDENCE = 0.9999  # nobody knows the tails of a line's noise beyond it
DAY_US = 86_400 * SECOND_US
LONGEST_US = {**STEP_US, "week": DAYS_A_WEEK * DAY_US, "month": 31 * DAY_US}  # of an interval, a day where not given
TOTALS = (PointKind.COUNTER, PointKind.INTERVAL_TOTAL, PointKind.EVENT)
Path = tuple[str | int, ...]


def check_plan(plan: Plan) -> None:
    """Raise PlanError at the first contradiction."""
    _check_calendar(plan)
    check_windows(plan)
    _check_events(plan)
    _check_meters(plan)
    _check_points(plan)
    _check_columns(plan)
    _check_ids(plan)
    _check_references(plan)
    for name, measure in plan.measures.items():
        spec = measure_spec(plan, name)
        _check_figures(measure, spec)
        _check_worth(measure, spec)
        _check_limit(measure, spec)
        _check_model(plan, measure, spec)
        _check_standard(measure, spec)
        check_chaining(plan, measure, spec)
    check_adjustments(plan)


def _check_calendar(plan: Plan) -> None:
    try:
        zoneinfo.ZoneInfo(plan.timezone)
    except (KeyError, ValueError, OSError) as err:
        raise PlanError(
            ("timezone",), f"{plan.timezone[:64]!r} is not in the time zone database; write for example Asia/Shanghai"
        ) from err
    if not MIN_CONFIDENCE < plan.confidence <= MAX_CONFIDENCE:
        raise PlanError(
            ("confidence",),
            f"{plan.confidence} is not between {MIN_CONFIDENCE} and {MAX_CONFIDENCE}; write for example 0.95",
        )
    if plan.interval == "shift" and not plan.shifts:
        raise PlanError(("shifts",), "`interval: shift` needs the shifts with their starts")
    if plan.shifts and plan.interval not in ("15min", "hour", "shift"):
        raise PlanError(("shifts",), f"`interval: {plan.interval}` has no shifts; use shift, hour or 15min")
    starts = [dt.time.fromisoformat(shift.start) for shift in plan.shifts]
    in_order = [((start.hour - starts[0].hour) * 60 + start.minute - starts[0].minute) % 1440 for start in starts]
    if in_order != sorted(set(in_order)):
        raise PlanError(("shifts",), "shifts must be in order of start, the first one that of the production day")
    if len({shift.name for shift in plan.shifts}) < len(plan.shifts):
        raise PlanError(("shifts",), "two shifts have the same name")


def _check_events(plan: Plan) -> None:
    for index, event in enumerate(plan.events):
        if event.end <= event.start:
            raise PlanError(("events", index, "end"), "is not after start; end is the first day left out")
    for owner, key in plan.owners.items():
        try:
            keys.parse_public(key)
        except ConfigError as err:
            raise PlanError(("owners", owner), str(err)) from err


def _check_ids(plan: Plan) -> None:
    """Findings and signatures name such entries by id."""
    for kind, entries in (
        ("events", plan.events),
        ("adjustments", plan.adjustments),
        ("bills", plan.bills),
        ("balances", plan.balances),
    ):
        names = [entry.id for entry in entries]
        if len(set(names)) < len(names):
            raise PlanError((kind,), "two entries have the same id")


def _check_meters(plan: Plan) -> None:
    """Every meter that a point names must be in the register, in the point's unit, with its changes in order."""
    for name, point in plan.points.items():
        path: Path = ("points", name)
        try:
            check_unit(point.unit)
        except UnitError as err:
            raise PlanError((*path, "unit"), str(err)) from err
        if point.meter is None:
            continue
        if point.meter not in plan.meters:
            known = ", ".join(sorted(plan.meters)) or "none there"
            raise PlanError((*path, "meter"), f"{point.meter} is not under meters ({known})")
        if plan.meters[point.meter].unit != point.unit:
            raise PlanError(
                (*path, "unit"),
                f"unit {point.unit!r}, but meter {point.meter} has {plan.meters[point.meter].unit!r}; "
                "register_modulus and max_rate_per_hour are in the point's unit, so give both in one",
            )
    for meter_name, meter in plan.meters.items():
        dates = [change.date for change in meter.changes]
        if dates != sorted(dates):
            raise PlanError(("meters", meter_name, "changes"), "must be in order of date")


def _check_points(plan: Plan) -> None:
    """Every limit must leave room, and a reading must be due at least once in an interval."""
    longest_s = LONGEST_US.get(plan.interval, DAY_US) // SECOND_US
    for name, point in plan.points.items():
        if point.minimum is not None and point.maximum is not None and point.minimum >= point.maximum:
            raise PlanError(("points", name, "maximum"), "is not above minimum")
        if point.kind is not PointKind.EVENT and point.cadence_s > longest_s:
            raise PlanError(
                ("points", name, "cadence_s"),
                f"a reading every {point.cadence_s} s cannot tell intervals of {longest_s} s apart",
            )


def _check_columns(plan: Plan) -> None:
    """No two points may be called alike in a table of readings."""
    called = set(plan.points)
    for name, point in plan.points.items():
        if point.column is None or point.column == name:
            continue
        if point.column in called:
            raise PlanError(("points", name, "column"), f"{point.column} is what another point is called")
        called.add(point.column)


def _check_references(plan: Plan) -> None:
    """Run state, bills and balances must name points that fit."""
    if plan.run_state is not None:
        name = plan.run_state.point
        if name not in plan.points or plan.points[name].kind is not PointKind.STATE:
            raise PlanError(("run_state", "point"), f"{name} is not a point of kind state")
    for index, bill in enumerate(plan.bills):
        _check_bill(plan, bill, ("bills", index))
    for index, balance in enumerate(plan.balances):
        path: Path = ("balances", index)
        left, right = (plan_formula(plan, getattr(balance, side), (*path, side)) for side in ("left", "right"))
        try:
            fits = right.to(left.unit_text)
        except FormulaError as err:
            raise PlanError((*path, "right"), str(err)) from err
        if {left.extent, fits.extent} != {"total"}:
            raise PlanError(path, "both sides of a balance must be totals of an interval")
        if shared := sorted(left.points & fits.points):
            raise PlanError(path, f"{', '.join(shared)} stands on both sides; what is held against itself is no check")


def _check_bill(plan: Plan, bill: Bill, path: Path) -> None:
    if bill.point not in plan.points or plan.points[bill.point].kind not in TOTALS:
        raise PlanError((*path, "point"), f"{bill.point} is not a counter, an interval_total or an event under points")
    try:
        fits = same_dimension(bill.unit, plan.points[bill.point].unit)
    except UnitError as err:
        raise PlanError((*path, "unit"), str(err)) from err
    if not fits:
        raise PlanError((*path, "unit"), f"{bill.unit!r} does not fit {plan.points[bill.point].unit!r} of {bill.point}")
    if bill.end <= bill.start:
        raise PlanError((*path, "end"), "is not after start; end is the first day left out")
    if not any(window.start <= bill.start and bill.end <= window.end for window in plan.windows.values()):
        names = " or ".join(f"inside the {SPOKEN[name]}" for name in plan.windows)
        raise PlanError(path, f"the bill's period must lie {names}")
    if plan.interval in ("week", "month"):
        edges = {edge for window in plan.windows.values() for edge in interval_edges_us(plan, window)}
        if not edges.issuperset(span_us(plan, Window(bill.start, bill.end))):
            raise PlanError(path, f"the bill must begin and end where a {plan.interval} of its window does")


def _check_figures(measure: Measure, spec: MeasureSpec) -> None:
    """Target and claim must be in units that fit the metric's."""
    path: Path = ("measures", spec.name)
    wanted = "%" if measure.target.of == "relative" else spec.unit
    check_fits((*path, "target", "unit"), measure.target.unit, wanted)
    if measure.claim is not None:
        check_fits((*path, "claim", "unit"), measure.claim.unit, spec.unit)
    if (measure.target.at_most is None) == (measure.target.at_least is None):
        raise PlanError((*path, "target"), "needs one of at_most and at_least")


def _check_worth(measure: Measure, spec: MeasureSpec) -> None:
    """Factors and a year's output must be in units that fit the metric's parts."""
    path: Path = ("measures", spec.name)
    for kind, factor in measure.factors.items():
        worth, slash, per = factor.unit.partition("/")
        if not (worth and slash):
            raise PlanError((*path, "factors", kind, "unit"), f"{factor.unit!r} is not of the form CNY/kWh or kg/kWh")
        check_fits((*path, "factors", kind, "unit"), per, spec.numerator.unit)
    if measure.annual_output is not None:
        if spec.denominator is None:
            raise PlanError((*path, "annual_output"), "the metric is a mean and has no output")
        check_fits((*path, "annual_output", "unit"), measure.annual_output.unit, spec.denominator.unit)


def _check_limit(measure: Measure, spec: MeasureSpec) -> None:
    """An emission limit must be of the metric's kind, at the metric's oxygen content, and not below the target."""
    if measure.limit is None:
        return
    path: Path = ("measures", spec.name, "limit")
    limit = limits().limits[measure.limit]
    if not same_dimension(limit.unit, spec.unit):
        raise PlanError(path, f"is in {limit.unit}, which the metric's {spec.unit} is not")
    reference = next((constant.value for constant in spec.constants if constant.name == OXYGEN_REFERENCE), None)
    wanted = limit.oxygen_reference_percent
    if wanted is not None and (reference is None or float(reference) != float(wanted)):
        raise PlanError(
            path,
            f"holds at {wanted} % oxygen; use emission_concentration_at_oxygen, with oxygen_reference {wanted} or none",
        )
    target = measure.target
    if target.of == "level" and target.at_most is not None:
        highest = float(limit.value) * scale_factor(limit.unit, target.unit)
        if target.at_most > highest:
            raise PlanError(
                ("measures", spec.name, "target", "at_most"), f"is above the limit of {highest:g} {target.unit}"
            )


def _check_kind(measure: Measure, spec: MeasureSpec) -> None:
    """Each kind of model needs, or cannot have, drivers."""
    path: Path = ("measures", spec.name, "model", "drivers")
    kind, has_drivers = measure.model.kind, bool(spec.drivers)
    if kind == "ols" and not has_drivers:
        raise PlanError(path, "an ols model needs at least one driver, usually the output")
    if kind in ("change_point", "towt") and not has_drivers:
        raise PlanError(path, f"a {kind} model needs the temperature among its drivers")
    if kind in ("ratio", "mean") and has_drivers:
        raise PlanError(path, f"a {kind} model has no drivers")
    if kind == "ratio" and spec.denominator is None:
        raise PlanError((*path[:-1], "kind"), "a ratio model needs a metric with a denominator; use mean")


def _check_drivers(plan: Plan, spec: MeasureSpec, key: Literal["drivers", "alternatives"], before: list[str]) -> None:
    """Each driver must vary, appear once, and not be what is predicted."""
    path: Path = ("measures", spec.name, "model", key)
    names = list(before)
    for index, driver in enumerate(getattr(spec, key)):
        if driver.name in names:
            raise PlanError((*path, index), f"{driver.name} appears twice: give each driver once")
        names.append(driver.name)
        if driver.name in plan.points and plan.points[driver.name].kind is PointKind.STATE:
            raise PlanError(
                (*path, index),
                f"{driver.name} is a state; a driver is a counter, an interval_total, a gauge or hours({driver.name})",
            )
        if not driver.formula.points:
            raise PlanError((*path, index), f"{driver.name} is a constant; a driver varies")
        if driver.formula.points == spec.numerator.formula.points:
            raise PlanError((*path, index), f"{driver.name} is the metric's own numerator, which the model predicts")


def _check_model(plan: Plan, measure: Measure, spec: MeasureSpec) -> None:
    _check_kind(measure, spec)
    _check_drivers(plan, spec, "drivers", [])
    _check_drivers(plan, spec, "alternatives", [driver.name for driver in spec.drivers])
    if spec.denominator is not None and spec.denominator.formula.points == spec.numerator.formula.points:
        raise PlanError(("measures", spec.name, "inputs"), "numerator and denominator are the same point")


def _check_standard(measure: Measure, spec: MeasureSpec) -> None:
    """Standard conditions are for a normalised change, and give every driver a value."""
    path: Path = ("measures", spec.name, "standard")
    if measure.standard == "both":
        return
    if measure.method != "normalised":
        raise PlanError(path, f"`method: {measure.method}` has no standard conditions; write `method: normalised`")
    if isinstance(measure.standard, str):
        return
    if measure.model.kind == "towt" or measure.model.categories:
        raise PlanError(path, "a model with categories or times of the week needs a window here: baseline or reporting")
    wanted = {driver.name for driver in (*spec.drivers, *spec.alternatives)}
    if spec.denominator is not None and not any(driver.is_denominator for driver in spec.drivers):
        wanted = {driver.name for driver in (*spec.drivers, *spec.alternatives) if not driver.is_denominator} | {OUTPUT}
    values = measure.standard.drivers
    if set(values) != wanted:
        raise PlanError((*path, "drivers"), f"needs a number for each of {', '.join(sorted(wanted)) or 'no driver'}")
    output = next((driver.name for driver in spec.drivers if driver.is_denominator), OUTPUT)
    if spec.denominator is not None and values[output] < (least := 10.0**-spec.denominator.decimals):
        raise PlanError((*path, "drivers", output), f"is the denominator, which must be at least {least:g}")
