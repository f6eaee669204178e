"""The axis `claim`: does the verdict follow from the stated numbers, by rules that were fixed before the data came?

Re-derives what a person could re-derive by hand, in decimals: limit, verdict, rounding, bridge, the enterprise's
claim against the interval. Then the escrow: the log holds the plan before the baseline and the baseline before the
run, and no batch that was there when the baseline was locked holds a reading of the reporting period. The numbers
themselves are recomputed elsewhere.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from verification.engine.rounding import fixed, reported, short
from verification.engine.verdict import assess_claim, decide
from verification.evidence import package
from verification.evidence.check_evidence import Evidence, UnusableError
from verification.evidence.check_report import Reason
from verification.evidence.deliveries import Reading, is_locked, utc_text
from verification.findings import Finding
from verification.plan import EDGE_TOLERANCE_US, plan_digest
from verification.units import scale_factor

LATE = {"COLLECTED_BEFORE_LOCK", "LOGGED_LATE"}
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")


def check_claim(evidence: Evidence) -> Iterator[Reason]:
    """Every reason about the conclusion."""
    try:
        yield from _check_against_plan(evidence)
        yield from _check_verdict(evidence)
    except (InvalidOperation, ValueError) as err:
        raise UnusableError(Reason("UNREADABLE", package.RESULT, {"detail": f"not a decimal number: {err}"})) from err
    yield from _check_order(evidence)
    yield from _check_escrow(evidence)


def _check_against_plan(evidence: Evidence) -> Iterator[Reason]:
    """The result must be about this plan and made as stated: digest, windows, unit, confidence, limit, run, engine."""
    plan, result, method = evidence.plan, evidence.result, evidence.json(package.METHOD)
    places = -int(_decimal(result.verdict.limit).as_tuple().exponent)
    limit = plan.target.at_most * scale_factor(plan.target.unit, plan.metric.unit)
    pairs = {
        "plan_digest": (result.plan_digest, plan_digest(evidence.data(package.PLAN))),
        "project": (result.project, plan.project),
        "metric.id": (result.metric.id, plan.metric.id),
        "metric.unit": (result.metric.unit, plan.metric.unit),
        "metric.boundary": (result.metric.boundary, plan.metric.boundary),
        "baseline.start": (result.baseline.start, plan.baseline.start),
        "baseline.end": (result.baseline.end, plan.baseline.end),
        "reporting.start": (result.reporting.start, plan.reporting.start),
        "reporting.end": (result.reporting.end, plan.reporting.end),
        "verdict.limit": (result.verdict.limit, fixed(limit, places)),
        "verdict.unit": (result.verdict.unit, plan.metric.unit),
        "engine_version": (result.engine_version, method.get("engine_version") if isinstance(method, dict) else None),
    }
    if result.effect is not None:
        pairs["effect.confidence"] = (_decimal(result.effect.confidence), Decimal(repr(plan.confidence)))
        pairs["effect.decimals"] = (result.effect.decimals, places)
    context = result.context
    if context.run_number is not None:
        pairs["context.run_number"] = (context.run_number, evidence.run_entry.run)
    if context.plan_logged_at is not None:
        pairs["context.plan_logged_at"] = (_micros(context.plan_logged_at), evidence.plan_entry.logged_at_us)
    if context.baseline_logged_at is not None:
        logged_at_us = evidence.baseline_entry.logged_at_us
        pairs["context.baseline_logged_at"] = (_micros(context.baseline_logged_at), logged_at_us)
    if context.latest_collected_at is not None:
        latest_us = evidence.baseline_entry.latest_source_time_us
        pairs["context.latest_collected_at"] = (_micros(context.latest_collected_at), latest_us)
    yield from (_disagrees(name, found, due) for name, (found, due) in pairs.items() if found != due)


def _check_verdict(evidence: Evidence) -> Iterator[Reason]:
    """Verdict, rounding, bridge and claim again, from the stated change and uncertainty."""
    plan, result, effect = evidence.plan, evidence.result, evidence.result.effect
    unit, stated = plan.metric.unit, result.verdict
    # Every number is looked at before it is used: see _decimal.
    delta, expanded = (
        (_decimal(effect.delta), _decimal(effect.expanded_uncertainty)) if effect else (Decimal(0), Decimal(0))
    )
    due = decide(effect, _decimal(stated.limit), unit, result.findings)
    if due.state != stated.state:
        yield _disagrees("verdict.state", stated.state, due.state)
    elif due != stated:
        yield _disagrees("verdict.reasons", _codes(stated.reasons), _codes(due.reasons))
    shown = f"{effect.reported_delta} ± {effect.reported_uncertainty}" if effect else "-"
    limit = short(_decimal(stated.limit))
    yield Reason("VERDICT", data={"state": stated.state, "delta": shown, "limit": limit, "unit": unit})
    if effect is None:
        return
    if (effect.reported_delta, effect.reported_uncertainty) != reported(delta, expanded):
        yield _disagrees("effect.reported_delta", shown, " ± ".join(reported(delta, expanded)))
    steps = [_decimal(row.value) for row in result.bridge]
    if not steps or sum(steps[:-1]) != steps[-1] or steps[-1] != delta:
        yield _disagrees("bridge", " + ".join(map(str, steps[:-1])), str(delta))
    claim = None
    if plan.claim is not None:
        value = fixed(plan.claim.value * scale_factor(plan.claim.unit, unit), effect.decimals)
        claim, _ = assess_claim(_decimal(value), effect, unit)
    if result.claim != claim:
        yield _disagrees("claim", result.claim, claim)
    elif claim is not None:
        yield Reason(
            "CLAIM_ASSESSED", data={"value": short(_decimal(claim.value)), "unit": unit, "assessment": claim.assessment}
        )


def _check_order(evidence: Evidence) -> Iterator[Reason]:
    """Escrow by log order: plan, then baseline, then run. The logged times must not contradict it."""
    entries = (evidence.plan_entry, evidence.baseline_entry, evidence.run_entry)
    places = [evidence.proofs[label].index for label in ("plan", "baseline", "run")]
    times = [entry.logged_at_us for entry in entries]
    if not places[0] < places[1] < places[2] or times != sorted(times):
        yield Reason("ORDER_WRONG", package.INCLUSION)


def _check_escrow(evidence: Evidence) -> Iterator[Reason]:
    """What the heads of the baseline commit to must be all of the baseline, and nothing of the reporting period."""
    plan, heads = evidence.plan, evidence.baseline_entry.heads
    start_us, end_us, reporting_us = (
        _midnight_us(day, plan.zone) for day in (plan.baseline.start, plan.baseline.end, plan.reporting.start)
    )
    marked = any(finding.code in LATE for finding in evidence.result.findings)
    before = [(name, delivery) for name, delivery in evidence.deliveries if is_locked(heads, delivery)]
    after = [(name, delivery) for name, delivery in evidence.deliveries if not is_locked(heads, delivery)]
    known = {_identity(reading) for _, delivery in before for reading in delivery.readings(plan.points)}
    for name, delivery in before:
        times = [reading.time_us for reading in delivery.readings(plan.points)]
        late = [time_us for time_us in times if time_us > reporting_us + EDGE_TOLERANCE_US]
        if late:
            yield Reason("BASELINE_LATE_MARKED" if marked else "BASELINE_LATE", name, {"time": utc_text(min(late))})
    for name, delivery in after:
        # A spool that was lost is filled again from the server's history: the same reading twice adds nothing.
        added = [
            reading.time_us
            for reading in delivery.readings(plan.points)
            if start_us - EDGE_TOLERANCE_US <= reading.time_us <= end_us + EDGE_TOLERANCE_US
            and reading.time_us < reporting_us  # where the windows touch, their common edge belongs to either
            and _identity(reading) not in known
        ]
        if added:
            yield Reason("BASELINE_ADDED", name, {"time": utc_text(min(added))})


def _identity(reading: Reading) -> tuple[str, int, str, int]:
    """What makes two readings the same; as text, a NaN equals itself and -0.0 is not 0.0."""
    return reading.point, reading.time_us, repr(reading.value), reading.status


def _midnight_us(day: dt.date, zone: ZoneInfo) -> int:
    return _micros(dt.datetime(day.year, day.month, day.day, tzinfo=zone))


def _micros(moment: dt.datetime) -> int:
    """Microseconds since 1970 UTC, exactly."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _decimal(text: str) -> Decimal:
    """A plain decimal of bounded length. An exponent could make a small file ask for gigabytes of digits."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text[:40])
    return Decimal(text)


def _codes(findings: list[Finding]) -> str:
    return ", ".join(str(finding) for finding in findings)


def _disagrees(name: str, found: object, expected: object) -> Reason:
    return Reason("RESULT_DISAGREES", package.RESULT, {"field": name, "found": str(found), "expected": str(expected)})
