"""From the engine's floats to the integers and decimal strings of a result, at stated precision.

The only place where figures are rounded, and the last step before they are hashed.
"""

from __future__ import annotations

import math
from decimal import Decimal

from verification.engine.analysis import Analysis
from verification.engine.bridge import plain_ratio, round_to_sum
from verification.engine.result import (
    BridgeRow,
    BudgetRow,
    Coefficient,
    DayRow,
    Effect,
    ModelStatistics,
    WindowTotals,
)
from verification.engine.rounding import fixed, reported, significant
from verification.engine.series import Floats
from verification.engine.sufficiency import WindowData
from verification.engine.uncertainty import Budget
from verification.plan import Plan, Window
from verification.units import scale_factor

KERNEL_UNIT = "kWh/t"
KERNEL_DECIMALS = 4  # of a value in kWh/t: far below any meter, far above the rounding of double precision
COEFFICIENT_DIGITS = 9
CV_RMSE_CONVENTION = "sqrt(SSE/(n-p))/mean(y), p with intercept"


def metric_decimals(plan: Plan) -> int:
    """The decimal places of every value in the metric's unit: as fine as four places of kWh/t."""
    return max(0, KERNEL_DECIMALS - round(math.log10(scale_factor(KERNEL_UNIT, plan.metric.unit))))


def in_metric_unit(plan: Plan, value: float, unit: str) -> Decimal:
    """`value` in `unit`, stated in the metric's unit at the metric's precision."""
    return Decimal(fixed(value * scale_factor(unit, plan.metric.unit), metric_decimals(plan)))


def totals(plan: Plan, window: Window, data: WindowData) -> WindowTotals:
    """The totals of one window."""
    ratio = plain_ratio(data)
    shown = None if ratio is None else f"{in_metric_unit(plan, float(ratio), KERNEL_UNIT):f}"
    return WindowTotals(
        start=window.start,
        end=window.end,
        days=len(data.dates),
        days_used=data.days_used,
        energy_wh=data.total_wh,
        output_g=data.total_g,
        ratio=shown,
    )


def day_rows(data: WindowData, predicted: Floats | None) -> list[DayRow]:
    """The days of one window, for tables and charts."""
    rows = []
    for index, date in enumerate(data.dates):
        known = bool(data.known[index])
        model = math.nan if predicted is None else float(predicted[index])
        rows.append(
            DayRow(
                date=date,
                window=data.label,
                used=bool(data.used[index]),
                coverage_percent=int(data.coverage_percent[index]),
                energy_wh=int(data.energy_wh[index]) if known else None,
                output_g=int(data.output_g[index]) if known else None,
                predicted_kwh=round(model) if known and math.isfinite(model) else None,
            )
        )
    return rows


def effect(plan: Plan, analysis: Analysis) -> Effect:
    """The change with its expanded uncertainty, in full and as reported."""
    budget, decimals = analysis.budget, metric_decimals(plan)
    delta = in_metric_unit(plan, analysis.delta, KERNEL_UNIT)
    expanded = in_metric_unit(plan, budget.expanded, KERNEL_UNIT)
    shown_delta, shown_uncertainty = reported(delta, expanded)
    return Effect(
        delta=f"{delta:f}",
        expanded_uncertainty=f"{expanded:f}",
        standard_uncertainty=f"{in_metric_unit(plan, budget.combined, KERNEL_UNIT):f}",
        coverage_factor=fixed(budget.coverage_factor, 4),
        dof=_dof(budget.dof),
        confidence=str(plan.confidence),
        reported_delta=shown_delta,
        reported_uncertainty=shown_uncertainty,
        energy_change_kwh=round(analysis.energy_change_kwh),
        decimals=decimals,
    )


def budget_rows(plan: Plan, budget: Budget) -> list[BudgetRow]:
    """The budget, row by row, with each row's share of the variance."""
    variance = budget.combined**2
    return [
        BudgetRow(
            source=row.source,
            type=row.type,
            standard_uncertainty=f"{in_metric_unit(plan, row.u, KERNEL_UNIT):f}",
            dof=_dof(row.dof),
            share_percent=fixed(100 * row.u**2 / variance if variance else 0.0, 1),
        )
        for row in budget.rows
    ]


def bridge_rows(plan: Plan, analysis: Analysis) -> list[BridgeRow]:
    """The bridge in the metric's unit; the rows before the last add up to it exactly."""
    factor, decimals = scale_factor(KERNEL_UNIT, plan.metric.unit), metric_decimals(plan)
    verified = analysis.delta * factor
    rounded = round_to_sum([value * factor for _, value in analysis.steps], verified, decimals)
    rows = [BridgeRow(step, f"{value:f}") for (step, _), value in zip(analysis.steps, rounded, strict=True)]
    return [*rows, BridgeRow("verified", fixed(verified, decimals))]


def model_statistics(plan: Plan, analysis: Analysis) -> ModelStatistics:
    """The model's coefficients and fit, each at a stated number of digits."""
    fit, size = analysis.fit, analysis.size
    units = ["kWh", *(f"kWh/{_driver_unit(plan, name)}" for name in fit.names)]
    columns = zip(("intercept", *fit.names), units, fit.coefficients, fit.standard_errors, fit.p_values, strict=True)
    adjusted = 1 - (1 - fit.r_squared) * (fit.n - 1) / (fit.n - fit.p)
    return ModelStatistics(
        kind=plan.model.kind,
        n=fit.n,
        p=fit.p,
        coefficients=[
            Coefficient(
                name=name,
                unit=unit,
                value=significant(float(value), COEFFICIENT_DIGITS),
                standard_error=significant(float(error), COEFFICIENT_DIGITS),
                p_value=fixed(float(p_value), 6),
            )
            for name, unit, value, error, p_value in columns
        ],
        residual_sd_kwh=significant(fit.residual_sd, COEFFICIENT_DIGITS),
        r_squared=fixed(fit.r_squared, 6),
        adjusted_r_squared=fixed(adjusted, 6),
        cv_rmse_percent=fixed(fit.cv_rmse * 100, 4),
        cv_rmse_convention=CV_RMSE_CONVENTION,
        lag1_autocorrelation=fixed(size.lag1, 6),
        rho_bias_corrected=fixed(size.rho, 6),
        n_effective=fixed(size.effective, 4),
        condition_number=significant(fit.condition, 6),
    )


def _driver_unit(plan: Plan, name: str) -> str:
    """The unit in which the model takes a driver: the metric's output in t, any other as the plan gives it."""
    return "t" if name == plan.metric.output else plan.points[name].unit


def _dof(dof: float) -> str | None:
    return None if math.isinf(dof) else fixed(dof, 4)
