"""From two windows of numbers to a change, and how it stands up to other models, dates and fewer data.

Pure numerics: steps 4 to 6 of the methods without a plan, a unit or a text. Not handled: meters (`budget.py`), the
verdict, and how figures are stated (`present.py`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from verification.engine.autocorrelation import Noise, noise_of
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample
from verification.engine.robustness.change_points import change_points
from verification.engine.robustness.left_out import (
    Influence,
    WithoutMonth,
    WithPutBack,
    most_influential,
    with_put_back,
    without_months,
)
from verification.engine.robustness.matched_load import MatchedLoad, matched_load
from verification.engine.robustness.panel import Entry, candidates, panel
from verification.engine.robustness.placebo import Placebo, placebo_dates
from verification.engine.savings import Estimate, noise_of_model
from verification.findings import Finding

# With fewer effective intervals the autocorrelation cannot be told from a drift without end.
MIN_EFFECTIVE = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Primary:
    """The model that the plan named, its noise, and what it says."""

    model: BaselineModel
    noise: Noise
    estimate: Estimate


@dataclasses.dataclass(frozen=True, eq=False)
class Turning:
    """What can turn a verdict: other models, months and intervals left out, and what was left out put back."""

    panel: list[Entry]
    months: list[WithoutMonth]
    influence: list[Influence]
    put_back: list[WithPutBack]


@dataclasses.dataclass(frozen=True, eq=False)
class Robustness:
    """Everything that could have come out otherwise; but for `turning` it informs and does not decide."""

    turning: Turning
    placebo: list[Placebo]
    baseline_changes: list[int]
    reporting_changes: list[int]
    matched: MatchedLoad | None


def primary_answer(spec: ModelSpec, case: Case) -> Primary | Finding:
    """Fit the primary model and let it answer, or say why it cannot."""
    model = fit_model(spec, case.fitted)
    if isinstance(model, Finding):
        return model
    noise = noise_of_model(model, case.fitted)
    required = max(MIN_EFFECTIVE, model.fit.p + 1)
    if noise.effective < required:
        return Finding.of(
            "TOO_FEW_EFFECTIVE",
            n=model.fit.n,
            effective=f"{noise.effective:.1f}",
            rho=f"{noise.rho_mean:.3f}",
            required=required,
        )
    estimate = case.answer(model, noise)
    return estimate if isinstance(estimate, Finding) else Primary(model, noise, estimate)


def turning(primary: Primary, case: Case, confidence: float) -> Turning:
    """The checks of step 6 that can turn a verdict."""
    model = primary.model
    specs = candidates(model.spec, case.fitted.names, ratio=_has_output(case), temperatures=case.temperatures)
    return Turning(
        panel=panel(specs, case.fitted, case.projected, case.answer, confidence, MIN_EFFECTIVE, case.output),
        months=without_months(model, primary.noise, case),
        influence=most_influential(model, case),
        put_back=with_put_back(model, primary.noise, case),
    )


def robustness(primary: Primary, case: Case, confidence: float) -> Robustness:
    """Every check of step 6."""
    model, noise = primary.model, primary.noise
    share = noise.effective / model.fit.n
    return Robustness(
        turning=turning(primary, case, confidence),
        placebo=placebo_dates(model.spec, case.fitted, confidence, MIN_EFFECTIVE),
        baseline_changes=_changes(model, case.baseline),
        reporting_changes=_changes(model, case.reporting),
        matched=matched_load(model, case.baseline, case.reporting, 1 / share) if _has_output(case) else None,
    )


def _has_output(case: Case) -> bool:
    """Whether the metric has a denominator, and one that varies."""
    return case.output is not None and bool(np.ptp(case.fitted.w) > 0)


def _changes(model: BaselineModel, window: Sample) -> list[int]:
    """Where the distance from the model shifts, by the window's own noise."""
    misses, n = window.y - model.predict(window), len(window)
    noise = noise_of(np.full((n, 1), 1 / math.sqrt(n)), misses - np.mean(misses), window.follows)
    return change_points(misses, noise.effective)
