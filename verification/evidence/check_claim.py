"""The axis `claim`: does the verdict follow from the stated numbers, by rules that were fixed before the data came?

Re-derives what a person could re-derive by hand, in decimals: limit, verdict, rounding, bridge, budget, the
enterprise's claim against the interval. Then the escrow: the log holds the plan before the baseline and the baseline
before the run, and no batch that was there when the baseline was locked holds a reading of the reporting period. The
numbers themselves are recomputed elsewhere.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import get_args

from verification.engine.result import Effect, MeasureResult
from verification.engine.rounding import fixed, reported, short
from verification.engine.verdict import assess_claim, decide, figure, overall, stated_limit
from verification.evidence import package
from verification.evidence.check_evidence import Evidence, UnusableError
from verification.evidence.check_report import Reason
from verification.evidence.deliveries import Reading, is_locked, utc_text
from verification.findings import Finding, Outcome
from verification.model import PointKind
from verification.plan import EDGE_TOLERANCE_US, Plan, plan_digest
from verification.plan.edges import span_us
from verification.plan.grounds import against
from verification.plan.resolve import measure_spec
from verification.units import scale_factor

FACTOR_PLACE = Decimal("0.0001")  # k is stated to four places
FIGURES = {"change": "change", "relative": "relative change", "level": "level"}
LATE = {"COLLECTED_BEFORE_LOCK", "LOGGED_LATE"}
ONCE_WARNINGS = {"BILL_DISAGREES", "BALANCE_OPEN"}  # to early engines of 0.2.0
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


def check_claim(evidence: Evidence) -> Iterator[Reason]:
    """Every reason about the conclusion."""
    try:
        yield from _check_against_plan(evidence)
        yield from _check_verdict(evidence)
    except InvalidOperation as err:  # more digits than decimals are computed with
        raise UnusableError(
            Reason("UNREADABLE", package.RESULT, {"detail": "its numbers have too many digits"})
        ) from err
    except ValueError as err:
        raise UnusableError(Reason("UNREADABLE", package.RESULT, {"detail": str(err)})) from err
    yield from _check_order(evidence)
    yield from _check_escrow(evidence)


def _check_against_plan(evidence: Evidence) -> Iterator[Reason]:
    """The result must be about this plan and made as stated: digest, windows, unit, confidence, limit, run, engine."""
    plan, result, method = evidence.plan, evidence.result, evidence.json(package.METHOD)
    pairs: dict[str, tuple[object, object]] = {
        "plan_digest": (result.plan_digest, plan_digest(evidence.data(package.PLAN))),
        "project": (result.project, plan.project),
        "interval": (result.interval, plan.interval),
        "measures": ([measure.name for measure in result.measures], list(plan.measures)),
        "engine_version": (result.engine_version, method.get("engine_version") if isinstance(method, dict) else None),
    }
    if result.timezone:  # schema 1 has none
        pairs["timezone"] = (result.timezone, plan.timezone)
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
    for measure in result.measures:
        if measure.name in plan.measures:
            pairs |= measure_pairs(plan, measure)
    yield from (_disagrees(name, found, due) for name, (found, due) in pairs.items() if found != due)


def measure_pairs(plan: Plan, measure: MeasureResult) -> dict[str, tuple[object, object]]:
    """What a measure states, against what the plan says of it."""
    spec, limit = measure_spec(plan, measure.name), measure.verdict.limit
    due = stated_limit(spec)
    windows = plan.windows_of(spec.measure)
    pairs: dict[str, tuple[object, object]] = {
        "metric.id": (measure.metric.id, spec.metric_id),
        "metric.unit": (measure.metric.unit, spec.unit),
        "metric.boundary": (measure.metric.boundary, spec.boundary),
        "metric.better": (measure.metric.better, spec.better),
        "windows": ([*measure.windows], [*windows]),
        "verdict.limit.of": (limit.of, due.of),
        "verdict.limit.side": (limit.side, due.side),
        "verdict.limit.value": (limit.value, due.value),
        "verdict.limit.unit": (limit.unit, due.unit),
    }
    for name in [each for each in windows if each in measure.windows]:
        stated = measure.windows[name]
        pairs[f"{name}.start"] = (stated.start, windows[name].start)
        pairs[f"{name}.end"] = (stated.end, windows[name].end)
    if measure.effect is not None:
        pairs["effect.confidence"] = (_decimal(measure.effect.confidence), Decimal(repr(plan.confidence)))
        pairs["effect.decimals"] = (measure.effect.decimals, spec.decimals)
    return {f"measures.{measure.name}.{field}": pair for field, pair in pairs.items()}


def _check_verdict(evidence: Evidence) -> Iterator[Reason]:
    """Every measure's verdict again, and the overall one from theirs."""
    result = evidence.result
    for measure in result.measures:
        yield from _check_measure(evidence, measure)
    if not result.measures:
        yield _disagrees("measures", "none", "at least one")
        return
    due = overall([measure.verdict for measure in result.measures])
    if due.state != result.verdict.state:
        yield _disagrees("verdict.state", result.verdict.state, due.state)
    elif due != result.verdict:
        yield _disagrees("verdict.reasons", _codes(result.verdict.reasons), _codes(due.reasons))


