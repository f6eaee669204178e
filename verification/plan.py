"""The plan: what is measured, over which windows, by which model, against which target; fixed before the data come.

Owns the shape of a plan file (docs/reference/plan.md) and every check that needs no reading. Dates are local dates
of the plan's time zone and the `end` of a window is exclusive: a window ends at the first instant of that date. Not
handled: whether the readings suffice, which `sufficiency.py` decides.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import unicodedata
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from verification.errors import ConfigError
from verification.model import PointKind
from verification.units import UnitError, check_unit, same_dimension
from verification.yamlfile import MAX_FILE_BYTES, parse_yaml

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.\-]{0,63}$")]
Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e18)]  # a double counts units exactly up to 9e15
WindowName = Literal["baseline", "reporting"]

TOTALS = (PointKind.COUNTER, PointKind.INTERVAL_TOTAL)
MIN_CONFIDENCE = 0.5  # exclusive; at or below it an interval says nothing
EDGE_TOLERANCE_US = 60_000_000  # China's online energy monitoring: a day edge is read within +/- 1 min
MAX_WINDOW_DAYS = 3660  # ten years; a longer window is a typing mistake


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in both languages."""

    en: str
    zh: str


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan measures. `energy` and `output` name points; the change is after minus before, so a saving is
    negative.
    """

    id: Literal["energy_per_ton"]
    unit: Unit
    boundary: Text
    energy: Name
    output: Name


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured point: how its values are to be read, their unit, its meter, and how often a reading is due."""

    kind: PointKind
    unit: Unit
    meter: Name | None = None
    cadence_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 900


class MeterChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A meter was replaced or recalibrated on `date`; `class_percent` is the class from then on, where it differs."""

    date: dt.date
    kind: Literal["replaced", "recalibrated"]
    class_percent: Positive | None = None
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


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The primary model of the baseline: ordinary least squares with an intercept on the daily values of `drivers`."""

    kind: Literal["ols"]
    drivers: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=8)]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The acceptance limit: the change must be at most this."""

    at_most: float
    unit: Unit


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the enterprise says the change is. It is assessed, and never an acceptance limit."""

    value: float
    unit: Unit


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measurement and verification plan, checked. The field order is that of the file."""

    retroproof_plan: Literal[1]
    project: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9\-]{0,63}$")]
    title: Text
    metric: Metric
    points: dict[Name, Point]
    timezone: str
    interval: Literal["day"]
    baseline: Window
    reporting: Window
    model: Model
    target: Target
    meters: dict[Name, Meter] = {}
    confidence: float = 0.95
    claim: Claim | None = None

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The plan's time zone, in which its days begin and end."""
        return zoneinfo.ZoneInfo(self.timezone)

    def meter_of(self, point: str) -> Meter | None:
        """The meter behind `point`, or None where the plan names none."""
        name = self.points[point].meter
        return self.meters[name] if name is not None else None


