"""From windows of numbers to a change, and how it stands up to other models, dates and fewer data.

Pure numerics: steps 4 to 6 of the methods without a plan, a unit or a text. Not handled: meters (`budget.py`), the
verdict, and how figures are stated (`present.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc

from verification.engine.autocorrelation import Noise
from verification.engine.case import Case, Projection
from verification.engine.models.family import LEVELS, BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Floats, Sample
from verification.engine.robustness.assumptions import Assumptions, assumptions
from verification.engine.robustness.change_points import change_points
from verification.engine.robustness.left_out import (
    Influence,
    WithOne,
    WithoutMonth,
    WithPutBack,
    most_influential,
    with_one,
    with_put_back,
    without_months,
)
from verification.engine.robustness.matched_load import MatchedLoad, matched_load
from verification.engine.robustness.panel import Entry, candidates, panel
from verification.engine.robustness.placebo import PlaceboDates, placebo_dates
from verification.engine.savings import Estimate, noise_of_intervals, noises_of_models
from verification.findings import Finding
from verification.plan.shape import WindowName

# With fewer effective intervals the autocorrelation cannot be told from a drift without end.
MIN_EFFECTIVE = 6
GROWN_P = 0.05  # below it the projected window's own noise counts: that it is larger by chance only widens U


class Primary(NamedTuple):
    """The model that the plan named, its noise, and what it says."""

    model: BaselineModel
    noise: Noise
    estimate: Estimate


@dataclasses.dataclass(frozen=True, eq=False)
class Turning:
    """What can turn a verdict: other models, months and intervals left out, and what was left out put back; what one
    interval of it does alone is said.
    """

    panel: list[Entry]
    months: list[WithoutMonth]
    influence: list[Influence]
    put_back: list[WithPutBack]
    one_back: list[WithOne]


@dataclasses.dataclass(frozen=True, eq=False)
class Robustness:
    """Everything that could have come out otherwise; but for `turning` it informs and does not decide."""

    turning: Turning
    placebo: PlaceboDates | None
    changes: Mapping[WindowName, list[int]]
    matched: MatchedLoad | None
    assumptions: Assumptions


def primary_answer(spec: ModelSpec, case: Case) -> Primary | Finding:
    """Fit the primary model and let it answer, or say why it cannot."""
    answered = answer_of(spec, case)
    if isinstance(answered, Finding):
        return answered
    model, noise, estimate = answered
    told: dict[WindowName, Noise] = {case.fitted_name: noise}
    if case.method == "normalised" and model.spec.kind not in LEVELS:  # it stands on both models alike
        told["reporting"] = estimate.shares[-1].noise
    required = max(MIN_EFFECTIVE, model.fit.p + 1)
    for window, each in told.items():
        if each.effective < required:
            return Finding.of(
                "TOO_FEW_EFFECTIVE",
                fitted=f"in_{window}",
                n=len(case.window(window)),
                effective=f"{each.effective:.1f}",
                rho=f"{each.rho_mean:.3f}",
                required=required,
            )
    return answered


def answer_of(spec: ModelSpec, case: Case) -> Primary | Finding:
    """Fit a model and let it answer, however few intervals it stands on."""
    return answers_of([spec], case)[0]


def answers_of(specs: Sequence[ModelSpec], case: Case) -> list[Primary | Finding]:
    """`answer_of` each of some models."""
    models = [fit_model(spec, case.fitted) for spec in specs]
    noises = iter(noises_of_models([(model, case.fitted) for model in models if isinstance(model, BaselineModel)]))
    return [model if isinstance(model, Finding) else _answer(model, next(noises), case) for model in models]


def _answer(model: BaselineModel, noise: Noise, case: Case) -> Primary | Finding:
    estimate = case.answer(model, noise)
    return estimate if isinstance(estimate, Finding) else Primary(model, noise, estimate)


def primary_with_noise(spec: ModelSpec, case: Case) -> tuple[Primary | Finding, Case, list[Finding]]:
    """The primary answer, and the case as it was answered: with a projected window's own noise where that grew."""
    primary = primary_answer(spec, case)
    if isinstance(primary, Finding):
        return primary, case, []
    times = {each.window: grown_noise(primary, case, each) for each in case.projections}
    grown = {window: factor for window, factor in times.items() if factor is not None}
    if not grown:
        return primary, case, []
    case = dataclasses.replace(case, own_noise=frozenset(grown))
    findings = [
        Finding.of("NOISE_GREW", where=f"in_{window}", times=f"{factor:.2f}") for window, factor in grown.items()
    ]
    return primary_answer(spec, case), case, findings


def grown_noise(primary: Primary, case: Case, projection: Projection) -> float | None:
    """How many times as much a projected window errs about a model of its own kind as the fitted one, where chance
    explains that in fewer than one case of twenty; else None, also where the window already brings its own noise.

    F of the two variances, whose degrees of freedom are those of the variance of an AR(1) series,
    dof (1-rho^2)/(1+rho^2) (Bayley and Hammersley 1946): few of them where it is strongly correlated, which widens U as
    it should. To ask for MIN_EFFECTIVE here would leave the worst windows to the calm of the other.
    """
    if case.own_model(primary.model, projection) is not None:
        return None
    own = fit_model(primary.model.spec, projection.sample)
    if isinstance(own, Finding):
        return None
    before, after = primary.model.fit.residual_sd, own.fit.residual_sd
    if not 0 < before < after:  # it did not grow, so that nobody asks whether by chance
        return None
    noise = noise_of_intervals(own, projection.sample)
    dofs = [each.dof * (1 - each.rho_mean**2) / (1 + each.rho_mean**2) for each in (primary.noise, noise)]
    by_chance = fdtrc(dofs[1], dofs[0], (after / before) ** 2) >= GROWN_P
    return None if by_chance else after / before


def turning(primary: Primary, case: Case, confidence: float) -> Turning:
    """The checks of step 6 that can turn a verdict."""
    model = primary.model
    specs = candidates(model.spec, case.fitted.names, ratio=_has_output(case), temperatures=case.temperatures)
    answers = [primary, *answers_of(specs[1:], case)]
    return Turning(
        panel=panel(specs, answers, case, confidence, MIN_EFFECTIVE),
        months=without_months(model, primary.noise, case, primary.estimate),
        influence=most_influential(model, case),
        put_back=with_put_back(model, primary.noise, case),
        one_back=with_one(model, primary.noise, case, primary.estimate.delta),
    )


def robustness(primary: Primary, case: Case, confidence: float, days: Sequence[Floats]) -> Robustness:
    """Every check of step 6; `days` is when each interval of a window begins, by window in order of time."""
    model, noise = primary.model, primary.noise
    share = noise.effective / model.fit.n
    return Robustness(
        turning=turning(primary, case, confidence),
        placebo=placebo_dates(model, case.fitted, noise, confidence, MIN_EFFECTIVE),
        changes={name: _changes(model, window) for name, window in case.windows.items()},
        assumptions=assumptions(*primary, case, days),
        matched=matched_load(model, case, 1 / share) if _has_output(case) else None,
    )


def _has_output(case: Case) -> bool:
    """Whether the metric has a denominator, and one that varies."""
    return case.output is not None and bool(np.ptp(case.fitted.w) > 0)


def _changes(model: BaselineModel, window: Sample) -> list[int]:
    """Where the distance from the model shifts, by the window's own noise."""
    return change_points(model.misses(window), window.follows)
