"""Least squares against certified values, a case by hand, and an oracle; what cannot be trusted is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import variance_inflation_factor

from tests.verification.nist import Certified, longley, no_intercept, norris, wampler
from verification.engine.models.linear import Fit, fit_linear
from verification.findings import Finding

CERTIFIED = [norris(), longley(), *wampler(), *no_intercept()]


def fitted(columns: np.ndarray, y: np.ndarray, *, intercept: bool = True) -> Fit:
    fit = fit_linear(columns, y, [f"x{index}" for index in range(columns.shape[1])], intercept=intercept)
    assert isinstance(fit, Fit)
    return fit


def refused(columns: np.ndarray, y: np.ndarray) -> str:
    finding = fit_linear(columns, y, [f"x{index}" for index in range(columns.shape[1])])
    assert isinstance(finding, Finding)
    return finding.code


def by_hand() -> Fit:
    """x = 1 2 3 4, y = 3 5 6 8: Sxx = 5, Sxy = 8, so slope 1.6, intercept 1.5, residuals -.1 .3 -.3 .1, SSE 0.2."""
    return fitted(np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([3.0, 5.0, 6.0, 8.0]))


@pytest.mark.parametrize("data", CERTIFIED, ids=lambda data: data.name)
def test_nist_s_certified_values_to_nine_digits_and_more(data: Certified):
    fit = fitted(data.columns, data.y, intercept=data.intercept)
    assert fit.coefficients == pytest.approx(data.coefficients, rel=1e-12)
    # Where the data lie on the polynomial exactly, zero is right to the rounding of y.
    size = np.abs(data.y).max()
    assert fit.residual_sd == pytest.approx(data.residual_sd, rel=1e-12, abs=1e-14 * size)
    assert fit.r_squared == pytest.approx(data.r_squared, rel=1e-12)
    if data.residual_sd:
        assert fit.standard_errors == pytest.approx(data.errors, rel=1e-12)


def test_nist_s_filip_is_refused_because_its_powers_hold_too_few_digits():
    x = np.linspace(-8.8, -3.1, 82)
    powers = np.column_stack([x**power for power in range(1, 11)])
    assert refused(powers, np.sin(x)) == "ILL_CONDITIONED"


def test_gum_h3_to_its_published_digits():
    """GUM H.3: a thermometer's correction against t - 20 degC; y1, y2, their u and r, s, and b(30 degC) with its u."""
    t = np.array([21.521, 22.012, 22.512, 23.003, 23.507, 23.999, 24.513, 25.002, 25.503, 26.010, 26.511])
    correction = -np.array([0.171, 0.169, 0.166, 0.159, 0.164, 0.165, 0.156, 0.157, 0.159, 0.161, 0.160])
    fit = fitted((t - 20)[:, np.newaxis], correction)
    u1, u2 = fit.standard_errors
    assert [f"{value:.4f}" for value in (fit.coefficients[0], u1)] == ["-0.1712", "0.0029"]
    assert [f"{value:.5f}" for value in (fit.coefficients[1], u2)] == ["0.00218", "0.00067"]
    assert f"{fit.residual_sd:.4f}" == "0.0035"
    assert f"{fit.covariance[0, 1] / (u1 * u2):.3f}" == "-0.930"
    row = np.array([1.0, 10.0])
    assert f"{fit.predict(np.array([[10.0]]))[0]:.4f}" == "-0.1494"
    assert f"{math.sqrt(row @ fit.covariance @ row):.4f}" == "0.0041"


def test_a_case_by_hand():
    fit = by_hand()
    assert fit.coefficients == pytest.approx([1.5, 1.6], rel=1e-14)
    assert fit.squares == pytest.approx(0.2, rel=1e-13)
    assert fit.predict(np.array([[2.0], [4.0]])) == pytest.approx([4.7, 7.9], rel=1e-14)
    assert fit.cv_rmse == pytest.approx(math.sqrt(0.1) / 5.5, rel=1e-13)
    # s^2 = 0.1: the slope's error is sqrt(0.1*4/20), the intercept's sqrt(0.1*30/20).
    assert fit.standard_errors == pytest.approx([math.sqrt(0.15), math.sqrt(0.02)], rel=1e-13)
    assert fit.r_squared == pytest.approx(1 - 0.2 / 13, rel=1e-14)
    assert fit.f_statistic == pytest.approx(12.8 / 0.1, rel=1e-12)
    # The slope by hand: t = 1.6/sqrt(0.02) with 2 degrees of freedom, p = 1 - t/sqrt(2 + t^2).
    t = 1.6 / math.sqrt(0.02)
    assert fit.p_values[1] == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9)


def test_the_weights_of_a_sum_of_predictions_by_hand():
    """q = (2, 6), (X'X)^-1 = [[30, -10], [-10, 4]]/20: a = X (X'X)^-1 q = (0.2, 0.4, 0.6, 0.8), a'a = 1.2."""
    weights = by_hand().sum_weights(np.array([[2.0], [4.0]]))
    assert weights == pytest.approx([0.2, 0.4, 0.6, 0.8], rel=1e-13)
    assert weights @ np.array([3.0, 5.0, 6.0, 8.0]) == pytest.approx(4.7 + 7.9, rel=1e-13)


