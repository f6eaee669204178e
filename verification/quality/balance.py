"""Does what was metered agree with what else is known: invoices, main meters, material in and out, rosters?

A check that the plan declares and that fails contradicts every figure that stands on one of its points: which of the
two is wrong, nobody can tell, so that no interval about it is true. Measures on other points are untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from verification.findings import Finding
from verification.model import PointKind
from verification.plan.edges import span_us
from verification.plan.grounds import balanced_points
from verification.plan.resolve import plan_formula
from verification.plan.shape import Balance, Bill, Plan, Window
from verification.quality.points import PointWindow
from verification.series.columns import Booleans
from verification.units import scale_factor

BILL_PERCENT = 5  # China's online energy monitoring: daily sums against the monthly bill
COMPARED_PERCENT = 90  # of the intervals, as for a measure: who drops the main meter's readings escapes no check


def cross_checks(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Everything that the plan can be held against: bills, balances, and what it holds against nothing."""
    return [*check_bills(plan, windows), *check_balances(plan, windows), *unchecked_events(plan, windows)]


def check_bills(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Every bill of the plan against the sub-meter's total over the same period, and whether enough of what they bill
    was metered.
    """
    found = [finding for bill in plan.bills for window in windows for finding in _check_bill(plan, bill, window)]
    points = sorted({bill.point for bill in plan.bills})
    return [
        *found,
        *(finding for name in points for window in windows for finding in _check_billed(plan, name, window)),
    ]


def check_balances(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Every balance of the plan, over the intervals of each window in which all of its points are known."""
    return [
        finding for balance in plan.balances for window in windows for finding in _check_balance(plan, balance, window)
    ]


def _check_balance(plan: Plan, balance: Balance, window: PointWindow) -> list[Finding]:
    left, right = plan_formula(plan, balance.left), plan_formula(plan, balance.right)
    first, second = window.taken_together(left), window.taken_together(right.to(left.unit_text))
    known = np.isfinite(first) & np.isfinite(second)
    where = {"balance": balance.id, "window": window.calendar.label}
    if known.sum() * 100 < COMPARED_PERCENT * len(known):
        counts = {"count": int(known.sum()), "expected": len(known), "required": COMPARED_PERCENT}
        return [Finding.of("BALANCE_NOT_COMPARABLE", interval=plan.interval, **counts, **where)]
    total, other = float(first[known].sum()), float(second[known].sum())
    percent = 100 * abs(total - other) / abs(total) if total else (100.0 if other else 0.0)
    if percent <= balance.tolerance_percent:
        return []
    shown = {"left": _figure(total), "right": _figure(other), "unit": left.unit_text}
    limit = f"{balance.tolerance_percent:g}"
    return [Finding.of("BALANCE_OPEN", percent=f"{percent:.1f}", limit=limit, **shown, **where)]


def unchecked_events(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """The event points of the measures whose total no bill and no balance checks."""
    checked = {bill.point for bill in plan.bills}
    for balance in plan.balances:
        checked |= balanced_points(plan, balance)
    return [
        Finding.of("EVENTS_UNCHECKED", point=name)
        for name in windows[0].points
        if plan.points[name].kind is PointKind.EVENT and name not in checked
    ]


def _check_bill(plan: Plan, bill: Bill, window: PointWindow) -> list[Finding]:
    """A bill against its metered intervals, scaled up for those that are missing, which earn no tolerance."""
    inside = _billed(plan, bill, window)
    if not inside.any():
        return []
    value, length_us = window.points[bill.point].value[inside], window.calendar.length_us[inside]
    known = np.isfinite(value)
    about = {"bill": bill.id, "point": bill.point, "window": window.calendar.label, "interval": plan.interval}
    counts = {"count": int(known.sum()), "expected": len(known)}
    if counts["count"] * 100 < COMPARED_PERCENT * counts["expected"]:
        return [Finding.of("BILL_NOT_COMPARABLE", required=COMPARED_PERCENT, **counts, **about)]
    share = float(length_us[known].sum() / length_us.sum())
    billed = bill.value * scale_factor(bill.unit, plan.points[bill.point].unit)
    metered = float(value[known].sum()) / share
    percent = 100 * abs(metered - billed) / billed
    if percent <= BILL_PERCENT:
        return []
    shown = {"metered": _figure(metered), "billed": _figure(billed), "unit": plan.points[bill.point].unit}
    return [Finding.of("BILL_DISAGREES", percent=f"{percent:.1f}", limit=f"{BILL_PERCENT}", **shown, **counts, **about)]


def _check_billed(plan: Plan, point: str, window: PointWindow) -> list[Finding]:
    """Whether enough of what all bills of a point cover was metered for them to be a check."""
    bills = [_billed(plan, bill, window) for bill in plan.bills if bill.point == point]
    billed = np.logical_or.reduce(bills)
    known = billed & np.isfinite(window.points[point].value)
    counts = {"count": int(known.sum()), "expected": int(billed.sum())}
    if counts["count"] * 100 >= COMPARED_PERCENT * counts["expected"]:
        return []
    where = {"window": window.calendar.label, "interval": plan.interval}
    return [Finding.of("BILLS_NOT_COMPARABLE", point=point, required=COMPARED_PERCENT, **counts, **where)]


def _figure(total: float) -> str:
    """A total as people write it: six digits, no exponent."""
    return f"{Decimal(f'{total:.6g}'):f}"


def _billed(plan: Plan, bill: Bill, window: PointWindow) -> Booleans:
    """The intervals of a window that a bill covers."""
    start_us, end_us = span_us(plan, Window(bill.start, bill.end))
    edges_us = window.calendar.edges_us
    covered: Booleans = (edges_us[:-1] >= start_us) & (edges_us[1:] <= end_us)
    return covered
