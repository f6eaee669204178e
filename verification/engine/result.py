"""The result of a verification: integers and decimal strings only, with one canonical form in bytes.

Owns the shape of result.json (docs/reference/result.md) and the context in which a plan was judged. Two runs on the
same readings give the same bytes, on any machine. Light: an auditor's laptop reads a result without numpy.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from verification import strictjson
from verification.errors import FormatError
from verification.findings import Finding
from verification.plan import Text, WindowName

State = Literal["met", "not_met", "inconclusive", "invalid_data", "not_verifiable"]
Assessment = Literal["consistent", "overstated", "understated"]
Decimals = str  # a decimal number as text, at a precision stated in docs/reference/result.md
AwareTime = Annotated[dt.datetime, msgspec.Meta(tz=True)]

MAX_RESULT_BYTES = 64 << 20  # ten years by day are 2 MB


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the readings cannot say: when plan and baseline were logged, which run this is, and how each point is
    trusted.

    `latest_collected_at` is the latest source time among the readings that were collected when the baseline was
    locked: what was there before the lock is told by the order of collection, not by clocks. `trust_grades` maps a
    point to signed, transport or manual. `input_findings` are those of whoever loaded the readings.
    """

    plan_logged_at: AwareTime | None = None
    baseline_logged_at: AwareTime | None = None
    latest_collected_at: AwareTime | None = None
    run_number: int | None = None
    run_count: int | None = None
    trust_grades: dict[str, Literal["signed", "transport", "manual"]] = {}
    input_findings: list[Finding] = []


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

    def to_json(self) -> bytes:
        """The canonical bytes (RFC 8785), to be hashed and stored."""
        return strictjson.encode(msgspec.to_builtins(self))


def parse_result(data: bytes) -> Result:
    """Read result.json. Raises FormatError for bytes that are not one."""
    if len(data) > MAX_RESULT_BYTES:
        raise FormatError("RESULT_TOO_LARGE", f"a result has at most {MAX_RESULT_BYTES} bytes, this has {len(data)}")
    try:
        return msgspec.convert(strictjson.read_canonical(data), Result)
    except msgspec.ValidationError as err:
        raise FormatError("RESULT_MALFORMED", f"this is not a result: {err}") from err
