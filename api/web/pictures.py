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
from verification.engine.result import DayRow, Effect, Result, WindowTotals
from verification.engine.rounding import short, significant
from verification.units import scale_factor

RESULT_UNIT = "kWh/t"  # of a day's integers: Wh over g is 1000 kWh/t
KWH_PER_T = 1000.0
MEAN_DIGITS = 5


def charts(result: Result, t: Words) -> list[Markup]:
    """The before-and-after chart, wide and narrow (the page shows the one that fits); empty where a window
    has no valid day.
    """
    factor = scale_factor(RESULT_UNIT, result.metric.unit)
    before = _window(result.baseline, [day for day in result.daily if day.window == "baseline"], factor)
    after = _window(result.reporting, [day for day in result.daily if day.window == "reporting"], factor)
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


def interval_gauges(result: Result, effect: Effect, t: Words) -> list[Markup]:
    """The interval against target and claim, wide and narrow."""
    values = GaugeValues(
        delta=float(effect.reported_delta),
        uncertainty=float(effect.reported_uncertainty),
        target=float(result.verdict.limit),
        claim=float(result.claim.value) if result.claim else None,
    )
    unit = result.verdict.unit
    title = t(
        "gauge_title",
        delta=number(effect.reported_delta),
        uncertainty=number(effect.reported_uncertainty),
        unit=unit,
        target=t("target_at_most", value=number(short(Decimal(result.verdict.limit))), unit=unit),
    )
    words = GaugeWords(title, t("gauge_accepts"), t("gauge_limit"), t("gauge_claim"), t("gauge_zero"))
    return [gauge(values, words, width, f"gauge-{width:g}") for width in (WIDE_GAUGE, NARROW_GAUGE)]


def _window(totals: WindowTotals, rows: list[DayRow], factor: float) -> WindowDays | None:
    days = tuple(
        Day(
            date=row.date,
            metered=row.energy_wh / row.output_g * KWH_PER_T * factor,
            expected=None if row.predicted_kwh is None else row.predicted_kwh / row.output_g * 1e6 * factor,
        )
        for row in rows
        if row.used and row.energy_wh is not None and row.output_g
    )
    if not days or totals.ratio is None:
        return None
    mean = float(totals.ratio)
    return WindowDays(totals.start, totals.end, days, mean, number(significant(mean, MEAN_DIGITS)))
