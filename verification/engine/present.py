"""From the engine's floats to the integers and decimal strings of a result, at stated precision.

The only place where figures are rounded, and the last step before they are hashed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

from verification.engine import worth
from verification.engine.analysis import LEVEL, RELATIVE, Analysis, Weighed
from verification.engine.budget import Budget
from verification.engine.models.family import BaselineModel
from verification.engine.result import (
    AdjustmentRow,
    BridgeRow,
    BudgetRow,
    Chain,
    ChainLink,
    Coefficient,
    ConstantInfo,
    Effect,
    MetricInfo,
    ModelStatistics,
    WindowTotals,
)
from verification.engine.rounding import counted, fixed, reported, round_to_sum, significant
from verification.engine.verdict import PERCENT_DECIMALS, in_metric_unit
from verification.findings import Finding
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Window, WindowName
from verification.quality.window import WindowData

FIGURE_DIGITS = 9  # of coefficients, drivers and predictions
DOF_DECIMALS = 2
LARGEST_DOF = 1e12  # beyond it Student's t is the normal distribution to every digit
TEST_DIGITS = 6  # of t and F
LARGEST_T = 1e12  # beyond it a residual is rounding
CV_RMSE_CONVENTION = "sqrt(SSE/(n-p))/mean(y), p with intercept"


def metric_info(spec: MeasureSpec) -> MetricInfo:
    """The metric as it was resolved."""
    return MetricInfo(
        id=spec.metric_id,
        unit=spec.unit,
        numerator_unit=spec.numerator.unit,
        denominator_unit=spec.denominator.unit if spec.denominator else None,
        formula=spec.formula,
        boundary=spec.boundary,
        better=spec.better,
        catalogue_version=spec.catalogue_version,
        title=spec.title,
        constants=[ConstantInfo(c.name, c.value, c.unit, c.version) for c in spec.constants],
    )


def totals(window: Window, data: WindowData) -> WindowTotals:
    """The totals of one window."""
    spec, ratio = data.spec, data.ratio
    return WindowTotals(
        start=window.start,
        end=window.end,
        intervals=len(data.calendar),
        used=data.intervals_used,
        numerator=_total(data.total_numerator, spec.numerator.decimals),
        denominator=_total(data.total_denominator, spec.denominator.decimals) if spec.denominator else None,
        ratio=None if ratio is None else f"{in_metric_unit(spec, float(ratio), spec.kernel_unit):f}",
    )


def effect(spec: MeasureSpec, analysis: Analysis, confidence: float) -> Effect:
    """The change with its expanded uncertainty, in full and as reported."""
    budget, estimate = analysis.budget, analysis.primary.estimate
    delta = in_metric_unit(spec, analysis.delta, spec.kernel_unit)
    expanded = in_metric_unit(spec, budget.expanded, spec.kernel_unit)
    shown_delta, shown_uncertainty = reported(delta, expanded)
    relative = 100 * analysis.figures[RELATIVE], 100 * analysis.budgets[RELATIVE].expanded
    level = (value * spec.unit_scale for value in (analysis.figures[LEVEL], analysis.budgets[LEVEL].expanded))
    annual = worth.annual(spec, analysis)
    return Effect(
        delta=f"{delta:f}",
        expanded_uncertainty=f"{expanded:f}",
        standard_uncertainty=f"{in_metric_unit(spec, budget.combined, spec.kernel_unit):f}",
        coverage_factor=fixed(budget.coverage_factor, 4),
        dof=_dof(budget.dof),
        confidence=str(confidence),
        reported_delta=shown_delta,
        reported_uncertainty=shown_uncertainty,
        relative_percent=_fixed(relative[0], PERCENT_DECIMALS),
        relative_expanded_uncertainty=_fixed(relative[1], PERCENT_DECIMALS),
        level=_fixed(next(level), spec.decimals),
        level_expanded_uncertainty=_fixed(next(level), spec.decimals),
        senpi=_fixed(estimate.senpi, 6),
        numerator_change=significant(estimate.change, FIGURE_DIGITS),
        annual=annual,
        money=worth.worth(spec, analysis, annual, "money"),
        carbon=worth.worth(spec, analysis, annual, "carbon"),
        decimals=spec.decimals,
    )


def budget_rows(spec: MeasureSpec, budget: Budget) -> list[BudgetRow]:
    """The budget, row by row, with each row's share of the variance."""
    variance = budget.combined**2
    return [
        BudgetRow(
            source=row.source,
            type=row.type,
            standard_uncertainty=f"{in_metric_unit(spec, row.u, spec.kernel_unit):f}",
            dof=_dof(row.dof),
            share_percent=fixed(100 * row.u**2 / variance if variance else 0.0, 1),
        )
        for row in budget.rows
    ]


def adjustment_rows(analysis: Analysis) -> list[AdjustmentRow]:
    """The adjustments that were applied."""
    return [
        AdjustmentRow(
            id=each.id,
            cause=each.adjustment.cause,
            owner=each.adjustment.owner,
            formula=each.adjustment.formula,
            value=significant(each.value, FIGURE_DIGITS),
            standard_uncertainty=significant(each.u, FIGURE_DIGITS),
        )
        for each in analysis.adjusted.applied
    ]


