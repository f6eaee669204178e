"""The uncertainty budget of a change per unit of output: model, meters of numerator and denominator. Step 5 of
the methods.

Owns the primary interval and the rule of meter continuity: one meter throughout errs alike before and after, so
most of its error cancels; a meter that was replaced or recalibrated does not. Standard uncertainties are in the
metric's unit. Not handled: adjustments and the errors of drivers other than the output.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from scipy.special import ndtri, stdtrit

from verification.engine.baseline import EffectiveSize, Fit
from verification.findings import Finding
from verification.plan.measure import Part
from verification.plan.shape import Meter, Plan, Window
from verification.series.columns import Floats

Source = Literal["model", "numerator_meter", "denominator_meter"]


@dataclasses.dataclass(frozen=True)
class Contribution:
    """One row of the budget: standard uncertainty `u`, type A or B, degrees of freedom (inf for type B)."""

    source: Source
    type: Literal["A", "B"]
    u: float
    dof: float


@dataclasses.dataclass(frozen=True)
class Budget:
    """The rows, and what they combine to (GUM 5.1.2 and G.4.1): u_c, Welch-Satterthwaite dof, k, U = k*u_c."""

    rows: tuple[Contribution, ...]
    combined: float
    dof: float
    coverage_factor: float
    expanded: float


@dataclasses.dataclass(frozen=True)
class Continuity:
    """Relative standard uncertainties of a point's meter in each window, and whether it is one meter throughout."""

    baseline: float
    reporting: float
    same: bool


def combine(rows: Sequence[Contribution], confidence: float) -> Budget:
    """Combine independent contributions; `confidence` is the two-sided level, for example 0.95."""
    combined = math.sqrt(math.fsum(row.u**2 for row in rows))
    spread = math.fsum(row.u**4 / row.dof for row in rows)
    dof = combined**4 / spread if spread > 0 else math.inf
    factor = coverage_factor(confidence, dof)
    return Budget(tuple(rows), combined, dof, factor, factor * combined)


def coverage_factor(confidence: float, dof: float) -> float:
    """k of the two-sided level `confidence`: Student's quantile at (1 + confidence)/2, with fractional dof as they
    are.
    """
    upper_tail_probability = (1 + confidence) / 2
    return float(ndtri(upper_tail_probability) if math.isinf(dof) else stdtrit(dof, upper_tail_probability))


def model_uncertainty(fit: Fit, size: EffectiveSize, drivers: Floats) -> float:
    """u of the sum of the reporting rows: sqrt( SSE/(n'-p) * (m + q'(X'X)^-1 q) ), in the unit of the numerator.

    Dividing by n'-p instead of n-p already covers both the sum of m correlated errors and the parameters.
    """
    return math.sqrt(fit.squares / (size.effective - fit.p) * fit.sum_variance_factor(drivers))


def numerator_meter_uncertainty(meter: Continuity, predicted: float, metered: float) -> float:
    """u of the saving S = predicted - metered, in the unit of the numerator: d*|S|, or the root of both windows'
    squares.
    """
    if meter.same:
        return meter.reporting * abs(predicted - metered)
    return math.hypot(meter.baseline * predicted, meter.reporting * metered)


def denominator_meter_uncertainty(meter: Continuity, slope: float, change: float) -> float:
    """u of the change by the denominator's meter, in the kernel unit; slope is the model's numerator per further unit
    of it.

    One scale throughout: its error goes into model and prediction alike and remains in the denominator only,
    d*|change|. A changed scale: the baseline's error moves the prediction by slope, the reporting period's by slope
    and the denominator.
    """
    if meter.same:
        return meter.reporting * abs(change)
    return math.hypot(meter.baseline * slope, meter.reporting * (slope + change))


def part_continuity(plan: Plan, part: Part) -> tuple[Continuity, list[Finding]]:
    """What the meter register says of the points behind `part`: of several, the largest error counts for all of it."""
    meters, findings = [], []
    for name in sorted(part.formula.points):
        meter, found = continuity(plan, name)
        meters.append(meter)
        findings += found
    return Continuity(
        max((meter.baseline for meter in meters), default=0.0),
        max((meter.reporting for meter in meters), default=0.0),
        same=all(meter.same for meter in meters),
    ), findings


def continuity(plan: Plan, point: str) -> tuple[Continuity, list[Finding]]:
    """What the meter register says of `point`: class limits as rectangular distributions (GUM 4.3.7), changes as
    breaks.

    Where the class changes inside a window, the larger one counts for all of it.
    """
    meter, name = plan.meter_of(point), plan.points[point].meter
    if meter is None or name is None:
        return Continuity(0.0, 0.0, same=True), [Finding.of("METER_NOT_NAMED", point=point)]
    findings = []
    if meter.installed is not None and meter.installed > plan.baseline.start:
        findings.append(Finding.of("METER_INSTALLED_LATE", point=point, meter=name, date=meter.installed.isoformat()))
    breaks = [change.date for change in meter.changes if plan.baseline.start < change.date < plan.reporting.end]
    findings += [Finding.of("METER_CHANGED", point=point, meter=name, date=date.isoformat()) for date in breaks]
    before, after = (_class_percent(meter, window) / 100 / math.sqrt(3) for window in (plan.baseline, plan.reporting))
    return Continuity(before, after, same=not breaks), findings


def _class_percent(meter: Meter, window: Window) -> float:
    """The largest class in force on any day of `window`."""
    in_force = meter.class_percent
    largest = 0.0
    for change in meter.changes:
        if change.date >= window.end:
            break
        if change.date > window.start:
            largest = max(largest, in_force)
        in_force = change.class_percent if change.class_percent is not None else in_force
    return max(largest, in_force)
