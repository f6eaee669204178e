"""The catalogue of metrics, the coefficients and the limits, read from the versioned files in `data/`.

Owns the shape of a definition, which a plan may also write itself. Not handled: which points a plan gives to a
metric's roles (`plan/measure.py`).
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib.resources
from typing import Annotated, Literal, TypeVar

import msgspec

from verification.fields import Formula, Name, Text, Unit
from verification.yamlfile import parse_yaml

CATALOGUE_VERSION = 1
LIMITS_VERSION = 1
OXYGEN_REFERENCE = "oxygen_reference"  # the parameter that an emission limit sets where a plan does not
COEFFICIENT_VERSIONS = ("gbt2589-2020",)
Better = Literal["lower", "higher"]
DecimalText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+)?$")]
T = TypeVar("T")
Decimals = Annotated[int, msgspec.Meta(ge=0, le=12)]


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a formula needs from the plan: a total or a mean of each interval, in `unit`."""

    kind: Literal["total", "mean"]
    unit: Unit
    title: Text
    default: float | None = None


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A constant that a plan may set, such as a reference oxygen content."""

    unit: Unit
    title: Text
    value: float | None = None


class MetricDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metric: the ratio of two totals over the intervals, or, without a denominator, a mean over them."""

    title: Text
    numerator: Formula
    numerator_unit: Unit
    numerator_decimals: Decimals
    unit: Unit
    decimals: Decimals
    better: Better
    roles: dict[Name, Role]
    denominator: Formula | None = None
    denominator_unit: Unit | None = None
    denominator_decimals: Decimals = 0
    parameters: dict[Name, Parameter] = {}
    needs_numerator: bool = False
    activity: Literal["numerator", "denominator", "neither"] = "denominator"
    boundaries: dict[Name, Text] = {}


class Coefficient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published constant; `value` is the decimal as it is published."""

    value: DecimalText
    unit: Unit
    title: Text


class Coefficients(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The constants of one edition of a standard."""

    version: Name
    source: str
    date: dt.date
    coefficients: dict[Name, Coefficient]


class EmissionLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit of a concentration, at a reference oxygen content where the standard sets one."""

    value: DecimalText
    unit: Unit
    source: str
    grade: Literal["V", "S", "K"]
    title: Text
    oxygen_reference_percent: DecimalText | None = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All limits of one version."""

    version: int
    limits: dict[Name, EmissionLimit]


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All metrics of one version."""

    version: int
    metrics: dict[Name, MetricDefinition]


@functools.cache
def catalogue() -> Catalogue:
    """The catalogue of this release."""
    return _read(f"metrics-{CATALOGUE_VERSION}.yaml", Catalogue)


@functools.cache
def coefficients(version: str) -> Coefficients | None:
    """The coefficients of one edition, or None where this release has none of that name."""
    return _read(f"coefficients-{version}.yaml", Coefficients) if version in COEFFICIENT_VERSIONS else None


@functools.cache
def limits() -> Limits:
    """The emission limits of this release."""
    return _read(f"limits-{LIMITS_VERSION}.yaml", Limits)


def _read(name: str, kind: type[T]) -> T:
    text = importlib.resources.files("verification.metrics").joinpath("data", name).read_text(encoding="utf-8")
    return parse_yaml(text, kind, name=name)