def bridge_rows(spec: MeasureSpec, analysis: Analysis) -> list[BridgeRow]:
    """The bridge in the metric's unit; the rows before the last add up to it exactly."""
    factor = spec.unit_scale
    verified = analysis.delta * factor
    rounded = round_to_sum([value * factor for _, value in analysis.steps], verified, spec.decimals)
    rows = [BridgeRow(step, f"{value:f}") for (step, _), value in zip(analysis.steps, rounded, strict=True)]
    return [*rows, BridgeRow("verified", fixed(verified, spec.decimals))]


def chain(
    spec: MeasureSpec,
    windows: Mapping[WindowName, Window],
    data: Mapping[WindowName, WindowData],
    analysis: Analysis | None,
    confidence: float,
) -> Chain:
    """The intermediate window, and the links of the change; adjustments are part of the last one."""
    totals_between = totals(windows["intermediate"], data["intermediate"])
    links = analysis.case.links(analysis.primary.model, analysis.primary.noise) if analysis else []
    if analysis is None or isinstance(links, Finding):
        return Chain(totals_between, [])
    factor, names = spec.unit_scale, [*windows]
    changes = [link.delta for link in links]
    changes[-1] -= analysis.case.adjustment
    rounded = round_to_sum([each * factor for each in changes], analysis.delta * factor, spec.decimals)
    return Chain(
        totals_between,
        [
            ChainLink(start, end, f"{value:f}", fixed(link.spread(confidence).u * factor, spec.decimals))
            for (start, end), value, link in zip(itertools.pairwise(names), rounded, links, strict=True)
        ],
    )


def model_statistics(spec: MeasureSpec, weighed: Weighed) -> ModelStatistics:
    """A model's coefficients and fit, each at a stated number of digits."""
    model, noise, nmbe = weighed.model, weighed.noise, weighed.nmbe_out_of_sample
    fit = model.fit
    return ModelStatistics(
        kind=model.spec.kind,
        n=fit.n,
        p=fit.p,
        coefficients=list(_coefficients(spec, weighed)),
        residual_sd=significant(fit.residual_sd, FIGURE_DIGITS),
        r_squared=fixed(fit.r_squared, 6),
        adjusted_r_squared=fixed(fit.adjusted_r_squared, 6),
        cv_rmse_percent=_fixed(fit.cv_rmse * 100, PERCENT_DECIMALS) or "",
        cv_rmse_convention=CV_RMSE_CONVENTION,
        nmbe_out_of_sample_percent=_fixed(math.nan if nmbe is None else 100 * nmbe, PERCENT_DECIMALS),
        f=significant(fit.f_statistic, TEST_DIGITS) if math.isfinite(fit.f_statistic) else None,
        f_p_value=fixed(fit.f_p_value, 6) if fit.names and not math.isnan(fit.f_statistic) else None,
        durbin_watson=fixed(weighed.durbin_watson, 4),
        lag1_autocorrelation=fixed(weighed.lag1, 6),
        rho_bias_corrected=fixed(noise.rho_mean, 6),
        n_effective=fixed(noise.effective, 3),
        condition_number=significant(fit.condition, 6),
        fitted=weighed.window,
    )


def _coefficients(spec: MeasureSpec, weighed: Weighed) -> Iterator[Coefficient]:
    model = weighed.model
    fit = model.fit
    names = ("intercept", *fit.names) if fit.intercept else fit.names
    inflation = (math.nan, *fit.vif) if fit.intercept else (math.nan,) * len(names)
    errors, t_values, p_values = fit.standard_errors, fit.t_values, fit.p_values
    units = _coefficient_units(spec, model)
    for index, (name, unit) in enumerate(zip(names, units, strict=True)):
        yield Coefficient(
            name=name,
            unit=unit,
            value=significant(float(fit.coefficients[index]), FIGURE_DIGITS),
            standard_error=significant(float(errors[index]), FIGURE_DIGITS),
            t=significant(float(t_values[index]), TEST_DIGITS) if abs(t_values[index]) < LARGEST_T else None,
            p_value=fixed(float(p_values[index]), 6),
            p_value_autocorrelated=fixed(float(weighed.term_p_values[index]), 6),
            vif=_fixed(float(inflation[index]), 3),
        )


def _coefficient_units(spec: MeasureSpec, model: BaselineModel) -> list[str]:
    """The numerator's unit for an intercept or a shift, that over the driver's for a slope."""
    unit = spec.numerator.unit
    if model.spec.kind == "ratio":
        return [spec.kernel_unit]
    per = {driver.name: f"{unit}/{driver.unit}" for driver in spec.drivers}
    groups = (group.partition(":") for group in model.design.groups())
    return [unit, *(per[name] if kind == "driver" else unit for kind, _, name in groups)]


def _total(value: Fraction, decimals: int) -> str:
    return counted(int(value * 10**decimals), decimals)


def _fixed(value: float, decimals: int) -> str | None:
    return fixed(value, decimals) if math.isfinite(value) else None


def _dof(dof: float) -> str | None:
    return None if dof > LARGEST_DOF else fixed(dof, DOF_DECIMALS)
