"""The engine: a plan and its readings in, a result out. Pure: no file, no clock, no network.

The numbered steps are those of docs/explanation/methods.md. Two calls with the same readings give the same bytes,
whatever their order and chunking. Not handled yet: steps 6 and 7, the panel of other admissible models and physical
plausibility.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from collections.abc import Mapping

from verification.engine import present
from verification.engine.analysis import analyse
from verification.engine.result import ClaimAssessment, Context, Effect, MetricInfo, Result
from verification.engine.series import Series, input_digest
from verification.engine.sufficiency import calendars, gate, needed_points, readings_used
from verification.engine.uncertainty import continuity
from verification.engine.verdict import assess_claim, decide
from verification.findings import Finding
from verification.plan import EDGE_TOLERANCE_US, Plan

__all__ = ["Context", "Result", "needed_points", "readings_used", "verify"]

NO_CONTEXT = Context()


def verify(plan: Plan, plan_digest: str, readings: Mapping[str, Series], context: Context = NO_CONTEXT) -> Result:
    """Judge `plan` on `readings`: a series per point, in the plan's units, in any order, with or without readings
    to spare.

    The readings must reach from the first instant of each window to the first instant after it, both included: a
    counter is read at the edges. `plan_digest` is the SHA-256 of the plan file as filed; `context` is what only the
    platform knows.
    """
    used = readings_used(plan, readings)
    findings = [*context.input_findings, *_plan_lock(plan, used, context)]  # step 1
    baseline, reporting, found = gate(plan, used)  # step 2
    findings += found
    meters = {}
    for name in (plan.metric.energy, plan.metric.output):
        meters[name], found = continuity(plan, name)
        findings += found
    analysis = None
    if not any(finding.blocks for finding in findings):
        analysis, found = analyse(plan, baseline, reporting, meters)  # steps 3 to 5
        findings += found
    effect = present.effect(plan, analysis) if analysis else None
    limit = present.in_metric_unit(plan, plan.target.at_most, plan.target.unit)
    claim, found = _claim(plan, effect)
    findings += found
    return Result(
        schema=1,
        engine_version=importlib.metadata.version("retroproof"),
        project=plan.project,
        plan_digest=plan_digest,
        input_digest=input_digest(used),
        metric=MetricInfo(plan.metric.id, plan.metric.unit, plan.metric.boundary),
        baseline=present.totals(plan, plan.baseline, baseline),
        reporting=present.totals(plan, plan.reporting, reporting),
        daily=[
            *present.day_rows(baseline, analysis.predicted_baseline if analysis else None),
            *present.day_rows(reporting, analysis.predicted_reporting if analysis else None),
        ],
        model=present.model_statistics(plan, analysis) if analysis else None,
        effect=effect,
        budget=present.budget_rows(plan, analysis.budget) if analysis else [],
        bridge=present.bridge_rows(plan, analysis) if analysis else [],
        verdict=decide(effect, limit, plan.metric.unit, findings),  # step 8
        claim=claim,
        findings=findings,
        context=context,
    )


def _plan_lock(plan: Plan, used: Mapping[str, Series], context: Context) -> list[Finding]:
    """Was the plan fixed before the first reading that it is judged on, and how far can its readings be trusted?"""
    findings = []
    if context.plan_logged_at is None:
        findings.append(Finding.of("PLAN_NOT_LOGGED"))
    findings += _escrow(plan, used, context)
    if context.run_number is not None and context.run_count is not None and context.run_count > 1:
        findings.append(Finding.of("RUN_REPEATED", run_number=context.run_number, run_count=context.run_count))
    for point in needed_points(plan):
        grade = context.trust_grades.get(point, "signed")
        if grade != "signed":
            findings.append(Finding.of("TRUST_GRADE_LOW", point=point, grade=grade))
    return findings


def _escrow(plan: Plan, used: Mapping[str, Series], context: Context) -> list[Finding]:
    """Was the baseline locked before a reading of the reporting period had been collected?

    By the order of collection where it is known. Readings that a source kept and gave out after the lock pass, but the
    result says that they are dated before it: nobody can prove when they were first seen.
    """
    first = _first_reporting_reading(plan, used)
    if first is None:
        return []
    latest = context.latest_collected_at
    if latest is not None and latest > first + dt.timedelta(microseconds=EDGE_TOLERANCE_US):
        collected_until = latest.astimezone(plan.zone).isoformat()
        return [
            Finding.of("COLLECTED_BEFORE_LOCK", collected_until=collected_until, first_reading_at=first.isoformat())
        ]
    findings = []
    for item, logged_at in (("plan", context.plan_logged_at), ("baseline", context.baseline_logged_at)):
        if logged_at is not None and logged_at > first:
            shown = {"logged_at": logged_at.astimezone(plan.zone).isoformat(), "first_reading_at": first.isoformat()}
            findings.append(Finding.of("LOGGED_LATE" if latest is None else "DATED_BEFORE_LOCK", item=item, **shown))
    return findings


def _first_reporting_reading(plan: Plan, used: Mapping[str, Series]) -> dt.datetime | None:
    """The first reading in the reporting period, in the plan's time zone."""
    _, reporting = calendars(plan)
    start_us = int(reporting.edges_us[0])
    after = [series.time_us[series.time_us >= start_us] for series in used.values()]
    first_us = min((int(times.min()) for times in after if len(times)), default=None)
    if first_us is None:
        return None
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (epoch + dt.timedelta(microseconds=first_us)).astimezone(plan.zone)


def _claim(plan: Plan, effect: Effect | None) -> tuple[ClaimAssessment | None, list[Finding]]:
    if plan.claim is None or effect is None:
        return None, []
    claimed = present.in_metric_unit(plan, plan.claim.value, plan.claim.unit)
    return assess_claim(claimed, effect, plan.metric.unit)
