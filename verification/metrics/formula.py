"""The checked language in which a metric is defined: + - * / and parentheses over named quantities with units.

A formula is text that becomes a tree, never code that is run: whatever is not listed here is refused. Every term
carries its unit and its extent (a `total` grows with the length of an interval, a `mean` does not), so that kWh + t
and a total + a mean are refused by name before any number is seen. Light: the numbers that flow through may be floats
or arrays, and nothing here imports numpy.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from verification.errors import RetroProofError
from verification.units import UnitError, UnitLike, parse_unit, unit_factor, unit_text

MAX_CHARACTERS = 400
MAX_NODES = 100
MAX_NUMBER = 1e18
AIR_OXYGEN_PERCENT = 21.0  # GB 13223-2011, 5.2: c = c' * (21 - O2 of reference) / (21 - O2 as measured)

Extent = Literal["total", "mean", "number"]


class FormulaError(RetroProofError):
    """A formula that cannot be read, or whose terms do not fit each other."""


@dataclasses.dataclass(frozen=True)
class Intervals:
    """What a formula is evaluated on: each point's value by interval, its number of readings, and the hours."""

    values: Mapping[str, Any]
    counts: Mapping[str, Any]
    hours: Any


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A term that has been checked. `evaluate` gives its value on intervals, in `unit`; `points` are what it reads.

    `bent` is the first part of it, as text, that multiplies or divides what readings say by what readings say: of an
    interval's means and totals it is not the mean or total of what it is of every moment. `oxygen` are those of the
    points that it takes for the oxygen content of flue gas.
    """

    text: str
    unit: UnitLike
    extent: Extent
    points: frozenset[str]
    evaluate: Callable[[Intervals], Any]
    bent: str = ""
    oxygen: frozenset[str] = frozenset()

    def to(self, unit: str) -> Quantity:
        """The same quantity in another unit. Raises FormulaError, naming the term, where that is of another kind."""
        try:
            factor = unit_factor(self.unit, parse_unit(unit))
        except UnitError as err:
            raise FormulaError(f"{self.text}: {err}") from err
        return dataclasses.replace(self, unit=parse_unit(unit), evaluate=_scaled(self.evaluate, factor))

    @property
    def unit_text(self) -> str:
        """The unit as text."""
        return unit_text(self.unit)


_NOTHING = Intervals({}, {}, 0.0)  # what a constant is evaluated on
Resolve = Callable[[str], Quantity]  # the quantity behind a name; raises FormulaError for an unknown one


def number(text: str, value: float, unit: str = "1") -> Quantity:
    """A constant."""
    return Quantity(text, parse_unit(unit), "number", frozenset(), lambda _: value)


def constant(name: str, value: float, unit: str) -> Quantity:
    """A constant by name, which the values of the intervals may give another value."""
    return Quantity(name, parse_unit(unit), "number", frozenset(), lambda on: on.values.get(name, value))


def point(name: str, unit: str, extent: Extent) -> Quantity:
    """The value of a point by interval."""
    return Quantity(name, parse_unit(unit), extent, frozenset([name]), lambda on: on.values[name])


def names_in(text: str) -> list[str]:
    """The names that `text` uses, each once, in order. Raises FormulaError."""
    found = [node for node in ast.walk(_parse(text)) if isinstance(node, ast.Name)]
    functions = {id(node.func) for node in ast.walk(_parse(text)) if isinstance(node, ast.Call)}
    return list(dict.fromkeys(node.id for node in found if id(node) not in functions and node.id not in FUNCTIONS))


def compile_formula(text: str, resolve: Resolve) -> Quantity:
    """The quantity that `text` defines. Raises FormulaError, naming the term that does not fit."""
    return _Checker(text, resolve).check(_parse(text))


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(f"a formula has at most {MAX_CHARACTERS} characters, this has {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        raise FormulaError(f"{text!r} is not a formula; write for example (grid + solar) / 1000") from err
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise FormulaError(f"a formula has at most {MAX_NODES} parts; split {text[:40]!r} into inputs")
    return tree.body


class _Checker:
    """Walks the tree of one formula."""

    def __init__(self, text: str, resolve: Resolve) -> None:
        self._text = text.strip()
        self._resolve = resolve

    def check(self, node: ast.expr) -> Quantity:
        shown = ast.get_source_segment(self._text, node) or ast.unparse(node)
        match node:
            case ast.Name(id=name):
                return self._resolve(name)
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as value) if abs(value) < MAX_NUMBER:
                return number(shown, float(value))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                inner = self.check(operand)
                sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
                return dataclasses.replace(inner, text=shown, evaluate=_scaled(inner.evaluate, sign))
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                return _sum(shown, self.check(left), self.check(right), sign=1.0 if isinstance(op, ast.Add) else -1.0)
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
                return _product(shown, self.check(left), self.check(right), divide=isinstance(op, ast.Div))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return FUNCTIONS[name](shown, [self.check(argument) for argument in arguments])
            case ast.Call():
                raise FormulaError(f"{shown}: not a known function; there are {', '.join(sorted(FUNCTIONS))}")
        raise FormulaError(f"{shown}: a formula has names, numbers, + - * / and parentheses, nothing else")


def _scaled(evaluate: Callable[[Intervals], Any], factor: float) -> Callable[[Intervals], Any]:
    return evaluate if factor == 1.0 else lambda on: evaluate(on) * factor


def _sum(text: str, left: Quantity, right: Quantity, *, sign: float) -> Quantity:
    """A sum or difference, in the unit of its left term."""
    try:
        factor = sign * unit_factor(right.unit, left.unit)
    except UnitError:
        raise FormulaError(
            f"{text}: {left.text} is in {left.unit_text} and {right.text} in {right.unit_text}, "
            f"which are different kinds of quantity and cannot be added"
        ) from None
    if {left.extent, right.extent} == {"total", "mean"}:
        total, mean = (left, right) if left.extent == "total" else (right, left)
        raise FormulaError(
            f"{text}: {total.text} is a total of each interval and {mean.text} a mean over it; they cannot be added. "
            f"hours({mean.text}) makes a total of a rate per hour"
        )
    extent = left.extent if left.extent != "number" else right.extent
    first, second = left.evaluate, _scaled(right.evaluate, factor)
    points, bent, oxygen = left.points | right.points, left.bent or right.bent, left.oxygen | right.oxygen
    return Quantity(text, left.unit, extent, points, lambda on: first(on) + second(on), bent, oxygen)


def _product(text: str, left: Quantity, right: Quantity, *, divide: bool) -> Quantity:
    """A product or quotient: total*mean is a total, total/total a mean."""
    extents = (left.extent, right.extent)
    first, second = left.evaluate, right.evaluate
    points, oxygen = left.points | right.points, left.oxygen | right.oxygen
    bent = left.bent or right.bent or (text if left.points and right.points else "")
    if divide:
        if right.extent == "number" and second(_NOTHING) == 0:
            raise FormulaError(f"{text}: divides by {right.text}, which is 0")
        extent: Extent = _QUOTIENT[extents]
        return Quantity(text, left.unit / right.unit, extent, points, lambda on: first(on) / second(on), bent, oxygen)
    if extents == ("total", "total"):
        raise FormulaError(
            f"{text}: {left.text} and {right.text} are both totals of an interval; their product is none"
        )
    extent = "total" if "total" in extents else "mean" if "mean" in extents else "number"
    return Quantity(text, left.unit * right.unit, extent, points, lambda on: first(on) * second(on), bent, oxygen)


_QUOTIENT: dict[tuple[Extent, Extent], Extent] = {
    ("number", "number"): "number",
    ("number", "mean"): "mean",
    ("number", "total"): "mean",
    ("mean", "number"): "mean",
    ("mean", "mean"): "mean",
    ("mean", "total"): "mean",
    ("total", "number"): "total",
    ("total", "mean"): "total",
    ("total", "total"): "mean",
}


def _arguments(text: str, arguments: Sequence[Quantity], count: int) -> None:
    if len(arguments) != count:
        raise FormulaError(f"{text}: takes {count} argument{'s' if count > 1 else ''}, not {len(arguments)}")


def _hours(text: str, arguments: Sequence[Quantity]) -> Quantity:
    """The integral of a rate over the interval: its mean times the hours."""
    _arguments(text, arguments, 1)
    rate = arguments[0]
    if rate.extent == "total":
        raise FormulaError(f"{text}: {rate.text} is a total already; hours() is for a gauge, a state or a number")
    unit = rate.unit * parse_unit("h")
    return Quantity(text, unit, "total", rate.points, lambda on: rate.evaluate(on) * on.hours, rate.bent, rate.oxygen)


def _count(text: str, arguments: Sequence[Quantity]) -> Quantity:
    """The number of readings of a point in the interval: of an event point, how often it happened."""
    _arguments(text, arguments, 1)
    if len(arguments[0].points) != 1:
        raise FormulaError(f"{text}: takes one point")
    (name,) = arguments[0].points
    return Quantity(text, parse_unit("1"), "total", arguments[0].points, lambda on: on.counts[name])


def _at_oxygen(text: str, arguments: Sequence[Quantity]) -> Quantity:
    """A concentration in flue gas at the reference oxygen content: c * (21 - reference) / (21 - oxygen); infinite where
    as much oxygen as in air, or more, is measured: nothing burns there.
    """
    _arguments(text, arguments, 3)
    concentration, oxygen, reference = arguments
    measured, wanted = oxygen.to("%"), reference.to("%")
    if any(part.extent == "total" for part in arguments):
        raise FormulaError(f"{text}: takes means of an interval, not totals")
    for content in (measured, wanted):
        if content.extent == "number" and not 0 <= (percent := content.evaluate(_NOTHING)) < AIR_OXYGEN_PERCENT:
            raise FormulaError(
                f"{text}: {content.text} is {percent:g} % of oxygen; flue gas has at least 0 % and less than the "
                f"{AIR_OXYGEN_PERCENT:g} % of air"
            )

    def evaluate(on: Intervals) -> Any:  # noqa: ANN401 - a float or an array
        below_air = AIR_OXYGEN_PERCENT - measured.evaluate(on)
        factor = (AIR_OXYGEN_PERCENT - wanted.evaluate(on)) / ((below_air + abs(below_air)) / 2)  # not below 0
        return concentration.evaluate(on) * factor

    points = concentration.points | oxygen.points | reference.points
    bent = concentration.bent or (text if oxygen.points else "")
    alone = frozenset({oxygen.text} & oxygen.points)  # a formula may take its points for anything
    return Quantity(text, concentration.unit, "mean", points, evaluate, bent, alone | concentration.oxygen)


FUNCTIONS: dict[str, Callable[[str, Sequence[Quantity]], Quantity]] = {
    "hours": _hours,
    "count": _count,
    "at_oxygen": _at_oxygen,
}
