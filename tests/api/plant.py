"""A metered potline for the API's tests: a simulated plant's signed batches, through the real writer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.admission import Arrival, Code
from ingest.database import connect
from ingest.register import enroll
from ingest.writer import write_group
from simulators.plants.potline import Potline, PotlineParameters
from simulators.timeline import Timeline, micros
from verification import keys
from verification.batch import NO_PREVIOUS, Catalogue, Header, open_batch, seal
from verification.model import Point, PointKind, Rows

DEVICE, ENTERPRISE, PROJECT = "hengkang-potline-1", "hengkang", "hengkang-potline"
FIRST_DAY = dt.date(2026, 3, 1)
ENROLLED_FROM = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ROWS_PER_BATCH = 4000
EPOCH = micros(dt.datetime(2026, 2, 28, tzinfo=dt.UTC))
POINTS = (
    Point("ac_energy", "ns=2;s=Potline1.ac_energy", "kWh", PointKind.COUNTER, "M-AC-01"),
    Point("metal_tapped", "ns=2;s=Potline1.metal_tapped", "t", PointKind.COUNTER, "SCALE-01"),
    Point("line_state", "ns=2;s=Potline1.line_state", "1", PointKind.STATE),
)


@dataclass
class MeteredLine:
    """A potline with its edge agent: `deliver` seals what the plant produced in a span and has it stored."""

    db: str
    timeline: Timeline
    seed: int = 1
    effect: float = -260.0
    points: tuple[Point, ...] = POINTS
    device: str = DEVICE
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    _sequence: int = 0
    _previous: bytes = NO_PREVIOUS

    def __post_init__(self) -> None:
        self._plant = Potline(PotlineParameters(effect_kwh_per_t=self.effect), self.seed, self.timeline)

    def enroll(self, enterprise: str = ENTERPRISE) -> None:
        with connect(self.db) as conn:
            enroll(conn, self.device, keys.public_text(self.key), enterprise, valid_from=ENROLLED_FROM)

    def deliver_baseline(self) -> None:
        self.deliver(self.timeline.baseline_start, self.timeline.baseline_end)

    def deliver_the_rest(self) -> None:
        self.deliver(self.timeline.baseline_end + dt.timedelta(minutes=15), self.timeline.reporting_end)

    def deliver_late(self, start: dt.datetime, end: dt.datetime) -> None:
        """Deliver a span in two halves, the second one first: its rows are collected out of order."""
        middle = start + (end - start) / 2
        self.deliver(middle, end)
        self.deliver(start, middle - dt.timedelta(minutes=15))

    def deliver_forged(self) -> None:
        """Somebody sends a batch under the device's name that another key has signed."""
        header = Header(self.device, 1, 0, NO_PREVIOUS, micros(self.timeline.reporting_end), "synchronised", 0)
        forged = seal(header, Catalogue(self.points), Ed25519PrivateKey.generate())
        with connect(self.db) as conn:
            outcome = write_group(conn, [Arrival.of(self.device, forged)], received_at_us=header.signed_at_us)
        assert {decision.code for decision in outcome.decisions}.isdisjoint({Code.ACCEPTED})

    def deliver(self, start: dt.datetime, end: dt.datetime) -> None:
        signed_at_us = micros(end)
        batches = [self._seal(Catalogue(self.points), signed_at_us)] if self._sequence == 0 else []
        rows = Rows.empty()
        for index, point in enumerate(self.points):
            times, values = self._plant.series_us(point.name, micros(start), micros(end))
            for time_us, value in zip(times.tolist(), values.tolist(), strict=True):
                rows.append(index, time_us, value)
                if len(rows) == ROWS_PER_BATCH:
                    batches.append(self._seal(rows, signed_at_us))
                    rows = Rows.empty()
        if len(rows):
            batches.append(self._seal(rows, signed_at_us))
        arrivals = [Arrival.of(self.device, data) for data in batches]
        with connect(self.db) as conn:
            outcome = write_group(conn, arrivals, received_at_us=signed_at_us + 1_000_000)
        assert {decision.code for decision in outcome.decisions} == {Code.ACCEPTED}

    def _seal(self, payload: Catalogue | Rows, signed_at_us: int) -> bytes:
        header = Header(self.device, EPOCH, self._sequence, self._previous, signed_at_us, "synchronised", 0)
        sealed = seal(header, payload, self.key)
        self._sequence += 1
        self._previous = open_batch(sealed).sha256
        return sealed


