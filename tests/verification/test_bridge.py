"""The bridge: each step by its own formula, adding up exactly as shown, and no mistake hidden in the last row."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verification.engine.samples import sample
from tests.verification.lines import window_data
from verification.engine.assess import Primary, primary_answer
from verification.engine.bridge import bridge_steps
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample, joined
from verification.engine.rounding import round_to_sum


def model_of(spec: ModelSpec, window: Sample) -> BaselineModel:
    model = fit_model(spec, window)
    assert isinstance(model, BaselineModel)
    return model


OLS = ModelSpec("ols", ("output",))
BEFORE = sample(np.array([3.0, 5.0, 6.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0]))
AFTER = sample(np.array([4.0, 7.0]), np.array([2.0, 4.0]))


def test_the_steps_by_hand():
    """Plain 11/6 - 22/10; load -1.5*(2/6 - 4/10); verified -(12.6 - 11)/6."""
    model = model_of(OLS, BEFORE)
    steps = dict(bridge_steps(model, model, BEFORE, AFTER, AFTER, "output"))
    assert steps == pytest.approx({"plain": 11 / 6 - 2.2, "load": 0.1})
    assert sum(steps.values()) == pytest.approx(-1.6 / 6)


def test_a_ratio_of_means_is_the_plain_difference():
    model = model_of(ModelSpec("ratio"), BEFORE)
    assert dict(bridge_steps(model, model, BEFORE, AFTER, AFTER, "output")) == {"plain": 11 / 6 - 2.2, "load": 0.0}


@pytest.mark.parametrize("method", ["avoided", "backcast", "normalised"])
def test_the_steps_add_up_to_the_change_of_every_method(method):
    """Output, weather with two change points and a category, all of which differ between the windows."""
    rng = np.random.default_rng(3)

    def window(shift: float, first: int) -> Sample:
        tons, degrees = rng.normal(100 + shift, 10, 200), rng.uniform(0 + shift, 30 + shift, 200)
        labels = np.array(["a", "b", "b", "c"] * 50 if shift else ["a", "a", "b", "c"] * 50)
        y = 500 + 5 * tons + 9 * np.maximum(15 - degrees, 0) + 40 * (labels == "b") + rng.normal(0, 5, 200)
        built = sample(y, tons, np.column_stack([tons, degrees]), ("output", "degrees"), first)
        return dataclasses.replace(built, categories={"recipe": labels})

    case = Case(window(0.0, 0), window(2.0, 300), method, output="output")
    spec = ModelSpec("change_point", ("output", "degrees"), ("recipe",), "degrees")
    primary = primary_answer(spec, case)
    assert isinstance(primary, Primary)
    after, standard = primary.model, case.projections[0].sample
    if method == "normalised":
        after, standard = model_of(spec, case.reporting), joined(case.baseline, case.reporting)
    steps = dict(bridge_steps(primary.model, after, case.baseline, case.reporting, standard, "output"))
    assert {"plain", "load", "driver:degrees", "category:recipe"} <= set(steps)
    assert sum(steps.values()) == pytest.approx(primary.estimate.delta, abs=1e-9)


def test_ratios_are_exact():
    before = window_data("baseline", [3, 5, 6, 8], [1, 2, 3, 4], [[1, 2, 3, 4]])
    assert before.ratio == Decimal("2.2")
    assert window_data("baseline", [5], [0.0], [[0.0]]).ratio is None


def test_rounded_steps_add_up_to_the_rounded_total():
    assert round_to_sum([0.4, 0.4, 0.4], 1.2, 0) == [1, 0, 0]
    assert round_to_sum([-231.75654, -0.71405], -232.47059, 4) == [Decimal("-231.7565"), Decimal("-0.7141")]


@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=6), st.integers(0, 6))
def test_steps_always_add_up_and_stay_within_one_unit(steps: list[float], decimals: int):
    total = float(np.sum(np.array(steps)))
    rounded = round_to_sum(steps, total, decimals)
    unit = Decimal(1).scaleb(-decimals)
    assert sum(rounded) == Decimal(total).quantize(unit)
    assert all(abs(row - Decimal(step)) <= unit for row, step in zip(rounded, steps, strict=True))


@pytest.mark.parametrize("error", [0.00003, -0.00003])
def test_a_bridge_that_does_not_close_is_a_mistake_and_not_a_row(error: float):
    with pytest.raises(ArithmeticError, match="does not close"):
        round_to_sum([-231.7565, -0.7141], -232.4706 + error, 4)


def test_a_bridge_of_large_figures_closes_within_the_error_of_the_arithmetic():
    rounded = round_to_sum([-773559023.3280001, 0.0, 12.0], -773559011.3274765, 4)
    assert sum(rounded) == Decimal("-773559011.3275")
    assert rounded[1:] == [0, 12]


def test_what_closes_within_the_rounding_is_accepted():
    assert sum(round_to_sum([-231.7565, -0.7141], -232.47062, 4)) == Decimal("-232.4706")
