"""The engine: a plan and its readings in, a result out. Pure: no file, no clock, no network.

The numbered steps are those of docs/explanation/methods.md. Two calls with the same readings give the same bytes,
whatever their order and chunking. Step 7, physical plausibility, is the mass balance of the data gate.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib.metadata
from collections.abc import Mapping

import msgspec

from verification.engine import present
from verification.engine.analysis import Windows, analyse
from verification.engine.meters import meters_in_use
from verification.engine.result import ClaimAssessment, Context, Effect, MeasureResult, Result
from verification.engine.rows import written_rows
from verification.engine.step6 import Step6
from verification.engine.threads import one_thread
from verification.engine.verdict import (
    assess_claim,
    beyond_the_level,
    decide,
    in_metric_unit,
    overall,
    rounding_decides,
    stated_limit,
)
from verification.engine.worth import annual_findings
from verification.findings import Finding
from verification.plan.doubts import doubts, taken_for_granted
from verification.plan.edges import span_us
from verification.plan.grounds import against
from verification.plan.measure import MeasureSpec
from verification.plan.shape import EDGE_TOLERANCE_US, Plan, WindowName
from verification.progress import Advance, untold
from verification.quality.balance import cross_checks
from verification.quality.gate import gate
from verification.quality.points import (
    PointWindow,
    measure_specs,
    needed_points,
    point_windows,
    readings_used,
)
from verification.series.columns import Series, input_digest

__all__ = ["Context", "Result", "needed_points", "readings_used", "steps_of", "verify"]

NO_CONTEXT = Context()


@one_thread()
def verify(
    plan: Plan,
    plan_digest: str,
    readings: Mapping[str, Series],
    context: Context = NO_CONTEXT,
    advance: Advance = untold,
) -> Result:
    """Judge `plan` on `readings`: a series per point, in the plan's units, in any order, with or without readings
    to spare.

    The readings must reach from the first instant of each window to the first instant after it, both included: a
    counter is read at the edges. `plan_digest` is the SHA-256 of the plan file as filed; `context` is what only the
    platform knows. `advance` is called after each of `steps_of(plan)`.
    """
    used = readings_used(plan, readings)
    findings = [*context.input_findings, *_plan_lock(plan, used, context)]  # step 1
    points, found = point_windows(plan, used, advance)  # step 2
    findings += [*found, *cross_checks(plan, [*points.values()])]
    foreseen = _filed_before_the_baseline(plan, context)
    measures = []
    for spec in measure_specs(plan):
        measures.append(_measure(plan, spec, points, findings, foreseen=foreseen))
        advance()
    return Result(
        schema=2,
        engine_version=_engine_version(),
        project=plan.project,
        plan_digest=plan_digest,
        input_digest=input_digest(used),
        timezone=plan.timezone,
        interval=plan.interval,
        confidence=str(plan.confidence),
        measures=measures,
        verdict=overall([measure.verdict for measure in measures]),
        findings=findings,
        context=context,
    )


def steps_of(plan: Plan) -> int:
    """In how many steps a plan is judged: its points, then its measures."""
    return len(needed_points(plan)) + len(plan.measures)


@functools.cache
def _engine_version() -> str:
    return importlib.metadata.version("retroproof")


def _measure(
    plan: Plan,
    spec: MeasureSpec,
    every: Mapping[WindowName, PointWindow],
    of_the_whole: list[Finding],
    *,
    foreseen: bool,
) -> MeasureResult:
    """One measure of the plan; a finding of the whole that forbids a number forbids this one, unless it is about
    other points.
    """
    of_the_whole = against(plan, spec, of_the_whole)
    findings = doubts(spec)
    compared = plan.windows_of(spec.measure)
    data = {}
    for name in compared:
        data[name], found = gate(plan, spec, every[name])  # step 2
        findings += found
    meters, found = meters_in_use(plan, spec)
    findings += found
    windows = Windows({name: every[name] for name in compared}, data)
    limit = stated_limit(spec)
    effect = analysis = step6 = None
    if not any(finding.blocks for finding in [*of_the_whole, *findings]):
        analysis, found = analyse(plan, spec, windows, meters)  # steps 3 to 5
        findings += found
    if analysis is not None:
        effect = present.effect(spec, analysis, plan.confidence)
        step6 = Step6(spec, windows, analysis, limit, plan.confidence, foreseen)
        findings += [*step6.findings(effect), *annual_findings(spec), *beyond_the_level(effect, limit)]
        if not analysis.primary.model.fit.residuals_are_zero:  # a U of nothing is then no matter of rounding
            findings += rounding_decides(effect, limit)
    claim, found = _claim(spec, effect)
    findings += found
    return MeasureResult(
        name=spec.name,
        metric=present.metric_info(spec),
        baseline=present.totals(plan.baseline, data["baseline"]),
        reporting=present.totals(plan.reporting, data["reporting"]),
        rows=written_rows(data, analysis.predicted if analysis else None),
        model=present.model_statistics(spec, analysis.weighed) if analysis else None,
        effect=effect,
        budget=present.budget_rows(spec, analysis.budget) if analysis else [],
        bridge=present.bridge_rows(spec, analysis) if analysis else [],
        verdict=decide(effect, limit, [*of_the_whole, *findings]),  # step 8
        claim=claim,
        findings=findings,
        cross_checks=step6.cross_checks() if step6 else [],
        panel=step6.panel() if step6 else [],
        placebo=step6.placebo() if step6 else None,
        change_points=step6.change_points() if step6 else [],
        sensitivity=step6.sensitivity() if step6 else [],
        adjustments=present.adjustment_rows(analysis) if analysis else [],
        drivers=[driver.name for driver in spec.drivers],
        chain=present.chain(spec, compared, data, analysis, plan.confidence) if "intermediate" in compared else None,
        model_after=present.model_statistics(spec, analysis.weighed_after)
        if analysis and analysis.weighed_after
        else msgspec.UNSET,
    )


def _plan_lock(plan: Plan, used: Mapping[str, Series], context: Context) -> list[Finding]:
    """Was the plan fixed before the first reading that it is judged on, and how far can its readings be trusted?"""
    findings = [taken_for_granted(plan)]
    if context.plan_logged_at is None:
        findings.append(Finding.of("PLAN_NOT_LOGGED"))
    findings += _escrow(plan, used, context)
    if context.run_number is not None and context.run_count is not None and context.run_count > 1:
        findings.append(Finding.of("RUN_REPEATED", run_number=context.run_number, run_count=context.run_count))
    for point in used:
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
        shown = _stated(plan, collected_until=latest, first_reading_at=first)
        return [Finding.of("COLLECTED_BEFORE_LOCK", **shown)]
    findings = []
    for item, logged_at in (("plan", context.plan_logged_at), ("baseline", context.baseline_logged_at)):
        if logged_at is not None and logged_at > first:
            shown = _stated(plan, logged_at=logged_at, first_reading_at=first)
            findings.append(Finding.of("LOGGED_LATE" if latest is None else "DATED_BEFORE_LOCK", item=item, **shown))
    return findings


def _stated(plan: Plan, **times: dt.datetime) -> dict[str, str]:
    """Times as findings state them: in the plan's time zone, to the second, but where that would make them the same."""
    local = {name: time.astimezone(plan.zone) for name, time in times.items()}
    shown = {name: time.isoformat(timespec="seconds") for name, time in local.items()}
    return shown if len(set(shown.values())) == len(shown) else {name: time.isoformat() for name, time in local.items()}


