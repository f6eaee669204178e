"""Plan files of version 1, which stay readable forever: one measure of energy per output, by day.

Becomes a plan of version 2 in memory; the digest is always of the bytes as filed.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from verification.fields import Name, Project, Text, Unit
from verification.plan.shape import Claim, Measure, Meter, Plan, Point, Target, Window
from verification.plan.shape import Model as Model2

Path = tuple[str | int, ...]


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan of version 1 measures. `energy` and `output` name points."""

    id: Literal["energy_per_ton"]
    unit: Unit
    boundary: Text
    energy: Name
    output: Name


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ordinary least squares with an intercept on the daily values of `drivers`."""

    kind: Literal["ols"]
    drivers: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=8)]


class TargetV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The acceptance limit: the change must be at most this."""

    at_most: float
    unit: Unit


class PlanV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan file of version 1."""

    retroproof_plan: Literal[1]
    project: Project
    title: Text
    metric: Metric
    points: dict[Name, Point]
    timezone: str
    interval: Literal["day"]
    baseline: Window
    reporting: Window
    model: Model
    target: TargetV1
    meters: dict[Name, Meter] = {}
    confidence: float = 0.95
    claim: Claim | None = None


def upgrade(old: PlanV1) -> Plan:
    """The same plan in version 2: one measure, named after its metric."""
    measure = Measure(
        metric=old.metric.id,
        unit=old.metric.unit,
        boundary=old.metric.boundary,
        inputs={"energy": old.metric.energy, "output": old.metric.output},
        model=Model2(kind=old.model.kind, drivers=list(old.model.drivers)),
        target=Target(unit=old.target.unit, at_most=old.target.at_most),
        claim=old.claim,
    )
    return Plan(
        retroproof_plan=2,
        project=old.project,
        title=old.title,
        timezone=old.timezone,
        interval=old.interval,
        baseline=old.baseline,
        reporting=old.reporting,
        points=old.points,
        measures={old.metric.id: measure},
        meters=old.meters,
        confidence=old.confidence,
    )


def path_in_file(path: Path) -> Path:
    """Where a file of version 1 writes what version 2 has at `path`."""
    match path:
        case ("measures", _, "inputs", role, *_):
            return ("metric", role)
        case ("measures", _, "metric"):
            return ("metric", "id")
        case ("measures", _, "unit" | "boundary" as field, *_):
            return ("metric", field)
        case ("measures", _, *rest):
            return tuple(rest)
        case _:
            return path
