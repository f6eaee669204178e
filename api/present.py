"""From rows and results to the JSON of the API. Chooses and names; computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from api import schemas
from api.clock import from_microseconds
from api.dossier import FiledPlan, Project, Run
from api.filing import Filing, findings_of
from api.web.texts import TEXTS
from verification.engine.result import MeasureResult, Result, State
from verification.findings import Finding


def finding(found: Finding) -> schemas.FindingOut:
    """A finding with its texts in both languages."""
    return schemas.FindingOut(
        code=found.code,
        severity=found.severity,
        data=found.data,
        text=schemas.BothLanguages(en=found.text("en"), zh=found.text("zh")),
        resolve=schemas.BothLanguages(en=found.resolve("en"), zh=found.resolve("zh")),
    )


def findings(found: Sequence[Finding]) -> list[schemas.FindingOut]:
    """Several findings."""
    return [finding(item) for item in found]


def run(stored: Run, result: Result) -> schemas.RunOut:
    """A run with what its result says."""
    measures = [_measure(one) for one in result.measures]
    return schemas.RunOut(
        number=stored.number,
        k=stored.k,
        plan_version=stored.plan_version,
        plan_sha256=result.plan_digest,
        started_at=stored.started_at,
        finished_at=stored.finished_at,
        started_by=stored.started_by,
        verdict=_verdict(result.verdict.state, result.verdict.reasons),
        delta=measures[0].delta,
        target=measures[0].target,
        measures=measures,
        findings=findings(result.all_findings),
        manifest_sha256=stored.manifest_sha256.hex(),
        log_index=stored.log_index,
        package_bytes=stored.package_bytes,
    )


def _measure(measure: MeasureResult) -> schemas.MeasureOut:
    effect, limit, claim = measure.effect, measure.verdict.limit, measure.claim
    boundary = measure.metric.boundary
    return schemas.MeasureOut(
        name=measure.name,
        metric=measure.metric.id,
        boundary=schemas.BothLanguages(en=boundary.en, zh=boundary.zh),
        verdict=_verdict(measure.verdict.state, measure.verdict.reasons),
        delta=None
        if effect is None
        else schemas.Delta(
            value=effect.reported_delta,
            expanded_uncertainty=effect.reported_uncertainty,
            unit=measure.metric.unit,
            confidence=effect.confidence,
        ),
        target=schemas.TargetOut(
            of=limit.of,
            at_most=limit.value if limit.side == "at_most" else None,
            at_least=limit.value if limit.side == "at_least" else None,
            unit=limit.unit,
        ),
        claim=schemas.ClaimOut(value=claim.value, assessment=claim.assessment) if claim else None,
    )


def _verdict(state: State, reasons: Sequence[Finding]) -> schemas.VerdictOut:
    words = TEXTS[f"verdict_{state}"]
    return schemas.VerdictOut(
        state=state, text=schemas.BothLanguages(en=words.en, zh=words.zh), reasons=findings(reasons)
    )


def run_summary(stored: Run) -> schemas.RunSummary:
    """A run in a list."""
    return schemas.RunSummary(
        number=stored.number,
        k=stored.k,
        plan_version=stored.plan_version,
        finished_at=stored.finished_at,
        verdict=stored.verdict,
        manifest_sha256=stored.manifest_sha256.hex(),
        log_index=stored.log_index,
    )


def plan(filing: Filing) -> schemas.PlanOut:
    """A filed plan."""
    filed = filing.plan
    return schemas.PlanOut(
        version=filed.version,
        plan_sha256=filed.sha256.hex(),
        locked_at=filed.locked_at,
        plan_log_index=filed.plan_index,
        baseline_log_index=filed.baseline_index,
        readings_sha256=filing.baseline.readings_sha256,
        latest_source_time=from_microseconds(filing.baseline.latest_source_time_us),
        findings=findings(findings_of(filed)),
    )


def project(stored: Project, newest: FiledPlan | None, last: Run | None) -> schemas.ProjectOut:
    """A project with what is in force."""
    return schemas.ProjectOut(
        id=stored.id,
        enterprise=stored.enterprise,
        device=stored.device,
        title=schemas.BothLanguages(en=stored.title_en, zh=stored.title_zh),
        created_at=stored.created_at,
        plan_version=newest.version if newest else None,
        verdict=last.verdict if last else None,
    )
