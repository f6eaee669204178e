"""From one measure of a result to what the plots draw."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from verification.engine.result import (
    BridgeRow,
    BudgetRow,
    CrossCheck,
    IntervalRow,
    MeasureResult,
    ModelStatistics,
    WindowTotals,
)
from verification.engine.rounding import round_to_sum, short, significant
from verification.findings import POINTS, unit_of_change
from verification.metrics.catalogue import catalogue
from verification.plan.shape import WindowName
from verification.report.numbers import number
from verification.report.subject import Amount, Interval, Span, Subject
from verification.report.words import Words
from verification.units import scale_factor

MEAN_DIGITS, UNCERTAINTY_DIGITS = 5, 3


def subject_of(measure: MeasureResult, t: Words) -> Subject:
    """The measure, ready to draw in the language of `t`."""
    metric, model = measure.metric, measure.model
    line = None
    if model is not None and _is_straight(measure, model):
        line = float(model.coefficients[0].value), float(model.coefficients[1].value)
    factor = measure.effect.coverage_factor if measure.effect else None
    return Subject(
        title=f"{metric_title(metric.id, measure.name, t)}, {t.pick(metric.boundary.en, metric.boundary.zh)}",
        unit=metric.unit,
        change_unit=change_unit(measure, t),
        numerator_unit=metric.numerator_unit,
        spans=tuple(_span(name, totals, t) for name, totals in measure.windows.items()),
        fitted=measure.fitted,
        intervals=tuple(_intervals(measure)),
        spread=float(model.residual_sd) * float(factor) if model and factor else None,
        driver_name=model.coefficients[1].name if model and line else None,
        driver_unit=_per(metric.numerator_unit, model.coefficients[1].unit) if model and line else "",
        line=line,
        bridge=tuple(bridge_amounts(measure, t)),
        budget=tuple(_budget_amounts(measure, t)),
    )


def _is_straight(measure: MeasureResult, model: ModelStatistics) -> bool:
    """Whether the model is a line over one driver: neither a bent one nor a shift by category."""
    return model.kind == "ols" and len(model.coefficients) == 2 and any(row.drivers for row in measure.rows)  # noqa: PLR2004 - a straight line


def metric_title(metric_id: str, measure: str, t: Words) -> str:
    """The metric's name in the catalogue; a metric of the plan's own goes by the name of its measure."""
    definition = catalogue().metrics.get(metric_id)
    title = t.pick(definition.title.en, definition.title.zh) if definition else measure
    return title[:1].upper() + title[1:]


def change_unit(measure: MeasureResult, t: Words) -> str:
    """The unit of a change: that of a share is percentage points."""
    return unit_in_words(measure.metric.unit, "change", t)


def unit_in_words(unit: str, of: str, t: Words) -> str:
    """The unit of a change, a relative change or a level as people say it."""
    return t("points") if unit_of_change(unit, of) == POINTS else unit


def quantity(value: str, unit: str, *, grouped: bool = False) -> str:
    """A number with its unit, without zeros at its end; a pure count has no unit to show. Grouped digits are for
    reading, plain ones for repeating a sum by hand.
    """
    shown = short(Decimal(value))
    shown = number(shown) if grouped else shown
    return shown if unit == "1" else f"{shown} {unit}"


def bridge_amounts(measure: MeasureResult, t: Words) -> list[Amount]:
    """The steps one place finer than the reported change, rounded so that they add up as shown."""
    if measure.effect is None or not measure.bridge:
        return []
    places = len(measure.effect.reported_uncertainty.partition(".")[2]) + 1
    steps, total = [float(row.value) for row in measure.bridge[:-1]], float(measure.bridge[-1].value)
    shown = round_to_sum(steps, total, min(places, measure.effect.decimals))
    values = [*shown, sum(shown, Decimal(0))]
    lower = measure.metric.better == "lower"
    return [
        Amount(
            name=step_name(row, t),
            value=float(value),
            text=number(f"{value:f}", signed=True),
            total=row is measure.bridge[-1],
            good=(value < 0) == lower if value else None,
        )
        for row, value in zip(measure.bridge, values, strict=True)
    ]


def check_name(check: CrossCheck, measure: MeasureResult, t: Words) -> str:
    """What a cross-check is called; by Monte Carlo it is of the figure that the limit is about, which is named where
    it is not the change.
    """
    name, of = t.or_same(f"check_{check.name}", check.name), measure.verdict.limit.of
    if check.name != "monte_carlo" or of == "change":
        return name
    figure = t(f"of_{of}")
    return t.pick(f"{name}, {figure}", f"{name}，{figure}")


def source_name(row: BudgetRow, t: Words) -> str:
    """What a row of the budget is about."""
    return source_text(row.source, t)


def source_text(source: str, t: Words) -> str:
    """A source of uncertainty in words: `meter:numerator` as `Meter of the numerator`."""
    kind, _, of = source.partition(":")
    if of:
        return t.or_same(f"source_{kind}_{of}", f"{t.or_same(f'source_{kind}', kind)} {of}")
    return t.or_same(f"source_{kind}", kind)


def step_name(row: BridgeRow, t: Words) -> str:
    """A step of the bridge in words: `driver:scrap` as `Change of scrap`."""
    kind, _, of = row.step.partition(":")
    name = t.or_same(f"bridge_{kind}", kind)
    return f"{name} {of}" if of else name


def _budget_amounts(measure: MeasureResult, t: Words) -> list[Amount]:
    if measure.effect is None:
        return []
    rows = [
        Amount(
            source_name(row, t),
            float(row.standard_uncertainty),
            f"{_short(row.standard_uncertainty)} ({row.share_percent} %)",
        )
        for row in measure.budget
    ]
    combined = measure.effect.standard_uncertainty
    return [*rows, Amount(t("budget_combined"), float(combined), _short(combined), total=True)]


def _short(value: str) -> str:
    return number(significant(float(value), UNCERTAINTY_DIGITS))


def _span(name: WindowName, totals: WindowTotals, t: Words) -> Span:
    mean = None if totals.ratio is None else float(totals.ratio)
    shown = "" if mean is None else number(significant(mean, MEAN_DIGITS))
    text = t("plain_mean" if totals.denominator is None else "plain_ratio", value=shown)
    return Span(name, _midnight(totals.start), _midnight(totals.end), mean, text)


def _intervals(measure: MeasureResult) -> list[Interval]:
    scale = unit_scale(measure)
    found: list[Interval] = []
    for name, totals in measure.windows.items():
        rows = [row for row in measure.rows if row.window == name]
        if not rows:  # a result of schema 1
            continue
        ends = [_wall(row.start) for row in rows[1:]] + [_midnight(totals.end)]
        found += [_interval(row, end, measure, scale) for row, end in zip(rows, ends, strict=True)]
    return found


def _interval(row: IntervalRow, end: dt.datetime, measure: MeasureResult, scale: float) -> Interval:
    per = 1.0 if measure.metric.denominator_unit is None else _number(row.denominator)
    return Interval(
        start=_wall(row.start),
        end=end,
        window=row.window,
        used=row.used,
        coverage_percent=row.coverage_percent,
        numerator=_number(row.numerator),
        per=None if per is None else per / scale,
        expected=_number(row.predicted),
        driver=_number(row.drivers[0]) if row.drivers else None,
    )


def unit_scale(measure: MeasureResult) -> float:
    """What numerator per denominator is multiplied by to be in the metric's unit."""
    metric = measure.metric
    plain = metric.denominator_unit in (None, "1")
    return scale_factor(
        metric.numerator_unit if plain else f"{metric.numerator_unit}/({metric.denominator_unit})", metric.unit
    )


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _wall(time: dt.datetime) -> dt.datetime:
    """Local time as it stands in the result; what is drawn are local days."""
    return time.replace(tzinfo=None)


def _midnight(date: dt.date) -> dt.datetime:
    return dt.datetime(date.year, date.month, date.day)  # noqa: DTZ001 - local wall time, as above


def _per(numerator_unit: str, coefficient_unit: str) -> str:
    """The driver's unit, from that of its coefficient: kWh/t as t."""
    return coefficient_unit.removeprefix(f"{numerator_unit}/").strip("()")
