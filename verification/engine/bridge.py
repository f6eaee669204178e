"""The bridge: from the plain difference of ratios, which anyone can compute, to the verified change.

A plain difference counts as saving what a change of load or of another driver did. Each step is computed from its
own formula, none as a remainder, and the steps must close on the verified change; only then are they rounded, so
that they add up as shown.
"""

from __future__ import annotations

import math

from verification.engine.baseline import Fit
from verification.quality.window import WindowData


def bridge_steps(fit: Fit, baseline: WindowData, reporting: WindowData) -> list[tuple[str, float]]:
    """The steps, in the kernel unit, before the verified change: plain, load, and one for each driver other than the
    metric's denominator.

    Load, with b0 the intercept, m and n the intervals: -b0*(m/sum w_r - n/sum w_b). A driver x: -b*(sum x_r/sum w_r -
    sum x_b/sum w_b).
    """
    before, after = baseline.ratio, reporting.ratio
    if before is None or after is None:
        raise ValueError("a bridge needs a denominator in both windows")
    total_before, total_after = float(baseline.total_denominator), float(reporting.total_denominator)
    load = -fit.coefficients[0] * (reporting.intervals_used / total_after - baseline.intervals_used / total_before)
    steps = [("plain", float(after - before)), ("load", float(load))]
    for index, driver in enumerate(baseline.spec.drivers):
        sum_before = math.fsum(baseline.drivers[baseline.used, index])
        sum_after = math.fsum(reporting.drivers[reporting.used, index])
        change = sum_after / total_after - sum_before / total_before
        if not driver.is_denominator:  # the denominator's own term is 1 - 1
            steps.append((f"driver:{driver.name}", float(-fit.coefficients[index + 1] * change)))
    return steps
