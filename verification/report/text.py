"""A result as a short text for people, in English or Chinese. Reads only the result, so it needs no numpy.

The texts of findings are theirs. Not handled: how the figures came about (`explain.py`), plots and web pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from verification.engine.result import Limit, MeasureResult, Result, WindowTotals
from verification.engine.rounding import short, significant
from verification.findings import Finding, Language
from verification.report.read import source_name, step_name
from verification.report.words import REPORT, Words

DIGEST_CHARACTERS = 12
SHOWN_DIGITS = 4


def render(result: Result, language: Language = "en") -> str:
    """The result as lines of text, ready to print."""
    return "\n".join(_lines(result, Words(language, REPORT)))


def _lines(result: Result, t: Words) -> Iterator[str]:
    for measure in result.measures:
        yield from _conclusion(result, measure, t)
        yield ""
        for label, window in (("baseline", measure.baseline), ("reporting", measure.reporting)):
            yield f"{t(label)}: {window_text(measure, window, t)}"
        yield from _figures(measure, t)
        yield from robustness_lines(measure, t)
        yield ""
    if len(result.measures) > 1:
        yield f"{t('overall')}: {t(result.verdict.state)}"
    shown = [reason for measure in result.measures for reason in measure.verdict.reasons]
    others = [finding for finding in result.all_findings if finding not in shown]
    if others:
        yield f"{t('findings')}:"
    for finding in others:
        yield from finding_lines(finding, t)
    yield t(
        "engine",
        version=result.engine_version,
        plan=result.plan_digest[:DIGEST_CHARACTERS],
        readings=result.input_digest[:DIGEST_CHARACTERS],
    )


def _conclusion(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:
    unit, verdict, effect = measure.metric.unit, measure.verdict, measure.effect
    boundary = measure.metric.boundary
    yield f"{result.project}, {measure.name}: {t.pick(boundary.en, boundary.zh)}"
    yield f"{t('verdict')}: {t(verdict.state)} ({limit_text(verdict.limit, t)})"
    if effect is None:
        yield t("no_number")
    else:
        note = t("confidence", confidence=effect.confidence, k=effect.coverage_factor)
        sign = t(f"sign_{measure.metric.better}")
        yield f"{t('change')}: {effect.reported_delta} ± {effect.reported_uncertainty} {unit} ({note}; {sign})"
        yield from (f"  {line}" for line in worth_lines(measure, t))
    if measure.claim is not None:
        yield f"{t('claim')}: {short(Decimal(measure.claim.value))} {unit}: {t(measure.claim.assessment)}"
    for reason in verdict.reasons:
        yield from finding_lines(reason, t)


def limit_text(limit: Limit, t: Words) -> str:
    """The limit as it was judged, in words."""
    return target_text(limit.of, limit.side, short(Decimal(limit.value)), limit.unit, t)


def target_text(of: str, side: str, value: str, unit: str, t: Words) -> str:
    """A limit in words: `change at most -200 kWh/t`."""
    return f"{t(f'of_{of}')} {t(side)} {value} {unit}"


def worth_lines(measure: MeasureResult, t: Words) -> Iterator[str]:
    """The change in percent, over a year, in money and in carbon, where the result states them."""
    effect = measure.effect
    if effect is None:
        return
    if effect.relative_percent is not None and effect.senpi is not None:
        yield t("relative", percent=short_text(effect.relative_percent), senpi=short_text(effect.senpi))
    if effect.annual is not None:
        year = effect.annual
        yield t(
            "annual",
            value=short_text(year.numerator_change),
            uncertainty=short_text(year.expanded_uncertainty),
            unit=measure.metric.numerator_unit,
            output=short(Decimal(year.output)),
            output_unit=year.output_unit,
            basis=t.or_same(f"basis_{year.basis}", year.basis),
        )
    for name, worth in (("money", effect.money), ("carbon", effect.carbon)):
        if worth is not None:
            value, uncertainty = short_text(worth.value), short_text(worth.expanded_uncertainty)
            yield f"{t(name)}: {value} ± {uncertainty} {worth.unit} ({t('factor')} {worth.factor}, {worth.version})"


def _figures(measure: MeasureResult, t: Words) -> Iterator[str]:
    if measure.bridge:
        yield f"{t('bridge')} [{measure.metric.unit}]:"
    for step in measure.bridge:
        yield f"  {step.value:>16}  {step_name(step, t)}"
    if measure.budget:
        yield f"{t('budget')} [{measure.metric.unit}]:"
    for row in measure.budget:
        yield f"  {row.standard_uncertainty:>16}  {row.share_percent:>5} %  {source_name(row, t)} ({row.type})"


def robustness_lines(measure: MeasureResult, t: Words) -> Iterator[str]:
    """What the panel of other models and the placebo dates say, in a line each."""
    admissible = [row for row in measure.panel if row.admissible and row.delta is not None]
    if admissible:
        deltas = sorted((Decimal(row.delta) for row in admissible if row.delta is not None), key=float)
        span = {"low": short_text(str(deltas[0])), "high": short_text(str(deltas[-1])), "unit": measure.metric.unit}
        yield t("panel_line", count=len(admissible), tried=len(measure.panel), **span)
    if measure.placebo is not None:
        yield t("placebo_line", dates=measure.placebo.dates, claims=measure.placebo.false_claims)


def finding_lines(finding: Finding, t: Words) -> Iterator[str]:
    """A finding and what would resolve it."""
    yield f"  [{t(finding.severity)}] {finding.code}: {finding.text(t.language)}"
    if resolve := finding.resolve(t.language):
        yield f"      -> {resolve}"


def window_text(measure: MeasureResult, window: WindowTotals, t: Words) -> str:
    """One window in a line."""
    totals = f"{window.numerator} {measure.metric.numerator_unit}"
    if window.denominator is not None:
        totals += f", {window.denominator} {measure.metric.denominator_unit}"
    return t("window", start=window.start, end=window.end, used=window.used, intervals=window.intervals, totals=totals)


def short_text(value: str) -> str:
    """A figure at a few digits, for a sentence; the result has all of them."""
    return short(Decimal(significant(float(value), SHOWN_DIGITS)))
