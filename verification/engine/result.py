"""The result of a verification: integers and decimal strings only, with one canonical form in bytes.

Owns the shape of result.json, schema 2 (docs/reference/result.md), and the context in which a plan was judged. Two
runs on the same readings give the same bytes, on any machine. Light: an auditor's laptop reads a result without numpy.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from typing import Annotated, Literal, overload

import msgspec

from verification import strictjson
from verification.errors import FormatError
from verification.fields import Text
from verification.findings import Finding
from verification.plan.shape import Interval, WindowName
from verification.shapes import ready

State = Literal["met", "not_met", "inconclusive", "invalid_data", "not_verifiable"]
Assessment = Literal["consistent", "overstated", "understated"]
Decimals = str  # a decimal number as text, at a precision stated in docs/reference/result.md
AwareTime = Annotated[dt.datetime, msgspec.Meta(tz=True)]

NO_ROWS = b'"rows":[]'  # only a key has these bytes: in a text its quotes are escaped
MAX_RESULT_BYTES = 64 << 20  # two years by the hour are 4 MB for each measure


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


class ConstantInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A coefficient or parameter that the metric's formula uses, and the edition that it is of."""

    name: str
    value: Decimals
    unit: str
    version: str


class MetricInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metric as the plan defines it; `sign` names the convention: where lower is better, a saving is negative."""

    id: str
    unit: str
    numerator_unit: str
    denominator_unit: str | None
    formula: str
    boundary: Text
    better: Literal["lower", "higher"]
    catalogue_version: int | None
    title: Text | None = None
    constants: list[ConstantInfo] = []
    sign: Literal["after_minus_before"] = "after_minus_before"


class WindowTotals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One window: local dates (end exclusive), intervals, and the totals of those used, in the metric's part units.

    `ratio` is numerator per denominator in the metric's unit; without a denominator it is per interval.
    """

    start: dt.date
    end: dt.date
    intervals: int
    used: int
    numerator: Decimals
    denominator: Decimals | None
    ratio: Decimals | None


class IntervalRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One interval, by the local time at which it begins. Values are null where unknown; `predicted` is the baseline
    model's numerator.
    """

    start: AwareTime
    window: WindowName
    used: bool
    coverage_percent: int
    numerator: Decimals | None
    denominator: Decimals | None
    drivers: tuple[Decimals | None, ...]
    predicted: Decimals | None


class Rows(Sequence[IntervalRow]):
    """Rows as the engine writes them, in canonical JSON: they are read only where somebody asks for them."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """Keep what makes up a list of rows when it stands together."""
        self.pieces = pieces

    @functools.cached_property
    def _read(self) -> list[IntervalRow]:
        return msgspec.json.decode(b"".join(self.pieces), type=ready(list[IntervalRow]))

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._read)

    @overload
    def __getitem__(self, index: int) -> IntervalRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[IntervalRow]: ...
    def __getitem__(self, index: int | slice) -> IntervalRow | list[IntervalRow]:
        """A row, or some."""
        return self._read[index]

    def __eq__(self, other: object) -> bool:
        """Whether they are the same rows as those of another sequence."""
        return isinstance(other, Sequence) and self._read == list(other)

    __hash__ = None  # type: ignore[assignment]  # as of a list


class Coefficient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One coefficient of the model: the numerator's unit for the intercept, that per unit of the driver otherwise.

    Standard error, t and p take the residuals as independent; `p_value_autocorrelated` weighs the term by the noise.
    """

    name: str
    unit: str
    value: Decimals
    standard_error: Decimals
    t: Decimals | None
    p_value: Decimals
    p_value_autocorrelated: Decimals | None
    vif: Decimals | None


class ModelStatistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baseline model and its fit. Conventions are in the fields' names and in docs/reference/result.md. `fitted` is
    the window that the model was fitted to, which results of earlier releases do not state.
    """

    kind: str
    n: int
    p: int
    coefficients: list[Coefficient]
    residual_sd: Decimals
    r_squared: Decimals
    adjusted_r_squared: Decimals
    cv_rmse_percent: Decimals
    cv_rmse_convention: str
    nmbe_out_of_sample_percent: Decimals | None
    f: Decimals | None
    f_p_value: Decimals | None
    durbin_watson: Decimals | None
    lag1_autocorrelation: Decimals
    rho_bias_corrected: Decimals
    n_effective: Decimals
    condition_number: Decimals
    fitted: WindowName | None = None


class BudgetRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source of uncertainty, in the metric's unit: `model` (`model:baseline`, `model:reporting` where each window
    brings its own noise), `meter:` or `adjustment:` and its name.

    A chain has `model:intermediate` where another window brings its own noise. `dof` is null where infinite; shares are
    of the variance.
    """

    source: str
    type: Literal["A", "B"]
    standard_uncertainty: Decimals
    dof: Decimals | None
    share_percent: Decimals


class AdjustmentRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One non-routine adjustment that was applied, in the numerator's unit: what its owner answers for.

    `value` is over the reporting period; `formula` is empty where the plan states the value itself. The standard
    uncertainty is without that of meters, which are rows of the budget.
    """

    id: str
    cause: Text
    owner: str
    formula: str
    value: Decimals
    standard_uncertainty: Decimals


class BridgeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step from the plain difference of ratios to the verified change: plain, load, driver:<name>, verified."""

    step: str
    value: Decimals


class ChainLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One link of a chained change, in the metric's unit: the change from one window to the next, and its standard
    uncertainty by noise alone. The links share the intermediate model: their uncertainties do not add up in squares.
    """

    start: WindowName
    end: WindowName
    delta: Decimals
    standard_uncertainty: Decimals


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The intermediate window of a chained change, and the two links that add up to it; none without a number."""

    intermediate: WindowTotals
    links: list[ChainLink]


class Worth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change in money or carbon by a versioned factor: of a year where the plan states its output, else of the
    reporting period.
    """

    of: Literal["year", "reporting_period"]
    value: Decimals
    expanded_uncertainty: Decimals
    unit: str
    factor: Decimals
    version: str


class Annual(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The change over a year of stated output, in the numerator's unit."""

    numerator_change: Decimals
    expanded_uncertainty: Decimals
    output: Decimals
    output_unit: str
    basis: str


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verified change per denominator with its expanded uncertainty, in the metric's unit.

    `reported_*` are rounded by the GUM rule. `numerator_change` is the metered numerator of the reporting period less
    the modelled one, `relative_percent` that in percent of the modelled one, `senpi` metered over modelled. `level` is
    numerator per denominator after the retrofit, its uncertainty that of the level which the line holds.
    """

    delta: Decimals
    expanded_uncertainty: Decimals
    standard_uncertainty: Decimals
    coverage_factor: Decimals
    dof: Decimals | None
    confidence: Decimals
    reported_delta: Decimals
    reported_uncertainty: Decimals
    relative_percent: Decimals | None
    relative_expanded_uncertainty: Decimals | None
    level: Decimals | None
    level_expanded_uncertainty: Decimals | None
    senpi: Decimals | None
    numerator_change: Decimals
    annual: Annual | None
    money: Worth | None
    carbon: Worth | None
    decimals: int


class CrossCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same figure by another method."""

    name: str
    unit: str
    delta: Decimals | None
    expanded_uncertainty: Decimals


class PanelRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The change by another admissible model, or why the model is not admissible."""

    model: str
    admissible: bool
    why_not: list[str]
    delta: Decimals | None
    expanded_uncertainty: Decimals | None
    verdict: State | None
    primary: bool


class Placebo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the method claims a change by a retrofit that never was, at `dates` inside the baseline; how many
    `independent` dates these are worth, since they share data; and the `chance` that a steady line has so many claims
    or more. Results of earlier releases lack the last two.
    """

    dates: int
    false_claims: int
    rate: Decimals
    independent: Decimals | None = None
    chance: Decimals | None = None


class ChangePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A break in the residuals of a window that the plan does not explain."""

    start: AwareTime
    window: WindowName
    shift: Decimals


class SensitivityRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The change when something is left out or matched: a month, an interval, a range of load."""

    case: str
    delta: Decimals | None
    expanded_uncertainty: Decimals | None


class ClaimAssessment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the enterprise claims, in the metric's unit, against the interval."""

    value: Decimals
    assessment: Assessment


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The plan's limit as it was judged: of what, on which side, in which unit."""

    of: Literal["change", "relative", "level"]
    side: Literal["at_most", "at_least"]
    value: Decimals
    unit: str


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verdict on one measure against its limit, and the findings that it rests on."""

    state: State
    limit: Limit
    reasons: list[Finding]


class OverallVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The worst verdict of all measures, with its reasons: met only where all of them are."""

    state: State
    reasons: list[Finding]


class MeasureResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about one measure. `model`, `effect` and `claim` are null where there is no number; `drivers` names
    those of the rows, in their order, which results of earlier releases do not; `chain` is null but for a chained
    change. `model_after` is the reporting period's model of a normalised change, which stands on it beside `model`;
    absent for every other method.
    """

    name: str
    metric: MetricInfo
    baseline: WindowTotals
    reporting: WindowTotals
    rows: Sequence[IntervalRow]
    model: ModelStatistics | None
    effect: Effect | None
    budget: list[BudgetRow]
    bridge: list[BridgeRow]
    verdict: Verdict
    claim: ClaimAssessment | None
    findings: list[Finding]
    cross_checks: list[CrossCheck] = []
    panel: list[PanelRow] = []
    placebo: Placebo | None = None
    change_points: list[ChangePoint] = []
    sensitivity: list[SensitivityRow] = []
    adjustments: list[AdjustmentRow] = []
    drivers: list[str] = []
    chain: Chain | None = None
    model_after: ModelStatistics | msgspec.UnsetType = msgspec.UNSET

    @property
    def windows(self) -> dict[WindowName, WindowTotals]:
        """The totals of each window by name, in order of time."""
        between: dict[WindowName, WindowTotals] = {"intermediate": self.chain.intermediate} if self.chain else {}
        return {"baseline": self.baseline, **between, "reporting": self.reporting}

    @property
    def models(self) -> list[ModelStatistics]:
        """The models that the change stands on, in order of the windows that they were fitted to."""
        return [model for model in (self.model, self.model_after) if isinstance(model, ModelStatistics)]

    @property
    def fitted(self) -> WindowName:
        """The window that the model was fitted to, where the result does not state it by whether there is a chain."""
        return (self.model and self.model.fitted) or ("intermediate" if self.chain else "baseline")


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a verification says. The verdict is the worst of the measures'; `findings` are those of the whole."""

    schema: Literal[2]
    engine_version: str
    project: str
    plan_digest: str
    input_digest: str
    timezone: str
    interval: Interval
    confidence: Decimals
    measures: list[MeasureResult]
    verdict: OverallVerdict
    findings: list[Finding]
    context: Context

    @property
    def all_findings(self) -> list[Finding]:
        """Those of the whole, then those of each measure; one that several measures share appears once."""
        found = list(self.findings)
        for measure in self.measures:
            found += [finding for finding in measure.findings if finding not in found]
        return found

    def to_json(self) -> bytes:
        """The canonical bytes (RFC 8785), to be hashed and stored.

        Nearly all of them are rows. These hold times, constants, small counts and decimals, which are in canonical form
        as they are written; they are put in their place after the rest has gone the long way, where all is checked.
        """
        without_rows = [msgspec.structs.replace(measure, rows=[]) for measure in self.measures]
        rest = strictjson.encode(msgspec.to_builtins(msgspec.structs.replace(self, measures=without_rows)))
        first, *others = rest.split(NO_ROWS)
        pieces = [first]
        for measure, other in zip(self.measures, others, strict=True):
            rows = measure.rows
            written = rows.pieces if isinstance(rows, Rows) else [msgspec.json.encode(rows, order="sorted")]
            pieces += [NO_ROWS.removesuffix(b"[]"), *written, other]
        return b"".join(pieces)


def parse_result(data: bytes) -> Result:
    """Read result.json, of this schema or of an earlier one. Raises FormatError for bytes that are not one."""
    if len(data) > MAX_RESULT_BYTES:
        raise FormatError("RESULT_TOO_LARGE", f"a result has at most {MAX_RESULT_BYTES} bytes, this has {len(data)}")
    content = strictjson.read_canonical(data)
    if isinstance(content, dict) and content.get("schema") == 1:
        from verification.engine.result1 import upgrade  # noqa: PLC0415 - builds on this module

        return upgrade(content)
    try:
        return msgspec.convert(content, ready(Result))
    except msgspec.ValidationError as err:
        raise FormatError("RESULT_MALFORMED", f"this is not a result: {err}") from err
