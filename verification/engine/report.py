"""A result as a short text for people, in English or Chinese. Reads only the result, so it needs no numpy.

Owns the words; the texts of findings are theirs. Not handled: web pages and charts.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from verification.engine.result import MeasureResult, Result, WindowTotals
from verification.engine.rounding import short
from verification.findings import Finding, Language

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "met": "MET",
        "not_met": "NOT MET",
        "inconclusive": "INCONCLUSIVE",
        "invalid_data": "INVALID DATA",
        "not_verifiable": "NOT VERIFIABLE",
        "verdict": "Verdict",
        "limit": "limit",
        "change": "Change",
        "confidence": "confidence {confidence}, k = {k}; after minus before, so a saving is negative",
        "no_number": "No figure is given, for the reasons below.",
        "baseline": "Baseline",
        "reporting": "Reporting",
        "window": "{start} to {end} (end excluded), {used} of {intervals} intervals: {totals}",
        "bridge": "From the plain difference to the verified change",
        "plain": "plain difference",
        "load": "change of load",
        "driver": "change of",
        "verified": "verified change",
        "budget": "Uncertainty budget (standard uncertainty, share)",
        "model": "model",
        "numerator_meter": "energy meter",
        "denominator_meter": "output meter",
        "claim": "Claim",
        "consistent": "consistent with the data",
        "overstated": "overstated",
        "understated": "understated",
        "findings": "Findings",
        "info": "note",
        "warning": "warning",
        "error": "ERROR",
        "overall": "Overall verdict",
        "engine": "engine {version}, plan {plan}, readings {readings}",
    },
    "zh": {
        "met": "达标",
        "not_met": "未达标",
        "inconclusive": "无法定论",
        "invalid_data": "数据无效",
        "not_verifiable": "不可核验",
        "verdict": "结论",
        "limit": "限值",
        "change": "变化量",
        "confidence": "置信水平 {confidence}，k = {k}；改造后减改造前，负值为节约",
        "no_number": "不给出数值，原因如下。",
        "baseline": "基准期",
        "reporting": "报告期",
        "window": "{start} 至 {end}（不含末日），{intervals} 个区间中可用 {used} 个：{totals}",
        "bridge": "从简单差值到核定变化量",
        "plain": "简单差值",
        "load": "负荷变化",
        "driver": "变化：",
        "verified": "核定变化量",
        "budget": "不确定度预算（标准不确定度，占比）",
        "model": "模型",
        "numerator_meter": "电能表",
        "denominator_meter": "产量计量",
        "claim": "申报值",
        "consistent": "与数据一致",
        "overstated": "高报",
        "understated": "低报",
        "findings": "发现",
        "info": "提示",
        "warning": "警告",
        "error": "错误",
        "overall": "总体结论",
        "engine": "引擎 {version}，方案 {plan}，读数 {readings}",
    },
}
_DIGEST_CHARACTERS = 12


def render(result: Result, language: Language = "en") -> str:
    """The result as lines of text, ready to print."""
    return "\n".join(_lines(result, language))


def _lines(result: Result, language: Language) -> Iterator[str]:
    words = _WORDS[language]
    for measure in result.measures:
        yield from _conclusion(result, measure, words, language)
        yield ""
        for label, window in (("baseline", measure.baseline), ("reporting", measure.reporting)):
            yield f"{words[label]}: {_window(measure, window, words['window'])}"
        yield from _figures(measure, words)
    if len(result.measures) > 1:
        yield f"{words['overall']}: {words[result.verdict.state]}"
    shown = [reason for measure in result.measures for reason in measure.verdict.reasons]
    others = [finding for finding in result.all_findings if finding not in shown]
    if others:
        yield f"{words['findings']}:"
    for finding in others:
        yield from _finding(finding, words, language)
    yield words["engine"].format(
        version=result.engine_version,
        plan=result.plan_digest[:_DIGEST_CHARACTERS],
        readings=result.input_digest[:_DIGEST_CHARACTERS],
    )


def _conclusion(result: Result, measure: MeasureResult, words: dict[str, str], language: Language) -> Iterator[str]:
    unit, verdict, effect = measure.metric.unit, measure.verdict, measure.effect
    limit = f"{short(Decimal(verdict.limit.value))} {verdict.limit.unit}"
    yield f"{result.project}: {measure.metric.boundary.zh if language == 'zh' else measure.metric.boundary.en}"
    yield f"{words['verdict']}: {words[verdict.state]} ({words['limit']} {limit})"
    if effect is None:
        yield words["no_number"]
    else:
        note = words["confidence"].format(confidence=effect.confidence, k=effect.coverage_factor)
        yield f"{words['change']}: {effect.reported_delta} ± {effect.reported_uncertainty} {unit} ({note})"
    if measure.claim is not None:
        yield f"{words['claim']}: {short(Decimal(measure.claim.value))} {unit}: {words[measure.claim.assessment]}"
    for reason in verdict.reasons:
        yield from _finding(reason, words, language)


def _figures(measure: MeasureResult, words: dict[str, str]) -> Iterator[str]:
    if measure.bridge:
        yield f"{words['bridge']} [{measure.metric.unit}]:"
    for step in measure.bridge:
        kind, _, driver = step.step.partition(":")
        yield f"  {step.value:>16}  {words[kind]}{' ' + driver if driver else ''}"
    if measure.budget:
        yield f"{words['budget']} [{measure.metric.unit}]:"
    for row in measure.budget:
        source = words.get(row.source, row.source)
        yield f"  {row.standard_uncertainty:>16}  {row.share_percent:>5} %  {source} ({row.type})"


def _finding(finding: Finding, words: dict[str, str], language: Language) -> Iterator[str]:
    yield f"  [{words[finding.severity]}] {finding.code}: {finding.text(language)}"
    if resolve := finding.resolve(language):
        yield f"      -> {resolve}"


def _window(measure: MeasureResult, window: WindowTotals, template: str) -> str:
    totals = f"{window.numerator} {measure.metric.numerator_unit}"
    if window.denominator is not None:
        totals += f", {window.denominator} {measure.metric.denominator_unit}"
    return template.format(
        start=window.start, end=window.end, used=window.used, intervals=window.intervals, totals=totals
    )
