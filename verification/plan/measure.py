"""A measure of a plan, resolved: its numerator, denominator and drivers as checked formulas over the plan's points.

Owns how names are found (a measure's inputs and parameters, then coefficients, then points) and in which unit each
part is stated. Light: pint, but no numpy; the formulas take floats or arrays.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from verification.errors import ConfigError
from verification.fields import Text
from verification.metrics.catalogue import CATALOGUE_VERSION, Better, MetricDefinition, catalogue
from verification.metrics.formula import Extent, FormulaError, Quantity, compile_formula, number, point
from verification.model import PointKind
from verification.plan.shape import InlineMetric, Measure, Plan
from verification.units import UnitError, scale_factor

EXTENTS: dict[PointKind, Extent] = {
    PointKind.COUNTER: "total",
    PointKind.INTERVAL_TOTAL: "total",
    PointKind.GAUGE: "mean",
    PointKind.STATE: "mean",
}
PART_DECIMALS = 6  # of a part of a metric that the plan itself defines
Path = tuple[str | int, ...]


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
class MeasureSpec:
    """Everything that the engine needs to know of a measure, apart from its model and target in `measure`.

    `needs_numerator`: the line cannot produce an interval's denominator with a numerator of 0 (energy, staff).
    A figure in the metric's unit is one in `kernel_unit` (numerator per denominator) times `unit_scale`, stated with
    `decimals` places. Without a denominator the metric is a mean over the intervals.
    """

    name: str
    measure: Measure
    metric_id: str
    catalogue_version: int | None
    formula: str
    unit: str
    decimals: int
    better: Better
    boundary: Text
    needs_numerator: bool
    numerator: Part
    denominator: Part | None
    drivers: tuple[Driver, ...]

    @property
    def kernel_unit(self) -> str:
        """The unit of numerator per denominator."""
        if self.denominator is None:
            return self.numerator.unit
        return (
            self.numerator.unit if self.denominator.unit == "1" else _over(self.numerator.unit, self.denominator.unit)
        )

    @property
    def unit_scale(self) -> float:
        """What a figure in the kernel unit is multiplied by to be in the metric's unit."""
        return scale_factor(self.kernel_unit, self.unit)

    @property
    def points(self) -> tuple[str, ...]:
        """The points that the measure reads, in order of name."""
        parts = [self.numerator.formula, *(driver.formula for driver in self.drivers)]
        parts += [self.denominator.formula] if self.denominator else []
        return tuple(sorted(frozenset().union(*(part.points for part in parts))))


def measure_spec(plan: Plan, name: str) -> MeasureSpec:
    """Resolve one measure. Raises PlanError, which names the key."""
    return _Resolver(plan, name).spec()


