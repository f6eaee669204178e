"""The engine end to end: known effects recovered, bad data named, and the same bytes whatever the order of the
readings.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verification.lines import (
    PLAN_BYTES,
    changed,
    codes,
    drop,
    hengkang_plan,
    line,
    micros,
    only,
    short_plan,
    with_meter,
    with_point,
)
from verification.engine.result import Result
from verification.engine.verify import Context, readings_used, verify
from verification.plan import MeterChange, Model, Plan, Target, Window, plan_digest
from verification.plan.shape import StandardConditions
from verification.series.columns import STATUS_BAD, Series

DIGEST = plan_digest(PLAN_BYTES)
PLAN = hengkang_plan()
READINGS = line(PLAN)
SHORT = short_plan()
SHORT_READINGS = line(SHORT)
DAY_US = 86_400_000_000


def judge(plan: Plan = PLAN, readings=None, **context) -> Result:
    return verify(plan, DIGEST, READINGS if readings is None else readings, Context(**context))


def scaled(series: Series, factor: float) -> Series:
    return Series(series.time_us, series.value * factor, series.status, series.flags)


def assert_near_the_truth(result: Result) -> None:
    """Twice U: one seed in 20 misses U by right. How often U itself covers is tested over many seeds elsewhere."""
    assert abs(float(only(result).effect.delta) + 260) <= 2 * float(only(result).effect.expanded_uncertainty)


def day_us(date: str, plan: Plan = PLAN) -> int:
    return micros(plan, dt.date.fromisoformat(date))


def test_a_known_effect_is_recovered_and_certified():
    result = judge()
    assert_near_the_truth(result)
    assert 10 < float(only(result).effect.expanded_uncertainty) < 45
    assert result.verdict.state == "met"
    assert (only(result).baseline.used, only(result).reporting.used) == (120, 120)
    assert codes(result) - {"CLAIM_OVERSTATED"} == {
        "NO_STATIC_FACTORS",
        "PLAN_NOT_LOGGED",
        "COUNTER_ROLLOVER",
        "SEASON_NOT_COVERED",
    }


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_line_without_an_effect_is_not_certified(seed: int):
    assert judge(readings=line(PLAN, seed=seed, effect=0.0)).verdict.state == "not_met"


@pytest.mark.parametrize("days", [1, 2, 6])
def test_a_reporting_period_of_few_days_says_what_it_can(days: int):
    """One day has no trend, no length of its own to tell, and a figure all the same."""
    first = PLAN.reporting.start
    plan = hengkang_plan(reporting=Window(first, first + dt.timedelta(days=days)))
    result = judge(plan, line(plan))
    assert abs(float(only(result).effect.delta) + 260) <= 2 * float(only(result).effect.expanded_uncertainty)
    assert "DRIFT_ONE_SIDED" not in codes(result)


@pytest.mark.parametrize("days", [1, 2, 6])
def test_a_baseline_of_few_days_is_backcast_and_known_to_be_short(days: int):
    """A model of the reporting period answers for it; that it may have been picked among years of days stays true."""
    plan = hengkang_plan(method="backcast", baseline=Window(PLAN.baseline.end - dt.timedelta(days), PLAN.baseline.end))
    result = judge(plan, line(plan))
    assert abs(float(only(result).effect.delta) + 260) <= 2 * float(only(result).effect.expanded_uncertainty)
    [season] = [finding for finding in result.all_findings if finding.code == "SEASON_NOT_COVERED"]
    assert season.data["days"] == days


def test_a_limit_inside_the_interval_is_inconclusive():
    target = Target(at_most=float(only(judge()).effect.delta), unit="kWh/t")
    assert judge(hengkang_plan(target=target)).verdict.state == "inconclusive"


def test_the_bridge_adds_up_to_the_effect():
    tons = np.where(np.arange(250) < 125, 656.0, 640.0) + 8 * (np.arange(250) % 9)
    result = judge(readings=line(PLAN, output_t=tons, noise_sd=0.0005))
    steps = {row.step: Decimal(row.value) for row in only(result).bridge}
    assert list(steps) == ["plain", "load", "verified"]
    assert steps["plain"] + steps["load"] == steps["verified"] == Decimal(only(result).effect.delta)
    plain = Decimal(only(result).reporting.ratio) - Decimal(only(result).baseline.ratio)
    assert abs(plain - steps["plain"]) <= Decimal("0.0002")
    assert steps["load"] < -1  # less load spreads the fixed energy over fewer tons, which is no fault of the retrofit


def test_a_second_driver_has_its_own_row():
    points = dict(SHORT.points)
    points["ambient"] = msgspec.structs.replace(
        points["line_state"], kind=type(points["line_state"].kind).GAUGE, unit="degC"
    )
    plan = changed(SHORT, points=points, model=Model("ols", ["metal_tapped", "ambient"]))
    times = SHORT_READINGS["ac_energy"].time_us
    warmth = Series.of(times, 15 + 8 * np.sin(np.arange(len(times)) / 97.0) + np.linspace(0, 1, len(times)))
    result = verify(plan, DIGEST, {**SHORT_READINGS, "ambient": warmth})
    steps = {row.step: Decimal(row.value) for row in only(result).bridge}
    assert list(steps) == ["plain", "load", "driver:ambient", "verified"]
    assert steps["plain"] + steps["load"] + steps["driver:ambient"] == steps["verified"]
    assert only(result).model.coefficients[2].unit == "kWh/degC"


# Nothing but the readings decides.


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_row_order_leaves_no_trace(seed: int):
    rng = np.random.default_rng(seed)
    shuffled = {name: series.take(rng.permutation(len(series))) for name, series in SHORT_READINGS.items()}
    assert verify(SHORT, DIGEST, shuffled).to_json() == verify(SHORT, DIGEST, SHORT_READINGS).to_json()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 1400), max_size=5))
def test_chunking_leaves_no_trace(cuts: list[int]):
    chunked = {}
    for name, series in SHORT_READINGS.items():
        parts = np.split(np.arange(len(series)), sorted(cuts))
        chunked[name] = series.take(np.concatenate(parts[::-1]))
    assert verify(SHORT, DIGEST, chunked).to_json() == verify(SHORT, DIGEST, SHORT_READINGS).to_json()


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 10_000))
def test_the_unit_of_the_input_leaves_no_trace(seed: int):
    readings = line(SHORT, seed=seed)
    plan = with_point(with_point(SHORT, "ac_energy", unit="MWh"), "metal_tapped", unit="kg")
    plan = with_meter(plan, "M-AC-01", unit="MWh", register_modulus=1e6, max_rate_per_hour=600.0)
    plan = with_meter(plan, "SCALE-01", unit="kg", max_rate_per_hour=200_000.0)
    converted = {
        **readings,
        "ac_energy": scaled(readings["ac_energy"], 1e-3),
        "metal_tapped": scaled(readings["metal_tapped"], 1e3),
    }
    expected, got = verify(SHORT, DIGEST, readings), verify(plan, DIGEST, converted)
    assert msgspec.structs.replace(got, input_digest=expected.input_digest).to_json() == expected.to_json()


def test_the_metric_s_unit_changes_the_figures_only():
    plan = hengkang_plan(unit="MWh/t")
    got, expected = judge(plan), judge()
    assert only(got).verdict.limit.value == "-0.2000000"
    assert Decimal(only(got).effect.delta) * 1000 == Decimal(only(expected).effect.delta)
    assert only(got).effect.reported_delta == f"{Decimal(only(expected).effect.reported_delta) / 1000:f}"
    assert got.verdict.state == "met"


def test_readings_outside_the_windows_leave_no_trace():
    works = day_us("2026-07-01")
    noisy = dict(READINGS)
    noisy["ac_energy"] = Series(
        READINGS["ac_energy"].time_us,
        np.where(np.abs(READINGS["ac_energy"].time_us - works) < DAY_US, 7.0, READINGS["ac_energy"].value),
        READINGS["ac_energy"].status,
        READINGS["ac_energy"].flags,
    )
    noisy["pot_voltage"] = Series.of([1, 2], [float("nan"), 4.1])
    assert judge(readings=noisy).to_json() == judge().to_json()
    assert judge(readings=readings_used(PLAN, READINGS)).to_json() == judge().to_json()


# What is wrong with the data is named.


@pytest.mark.parametrize(("missing_days", "state"), [(12, "met"), (13, "invalid_data")])
def test_a_tenth_of_the_days_may_be_missing(missing_days: int, state: str):
    """A counter that misses n - 1 midnights in a row has lost n days."""
    start = day_us("2026-08-02") - DAY_US // 2
    readings = {
        **READINGS,
        "ac_energy": drop(READINGS["ac_energy"], start, start + (missing_days - 1) * DAY_US),
    }
    result = judge(readings=readings)
    assert only(result).reporting.used == 120 - missing_days
    assert result.verdict.state == state
    assert ("TOO_FEW_INTERVALS" in codes(result)) == (state == "invalid_data")
    assert "INTERVALS_MISSING" in codes(result)


def test_a_window_outside_the_data_is_invalid():
    late = hengkang_plan(reporting=Window(dt.date(2027, 1, 1), dt.date(2027, 3, 1)))
    result = judge(late)
    assert result.verdict.state == "invalid_data"
    assert {finding.code for finding in result.verdict.reasons} == {"WINDOW_OUTSIDE_DATA"}
    assert only(result).effect is None
    assert (only(result).bridge, only(result).budget, only(result).model) == ([], [], None)
    assert only(result).reporting.ratio is None


def test_no_readings_at_all_are_invalid():
    assert judge(readings={}).verdict.state == "invalid_data"


@pytest.mark.parametrize(("productive_days", "state"), [(0, "not_verifiable"), (11, "not_verifiable"), (12, "met")])
def test_a_line_that_stood_idle_is_not_verifiable(productive_days: int, state: str):
    tons = 656 + 40 * np.sin(np.arange(250) * 1.7)
    tons[:120] = np.where(np.arange(120) < productive_days, tons[:120], 0.0)
    result = judge(readings=line(PLAN, output_t=tons, noise_sd=0.001))
    assert result.verdict.state == state
    assert ("BASELINE_IDLE" in codes(result)) == (state == "not_verifiable")
    assert (only(result).effect is None) == (state == "not_verifiable")


def test_a_baseline_whose_output_was_never_metered_is_not_verifiable():
    readings = {**READINGS, "metal_tapped": drop(READINGS["metal_tapped"], 0, day_us("2026-07-01"))}
    assert judge(readings=readings).verdict.state == "not_verifiable"


def test_a_baseline_of_which_nothing_but_a_still_line_is_known_is_not_verifiable():
    cut = day_us("2026-07-01")
    readings = {name: drop(series, 0, cut) for name, series in READINGS.items() if name != "line_state"}
    stood = READINGS["line_state"]
    readings["line_state"] = Series(stood.time_us, (stood.time_us > cut).astype(float), stood.status, stood.flags)
    assert judge(readings=readings).verdict.state == "not_verifiable"


def test_a_reporting_period_without_production_is_not_verifiable():
    tons = np.where(np.arange(250) < 125, 656 + np.arange(250) % 9, 0.0)
    result = judge(readings=line(PLAN, output_t=tons))
    assert result.verdict.state == "not_verifiable"
    assert "REPORTING_IDLE" in codes(result)


def test_a_stop_of_the_line_is_data():
    tons = 656 + 40 * np.sin(np.arange(250) * 1.7)
    tons[[30, 31, 180]] = 0.0
    result = judge(readings=line(PLAN, output_t=tons))
    assert (only(result).baseline.used, only(result).reporting.used) == (120, 120)
    assert only(result).rows[30].denominator == "0.000000"
    assert float(only(result).rows[30].numerator) > 0
    assert_near_the_truth(result)


def test_output_without_energy_is_not_used():
    start, end = day_us("2026-08-02"), day_us("2026-08-05")
    energy = READINGS["ac_energy"]
    stuck = np.where(
        (energy.time_us >= start) & (energy.time_us <= end),
        energy.value[energy.time_us == start][0],
        energy.value,
    )
    result = judge(readings={**READINGS, "ac_energy": Series(energy.time_us, stuck, energy.status, energy.flags)})
    assert "STUCK_VALUES" in codes(result)
    stopped = [row.used for row in only(result).rows if start <= round(row.start.timestamp()) * 1_000_000 < end]
    assert stopped == [False] * 3


def test_a_running_line_without_output_is_not_used():
    tons = 656 + 40 * np.sin(np.arange(250) * 1.7)
    tons[180] = 0.0
    readings = line(PLAN, output_t=tons)
    readings["line_state"] = READINGS["line_state"]
    result = judge(readings=readings)
    assert "ZERO_OUTPUT_WHILE_RUNNING" in codes(result)
    assert only(result).reporting.used == 119


def test_people_at_a_line_that_stands_contradict_nothing():
    tons = 656 + 40 * np.sin(np.arange(250) * 1.7)
    tons[180] = 0.0
    staff = msgspec.structs.replace(PLAN.points["line_state"], unit="head")
    plan = changed(PLAN, points=PLAN.points | {"staff": staff})
    result = judge(plan, readings=line(PLAN, output_t=tons) | {"staff": READINGS["line_state"]})
    assert "ZERO_OUTPUT_WHILE_RUNNING" not in codes(result)
    assert only(result).reporting.used == 120


def test_bad_readings_duplicates_and_contradictions_are_named():
    energy = READINGS["ac_energy"]
    extra = Series.of(
        [energy.time_us[50], energy.time_us[51], energy.time_us[53]], [energy.value[50], 7.0, float("nan")]
    )
    status = energy.status.copy()
    status[55] = STATUS_BAD
    joined = Series(
        np.concatenate([energy.time_us, extra.time_us]),
        np.concatenate([energy.value, extra.value]),
        np.concatenate([status, extra.status]),
        np.concatenate([energy.flags, extra.flags]),
    )
    found = codes(judge(readings={**READINGS, "ac_energy": joined}))
    assert {
        "DUPLICATES_REMOVED",
        "CONFLICTING_READINGS",
        "NON_FINITE_EXCLUDED",
        "BAD_STATUS_EXCLUDED",
        "COUNTER_GAP",
    } <= found


def test_a_negative_output_is_impossible():
    plan = with_point(PLAN, "metal_tapped", kind=type(PLAN.points["metal_tapped"].kind).INTERVAL_TOTAL)
    counter = READINGS["metal_tapped"]
    increments = np.diff(counter.value)
    increments[180 * 96] = -1000.0
    result = judge(plan, {**READINGS, "metal_tapped": Series.of(counter.time_us[:-1], increments)})
    assert "NEGATIVE_TOTALS" in codes(result)
    assert only(result).reporting.used == 119


def test_a_day_far_off_the_model_is_named_and_used():
    energy = READINGS["ac_energy"]
    spent = np.where(energy.time_us >= day_us("2026-08-02") + DAY_US // 2, energy.value + 1e6 / 4, energy.value)
    result = judge(readings={**READINGS, "ac_energy": Series(energy.time_us, spent % 1e9, energy.status, energy.flags)})
    assert only(result).reporting.used == 120 - ("COUNTER_JUMP" in codes(result))
    assert "COUNTER_JUMP" in codes(result)  # 250 MWh in a quarter of an hour
    plan = with_meter(PLAN, "M-AC-01", max_rate_per_hour=2e6)
    result = judge(plan, {**READINGS, "ac_energy": Series(energy.time_us, spent % 1e9, energy.status, energy.flags)})
    assert "OUTLIERS_FEW" in codes(result)  # one day of 120
    assert only(result).reporting.used == 120


# What a model cannot bear is not concluded.


@pytest.mark.parametrize(("shift_t", "conclusive"), [(58.0, True), (61.0, False)])
def test_a_mean_outside_the_baseline_by_more_than_a_tenth_of_its_range_is_inconclusive(
    shift_t: float, *, conclusive: bool
):
    """The baseline runs from 600 to 700 t with its mean at 650, so a tenth of its range above it is 710."""
    base = 650 + 50 * np.cos(np.arange(250) * np.pi / 7)
    tons = np.where(np.arange(250) < 125, base, 650 + shift_t)
    result = judge(readings=line(PLAN, output_t=tons, noise_sd=0.001))
    assert ("EXTRAPOLATION_MEAN" in codes(result)) != conclusive
    assert (result.verdict.state != "inconclusive") == conclusive
    assert only(result).effect is not None


@pytest.mark.parametrize(
    ("method", "standard", "after_is_wider", "said"),
    [
        ("avoided", "both", True, ("in the reporting period (", "range in the baseline (")),
        ("avoided", "both", False, None),
        ("backcast", "both", True, None),
        ("backcast", "both", False, ("in the baseline (", "range in the reporting period (")),
        ("normalised", "both", True, ("in the reporting period (", "range in the baseline (")),
        ("normalised", "both", False, ("in the baseline (", "range in the reporting period (")),
        ("normalised", "reporting", False, None),
        ("normalised", "baseline", False, ("in the baseline (", "range in the reporting period (")),
        (
            "normalised",
            StandardConditions({"metal_tapped": 600.0}),
            True,
            ("in the standard conditions (600.000)", "range in the"),
        ),
        (
            "normalised",
            StandardConditions({"metal_tapped": 600.0}),
            False,
            ("in the standard conditions (600.000)", "range in the"),
        ),
        ("normalised", StandardConditions({"metal_tapped": 650.0}), True, None),
    ],
)
def test_each_model_is_held_to_the_conditions_that_it_answers_for(
    method: str, standard: str | StandardConditions, said: tuple[str, str] | None, *, after_is_wider: bool
):
    """One window runs from 640 to 660 t, the other from 580 to 780 t around 680."""
    narrow = 650 + 10 * np.cos(np.arange(125) * np.pi / 7)
    wide = 680 + 100 * np.cos(np.arange(125) * np.pi / 7)
    tons = np.concatenate([narrow, wide] if after_is_wider else [wide, narrow])
    plan = changed(PLAN, method=method, standard=standard)
    result = judge(plan, line(PLAN, output_t=tons, noise_sd=0.001))
    texts = [one.text() for one in result.measures[0].findings if one.code == "EXTRAPOLATION_MEAN"]
    assert (said is None) == (texts == [])
    assert said is None or all(part in texts[0] for part in said)


def test_a_constant_output_is_inconclusive_without_a_number():
    result = judge(readings=line(PLAN, output_t=np.full(250, 656.0)))
    assert only(result).effect is None
    assert result.verdict.state == "inconclusive"


def test_a_short_and_sluggish_baseline_is_inconclusive():
    plan = short_plan(20)
    result = verify(plan, DIGEST, line(plan, rho=0.97, seed=4))
    assert result.verdict.state == "inconclusive"
    assert "TOO_FEW_EFFECTIVE" in codes(result)


def test_a_baseline_that_follows_the_model_exactly_is_suspicious():
    plan = short_plan(30, claim=None)
    assert "RESIDUALS_ZERO" not in codes(verify(plan, DIGEST, line(plan)))
    tons = np.tile([600.0, 720.0, 640.0, 700.0], 16)[:62]
    assert "RESIDUALS_ZERO" in codes(verify(plan, DIGEST, line(plan, noise_sd=0.0, output_t=tons)))


def test_an_output_that_explains_nothing_is_named():
    rng = np.random.default_rng(8)
    readings = line(PLAN, output_t=np.full(250, 656.0), noise_sd=0.05)
    readings["metal_tapped"] = line(PLAN, output_t=656 + rng.normal(0, 2, 250))["metal_tapped"]
    assert {"R_SQUARED_LOW", "DRIVER_NOT_SIGNIFICANT"} <= codes(judge(readings=readings))


def test_class_1_meters_that_were_swapped_leave_260_undecided():
    change = MeterChange(dt.date(2026, 7, 1), "replaced")
    plan = with_meter(PLAN, "M-AC-01", class_percent=1.0, changes=[change])
    result = judge(plan)
    assert result.verdict.state == "inconclusive"
    assert "METER_CHANGED" in codes(result)
    assert float(only(result).budget[1].standard_uncertainty) == pytest.approx(109, rel=0.02)  # 42 % of 260
    assert judge(with_meter(PLAN, "M-AC-01", class_percent=1.0)).verdict.state == "met"
