"""What the adjustments of a plan contradict in themselves: everything that needs no reading."""

from __future__ import annotations

import itertools
import math

from verification.metrics.formula import Intervals, Quantity, names_in
from verification.plan.edges import adjustment_span_us, interval_edges_us
from verification.plan.measure import MeasureSpec, Path, PlanError
from verification.plan.resolve import adjustment_formula, measure_spec
from verification.plan.shape import Adjustment, Plan
from verification.units import UnitError, check_unit, same_dimension

AGREES = 0.01  # of a stated value: people write three digits
HOUR_US = 3_600_000_000


def check_adjustments(plan: Plan) -> None:
    """Raise PlanError at the first contradiction."""
    for index, adjustment in enumerate(plan.adjustments):
        path: Path = ("adjustments", index)
        if adjustment.measure not in plan.measures:
            raise PlanError((*path, "measure"), f"{adjustment.measure} is not under measures")
        spec = measure_spec(plan, adjustment.measure)
        check_fits((*path, "unit"), adjustment.unit, spec.numerator.unit)
        _check_window(plan, adjustment, path)
        if adjustment.formula:
            _check_formula(plan, adjustment, spec, path)
        elif adjustment.value is None or adjustment.uncertainty is None:
            raise PlanError(path, "needs a formula, or a value with its uncertainty")
        elif adjustment.constants or adjustment.window:
            raise PlanError(path, "constants and window are those of a formula, and there is none")


def check_fits(path: Path, unit: str, wanted: str) -> None:
    """Raise PlanError where two units are not of one kind."""
    try:
        fits = same_dimension(unit, wanted)
    except UnitError as err:
        raise PlanError(path, str(err)) from err
    if not fits:
        raise PlanError(path, f"{unit!r} does not measure the same kind of quantity as {wanted!r}")


def _check_window(plan: Plan, adjustment: Adjustment, path: Path) -> None:
    if adjustment.window is None:
        return
    edges = interval_edges_us(plan, plan.reporting)
    start_us, end_us = adjustment_span_us(plan, adjustment)
    if start_us not in edges or end_us not in edges or start_us >= end_us:
        whole = f"{plan.reporting.start} to {plan.reporting.end}"
        raise PlanError((*path, "window"), f"must be whole intervals of the reporting period, {whole} (end excluded)")


def _check_formula(plan: Plan, adjustment: Adjustment, spec: MeasureSpec, path: Path) -> None:
    formula = adjustment_formula(plan, adjustment, adjustment.unit)
    for name, about in adjustment.constants.items():
        at: Path = (*path, "constants", name)
        if name in plan.points:
            raise PlanError(at, f"{name} is a point, too; give the constant another name")
        if name not in names_in(adjustment.formula):
            raise PlanError(at, "the formula does not use it")
        _check_unit((*at, "unit"), about.unit)
    wanted = spec.numerator.formula.extent
    if formula.extent not in (wanted, "number"):
        hint = f"; hours({adjustment.formula}) makes a total of a rate" if wanted == "total" else ""
        shown = f"is a {formula.extent} of each interval, and the metric's numerator is a {wanted}{hint}"
        raise PlanError((*path, "formula"), shown)
    if not formula.points:
        _check_value(plan, adjustment, formula, path)


def _check_unit(path: Path, unit: str) -> None:
    try:
        check_unit(unit)
    except UnitError as err:
        raise PlanError(path, str(err)) from err


def _check_value(plan: Plan, adjustment: Adjustment, formula: Quantity, path: Path) -> None:
    """A formula without points has its value before any reading: the stated one must be it."""
    try:
        value = _total(plan, adjustment, formula)
    except ArithmeticError as err:
        raise PlanError((*path, "formula"), f"{adjustment.formula} has no value: {err}") from err
    stated = adjustment.value
    if stated is not None and abs(value - stated) > AGREES * abs(stated):
        both = f"states {stated:g} {adjustment.unit}, but its formula gives {value:.6g} {adjustment.unit}"
        raise PlanError((*path, "value"), f"{adjustment.id} {both}; correct one of them, or leave the value out")


def _total(plan: Plan, adjustment: Adjustment, formula: Quantity) -> float:
    if formula.extent == "number":
        return float(formula.evaluate(Intervals({}, {}, 0.0)))
    start_us, end_us = adjustment_span_us(plan, adjustment)
    edges = [edge for edge in interval_edges_us(plan, plan.reporting) if start_us <= edge <= end_us]
    lengths = [(after - before) / HOUR_US for before, after in itertools.pairwise(edges)]
    return math.fsum(float(formula.evaluate(Intervals({}, {}, hours))) for hours in lengths)
