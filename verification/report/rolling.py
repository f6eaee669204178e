"""The change part by part of a reporting period, as a short table for people, in English or Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verification.engine.result import Result
from verification.findings import Language
from verification.report.read import change_unit, metric_title
from verification.report.words import REPORT, Words


def render_rolling(results: Sequence[Result], language: Language = "en") -> str:
    """One table for each measure: what each of `results`, of one plan and in order of time, says of its part."""
    t = Words(language, REPORT)
    return "\n".join(line for index in range(len(results[0].measures)) for line in _table(results, index, t))


def _table(results: Sequence[Result], index: int, t: Words) -> Iterator[str]:
    first = results[0].measures[index]
    yield t("rolling", title=metric_title(first.metric.id, first.name, t), name=first.name, unit=change_unit(first, t))
    for result in results:
        measure = result.measures[index]
        window, effect = measure.reporting, measure.effect
        figure = t("rolling_none") if effect is None else f"{effect.reported_delta} ± {effect.reported_uncertainty}"
        yield f"  {window.start}  {window.end}  {figure}  {t(measure.verdict.state)}"
