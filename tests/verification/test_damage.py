"""Whatever happens to readings or to a plan file ends in a finding or a clear error: never in a traceback, and never
in another number without a word.

More seeds: RETROPROOF_DAMAGE_SEEDS=2000 pytest tests/verification/test_damage.py
"""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from tests.support.counts import count_from
from tests.verification.damage import damaged_readings, damaged_text
from tests.verification.lines import PLAN_BYTES, PLAN_FILE, line, short_plan
from verification.engine.result import MeasureResult, Result
from verification.engine.verify import verify
from verification.errors import ConfigError
from verification.model import PointKind
from verification.plan import Measure, Model, Plan, Point, Target, parse_plan
from verification.plan.checks import check_plan
from verification.plan.shape import Shift
from verification.quality.points import needed_points, reading_spans
from verification.series.columns import Series

SEEDS = count_from("RETROPROOF_DAMAGE_SEEDS", 60)
WHOLE_PLAN = f"""{PLAN_BYTES.decode()}
run_state: {{point: line_state, gate: true}}
blanking: {{start: 2026-06-29, end: 2026-07-09}}
events: [{{id: alert, start: 2026-05-01, end: 2026-05-03, cause: {{en: a, zh: b}}}}]
static_factors: [{{name: pots, value: "320"}}]
bills: [{{id: march, point: ac_energy, start: 2026-03-01, end: 2026-04-01, value: 250000000, unit: kWh}}]
balances: [{{id: time, left: hours(line_state), right: hours(1)}}]
"""
V1_PLAN = (PLAN_FILE.parent / "hengkang-v1.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [WHOLE_PLAN, V1_PLAN], ids=["version 2", "version 1"])
def test_any_slip_of_the_pen_is_a_plan_or_an_error_with_its_line(text: str):
    parse_plan(text.encode())
    refused = 0
    for seed in range(SEEDS * 5):
        read = plan_or_refusal(damaged_text(text, seed))
        if isinstance(read, str):
            refused += 1
            assert re.match(r"plan\.yaml:\d+: \S", read), f"seed {seed}: {read}"
        else:
            assert needed_points(read), f"seed {seed}"
            assert reading_spans(read)[0] < reading_spans(read)[1], f"seed {seed}"
    assert refused > SEEDS


def plan_or_refusal(text: str) -> Plan | str:
    try:
        return parse_plan(text.encode(), name="plan.yaml")
    except ConfigError as err:
        return str(err)


ENERGY = short_plan(30)
ENERGY_READINGS = line(ENERGY, seed=2)


def test_damaged_readings_never_change_the_number_without_a_word():
    plan, readings = ENERGY, ENERGY_READINGS
    whole = verify(plan, "", readings)
    for seed in range(SEEDS):
        what, damaged = damaged_readings(readings, seed)
        result = verify(plan, "", damaged)
        result.to_json()
        assert_said(what, seed, whole, result)


def measure(metric: str, unit: str, model: str, target: Target, **inputs: str) -> Measure:
    return Measure(metric, unit, ENERGY.title, Model(model), target, inputs=inputs)


MEASURES = {
    "so2": measure("emission_concentration", "mg/m3", "mean", Target("mg/m3", at_most=100), concentration="so2"),
    "staff": measure("heads_per_shift", "head", "mean", Target("head", at_most=-1), staff="staff"),
    "yield": measure("first_pass_yield", "%", "ratio", Target("%", at_least=1), passed="good", inspected="pieces"),
    "rate": measure("output_rate", "t/h", "ratio", Target("%", at_least=1, of="relative"), output="taps"),
}


def plant(interval: str) -> tuple[Plan, dict[str, Series]]:
    """A line with a point of every kind and four measures, by `interval`."""
    rng = np.random.default_rng(4)
    times = ENERGY_READINGS["ac_energy"].time_us
    hours = len(times)
    pieces = np.round(450 + rng.normal(0, 40, hours))
    rises = np.diff(ENERGY_READINGS["metal_tapped"].value)
    kinds = {
        "so2": (PointKind.GAUGE, "mg/m3", 20 + rng.normal(0, 2, hours)),
        "staff": (PointKind.GAUGE, "head", np.round(24 + rng.normal(0, 2, hours))),
        "pieces": (PointKind.INTERVAL_TOTAL, "piece", pieces),
        "good": (PointKind.INTERVAL_TOTAL, "piece", np.floor(0.9 * pieces)),
        "taps": (PointKind.EVENT, "t", np.append(rises, 1.0)),
    }
    plan = msgspec.structs.replace(
        ENERGY,
        points={name: Point(kind, unit, cadence_s=3600) for name, (kind, unit, _) in kinds.items()},
        measures=MEASURES,
        interval=interval,
        shifts=[Shift("day", "08:00"), Shift("night", "20:00")] if interval == "shift" else [],
    )
    check_plan(plan)
    return plan, {name: Series.of(times, value) for name, (_, _, value) in kinds.items()}


@pytest.mark.parametrize("interval", ["day", "shift", "hour"])
def test_damage_to_any_kind_of_point_is_said_at_any_interval(interval: str):
    plan, readings = plant(interval)
    whole = verify(plan, "", readings)
    assert {finding.code for finding in whole.all_findings if finding.blocks} <= {"TOO_FEW_EFFECTIVE"}
    for seed in range(SEEDS // 4):
        what, damaged = damaged_readings(readings, seed)
        result = verify(plan, "", damaged)
        result.to_json()
        assert_said(what, seed, whole, result)


@pytest.mark.parametrize("window", ["baseline", "reporting"])
def test_a_line_that_stood_idle_gives_a_verdict_on_every_measure_and_no_traceback(window: str):
    plan, readings = plant("day")
    start_us, end_us = reading_spans(plan)[0 if window == "baseline" else 1]
    stood = {
        name: Series.of(series.time_us, np.where(_within(series, start_us, end_us), 0.0, series.value))
        for name, series in readings.items()
    }
    result = verify(plan, "", stood)
    result.to_json()
    assert result.verdict.state == "not_verifiable"


def _within(series: Series, start_us: int, end_us: int) -> np.ndarray:
    return (series.time_us >= start_us) & (series.time_us <= end_us)


def assert_said(what: str, seed: int, whole: Result, result: Result) -> None:
    """A figure that moved by half of its uncertainty has a finding that the undamaged readings do not have."""
    for before, after in zip(whole.measures, result.measures, strict=True):
        said = whole.findings != result.findings or before.findings != after.findings
        # Of events nobody can tell how many there should have been, and the undamaged result says so already.
        said |= " of taps " in what and "EVENTS_UNCHECKED" in {finding.code for finding in result.findings}
        assert said or not moved(before, after), f"seed {seed}: {what}: {after.name}"


def moved(before: MeasureResult, after: MeasureResult) -> bool:
    if before.effect is None or after.effect is None:
        return (before.effect is None) != (after.effect is None)
    change = abs(float(after.effect.delta) - float(before.effect.delta))
    return change > float(before.effect.expanded_uncertainty) / 2


# The same readings give the same bytes, whatever their order, their chunks and the units they came in.


@pytest.mark.parametrize("interval", ["day", "shift", "hour"])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_readings_leaves_no_trace_in_any_measure(interval: str, seed: int):
    plan, readings = plant(interval)
    rng = np.random.default_rng(seed)
    names = rng.permutation(list(readings))
    shuffled = {name: readings[name].take(rng.permutation(len(readings[name]))) for name in names}
    assert verify(plan, "", shuffled).to_json() == verify(plan, "", readings).to_json()


@pytest.mark.parametrize("interval", ["day", "hour"])
def test_the_units_of_readings_leave_no_trace_in_any_measure(interval: str):
    plan, readings = plant(interval)
    factors = {"so2": ("kg/m3", 1e-6), "pieces": ("piece", 1.0), "taps": ("kg", 1e3)}
    points = {
        name: msgspec.structs.replace(point, unit=factors.get(name, (point.unit,))[0])
        for name, point in plan.points.items()
    }
    scaled = {
        name: Series.of(series.time_us, series.value * factors.get(name, ("", 1.0))[1])
        for name, series in readings.items()
    }
    got = verify(msgspec.structs.replace(plan, points=points), "", scaled)
    expected = verify(plan, "", readings)
    for one, other in zip(expected.measures, got.measures, strict=True):
        assert (one.baseline, one.reporting, one.effect) == (other.baseline, other.reporting, other.effect)
