"""The four methods by hand and against each other, and how their errors are made up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.verification.engine.samples import line, sample
from verification.engine.autocorrelation import Noise, Spread
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample, joined
from verification.engine.savings import avoided, backcast, noise_of_model, normalised

OLS = ModelSpec("ols", ("output",))
WHITE = Noise(np.zeros(1), np.ones(1), np.ones(1), 0.0, 100.0, 50.0)


def model_of(spec: ModelSpec, window: Sample) -> BaselineModel:
    model = fit_model(spec, window)
    assert isinstance(model, BaselineModel)
    return model


def by_hand() -> tuple[Sample, Sample]:
    """Baseline y = 10 + 2 w over w = 1 2 3 4; reporting period y = 10 + 1 w over w = 5 6."""
    before = np.arange(1.0, 5.0)
    return sample(10 + 2 * before, before), sample(np.array([15.0, 16.0]), np.array([5.0, 6.0]), first=90)


def test_the_avoided_change_by_hand():
    """31 metered, 42 modelled, over 11: -1; relative -11/42; SEnPI 31/42."""
    baseline, reporting = by_hand()
    estimate = avoided(model_of(OLS, baseline), WHITE, baseline, reporting)
    assert (estimate.after, estimate.before, estimate.output) == pytest.approx((31, 42, 11))
    assert estimate.delta == pytest.approx(-1.0, rel=1e-13)
    assert estimate.relative == pytest.approx(-11 / 42, rel=1e-13)
    assert estimate.senpi == pytest.approx(31 / 42, rel=1e-13)


def test_its_error_is_that_of_the_parameters_and_of_each_metered_interval():
    """Unit noise: q = (2, 11), (X'X)^-1 = [[30, -10], [-10, 4]]/20, q'(X'X)^-1 q = 8.2 and m = 2: sqrt(10.2)/11."""
    baseline, reporting = by_hand()
    estimate = avoided(model_of(OLS, baseline), WHITE, baseline, reporting)
    assert estimate.spread(0.95).u == pytest.approx(math.sqrt(10.2) / 11, rel=1e-9)
    # Of after/before - 1 the parameters' part counts 31/42 times, and both are over the modelled 42.
    relative = math.sqrt(8.2 * (31 / 42) ** 2 + 2) / 42
    assert estimate.relative_spread(0.95).u == pytest.approx(relative, rel=1e-9)


def test_a_backcast_is_the_avoided_change_in_a_mirror():
    baseline, _ = by_hand()
    later = sample(10 + np.array([5.0, 6.0, 7.0]), np.array([5.0, 6.0, 7.0]), first=90)
    estimate = backcast(model_of(OLS, later), WHITE, baseline, later)
    # The reporting period's 10 + w on the baseline's loads: 50, metered 60, over 10.
    assert (estimate.after, estimate.before, estimate.delta) == pytest.approx((50, 60, -1))
    mirrored = avoided(model_of(OLS, later), WHITE, later, baseline)
    assert estimate.spread(0.95) == mirrored.spread(0.95)


def test_the_normalised_change_stands_on_both_models():
    baseline, _ = by_hand()
    later = sample(10 + np.array([5.0, 6.0, 7.0]), np.array([5.0, 6.0, 7.0]), first=90)
    before, after = model_of(OLS, baseline), model_of(OLS, later)
    standard = joined(baseline, later)
    estimate = normalised((before, WHITE, baseline), (after, noise := Noise(**vars(WHITE)), later), standard)
    # Loads 1..7 add up to 28: 70 + 56 before, 70 + 28 after.
    assert (estimate.before, estimate.after, estimate.output) == pytest.approx((126, 98, 28))
    u_before = np.linalg.norm(before.sum_weights(standard)) / 28
    u_after = np.linalg.norm(after.sum_weights(standard)) / 28
    error = estimate.spread(0.95)
    assert error.u == pytest.approx(math.hypot(u_before, u_after), rel=1e-9)
    assert noise is not WHITE
    assert error.dof == pytest.approx(error.u**4 / ((u_before**4 + u_after**4) / 50), rel=1e-9)


@pytest.mark.parametrize("kind", ["ratio", "ols"])
def test_all_methods_agree_where_the_change_is_the_same_everywhere(kind: str):
    spec = ModelSpec(kind, ("output",) if kind == "ols" else ())  # type: ignore[arg-type]
    baseline, reporting = line(1, 300, noise=5_000)
    before, after = model_of(spec, baseline), model_of(spec, reporting)
    noises = noise_of_model(before, baseline), noise_of_model(after, reporting)
    estimates = [
        avoided(before, noises[0], baseline, reporting),
        backcast(after, noises[1], baseline, reporting),
        normalised((before, noises[0], baseline), (after, noises[1], reporting), joined(baseline, reporting)),
    ]
    for estimate in estimates:
        error = estimate.spread(0.95)
        assert isinstance(error, Spread)
        assert abs(estimate.delta + 260) < 4 * error.u < 20


def test_gaps_in_the_calendar_are_laid_out_as_zeros():
    window = line(2, 30)[0].take(np.isin(np.arange(30), [5, 9], invert=True))
    laid_out = window.in_calendar(np.ones(28))
    assert len(laid_out) == 30
    assert laid_out.sum() == 28
    assert laid_out[[5, 9]].tolist() == [0.0, 0.0]
    assert window.follows.sum() == 25
