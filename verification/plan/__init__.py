"""The plan: what is measured, over which windows, by which model, against which target; fixed before the data come.

Owns the plan file (docs/reference/plan.md): its shape, its checks, and the calendar that it asks for. Light: no numpy.
"""

from verification.plan.read import load_plan, parse_plan, plan_digest
from verification.plan.shape import (
    EDGE_TOLERANCE_US,
    Claim,
    Measure,
    Meter,
    MeterChange,
    Model,
    Plan,
    Point,
    Target,
    Window,
    WindowName,
)

__all__ = [
    "EDGE_TOLERANCE_US",
    "Claim",
    "Measure",
    "Meter",
    "MeterChange",
    "Model",
    "Plan",
    "Point",
    "Target",
    "Window",
    "WindowName",
    "load_plan",
    "parse_plan",
    "plan_digest",
]
