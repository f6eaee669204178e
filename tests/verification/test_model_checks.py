"""Each limit on a fitted model, from both sides."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.verification.engine.samples import sample
from tests.verification.lines import window_data
from verification.engine.model_checks import Met, check_fit, check_outliers, check_support
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample
from verification.engine.robustness.panel import is_supported
from verification.quality.window import WindowData

N = 8
DRIVER = np.tile([-1.0, 1.0], N // 2)
PATTERN = np.tile([1.0, 1.0, -1.0, -1.0], N // 4)  # orthogonal to the driver and to the intercept
SURE = np.zeros(2)  # p of terms that certainly matter


def drivers(*columns, y=None) -> Sample:
    names = tuple(f"x{index}" for index in range(len(columns)))
    values = np.column_stack(columns).astype(float)
    return sample(np.zeros(len(values)) if y is None else y, np.ones(len(values)), values, names)


def fitted(window: Sample) -> BaselineModel:
    model = fit_model(ModelSpec("ols", window.names), window)
    assert isinstance(model, BaselineModel)
    return model


def fit(mean: float, slope: float, residual: float) -> BaselineModel:
    return fitted(drivers(DRIVER, y=mean + slope * DRIVER + residual * PATTERN))


def window(label: str, drivers: list[float], energy_kwh: list[float] | None = None) -> WindowData:
    return window_data(label, energy_kwh or [0.0] * len(drivers), [1e-6] * len(drivers), [drivers])


def support(model: BaselineModel, before: Sample, after: Sample):
    return check_support(model, Met(before, "baseline"), Met(after, "reporting"))


def found(findings) -> set[str]:
    return {finding.code for finding in findings}


@pytest.mark.parametrize(("share", "is_high"), [(0.2499, False), (0.2501, True)])
def test_cv_rmse_is_high_from_25_percent(share: float, *, is_high: bool):
    """sqrt(SSE/(n-p)) = residual * sqrt(8/6)."""
    model = fit(mean=100, slope=100, residual=100 * share / np.sqrt(8 / 6))
    assert model.fit.cv_rmse == pytest.approx(share)
    assert ("CV_RMSE_HIGH" in found(check_fit(model, "baseline", SURE, 0.0))) == is_high


@pytest.mark.parametrize(("slope", "is_low"), [(1.001, False), (0.999, True)])
def test_r_squared_is_low_below_a_half(slope: float, *, is_low: bool):
    """R2 = slope^2/(slope^2 + residual^2)."""
    assert ("R_SQUARED_LOW" in found(check_fit(fit(100, slope, 1), "baseline", SURE, 0.0))) == is_low


@pytest.mark.parametrize(("p_value", "is_significant"), [(0.0999, True), (0.10, False)])
def test_a_driver_is_significant_below_p_010(p_value: float, *, is_significant: bool):
    findings = check_fit(fit(100, 10, 1), "baseline", np.array([0.5, p_value]), 0.0)
    assert ("DRIVER_NOT_SIGNIFICANT" in found(findings)) != is_significant


@pytest.mark.parametrize(("nmbe", "is_high"), [(0.00499, False), (0.005, True), (-0.005, True), (None, False)])
def test_nmbe_out_of_sample_is_high_from_half_a_percent(nmbe: float | None, *, is_high: bool):
    assert ("NMBE_HIGH" in found(check_fit(fit(100, 10, 1), "baseline", SURE, nmbe))) == is_high


@pytest.mark.parametrize(("likeness", "is_collinear"), [(0.948, False), (0.949, True)])
def test_drivers_are_collinear_from_a_vif_of_ten(likeness: float, *, is_collinear: bool):
    """VIF = 1/(1 - r^2), and r = 0.94868 makes it 10."""
    other = likeness * DRIVER + np.sqrt(1 - likeness**2) * PATTERN
    y = DRIVER + PATTERN + 0.1 * np.repeat([1.0, -1.0], N // 2)
    model = fitted(drivers(DRIVER, other, y=y))
    assert ("COLLINEAR" in found(check_fit(model, "baseline", np.zeros(3), 0.0))) == is_collinear


def test_a_good_fit_has_no_findings():
    assert check_fit(fit(100, 10, 1), "baseline", SURE, 0.0) == []


@pytest.mark.parametrize(("value", "is_outside"), [(1.2, False), (1.2001, True), (-1.2, False), (-1.2001, True)])
def test_a_day_is_outside_beyond_a_tenth_of_the_range(value: float, *, is_outside: bool):
    """The baseline runs from -1 to 1; a tenth of its range is 0.2."""
    model = fit(100, 10, 1)
    findings = support(model, drivers(DRIVER), drivers([0.0, 0.0, 0.0, value]))
    assert found(findings) == ({"EXTRAPOLATION"} if is_outside else set())


@pytest.mark.parametrize(("outside", "code"), [(4, "EXTRAPOLATION_FEW"), (5, "EXTRAPOLATION")])
def test_up_to_a_tenth_of_the_days_outside_is_only_said(outside: int, code: str):
    met = drivers([0.0] * (40 - outside) + [1.3] * outside)
    (finding,) = support(fit(100, 10, 1), drivers(DRIVER), met)
    assert finding.code == code
    assert (finding.severity == "info") == (code == "EXTRAPOLATION_FEW")


@pytest.mark.parametrize(("value", "is_outside"), [(1.2, False), (1.2001, True)])
def test_a_mean_outside_forbids_a_conclusion(value: float, *, is_outside: bool):
    findings = support(fit(100, 10, 1), drivers(DRIVER), drivers([value] * 4))
    assert ("inconclusive" in {finding.blocks for finding in findings}) == is_outside


def test_a_category_that_the_baseline_never_met_forbids_a_conclusion():
    before = dataclasses.replace(
        drivers(DRIVER, y=DRIVER + 0.1 * PATTERN), categories={"recipe": np.array(list("aabb") * 2)}
    )
    model = fit_model(ModelSpec("ols", before.names, ("recipe",)), before)
    assert isinstance(model, BaselineModel)
    after = dataclasses.replace(before, categories={"recipe": np.array(list("aabc") * 2)})
    assert found(support(model, before, before)) == set()
    (finding,) = support(model, before, after)
    assert (finding.code, finding.data["labels"], finding.blocks) == ("CATEGORY_UNSEEN", "c", "inconclusive")


def test_an_hour_of_the_week_that_the_baseline_never_met_forbids_a_conclusion():
    """Five weeks without a Sunday, and a reporting period with two Sundays until noon."""
    hours = np.arange(5 * 168)
    every = sample(np.sin(hours) + hours % 24, np.ones(len(hours)), np.cos(hours)[:, np.newaxis], ("degrees",))
    every = dataclasses.replace(every, slot=hours % 168)
    before = every.take(every.slot < 6 * 24)
    after = every.take((hours < 2 * 168) & (every.slot < 6 * 24 + 12))
    model = fit_model(ModelSpec("towt", ("degrees",), temperature="degrees"), before)
    assert isinstance(model, BaselineModel)
    assert found(support(model, before, before)) == set()
    (finding,) = support(model, before, after)
    assert (finding.code, finding.blocks) == ("HOURS_UNSEEN", "inconclusive")
    assert [finding.data[name] for name in ("count", "hours", "weekday", "hour")] == [24, 12, 7, "00:00"]
    assert not is_supported(model, before, after)


@pytest.mark.parametrize(("energy", "is_outlier"), [(10.0, False), (10.001, True), (-4.0, False), (-4.001, True)])
def test_a_day_is_an_outlier_beyond_three_interquartile_ranges(energy: float, *, is_outlier: bool):
    """Of 1 1 1 1 3 3 3 3 and one more the quartiles are 1 and 3: the limits are 3 + 6 and 1 - 6, and the model is 1."""
    days = [2.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, energy]
    data = window("reporting", [0.0] * 9, days)
    findings = check_outliers(data, np.ones(9), "baseline")
    assert found(findings) == ({"OUTLIERS"} if is_outlier else set())
    assert not is_outlier or findings[0].data["first"] == "2026-03-09"


@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_the_rounding_of_the_arithmetic_is_no_outlier(shift: float):
    """NIST's Wampler2 by the way of a plan: the model gives every interval to the last bits."""
    metered = np.arange(1.0, 31.0)
    predicted = metered - shift
    predicted += np.tile([-2e-14, 0.0, 2e-14], 10)
    predicted[20] += 1e-12
    assert check_outliers(window("reporting", [0.0] * 30, list(metered)), predicted, "baseline") == []


@pytest.mark.parametrize(("far", "code"), [(1, "OUTLIERS_FEW"), (2, "OUTLIERS")])
def test_up_to_two_percent_of_the_days_far_off_are_only_said(far: int, code: str):
    days = np.append(np.tile([2.0, 4.0], 30), [50.0] * far)
    (finding,) = check_outliers(window("reporting", [0.0] * len(days), list(days)), np.ones(len(days)), "baseline")
    assert finding.code == code
    assert (finding.severity == "info") == (code == "OUTLIERS_FEW")


def test_of_a_ratio_it_is_the_interval_s_own_ratio_that_lies_off():
    """A long day is far from the model by its length alone; a day without a denominator has no ratio."""
    hours = np.append(np.tile([1.0, 1.1, 0.9], 20), [30.0, 0.0])
    output = 10 * hours * np.append(np.tile([1.0, 1.02, 0.99, 1.01], 15), [1.01, 1.0])
    data = window_data("reporting", list(output), list(hours), [list(hours)])
    predicted = 10 * hours
    assert found(check_outliers(data, predicted, "baseline")) != set()
    assert check_outliers(data, predicted, "baseline", of_ratio=True) == []
