"""Numbers leave as decimals: fixed places, no exponent, no negative zero; U to two digits and the value to match."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.engine.rounding import fixed, reported, short, significant


@pytest.mark.parametrize(
    ("value", "uncertainty", "shown"),
    [
        # GUM H.3: intercept and slope of the thermometer calibration, and its correction at 30 degrees.
        ("-0.171238", "0.002877", ("-0.1712", "0.0029")),
        ("0.0021826", "0.00066788", ("0.00218", "0.00067")),
        ("-0.149375", "0.0041380", ("-0.1494", "0.0041")),
        ("-232.4706", "18.3079", ("-232", "18")),
        ("-260.0000", "9.9600", ("-260", "10")),  # 9.96 rounds to 10.0, which would be three digits
        ("-260.0000", "9.9400", ("-260.0", "9.9")),
        ("13456.0", "1234.0", ("13500", "1200")),
        ("0.4000", "12.0000", ("0", "12")),
        ("-0.4000", "12.0000", ("0", "12")),
        ("2.5000", "10.5000", ("2", "10")),  # half to even
        ("-260.1234", "0.0000", ("-260.1234", "0.0000")),
    ],
)
def test_the_gum_rule(value: str, uncertainty: str, shown: tuple[str, str]):
    assert reported(Decimal(value), Decimal(uncertainty)) == shown


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.125, 2, "0.12"),
        (0.375, 2, "0.38"),
        (-0.00001, 4, "0.0000"),
        (1e15, 1, "1000000000000000.0"),
        (2.5, 0, "2"),
    ],
)
def test_fixed_places(value: float, decimals: int, text: str):
    assert fixed(value, decimals) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float):
    with pytest.raises(ValueError, match="cannot be stated"):
        fixed(value, 4)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (123456.0, "120000"), (-0.000123456, "-0.00012"), (1e-9, "0.0000000010")]
)
def test_significant_digits(value: float, text: str):
    assert significant(value, 2) == text


@pytest.mark.parametrize(
    ("value", "text"), [("-200.0000", "-200"), ("0.0000", "0"), ("-200.5000", "-200.5"), ("1E+2", "100")]
)
def test_a_short_number_has_no_zeros_at_its_end(value: str, text: str):
    assert short(Decimal(value)) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 15))
def test_significant_digits_are_those_of_the_scientific_form_without_its_exponent(value: float, digits: int):
    expected = "0" if value == 0 else f"{Decimal(f'{value:.{digits - 1}e}'):f}"
    assert significant(value, digits) == expected