def load_plan(path: Path) -> Plan:
    """Read and check the plan file at `path`. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err
    return parse_plan(data, name=str(path))


def parse_plan(data: bytes, *, name: str = "plan.yaml") -> Plan:
    """Read and check a plan from the file's bytes; `name` stands for the file in messages. Raises ConfigError."""
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{name}: a plan has at most {MAX_FILE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise ConfigError(f"{name}: is not UTF-8 text; save it as UTF-8") from err
    if not unicodedata.is_normalized("NFC", text):
        raise ConfigError(
            f"{name}: is not in Unicode normal form C, which its result must be; retype its accented letters"
        )
    plan = parse_yaml(text, Plan, name=name)
    try:
        _check_windows(plan)
        _check_names(plan)
        _check_meters(plan)
        _check_units(plan)
    except (ConfigError, UnitError) as err:
        raise ConfigError(f"{name}: {err}") from err
    return plan


def plan_digest(data: bytes) -> str:
    """SHA-256, in hexadecimal, of the plan file's bytes as filed."""
    return hashlib.sha256(data).hexdigest()


def _check_windows(plan: Plan) -> None:
    try:
        zoneinfo.ZoneInfo(plan.timezone)
    except (KeyError, ValueError, OSError) as err:
        raise ConfigError(
            f"timezone: {plan.timezone!r} is not in the time zone database; write for example Asia/Shanghai"
        ) from err
    if not MIN_CONFIDENCE < plan.confidence < 1:
        raise ConfigError(f"confidence: {plan.confidence} is not between 0.5 and 1; write for example 0.95")
    for label, window in (("baseline", plan.baseline), ("reporting", plan.reporting)):
        days = (window.end - window.start).days
        if days < 1:
            raise ConfigError(
                f"{label}: end {window.end} is not after start {window.start}; end is the first day left out"
            )
        if days > MAX_WINDOW_DAYS:
            raise ConfigError(f"{label}: {days} days; a window has at most {MAX_WINDOW_DAYS}")
    if plan.reporting.start < plan.baseline.end:
        raise ConfigError(
            f"reporting: starts on {plan.reporting.start}, before the baseline ends on {plan.baseline.end}; "
            f"windows must not overlap"
        )


def _check_names(plan: Plan) -> None:
    """Every name that refers to a point or a meter must be there, and of a kind that fits its use."""
    for label, name in (("metric.energy", plan.metric.energy), ("metric.output", plan.metric.output)):
        if _point(plan, label, name).kind not in TOTALS:
            raise ConfigError(
                f"{label}: {name} is a {plan.points[name].kind}; a counter or an interval_total is needed"
            )
    if plan.metric.energy == plan.metric.output:
        raise ConfigError("metric: energy and output are the same point")
    if len(set(plan.model.drivers)) < len(plan.model.drivers):
        raise ConfigError("model.drivers: a driver appears twice")
    for name in plan.model.drivers:
        if _point(plan, "model.drivers", name).kind is PointKind.STATE:
            raise ConfigError(f"model.drivers: {name} is a state; a driver is a counter, an interval_total or a gauge")
        if name == plan.metric.energy:
            raise ConfigError(f"model.drivers: {name} is the metric's energy, which the model predicts")


def _check_meters(plan: Plan) -> None:
    """Every meter that a point names must be in the register, with its changes in order."""
    for name, point in plan.points.items():
        if point.meter is not None and point.meter not in plan.meters:
            raise ConfigError(f"points.{name}.meter: {point.meter} is not under meters ({_list(plan.meters)})")
    for meter_name, meter in plan.meters.items():
        dates = [change.date for change in meter.changes]
        if dates != sorted(dates):
            raise ConfigError(f"meters.{meter_name}.changes: must be in order of date")


def _check_units(plan: Plan) -> None:
    """Energy, output, target and claim must fit the metric's unit; a meter's register must be in its point's unit."""
    for name, point in plan.points.items():
        check_unit(point.unit)
        meter = plan.meter_of(name)
        if meter is not None and meter.unit != point.unit:
            raise ConfigError(
                f"points.{name}: unit {point.unit!r}, but meter {point.meter} has {meter.unit!r}; "
                "register_modulus and max_rate_per_hour are in the point's unit, so give both in one"
            )
    fits = [
        (f"points.{plan.metric.energy}.unit", plan.points[plan.metric.energy].unit, "kWh"),
        (f"points.{plan.metric.output}.unit", plan.points[plan.metric.output].unit, "t"),
        ("metric.unit", plan.metric.unit, "kWh/t"),
        ("target.unit", plan.target.unit, plan.metric.unit),
    ]
    limits = [("target.at_most", plan.target.at_most)]
    if plan.claim is not None:
        fits.append(("claim.unit", plan.claim.unit, plan.metric.unit))
        limits.append(("claim.value", plan.claim.value))
    for label, value in limits:
        if not math.isfinite(value):
            raise ConfigError(f"{label}: {value} is not a finite number")
    for label, unit, wanted in fits:
        if not same_dimension(unit, wanted):
            raise ConfigError(f"{label}: {unit!r} does not measure the same kind of quantity as {wanted!r}")


def _point(plan: Plan, label: str, name: str) -> Point:
    if name not in plan.points:
        raise ConfigError(f"{label}: {name} is not under points ({_list(plan.points)})")
    return plan.points[name]


def _list(names: dict[str, Point] | dict[str, Meter]) -> str:
    return ", ".join(sorted(names)) or "none there"
