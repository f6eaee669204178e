"""Units convert by exact factors, and what does not fit is refused by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from verification.units import (
    QUANTITIES,
    UnitError,
    check_quantity,
    check_unit,
    quantities_of,
    same_dimension,
    same_kind,
    scale_factor,
)


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("kWh", "Wh", 1000),
        ("MWh", "kWh", 1000),
        ("t", "g", 1e6),
        ("kt", "t", 1000),
        ("GJ/kt", "MJ/t", 1),
        ("kg", "t", 0.001),
        ("kWh/t", "kWh/t", 1),
        ("kWh/t", "MWh/t", 0.001),
        ("kJ/kg", "kWh/t", 1 / 3.6),
        ("mg/m3", "g/m3", 0.001),
        ("mm3", "m3", 1e-9),
        ("yuan", "CNY", 1),
        ("kcal", "kJ", 4.1868),  # GB/T 2589: 7000 of these are 29 307 kJ, a kgce
        ("Gcal/t", "GJ/t", 4.1868),
        ("toe", "Gcal", 10),
        ("toe", "kWh", 11_630),
        ("kWh", "kcal", 3600 / 4.1868),
        ("year", "h", 8760),
        ("%", "1", 0.01),
    ],
)
def test_known_factors(source: str, target: str, factor: float):
    assert scale_factor(source, target) == pytest.approx(factor, rel=1e-15)


def test_a_ton_is_a_metric_ton():
    assert scale_factor("t", "kg") == 1000


@pytest.mark.parametrize(
    ("source", "target"), [("kWh", "t"), ("Nm3", "m3"), ("head", "1"), ("CNY", "1"), ("kW", "kWh")]
)
def test_units_that_do_not_fit_are_refused_naming_both(source: str, target: str):
    with pytest.raises(UnitError, match=f"'{source}' and '{target}'"):
        scale_factor(source, target)
    assert not same_dimension(source, target)


@pytest.mark.parametrize(("source", "target"), [("K", "degC"), ("degF", "degC"), ("degC", "K")])
def test_temperatures_from_different_zeros_have_no_factor(source: str, target: str):
    """1 K is -272.15 degC: a point in K multiplied by that would be off without a word."""
    with pytest.raises(UnitError, match="count from different zeros; write both in one of them"):
        scale_factor(source, target)
    assert not same_dimension(source, target)
    assert same_kind(source, target)
    assert scale_factor(source, source) == 1
    assert scale_factor(f"kWh/{source}", f"Wh/{source}") == 1000


@pytest.mark.parametrize("unit", ["", "kWh +", "kWh/t/", "m**1e9", "kilowhat", "1" * 41, "__import__('os')", "kWh;t"])
def test_what_is_no_unit_is_refused(unit: str):
    with pytest.raises(UnitError):
        check_unit(unit)


@pytest.mark.parametrize(
    "unit", ["1", "%", "kWh", "kWh/t", "mg/Nm3", "degC", "head", "yuan", "kWh/(t*h)", "kA", "m**3"]
)
def test_usual_units_are_read(unit: str):
    check_unit(unit)


def test_importing_the_module_does_not_load_pint():
    code = "import sys, verification.units; sys.exit('pint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("unit", "quantity"),
    [
        ("MWh", "energy"),
        ("GJ", "energy"),
        ("pcs", "output"),
        ("km2", "output"),
        ("ug/m3", "concentration"),
        ("%", "ratio"),
    ],
)
def test_a_unit_suits_every_quantity_that_is_measured_in_it(unit: str, quantity: str):
    check_quantity(unit, quantity)


@pytest.mark.parametrize(
    ("unit", "quantity", "message"),
    [
        ("kW", "energy", "'kW' is a unit of power, and no unit of energy; write for example kWh"),
        ("m", "output", "'m' is a unit of length, and no unit of output; write for example t"),
        ("kWh", "power", "'kWh' is a unit of energy, and no unit of power; write for example kW"),
        ("m**4", "volume", "'m**4' is of another kind, and no unit of volume; write for example m3"),
    ],
)
def test_a_unit_of_another_quantity_is_refused_saying_what_it_is(unit: str, quantity: str, message: str):
    with pytest.raises(UnitError) as caught:
        check_quantity(unit, quantity)
    assert str(caught.value) == message


def test_every_quantity_can_be_measured_in_the_units_that_it_names():
    assert all(name in quantities_of(unit) for name, units in QUANTITIES.items() for unit in units)
