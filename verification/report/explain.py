"""How a result came about, step by step, with its intermediate figures: the steps of docs/explanation/methods.md.

Reads only the result. What can be re-computed from its rows by hand (the sums behind the change) is re-computed here in
decimals, so that the reader can follow it with a pocket calculator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from verification.engine.result import MeasureResult, ModelStatistics, Result, WindowTotals
from verification.engine.rounding import short, significant
from verification.engine.verdict import figure
from verification.finding_catalogue import (
    change,
    model,
    plan_lock,
    quality,
    readings,
    retired,
    robustness,
    table,
    verdict,
)
from verification.findings import Finding, Language, alike_together
from verification.plan.shape import WindowName
from verification.report.explain_words import EXPLAIN, STEPS
from verification.report.read import (
    change_unit,
    check_name,
    quantity,
    source_name,
    step_name,
    unit_in_words,
    unit_scale,
)
from verification.report.text import (
    adjustment_lines,
    case_text,
    chain_lines,
    finding_lines,
    limit_text,
    placebo_figures,
    worth_lines,
)
from verification.report.words import Words

SHOWN_DIGITS, SHOWN_NAMES = 6, 5
AGREES = 1e-6  # relative: the rows state nine digits
_STEP_OF_GROUP = (
    (1, plan_lock),
    (2, table),
    (2, readings),
    (2, quality),
    (4, model),
    (4, retired),
    (5, change),
    (6, robustness),
    (8, verdict),
)
_SUPPORT, SUPPORT_STEP = "EXTRAPOLATION", 3
_SLOT = "slot="  # an hour of the week; there are 167 of them
_PHYSICAL = frozenset(
    {"BILL_DISAGREES", "BILL_NOT_COMPARABLE", "BILLS_NOT_COMPARABLE", "BALANCE_OPEN", "BALANCE_NOT_COMPARABLE"}
)
PHYSICAL_STEP = 7


def explain(result: Result, language: Language = "en") -> str:
    """The eight numbered steps for each measure, as lines of text."""
    return "\n".join(_lines(result, Words(language, EXPLAIN)))


def _lines(result: Result, t: Words) -> Iterator[str]:
    bodies: tuple[Callable[[Result, MeasureResult, Words], Iterator[str]], ...] = (
        _plan_lock,
        _data_gate,
        _support,
        _model,
        _change,
        _robustness,
        _plausibility,
        _verdict,
    )
    for measure in result.measures:
        metric = measure.metric
        yield t("measure_head", name=measure.name, formula=metric.formula, unit=metric.unit)
        found = [*result.findings, *(one for one in measure.findings if one not in result.findings)]
        for number, (title, body) in enumerate(zip(STEPS, bodies, strict=True), start=1):
            yield f"{number}. {t.pick(title.en, title.zh)}"
            lines = list(body(result, measure, t))
            lines += _of_step(number, found, measure.verdict.reasons, t)
            decided = any(step_of(reason.code) == number for reason in measure.verdict.reasons)
            yield from (f"   {line}" for line in lines or [t("decides" if decided else "nothing")])
        yield ""


def step_of(code: str) -> int:
    """The step that makes a finding; one that this version does not know is shown with the data."""
    if code.startswith(_SUPPORT):
        return SUPPORT_STEP
    if code in _PHYSICAL:
        return PHYSICAL_STEP
    return next((step for step, group in _STEP_OF_GROUP if code in group.ENTRIES), 2)


def _of_step(number: int, found: Sequence[Finding], reasons: Sequence[Finding], t: Words) -> Iterator[str]:
    """The findings that this step made; the verdict's own reasons are in its step."""
    for alike in alike_together(one for one in found if step_of(one.code) == number and one not in reasons):
        yield from finding_lines(alike, t)


