"""A measure of a plan, resolved: its numerator, denominator and drivers as checked formulas over the plan's points.

What the engine works on. Light: pint, but no numpy; the formulas take floats or arrays. How names are found is in
`resolve.py`.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from verification.errors import ConfigError
from verification.fields import Text
from verification.metrics.catalogue import Better
from verification.metrics.formula import Quantity
from verification.plan.shape import Measure
from verification.units import scale_factor

Path = tuple[str | int, ...]
OUTPUT = "output"  # the denominator among the drivers at hand, where the plan's model does not name it


class PlanError(ConfigError):
    """What is wrong with a plan, and at which key of version 2."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclasses.dataclass(frozen=True)
class Part:
    """Numerator or denominator: a formula in `unit`, each interval rounded to `decimals` places of it."""

    formula: Quantity
    unit: str
    decimals: int


@dataclasses.dataclass(frozen=True)
class Driver:
    """A driver of the model by its name in the plan. `is_denominator`: it is the metric's own output."""

    name: str
    unit: str
    formula: Quantity
    is_denominator: bool


@dataclasses.dataclass(frozen=True)
class Constant:
    """A coefficient or parameter that a measure's formulas use, and its edition ("plan" for a plan's own)."""

    name: str
    value: str
    unit: str
    version: str


@dataclasses.dataclass(frozen=True)
class MeasureSpec:
    """Everything that the engine needs to know of a measure, apart from its model and target in `measure`.

    `needs_numerator`: the line cannot produce an interval's denominator with a numerator of 0 (energy, staff).
    `activity`: the part of the metric that shows whether the line ran at all.
    A figure in the metric's unit is one in `kernel_unit` (numerator per denominator) times `unit_scale`, stated with
    `decimals` places. Without a denominator the metric is a mean over the intervals.
    """

    name: str
    measure: Measure
    metric_id: str
    title: Text
    catalogue_version: int | None
    formula: str
    constants: tuple[Constant, ...]
    unit: str
    decimals: int
    better: Better
    boundary: Text
    needs_numerator: bool
    activity: Literal["numerator", "denominator", "neither"]
    numerator: Part
    denominator: Part | None
    drivers: tuple[Driver, ...]
    alternatives: tuple[Driver, ...]
    category_points: tuple[str, ...] = ()

    @property
    def kernel_unit(self) -> str:
        """The unit of numerator per denominator."""
        return kernel_unit(self.numerator.unit, self.denominator.unit if self.denominator else None)

    @property
    def unit_scale(self) -> float:
        """What a figure in the kernel unit is multiplied by to be in the metric's unit."""
        return scale_factor(self.kernel_unit, self.unit)

    @property
    def is_share(self) -> bool:
        """Whether numerator and denominator count the same, so that the metric is the part of a whole."""
        return self.denominator is not None and self.numerator.unit == self.denominator.unit

    @property
    def points(self) -> tuple[str, ...]:
        """The points that the measure reads, in order of name."""
        parts = [self.numerator.formula, *(driver.formula for driver in self.drivers)]
        parts += [self.denominator.formula] if self.denominator else []
        return tuple(sorted(frozenset(self.category_points).union(*(part.points for part in parts))))


def kernel_unit(numerator: str, denominator: str | None) -> str:
    """The unit of numerator per denominator, as text."""
    if denominator is None or denominator == "1":
        return numerator
    simple = denominator.replace("_", "").isalnum()
    return f"{numerator}/{denominator}" if simple else f"{numerator}/({denominator})"
