"""All plots of a result: as drawings for a page, and as files with a page of their own (`verify --plots`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from html import escape
from importlib.resources import files

from verification.engine.result import MeasureResult, Result
from verification.engine.rounding import reported, short
from verification.engine.verdict import figure
from verification.findings import Language
from verification.report import bars, coverage, gauge, scatter, time_plots
from verification.report.axes import FRAMES, Frame
from verification.report.numbers import number
from verification.report.read import metric_title, subject_of, unit_in_words
from verification.report.subject import Subject
from verification.report.svg import Drawing
from verification.report.words import REPORT, Words

Plot = Callable[[Subject, Words, Frame, str], Drawing | None]

PLOTS: dict[str, Plot] = {
    "series": time_plots.series,
    "scatter": scatter.scatter,
    "residuals": time_plots.residuals,
    "cusum": time_plots.cusum,
    "bridge": bars.bridge,
    "budget": bars.budget,
    "coverage": coverage.coverage,
}
GAUGE = "verdict"


def stylesheet() -> str:
    """The rules that drawings need."""
    return (files("verification.report") / "plots.css").read_text(encoding="utf-8")


def drawings(measure: MeasureResult, t: Words) -> dict[str, list[Drawing]]:
    """Each plot that the measure has data for, wide and narrow; a page shows the one that fits."""
    subject = subject_of(measure, t)
    found = {}
    for name, plot in PLOTS.items():
        drawn = [plot(subject, t, frame, f"{measure.name}-{name}-{frame.name}") for frame in FRAMES]
        if all(drawn):
            found[name] = [one for one in drawn if one]
    return found


def gauges(measure: MeasureResult, t: Words) -> list[Drawing]:
    """The interval of the figure that the target is about, wide and narrow; none where there is no such figure."""
    if measure.effect is None:
        return []
    try:
        value, expanded = figure(measure.effect, measure.verdict.limit.of)
    except ValueError:
        return []
    reading = _reading(measure, value, expanded, t)
    return [gauge.gauge(reading, t, frame, f"{measure.name}-gauge-{frame.name}") for frame in gauge.FRAMES]


def _reading(measure: MeasureResult, value: Decimal, expanded: Decimal, t: Words) -> gauge.Reading:
    limit, before = measure.verdict.limit, measure.baseline.ratio
    target, (shown, uncertainty) = number(short(Decimal(limit.value))), reported(value, expanded)
    of_level, unit = limit.of == "level", unit_in_words(limit.unit, limit.of, t)
    title = t(
        "gauge_title",
        figure=t(f"of_{limit.of}"),
        value=number(shown),
        uncertainty=number(uncertainty),
        unit=unit,
        target=f"{t(limit.side)} {target} {unit}",
    )
    return gauge.Reading(
        value=float(shown),
        uncertainty=float(uncertainty),
        target=float(limit.value),
        target_text=f"{target} {unit}",
        at_least=limit.side == "at_least",
        claim=float(measure.claim.value) if measure.claim and limit.of == "change" else None,
        reference=(float(before) if before else None) if of_level else 0.0,
        reference_name=t("gauge_before" if of_level else "gauge_zero"),
        title=title,
    )


def plot_files(result: Result, language: Language) -> Iterator[tuple[str, str]]:
    """Every plot as (file name, content): one SVG for each plot and size, and `index.html`, which shows them all."""
    t = Words(language, REPORT)
    sections = []
    for measure in result.measures:
        drawn = {GAUGE: gauges(measure, t), **drawings(measure, t)}
        for name, sizes in drawn.items():
            for drawing, suffix in zip(sizes, ("", "-narrow"), strict=False):
                yield f"{measure.name}-{name}{suffix}.svg", _standalone(drawing)
        sections.append(_section(measure, drawn, t))
    yield "index.html", _page(result, sections, t)


def _standalone(drawing: Drawing) -> str:
    """The drawing with its rules inside, so that the file needs nothing else."""
    opening, rest = drawing.split(">", 1)
    return f"{opening}><style>{stylesheet()}</style>{rest}\n"


def _section(measure: MeasureResult, drawn: dict[str, list[Drawing]], t: Words) -> str:
    metric = measure.metric
    title, boundary = metric_title(metric.id, measure.name, t), t.pick(metric.boundary.en, metric.boundary.zh)
    parts = [
        f"<h2>{escape(title)} ({escape(measure.name)}): {escape(boundary)}</h2>",
        f"<p><strong>{t(measure.verdict.state)}</strong></p>",
    ]
    for name, sizes in drawn.items():
        if sizes:
            narrow = sizes[-1]
            figure = f'<div class="wide-only">{sizes[0]}</div><div class="narrow-only">{narrow}</div>'
            parts.append(
                f'<figure class="{name}"><figcaption>{escape(t(f"plot_{name}"))}</figcaption>{figure}</figure>'
            )
    return "\n".join(parts)


def _page(result: Result, sections: list[str], t: Words) -> str:
    language = t.pick("en", "zh-CN")
    rules = stylesheet() + (files("verification.report") / "page.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(result.project)}</title>'
        f"<style>{rules}</style></head>\n<body>\n<h1>{escape(result.project)}</h1>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )
