"""Turns a result into the two drawings of the project page.

Numbers shown as text are the result's own decimal strings.
"""

from __future__ import annotations

from decimal import Decimal

from markupsafe import Markup

from api.web.chart import NARROW, WIDE, Day, Labels, WindowDays, before_after
from api.web.gauge import NARROW as NARROW_GAUGE
from api.web.gauge import WIDE as WIDE_GAUGE
from api.web.gauge import GaugeValues, GaugeWords, gauge
from api.web.numbers import number
from api.web.texts import Words
from verification.engine.result import Effect, IntervalRow, MeasureResult, WindowTotals
from verification.engine.rounding import short, significant
from verification.units import scale_factor

MEAN_DIGITS = 5


def charts(result: MeasureResult, t: Words) -> list[Markup]:
    """The before-and-after chart, wide and narrow (the page shows the one that fits); empty where a window
    has no valid day.
    """
    metric = result.metric
    per = "" if metric.denominator_unit is None else f"/({metric.denominator_unit})"
    factor = scale_factor(f"{metric.numerator_unit}{per}", metric.unit)
    before = _window(result.baseline, [row for row in result.rows if row.window == "baseline"], factor)
    after = _window(result.reporting, [row for row in result.rows if row.window == "reporting"], factor)
    if before is None or after is None:
        return []
    labels = Labels(
        title=t("chart_title"),
        axis=result.metric.unit,
        before=t("chart_before"),
        after=t("chart_after"),
        works=t("chart_works"),
        expected=t("chart_expected"),
        mean=t("chart_mean"),
        axis_note=t("chart_axis_note"),
        month=t.language,
    )
    return [
        before_after(before, after, labels, frame, f"chart-{name}")
        for name, frame in (("wide", WIDE), ("narrow", NARROW))
    ]


def interval_gauges(result: MeasureResult, effect: Effect, t: Words) -> list[Markup]:
    """The interval against target and claim, wide and narrow."""
    values = GaugeValues(
        delta=float(effect.reported_delta),
        uncertainty=float(effect.reported_uncertainty),
        target=float(result.verdict.limit.value),
        claim=float(result.claim.value) if result.claim else None,
    )
    unit = result.verdict.limit.unit
    title = t(
        "gauge_title",
        delta=number(effect.reported_delta),
        uncertainty=number(effect.reported_uncertainty),
        unit=unit,
        target=t("target_at_most", value=number(short(Decimal(result.verdict.limit.value))), unit=unit),
    )
    words = GaugeWords(title, t("gauge_accepts"), t("gauge_limit"), t("gauge_claim"), t("gauge_zero"))
    return [gauge(values, words, width, f"gauge-{width:g}") for width in (WIDE_GAUGE, NARROW_GAUGE)]


def _window(totals: WindowTotals, rows: list[IntervalRow], factor: float) -> WindowDays | None:
    days = []
    for row in rows:
        output = 1.0 if totals.denominator is None else float(row.denominator or 0)
        if row.used and row.numerator is not None and output:
            expected = None if row.predicted is None else float(row.predicted) / output * factor
            days.append(Day(row.start.date(), float(row.numerator) / output * factor, expected))
    if not days or totals.ratio is None:
        return None
    mean = float(totals.ratio)
    return WindowDays(totals.start, totals.end, tuple(days), mean, number(significant(mean, MEAN_DIGITS)))
