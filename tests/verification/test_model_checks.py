"""Each limit on a fitted model, from both sides."""

from __future__ import annotations

import numpy as np
import pytest

from tests.verification.lines import window_data
from verification.engine.baseline import EffectiveSize, Fit, fit_ols
from verification.engine.model_checks import check_fit, check_outliers, check_size, check_support
from verification.quality.window import WindowData

N = 8
DRIVER = np.tile([-1.0, 1.0], N // 2)
PATTERN = np.tile([1.0, 1.0, -1.0, -1.0], N // 4)  # orthogonal to the driver and to the intercept


def fit(mean: float, slope: float, residual: float) -> Fit:
    fitted = fit_ols(DRIVER[:, np.newaxis], mean + slope * DRIVER + residual * PATTERN, ["x"])
    assert isinstance(fitted, Fit)
    return fitted


def window(label: str, drivers: list[float], energy_kwh: list[float] | None = None) -> WindowData:
    return window_data(label, energy_kwh or [0.0] * len(drivers), [1e-6] * len(drivers), [drivers])


def found(findings) -> set[str]:
    return {finding.code for finding in findings}


@pytest.mark.parametrize(("share", "is_high"), [(0.2499, False), (0.2501, True)])
def test_cv_rmse_is_high_from_25_percent(share: float, *, is_high: bool):
    """sqrt(SSE/(n-p)) = residual * sqrt(8/6)."""
    fitted = fit(mean=100, slope=100, residual=100 * share / np.sqrt(8 / 6))
    assert fitted.cv_rmse == pytest.approx(share)
    assert ("CV_RMSE_HIGH" in found(check_fit(fitted))) == is_high


@pytest.mark.parametrize(("slope", "is_low"), [(1.001, False), (0.999, True)])
def test_r_squared_is_low_below_a_half(slope: float, *, is_low: bool):
    """R2 = slope^2/(slope^2 + residual^2)."""
    assert ("R_SQUARED_LOW" in found(check_fit(fit(100, slope, 1)))) == is_low


@pytest.mark.parametrize(("t", "is_significant"), [(1.9442, True), (1.9422, False)])
def test_a_driver_is_significant_below_p_010(t: float, *, is_significant: bool):
    """t = slope * sqrt(n-p)/residual; Student's quantile for p = 0.10 and 6 degrees of freedom is 1.943180."""
    fitted = fit(100, t / np.sqrt(6), 1)
    assert ("DRIVER_NOT_SIGNIFICANT" in found(check_fit(fitted))) != is_significant


def test_a_good_fit_has_no_findings():
    assert check_fit(fit(100, 10, 1)) == []


@pytest.mark.parametrize(("effective", "is_enough"), [(8.0, True), (7.999, False)])
def test_eight_effective_days_are_enough(effective: float, *, is_enough: bool):
    assert (check_size(fit(100, 10, 1), EffectiveSize(0.5, 0.5, effective)) == []) == is_enough


@pytest.mark.parametrize(("value", "is_outside"), [(1.2, False), (1.2001, True), (-1.2, False), (-1.2001, True)])
def test_a_day_is_outside_beyond_a_tenth_of_the_range(value: float, *, is_outside: bool):
    """The baseline runs from -1 to 1; a tenth of its range is 0.2."""
    reporting = window("reporting", [0.0, 0.0, 0.0, value])
    assert found(check_support(fit(100, 10, 1), window("baseline", DRIVER.tolist()), reporting)) == (
        {"EXTRAPOLATION"} if is_outside else set()
    )


@pytest.mark.parametrize(("value", "is_outside"), [(1.2, False), (1.2001, True)])
def test_a_mean_outside_forbids_a_conclusion(value: float, *, is_outside: bool):
    findings = check_support(fit(100, 10, 1), window("baseline", DRIVER.tolist()), window("reporting", [value] * 4))
    assert ("inconclusive" in {finding.blocks for finding in findings}) == is_outside


@pytest.mark.parametrize(("energy", "is_outlier"), [(10.0, False), (10.001, True), (-4.0, False), (-4.001, True)])
def test_a_day_is_an_outlier_beyond_three_interquartile_ranges(energy: float, *, is_outlier: bool):
    """Of 1 1 1 1 3 3 3 3 and one more the quartiles are 1 and 3: the limits are 3 + 6 and 1 - 6, and the model is 1."""
    days = [2.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, energy]
    data = window("reporting", [0.0] * 9, days)
    findings = check_outliers(data, np.ones(9))
    assert found(findings) == ({"OUTLIERS"} if is_outlier else set())
    assert not is_outlier or findings[0].data["first"] == "2026-03-09"
