"""The meter register as the budget needs it: class limits and changes of each meter behind a measure."""

from __future__ import annotations

import dataclasses
import math

from verification.engine.budget import Continuity
from verification.findings import Finding
from verification.model import PointKind
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Meter, Plan, Window
from verification.quality.points import adjusting_points


@dataclasses.dataclass(frozen=True)
class MeterInUse:
    """A meter, the points that it reads for a measure, and what the register says of it."""

    name: str
    points: frozenset[str]
    continuity: Continuity


def meters_in_use(plan: Plan, spec: MeasureSpec) -> tuple[list[MeterInUse], list[Finding]]:
    """The meters behind the points of a measure, in order of name, and what speaks against them."""
    findings = []
    adjusting = adjusting_points(plan, spec.name)
    points: dict[str, set[str]] = {}
    for point in sorted(adjusting.union(spec.points)):
        name = plan.points[point].meter
        if name is not None:
            points.setdefault(name, set()).add(point)
        elif point in _metered(spec) or (point in adjusting and plan.points[point].kind is not PointKind.STATE):
            findings.append(Finding.of("METER_NOT_NAMED", point=point))
    meters = []
    for name in sorted(points):
        own = points[name].intersection(spec.points)
        about, found = continuity(plan, name, min(own)) if own else (_of_adjustments(plan.meters[name], plan), [])
        findings += found
        meters.append(MeterInUse(name, frozenset(points[name]), about))
    return meters, findings


def _of_adjustments(meter: Meter, plan: Plan) -> Continuity:
    """A meter that only adjustments read, and these only in the reporting period."""
    u = _class_percent(meter, plan.reporting) / 100 / math.sqrt(3)
    return Continuity(u, u, same=True)


def _metered(spec: MeasureSpec) -> frozenset[str]:
    """The points of the metric itself: a driver without a meter errs alike in both windows and is part of the noise."""
    parts = [spec.numerator, *([spec.denominator] if spec.denominator else [])]
    return frozenset().union(*(part.formula.points for part in parts))


def continuity(plan: Plan, name: str, point: str) -> tuple[Continuity, list[Finding]]:
    """What the register says of meter `name`, which reads `point`: class limits as rectangular distributions (GUM
    4.3.7), changes as breaks. Where the class changes inside a window, the larger one counts for all of it.
    """
    meter = plan.meters[name]
    findings = []
    if meter.installed is not None and meter.installed > plan.baseline.start:
        findings.append(Finding.of("METER_INSTALLED_LATE", point=point, meter=name, date=meter.installed.isoformat()))
    breaks = [change.date for change in meter.changes if plan.baseline.start < change.date < plan.reporting.end]
    findings += [Finding.of("METER_CHANGED", point=point, meter=name, date=date.isoformat()) for date in breaks]
    before, after = (_class_percent(meter, window) / 100 / math.sqrt(3) for window in (plan.baseline, plan.reporting))
    return Continuity(before, after, same=not breaks), findings


def _class_percent(meter: Meter, window: Window) -> float:
    """The largest class in force on any day of `window`."""
    in_force = meter.class_percent
    largest = 0.0
    for change in meter.changes:
        if change.date >= window.end:
            break
        if change.date > window.start:
            largest = max(largest, in_force)
        in_force = change.class_percent if change.class_percent is not None else in_force
    return max(largest, in_force)
