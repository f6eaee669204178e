"""A result as a short text for people, in English or Chinese. Reads only the result, so it needs no numpy.

The texts of findings are theirs. Not handled: how the figures came about (`explain.py`), plots and web pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from verification.engine.result import Limit, MeasureResult, Placebo, Result, WindowTotals
from verification.engine.rounding import reported, short, significant
from verification.findings import Finding, Language, alike_together
from verification.report.numbers import number
from verification.report.read import change_unit, metric_title, quantity, source_name, step_name, unit_in_words
from verification.report.words import REPORT, Words

DIGEST_CHARACTERS = 12
SHOWN_DIGITS, FIGURE_DIGITS = 4, 6
_MONTH = re.compile(r"without:(baseline|intermediate|reporting):[0-9]{4}-[0-9]{2}")


def render(result: Result, language: Language = "en") -> str:
    """The result as lines of text, ready to print."""
    return "\n".join(_lines(result, Words(language, REPORT)))


def _lines(result: Result, t: Words) -> Iterator[str]:
    for measure in result.measures:
        yield from _conclusion(result, measure, t)
        yield ""
        for label, window in measure.windows.items():
            yield t.said(t(label), window_text(measure, window, t))
        yield from _figures(measure, t)
        yield from robustness_lines(measure, t)
        yield ""
    if len(result.measures) > 1:
        yield t.said(t("overall"), t(result.verdict.state))
    shown = [reason for measure in result.measures for reason in measure.verdict.reasons]
    others = [finding for finding in result.all_findings if finding not in shown]
    if others:
        yield t.said(t("findings"), "").rstrip()
    for alike in alike_together(others):
        yield from finding_lines(alike, t, lambda finding: _measures_of(finding, result))
    yield t(
        "engine",
        version=result.engine_version,
        plan=result.plan_digest[:DIGEST_CHARACTERS],
        readings=result.input_digest[:DIGEST_CHARACTERS],
    )


def _conclusion(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:
    metric, verdict, effect = measure.metric, measure.verdict, measure.effect
    unit = change_unit(measure, t)
    title = metric_title(metric.id, measure.name, t)
    boundary = t.pick(metric.boundary.en, metric.boundary.zh)
    yield t.said(t.aside(f"{result.project}, {title}", measure.name), boundary)
    yield t.said(t("verdict"), t.aside(t(verdict.state), limit_text(verdict.limit, t)))
    if effect is None:
        yield t("no_number")
    else:
        note = t("confidence", confidence=effect.confidence, k=effect.coverage_factor)
        sign = t(f"sign_{metric.better}")
        change = f"{effect.reported_delta} ± {effect.reported_uncertainty} {unit}"
        yield t.said(t("change"), t.aside(change, t.pick(f"{note}; {sign}", f"{note}；{sign}")))
        yield from (f"  {line}" for line in worth_lines(measure, t))
    if measure.claim is not None:
        claim = t.aside(f"{short(Decimal(measure.claim.value))} {unit}", t(measure.claim.assessment))
        yield t.said(t("claim"), claim)
    for alike in alike_together(verdict.reasons):
        yield from finding_lines(alike, t)


def limit_text(limit: Limit, t: Words) -> str:
    """The limit as it was judged, in words."""
    return target_text(limit.of, limit.side, short(Decimal(limit.value)), limit.unit, t)


def target_text(of: str, side: str, value: str, unit: str, t: Words) -> str:
    """A limit in words: `change at most -200 kWh/t`."""
    figure, unit = t(f"of_{of}"), unit_in_words(unit, of, t)
    return t.pick(f"{figure} {t(side)} {value} {unit}", f"{figure}{t(side)} {value} {unit}")


def worth_lines(measure: MeasureResult, t: Words) -> Iterator[str]:
    """The change in percent, the level, over a year, in money and in carbon, where the result states them."""
    effect = measure.effect
    if effect is None:
        return
    if effect.relative_percent is not None and effect.senpi is not None:
        percent = with_uncertainty(effect.relative_percent, effect.relative_expanded_uncertainty)
        yield t("relative", percent=percent, senpi=f"{float(effect.senpi):.4f}")
    if effect.level is not None and effect.level_expanded_uncertainty is not None:
        level, uncertainty = reported(Decimal(effect.level), Decimal(effect.level_expanded_uncertainty))
        yield t("level_line", level=number(level), uncertainty=number(uncertainty), unit=measure.metric.unit)
    if effect.annual is not None:
        year = effect.annual
        value, uncertainty = reported(Decimal(year.numerator_change), Decimal(year.expanded_uncertainty))
        yield t(
            "annual",
            value=number(value),
            uncertainty=number(uncertainty),
            unit=measure.metric.numerator_unit,
            output=number(short(Decimal(year.output))),
            output_unit=year.output_unit,
            basis=t.or_same(f"basis_{year.basis}", year.basis),
        )
    for name, worth in (("money", effect.money), ("carbon", effect.carbon)):
        if worth is not None:
            value, uncertainty = reported(Decimal(worth.value), Decimal(worth.expanded_uncertainty))
            factor = f"{t('factor')} {short(Decimal(worth.factor))}, {worth.version}"
            figure = t.aside(f"{number(value)} ± {number(uncertainty)} {worth.unit}", factor)
            yield t.said(t.aside(t(name), t(f"of_{worth.of}")), figure)


def adjustment_lines(measure: MeasureResult, t: Words) -> Iterator[str]:
    """Each non-routine adjustment with its formula, its value and who answers for it."""
    for row in measure.adjustments:
        value, u = (
            short(Decimal(significant(float(text), FIGURE_DIGITS))) for text in (row.value, row.standard_uncertainty)
        )
        shown = {"id": row.id, "cause": t.pick(row.cause.en, row.cause.zh), "owner": row.owner, "value": value, "u": u}
        formula = f"{row.formula} = " if row.formula else ""
        yield t("adjustment_line", formula=formula, unit=measure.metric.numerator_unit, **shown)


def chain_lines(measure: MeasureResult, t: Words) -> Iterator[str]:
    """The links of a chained change."""
    if not measure.chain or not measure.chain.links:
        return
    yield t.said(t("chain"), "").rstrip()
    for link in measure.chain.links:
        ends = {"start": t(f"in_{link.start}"), "end": t(f"in_{link.end}")}
        shown = {"delta": link.delta, "u": link.standard_uncertainty, "unit": change_unit(measure, t)}
        yield f"  {t('chain_link', **ends, **shown)}"


def with_uncertainty(value: str, expanded: str | None) -> str:
    """A figure with its uncertainty by the GUM rule, or alone where it has none."""
    if expanded is None:
        return number(short_text(value))
    return " ± ".join(map(number, reported(Decimal(value), Decimal(expanded))))


def _figures(measure: MeasureResult, t: Words) -> Iterator[str]:
    if measure.bridge:
        yield t.said(f"{t('bridge')} [{change_unit(measure, t)}]", "").rstrip()
    for step in measure.bridge:
        yield f"  {step.value:>16}  {step_name(step, t)}"
    yield from (f"  {line}" for line in adjustment_lines(measure, t))
    yield from chain_lines(measure, t)
    if measure.budget:
        yield t.said(f"{t('budget')} [{change_unit(measure, t)}]", "").rstrip()
    for row in measure.budget:
        yield f"  {row.standard_uncertainty:>16}  {row.share_percent:>5} %  {source_name(row, t)} ({row.type})"


def placebo_figures(placebo: Placebo) -> dict[str, object]:
    """What both reports say of the placebo dates; a dash where a result of an earlier release does not know it."""
    return {
        "dates": placebo.dates,
        "claims": placebo.false_claims,
        "independent": placebo.independent or "–",
        "chance": placebo.chance or "–",
    }


def robustness_lines(measure: MeasureResult, t: Words) -> Iterator[str]:
    """What other models, other dates and fewer data say, in a line each."""
    unit = change_unit(measure, t)
    others = [row.delta for row in measure.panel if row.admissible and row.delta is not None]
    if others:
        shown = _range(others)
        alike = shown["low"] == shown["high"]
        yield t("panel_one" if alike else "panel_line", count=len(others), tried=len(measure.panel), unit=unit, **shown)
    if measure.placebo is not None:
        yield t("placebo_line", **placebo_figures(measure.placebo))
    months = [row.delta for row in measure.sensitivity if _MONTH.fullmatch(row.case) and row.delta is not None]
    if months:
        yield t("without_months", unit=unit, **_range(months))
    for row in measure.sensitivity:
        if not _MONTH.fullmatch(row.case) and row.delta is not None:
            yield t.said(case_text(row.case, t), f"{with_uncertainty(row.delta, row.expanded_uncertainty)} {unit}")
    for point in measure.change_points:
        shown = {"start": point.start.date().isoformat(), "shift": short_text(point.shift), "unit": unit}
        yield t("change_point_line", window=t(f"in_{point.window}"), **shown)


def _range(values: Sequence[str]) -> dict[str, str]:
    """The least and the greatest of decimal strings, for a sentence."""
    ordered = sorted(values, key=Decimal)
    return {"low": short_text(ordered[0]), "high": short_text(ordered[-1])}


def case_text(case: str, t: Words) -> str:
    """A case of the sensitivity analysis in words: `without:baseline:2026-03` as `without 2026-03 of the baseline`."""
    kind, _, rest = case.partition(":")
    if kind == "without" and rest:
        window, _, what = rest.partition(":")
        key = "case_without" if _MONTH.fullmatch(case) else "case_most_influential"
        return t(key, what=what, window=t.or_same(f"in_{window}", window))
    if kind in ("with", "with_one") and rest:
        window, _, reason = rest.partition(":")
        why, *names = reason.split(":", 2 if reason.startswith("event:") else 1)  # its id, and a time with colons
        what = " ".join([t.or_same(f"left_out_{why}", why), *names])
        return t(f"case_{kind}", what=what, window=t.or_same(f"in_{window}", window))
    return t.or_same(f"case_{case}", case)


def finding_texts(found: Sequence[Finding], language: Language) -> Iterator[str]:
    """Findings as lines, those of one kind together."""
    for alike in alike_together(found):
        yield from finding_lines(alike, Words(language, REPORT))


def _measures_of(finding: Finding, result: Result) -> str:
    """The names of the measures that a finding is about, where it is not about all of several."""
    if len(result.measures) == 1 or finding in result.findings:
        return ""
    return ", ".join(measure.name for measure in result.measures if finding in measure.findings)


def finding_lines(alike: Sequence[Finding], t: Words, about: Callable[[Finding], str] = lambda _: "") -> Iterator[str]:
    """Findings of one kind, a line each with what it is about, and what would resolve them."""
    for finding in alike:
        code = t.aside(finding.code, named) if (named := about(finding)) else finding.code
        yield f"  [{t(finding.severity)}] {code}: {finding.text(t.language)}"
    if resolve := alike[0].resolve(t.language):
        yield f"      -> {resolve}"


def window_text(measure: MeasureResult, window: WindowTotals, t: Words) -> str:
    """One window in a line: the totals, or the mean where a total (of people, of mg/m3) would mean nothing."""
    metric = measure.metric
    if window.denominator is not None and metric.denominator_unit is not None:
        parts = [(window.numerator, metric.numerator_unit), (window.denominator, metric.denominator_unit)]
        totals = ", ".join(quantity(value, unit, grouped=True) for value, unit in parts)
    else:
        totals = "-" if window.ratio is None else t("mean", mean=f"{short_text(window.ratio)} {metric.unit}")
    return t("window", start=window.start, end=window.end, used=window.used, intervals=window.intervals, totals=totals)


def short_text(value: str) -> str:
    """A figure at a few digits, for a sentence; the result has all of them."""
    return short(Decimal(significant(float(value), SHOWN_DIGITS)))
