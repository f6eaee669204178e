"""The shape of a plan, version 2: what is measured, over which windows, by which model, against which target.

Fixed before the data come. Dates are local dates of the plan's time zone, and the `end` of a window is exclusive: a
window ends at the first instant of that date. A file of version 1 becomes this shape in memory (`version1.py`). Not
handled: what contradicts itself (`checks.py`) and whether the readings suffice (`quality/`).
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Annotated, Literal

import msgspec

from verification.fields import Figure, Formula, Name, Positive, Project, Text, TimeOfDay, Unit
from verification.metrics.catalogue import Better
from verification.model import PointKind

WindowName = Literal["baseline", "intermediate", "reporting"]
Method = Literal["avoided", "normalised", "backcast", "chaining"]
Interval = Literal["15min", "hour", "shift", "day", "week", "month"]
EDGE_TOLERANCE_US = 60_000_000  # China's online energy monitoring: a day edge is read within +/- 1 min


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured point: how its values are to be read, their unit, its meter, and how often a reading is due.

    A reading below `minimum` or above `maximum` is impossible and is left out. `column` is what a table of readings
    calls the point, where that is not its name.
    """

    kind: PointKind
    unit: Unit
    meter: Name | None = None
    cadence_s: Annotated[int, msgspec.Meta(ge=1, le=31 * 86_400)] = 900
    minimum: Figure | None = None
    maximum: Figure | None = None
    column: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class MeterChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A meter was replaced or recalibrated on `date`; `class_percent` is the class from then on, where it differs.

    Of a replaced register, `final_reading` of the old and `first_reading` of the new one carry the total across.
    """

    date: dt.date
    kind: Literal["replaced", "recalibrated"]
    class_percent: Positive | None = None
    final_reading: Figure | None = None
    first_reading: Figure | None = None
    serial: str | None = None
    note: str = ""


class Meter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the meter register. `class_percent` is the limit of error in percent of the reading."""

    class_percent: Annotated[float, msgspec.Meta(ge=0, le=50)]
    unit: Unit
    serial: str = ""
    register_modulus: Positive | None = None
    max_rate_per_hour: Positive | None = None
    installed: dt.date | None = None
    changes: list[MeterChange] = []


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Local dates; `end` is exclusive."""

    start: dt.date
    end: dt.date


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shift begins at `start`, local time, and lasts to the start of the next; the first one begins the day."""

    name: Name
    start: TimeOfDay


class RunState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The point that says when the line runs: `at_least` this share of an interval. `gate`: leave the others out."""

    point: Name
    at_least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    gate: bool = False


class StaticFactor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the baseline takes for granted (number of pots in service, alloy, recipe), as it was when filed."""

    name: Name
    value: str
    note: str = ""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known non-routine event, for example a curtailment order: local dates, `end` exclusive, and its cause."""

    id: Name
    start: dt.date
    end: dt.date
    cause: Text
    expected: bool = True
    treat: Literal["exclude", "adjust"] = "exclude"


class AdjustmentConstant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that the formula of an adjustment uses, with its standard uncertainty in the same unit, and where it is
    from (a name plate, a test report).
    """

    value: Figure
    unit: Unit
    uncertainty: Annotated[float, msgspec.Meta(ge=0, le=1e18)] = 0.0
    source: str = ""


