"""The kinds of model: what they regress on, what they find, and that all of them end in one kind of fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.stattools import durbin_watson as oracle_durbin_watson

from tests.verification.engine.samples import line, sample
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model, refit
from verification.engine.models.sample import Sample
from verification.engine.models.statistics import durbin_watson, nmbe_out_of_sample, term_p_values
from verification.engine.savings import noise_of_model
from verification.findings import Finding


def model_of(spec: ModelSpec, window: Sample) -> BaselineModel:
    model = fit_model(spec, window)
    assert isinstance(model, BaselineModel)
    return model


def weather(n: int = 365, *, heating: float = 0.0, cooling: float = 0.0, noise: float = 20.0, seed: int = 0) -> Sample:
    """A year by day: 1,000 + 5 tons + heating*max(15-T, 0) + cooling*max(T-20, 0)."""
    rng = np.random.default_rng(seed)
    degrees = 12 - 14 * np.cos(2 * np.pi * np.arange(n) / 365) + rng.normal(0, 2, n)
    tons = rng.normal(100, 10, n)
    y = 1000 + 5 * tons + heating * np.maximum(15 - degrees, 0) + cooling * np.maximum(degrees - 20, 0)
    return sample(y + rng.normal(0, noise, n), tons, np.column_stack([tons, degrees]), ("tons", "degrees"))


CHANGE_POINT = ModelSpec("change_point", ("tons", "degrees"), temperature="degrees")


def test_a_ratio_of_means_is_the_ratio_of_totals():
    window = sample(np.array([2.0, 4.0, 9.0]), np.array([1.0, 2.0, 3.0]))
    model = model_of(ModelSpec("ratio"), window)
    assert model.fit.coefficients == pytest.approx([15 / 6], rel=1e-15)
    assert model.fit.residuals == pytest.approx([-0.5, -1.0, 1.5])
    ahead = sample(np.zeros(2), np.array([4.0, 8.0]))
    assert model.predict(ahead) == pytest.approx([10.0, 20.0])
    assert model.sum_weights(ahead) == pytest.approx([2.0, 2.0, 2.0])  # 12/6 for each
    # Var(R) = s^2 n / W^2 with s^2 = SSE/(n-1).
    assert model.fit.standard_errors == pytest.approx([np.sqrt(3.5 / 2 * 3) / 6])


def test_a_mean_predicts_itself():
    window = sample(np.array([2.0, 4.0, 9.0]), np.ones(3))
    model = model_of(ModelSpec("mean"), window)
    assert model.predict(sample(np.zeros(2), np.ones(2))) == pytest.approx([5.0, 5.0])
    assert model.sum_weights(sample(np.zeros(2), np.ones(2))) == pytest.approx(np.full(3, 2 / 3))


def test_categories_are_shifts_of_the_intercept_against_the_first_by_name():
    rng = np.random.default_rng(1)
    tons = rng.normal(100, 10, 90)
    labels = np.array(["night", "day", "late"] * 30)
    shift = {"day": 0.0, "late": 30.0, "night": -50.0}
    y = 200 + 3 * tons + np.array([shift[label] for label in labels])
    window = dataclasses.replace(sample(y, tons), categories={"shift": labels})
    model = model_of(ModelSpec("ols", ("output",), ("shift",)), window)
    assert model.fit.names == ("output", "shift=late", "shift=night")
    assert model.fit.coefficients == pytest.approx([200, 3, 30, -50], rel=1e-10)
    later = dataclasses.replace(window, categories={"shift": np.array(["day", "late", "weekend"] * 30)})
    assert model.design.unseen_levels(later) == {"shift": ["weekend"]}
    assert model.design.unseen_levels(window) == {}


@pytest.mark.parametrize(
    ("slopes", "kinds"),
    [((40.0, 0.0), ["below"]), ((0.0, 60.0), ["above"]), ((40.0, 60.0), ["below", "above"])],
)
def test_the_search_finds_heating_cooling_and_both(slopes: tuple[float, float], kinds: list[str]):
    model = model_of(CHANGE_POINT, weather(heating=slopes[0], cooling=slopes[1]))
    assert ["below" if hinge.below else "above" for hinge in model.design.hinges] == kinds
    for hinge in model.design.hinges:
        assert hinge.point == pytest.approx(15 if hinge.below else 20, abs=0.7)
    assert model.fit.coefficients[1] == pytest.approx(5, abs=0.5)
    assert model.fit.searched == len(kinds)
    assert model.fit.p == 2 + 2 * len(kinds)


def test_slopes_that_meet_at_one_point_cost_one_search():
    rng = np.random.default_rng(3)
    degrees = rng.uniform(0, 30, 300)
    y = 1000 + 40 * np.maximum(18 - degrees, 0) + 70 * np.maximum(degrees - 18, 0) + rng.normal(0, 20, 300)
    window = sample(y, np.ones(300), degrees[:, np.newaxis], ("degrees",))
    model = model_of(ModelSpec("change_point", ("degrees",), temperature="degrees"), window)
    assert len({hinge.point for hinge in model.design.hinges}) == 1
    assert model.design.hinges[0].point == pytest.approx(18, abs=0.6)
    assert (model.fit.searched, model.fit.p) == (1, 4)


def test_the_search_finds_the_least_squares_of_all_points():
    """No point of a brute-force grid of full fits leaves fewer squares than the found one, by more than the grid."""
    window = weather(heating=35.0, seed=4)
    model = model_of(CHANGE_POINT, window)
    degrees, tons = window.column("degrees"), window.column("tons")
    squares = [
        sm.OLS(window.y, sm.add_constant(np.column_stack([tons, np.maximum(point - degrees, 0)]))).fit().ssr
        for point in np.linspace(5, 22, 171)
    ]
    assert model.fit.squares <= min(squares)


@pytest.mark.parametrize(
    ("heating", "cooling"),
    [(None, (18.37, 50.0)), ((12.5, 30.0), None), ((10.2, 30.0), (21.7, 50.0)), ((15.3, 5.0), (15.3, 40.0))],
)
def test_points_between_those_of_the_grid_are_found_exactly(
    heating: tuple[float, float] | None, cooling: tuple[float, float] | None
):
    """Without noise the shape is the one that made the data, and so are its points and slopes."""
    day = np.arange(365)
    degrees = np.round(15 + 15 * np.sin(2 * np.pi * day / 365) + 8 * (day * 7919 % 83 / 83 - 0.5), 1)
    y = np.full(365, 1000.0)
    for sign, term in ((-1, heating), (1, cooling)):
        if term is not None:
            y += term[1] * np.maximum(sign * (degrees - term[0]), 0)
    model = model_of(
        ModelSpec("change_point", ("degrees",), temperature="degrees"),
        sample(y, np.ones(365), degrees[:, np.newaxis], ("degrees",)),
    )
    terms = [term for term in (heating, cooling) if term is not None]
    assert [hinge.point for hinge in model.design.hinges] == [point for point, _ in terms]
    assert model.fit.coefficients.tolist() == pytest.approx([1000.0, *(slope for _, slope in terms)], rel=1e-12)


@pytest.mark.parametrize("unit", [1e-6, 1e9])
@pytest.mark.parametrize("seed", range(5))
def test_points_do_not_depend_on_the_unit_of_the_temperature(unit: float, seed: int):
    """The last steps once led nowhere where a degree is next to nothing: its slopes passed for rounding."""
    window = weather(heating=35.0, cooling=20.0, seed=seed)
    in_unit = dataclasses.replace(window, drivers=window.drivers * [1.0, unit])
    points, found = (
        [hinge.point for hinge in model_of(CHANGE_POINT, each).design.hinges] for each in (window, in_unit)
    )
    assert found == pytest.approx([unit * point for point in points], rel=1e-6)


def test_a_refit_keeps_the_change_points():
    window = weather(heating=40.0)
    model = model_of(CHANGE_POINT, window)
    other = refit(model, window.take(np.arange(365) < 300))
    assert isinstance(other, BaselineModel)
    assert other.design == model.design
    assert other.fit.p == model.fit.p


def hourly(weeks: int = 8) -> Sample:
    rng = np.random.default_rng(5)
    hours = np.arange(weeks * 168)
    degrees = 15 + 10 * np.sin(2 * np.pi * hours / 24) + rng.normal(0, 3, len(hours))
    slot = hours % 168
    y = 500 + 100 * np.isin(slot % 24, range(8, 18)) + 8 * np.maximum(degrees - 18, 0) + rng.normal(0, 5, len(hours))
    window = sample(y, np.ones(len(hours)), degrees[:, np.newaxis], ("degrees",))
    return dataclasses.replace(window, slot=slot)


def test_time_of_week_and_temperature_follow_the_clock():
    window = hourly()
    model = model_of(ModelSpec("towt", ("degrees",), temperature="degrees"), window)
    assert model.fit.p == 1 + 167 + 6
    assert model.fit.residual_sd == pytest.approx(5, rel=0.15)
    assert model.fit.r_squared > 0.98
    assert refit(model, window.take(window.position < 1000)) is not None


def test_statistics_in_order_of_time():
    baseline, _ = line(3, rho=0.5)
    model = model_of(ModelSpec("ols", ("output",)), baseline)
    assert durbin_watson(model.fit.residuals, baseline.follows) == pytest.approx(
        oracle_durbin_watson(model.fit.residuals), rel=1e-12
    )
    with_gap = np.array([True, False, True])
    assert durbin_watson(np.array([1.0, 2.0, 4.0, 2.0]), with_gap) == pytest.approx((1 + 4) * 3 / 2 / 25)


def test_nmbe_out_of_sample_by_hand():
    """Ten values in blocks of two, predicted by the mean of the other eight."""
    y = np.arange(10.0)
    model = model_of(ModelSpec("mean"), sample(y, np.ones(10)))
    misses = [y[2 * k + i] - (45 - y[2 * k] - y[2 * k + 1]) / 8 for k in range(5) for i in range(2)]
    assert nmbe_out_of_sample(model, sample(y, np.ones(10))) == pytest.approx(sum(misses) / 45, abs=1e-14)


@pytest.mark.parametrize("count", [3, 4])
def test_nmbe_out_of_sample_of_fewer_values_than_blocks_leaves_out_one_each(count: int):
    y = np.arange(1.0, count + 1)
    model = model_of(ModelSpec("mean"), sample(y, np.ones(count)))
    misses = [value - (y.sum() - value) / (count - 1) for value in y]
    assert nmbe_out_of_sample(model, sample(y, np.ones(count))) == pytest.approx(sum(misses) / y.sum(), abs=1e-14)


def test_nmbe_out_of_sample_is_none_where_one_value_is_left():
    two = sample(np.array([1.0, 2.0]), np.ones(2))
    assert nmbe_out_of_sample(model_of(ModelSpec("mean"), two), two) is None


def test_a_term_is_weighed_by_the_noise_and_not_as_if_days_were_independent():
    """A slow driver that is none of the line's: independent days make it matter, correlated ones do not."""
    false_claims, honest_claims = 0, 0
    for seed in range(40):
        baseline, _ = line(seed, 120, rho=0.8)
        slow = np.sin(2 * np.pi * np.arange(120) / 120 + seed)
        window = dataclasses.replace(baseline, drivers=np.column_stack([baseline.w, slow]), names=("output", "slow"))
        model = model_of(ModelSpec("ols", ("output", "slow")), window)
        false_claims += model.fit.p_values[2] < 0.05
        honest_claims += term_p_values(model, noise_of_model(model, window))[2] < 0.05
    assert false_claims > 15
    assert honest_claims <= 6


def test_an_unfit_model_is_a_finding():
    window = sample(np.arange(3.0), np.array([1.0, 1.0, 1.0]))
    for spec in (ModelSpec("ols", ("output",)), ModelSpec("change_point", ("output",), temperature="output")):
        assert isinstance(fit_model(spec, window), Finding)
    assert isinstance(fit_model(ModelSpec("ratio"), sample(np.ones(3), np.zeros(3))), Finding)
