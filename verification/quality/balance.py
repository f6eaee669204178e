"""Does what was metered agree with what else is known: invoices, main meters, material in and out?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np

from verification.findings import Finding
from verification.model import PointKind
from verification.plan.resolve import plan_formula
from verification.plan.shape import Bill, Plan
from verification.quality.points import PointWindow, needed_points
from verification.units import scale_factor

BILL_PERCENT = 5  # China's online energy monitoring: daily sums against the monthly bill


def cross_checks(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Everything that the plan can be held against: bills, balances, and what it holds against nothing."""
    return [*check_bills(plan, windows), *check_balances(plan, windows), *unchecked_events(plan)]


def check_bills(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Every bill of the plan against the sub-meter's total over the same period."""
    return [finding for bill in plan.bills for window in windows for finding in _check_bill(plan, bill, window)]


def check_balances(plan: Plan, windows: Sequence[PointWindow]) -> list[Finding]:
    """Every balance of the plan, over the intervals of each window in which all of its points are known."""
    findings = []
    for balance in plan.balances:
        left, right = plan_formula(plan, balance.left), plan_formula(plan, balance.right)
        right = right.to(left.unit_text)
        for window in windows:
            both = np.column_stack([window.evaluate(left), window.evaluate(right)])
            first, second = both[np.isfinite(both).all(axis=1)].sum(axis=0)
            percent = 100 * abs(first - second) / abs(first) if first else (100.0 if second else 0.0)
            if percent > balance.tolerance_percent:
                shown = {"left": f"{first:.6g}", "right": f"{second:.6g}", "unit": left.unit_text}
                limit = f"{balance.tolerance_percent:g}"
                where = {"balance": balance.id, "window": window.calendar.label}
                findings.append(Finding.of("BALANCE_OPEN", percent=f"{percent:.1f}", limit=limit, **shown, **where))
    return findings


def unchecked_events(plan: Plan) -> list[Finding]:
    """The event points of the measures whose total no bill and no balance checks."""
    checked = {bill.point for bill in plan.bills}
    for balance in plan.balances:
        checked |= plan_formula(plan, balance.left).points | plan_formula(plan, balance.right).points
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
