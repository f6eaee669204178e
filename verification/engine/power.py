"""The planner's answers for a plan and its baseline readings, in the metric's unit and as text to be printed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from verification.engine.assess import Primary, primary_answer
from verification.engine.case import Case
from verification.engine.meters import meters_in_use
from verification.engine.planner import PlannedMeter, Planner
from verification.engine.rounding import short, significant
from verification.engine.threads import one_thread
from verification.engine.windows import columns_of, model_spec, output_driver, sample_of
from verification.findings import Finding, of_baseline
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Plan
from verification.quality.gate import gate
from verification.quality.points import calendars, measure_specs, point_windows, readings_used
from verification.series.columns import Series
from verification.units import scale_factor

TABLE = (14, 30, 60, 90, 120, 180, 365, 730)  # reporting intervals
DIGITS = 4


@dataclasses.dataclass(frozen=True)
class Power:
    """What one measure can prove. Changes are in the metric's unit; `table` is (reporting intervals, smallest change).

    `change` is the one that was asked for, `limit` what it is held against, `needed` the intervals that prove it and
    `class_percent` the meters' class that does so over the `planned` intervals; None where nothing does.
    """

    name: str
    unit: str
    of: str
    n: int
    effective: str
    rho: str
    planned: int
    smallest: str
    smallest_percent: str
    shares: tuple[tuple[str, str], ...]
    table: tuple[tuple[int, str], ...]
    change: str | None
    limit: str
    needed: int | None
    class_percent: float | None


@one_thread()
def powers(
    plan: Plan, readings: Mapping[str, Series], *, change: float | None, power: float
) -> tuple[list[Power], list[Finding]]:
    """Every measure's power, and what speaks against its baseline; a measure without a model has findings only.

    `change` is in the metric's unit, for every measure; without it each measure's claim is asked for.
    """
    found: list[Power] = []
    windows, findings = point_windows(plan, readings_used(plan, readings))
    before = windows["baseline"]
    findings = of_baseline(findings)
    for spec in measure_specs(plan):
        if spec.measure.method == "chaining":
            findings.append(Finding.of("POWER_OF_CHAIN_UNKNOWN", measure=spec.name))
            continue
        data, of_gate = gate(plan, spec, before)
        findings += [finding for finding in of_gate if finding not in findings]
        if any(finding.blocks for finding in of_gate):
            continue
        baseline = sample_of(data, columns_of(data, before))
        case = Case(baseline, baseline, output=output_driver(spec))
        primary = primary_answer(model_spec(spec), case)
        if isinstance(primary, Finding):
            findings.append(primary)
            continue
        found.append(_power(plan, spec, primary, case, change, power))
    return found, findings


def _power(plan: Plan, spec: MeasureSpec, primary: Primary, case: Case, change: float | None, power: float) -> Power:
    meters, _ = meters_in_use(plan, spec)
    numerator = spec.numerator.formula.points
    planner = Planner(
        model=primary.model,
        noise=primary.noise,
        baseline=case.baseline,
        meters=[PlannedMeter(each.name, bool(each.points & numerator), each.continuity) for each in meters],
        confidence=plan.confidence,
        power=power,
        output=case.output,
    )
    scale, planned = spec.unit_scale, len(calendars(plan)[-1])
    sign = -1.0 if spec.better == "lower" else 1.0
    smallest = planner.smallest_change(planned, sign)
    budget = planner.budget(smallest, planned)
    variance = budget.combined**2
    level = case.baseline.total_y / case.baseline.total_w
    asked = change
    if asked is None and spec.measure.claim is not None:
        asked = spec.measure.claim.value * scale_factor(spec.measure.claim.unit, spec.unit)
    target = spec.measure.target
    limit = target.value * scale_factor(target.unit, spec.unit) if target.of == "change" else 0.0
    question = None if asked is None else (asked / scale, limit / scale)
    return Power(
        name=spec.name,
        unit=spec.unit,
        of=target.of,
        n=primary.model.fit.n,
        effective=f"{primary.noise.effective:.1f}",
        rho=f"{primary.noise.rho_mean:.2f}",
        planned=planned,
        smallest=significant(smallest * scale, DIGITS),
        smallest_percent=significant(100 * smallest / level, DIGITS) if level else "–",
        shares=tuple((row.source, f"{100 * row.u**2 / variance if variance else 0:.0f}") for row in budget.rows),
        table=tuple((n, significant(planner.smallest_change(n, sign) * scale, DIGITS)) for n in TABLE),
        change=None if asked is None else short(Decimal(str(asked))),
        limit=short(Decimal(str(limit))),
        needed=planner.intervals_needed(*question) if question else None,
        class_percent=planner.class_needed(*question, planned) if question else None,
    )
