"""From two windows of data to a change with its uncertainty budget: steps 3 to 5 of docs/explanation/methods.md.

All figures are in the units of the metric's parts and in its kernel unit. Not handled: the metric's own unit and the
precision of the result (`present.py`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from verification.engine.baseline import EffectiveSize, Fit, effective_size, fit_ols
from verification.engine.bridge import bridge_steps
from verification.engine.model_checks import check_fit, check_outliers, check_size, check_support
from verification.engine.uncertainty import (
    Budget,
    Continuity,
    Contribution,
    combine,
    denominator_meter_uncertainty,
    model_uncertainty,
    numerator_meter_uncertainty,
)
from verification.findings import Finding
from verification.quality.window import WindowData
from verification.series.columns import Floats


@dataclasses.dataclass(frozen=True)
class Meters:
    """What the meter register says of the metric's two parts."""

    numerator: Continuity
    denominator: Continuity


@dataclasses.dataclass(frozen=True, eq=False)
class Analysis:
    """A change `delta` [kernel unit] (after minus before; a saving is negative), and what it stands on.

    `numerator_change` is the metered less the modelled numerator of the reporting period, -S in the formulas;
    `modelled` is the latter. `predicted_*` are the model's values of each interval, nan where a driver is unknown.
    """

    fit: Fit
    size: EffectiveSize
    budget: Budget
    delta: float
    numerator_change: float
    modelled: float
    steps: list[tuple[str, float]]
    predicted_baseline: Floats
    predicted_reporting: Floats


def analyse(
    baseline: WindowData, reporting: WindowData, meters: Meters, confidence: float
) -> tuple[Analysis | None, list[Finding]]:
    """Fit the baseline, project it, and weigh the difference; None where a finding says that no number can be given."""
    used, spec = baseline.used, baseline.spec
    fit = fit_ols(baseline.drivers[used], baseline.y[used], [driver.name for driver in spec.drivers])
    if isinstance(fit, Finding):
        return None, [fit]
    follows = np.diff(np.flatnonzero(used)) == 1
    size = effective_size(fit, follows)
    too_small = check_size(fit, size)
    if too_small:
        return None, too_small
    projected = fit.predict(reporting.drivers)
    modelled = fit.predict(baseline.drivers)
    findings = [
        *check_support(fit, baseline, reporting),
        *check_fit(fit),
        *check_outliers(baseline, modelled),
        *check_outliers(reporting, projected),
    ]
    predicted = math.fsum(projected[reporting.used])
    metered, total = float(reporting.total_numerator), float(reporting.total_denominator)
    delta = (metered - predicted) / total
    slope = next((b for driver, b in zip(spec.drivers, fit.coefficients[1:], strict=True) if driver.is_denominator), 0)
    rows = [
        Contribution(
            "model",
            "A",
            model_uncertainty(fit, size, reporting.drivers[reporting.used]) / total,
            size.effective - fit.p,
        ),
        Contribution(
            "numerator_meter", "B", numerator_meter_uncertainty(meters.numerator, predicted, metered) / total, math.inf
        ),
    ]
    if spec.denominator is not None:
        u = denominator_meter_uncertainty(meters.denominator, float(slope), delta)
        rows.append(Contribution("denominator_meter", "B", u, math.inf))
    return Analysis(
        fit=fit,
        size=size,
        budget=combine(rows, confidence),
        delta=delta,
        numerator_change=metered - predicted,
        modelled=predicted,
        steps=bridge_steps(fit, baseline, reporting),
        predicted_baseline=modelled,
        predicted_reporting=projected,
    ), findings