def test_every_figure_agrees_with_statsmodels():
    rng = np.random.default_rng(5)
    columns = np.column_stack([rng.normal(656, 26, 60), rng.normal(15, 8, 60), rng.normal(0, 1, 60)])
    y = 1e5 + 13_000 * columns[:, 0] + 900 * columns[:, 1] + rng.normal(0, 3e4, 60)
    fit, oracle = fitted(columns, y), sm.OLS(y, sm.add_constant(columns)).fit()
    for mine, theirs in (
        (fit.coefficients, oracle.params), (fit.standard_errors, oracle.bse), (fit.t_values, oracle.tvalues),
        (fit.p_values, oracle.pvalues), (fit.covariance, oracle.cov_params()), (fit.r_squared, oracle.rsquared),
        (fit.adjusted_r_squared, oracle.rsquared_adj), (fit.f_statistic, oracle.fvalue),
        (fit.f_p_value, oracle.f_pvalue),
    ):  # fmt: skip
        assert mine == pytest.approx(theirs, rel=1e-8)
    inflation = [variance_inflation_factor(sm.add_constant(columns), index) for index in (1, 2, 3)]
    assert fit.vif == pytest.approx(inflation, rel=1e-9)


def test_a_constant_driver_is_refused():
    assert refused(np.full((20, 1), 656.0), np.arange(20.0)) == "DRIVER_CONSTANT"
    assert refused(np.zeros((20, 1)), np.arange(20.0)) == "DRIVER_CONSTANT"


@pytest.mark.parametrize("difference", [1e-7, 0.0])
def test_drivers_that_depend_on_each_other_are_refused(difference: float):
    rng = np.random.default_rng(3)
    first = rng.normal(size=50)
    columns = np.column_stack([first, first + difference * rng.normal(size=50)])
    assert refused(columns, rng.normal(size=50)) == "ILL_CONDITIONED"


def test_drivers_that_are_merely_alike_are_fitted_to_nine_digits():
    rng = np.random.default_rng(3)
    first = np.rint(1e6 * rng.normal(size=50))
    columns = np.column_stack([first, first + np.rint(100 * rng.normal(size=50))])
    fit = fitted(columns, columns @ np.ones(2))
    assert fit.condition > 1e3
    assert fit.coefficients[1:] == pytest.approx([1.0, 1.0], rel=1e-11)


@pytest.mark.parametrize(("n", "is_fitted"), [(2, False), (3, True)])
def test_a_fit_needs_more_observations_than_parameters(n: int, *, is_fitted: bool):
    x = np.arange(float(n))[:, np.newaxis]
    assert isinstance(fit_linear(x, x[:, 0] ** 2, ["x"]), Fit) == is_fitted


def test_a_mean_is_a_fit_without_columns():
    fit = fitted(np.empty((4, 0)), np.array([1.0, 2.0, 4.0, 5.0]))
    assert (fit.coefficients[0], fit.p, fit.r_squared) == (3.0, 1, 0.0)
    assert fit.residual_sd == pytest.approx(math.sqrt(10 / 3), rel=1e-14)
    assert math.isnan(fit.f_statistic)


def test_residuals_that_are_rounding_are_known_as_such():
    x = np.linspace(600, 700, 30)[:, np.newaxis]
    assert fitted(x, 1e5 + 13_000 * x[:, 0]).residuals_are_zero
    assert not fitted(x, 1e5 + 13_000 * x[:, 0] + np.tile([1e-3, -1e-3], 15)).residuals_are_zero


@pytest.mark.parametrize("level", [10.0**6, 10.0**13])
def test_small_differences_between_large_values_keep_their_digits(level: float):
    """As in NIST's SmLs07 to 09: whole numbers, whose level changes neither their noise nor what explains it."""
    rng = np.random.default_rng(5)
    x = np.arange(40.0)[:, np.newaxis]
    y = np.rint(20 * x[:, 0] + rng.normal(0, 3, 40)) + 1000
    low, high = fitted(x, y), fitted(x, level + y)
    assert not high.residuals_are_zero
    for name in ("residuals", "standard_errors", "residual_sd", "r_squared", "f_statistic"):
        assert getattr(high, name) == pytest.approx(getattr(low, name), rel=1e-12, abs=1e-12), name
    assert high.coefficients - low.coefficients == pytest.approx([level, 0.0], rel=1e-15, abs=1e-13)
    assert high.mean == pytest.approx(level + low.mean, rel=1e-15)


@pytest.mark.parametrize("kept", [slice(80), np.arange(0, 200, 2), np.flatnonzero(np.arange(200) // 20 != 3)])
def test_the_fit_of_a_part_is_the_fit_to_its_observations(kept: slice | np.ndarray):
    rng = np.random.default_rng(8)
    columns = np.column_stack([rng.uniform(500, 700, 200), rng.normal(15, 9, 200)])
    y = 150_000 + 400 * columns[:, 0] + rng.normal(0, 2000, 200)
    part, expected = fitted(columns, y).of_part(kept, y[kept]), fitted(columns[kept], y[kept])
    assert part is not None
    for name in ("coefficients", "residuals", "standard_errors", "p_values", "vif"):
        assert getattr(part, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-12), name
    for name in ("r_squared", "mean", "total_squares", "squares"):
        assert getattr(part, name) == pytest.approx(getattr(expected, name), rel=1e-12), name
    assert part.basis.T @ part.basis == pytest.approx(np.eye(3), abs=1e-12)
    assert part.sum_weights(columns) == pytest.approx(expected.sum_weights(columns), rel=1e-9)
    assert part.predict_sum(columns) == pytest.approx(expected.predict_sum(columns), rel=1e-13)


def test_a_part_that_does_not_tell_a_parameter_has_no_fit_of_it():
    steps = np.repeat([0.0, 1.0], [100, 100])[:, np.newaxis]
    y = np.arange(200.0)
    whole = fitted(steps, y)
    assert whole.of_part(slice(100), y[:100]) is None  # its column is constant
    assert whole.of_part(slice(102), y[:102]) is None  # two observations carry the slope
    assert by_hand().of_part(slice(2), np.array([3.0, 5.0])) is None  # no degree of freedom
