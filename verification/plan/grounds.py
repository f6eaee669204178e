"""On what the figures of a plan stand, and what speaks against them: which points each measure reads, in which
windows, and whether a finding about readings withdraws it.

Names only, no reading and no numpy: an auditor's check holds a verdict against the same rule as the engine.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from verification.findings import Finding
from verification.model import PointKind
from verification.plan.measure import MeasureSpec
from verification.plan.resolve import adjustment_formula, plan_formula
from verification.plan.shape import Adjustment, Balance, Plan
from verification.plan.signing import signed_formulas
from verification.units import same_dimension


def against(plan: Plan, spec: MeasureSpec, of_the_whole: list[Finding]) -> list[Finding]:
    """Those findings of the whole that speak against a measure or bear on it."""
    standing_on = grounds(plan, spec)
    unread = plan.windows.keys() - plan.windows_of(spec.measure).keys()
    return [
        finding
        for finding in of_the_whole
        if finding.data.get("window") not in unread and _contradicts(plan, finding, standing_on)
    ]


def grounds(plan: Plan, spec: MeasureSpec) -> frozenset[str]:
    """The points on whose readings a measure and its verdict stand: those of the metric and its model, of the models
    that it is held against, of its signed adjustments, and the states that tell when the line ran.
    """
    alternatives = (one.formula.points for one in spec.alternatives)
    return adjusting_points(plan, spec.name).union(spec.points, run_states(plan), *alternatives)


def adjustment_points(plan: Plan, adjustment: Adjustment) -> frozenset[str]:
    """The points that the formula of an adjustment reads."""
    return adjustment_formula(plan, adjustment, adjustment.unit).points if adjustment.formula else frozenset()


def adjusting_points(plan: Plan, measure: str) -> frozenset[str]:
    """The points that the signed adjustments of `measure` read."""
    return frozenset[str]().union(*(adjustment_points(plan, one) for one in signed_formulas(plan, measure)))


def run_states(plan: Plan) -> list[str]:
    """The states that tell when the line ran: the plan's run state, and every state that counts nothing, such as
    people, who may be there while the line stands.
    """
    gating = plan.run_state.point if plan.run_state else None
    states = [name for name, point in plan.points.items() if point.kind is PointKind.STATE]
    return [name for name in states if name == gating or same_dimension(plan.points[name].unit, "1")]


def _contradicts(plan: Plan, finding: Finding, points: AbstractSet[str]) -> bool:
    """Whether `finding` speaks against figures that stand on `points`: a bill or a balance does where it names one of
    them; one about the readings of a point also where a balance holds it against them, because such a check is none;
    one about no point always.
    """
    if "bill" in finding.data:
        return any(bill.id == finding.data["bill"] and bill.point in points for bill in plan.bills)
    sides = [(balance.id, balanced_points(plan, balance)) for balance in plan.balances]
    if "balance" in finding.data:
        return any(name == finding.data["balance"] and not side.isdisjoint(points) for name, side in sides)
    if "point" in finding.data:
        checked_by = frozenset[str]().union(*(side for _, side in sides if not side.isdisjoint(points)))
        return finding.data["point"] in points | checked_by
    return True


def balanced_points(plan: Plan, balance: Balance) -> frozenset[str]:
    """The points of both sides."""
    return plan_formula(plan, balance.left).points | plan_formula(plan, balance.right).points
