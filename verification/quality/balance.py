"""Does what was metered agree with what else is known: invoices, main meters, material in and out, rosters?

A check that the plan declares and that fails contradicts every figure that stands on one of its points: which of the
two is wrong, nobody can tell, so that no interval about it is true. Measures on other points are untouched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import numpy as np

from verification.findings import Finding
from verification.model import PointKind
from verification.plan.resolve import plan_formula
from verification.plan.shape import Balance, Bill, Plan
from verification.quality.points import PointWindow, needed_points
from verification.units import scale_factor

BILL_PERCENT = 5  # China's online energy monitoring: daily sums against the monthly bill
COMPARED_PERCENT = 90  # of a window's intervals, as for a measure: who drops the main meter's readings escapes no check


def cross_checks(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Everything that the plan can be held against: bills, balances, and what it holds against nothing."""
    return [*check_bills(plan, windows), *check_balances(plan, windows), *unchecked_events(plan)]


def contradicts(plan: Plan, finding: Finding, points: Collection[str]) -> bool:
    """Whether `finding` speaks against figures that stand on `points`: a bill or balance does where it names one of
    them, any other finding of the whole always.
    """
    if "bill" in finding.data:
        return any(bill.id == finding.data["bill"] and bill.point in points for bill in plan.bills)
    if "balance" in finding.data:
        found = [balance for balance in plan.balances if balance.id == finding.data["balance"]]
        return any(not _balanced_points(plan, balance).isdisjoint(points) for balance in found)
    return True


def check_bills(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Every bill of the plan against the sub-meter's total over the same period."""
    return [finding for bill in plan.bills for window in windows for finding in _check_bill(plan, bill, window)]


def check_balances(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Every balance of the plan, over the intervals of each window in which all of its points are known."""
    return [
        finding for balance in plan.balances for window in windows for finding in _check_balance(plan, balance, window)
    ]


def _check_balance(plan: Plan, balance: Balance, window: PointWindow) -> list[Finding]:
    left, right = plan_formula(plan, balance.left), plan_formula(plan, balance.right)
    first, second = window.evaluate(left), window.evaluate(right.to(left.unit_text))
    known = np.isfinite(first) & np.isfinite(second)
    where = {"balance": balance.id, "window": window.calendar.label}
    if known.sum() * 100 < COMPARED_PERCENT * len(known):
        counts = {"count": int(known.sum()), "expected": len(known), "required": COMPARED_PERCENT}
        return [Finding.of("BALANCE_NOT_COMPARABLE", interval=plan.interval, **counts, **where)]
    total, other = float(first[known].sum()), float(second[known].sum())
    percent = 100 * abs(total - other) / abs(total) if total else (100.0 if other else 0.0)
    if percent <= balance.tolerance_percent:
        return []
    shown = {"left": f"{total:.6g}", "right": f"{other:.6g}", "unit": left.unit_text}
    limit = f"{balance.tolerance_percent:g}"
    return [Finding.of("BALANCE_OPEN", percent=f"{percent:.1f}", limit=limit, **shown, **where)]


def _balanced_points(plan: Plan, balance: Balance) -> frozenset[str]:
    return plan_formula(plan, balance.left).points | plan_formula(plan, balance.right).points


def unchecked_events(plan: Plan) -> list[Finding]:
    """The event points of the measures whose total no bill and no balance checks."""
    checked = {bill.point for bill in plan.bills}
    for balance in plan.balances:
        checked |= _balanced_points(plan, balance)
    return [
        Finding.of("EVENTS_UNCHECKED", point=name)
        for name in needed_points(plan)
        if plan.points[name].kind is PointKind.EVENT and name not in checked
    ]


def _check_bill(plan: Plan, bill: Bill, window: PointWindow) -> list[Finding]:
    calendar = window.calendar
    start_us, end_us = (_midnight_us(plan, day) for day in (bill.start, bill.end))
    inside = (calendar.edges_us[:-1] >= start_us) & (calendar.edges_us[1:] <= end_us)
    if not inside.any():
        return []
    values = window.points[bill.point].value[inside]
    whole = calendar.edges_us[:-1][inside][0] == start_us and calendar.edges_us[1:][inside][-1] == end_us
    where = {"bill": bill.id, "point": bill.point}
    if not whole or np.isnan(values).any():
        return [Finding.of("BILL_NOT_COMPARABLE", **where)]
    billed = bill.value * scale_factor(bill.unit, plan.points[bill.point].unit)
    metered = float(values.sum())
    percent = 100 * abs(metered - billed) / billed
    if percent <= BILL_PERCENT:
        return []
    shown = {"metered": f"{metered:.6g}", "billed": f"{billed:.6g}", "unit": plan.points[bill.point].unit}
    return [Finding.of("BILL_DISAGREES", percent=f"{percent:.1f}", limit=BILL_PERCENT, **shown, **where)]


def _midnight_us(plan: Plan, day: dt.date) -> int:
    return round(dt.datetime.combine(day, dt.time(0), tzinfo=plan.zone).timestamp()) * 1_000_000
