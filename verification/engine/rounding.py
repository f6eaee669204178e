"""Numbers that leave the engine: decimal strings at a stated precision, and the GUM rule for reporting a value with
its U.

Rounding is half to even, always on the decimal that is shown in full beside it, so that a reader can repeat it by hand.
"""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

UNCERTAINTY_DIGITS = 2  # GUM 7.2.6: at most two significant digits
ARITHMETIC_ERROR = 1e-10  # relative: how far a sum over many intervals may be off in double precision
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


def fixed(value: float | Decimal, decimals: int) -> str:
    """`value` with `decimals` places, without exponent and without a negative zero."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be stated in decimals")
    number = Decimal(value).quantize(Decimal(1).scaleb(-decimals), context=_WIDE)
    return f"{abs(number) if number == 0 else number:f}"


def counted(count: int, decimals: int) -> str:
    """A whole number of units of the last of `decimals` places, as a decimal: 12345 with 3 places is 12.345."""
    if decimals == 0:
        return str(count)
    digits = str(abs(count)).zfill(decimals + 1)
    return f"{'-' if count < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"


def significant(value: float, digits: int) -> str:
    """`value` with `digits` significant digits, without exponent."""
    if value == 0:
        return "0"
    text = f"{value:#.{digits}g}"
    return f"{Decimal(text):f}" if "e" in text else text.rstrip(".")


def short(value: Decimal) -> str:
    """`value` without the zeros at its end: -200.0000 as -200."""
    return _plain(
        value.quantize(Decimal(1), context=_WIDE) if value == value.to_integral_value() else value.normalize()
    )


def reported(value: Decimal, expanded_uncertainty: Decimal) -> tuple[str, str]:
    """Value and U as a report states them (GUM 7.2.6): U to two significant digits, to nearest; the value to the
    same place.

    Where U is zero there is no place to round to, and both are stated as they are.
    """
    if expanded_uncertainty == 0:
        return f"{value:f}", f"{expanded_uncertainty:f}"
    place = expanded_uncertainty.adjusted() - UNCERTAINTY_DIGITS + 1
    shown = expanded_uncertainty.quantize(Decimal(1).scaleb(place), context=_WIDE)
    if shown.adjusted() > expanded_uncertainty.adjusted():  # 99.6 became 100: one digit too many
        place += 1
        shown = expanded_uncertainty.quantize(Decimal(1).scaleb(place), context=_WIDE)
    rounded = value.quantize(Decimal(1).scaleb(place), context=_WIDE)
    return _plain(rounded), _plain(shown)


def round_to_sum(steps: list[float], total: float, decimals: int) -> list[Decimal]:
    """The steps at `decimals` places so that they add up to the rounded `total`, each within one unit of its last
    place.

    Raises ArithmeticError where the steps themselves do not close on `total` within a quarter of a unit, or within the
    arithmetic's own error where they are so large that it is more: that is a mistake in the engine, and rounding must
    not hide it.
    """
    unit = Decimal(1).scaleb(-decimals)
    exact = [Decimal(step) for step in steps]
    open_by, largest = math.fsum([*steps, -total]), max(range(len(steps)), key=lambda index: abs(steps[index]))
    if abs(open_by) > max(float(unit) / 4, ARITHMETIC_ERROR * abs(steps[largest])):
        raise ArithmeticError(f"the bridge does not close: {steps} do not add up to {total}")
    if abs(open_by) > float(unit) / 4:
        exact[largest] -= Decimal(open_by)
    floors = [step.quantize(unit, rounding=ROUND_FLOOR) for step in exact]
    short = int((Decimal(total).quantize(unit) - sum(floors)) / unit)
    # Largest remainders go up first; there are at most as many units to give as there are steps.
    by_remainder = sorted(range(len(steps)), key=lambda index: floors[index] - exact[index])
    for index in by_remainder[:short]:
        floors[index] += unit
    return floors


def _plain(number: Decimal) -> str:
    """Without exponent (1.2E+3 as 1200) and without a negative zero."""
    return f"{abs(number) if number == 0 else number:f}"
