"""Resolves a measure of a plan: finds what each name stands for and checks that units and kinds fit.

A metric's formula may name its roles, its parameters and the coefficients; what a plan writes may name points, and
in a metric or driver of its own also the measure's inputs and the coefficients. Every refusal names the key.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Literal

from verification.fields import Text
from verification.metrics.catalogue import (
    CATALOGUE_VERSION,
    COEFFICIENT_VERSIONS,
    LIMITS_VERSION,
    OXYGEN_REFERENCE,
    MetricDefinition,
    Role,
    catalogue,
    coefficients,
    limits,
)
from verification.metrics.formula import Extent, FormulaError, Quantity, compile_formula, constant, number, point
from verification.model import PointKind
from verification.plan.measure import Constant, Driver, MeasureSpec, Part, Path, PlanError, kernel_unit
from verification.plan.shape import Adjustment, InlineMetric, Plan
from verification.units import UnitError, scale_factor

EXTENTS: dict[PointKind, Extent] = {
    PointKind.COUNTER: "total",
    PointKind.INTERVAL_TOTAL: "total",
    PointKind.EVENT: "total",
    PointKind.GAUGE: "mean",
    PointKind.STATE: "mean",
}
CALENDAR_CATEGORIES = ("month", "shift", "weekday")
PART_DECIMALS = 6  # of a part of a metric that the plan itself defines; of a mean at least those of its figures
CODES = (PointKind.GAUGE, PointKind.STATE)  # whose value may be a code, such as that of a product or a recipe
INLINE_TITLE = Text(en="metric of the plan's own", zh="方案自定义指标")


def measure_spec(plan: Plan, name: str) -> MeasureSpec:
    """Resolve one measure. Raises PlanError, which names the key."""
    return _Resolver(plan, name).spec()


def plan_formula(plan: Plan, text: str, path: Path = ()) -> Quantity:
    """A formula over the plan's points alone. Raises PlanError at `path`."""
    try:
        return _point(plan, text) if text in plan.points else compile_formula(text, lambda name: _point(plan, name))
    except (FormulaError, UnitError) as err:
        raise PlanError(path, str(err)) from err


def adjustment_formula(plan: Plan, adjustment: Adjustment, unit: str) -> Quantity:
    """The formula of an adjustment over the plan's points and its own constants, in `unit`. Raises PlanError."""

    def resolve(name: str) -> Quantity:
        about = adjustment.constants.get(name)
        if about is not None:
            return constant(name, about.value, about.unit)
        if name not in plan.points:
            known = [*adjustment.constants, *plan.points]
            raise FormulaError(f"{name} is neither one of its constants nor under points{nearest(name, known)}")
        return _point(plan, name)

    try:
        return compile_formula(adjustment.formula, resolve).to(unit)
    except (FormulaError, UnitError) as err:
        raise PlanError(("adjustments", plan.adjustments.index(adjustment), "formula"), str(err)) from err


def _point(plan: Plan, name: str) -> Quantity:
    if name not in plan.points:
        raise FormulaError(f"{name} is not under points{nearest(name, plan.points)}")
    about = plan.points[name]
    return point(name, about.unit, EXTENTS[about.kind])