def _check_measure(evidence: Evidence, measure: MeasureResult) -> Iterator[Reason]:
    """Verdict, rounding, bridge and claim again, from the stated change and uncertainty."""
    effect, stated = measure.effect, measure.verdict
    _unit, field = measure.metric.unit, f"measures.{measure.name}"
    # Every number is looked at before it is used: see _decimal.
    delta, expanded = _figures(effect) if effect else (Decimal(0), Decimal(0))
    limit = short(_decimal(stated.limit.value))
    yield from _check_decision(evidence, measure)
    shown = f"{effect.reported_delta} ± {effect.reported_uncertainty}" if effect else "-"
    yield _verdict_note(measure, effect, limit)
    if effect is None:
        return
    if (effect.reported_delta, effect.reported_uncertainty) != reported(delta, expanded):
        yield _disagrees(f"{field}.effect.reported_delta", shown, " ± ".join(reported(delta, expanded)))
    steps = [_decimal(row.value) for row in measure.bridge]
    if not steps or sum(steps[:-1]) != steps[-1] or steps[-1] != delta:
        yield _disagrees(f"{field}.bridge", " + ".join(map(str, steps[:-1])), str(delta))
    yield from _check_budget(measure, effect)
    yield from _check_stated_claim(evidence.plan, measure, effect)


def _check_decision(evidence: Evidence, measure: MeasureResult) -> Iterator[Reason]:
    """The verdict again, from the change and the findings that bear on the measure.

    The rules of another engine refute nothing: a measure without a change may have been withdrawn by them, and one to
    come may know findings that this one does not.
    """
    effect, stated, field = measure.effect, measure.verdict, f"measures.{measure.name}"
    bearing = [*_of_the_whole(evidence, measure), *measure.findings]
    other_rules = Reason("OTHER_RULES", package.RESULT, {"measure": measure.name, "state": stated.state})
    if effect is None and not any(finding.blocks for finding in bearing):
        found = [*evidence.result.findings, *measure.findings]
        withdrawn = stated.state in get_args(Outcome) and stated.reasons
        if withdrawn and all(reason in found for reason in stated.reasons):
            yield other_rules
        else:
            yield _disagrees(f"{field}.effect", None, "a change, or a finding that says why there is none")
        return
    due = decide(effect, stated.limit, bearing)
    if due != stated == decide(effect, stated.limit, _bearing_earlier(evidence, measure, bearing)):
        yield other_rules
    elif due.state != stated.state:
        yield _disagrees(f"{field}.verdict.state", stated.state, due.state)
    elif due != stated:
        yield _disagrees(f"{field}.verdict.reasons", _codes(stated.reasons), _codes(due.reasons))


def _bearing_earlier(evidence: Evidence, measure: MeasureResult, bearing: list[Finding]) -> list[Finding]:
    """The findings that bore on a measure by the rules of earlier engines: what withdrew one measure withdrew all, and
    some findings that withdraw today were warnings.
    """
    if measure.effect is None:
        return [*evidence.result.findings, *measure.findings]
    return [finding for finding in bearing if finding.code not in ONCE_WARNINGS or finding.severity != "warning"]


def _verdict_note(measure: MeasureResult, effect: Effect | None, limit: str) -> Reason:
    """What was concluded, for the report: the figure that the limit is about, beside it."""
    stated = measure.verdict
    value = " ± ".join(reported(*figure(effect, stated.limit.of))) if effect else "-"
    shown = {"state": stated.state, "measure": measure.name, "figure": FIGURES[stated.limit.of], "value": value}
    return Reason("VERDICT", data={**shown, "limit": limit, "unit": stated.limit.unit})


