"""The language of metrics: arithmetic with units, refused by name before any number is seen; nothing else gets in."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.errors import RetroProofError
from verification.metrics.formula import FormulaError, Intervals, Quantity, compile_formula, number, point

POINTS = {
    "grid": point("grid", "kWh", "total"),
    "solar": point("solar", "MWh", "total"),
    "output": point("output", "t", "total"),
    "power": point("power", "kW", "mean"),
    "so2": point("so2", "mg/m3", "mean"),
    "oxygen": point("oxygen", "%", "mean"),
    "stops": point("stops", "1", "total"),
    "factor": number("factor", 0.1229, "kgce/kWh"),
}
ON = Intervals(
    values={
        "grid": np.array([100.0, 200.0]),
        "solar": np.array([0.05, 0.0]),
        "output": np.array([10.0, 0.0]),
        "power": np.array([5.0, 6.0]),
        "so2": np.array([30.0, 30.0]),
        "oxygen": np.array([12.0, 21.0]),
        "stops": np.array([7.0, 0.0]),
    },
    counts={"stops": np.array([3.0, 0.0])},
    hours=np.array([24.0, 23.0]),
)


def resolve(name: str) -> Quantity:
    if name not in POINTS:
        raise FormulaError(f"{name} is unknown")
    return POINTS[name]


def compiled(text: str) -> Quantity:
    return compile_formula(text, resolve)


def value(text: str, unit: str) -> list[float]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.broadcast_to(compiled(text).to(unit).evaluate(ON), 2).tolist()


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("grid", "MWh", [0.1, 0.2]),
        ("grid + solar", "kWh", [150.0, 200.0]),
        ("solar - grid", "MWh", [-0.05, -0.2]),
        ("-(grid + solar) / 2", "kWh", [-75.0, -100.0]),
        ("grid / output", "kWh/t", [10.0, np.inf]),
        ("hours(power)", "kWh", [120.0, 138.0]),
        ("hours(1)", "h", [24.0, 23.0]),
        ("grid * factor", "kgce", [12.29, 24.58]),
        ("2 * grid", "kWh", [200.0, 400.0]),
        ("count(stops)", "1", [3.0, 0.0]),
        ("so2 * hours(1)", "mg*h/m3", [720.0, 690.0]),
    ],
)
def test_a_formula_computes_in_units(text: str, unit: str, expected: list[float]):
    assert value(text, unit) == pytest.approx(expected)


def test_the_concentration_at_the_reference_oxygen_content():
    """c * (21 - 9) / (21 - 12) = 30 * 12 / 9; from 21 % of oxygen on it is air, and there is no answer."""
    POINTS["nine"] = number("nine", 9.0, "%")
    assert value("at_oxygen(so2, oxygen, nine)", "mg/m3") == [pytest.approx(40.0), np.inf]
    assert value("at_oxygen(so2, 2 * oxygen, nine)", "mg/m3") == [np.inf, np.inf]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grid + output", "grid is in kWh and output in t, which are different kinds of quantity"),
        ("grid - 2 * output", "grid is in kWh and 2 * output in t"),
        ("grid + hours(so2)", "hours(so2) in"),
        ("grid + power * hours(1) / hours(1)", "power"),
        ("grid * output", "are both totals"),
        ("grid / (1 - 1)", "divides by 1 - 1, which is 0"),
        ("hours(grid)", "grid is a total already"),
        ("hours(power, power)", "takes 1 argument, not 2"),
        ("count(grid + solar)", "takes one point"),
        ("at_oxygen(grid, oxygen, oxygen)", "takes means"),
        ("at_oxygen(so2, 0.21, oxygen)", "0.21 is 21 % of oxygen; flue gas has at least 0 % and less than the 21 %"),
        ("at_oxygen(so2, oxygen, 9)", "9 is 900 % of oxygen"),
        ("wibble", "wibble is unknown"),
        ("wibble(grid)", "not a known function; there are at_oxygen, count, hours"),
        ("grid ** 2", "nothing else"),
        ("grid > 2", "nothing else"),
        ("grid.real", "nothing else"),
        ("grid[0]", "nothing else"),
        ("(lambda: 1)()", "not a known function"),
        ("__import__('os').system('true')", "not a known function"),
        ("'grid'", "nothing else"),
        ("True", "nothing else"),
        ("1e999", "nothing else"),
        ("hours(power, interval=1)", "not a known function"),
        ("grid +", "is not a formula"),
        ("grid\n+ solar; 1", "is not a formula"),
        ("(" * 300 + "grid" + ")" * 300, "at most 400 characters"),
        ("+".join(["1"] * 150), "at most 100 parts"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(text: str, message: str):
    with pytest.raises(FormulaError) as caught:
        compiled(text)
    assert message in str(caught.value)


def test_a_total_and_a_mean_are_not_added_even_in_one_unit():
    POINTS["level"] = point("level", "t", "mean")
    with pytest.raises(FormulaError, match="output is a total of each interval and level a mean"):
        compiled("output + level")


@given(st.text(alphabet="abgrid solar+-*/()0123456789.,e_'\"[]{}:=<>\n\\~!%", max_size=40))
def test_any_text_ends_in_a_quantity_or_a_refusal(text: str):
    with contextlib.suppress(RetroProofError):
        assert isinstance(compiled(text), Quantity)
