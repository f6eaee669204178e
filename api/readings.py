"""Brings stored readings to the engine: the points and the span that a plan needs, as series."""

from __future__ import annotations

from api.database import Connection
from api.errors import ApiError
from ingest import read
from verification.plan import Plan
from verification.quality.points import needed_points, reading_spans
from verification.series.columns import Series


def load(conn: Connection, device: str, plan: Plan, *, baseline_only: bool = False) -> dict[str, Series]:
    """One series per point that the plan needs, as the device sent it. Raises ApiError where plan and device
    disagree.

    `baseline_only` leaves the outcome unread, as befits the filing of a plan.
    """
    names = list(needed_points(plan))
    _check_points(conn, device, plan, names)
    start_us, baseline_end_us = reading_spans(plan)[0]
    columns = read.load_window(conn, device, names, start_us, baseline_end_us + 1 if baseline_only else end_of(plan))
    return {name: Series(found.time_us, found.value, found.status, found.flags) for name, found in columns.items()}


def end_of(plan: Plan) -> int:
    """The first moment [us since 1970] that no longer matters to `plan`: batches after it stay out of its packages."""
    return reading_spans(plan)[-1][1] + 1


def _check_points(conn: Connection, device: str, plan: Plan, names: list[str]) -> None:
    """The engine takes values in the plan's units; what the device says of a point must be what the plan
    says.
    """
    for point in read.points(conn, device):
        if point.name not in names:
            continue
        planned = plan.points[point.name]
        if (point.unit, point.kind) != (planned.unit, planned.kind):
            raise ApiError(
                422,
                "point_mismatch",
                f"points.{point.name}: the plan says {planned.kind} in {planned.unit}, the device {device} sends a "
                f"{point.kind} in {point.unit}; correct the plan, or the agent's configuration.",
            )