def _plan_lock(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:  # noqa: ARG001 - one of eight steps
    yield t("plan_digest", digest=result.plan_digest)
    context = result.context
    times = {
        name: time.isoformat() if time else t("never")
        for name, time in (("plan", context.plan_logged_at), ("baseline", context.baseline_logged_at))
    }
    yield t("logged", number=context.run_number or 1, count=context.run_count or 1, **times)


def _data_gate(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:  # noqa: ARG001 - one of eight steps
    for name, totals in measure.windows.items():
        rows = [row for row in measure.rows if row.window == name]
        least = min((row.coverage_percent for row in rows if row.used), default=0)
        yield t("window_line", label=t(name), used=totals.used, intervals=totals.intervals, coverage=least)
        yield _totals(measure, totals, t)
        skipped = [row.start.date().isoformat() for row in rows if not row.used]
        if skipped:
            more = t("more", count=len(skipped) - SHOWN_NAMES) if len(skipped) > SHOWN_NAMES else ""
            yield t("not_used", names=", ".join(skipped[:SHOWN_NAMES]) + more)
    yield from _constants(measure, t)


def _constants(measure: MeasureResult, t: Words) -> Iterator[str]:
    """The coefficients and parameters that the metric's formula used, with their edition."""
    for one in measure.metric.constants:
        yield t("constant", name=one.name, value=one.value, unit=one.unit, version=one.version)


def _totals(measure: MeasureResult, totals: WindowTotals, t: Words) -> str:
    metric = measure.metric
    ratio = "–" if totals.ratio is None else f"{totals.ratio} {metric.unit}"
    numerator = quantity(totals.numerator, metric.numerator_unit)
    if totals.denominator is None or metric.denominator_unit is None:
        return t("mean_totals", numerator=numerator, ratio=ratio)
    denominator = quantity(totals.denominator, metric.denominator_unit)
    return t("window_totals", numerator=numerator, denominator=denominator, ratio=ratio)


def _support(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:  # noqa: ARG001 - one of eight steps
    count = max((len(row.drivers) for row in measure.rows), default=0)
    for index in range(count):
        known = {window: _known(measure, window, index) for window in measure.windows}
        if all(known.values()):
            ranges = (
                t("driver_range", window=t(window).lower(), low=short(min(values)), high=short(max(values)))
                for window, values in known.items()
            )
            after = known["reporting"]
            yield t(
                "driver_line",
                driver=measure.drivers[index] if measure.drivers else f"x{index + 1}",
                ranges=t.pick("; ", "；").join(ranges),
                mean=significant(float(sum(after) / len(after)), SHOWN_DIGITS),
            )
    if not count:
        yield t("no_drivers")


def _known(measure: MeasureResult, window: str, index: int) -> list[Decimal]:
    """The values of one driver in the intervals used."""
    texts = [row.drivers[index] for row in measure.rows if row.used and row.window == window]
    return [Decimal(text) for text in texts if text is not None]


def _model(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:  # noqa: ARG001 - one of eight steps
    if not measure.models:
        yield t("no_model")
    for one in measure.models:
        if len(measure.models) > 1:
            yield t("model_of", window=t.or_same(f"in_{one.fitted}", "–"))
        yield from _terms(one, t)
        yield from _fit(one, measure.metric.numerator_unit, t)


def _terms(model: ModelStatistics, t: Words) -> Iterator[str]:
    yield t("model_line", kind=model.kind, n=model.n, p=model.p)
    slots = [one for one in model.coefficients if one.name.startswith(_SLOT)]
    if slots:
        values = [Decimal(one.value) for one in slots]
        yield t("slots", count=len(slots), low=min(values), high=max(values), unit=slots[0].unit)
    for one in (one for one in model.coefficients if one not in slots):
        shown = {"value": one.value, "error": one.standard_error, "t": one.t or "–", "vif": one.vif or "–"}
        probable = {"p": _p(one.p_value), "noise": _p(one.p_value_autocorrelated)}
        yield t("coefficient", name=one.name, unit=one.unit, **probable, **shown)


def _p(stated: str | None) -> str:
    """A p as people write it: one that is rounded to nothing is below the last place that is stated."""
    if stated is None:
        return "–"
    value = Decimal(stated)
    return f"= {stated}" if value else f"< {Decimal(1).scaleb(int(value.as_tuple().exponent)):f}"


def _fit(model: ModelStatistics, unit: str, t: Words) -> Iterator[str]:
    yield t(
        "fit_line",
        s=quantity(model.residual_sd, unit),
        r2=model.r_squared,
        adjusted=model.adjusted_r_squared,
        cv=model.cv_rmse_percent,
        convention=model.cv_rmse_convention,
    )
    yield t(
        "fit_tests",
        f=model.f or "–",
        fp=_p(model.f_p_value),
        nmbe=model.nmbe_out_of_sample_percent or "–",
        dw=model.durbin_watson or "–",
        condition=model.condition_number,
    )
    yield t(
        "size_line",
        lag1=model.lag1_autocorrelation,
        rho=model.rho_bias_corrected,
        n=model.n,
        effective=model.n_effective,
    )


def _change(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:
    effect, unit = measure.effect, change_unit(measure, t)
    if effect is None:
        yield t("no_number")
        return
    yield from _sums(measure, effect.delta, t)
    yield from chain_lines(measure, t)
    yield from (f"{row.value:>16}  {step_name(row, t)}" for row in measure.bridge)
    yield from adjustment_lines(measure, t)
    for row in measure.budget:
        yield t(
            "budget_line",
            source=source_name(row, t),
            u=row.standard_uncertainty,
            type=row.type,
            dof=row.dof or t("infinite"),
            share=row.share_percent,
        )
    squares = sum((Decimal(row.standard_uncertainty) ** 2 for row in measure.budget), Decimal(0))
    combined = f"{squares.sqrt():.{effect.decimals}f}"
    yield t("combined", u=combined, unit=unit, dof=effect.dof or t("infinite"))
    yield t(
        "expanded",
        k=effect.coverage_factor,
        u=effect.standard_uncertainty,
        expanded=effect.expanded_uncertainty,
        unit=unit,
        confidence=result.confidence,
        delta=effect.reported_delta,
        shown=effect.reported_uncertainty,
    )
    yield from worth_lines(measure, t)
    for check in measure.cross_checks:
        yield t(
            "cross_check",
            name=check_name(check, measure, t),
            delta=check.delta or "–",
            expanded=check.expanded_uncertainty,
            unit=check.unit,
        )


def _sums(measure: MeasureResult, delta: str, t: Words) -> Iterator[str]:
    """The change again from the rows of each window that the model is projected on: metered less modelled of the
    reporting period, modelled less metered of the baseline; without adjustments. Where that is not the change, as of a
    normalised one, the explanation says so.
    """
    projected = [window for window in measure.windows if window != measure.fitted]
    changes = [link.delta for link in measure.chain.links] if measure.chain else [delta]
    found = [_sum_over(measure, window, change, t) for window, change in zip(projected, changes, strict=False)]
    if found and all(found):
        yield from itertools.chain.from_iterable(found)
    else:
        yield t("not_divided", delta=delta, unit=change_unit(measure, t))


def _sum_over(measure: MeasureResult, window: WindowName, delta: str, t: Words) -> list[str]:
    """Metered and modelled of one window, and their difference over its denominator; nothing where that is not
    `delta`.
    """
    metric, unit = measure.metric, change_unit(measure, t)
    rows = [row for row in measure.rows if row.used and row.window == window]
    if not rows or any(row.numerator is None or row.predicted is None for row in rows):
        return []
    metered = sum((Decimal(row.numerator or 0) for row in rows), Decimal(0))
    modelled = sum((Decimal(row.predicted or 0) for row in rows), Decimal(0))
    change = metered - modelled if window == "reporting" else modelled - metered
    denominator = Decimal(measure.windows[window].denominator or len(rows))
    plain = float(change / denominator) * unit_scale(measure) if denominator else 0.0
    last_place = float(Decimal(1).scaleb(int(Decimal(delta).as_tuple().exponent)))
    if not denominator or abs(plain - float(delta)) > max(AGREES * abs(plain), last_place):
        return []
    sums = {"metered": metered, "modelled": modelled, "change": change}
    named = {name: quantity(f"{value:f}", metric.numerator_unit) for name, value in sums.items()}
    over = quantity(f"{denominator:f}", metric.denominator_unit or t("intervals"))
    return [
        t("difference" if window == "reporting" else "difference_before", **named),
        t("divided", denominator=over, plain=significant(plain, SHOWN_DIGITS), delta=delta, unit=unit),
    ]


def _robustness(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:  # noqa: ARG001 - one of eight steps
    for row in measure.panel:
        mark = "*" if row.primary else "-"
        if row.admissible and row.delta is not None and row.expanded_uncertainty is not None:
            state = t(row.verdict) if row.verdict else "–"
            shown = {"delta": row.delta, "expanded": row.expanded_uncertainty, "state": state}
            yield t("panel_row", mark=mark, model=row.model, **shown)
        else:
            why = t.pick("; ", "；").join(t.or_same(f"why_{reason}", reason) for reason in row.why_not)
            yield t("panel_refused", mark=mark, model=row.model, why=why)
    if measure.placebo is not None:
        yield t("placebo", **placebo_figures(measure.placebo), rate=measure.placebo.rate)
    for point in measure.change_points:
        yield t("change_point", window=t(f"in_{point.window}"), start=point.start.date().isoformat(), shift=point.shift)
    for case in measure.sensitivity:
        if case.delta is not None:
            yield t.said(case_text(case.case, t), _with_expanded(case.delta, case.expanded_uncertainty))


def _with_expanded(delta: str, expanded: str | None) -> str:
    return delta if expanded is None else f"{delta} ± {expanded}"


def _plausibility(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:  # noqa: ARG001 - findings only
    yield from ()


def _verdict(result: Result, measure: MeasureResult, t: Words) -> Iterator[str]:
    verdict, effect = measure.verdict, measure.effect
    if effect is not None:
        value, expanded = figure(effect, verdict.limit.of)
        bounds = {"low": f"{value - expanded:f}", "high": f"{value + expanded:f}"}
        bounds["unit"] = unit_in_words(verdict.limit.unit, verdict.limit.of, t)
        yield t("comparison", limit=limit_text(verdict.limit, t), state=t(verdict.state), **bounds)
    else:
        yield t.said(limit_text(verdict.limit, t), t(verdict.state))
    for alike in alike_together(verdict.reasons):
        yield from finding_lines(alike, t)
    if len(result.measures) > 1:
        yield t.said(t("overall"), t(result.verdict.state))
