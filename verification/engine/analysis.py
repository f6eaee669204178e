"""From two windows of daily data to a change with its uncertainty budget: steps 3 to 5 of docs/explanation/methods.md.

All figures are in kWh and t. Not handled: their unit and precision in the result (`present.py`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from verification.engine.baseline import EffectiveSize, Fit, effective_size, fit_ols
from verification.engine.bridge import bridge_steps
from verification.engine.model_checks import check_fit, check_outliers, check_size, check_support
from verification.engine.series import Floats
from verification.engine.sufficiency import WindowData
from verification.engine.uncertainty import (
    Budget,
    Continuity,
    Contribution,
    combine,
    energy_meter_uncertainty,
    model_uncertainty,
    output_meter_uncertainty,
)
from verification.findings import Finding
from verification.plan import Plan


@dataclasses.dataclass(frozen=True, eq=False)
class Analysis:
    """A change `delta` [kWh/t] (after minus before; a saving is negative), and what it stands on.

    `energy_change_kwh` is metered less modelled energy of the reporting period, -S in the formulas. `predicted_*`
    are the model's energies of each day [kWh], nan where a driver is unknown.
    """

    fit: Fit
    size: EffectiveSize
    budget: Budget
    delta: float
    energy_change_kwh: float
    steps: list[tuple[str, float]]
    predicted_baseline: Floats
    predicted_reporting: Floats


def analyse(
    plan: Plan, baseline: WindowData, reporting: WindowData, meters: Mapping[str, Continuity]
) -> tuple[Analysis | None, list[Finding]]:
    """Fit the baseline, project it, and weigh the difference; None where a finding says that no number can be given."""
    used = baseline.used
    fit = fit_ols(baseline.drivers[used], baseline.energy_wh[used] / 1000, plan.model.drivers)
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
    predicted_kwh = math.fsum(projected[reporting.used])
    metered_kwh, output_t = reporting.total_wh / 1e3, reporting.total_g / 1e6
    delta = (metered_kwh - predicted_kwh) / output_t
    slope = fit.coefficients[1 + fit.names.index(plan.metric.output)] if plan.metric.output in fit.names else 0.0
    energy_meter, output_meter = meters[plan.metric.energy], meters[plan.metric.output]
    model_u = model_uncertainty(fit, size, reporting.drivers[reporting.used]) / output_t
    energy_u = energy_meter_uncertainty(energy_meter, predicted_kwh, metered_kwh) / output_t
    output_u = output_meter_uncertainty(output_meter, float(slope), delta)
    rows = [
        Contribution("model", "A", model_u, size.effective - fit.p),
        Contribution("energy_meter", "B", energy_u, math.inf),
        Contribution("output_meter", "B", output_u, math.inf),
    ]
    return Analysis(
        fit=fit,
        size=size,
        budget=combine(rows, plan.confidence),
        delta=delta,
        energy_change_kwh=metered_kwh - predicted_kwh,
        steps=bridge_steps(fit, baseline, reporting, plan.metric.output),
        predicted_baseline=modelled,
        predicted_reporting=projected,
    ), findings