class _Resolver:
    """Resolves the names of one measure."""

    def __init__(self, plan: Plan, name: str) -> None:
        self._plan, self._name = plan, name
        self._measure = plan.measures[name]
        self._path: Path = ("measures", name)

    def spec(self) -> MeasureSpec:
        measure = self._measure
        if isinstance(measure.metric, InlineMetric):
            return self._inline(measure.metric)
        definition = catalogue().metrics.get(measure.metric)
        if definition is None:
            raise self._error(
                ("metric",), f"{measure.metric} is not in the catalogue ({', '.join(sorted(catalogue().metrics))})"
            )
        return self._catalogued(measure.metric, definition)

    def _catalogued(self, metric_id: str, definition: MetricDefinition) -> MeasureSpec:
        roles = self._roles(metric_id, definition)

        def name(text: str) -> Quantity:
            return roles[text] if text in roles else self._parameter(definition, text)

        numerator = self._part(("metric",), definition.numerator, name, definition.numerator_unit)
        denominator = None
        if definition.denominator is not None and definition.denominator_unit is not None:
            part = self._part(("metric",), definition.denominator, name, definition.denominator_unit)
            denominator = Part(part, definition.denominator_unit, definition.denominator_decimals)
        scale = self._scale(definition.unit, self._measure.unit)
        return MeasureSpec(
            name=self._name,
            measure=self._measure,
            metric_id=metric_id,
            catalogue_version=CATALOGUE_VERSION,
            formula=_shown(definition.numerator, definition.denominator),
            unit=self._measure.unit,
            decimals=max(0, definition.decimals - round(math.log10(scale))),
            better=definition.better,
            boundary=self._boundary(definition),
            needs_numerator=definition.needs_numerator,
            numerator=Part(numerator, definition.numerator_unit, definition.numerator_decimals),
            denominator=denominator,
            drivers=self._drivers(roles, denominator),
        )

    def _inline(self, metric: InlineMetric) -> MeasureSpec:
        inputs = {role: self._input(role, text) for role, text in self._measure.inputs.items()}
        numerator = self._inline_part("numerator", metric.numerator, inputs, metric.numerator_unit)
        denominator = None
        if metric.denominator is not None:
            denominator = self._inline_part("denominator", metric.denominator, inputs, metric.denominator_unit)
        spec = MeasureSpec(
            name=self._name,
            measure=self._measure,
            metric_id="inline",
            catalogue_version=None,
            formula=_shown(metric.numerator, metric.denominator),
            unit=self._measure.unit,
            decimals=metric.decimals,
            better=metric.better,
            boundary=self._boundary(None),
            needs_numerator=False,
            numerator=numerator,
            denominator=denominator,
            drivers=self._drivers(inputs, denominator),
        )
        self._scale(spec.kernel_unit, spec.unit)
        return spec

    def _inline_part(self, label: str, text: str, inputs: dict[str, Quantity], unit: str | None) -> Part:
        formula = self._compile(("metric", label), text, lambda name: self._known(name, inputs))
        if unit is not None:
            formula = self._converted(("metric", f"{label}_unit"), formula, unit)
        return Part(formula, unit or formula.unit_text, PART_DECIMALS)

    def _roles(self, metric_id: str, definition: MetricDefinition) -> dict[str, Quantity]:
        """The quantities behind the metric's roles, each in its role's unit and of its kind."""
        given = self._measure.inputs
        for role in given:
            if role not in definition.roles:
                raise self._error(
                    ("inputs", role), f"{metric_id} has no input {role} ({', '.join(sorted(definition.roles))})"
                )
        found: dict[str, Quantity] = {}
        for role, wanted in definition.roles.items():
            if role not in given:
                raise self._error(("inputs",), f"{metric_id} needs the input {role}, a {wanted.kind} in {wanted.unit}")
            quantity = self._input(role, given[role])
            if quantity.extent not in (wanted.kind, "number"):
                raise self._error(("inputs", role), _other_kind(self._kind(given[role]), given[role], wanted.kind))
            found[role] = self._converted(("inputs", role), quantity, wanted.unit)
        return found

    def _kind(self, text: str) -> str:
        """What an input is, for a message."""
        if text in self._plan.points:
            return f"a {self._plan.points[text].kind}"
        return "of another kind"

    def _input(self, role: str, text: str) -> Quantity:
        return self._compile(("inputs", role), text, self._point)

    def _parameter(self, definition: MetricDefinition, name: str) -> Quantity:
        parameter = definition.parameters.get(name)
        if parameter is None:
            raise FormulaError(f"{name} is neither an input nor a parameter of the metric")
        value = self._measure.parameters.get(name, parameter.value)
        if value is None:
            raise self._error(("parameters",), f"the metric needs the parameter {name}, in {parameter.unit}")
        return number(name, value, parameter.unit)

    def _drivers(self, inputs: dict[str, Quantity], denominator: Part | None) -> tuple[Driver, ...]:
        found = []
        for index, text in enumerate(self._measure.model.drivers):
            path = ("model", "drivers", index)
            formula = self._compile(path, text, lambda name: self._known(name, inputs))
            is_output = denominator is not None and _same(formula, denominator.formula)
            if is_output and denominator is not None:
                found.append(Driver(text, denominator.unit, denominator.formula, is_denominator=True))
            else:
                unit = self._plan.points[text].unit if text in self._plan.points else formula.unit_text
                found.append(Driver(text, unit, formula, is_denominator=False))
        return tuple(found)

    def _known(self, name: str, inputs: dict[str, Quantity]) -> Quantity:
        return inputs[name] if name in inputs else self._point(name)

    def _point(self, name: str) -> Quantity:
        if name not in self._plan.points:
            raise FormulaError(f"{name} is not under points ({', '.join(sorted(self._plan.points)) or 'none there'})")
        about = self._plan.points[name]
        return point(name, about.unit, EXTENTS[about.kind])

    def _compile(self, path: Path, text: str, resolve: Callable[[str], Quantity]) -> Quantity:
        """A name stands for itself even where it has characters that a formula would read as signs."""
        try:
            return resolve(text) if text in self._plan.points else compile_formula(text, resolve)
        except (FormulaError, UnitError) as err:
            raise self._error(path, str(err)) from err

    def _part(self, path: Path, text: str, resolve: Callable[[str], Quantity], unit: str) -> Quantity:
        return self._converted(path, self._compile(path, text, resolve), unit)

    def _converted(self, path: Path, quantity: Quantity, unit: str) -> Quantity:
        try:
            return quantity.to(unit)
        except (FormulaError, UnitError) as err:
            raise self._error(path, str(err)) from err

    def _scale(self, source: str, unit: str) -> float:
        try:
            return scale_factor(source, unit)
        except UnitError as err:
            raise self._error(("unit",), str(err)) from err

    def _boundary(self, definition: MetricDefinition | None) -> Text:
        boundary = self._measure.boundary
        if isinstance(boundary, Text):
            return boundary
        known = definition.boundaries if definition else {}
        if boundary not in known:
            raise self._error(
                ("boundary",),
                f"{boundary} is not a boundary of the metric ({', '.join(sorted(known)) or 'it has none'}); "
                "write it out in en and zh",
            )
        return known[boundary]

    def _error(self, path: Path, message: str) -> PlanError:
        return PlanError((*self._path, *path), message)


def _other_kind(kind: str, text: str, wanted: str) -> str:
    if wanted == "total":
        return f"{text} is {kind}; a counter or an interval_total is needed, or hours({text}) of a rate per hour"
    return f"{text} is {kind}; a gauge or a state is needed"


def _same(left: Quantity, right: Quantity) -> bool:
    """Whether two formulas are the same quantity: the same text after its names were resolved, over the same points."""
    return left.points == right.points and left.text == right.text


def _shown(numerator: str, denominator: str | None) -> str:
    if denominator is None:
        return numerator
    return " / ".join(text if text.isidentifier() else f"({text})" for text in (numerator, denominator))


def _over(numerator: str, denominator: str) -> str:
    if denominator == "1":
        return numerator
    simple = denominator.replace("_", "").isalnum()
    return f"{numerator}/{denominator}" if simple else f"{numerator}/({denominator})"
