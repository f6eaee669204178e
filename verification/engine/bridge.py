"""The bridge: from the plain difference of ratios, which anyone can compute, to the verified change.

A plain difference counts as saving what a change of load or of another driver did. Each step is computed from its
own formula, none as a remainder, and the steps must close on the verified change; only then are they rounded, so
that they add up as shown.
"""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction

from verification.engine.baseline import Fit
from verification.engine.sufficiency import WindowData


def plain_ratio(window: WindowData) -> Fraction | None:
    """Energy per output of the days used [kWh/t], exactly; None where there is no output."""
    return Fraction(1000 * window.total_wh, window.total_g) if window.total_g > 0 else None


def bridge_steps(fit: Fit, baseline: WindowData, reporting: WindowData, output: str) -> list[tuple[str, float]]:
    """The steps [kWh/t] before the verified change: plain, load, and one for each driver other than the output.

    Load, with b0 the intercept, m and n the days: -b0*(m/sum P_r - n/sum P_b). A driver x: -b*(sum x_r/sum P_r -
    sum x_b/sum P_b).
    """
    before, after = plain_ratio(baseline), plain_ratio(reporting)
    if before is None or after is None:
        raise ValueError("a bridge needs output in both windows")
    produced_before_t, produced_after_t = baseline.total_g / 1e6, reporting.total_g / 1e6
    load = -fit.coefficients[0] * (reporting.days_used / produced_after_t - baseline.days_used / produced_before_t)
    steps = [("plain", float(after - before)), ("load", float(load))]
    for index, name in enumerate(fit.names):
        sum_before = math.fsum(baseline.drivers[baseline.used, index])
        sum_after = math.fsum(reporting.drivers[reporting.used, index])
        change = sum_after / produced_after_t - sum_before / produced_before_t
        if name != output:  # the output's own term is 1 - 1
            steps.append((f"driver:{name}", float(-fit.coefficients[index + 1] * change)))
    return steps


def round_to_sum(steps: list[float], total: float, decimals: int) -> list[Decimal]:
    """The steps at `decimals` places so that they add up to the rounded `total`, each within one unit of its last
    place.

    Raises ArithmeticError where the steps themselves do not close on `total` within a quarter of a unit: that is a
    mistake in the engine, and rounding must not hide it.
    """
    unit = Decimal(1).scaleb(-decimals)
    if abs(math.fsum([*steps, -total])) > float(unit) / 4:
        raise ArithmeticError(f"the bridge does not close: {steps} do not add up to {total}")
    exact = [Decimal(step) for step in steps]
    floors = [step.quantize(unit, rounding=ROUND_FLOOR) for step in exact]
    short = int((Decimal(total).quantize(unit) - sum(floors)) / unit)
    # Largest remainders go up first; there are at most as many units to give as there are steps.
    by_remainder = sorted(range(len(steps)), key=lambda index: floors[index] - exact[index])
    for index in by_remainder[:short]:
        floors[index] += unit
    return floors
