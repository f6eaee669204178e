"""The catalogue of metrics: what each is made of, read from the versioned file beside this module.

Owns the shape of a definition, which a plan may also write itself. Not handled: which points a plan gives to a
metric's roles (`plan/measure.py`).
"""

from __future__ import annotations

import functools
import importlib.resources
from typing import Annotated, Literal

import msgspec

from verification.fields import Formula, Name, Text, Unit
from verification.yamlfile import parse_yaml

CATALOGUE_VERSION = 1
Better = Literal["lower", "higher"]
Decimals = Annotated[int, msgspec.Meta(ge=0, le=12)]


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a formula needs from the plan: a total or a mean of each interval, in `unit`."""

    kind: Literal["total", "mean"]
    unit: Unit
    title: Text


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
    boundaries: dict[Name, Text] = {}


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All metrics of one version."""

    version: int
    metrics: dict[Name, MetricDefinition]


@functools.cache
def catalogue() -> Catalogue:
    """The catalogue of this release."""
    name = f"metrics-{CATALOGUE_VERSION}.yaml"
    text = importlib.resources.files("verification.metrics").joinpath("data", name).read_text(encoding="utf-8")
    return parse_yaml(text, Catalogue, name=name)
