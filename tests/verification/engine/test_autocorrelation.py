"""What autocorrelated residuals are worth: by hand, against direct matrix algebra, and by coverage."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.stats import binom
from scipy.stats import t as student

from tests.verification.engine.samples import ar1, line
from verification.engine.autocorrelation import (
    FEW_COLUMNS,
    Noise,
    Unexplained,
    WeightedSum,
    expanded,
    lag1_autocorrelation,
    noise_of,
    noises_of,
    root,
    spread,
    spreads,
    standard_error,
)
from verification.engine.models.family import ModelSpec, fit_model
from verification.engine.savings import avoided, noise_of_model
from verification.findings import Finding

ALL = np.ones(3, dtype=bool)


def single(rho: float, variance: float = 1.0, dof: float = 20.0) -> Noise:
    """A noise whose correlation is known."""
    return Noise(np.array([rho]), np.ones(1), np.array([variance]), rho, 10.0, dof)


def noise_of_series(series: np.ndarray, follows: np.ndarray | None = None) -> Noise:
    """The noise about a mean."""
    n = len(series)
    basis = np.full((n, 1), 1 / math.sqrt(n))
    return noise_of(basis, series - series.mean(), np.ones(n - 1, bool) if follows is None else follows)


def test_the_lag_1_autocorrelation_by_hand():
    """(-.03 - .09 - .03)/.2; without the middle pair (-.03 - .03) * 3/2 / .2."""
    residuals = np.array([-0.1, 0.3, -0.3, 0.1])
    assert lag1_autocorrelation(residuals, ALL) == pytest.approx(-0.75, rel=1e-12)
    assert lag1_autocorrelation(residuals, np.array([True, False, True])) == pytest.approx(-0.45, rel=1e-12)
    assert lag1_autocorrelation(np.zeros(4), ALL) == 0.0


@pytest.mark.parametrize("gap", [False, True])
def test_the_restricted_likelihood_is_that_of_the_matrices(gap: bool):  # noqa: FBT001
    """Node by node against log|R|, log|X'R^-1 X| and the GLS residuals, computed with full matrices."""
    rng = np.random.default_rng(4)
    n = 30
    design = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = ar1(rng, n, 0.5, 1.0)
    basis, _ = np.linalg.qr(design)
    follows = np.ones(n - 1, bool)
    follows[11] = not gap
    noise = noise_of(basis, y - basis @ (basis.T @ y), follows)
    density = []
    for rho, variance in zip(noise.rho, noise.variance, strict=True):
        correlation = toeplitz(rho ** np.arange(n))
        if gap:
            correlation[:12, 12:] = correlation[12:, :12] = 0
        inverse = np.linalg.inv(correlation)
        information = design.T @ inverse @ design
        beta = np.linalg.solve(information, design.T @ inverse @ y)
        squares = (y - design @ beta) @ inverse @ (y - design @ beta)
        assert variance == pytest.approx(squares / (n - 2), rel=1e-9)
        logs = np.linalg.slogdet(correlation)[1] + np.linalg.slogdet(information)[1] + (n - 2) * math.log(squares)
        density.append(-0.5 * logs + 0.5 * math.log(1 - rho**2))
    weight = np.exp(np.array(density) - max(density))
    weight[[0, -1]] /= 2
    assert noise.weight == pytest.approx(weight / weight.sum(), rel=1e-7)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_the_error_of_a_weighted_sum_is_a_r_a(rho: float):
    rng = np.random.default_rng(2)
    weights = rng.normal(size=40)
    expected = math.sqrt(2.5 * weights @ toeplitz(rho ** np.arange(40)) @ weights)
    assert standard_error(single(rho, 2.5), weights) == pytest.approx(expected, rel=1e-10)
    error = spread(single(rho, 2.5, dof=20), [weights], 0.95)
    assert (error.u, error.dof) == pytest.approx((expected, 20.0), rel=1e-9)


def test_a_negative_correlation_is_not_let_to_narrow_the_interval():
    assert standard_error(single(-0.5), np.ones(10)) == pytest.approx(math.sqrt(10), rel=1e-12)


def test_windows_count_as_independent():
    error = spread(single(0.0), [np.full(4, 2.0), np.full(9, 1.0)], 0.95)
    assert error.u == pytest.approx(5.0, rel=1e-9)


def test_the_stated_t_has_the_mixture_s_own_half_width():
    """Two correlations, equally likely, with scales 1 and 3 and 10 degrees of freedom."""
    noise = Noise(np.array([0.0, 0.0]), np.full(2, 0.5), np.array([1.0, 9.0]), 0, 10, 10.0)
    error = spread(noise, [np.ones(1)], 0.95)
    half_width = expanded(error, 0.95)
    inside = 0.5 * sum(1 - 2 * student.sf(half_width / scale, 10) for scale in (1, 3))
    assert inside == pytest.approx(0.95, rel=1e-9)
    assert error.dof < 10
    assert 1 < error.u < 3