def plan_text(timeline: Timeline, *, project: str = PROJECT, at_most: float = -200.0, energy_unit: str = "kWh") -> str:
    """The plan that fits `timeline`, as a person would write it."""
    return f"""\
retroproof_plan: 1
project: {project}
title: {{en: Potline 1, zh: 电解一系列}}
metric:
  id: energy_per_ton
  unit: kWh/t
  boundary: {{en: "liquid aluminium, AC side of the rectifier", zh: 铝液交流电耗（整流变压器交流侧）}}
  energy: ac_energy
  output: metal_tapped
points:
  ac_energy: {{kind: counter, unit: {energy_unit}, meter: M-AC-01}}
  metal_tapped: {{kind: counter, unit: t, meter: SCALE-01}}
  line_state: {{kind: state, unit: "1"}}
meters:
  M-AC-01: {{serial: HK-AC-2025-0117, class_percent: 0.2, unit: {energy_unit}, register_modulus: 1000000000,
            max_rate_per_hour: 600000, installed: 2025-01-01}}
  SCALE-01: {{serial: HK-SC-2025-0042, class_percent: 0.1, unit: t, max_rate_per_hour: 200, installed: 2025-01-01}}
timezone: Asia/Shanghai
interval: day
baseline: {{start: {timeline.baseline_start.date()}, end: {timeline.baseline_end.date()}}}
reporting: {{start: {timeline.reporting_start.date()}, end: {timeline.reporting_end.date()}}}
model: {{kind: ols, drivers: [metal_tapped]}}
confidence: 0.95
target: {{at_most: {at_most}, unit: kWh/t}}
claim: {{value: -260, unit: kWh/t}}
"""


def two_measures_text(timeline: Timeline, *, project: str = PROJECT) -> str:
    """A plan of version 2 with a measure that is met and one that asks for more than the line can show."""
    return f"""\
retroproof_plan: 2
project: {project}
title: {{en: Potline 1, zh: 电解一系列}}
timezone: Asia/Shanghai
interval: day
baseline: {{start: {timeline.baseline_start.date()}, end: {timeline.baseline_end.date()}}}
reporting: {{start: {timeline.reporting_start.date()}, end: {timeline.reporting_end.date()}}}
points:
  ac_energy: {{kind: counter, unit: kWh, meter: M-AC-01}}
  metal_tapped: {{kind: counter, unit: t, meter: SCALE-01}}
meters:
  M-AC-01: {{class_percent: 0.2, unit: kWh, register_modulus: 1000000000, max_rate_per_hour: 600000}}
  SCALE-01: {{class_percent: 0.1, unit: t, max_rate_per_hour: 200}}
measures:
  energy:
    metric: energy_per_ton
    unit: kWh/t
    boundary: liquid_ac
    inputs: {{energy: ac_energy, output: metal_tapped}}
    model: {{kind: ols, drivers: [metal_tapped]}}
    target: {{at_most: -200, unit: kWh/t}}
    claim: {{value: -260, unit: kWh/t}}
  strict:
    metric: {{numerator: ac_energy, denominator: metal_tapped, better: lower, decimals: 4}}
    unit: kWh/t
    boundary: {{en: the same line against a stricter limit, zh: 同一产线的更严限值}}
    model: {{kind: ols, drivers: [metal_tapped]}}
    target: {{at_most: -270, unit: kWh/t}}
"""