def _check_budget(measure: MeasureResult, effect: Effect) -> Iterator[Reason]:
    """The rows of the budget combine to u_c, and U is k times it (GUM 5.1.2 and 6.2.1), as far as rounding allows."""
    field, place = f"measures.{measure.name}.effect", Decimal(1).scaleb(-effect.decimals)
    combined, factor = _decimal(effect.standard_uncertainty), _decimal(effect.coverage_factor)
    root = sum((_decimal(row.standard_uncertainty) ** 2 for row in measure.budget), Decimal(0)).sqrt()
    if abs(root - combined) > place * (1 + len(measure.budget)):
        yield _disagrees(f"{field}.standard_uncertainty", combined, fixed(root, effect.decimals))
    expanded, due = _decimal(effect.expanded_uncertainty), factor * combined
    if abs(due - expanded) > place * (1 + factor) + FACTOR_PLACE * combined:
        yield _disagrees(f"{field}.expanded_uncertainty", expanded, fixed(due, effect.decimals))


def _check_stated_claim(plan: Plan, measure: MeasureResult, effect: Effect) -> Iterator[Reason]:
    """The enterprise's claim against the interval, again."""
    unit, claim = measure.metric.unit, None
    filed = plan.measures[measure.name].claim if measure.name in plan.measures else None
    if filed is not None:
        value = fixed(filed.value * scale_factor(filed.unit, unit), effect.decimals)
        claim, _ = assess_claim(_decimal(value), effect, unit, measure_spec(plan, measure.name).better)
    if measure.claim != claim:
        yield _disagrees(f"measures.{measure.name}.claim", measure.claim, claim)
    elif claim is not None:
        yield Reason(
            "CLAIM_ASSESSED", data={"value": short(_decimal(claim.value)), "unit": unit, "assessment": claim.assessment}
        )


def _of_the_whole(evidence: Evidence, measure: MeasureResult) -> list[Finding]:
    """The findings of the whole that bear on a measure; all of them where the plan knows no such measure."""
    plan, found = evidence.plan, evidence.result.findings
    return against(plan, measure_spec(plan, measure.name), found) if measure.name in plan.measures else found


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
    baseline_us, (reporting_us, _) = span_us(plan, plan.baseline), span_us(plan, plan.reporting)
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
            if _is_within(baseline_us, plan.points[reading.point].kind, reading.time_us)
            and reading.time_us < reporting_us  # where the windows touch, their common edge belongs to either
            and _identity(reading) not in known
        ]
        if added:
            yield Reason("BASELINE_ADDED", name, {"time": utc_text(min(added))})


def _is_within(window_us: tuple[int, int], kind: PointKind, time_us: int) -> bool:
    """Whether a figure of the window can stand on a reading. A counter is read at the window's edges, too; of any
    other point the instant at which the window ends belongs to what follows, such as the next day's roster.
    """
    start_us, end_us = window_us
    if kind is PointKind.COUNTER:
        return start_us - EDGE_TOLERANCE_US <= time_us <= end_us + EDGE_TOLERANCE_US
    return start_us <= time_us < end_us


def _identity(reading: Reading) -> tuple[str, int, str, int]:
    """What makes two readings the same; as text, a NaN equals itself and -0.0 is not 0.0."""
    return reading.point, reading.time_us, repr(reading.value), reading.status


def _micros(moment: dt.datetime) -> int:
    """Microseconds since 1970 UTC, exactly."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _figures(effect: Effect) -> tuple[Decimal, Decimal]:
    """The change and its uncertainty, after a look at every figure that a limit may be about."""
    others = (
        effect.relative_percent,
        effect.relative_expanded_uncertainty,
        effect.level,
        effect.level_expanded_uncertainty,
    )
    for text in others:
        if text is not None:
            _decimal(text)
    return _decimal(effect.delta), _decimal(effect.expanded_uncertainty)


def _decimal(text: str) -> Decimal:
    """A plain decimal of bounded length. An exponent could make a small file ask for gigabytes of digits."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"not a decimal number: {text[:40]}")
    return Decimal(text)


def _codes(findings: list[Finding]) -> str:
    return ", ".join(str(finding) for finding in findings)


def _disagrees(name: str, found: object, expected: object) -> Reason:
    return Reason("RESULT_DISAGREES", package.RESULT, {"field": name, "found": str(found), "expected": str(expected)})
