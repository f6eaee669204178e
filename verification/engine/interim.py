"""Reports before the end: a plan judged on a part of its reporting period, up to a date or window by window.

A part is a plan of its own, so that nothing in the engine knows of it. What the plan states for the whole reporting
period (its adjustments, and bills that reach beyond the part) does not hold for a part and is left out.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from verification.errors import ConfigError
from verification.findings import Finding
from verification.plan.checks import check_plan
from verification.plan.edges import DAYS_A_WEEK
from verification.plan.measure import PlanError
from verification.plan.shape import Plan, Window

MONTHS_A_YEAR = 12


def until(plan: Plan, end: dt.date) -> Plan:
    """The plan with a reporting period that ends before the local date `end`. Raises ConfigError."""
    whole = plan.reporting
    if not whole.start < end <= whole.end:
        raise ConfigError(f"{end} is not in the reporting period, {whole.start} to {whole.end} (end excluded)")
    part = _part(plan, Window(whole.start, end))
    try:
        check_plan(part)
    except PlanError as err:
        raise ConfigError(f"the reporting period cannot end on {end}: {err}") from err
    return part


def rolling(plan: Plan, length: int) -> list[Plan]:
    """The plan on each part of its reporting period of `length` days (weeks or months, where those are its intervals),
    one after the other, the last one at its end; what does not fill a part at the beginning is left out.
    """
    parts: list[Plan] = []
    end = plan.reporting.end
    while (start := _earlier(plan, end, length)) >= plan.reporting.start:
        parts.append(_part(plan, Window(start, end)))
        end = start
    return parts[::-1]


def interim_finding(plan: Plan, part: Plan) -> Finding:
    """That `part` is judged and not the whole of `plan`, and what is not in it."""
    return Finding.of(
        "INTERIM",
        until=part.reporting.end.isoformat(),
        end=plan.reporting.end.isoformat(),
        adjustments=len(plan.adjustments),
    )


def _part(plan: Plan, reporting: Window) -> Plan:
    part = msgspec.structs.replace(plan, reporting=reporting, adjustments=[])
    inside = part.windows.values()
    bills = [bill for bill in plan.bills if any(each.start <= bill.start and bill.end <= each.end for each in inside)]
    return msgspec.structs.replace(part, bills=bills)


def _earlier(plan: Plan, end: dt.date, length: int) -> dt.date:
    if plan.interval == "month":
        months = end.year * MONTHS_A_YEAR + end.month - 1 - length
        return (
            dt.date(months // MONTHS_A_YEAR, months % MONTHS_A_YEAR + 1, 1) if months >= MONTHS_A_YEAR else dt.date.min
        )
    days = length * (DAYS_A_WEEK if plan.interval == "week" else 1)
    return end - dt.timedelta(days=min(days, end.toordinal() - 1))
