"""The meter register as the budget needs it: class limits and changes of each meter behind a measure."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

from verification.engine.budget import Continuity
from verification.findings import Finding
from verification.model import PointKind
from verification.plan.grounds import adjusting_points
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Meter, Plan, Window


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
        windows = [*plan.windows_of(spec.measure).values()]
        about, found = (
            continuity(plan, name, min(own), windows) if own else (_of_adjustments(plan.meters[name], windows), [])
        )
        findings += found
        meters.append(MeterInUse(name, frozenset(points[name]), about))
    return meters, findings


def _of_adjustments(meter: Meter, windows: Sequence[Window]) -> Continuity:
    """A meter that only adjustments read, and these only in the reporting period."""
    u = _class_percent(meter, windows[-1]) / 100 / math.sqrt(3)
    return Continuity((u,) * len(windows), (True,) * (len(windows) - 1))


def _metered(spec: MeasureSpec) -> frozenset[str]:
    """The points of the metric itself: a driver without a meter errs alike in every window and is part of the noise."""
    parts = [spec.numerator, *([spec.denominator] if spec.denominator else [])]
    return frozenset().union(*(part.formula.points for part in parts))


def continuity(plan: Plan, name: str, point: str, windows: Sequence[Window]) -> tuple[Continuity, list[Finding]]:
    """What the register says of meter `name`, which reads `point` in `windows`: class limits as rectangular
    distributions (GUM 4.3.7), changes as breaks. Where the class changes inside a window, the larger one counts for all
    of it, and the window shares its error with neither neighbour.
    """
    meter = plan.meters[name]
    findings = []
    if meter.installed is not None and meter.installed > plan.baseline.start:
        findings.append(Finding.of("METER_INSTALLED_LATE", point=point, meter=name, date=meter.installed.isoformat()))
    breaks = [change.date for change in meter.changes if windows[0].start < change.date < windows[-1].end]
    findings += [Finding.of("METER_CHANGED", point=point, meter=name, date=date.isoformat()) for date in breaks]
    same = [
        not any(before.start < date < after.end for date in breaks) for before, after in itertools.pairwise(windows)
    ]
    return Continuity(
        tuple(_class_percent(meter, each) / 100 / math.sqrt(3) for each in windows), tuple(same)
    ), findings


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
