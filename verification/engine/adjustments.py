"""Non-routine adjustments: what the baseline would have needed more, or less, for a cause outside the retrofit.

Each has a cause, an owner, a value or a formula, an uncertainty and a signature. One whose signature does not hold is
not applied, and the result says so: nobody has answered for it. A formula is summed over the intervals used, so that an
adjustment is for the same time as the change; the errors of its meters are the budget's (`analysis.py`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from decimal import Decimal

from verification.engine.rounding import short, significant
from verification.findings import Finding
from verification.metrics.formula import Quantity
from verification.plan.check_adjustments import AGREES
from verification.plan.edges import adjustment_span_us
from verification.plan.measure import MeasureSpec
from verification.plan.resolve import adjustment_formula
from verification.plan.shape import Adjustment, Plan
from verification.plan.signing import signature_doubt
from verification.quality.points import NO_CONSTANTS, PointWindow
from verification.series.columns import Booleans
from verification.units import scale_factor

SHOWN_DIGITS = 6
STEP = 1e-3  # of a constant's uncertainty: half of the central difference by which its effect is found


@dataclasses.dataclass(frozen=True, eq=False)
class Applied:
    """One adjustment in the numerator's unit: added to what would have been without the retrofit; `u` standard, without
    the errors of meters. `on` gives its value on the reporting period as another meter would have read it.
    """

    adjustment: Adjustment
    value: float
    u: float
    on: Callable[[PointWindow], float]

    @property
    def id(self) -> str:
        """Its name in the plan."""
        return self.adjustment.id


@dataclasses.dataclass(frozen=True)
class Adjusted:
    """The adjustments of a measure that count."""

    applied: tuple[Applied, ...]

    @property
    def total(self) -> float:
        """Their sum [numerator]."""
        return math.fsum(each.value for each in self.applied)

    def total_on(self, window: PointWindow) -> float:
        """Their sum [numerator] on other readings of the reporting period."""
        return math.fsum(each.on(window) for each in self.applied)


def adjustments_of(
    plan: Plan, spec: MeasureSpec, window: PointWindow, used: Booleans
) -> tuple[Adjusted, list[Finding]]:
    """The signed adjustments of a measure over the intervals `used` of the reporting period, and a finding for every
    one, applied or not. A finding forbids a number where a stated value contradicts its formula.
    """
    applied, findings = [], []
    for each in plan.adjustments:
        if each.measure != spec.name:
            continue
        if doubt := signature_doubt(plan, each):
            value = each.formula if each.value is None else _shown(each.value)
            findings.append(Finding.of(doubt, id=each.id, owner=each.owner, value=value, unit=each.unit))
            continue
        scale = scale_factor(each.unit, spec.numerator.unit)
        one = _told_by_formula(plan, each, spec, window, used) if each.formula else _stated(each, scale)
        applied.append(one)
        shown = {"id": each.id, "value": _shown(one.value / scale), "unit": each.unit}
        findings.append(Finding.of("ADJUSTMENT_APPLIED", owner=each.owner, **shown))
        if each.value is not None and abs(one.value / scale - each.value) > _tolerance(plan, each, window, used):
            findings.append(Finding.of("ADJUSTMENT_MISMATCH", stated=_shown(each.value), **shown))
    return Adjusted(tuple(applied)), findings


def _stated(adjustment: Adjustment, scale: float) -> Applied:
    """One whose value the plan states for the whole reporting period."""
    value, u = (adjustment.value or 0.0) * scale, (adjustment.uncertainty or 0.0) * scale
    return Applied(adjustment, value, u, lambda _: value)


def _told_by_formula(
    plan: Plan, adjustment: Adjustment, spec: MeasureSpec, window: PointWindow, used: Booleans
) -> Applied:
    """Its formula over the intervals used, and the root of the sum of squares of what each constant's uncertainty does
    to it and of its own (GUM 5.1.2, slopes by 5.1.3 note 2).
    """
    formula = adjustment_formula(plan, adjustment, spec.numerator.unit)
    counted = used & window.calendar.inside(adjustment_span_us(plan, adjustment))

    def total(on: PointWindow, constants: Mapping[str, float] = NO_CONSTANTS) -> float:
        return _sum(formula, on, counted, constants)

    parts = [(adjustment.uncertainty or 0.0) * scale_factor(adjustment.unit, spec.numerator.unit)]
    for name, about in adjustment.constants.items():
        low, high = (total(window, {name: about.value + sign * STEP * about.uncertainty}) for sign in (-1, 1))
        parts.append((high - low) / (2 * STEP))
    return Applied(adjustment, total(window), math.hypot(*parts), total)


def _sum(formula: Quantity, window: PointWindow, counted: Booleans, constants: Mapping[str, float]) -> float:
    """A formula of constants alone counts once; any other is summed over the intervals."""
    values = window.taken_together(formula, constants)
    return float(values[0]) if formula.extent == "number" else float(values[counted].sum())


def _tolerance(plan: Plan, adjustment: Adjustment, window: PointWindow, used: Booleans) -> float:
    """How far a formula may be from the stated value, which is for all intervals: that of those not used comes on
    top.
    """
    meant = window.calendar.inside(adjustment_span_us(plan, adjustment))
    lacking = 1 - float((used & meant).sum()) / max(int(meant.sum()), 1)
    return (AGREES + lacking) * abs(adjustment.value or 0.0)


def _shown(value: float) -> str:
    return short(Decimal(significant(value, SHOWN_DIGITS)))
