"""Results of schema 1 (release 0.1), which stay readable forever: read as they are, then shown as schema 2.

One measure of energy per output by day. Its rows are left out: schema 1 does not say in which time zone its days are.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec

from verification.engine import result as schema2
from verification.engine.result import Assessment, Context, Decimals, State
from verification.engine.rounding import counted
from verification.errors import FormatError
from verification.fields import Text
from verification.findings import Finding
from verification.plan.shape import WindowName
from verification.shapes import ready

WH_DECIMALS, G_DECIMALS = 3, 6  # of kWh and of t


class MetricInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metric as the plan defines it; `sign` names the convention: a saving is negative."""

    id: str
    unit: str
    boundary: Text
    sign: Literal["after_minus_before"] = "after_minus_before"


class WindowTotals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One window: local dates (end exclusive), days, and the totals of the days used. `ratio` is energy per output."""

    start: dt.date
    end: dt.date
    days: int
    days_used: int
    energy_wh: int
    output_g: int
    ratio: Decimals | None


class DayRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One local day. Energy and output are null where unknown; `predicted_kwh` is the baseline model's energy."""

    date: dt.date
    window: WindowName
    used: bool
    coverage_percent: int
    energy_wh: int | None
    output_g: int | None
    predicted_kwh: int | None


class Coefficient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One coefficient of the model: kWh for the intercept, kWh per unit of the driver otherwise; nine significant
    digits.
    """

    name: str
    unit: str
    value: Decimals
    standard_error: Decimals
    p_value: Decimals


class ModelStatistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baseline model and its fit. Conventions are in the fields' names and in docs/reference/result.md."""

    kind: str
    n: int
    p: int
    coefficients: list[Coefficient]
    residual_sd_kwh: Decimals
    r_squared: Decimals
    adjusted_r_squared: Decimals
    cv_rmse_percent: Decimals
    cv_rmse_convention: str
    lag1_autocorrelation: Decimals
    rho_bias_corrected: Decimals
    n_effective: Decimals
    condition_number: Decimals


class BudgetRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source of uncertainty, in the metric's unit. `dof` is null where infinite; shares are of the variance."""

    source: Literal["model", "energy_meter", "output_meter"]
    type: Literal["A", "B"]
    standard_uncertainty: Decimals
    dof: Decimals | None
    share_percent: Decimals


class BridgeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step from the plain difference of ratios to the verified change: plain, load, driver:<name>, verified."""

    step: str
    value: Decimals


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verified change per unit of output with its expanded uncertainty, in the metric's unit; a saving is negative.

    `reported_*` are rounded by the GUM rule. `energy_change_kwh` is the metered energy less the modelled one.
    """

    delta: Decimals
    expanded_uncertainty: Decimals
    standard_uncertainty: Decimals
    coverage_factor: Decimals
    dof: Decimals | None
    confidence: Decimals
    reported_delta: Decimals
    reported_uncertainty: Decimals
    energy_change_kwh: int
    decimals: int


class ClaimAssessment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the enterprise claims, in the metric's unit, against the interval."""

    value: Decimals
    assessment: Assessment


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verdict against the plan's limit (metric's unit), and the findings that it rests on."""

    state: State
    limit: Decimals
    unit: str
    reasons: list[Finding]


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a verification says. `model`, `effect`, `claim` are null, `budget`, `bridge` empty where there is
    no number.
    """

    schema: Literal[1]
    engine_version: str
    project: str
    plan_digest: str
    input_digest: str
    metric: MetricInfo
    baseline: WindowTotals
    reporting: WindowTotals
    daily: list[DayRow]
    model: ModelStatistics | None
    effect: Effect | None
    budget: list[BudgetRow]
    bridge: list[BridgeRow]
    verdict: Verdict
    claim: ClaimAssessment | None
    findings: list[Finding]
    context: Context


def upgrade(content: Any) -> schema2.Result:  # noqa: ANN401 - parsed JSON
    """A result of schema 1 as one of schema 2. Raises FormatError."""
    try:
        old = msgspec.convert(content, ready(Result))
    except msgspec.ValidationError as err:
        raise FormatError("RESULT_MALFORMED", f"this is not a result: {err}") from err
    limit = schema2.Limit("change", "at_most", old.verdict.limit, old.verdict.unit)
    measure = schema2.MeasureResult(
        name=old.metric.id,
        metric=schema2.MetricInfo(
            id=old.metric.id,
            unit=old.metric.unit,
            numerator_unit="kWh",
            denominator_unit="t",
            formula="energy / output",
            boundary=old.metric.boundary,
            better="lower",
            catalogue_version=None,
        ),
        baseline=_totals(old.baseline),
        reporting=_totals(old.reporting),
        rows=[],
        model=_model(old.model) if old.model else None,
        effect=_effect(old.effect) if old.effect else None,
        budget=[schema2.BudgetRow(**msgspec.structs.asdict(row)) for row in old.budget],
        bridge=[schema2.BridgeRow(row.step, row.value) for row in old.bridge],
        verdict=schema2.Verdict(old.verdict.state, limit, old.verdict.reasons),
        claim=schema2.ClaimAssessment(old.claim.value, old.claim.assessment) if old.claim else None,
        findings=[],
    )
    return schema2.Result(
        schema=2,
        engine_version=old.engine_version,
        project=old.project,
        plan_digest=old.plan_digest,
        input_digest=old.input_digest,
        timezone="",
        interval="day",
        confidence=old.effect.confidence if old.effect else "",
        measures=[measure],
        verdict=schema2.OverallVerdict(old.verdict.state, old.verdict.reasons),
        findings=old.findings,
        context=old.context,
    )


def _totals(old: WindowTotals) -> schema2.WindowTotals:
    return schema2.WindowTotals(
        start=old.start,
        end=old.end,
        intervals=old.days,
        used=old.days_used,
        numerator=counted(old.energy_wh, WH_DECIMALS),
        denominator=counted(old.output_g, G_DECIMALS),
        ratio=old.ratio,
    )


def _model(old: ModelStatistics) -> schema2.ModelStatistics:
    fields = msgspec.structs.asdict(old)
    coefficients = [
        schema2.Coefficient(**msgspec.structs.asdict(row), t=None, vif=None, p_value_autocorrelated=None)
        for row in fields.pop("coefficients")
    ]
    return schema2.ModelStatistics(
        residual_sd=fields.pop("residual_sd_kwh"),
        **fields,
        coefficients=coefficients,
        nmbe_out_of_sample_percent=None,
        f=None,
        f_p_value=None,
        durbin_watson=None,
    )


def _effect(old: Effect) -> schema2.Effect:
    fields = msgspec.structs.asdict(old)
    return schema2.Effect(
        numerator_change=str(fields.pop("energy_change_kwh")),
        **fields,
        relative_percent=None,
        relative_expanded_uncertainty=None,
        level=None,
        level_expanded_uncertainty=None,
        senpi=None,
        annual=None,
        money=None,
        carbon=None,
    )
