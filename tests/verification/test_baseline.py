"""The baseline model against certified values and a case done by hand; what cannot be trusted is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from verification.engine.baseline import Fit, effective_size, fit_ols
from verification.findings import Finding

# NIST StRD, Norris: observed y against x; certified values below.
NORRIS = """
0.1 0.2 338.8 337.4 118.1 118.2 888.0 884.6 9.2 10.1 228.1 226.5 668.5 666.3 998.5 996.3 449.1 448.6 778.9 777.0
559.2 558.2 0.3 0.4 0.1 0.6 778.1 775.5 668.8 666.9 339.3 338.0 448.9 447.5 10.8 11.6 557.7 556.0 228.3 228.1
998.0 995.8 888.8 887.6 119.6 120.2 0.3 0.3 0.6 0.3 557.6 556.8 339.3 339.1 888.0 887.2 998.5 999.0 778.9 779.0
10.2 11.1 117.6 118.3 228.9 229.2 668.4 669.1 449.2 448.9 0.2 0.5
"""
NO_GAP = np.ones(3, dtype=bool)


def norris() -> tuple[np.ndarray, np.ndarray]:
    pairs = np.array(NORRIS.split(), dtype=float).reshape(-1, 2)
    return pairs[:, 1:], pairs[:, 0]


def by_hand() -> Fit:
    """x = 1 2 3 4, y = 3 5 6 8: Sxx = 5, Sxy = 8, so slope 1.6, intercept 1.5, residuals -.1 .3 -.3 .1, SSE 0.2."""
    fit = fit_ols(np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([3.0, 5.0, 6.0, 8.0]), ["x"])
    assert isinstance(fit, Fit)
    return fit


def refused(drivers: np.ndarray, energy: np.ndarray) -> str:
    names = [f"x{index}" for index in range(drivers.shape[1])]
    finding = fit_ols(drivers, energy, names)
    assert isinstance(finding, Finding)
    return finding.code


def test_the_certified_values_of_norris():
    fit = fit_ols(*norris(), ["x"])
    assert isinstance(fit, Fit)
    assert fit.n == 36
    assert fit.coefficients == pytest.approx([-0.262323073774029, 1.00211681802045], rel=1e-12)
    assert fit.standard_errors == pytest.approx([0.232818234301152, 0.429796848199937e-03], rel=1e-12)
    assert fit.residual_sd == pytest.approx(0.884796396144373, rel=1e-12)
    assert fit.r_squared == pytest.approx(0.999993745883712, rel=1e-13)


@pytest.mark.parametrize("ratio", [1.0, 0.1])
def test_the_certified_values_of_wampler_1_and_2(ratio: float):
    """NIST StRD: y is the polynomial of degree 5 whose coefficients are the powers of `ratio`, over x = 0 to 20."""
    x = np.arange(21.0)
    powers = np.column_stack([x**power for power in range(1, 6)])
    coefficients = ratio ** np.arange(6)
    fit = fit_ols(powers, coefficients[0] + powers @ coefficients[1:], list("abcde"))
    assert isinstance(fit, Fit)
    assert fit.coefficients == pytest.approx(coefficients, rel=1e-9)


def test_a_case_by_hand():
    fit = by_hand()
    assert fit.coefficients == pytest.approx([1.5, 1.6], rel=1e-14)
    assert fit.squares == pytest.approx(0.2, rel=1e-13)
    assert fit.predict(np.array([[2.0], [4.0]])) == pytest.approx([4.7, 7.9], rel=1e-14)
    # q = (2, 6), (X'X)^-1 = [[30, -10], [-10, 4]]/20, so q'(X'X)^-1 q = 1.2, and m = 2.
    assert fit.sum_variance_factor(np.array([[2.0], [4.0]])) == pytest.approx(3.2, rel=1e-14)
    assert fit.cv_rmse == pytest.approx(math.sqrt(0.1) / 5.5, rel=1e-13)
    # s^2 = 0.1: the slope's error is sqrt(0.1*4/20), the intercept's sqrt(0.1*30/20).
    assert fit.standard_errors == pytest.approx([math.sqrt(0.15), math.sqrt(0.02)], rel=1e-13)
    assert fit.r_squared == pytest.approx(1 - 0.2 / 13, rel=1e-14)


def test_two_drivers_by_the_normal_equations():
    rng = np.random.default_rng(5)
    drivers = np.column_stack([rng.normal(656, 26, 60), rng.normal(15, 8, 60)])
    energy = 1e5 + 13_000 * drivers[:, 0] + 900 * drivers[:, 1] + rng.normal(0, 3e4, 60)
    fit = fit_ols(drivers, energy, ["output", "temperature"])
    assert isinstance(fit, Fit)
    rows = np.column_stack([np.ones(60), drivers])
    inverse = np.linalg.inv(rows.T @ rows)
    assert fit.coefficients == pytest.approx(inverse @ rows.T @ energy, rel=1e-7)
    assert fit.standard_errors == pytest.approx(fit.residual_sd * np.sqrt(np.diag(inverse)), rel=1e-7)
    ahead = drivers[:20] + 3
    total = np.column_stack([np.ones(20), ahead]).sum(axis=0)
    assert fit.sum_variance_factor(ahead) == pytest.approx(20 + total @ inverse @ total, rel=1e-7)


def test_a_constant_driver_is_refused():
    assert refused(np.full((20, 1), 656.0), np.arange(20.0)) == "DRIVER_CONSTANT"
    assert refused(np.zeros((20, 1)), np.arange(20.0)) == "DRIVER_CONSTANT"


@pytest.mark.parametrize(("difference", "code"), [(1e-7, "ILL_CONDITIONED"), (0.0, "ILL_CONDITIONED")])
def test_drivers_that_depend_on_each_other_are_refused(difference: float, code: str):
    rng = np.random.default_rng(3)
    first = rng.normal(size=50)
    assert refused(np.column_stack([first, first + difference * rng.normal(size=50)]), rng.normal(size=50)) == code


def test_drivers_that_are_merely_alike_are_fitted():
    rng = np.random.default_rng(3)
    first = rng.normal(size=50)
    drivers = np.column_stack([first, first + 1e-4 * rng.normal(size=50)])
    assert isinstance(fit_ols(drivers, drivers @ np.ones(2), ["a", "b"]), Fit)


@pytest.mark.parametrize(("n", "is_fitted"), [(2, False), (3, True)])
def test_a_fit_needs_more_observations_than_parameters(n: int, *, is_fitted: bool):
    x = np.arange(float(n))[:, np.newaxis]
    assert isinstance(fit_ols(x, x[:, 0] ** 2, ["x"]), Fit) == is_fitted


def test_the_effective_size_by_hand():
    """r1 = (-.03 - .09 - .03)/.2 = -.75 counts as 0, so rho = 1/4 and n' = 4 * (3/4)/(5/4) = 2.4."""
    size = effective_size(by_hand(), NO_GAP)
    assert size.lag1 == pytest.approx(-0.75, rel=1e-12)
    assert size.rho == pytest.approx(0.25, rel=1e-14)
    assert size.effective == pytest.approx(2.4, rel=1e-14)


