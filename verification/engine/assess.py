"""From two windows of numbers to a change, its spread, and how it stands up to other models, dates and fewer data.

Pure numerics: steps 3 to 6 of the methods without a plan, a unit or a text. Not handled: meters (`budget.py`), the
verdict, and how figures are stated (`present.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from verification.engine.autocorrelation import Noise
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample, joined
from verification.engine.robustness.change_points import change_points
from verification.engine.robustness.left_out import Influence, WithoutMonth, most_influential, without_months
from verification.engine.robustness.matched_load import MatchedLoad, matched_load
from verification.engine.robustness.panel import Entry, candidates, panel
from verification.engine.robustness.placebo import Placebo, placebo_dates
from verification.engine.savings import Estimate, Method, avoided, backcast, noise_of_model, normalised
from verification.findings import Finding

# With fewer effective intervals the autocorrelation cannot be told from a drift without end.
MIN_EFFECTIVE = 6.0


@dataclasses.dataclass(frozen=True, eq=False)
class Primary:
    """The model that the plan named, its noise, and what it says; `reporting_model` where the method needs one."""

    model: BaselineModel
    noise: Noise
    estimate: Estimate


@dataclasses.dataclass(frozen=True, eq=False)
class Robustness:
    """Everything that could have come out otherwise."""

    panel: list[Entry]
    placebo: list[Placebo]
    baseline_changes: list[int]
    reporting_changes: list[int]
    months: list[WithoutMonth]
    influence: list[Influence]
    matched: MatchedLoad | None


def estimate_of(
    method: Method, model: BaselineModel, noise: Noise, baseline: Sample, reporting: Sample
) -> Estimate | Finding:
    """What `model` says by `method`; it was fitted to the reporting period for a backcast, else to the baseline."""
    if method == "backcast":
        return backcast(model, noise, baseline, reporting)
    if method == "normalised":
        later = fit_model(model.spec, reporting)
        if isinstance(later, Finding):
            return later
        after = later, noise_of_model(later, reporting), reporting
        return normalised((model, noise, baseline), after, joined(baseline, reporting))
    return avoided(model, noise, baseline, reporting)


def primary_answer(spec: ModelSpec, method: Method, baseline: Sample, reporting: Sample) -> Primary | Finding:
    """Fit the primary model and let it answer, or say why it cannot."""
    window = reporting if method == "backcast" else baseline
    model = fit_model(spec, window)
    if isinstance(model, Finding):
        return model
    noise = noise_of_model(model, window)
    required = max(MIN_EFFECTIVE, model.fit.p + 1)
    if noise.effective < required:
        return Finding.of(
            "TOO_FEW_EFFECTIVE",
            n=model.fit.n,
            effective=f"{noise.effective:.1f}",
            rho=f"{noise.rho_mean:.3f}",
            required=f"{required:.0f}",
        )
    estimate = estimate_of(method, model, noise, baseline, reporting)
    return estimate if isinstance(estimate, Finding) else Primary(model, noise, estimate)


def robustness(
    primary: Primary,
    baseline: Sample,
    reporting: Sample,
    confidence: float,
    *,
    output: str | None,
    temperatures: Sequence[str] = (),
) -> Robustness:
    """Every check of step 6; `output` names the driver that is the metric's denominator."""
    spec, model, noise = primary.model.spec, primary.model, primary.noise
    varies = bool(np.ptp(baseline.w) > 0)
    specs = candidates(spec, baseline.names, ratio=varies, temperatures=temperatures)
    share = noise.effective / model.fit.n
    return Robustness(
        panel=panel(
            specs,
            baseline,
            reporting,
            lambda other, its_noise: avoided(other, its_noise, baseline, reporting),
            confidence,
            MIN_EFFECTIVE,
            output,
        ),
        placebo=placebo_dates(spec, baseline, confidence, MIN_EFFECTIVE),
        baseline_changes=change_points(model.fit.residuals, noise.effective),
        reporting_changes=change_points(reporting.y - model.predict(reporting), share * len(reporting)),
        months=without_months(model, baseline, reporting),
        influence=most_influential(model, baseline, reporting),
        matched=matched_load(baseline, reporting, 1 / share) if varies else None,
    )