class Adjustment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A non-routine adjustment of a measure's numerator over the reporting period, or over the `window` in it.

    What counts is the `formula` over the plan's points and the adjustment's own `constants`, summed over the intervals
    used; a `value` beside it must agree with it, and is the adjustment itself where there is no formula. `uncertainty`
    is standard: of the value, or of the formula beyond that of its constants and meters. `owner` is a name under the
    plan's `owners`; `signature` is by that key (see `plan/signing.py`), empty while nobody has signed.
    """

    id: Name
    measure: Name
    cause: Text
    owner: str
    unit: Unit
    value: Figure | None = None
    uncertainty: Annotated[float, msgspec.Meta(ge=0, le=1e18)] | None = None
    signature: str = ""
    formula: Annotated[str, msgspec.Meta(max_length=400)] = ""
    constants: Annotated[dict[Name, AdjustmentConstant], msgspec.Meta(max_length=16)] = {}
    window: Window | None = None


class Bill(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an invoice or a main meter says of a point's total over a period: local dates, `end` exclusive."""

    id: Name
    point: Name
    start: dt.date
    end: dt.date
    value: Positive
    unit: Unit


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two formulas over points whose totals over each window must agree: material in and out, main and sub-meters."""

    id: Name
    left: Formula
    right: Formula
    tolerance_percent: Annotated[float, msgspec.Meta(gt=0, le=100)] = 5.0


class InlineMetric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric that the catalogue lacks: formulas over the measure's inputs and the plan's points.

    Units of the two parts are taken from the formulas where they are not given.
    """

    numerator: Formula
    better: Better
    denominator: Formula | None = None
    numerator_unit: Unit | None = None
    denominator_unit: Unit | None = None
    decimals: Annotated[int, msgspec.Meta(ge=0, le=12)] = 6


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The primary model of the baseline. `drivers` are inputs, points or formulas over them; `alternatives` are drivers
    that another analyst might have chosen, which the panel of other models tries.
    """

    kind: Literal["ols", "ratio", "mean", "change_point", "towt"]
    drivers: Annotated[list[Formula], msgspec.Meta(max_length=8)] = []
    categories: Annotated[list[Name], msgspec.Meta(max_length=4)] = []
    alternatives: Annotated[list[Formula], msgspec.Meta(max_length=8)] = []


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The acceptance limit: the change, the relative change (in %) or the level afterwards must keep to it."""

    unit: Unit
    at_most: Figure | None = None
    at_least: Figure | None = None
    of: Literal["change", "relative", "level"] = "change"

    @property
    def side(self) -> Literal["at_most", "at_least"]:
        """On which side of the limit the figure must lie."""
        return "at_most" if self.at_most is not None else "at_least"

    @property
    def value(self) -> float:
        """The limit itself, in `unit`."""
        value = self.at_most if self.at_most is not None else self.at_least
        if value is None:
            raise ValueError("a checked plan has a limit")
        return value


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the enterprise says the change is. It is assessed, and never an acceptance limit."""

    value: Figure
    unit: Unit


class Factor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one unit of the numerator is worth, in money or carbon, with the version of its source."""

    value: Positive
    unit: Unit
    version: str


class AnnualOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The output of a year for which a saving is stated; `basis` says whether it is metered, planned or capacity."""

    value: Positive
    unit: Unit
    basis: Literal["metered", "planned", "capacity"] = "planned"


class StandardConditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Conditions that a normalised change is stated for: so many intervals, each with every driver at its value, in the
    driver's unit. `output` is the denominator where no driver is it.
    """

    drivers: dict[str, Figure]
    intervals: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure with its own model, target and verdict. `inputs` gives the metric's roles to points or formulas.

    `coefficients` is the edition of the constants; `limit` an emission limit of the catalogue, whose reference oxygen
    content counts and which a target of the level must not exceed.
    """

    metric: Name | InlineMetric
    unit: Unit
    boundary: Text | Name
    model: Model
    target: Target
    inputs: dict[Name, Formula] = {}
    parameters: dict[Name, Figure] = {}
    coefficients: Name = "gbt2589-2020"
    limit: Name | None = None
    claim: Claim | None = None
    method: Method = "avoided"
    standard: Literal["both", "baseline", "reporting"] | StandardConditions = "both"
    factors: dict[Literal["money", "carbon"], Factor] = {}
    annual_output: AnnualOutput | None = None


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measurement and verification plan. The field order is that of the file."""

    retroproof_plan: Literal[2]
    project: Project
    title: Text
    timezone: str
    interval: Interval
    baseline: Window
    reporting: Window
    points: dict[Name, Point]
    measures: Annotated[dict[Name, Measure], msgspec.Meta(min_length=1, max_length=16)]
    meters: dict[Name, Meter] = {}
    confidence: float = 0.95
    shifts: list[Shift] = []
    intermediate: Window | None = None
    blanking: Window | None = None
    run_state: RunState | None = None
    static_factors: list[StaticFactor] = []
    events: list[Event] = []
    owners: dict[str, str] = {}
    adjustments: list[Adjustment] = []
    bills: list[Bill] = []
    balances: list[Balance] = []

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The plan's time zone, in which its intervals begin and end."""
        return zoneinfo.ZoneInfo(self.timezone)

    def meter_of(self, point: str) -> Meter | None:
        """The meter behind `point`, or None where the plan names none."""
        name = self.points[point].meter
        return self.meters[name] if name is not None else None

    @property
    def windows(self) -> dict[WindowName, Window]:
        """The windows by name, in order of time."""
        between: dict[WindowName, Window] = {"intermediate": self.intermediate} if self.intermediate else {}
        return {"baseline": self.baseline, **between, "reporting": self.reporting}

    def windows_of(self, measure: Measure) -> dict[WindowName, Window]:
        """The windows that a measure compares, in order of time: the intermediate one belongs to chains alone."""
        chained = measure.method == "chaining"
        return {name: window for name, window in self.windows.items() if chained or name != "intermediate"}