def test_more_uncertain_correlation_widens_the_interval():
    rng = np.random.default_rng(11)
    series = ar1(rng, 2000, 0.6, 1.0)
    short, long = noise_of_series(series[:60]), noise_of_series(series)
    assert short.rho_mean == pytest.approx(0.6, abs=0.25)
    assert long.rho_mean == pytest.approx(0.6, abs=0.04)
    assert long.effective == pytest.approx(2000 / 4, rel=0.15)
    assert spread(short, [np.ones(60)], 0.95).dof < 15
    assert spread(long, [np.ones(60)], 0.95).dof > 200


def test_residuals_of_zero_have_no_spread():
    noise = noise_of(np.full((4, 1), 0.5), np.zeros(4), ALL)
    assert spread(noise, [np.ones(4)], 0.95).u == 0.0
    assert noise.effective == 4


def left_of(seed: int, n: int, p: int, rho: float, gaps: int = 0) -> Unexplained:
    """What p columns leave of an AR(1) series with some gaps."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))]))
    y, follows = ar1(rng, n, rho, 2.0), np.ones(n - 1, bool)
    follows[rng.choice(n - 1, gaps, replace=False)] = False
    return Unexplained(basis, y - basis @ (basis.T @ y), follows)


def of_all_kinds() -> list[Unexplained]:
    """Fits of one length and others, with few columns and many, and two that leave no more than rounding."""
    [short, *others] = [
        left_of(1, 40, 2, 0.3),
        left_of(2, 400, 2, 0.95, gaps=5),
        left_of(3, 90, 1, 0.0),
        left_of(4, 400, 2, -0.4),
        left_of(5, 60, FEW_COLUMNS + 1, 0.6),
    ]
    nothing, rounding = np.zeros(40), 1e-9 * short.basis[:, 1]
    emptied, rounded = (dataclasses.replace(short, residuals=residuals) for residuals in (nothing, rounding))
    return [short, emptied, *others, rounded]


def told(noise: Noise) -> tuple[object, ...]:
    """All that a noise says, to the last digit."""
    arrays = noise.rho.tolist(), noise.weight.tolist(), noise.variance.tolist()
    return *arrays, noise.rho_mean, noise.effective, noise.dof


def test_a_fit_has_the_same_noise_alone_and_beside_others():
    fits = of_all_kinds()
    assert [told(noise) for noise in noises_of(fits)] == [told(noises_of([fit])[0]) for fit in fits]
    assert noises_of([]) == []


def test_residuals_among_the_columns_are_rounding_and_spoil_no_other_fit():
    noises = noises_of(of_all_kinds())
    assert [bool(noise.variance.any()) for noise in noises] == [True, False, True, True, True, True, False]


def test_a_sum_has_the_same_spread_alone_and_beside_others():
    """Sums of one window and of two, of which one does not count, or none."""
    rng = np.random.default_rng(8)
    sums = []
    for noise in noises_of(of_all_kinds()):
        long, short = rng.normal(size=300), np.ones(30)
        sums += [WeightedSum(noise, each) for each in ([long], [long, short], [short, np.zeros(9)], [np.zeros(9)])]
    assert spreads(sums, 0.95) == [spread(each.noise, each.weights, 0.95) for each in sums]
    assert [each.u > 0 for each in spreads(sums, 0.95)].count(True) == 15
    assert spreads([], 0.95) == []


def test_a_random_walk_is_worth_almost_nothing():
    walk = np.cumsum(np.random.default_rng(3).normal(size=400))
    assert noise_of_series(walk).effective < 6


def test_the_result_does_not_depend_on_the_unit():
    rng = np.random.default_rng(6)
    series = ar1(rng, 100, 0.4, 1.0)
    small, large = noise_of_series(series), noise_of_series(series * 2.0**40)
    assert large.rho_mean == small.rho_mean
    assert spread(large, [np.ones(9)], 0.95).u == pytest.approx(
        spread(small, [np.ones(9)], 0.95).u * 2.0**40, rel=1e-12
    )


def test_the_root_of_a_rising_function():
    assert root(lambda x: x**3 - 2, 0.0, 2.0, 1e-12) == pytest.approx(2 ** (1 / 3), abs=1e-11)
    assert root(lambda x: -1.0 if x < 0.3 else 1.0, 0.0, 1.0, 1e-9) == pytest.approx(0.3, abs=1e-8)


@pytest.mark.parametrize(("rho", "days"), [(0.0, 90), (0.6, 90), (0.9, 180)])
def test_the_interval_covers_the_truth_as_often_as_it_says(rho: float, days: int):
    """300 runs; the limits are those of a true coverage of 93 to 97 %, each missed once in a thousand."""
    runs, covered = 300, 0
    for seed in range(runs):
        baseline, reporting = line(seed, days, rho=rho)
        model = fit_model(ModelSpec("ols", ("output",)), baseline)
        assert not isinstance(model, Finding)
        estimate = avoided(model, noise_of_model(model, baseline), baseline, reporting)
        covered += abs(estimate.delta + 260) <= expanded(estimate.spread(0.95), 0.95)
    assert binom.ppf(1e-3, runs, 0.93) <= covered <= binom.ppf(1 - 1e-3, runs, 0.97)
