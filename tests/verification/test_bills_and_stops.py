"""What a whole verification makes of bills, balances, events, stops and replaced registers."""

from __future__ import annotations

import datetime as dt

import msgspec
import numpy as np
import pytest

from tests.verification.lines import PLAN_BYTES, changed, codes, hourly_plan, line, micros, only
from verification.engine.verify import verify
from verification.model import PointKind
from verification.plan import MeterChange, Plan, Point, parse_plan
from verification.plan.shape import Balance, Bill, Event, RunState
from verification.series.columns import Series

HOUR_US = 3_600_000_000

LINE = hourly_plan()
READINGS = line(LINE, seed=3)


def judged(plan=LINE, readings=READINGS):
    return verify(plan, "0" * 64, readings)


MARCH = (dt.date(2026, 3, 1), dt.date(2026, 4, 1))


def billed(percent: float) -> set[str]:
    """What is found where the meter says so many percent less than the bill."""
    energy = READINGS["ac_energy"]
    first, last = (float(energy.value[energy.time_us == micros(LINE, day)][0]) for day in MARCH)
    bill = Bill("march", "ac_energy", *MARCH, value=(last - first) % 1e9 / (1 - percent / 100), unit="kWh")
    return codes(judged(msgspec.structs.replace(LINE, bills=[bill])))


@pytest.mark.parametrize(("percent", "named"), [(4.99, False), (-4.99, False), (5.01, True), (-5.01, True)])
def test_a_bill_may_differ_by_five_percent(percent: float, *, named: bool):
    assert ("BILL_DISAGREES" in billed(percent)) == named


METAL = Balance("metal", "metal_tapped", "cast")
DAILY_ENERGY = """
  daily_energy:
    metric: {numerator: ac_energy, better: lower, decimals: 0}
    unit: kWh
    boundary: {en: energy a day, zh: 日用电量}
    model: {kind: mean}
    target: {at_most: 1000000, unit: kWh}
"""


def weighed_twice(share: float, balance: Balance = METAL) -> tuple[Plan, dict[str, Series]]:
    """The line with a second scale that sees so much of the metal, and a measure of its own on the energy alone."""
    points = LINE.points | {"cast": Point(PointKind.COUNTER, "kg", cadence_s=3600)}
    metal = READINGS["metal_tapped"]
    readings = {**READINGS, "cast": Series.of(metal.time_us, metal.value * 1000 * share)}
    return msgspec.structs.replace(LINE, points=points, balances=[balance]), readings


@pytest.mark.parametrize(("share", "named"), [(0.951, False), (0.949, True)])
def test_a_balance_may_be_open_by_its_tolerance(share: float, *, named: bool):
    assert ("BALANCE_OPEN" in codes(judged(*weighed_twice(share)))) == named


@pytest.mark.parametrize(("lost_days", "named"), [(9, False), (10, True)])
def test_a_balance_that_cannot_be_made_over_nine_tenths_of_a_window_is_named(lost_days: int, *, named: bool):
    plan, readings = weighed_twice(1.0)
    gone = micros(LINE, LINE.baseline.start + dt.timedelta(days=lost_days))
    short = readings["cast"].take(readings["cast"].time_us >= gone)
    result = judged(plan, {**readings, "cast": short})
    assert ("BALANCE_NOT_COMPARABLE" in codes(result)) == named
    assert result.verdict.state == ("inconclusive" if named else "met")


def test_an_open_balance_withdraws_the_measures_on_its_points_and_no_other():
    plan, readings = weighed_twice(0.949)
    head, _ = PLAN_BYTES.decode().split("measures:", 1)
    daily = parse_plan(f"{head}measures:{DAILY_ENERGY}".encode()).measures
    result = judged(msgspec.structs.replace(plan, measures=plan.measures | daily), readings)
    states = {measure.name: measure.verdict.state for measure in result.measures}
    assert states == {"energy": "inconclusive", "daily_energy": "met"}
    assert result.verdict.state == "inconclusive"
    contradicted = result.measures[0]
    assert contradicted.effect is None
    assert {reason.code for reason in contradicted.verdict.reasons} == {"BALANCE_OPEN"}


def test_a_bill_that_disagrees_withdraws_the_measures_on_its_point_alone():
    other = Bill("cast-bill", "cast", *MARCH, value=1.0, unit="kg")
    plan, readings = weighed_twice(1.0)
    assert judged(msgspec.structs.replace(plan, bills=[other]), readings).verdict.state == "met"
    own = msgspec.structs.replace(other, point="metal_tapped")
    assert judged(msgspec.structs.replace(plan, bills=[own]), readings).verdict.state == "inconclusive"


def test_the_plan_s_own_events_are_left_out_of_what_is_expected():
    event = Event("alert-1", dt.date(2026, 7, 1), dt.date(2026, 7, 21), LINE.title)
    result = judged(msgspec.structs.replace(LINE, events=[event]))
    assert only(result).reporting.used == 70
    assert "EVENT_EXCLUDED" in codes(result)
    assert result.verdict.state == judged().verdict.state


def test_stops_are_data_unless_the_plan_gates_on_the_run_state():
    tons = 656 + 40 * np.sin(np.arange(182) * 1.7)
    tons[20:30] = 0.0
    readings = line(LINE, output_t=tons, noise_sd=0.002)
    assert only(judged(LINE, readings)).baseline.used == 90
    gated = judged(msgspec.structs.replace(LINE, run_state=RunState("line_state", gate=True)), readings)
    assert only(gated).baseline.used == 80
    assert "STOPS_LEFT_OUT" in codes(gated)
    assert "TOO_FEW_INTERVALS" not in codes(gated)


def replaced_register(*, known: bool):
    """The energy meter is swapped on 10 July at noon; the new one begins at 12."""
    energy = READINGS["ac_energy"]
    at = int(np.searchsorted(energy.time_us, micros(LINE, dt.date(2026, 7, 10)) + 12 * HOUR_US))
    value = energy.value.copy()
    value[at:] = (value[at:] - value[at - 1]) % 1e9 + 12
    readings = {**READINGS, "ac_energy": Series.of(energy.time_us, value)}
    reading = {"final_reading": float(energy.value[at - 1]), "first_reading": 12.0} if known else {}
    change = MeterChange(dt.date(2026, 7, 10), "replaced", **reading)
    meter = msgspec.structs.replace(LINE.meters["M-AC-01"], changes=[change])
    return judged(msgspec.structs.replace(LINE, meters=LINE.meters | {"M-AC-01": meter}), readings)


def test_a_replaced_register_is_followed_where_its_two_readings_are_known():
    result = replaced_register(known=True)
    assert {"COUNTER_REPLACED", "METER_CHANGED"} <= codes(result)
    assert only(result).reporting.used == 90
    assert only(result).reporting.numerator == only(judged()).reporting.numerator


def test_a_replaced_register_without_them_costs_its_day():
    result = replaced_register(known=False)
    assert codes(result) & {"COUNTER_RESET", "COUNTER_JUMP", "COUNTER_AMBIGUOUS"}
    assert only(result).reporting.used == 89


def test_event_points_count_what_happened():
    points = LINE.points | {"taps": Point(PointKind.EVENT, "t")}
    plan = msgspec.structs.replace(LINE, points=points)
    plan = changed(plan, inputs={"energy": "ac_energy", "output": "taps"})
    metal = READINGS["metal_tapped"]
    rises = np.diff(metal.value)
    taps = Series.of(metal.time_us[:-1], rises).take(rises > 0)
    result = judged(plan, {**READINGS, "taps": taps})
    assert float(only(result).baseline.denominator) == pytest.approx(float(only(judged()).baseline.denominator))