def test_the_bias_of_a_positive_autocorrelation_is_corrected():
    n = 40
    wave = np.cos(2 * np.pi * np.arange(n) / 8)
    fit = fit_ols(np.tile([1.0, -1.0], n // 2)[:, np.newaxis], wave, ["x"])
    assert isinstance(fit, Fit)
    e = fit.residuals
    r1 = float(np.sum(e[1:] * e[:-1]) / np.sum(e**2))
    size = effective_size(fit, np.ones(n - 1, dtype=bool))
    assert size.rho == pytest.approx(r1 + (1 + 4 * r1) / n, rel=1e-12)
    assert 0.5 < r1 < size.rho < 1
    assert size.effective == pytest.approx(n * (1 - size.rho) / (1 + size.rho), rel=1e-12)


def test_a_pair_across_a_gap_does_not_count():
    """Without the middle pair: (-.03 - .03) * 3/2 / .2 = -.45."""
    assert effective_size(by_hand(), np.array([True, False, True])).lag1 == pytest.approx(-0.45, rel=1e-12)


def test_residuals_that_are_rounding_have_no_autocorrelation():
    x = np.linspace(600, 700, 30)[:, np.newaxis]
    fit = fit_ols(x, 1e5 + 13_000 * x[:, 0], ["x"])
    assert isinstance(fit, Fit)
    assert fit.residuals_are_zero
    assert effective_size(fit, np.ones(29, dtype=bool)).lag1 == 0.0


def test_p_values_are_those_of_student():
    """The slope by hand: t = 1.6/sqrt(0.02) with 2 degrees of freedom, p = 1 - t/sqrt(2 + t^2)."""
    t = 1.6 / math.sqrt(0.02)
    assert by_hand().p_values[1] == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9)