def _filed_before_the_baseline(plan: Plan, context: Context) -> bool:
    """Whether the log shows the plan to be older than every reading that its baseline could have been chosen by."""
    logged_at = context.plan_logged_at
    return logged_at is not None and logged_at <= _instant(plan, span_us(plan, plan.baseline)[0])


def _first_reporting_reading(plan: Plan, used: Mapping[str, Series]) -> dt.datetime | None:
    """The first reading in the reporting period, in the plan's time zone."""
    start_us, _ = span_us(plan, plan.reporting)
    after = [series.time_us[series.time_us >= start_us] for series in used.values()]
    first_us = min((int(times.min()) for times in after if len(times)), default=None)
    return None if first_us is None else _instant(plan, first_us)


def _instant(plan: Plan, time_us: int) -> dt.datetime:
    """Microseconds since the epoch as a time in the plan's time zone."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (epoch + dt.timedelta(microseconds=time_us)).astimezone(plan.zone)


def _claim(spec: MeasureSpec, effect: Effect | None) -> tuple[ClaimAssessment | None, list[Finding]]:
    if spec.measure.claim is None or effect is None:
        return None, []
    claimed = in_metric_unit(spec, spec.measure.claim.value, spec.measure.claim.unit)
    return assess_claim(claimed, effect, spec.unit, spec.better)
