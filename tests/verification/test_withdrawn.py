"""Which measures a finding withdraws: those that stand on what it is about, and no other."""

from __future__ import annotations

import datetime as dt
import re

import msgspec
import numpy as np
import pytest

from tests.verification.lines import PLAN_BYTES, codes, hourly_plan, line, micros
from tests.verification.scenarios import judged
from verification.engine.verify import verify
from verification.model import PointKind
from verification.plan import Plan, Point, Window, parse_plan
from verification.plan.checks import check_plan
from verification.plan.measure import PlanError
from verification.plan.shape import Balance, Bill, Shift
from verification.report.explain import explain
from verification.series.columns import Series

HOUR_US = 3_600_000_000
PLAN = hourly_plan()
READINGS = line(PLAN, seed=3)
WARMTH = """
  warmth:
    metric: {numerator: room, better: lower, decimals: 3}
    unit: degC
    boundary: {en: temperature of the hall, zh: 车间温度}
    model: {kind: mean}
    target: {at_most: 100, unit: degC}
"""
ENERGY, METAL, ROOM = "ac_energy", "metal_tapped", "room"


def with_room(plan: Plan = PLAN) -> tuple[Plan, dict[str, Series]]:
    """The line with a second measure, on a temperature that has nothing to do with it."""
    points = plan.points | {ROOM: Point(PointKind.GAUGE, "degC", cadence_s=3600)}
    head, _ = PLAN_BYTES.decode().split("measures:", 1)
    room = f"{head}measures:{WARMTH}".replace("points:", "points:\n  room: {kind: gauge, unit: degC}", 1)
    plan = msgspec.structs.replace(plan, points=points, measures=plan.measures | parse_plan(room.encode()).measures)
    time_us = READINGS[ENERGY].time_us
    degrees = 25 + np.random.default_rng(2).normal(0, 1, len(time_us))
    return plan, {**READINGS, ROOM: Series.of(time_us, degrees)}


def states(plan: Plan, readings: dict[str, Series]) -> dict[str, str]:
    return {measure.name: measure.verdict.state for measure in verify(plan, "0" * 64, readings).measures}


def copied(series: Series) -> Series:
    """Ten days of readings are those of ten days before."""
    value = series.value.copy()
    value[480:720] = value[240:480]
    return Series.of(series.time_us, value)


def in_another_unit(series: Series) -> Series:
    """Ten days of readings are in thousandths."""
    value = series.value.copy()
    value[480:720] /= 1000
    return Series.of(series.time_us, value)


@pytest.mark.parametrize("damage", [copied, in_another_unit])
def test_readings_that_cannot_be_believed_withdraw_the_measures_on_their_point_alone(damage):
    plan, readings = with_room()
    assert states(plan, readings) == {"energy": "met", "warmth": "met"}
    assert states(plan, {**readings, ROOM: damage(readings[ROOM])}) == {"energy": "met", "warmth": "invalid_data"}


def test_copied_readings_that_a_balance_holds_against_a_measure_check_nothing_and_withdraw_it():
    plan, readings = with_room()
    plan = msgspec.structs.replace(
        plan,
        points=plan.points | {"cast": Point(PointKind.COUNTER, "t", cadence_s=3600)},
        balances=[Balance("metal", METAL, "cast")],
    )
    metal = readings[METAL]
    drops = np.random.default_rng(3).uniform(0.9, 1.1, len(metal.value))
    rises = np.diff(metal.value, prepend=metal.value[0]) * drops
    honest = {**readings, "cast": Series.of(metal.time_us, np.cumsum(rises))}
    assert states(plan, honest) == {"energy": "met", "warmth": "met"}
    rises[481:721] = rises[241:481]
    pasted = {**readings, "cast": Series.of(metal.time_us, np.cumsum(rises))}
    assert states(plan, pasted) == {"energy": "invalid_data", "warmth": "met"}


# Bills, and readings that are missing under them.

MARCH = (dt.date(2026, 3, 1), dt.date(2026, 4, 1))


def days_lost(count: int) -> dict[str, Series]:
    """The readings without the midnights that end the first `count` days of March: one day more has no value."""
    midnights = [micros(PLAN, MARCH[0] + dt.timedelta(days=1 + day)) for day in range(count)]
    energy = READINGS[ENERGY]
    return {**READINGS, ENERGY: energy.take(~np.isin(energy.time_us, midnights))}


def billed(plan: Plan, percent: float) -> Plan:
    """The plan with a bill for March that says so many percent more than the meter."""
    energy = READINGS[ENERGY]
    first, last = (float(energy.value[energy.time_us == micros(PLAN, day)][0]) for day in MARCH)
    bill = Bill("march", ENERGY, *MARCH, value=(last - first) % 1e9 * (1 + percent / 100), unit="kWh")
    return msgspec.structs.replace(plan, bills=[*plan.bills, bill])


