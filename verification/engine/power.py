"""The planner's answers for a plan and its baseline readings, in the metric's unit and as text to be printed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal

from verification.engine.analysis import support
from verification.engine.assess import primary_answer
from verification.engine.budget import Budget
from verification.engine.case import Case
from verification.engine.meters import meters_in_use
from verification.engine.models.family import fit_model
from verification.engine.models.sample import Sample
from verification.engine.planner import PlannedMeter, Planner, linking_window
from verification.engine.rounding import short, significant
from verification.engine.threads import one_thread
from verification.engine.windows import columns_of, model_spec, output_driver, sample_of, standard_of
from verification.findings import Finding, of_baseline
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Plan, WindowName
from verification.quality.gate import gate
from verification.quality.points import calendars, measure_specs, point_windows, readings_used
from verification.series.columns import Series
from verification.units import scale_factor

TABLE = (14, 30, 60, 90, 120, 180, 365, 730)  # reporting intervals
DIGITS = 4


@dataclasses.dataclass(frozen=True)
class Power:
    """What one measure can prove. Changes are in the metric's unit; `table` is (reporting intervals, smallest change).

    A smallest change is None where so few intervals cannot tell their noise, so that nothing can be promised.
    `n` intervals of the window `fitted` are worth `effective` independent ones.
    `change` is the one that was asked for, `limit` what it is held against, `needed` the intervals that prove it and
    `class_percent` the meters' class that does so over the `planned` intervals; None where nothing does, as where the
    change does not keep to the limit (`keeps`).
    """

    name: str
    unit: str
    of: str
    fitted: WindowName
    n: int
    effective: str
    rho: str
    planned: int
    smallest: str | None
    smallest_percent: str
    shares: tuple[tuple[str, str], ...]
    table: tuple[tuple[int, str | None], ...]
    change: str | None
    limit: str
    keeps: bool
    needed: int | None
    class_percent: float | None


@one_thread()
def powers(
    plan: Plan,
    readings: Mapping[str, Series],
    *,
    change: float | None,
    power: float,
    output_change: float | None = None,
) -> tuple[list[Power], list[Finding]]:
    """Every measure's power, and what speaks against its baseline; a measure without a model has findings only.

    `change` is in the metric's unit, for every measure; without it each measure's claim is asked for. `output_change`
    [percent] is by how much the output will differ in the reporting period, for every measure whose denominator it is.
    """
    found: list[Power] = []
    windows, findings = point_windows(plan, readings_used(plan, readings))
    before = windows["baseline"]
    findings = of_baseline(findings)
    for spec in measure_specs(plan):
        data, of_gate = gate(plan, spec, before)
        findings += [finding for finding in of_gate if finding not in findings]
        if any(finding.blocks for finding in of_gate):
            continue
        planner, of_output = _planner(plan, spec, sample_of(data, columns_of(data, before)), power, output_change)
        findings += of_output
        if planner is not None:
            found.append(_power(plan, spec, planner, change))
    return found, findings


def _planned(plan: Plan) -> dict[WindowName, int]:
    """How many intervals each window has."""
    return {calendar.label: len(calendar) for calendar in calendars(plan)}


def _planner(
    plan: Plan, spec: MeasureSpec, baseline: Sample, power: float, output_change: float | None
) -> tuple[Planner | None, list[Finding]]:
    """What can be asked, or why no model stands; and what is said of the output to come."""
    model, output = model_spec(spec), output_driver(spec)
    start = Case(baseline, baseline, spec.measure.method, output=output, standard=standard_of(spec, baseline))
    findings = []
    if output_change is not None and output is None:
        findings.append(Finding.of("NO_OUTPUT_TO_CHANGE", measure=spec.name))
    times = 1.0 if output is None else 1 + (output_change or 0.0) / 100
    if spec.measure.method == "chaining":
        fitted = fit_model(model, baseline)
        if isinstance(fitted, Finding):
            return None, [*findings, fitted]
        if output_change is None:
            findings.append(Finding.of("CHAIN_LOADS_ALIKE", measure=spec.name))
        link = linking_window(fitted, start, _planned(plan)["intermediate"], times)
        start = dataclasses.replace(start, intermediate=link)
    primary = primary_answer(model, start)
    if isinstance(primary, Finding):
        return None, [*findings, primary]
    meters, _ = meters_in_use(plan, spec)
    numerator = spec.numerator.formula.points
    planner = Planner(
        model=primary.model,
        noise=primary.noise,
        start=start,
        meters=[PlannedMeter(each.name, bool(each.points & numerator), each.continuity) for each in meters],
        confidence=plan.confidence,
        power=power,
        times=times,
    )
    planned = _planned(plan)["reporting"]
    answer = planner.answer(0.0, planned)
    if isinstance(answer, Finding):
        return None, [*findings, answer]
    unsupported = [finding for finding in support(answer.model, planner.case(0.0, planned)) if finding.blocks]
    return planner, [*findings, *unsupported]


def _power(plan: Plan, spec: MeasureSpec, planner: Planner, change: float | None) -> Power:
    scale, planned = spec.unit_scale, _planned(plan)["reporting"]
    sign = -1.0 if spec.better == "lower" else 1.0
    smallest = planner.smallest_change(planned, sign)
    baseline = planner.start.baseline
    level = baseline.total_y / baseline.total_w
    asked = change
    if asked is None and spec.measure.claim is not None:
        asked = spec.measure.claim.value * scale_factor(spec.measure.claim.unit, spec.unit)
    target = spec.measure.target
    limit = target.value * scale_factor(target.unit, spec.unit) if target.of == "change" else 0.0
    beyond = 0.0 if asked is None or target.of != "change" else asked - limit
    keeps = beyond <= 0 if target.side == "at_most" else beyond >= 0
    question = (asked / scale, limit / scale) if asked is not None and keeps else None
    return Power(
        name=spec.name,
        unit=spec.unit,
        of=target.of,
        fitted="baseline" if planner.start.intermediate is None else "intermediate",
        n=planner.model.fit.n,
        effective=f"{planner.noise.effective:.1f}",
        rho=f"{planner.noise.rho_mean:.2f}",
        planned=planned,
        smallest=_stated(smallest * scale),
        smallest_percent=(_stated(100 * smallest / level) if level else None) or "–",
        shares=_shares(planner.budget(smallest, planned)) if math.isfinite(smallest) else (),
        table=tuple((n, _stated(planner.smallest_change(n, sign) * scale)) for n in TABLE),
        change=None if asked is None else short(Decimal(str(asked))),
        limit=short(Decimal(str(limit))),
        keeps=keeps,
        needed=planner.intervals_needed(*question) if question else None,
        class_percent=planner.class_needed(*question, planned) if question else None,
    )


def _shares(budget: Budget) -> tuple[tuple[str, str], ...]:
    """Each source and its percentage of the variance."""
    variance = budget.combined**2
    return tuple((row.source, f"{100 * row.u**2 / variance if variance else 0:.0f}") for row in budget.rows)


def _stated(change: float) -> str | None:
    return significant(change, DIGITS) if math.isfinite(change) else None
