"""Units at the boundary: scale factors and checks of dimension, through one pint registry.

Kernels compute in plain floats and integers; a unit is converted once, where a value enters or leaves. Factors are
cached, because pint is slow per call, and the registry is built on first use, because importing pint takes a
quarter of a second. Not handled: scales that begin at different zeros (degC, K, degF), which no factor turns into
each other; they are refused.
"""

from __future__ import annotations

import functools
import re
import threading
from typing import TYPE_CHECKING

from verification.errors import RetroProofError

if TYPE_CHECKING:
    import pint

    UnitLike = pint.Unit
else:
    UnitLike = object  # importing pint takes a quarter of a second

MAX_UNIT_CHARACTERS = 40
# One-digit exponents only: a unit such as m**1e9 is a mistake or an attack.
_TERM = r"\(?(?:1|%|[A-Za-z°Ωµμ][A-Za-z0-9_°Ωµμ%]*)"
_UNIT_TEXT = re.compile(rf"{_TERM}(?:\*\*-?\d|\)|[*/]{_TERM})*")

# A cubic metre of gas at normal conditions is a quantity of its own: how many m3 it fills depends on temperature
# and pressure.
_DEFINITIONS = (
    "normal_cubic_metre = [normal_volume] = Nm3",
    "head = [headcount] = heads = person",
    "CNY = [currency_CNY] = yuan = RMB",
    "piece = [pieces] = pieces = pcs",
    "shift = [shifts] = shifts",
    "wan_yuan = 10000 * CNY",  # 万元, in which Chinese statistics count output value
    # Statistics divide what a calendar year brought by its people: a window of a year has 365 days, seldom 366.
    "year = 8760 * hour = a = yr",
    # Standard coal is a yardstick of its own: how much of it a kWh is worth depends on the coefficient that is chosen.
    "kgce = [standard_coal]",
    "tce = 1000 * kgce",
)

# What a point may be said to measure, with units of each dimension that it can have; the first is the usual one.
QUANTITIES = {
    "energy": ("kWh",),
    "power": ("kW",),
    "output": ("t", "piece", "m2", "m3", "Nm3"),
    "mass": ("t",),
    "volume": ("m3", "Nm3"),
    "flow": ("m3/h", "Nm3/h", "t/h", "piece/h"),
    "concentration": ("mg/m3", "mg/Nm3"),
    "count": ("piece", "1"),
    "staffing": ("head",),
    "cost": ("CNY",),
    "current": ("A",),
    "voltage": ("V",),
    "temperature": ("degC",),
    "pressure": ("bar",),
    "length": ("m",),
    "duration": ("h",),
    "ratio": ("1",),
}
# What is measured at a moment: adding up its values gives nothing, so no counter counts it.
MOMENTARY = ("power", "flow", "concentration", "current", "voltage", "temperature", "pressure")


class UnitError(RetroProofError):
    """A unit that cannot be read, or two units that do not measure the same kind of quantity."""


_BUILDING = threading.Lock()


def _registry() -> pint.UnitRegistry[float]:
    # functools.cache alone lets two threads build one each, and units of two registries cannot be multiplied.
    with _BUILDING:
        return _built_registry()


@functools.cache
def _built_registry() -> pint.UnitRegistry[float]:
    import pint  # noqa: PLC0415 - a quarter of a second, which `retroproof check` need not pay

    # Engineers write m3 and m2; pint wants an exponent. Doing it as text keeps mm3 from becoming a thousandth of a
    # cubic metre.
    exponents = re.compile(r"\b([mcdk]?m)([23])\b")
    kilotonnes = re.compile(r"\bkt\b")  # pint takes it for the knot, but no line has a speed at sea
    # The calorie of the steam tables, in which heat is sold and fuels are rated, not pint's of thermochemistry.
    calories = re.compile(r"\b([kMG]?)cal\b")
    registry: pint.UnitRegistry[float] = pint.UnitRegistry(
        on_redefinition="ignore",
        preprocessors=[
            lambda text: exponents.sub(r"\1**\2", text),
            lambda text: kilotonnes.sub("kilotonne", text),
            lambda text: calories.sub(r"\1cal_it", text),
        ],
    )
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


@functools.cache
def _parse(unit: str) -> pint.Unit:
    if len(unit) > MAX_UNIT_CHARACTERS or not _UNIT_TEXT.fullmatch(unit):
        raise UnitError(f"{unit[:MAX_UNIT_CHARACTERS]!r} is not a unit; write for example kWh, t, kWh/t, mg/m3 or 1")
    try:
        parsed: pint.Unit = _registry().parse_units(unit)
    except Exception as err:
        raise UnitError(f"{unit!r} is not a known unit; write for example kWh, t, kWh/t, mg/m3 or 1") from err
    return parsed


def parse_unit(unit: str) -> UnitLike:
    """The unit that `unit` names, to multiply and divide. Raises UnitError."""
    return _parse(unit)


def unit_text(unit: UnitLike) -> str:
    """A computed unit as text, short: kWh/t; `1` where it is a plain number."""
    return f"{unit:~C}" or "1"


@functools.cache
def unit_factor(source: UnitLike, target: UnitLike) -> float:
    """The factor that turns a value in `source` into one in `target`. Raises UnitError where there is none."""
    import pint  # noqa: PLC0415 - see `_built_registry`

    if source == target:
        return 1.0
    both = f"{unit_text(source)!r} and {unit_text(target)!r}"
    if source.dimensionality != target.dimensionality:
        raise UnitError(f"{both} do not measure the same kind of quantity; they cannot be added or converted")
    try:
        none, one = (float(_registry().Quantity(value, source).to(target).magnitude) for value in (0.0, 1.0))
    except pint.PintError as err:
        raise UnitError(f"{both} cannot be converted: {err}") from err
    if none:
        raise UnitError(f"{both} count from different zeros; write both in one of them")
    return one


def check_unit(unit: str) -> None:
    """Raise UnitError unless `unit` can be read."""
    _parse(unit)


def same_kind(unit: str, other: str) -> bool:
    """Whether both measure one kind of quantity, be it from different zeros. Raises UnitError for what is no unit."""
    return bool(_parse(unit).dimensionality == _parse(other).dimensionality)


@functools.cache
def same_dimension(unit: str, other: str) -> bool:
    """Whether values in `unit` and in `other` may be added. Raises UnitError for a unit that cannot be read."""
    one, another = _parse(unit), _parse(other)
    try:
        unit_factor(one, another)
    except UnitError:
        return False
    return True


def quantities_of(unit: str) -> list[str]:
    """The quantities that can be measured in `unit`, the most specific first. Raises UnitError."""
    return [name for name, units in QUANTITIES.items() if any(same_kind(unit, one) for one in units)]


def check_quantity(unit: str, quantity: str) -> None:
    """Raise UnitError, saying what fits, unless values of `quantity` (a key of QUANTITIES) can be in `unit`."""
    found = quantities_of(unit)
    if quantity not in found:
        what = f"a unit of {' or '.join(found)}" if found else "of another kind"
        raise UnitError(f"{unit!r} is {what}, and no unit of {quantity}; write for example {QUANTITIES[quantity][0]}")


@functools.cache
def scale_factor(source: str, target: str) -> float:
    """The factor that turns a value in `source` into one in `target`. Raises UnitError, naming both, where they do
    not fit.
    """
    if not same_kind(source, target):
        raise UnitError(
            f"{source!r} and {target!r} do not measure the same kind of quantity "
            f"({_parse(source).dimensionality} against {_parse(target).dimensionality}); they cannot be added or "
            f"converted"
        )
    return unit_factor(_parse(source), _parse(target))