@pytest.mark.parametrize(
    ("lost", "percent", "found"),
    [
        (0, 4, set()),
        (0, 6, {"BILL_DISAGREES"}),
        (2, 4, set()),
        (2, 10, {"BILL_DISAGREES"}),  # three of 31 days have no value: what the others say may be 5 % out and no more
        (2, 20, {"BILL_DISAGREES"}),
        (4, 4, {"BILL_NOT_COMPARABLE", "BILLS_NOT_COMPARABLE"}),
        (4, 50, {"BILL_NOT_COMPARABLE", "BILLS_NOT_COMPARABLE"}),
    ],
)
def test_losing_readings_under_a_bill_does_not_pay(lost: int, percent: float, found: set[str]):
    result = verify(billed(PLAN, percent), "0" * 64, days_lost(lost))
    assert {code for code in codes(result) if code.startswith("BILL")} == found
    assert result.verdict.state == ("inconclusive" if found else "met")


def test_one_bill_of_many_that_was_not_metered_is_only_said():
    other = Bill("april", ENERGY, dt.date(2026, 4, 1), dt.date(2026, 5, 30), value=1.0, unit="kWh")
    energy = READINGS[ENERGY]
    first, last = (float(energy.value[energy.time_us == micros(PLAN, day)][0]) for day in (other.start, other.end))
    other = msgspec.structs.replace(other, value=(last - first) % 1e9)
    plan = billed(msgspec.structs.replace(PLAN, bills=[other]), 0)
    result = verify(plan, "0" * 64, days_lost(4))
    assert {code for code in codes(result) if code.startswith("BILL")} == {"BILL_NOT_COMPARABLE"}
    assert result.verdict.state == "met"


def test_a_bill_of_a_plan_by_shifts_is_of_production_days():
    shifts = [Shift("early", "06:00"), Shift("late", "14:00"), Shift("night", "22:00")]
    plan = msgspec.structs.replace(PLAN, interval="shift", shifts=shifts)
    readings = line(plan, seed=3)
    energy, at = readings[ENERGY], [micros(plan, day) + 6 * HOUR_US for day in MARCH]
    first, last = (float(energy.value[energy.time_us == moment][0]) for moment in at)
    for value, found in (((last - first) % 1e9, False), ((last - first) % 1e9 * 1.1, True)):
        bill = Bill("march", ENERGY, *MARCH, value=value, unit="kWh")
        result = verify(msgspec.structs.replace(plan, bills=[bill]), "0" * 64, readings)
        assert "BILL_NOT_COMPARABLE" not in codes(result)
        assert ("BILL_DISAGREES" in codes(result)) == found


def test_a_bill_that_decides_is_pointed_to_where_it_was_found_in_figures_that_people_write():
    result = verify(billed(PLAN, 20), "0" * 64, days_lost(0))
    told = explain(result)
    assert re.search(r"7\. Physical plausibility\n +what was found here decides the verdict: see step 8", told)
    assert re.search(r"The bill march says 3\d{8} kWh, ac_energy 2\d{8} kWh \(from 31 of 31 days\)", told)
    assert "nothing to report" in told.partition("7. Physical")[0]


@pytest.mark.parametrize(("day", "fits"), [(7, True), (6, False)])
def test_a_bill_ends_where_an_interval_does(day: int, *, fits: bool):
    weeks = {"baseline": Window(dt.date(2026, 3, 1), dt.date(2026, 5, 24))}
    weeks["reporting"] = Window(dt.date(2026, 6, 1), dt.date(2026, 8, 24))
    bill = Bill("first", ENERGY, dt.date(2026, 3, 1), dt.date(2026, 3, 1) + dt.timedelta(days=day), 1.0, "kWh")
    plan = msgspec.structs.replace(PLAN, interval="week", bills=[bill], **weeks)
    if fits:
        check_plan(plan)
        return
    with pytest.raises(PlanError, match="must begin and end where a week"):
        check_plan(plan)


@pytest.mark.parametrize("name", ["unit-change", "copied-month"])
def test_an_analyser_that_cannot_be_believed_leaves_the_energy_alone(name: str):
    result, truth = judged(name, seed=1)
    found = {measure.name: measure.verdict.state for measure in result.measures}
    assert found == {"energy": "met", "so2": "invalid_data"}
    energy = result.measures[0]
    assert abs(float(energy.effect.delta) - truth["energy"]) <= float(energy.effect.expanded_uncertainty)
