"""The bridge: each step by its own formula, adding up exactly as shown, and no mistake hidden in the last row."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verification.lines import window_data
from tests.verification.test_baseline import by_hand
from verification.engine.bridge import bridge_steps
from verification.engine.rounding import round_to_sum
from verification.quality.window import WindowData


def window(label: str, tons: list[float], energy_kwh: list[int]) -> WindowData:
    return window_data(label, energy_kwh, tons, [tons])


BEFORE = window("baseline", [1, 2, 3, 4], [3, 5, 6, 8])
AFTER = window("reporting", [2, 4], [4, 7])


def test_the_steps_by_hand():
    """Plain 11/6 - 22/10; load -1.5*(2/6 - 4/10); verified -(12.6 - 11)/6."""
    steps = dict(bridge_steps(by_hand(), BEFORE, AFTER))
    assert steps == pytest.approx({"plain": 11 / 6 - 2.2, "load": 0.1})
    assert sum(steps.values()) == pytest.approx(-1.6 / 6)


def test_ratios_are_exact():
    assert BEFORE.ratio == Decimal("2.2")
    assert window("baseline", [0.0], [5]).ratio is None


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


def test_what_closes_within_the_rounding_is_accepted():
    assert sum(round_to_sum([-231.7565, -0.7141], -232.47062, 4)) == Decimal("-232.4706")