class _Resolver:
    """Resolves the names of one measure."""

    def __init__(self, plan: Plan, name: str) -> None:
        self._plan, self._name = plan, name
        self._measure = plan.measures[name]
        self._constants: dict[str, Constant] = {}
        version = self._measure.coefficients
        if version not in COEFFICIENT_VERSIONS:
            raise self._error(("coefficients",), f"{version} is not one of {', '.join(COEFFICIENT_VERSIONS)}")
        limit = self._measure.limit
        if limit is not None and limit not in limits().limits:
            raise self._error(("limit",), f"{limit} is not a limit of the catalogue{nearest(limit, limits().limits)}")

    def spec(self) -> MeasureSpec:
        metric = self._measure.metric
        if isinstance(metric, InlineMetric):
            return self._inline(metric)
        definition = catalogue().metrics.get(metric)
        if definition is None:
            near = nearest(metric, catalogue().metrics)
            raise self._error(("metric",), f"{metric} is not in the catalogue of metrics{near}")
        return self._catalogued(metric, definition)

    def _catalogued(self, metric_id: str, definition: MetricDefinition) -> MeasureSpec:
        roles = self._roles(metric_id, definition)

        def resolve(name: str) -> Quantity:
            return roles[name] if name in roles else self._constant(definition, name)

        def part(formula: str, unit: str, decimals: int) -> Part:
            quantity = self._converted(("metric",), self._compile(("metric",), formula, resolve), unit)
            return Part(quantity, unit, decimals)

        self._check_parameters(definition)
        numerator = part(definition.numerator, definition.numerator_unit, definition.numerator_decimals)
        denominator = None
        if definition.denominator is not None and definition.denominator_unit is not None:
            denominator = part(definition.denominator, definition.denominator_unit, definition.denominator_decimals)
        scale = self._scale(definition.unit, self._measure.unit)
        return MeasureSpec(
            name=self._name,
            measure=self._measure,
            metric_id=metric_id,
            title=definition.title,
            catalogue_version=CATALOGUE_VERSION,
            formula=_shown(definition.numerator, definition.denominator),
            unit=self._measure.unit,
            decimals=max(0, definition.decimals - round(math.log10(scale))),
            better=definition.better,
            boundary=self._boundary(definition),
            needs_numerator=definition.needs_numerator,
            activity=definition.activity,
            numerator=self._measured("inputs", numerator),
            denominator=denominator,
            drivers=self._drivers("drivers", roles, denominator),
            alternatives=self._drivers("alternatives", roles, denominator),
            category_points=self._category_points(),
            constants=tuple(self._constants.values()),
        )

    def _inline(self, metric: InlineMetric) -> MeasureSpec:
        inputs = {
            role: self._compile(("inputs", role), text, self._point) for role, text in self._measure.inputs.items()
        }

        decimals = max(PART_DECIMALS, metric.decimals) if metric.denominator is None else PART_DECIMALS

        def part(label: str, text: str, unit: str | None) -> Part:
            formula = self._compile(("metric", label), text, lambda name: self._known(name, inputs))
            if unit is not None:
                formula = self._converted(("metric", f"{label}_unit"), formula, unit)
            return Part(formula, unit or formula.unit_text, decimals)

        numerator = self._measured("metric", part("numerator", metric.numerator, metric.numerator_unit))
        denominator = None
        if metric.denominator is not None:
            denominator = part("denominator", metric.denominator, metric.denominator_unit)
        if self._measure.parameters:
            raise self._error(("parameters",), "a metric of the plan's own has no parameters; write the number")
        self._scale(kernel_unit(numerator.unit, denominator.unit if denominator else None), self._measure.unit)
        return MeasureSpec(
            name=self._name,
            measure=self._measure,
            metric_id="inline",
            title=INLINE_TITLE,
            catalogue_version=None,
            formula=_shown(metric.numerator, metric.denominator),
            unit=self._measure.unit,
            decimals=metric.decimals,
            better=metric.better,
            boundary=self._boundary(None),
            needs_numerator=False,
            activity="denominator" if denominator is not None and denominator.formula.points else "neither",
            numerator=numerator,
            denominator=denominator,
            drivers=self._drivers("drivers", inputs, denominator),
            alternatives=self._drivers("alternatives", inputs, denominator),
            category_points=self._category_points(),
            constants=tuple(self._constants.values()),
        )

    def _roles(self, metric_id: str, definition: MetricDefinition) -> dict[str, Quantity]:
        """The quantities behind the metric's roles, each in its role's unit and of its kind."""
        for role in self._measure.inputs:
            if role not in definition.roles:
                raise self._error(("inputs", role), f"{metric_id} has no input {role}{nearest(role, definition.roles)}")
        return {role: self._role(metric_id, role, wanted) for role, wanted in definition.roles.items()}

    def _role(self, metric_id: str, role: str, wanted: Role) -> Quantity:
        text = self._measure.inputs.get(role)
        if text is None:
            if wanted.default is None:
                raise self._error(("inputs",), f"{metric_id} needs the input {role}, a {wanted.kind} in {wanted.unit}")
            return number(role, wanted.default, wanted.unit)
        quantity = self._compile(("inputs", role), text, self._point)
        if quantity.extent not in (wanted.kind, "number"):
            kind = f"a {self._plan.points[text].kind}" if text in self._plan.points else "of another kind"
            raise self._error(("inputs", role), _other_kind(kind, text, wanted.kind))
        return self._converted(("inputs", role), quantity, wanted.unit)

    def _check_parameters(self, definition: MetricDefinition) -> None:
        for name, value in self._measure.parameters.items():
            if name not in definition.parameters:
                raise self._error(
                    ("parameters", name), f"is not a parameter of the metric{nearest(name, definition.parameters)}"
                )
            if value <= 0 and name != OXYGEN_REFERENCE:  # fuel may be burnt by the air alone
                raise self._error(("parameters", name), f"is {value:g}; it must be above 0")

    def _constant(self, definition: MetricDefinition, name: str) -> Quantity:
        """A parameter of the metric, or a coefficient."""
        parameter = definition.parameters.get(name)
        if parameter is None:
            return self._coefficient(name, "an input, a parameter of the metric")
        value = self._measure.parameters.get(name, parameter.value)
        limit = limits().limits.get(self._measure.limit or "")
        if value is None and name == OXYGEN_REFERENCE and limit is not None and limit.oxygen_reference_percent:
            self._constants[name] = Constant(
                name, limit.oxygen_reference_percent, parameter.unit, f"limits-{LIMITS_VERSION}"
            )
            return number(name, float(limit.oxygen_reference_percent), parameter.unit)
        if value is None:
            raise self._error(("parameters",), f"the metric needs the parameter {name}, in {parameter.unit}")
        version = "plan" if name in self._measure.parameters else f"metrics-{CATALOGUE_VERSION}"
        self._constants[name] = Constant(name, repr(value), parameter.unit, version)
        return number(name, value, parameter.unit)

    def _coefficient(self, name: str, others: str) -> Quantity:
        edition = coefficients(self._measure.coefficients)
        found = edition.coefficients.get(name) if edition else None
        if found is None:
            raise FormulaError(f"{name} is neither {others} nor a coefficient of {self._measure.coefficients}")
        self._constants[name] = Constant(name, found.value, found.unit, self._measure.coefficients)
        return number(name, float(found.value), found.unit)

    def _drivers(
        self, key: Literal["drivers", "alternatives"], inputs: dict[str, Quantity], denominator: Part | None
    ) -> tuple[Driver, ...]:
        found = []
        for index, text in enumerate(getattr(self._measure.model, key)):
            path = ("model", key, index)
            formula = self._compile(path, text, lambda name: self._known(name, inputs))
            if denominator is not None and _same(formula, denominator.formula):
                found.append(Driver(text, denominator.unit, denominator.formula, is_denominator=True))
            else:
                unit = self._plan.points[text].unit if text in self._plan.points else formula.unit_text
                found.append(Driver(text, unit, formula, is_denominator=False))
        return tuple(found)

    def _category_points(self) -> tuple[str, ...]:
        """The points among the model's categories; the others are of the calendar."""
        found = []
        for index, name in enumerate(self._measure.model.categories):
            path = ("model", "categories", index)
            if name in self._measure.model.categories[:index]:
                raise self._error(path, f"{name} appears twice")
            if name == "shift" and not self._plan.shifts:
                raise self._error(path, "the plan has no shifts")
            if name in CALENDAR_CATEGORIES:
                continue
            if name not in self._plan.points or self._plan.points[name].kind not in CODES:
                known = ", ".join(CALENDAR_CATEGORIES)
                raise self._error(path, f"{name} is neither {known} nor a point that is a gauge or a state")
            found.append(name)
        return tuple(found)

    def _known(self, name: str, inputs: dict[str, Quantity]) -> Quantity:
        """What a name stands for in a formula of the plan's own: an input, a point or a coefficient."""
        if name in inputs:
            return inputs[name]
        if name in self._plan.points:
            return self._point(name)
        edition = coefficients(self._measure.coefficients)
        if edition is not None and name in edition.coefficients:
            return self._coefficient(name, "")
        return self._point(name)

    def _point(self, name: str) -> Quantity:
        return _point(self._plan, name)

    def _measured(self, where: str, part: Part) -> Part:
        """The part, where at least one point is behind it."""
        if not part.formula.points:
            raise self._error((where,), "the numerator reads no point: name at least one")
        return part

    def _compile(self, path: Path, text: str, resolve: Callable[[str], Quantity]) -> Quantity:
        """A name stands for itself even where it has characters that a formula would read as signs."""
        try:
            return resolve(text) if text in self._plan.points else compile_formula(text, resolve)
        except (FormulaError, UnitError) as err:
            raise self._error(path, str(err)) from err

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
        return PlanError(("measures", self._name, *path), message)


def _other_kind(kind: str, text: str, wanted: str) -> str:
    if wanted == "total":
        return f"{text} is {kind}; a counter or an interval_total is needed, or hours({text}) of a rate per hour"
    return f"{text} is {kind}; a gauge or a state is needed"


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest right name, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f" ({', '.join(names)})"


def _same(left: Quantity, right: Quantity) -> bool:
    """Whether two formulas are the same quantity: the same text after its names were resolved, over the same points."""
    return bool(left.points) and left.points == right.points and left.text == right.text


def _shown(numerator: str, denominator: str | None) -> str:
    if denominator is None:
        return numerator
    return " / ".join(text if text.isidentifier() else f"({text})" for text in (numerator, denominator))
