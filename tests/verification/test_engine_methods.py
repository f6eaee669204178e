"""The engine end to end by other models, methods and targets than the usual ones: each wired from plan to result."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.verification.lines import changed, codes, hengkang_plan, line, micros, only, short_plan, with_meter
from verification import keys
from verification.engine.result import MeasureResult, Result, parse_result
from verification.engine.verify import verify
from verification.model import PointKind
from verification.plan import Model, Plan, Point, Target
from verification.plan.checks import check_plan
from verification.plan.measure import PlanError
from verification.plan.shape import (
    Adjustment,
    AnnualOutput,
    Event,
    Factor,
    MeterChange,
    RunState,
    StandardConditions,
    Window,
)
from verification.plan.signing import sign
from verification.report.text import render
from verification.series.columns import Series

DIGEST = "0" * 64
PLAN = hengkang_plan()
READINGS = line(PLAN)


def judge(plan: Plan, readings=None) -> Result:
    return verify(plan, DIGEST, READINGS if readings is None else readings)


def measured(plan: Plan, readings=None) -> MeasureResult:
    measure = only(judge(plan, readings))
    assert measure.effect is not None, codes(judge(plan, readings))
    return measure


def near(measure: MeasureResult, truth: float) -> bool:
    return abs(float(measure.effect.delta) - truth) <= 2 * float(measure.effect.expanded_uncertainty)


def with_weather(plan: Plan, readings, *, per_degree: float, colder: float = 0.0, wave: float = 9.0):
    """The plan and readings with an outdoor temperature that costs so many kWh a day and degree below 15."""
    plan = msgspec.structs.replace(plan, points={**plan.points, "outdoor": Point(PointKind.GAUGE, "degC")})
    energy = readings["ac_energy"]
    per_day = 86_400_000_000 // int(energy.time_us[1] - energy.time_us[0])
    days = len(energy) // per_day
    rng = np.random.default_rng(9)
    degrees = 15 + wave * np.cos(np.arange(days) / 9) + rng.normal(0, 10 - wave, days)
    degrees -= colder * (np.arange(days) >= 125)
    extra = per_degree * np.maximum(15 - degrees, 0)
    register = np.concatenate([[0.0], np.cumsum(np.repeat(extra / per_day, per_day))])
    value = (energy.value + np.round(register)) % 1e9
    warmth = Series.of(energy.time_us, np.append(np.repeat(degrees, per_day), degrees[-1]))
    return plan, {
        **readings,
        "ac_energy": Series(energy.time_us, value, energy.status, energy.flags),
        "outdoor": warmth,
    }


@pytest.mark.parametrize("model", [Model("ratio"), Model("ols", ["metal_tapped"])])
def test_every_model_of_a_line_finds_its_effect(model: Model):
    measure = measured(changed(PLAN, model=model))
    assert near(measure, -260)
    assert measure.model.kind == model.kind
    steps = {row.step: Decimal(row.value) for row in measure.bridge}
    assert sum(value for step, value in steps.items() if step != "verified") == steps["verified"]


def test_a_ratio_has_one_coefficient_in_the_metric_s_kernel_unit():
    (coefficient,) = measured(changed(PLAN, model=Model("ratio"))).model.coefficients
    assert (coefficient.name, coefficient.unit) == ("denominator", "kWh/t")
    assert float(coefficient.value) == pytest.approx(13_500, rel=0.01)


def test_change_points_in_the_weather_are_found_and_judged():
    plan, readings = with_weather(PLAN, line(PLAN, seed=2), per_degree=20_000)
    plan = changed(plan, model=Model("change_point", ["metal_tapped", "outdoor"]))
    measure = measured(plan, readings)
    assert near(measure, -260)
    heating = [one for one in measure.model.coefficients if one.name.startswith("outdoor<")]
    assert float(heating[0].value) == pytest.approx(20_000, rel=0.2)
    assert heating[0].unit == "kWh/degC"
    assert measure.model.p > len(measure.model.coefficients)  # the searched point costs one, too


def test_a_hidden_driver_that_another_model_has_leaves_the_verdict_open():
    """It is 6 degrees colder afterwards, which costs 180 kWh/t: a real saving of 260 looks like one of 80."""
    plan, readings = with_weather(PLAN, READINGS, per_degree=30_000, colder=4.0)
    target = Target(at_most=-200, unit="kWh/t")
    with_driver = changed(plan, model=Model("ols", ["metal_tapped", "outdoor"]), target=target)
    measure = measured(with_driver, readings)
    names = {row.model: row for row in measure.panel}
    assert "ols(metal_tapped)" in names
    assert not names["ols(metal_tapped)"].admissible
    assert "rejected" in names["ols(metal_tapped)"].why_not
    assert [row.primary for row in measure.panel].count(True) == 1


@pytest.mark.parametrize("method", ["backcast", "normalised"])
def test_other_methods_find_the_same_effect(method):
    measure = measured(changed(PLAN, method=method))
    assert near(measure, -260)
    assert measure.verdict.state == "met"
    steps = {row.step: Decimal(row.value) for row in measure.bridge}
    assert sum(value for step, value in steps.items() if step != "verified") == steps["verified"]


def test_a_relative_target_is_judged_in_percent():
    met = judge(changed(PLAN, target=Target(at_most=-1.5, unit="%", of="relative")))
    assert met.verdict.state == "met"
    assert met.verdict.reasons[0].code == "LIMIT_KEPT"
    effect = only(met).effect
    assert float(effect.relative_percent) == pytest.approx(-1.9, abs=0.25)
    assert 0.05 < float(effect.relative_expanded_uncertainty) < 0.4
    assert {check.unit for check in only(met).cross_checks if check.name == "monte_carlo"} == {"%"}
    assert judge(changed(PLAN, target=Target(at_most=-3, unit="%", of="relative"))).verdict.state == "not_met"


@pytest.mark.parametrize(("limit", "state"), [(13_400.0, "met"), (13_000.0, "not_met")])
def test_a_level_target_is_judged_on_what_the_line_uses_afterwards(limit: float, state: str):
    result = judge(changed(PLAN, target=Target(at_most=limit, unit="kWh/t", of="level")))
    assert result.verdict.state == state
    effect = only(result).effect
    assert Decimal(effect.level) == Decimal(only(result).reporting.ratio)
    assert 5 < float(effect.level_expanded_uncertainty) < 60


def test_a_target_may_be_a_floor():
    assert judge(changed(PLAN, target=Target(at_least=-400, unit="kWh/t"))).verdict.state == "met"
    assert judge(changed(PLAN, target=Target(at_least=-100, unit="kWh/t"))).verdict.state == "not_met"


def test_a_signed_adjustment_moves_the_change_and_has_its_own_row():
    """A baseline that would have needed 1 GWh less, over about 79,000 t, saves 12.7 kWh/t less."""
    key = Ed25519PrivateKey.generate()
    adjustment = Adjustment(
        id="new-fan", measure="energy", cause=PLAN.title, owner="works engineer", value=-1_000_000, unit="kWh",
        uncertainty=100_000,
    )  # fmt: skip
    plan = changed(PLAN, owners={"works engineer": keys.public_text(key)}, adjustments=[adjustment])
    signed = msgspec.structs.replace(adjustment, signature=sign(plan, "new-fan", key))
    plain, adjusted = measured(PLAN), measured(changed(plan, adjustments=[signed]))
    output = float(plain.reporting.denominator)
    moved = float(adjusted.effect.delta) - float(plain.effect.delta)
    assert moved == pytest.approx(1_000_000 / output, abs=2e-4)
    (row,) = [row for row in adjusted.budget if row.source == "adjustment:new-fan"]
    assert float(row.standard_uncertainty) == pytest.approx(100_000 / output, abs=2e-4)
    assert [row.step for row in adjusted.bridge][-2:] == ["adjustments", "verified"]
    assert "ADJUSTMENT_APPLIED" in {finding.code for finding in adjusted.findings}
    assert measured(plan).effect.delta == plain.effect.delta  # not signed, not applied


def test_an_adjustment_that_nobody_knows_leaves_nothing_of_the_noise_and_no_verdict():
    """Its share is all of the variance but a part in 1e20, and the degrees of freedom are as good as infinite."""
    key = Ed25519PrivateKey.generate()
    adjustment = Adjustment("fan", "energy", PLAN.title, "owner", "kWh", value=0.0, uncertainty=1e18)
    plan = changed(PLAN, owners={"owner": keys.public_text(key)}, adjustments=[adjustment])
    signed = msgspec.structs.replace(adjustment, signature=sign(plan, "fan", key))
    measure = measured(changed(plan, adjustments=[signed]))
    assert measure.effect.dof is None
    assert measure.verdict.state == "inconclusive"


def test_a_year_s_saving_in_energy_money_and_carbon_names_what_it_rests_on():
    plan = changed(
        PLAN,
        annual_output=AnnualOutput(value=240_000, unit="t", basis="capacity"),
        factors={"money": Factor(0.4167, "CNY/kWh", "2022"), "carbon": Factor(570.3, "kg/MWh", "2021")},
    )
    measure = measured(plan)
    effect, annual = measure.effect, measure.effect.annual
    assert float(annual.numerator_change) == pytest.approx(float(effect.delta) * 240_000, rel=1e-6)
    assert float(annual.expanded_uncertainty) == pytest.approx(float(effect.expanded_uncertainty) * 240_000, rel=1e-4)
    assert effect.money.unit == "CNY"
    assert float(effect.money.value) == pytest.approx(float(annual.numerator_change) * 0.4167, rel=1e-6)
    assert float(effect.carbon.value) == pytest.approx(float(annual.numerator_change) * 0.5703, rel=1e-6)
    assert effect.money.of == "year"
    assert "ANNUAL_ON_CAPACITY" in {finding.code for finding in measure.findings}


def test_the_fit_is_told_in_full():
    model = measured(PLAN).model
    assert model.f is not None
    assert model.durbin_watson is not None
    assert model.nmbe_out_of_sample_percent is not None
    intercept, slope = model.coefficients
    assert intercept.vif is None
    assert slope.vif == "1.000"
    assert float(slope.t) == pytest.approx(float(slope.value) / float(slope.standard_error), rel=1e-4)
    assert slope.p_value_autocorrelated == "0.000000"


def test_step_6_is_told_in_full():
    measure = measured(PLAN)
    assert {row.model for row in measure.panel} == {"ols(metal_tapped)", "mean", "ratio"}
    assert measure.placebo.dates == 9
    cases = [row.case for row in measure.sensitivity]
    assert sum(case.startswith("without:baseline:2026-") for case in cases) == 4 + 1
    assert "matched_load" in cases
    assert {check.name for check in measure.cross_checks} >= {"ar1_gls", "ashrae_fsu"}
    for check in measure.cross_checks:
        assert float(check.delta) == pytest.approx(float(measure.effect.delta), abs=10)
        assert float(check.expanded_uncertainty) == pytest.approx(float(measure.effect.expanded_uncertainty), rel=0.8)


def test_a_driver_that_carries_more_than_the_uncertainty_is_named():
    """The line's hours fall with the retrofit, and with them its energy: to the model nothing was saved."""
    rng = np.random.default_rng(1)
    days = (PLAN.reporting.end - PLAN.baseline.start).days
    after = np.arange(days) >= (PLAN.reporting.start - PLAN.baseline.start).days
    hours = (20 + rng.normal(0, 0.8, days)) * np.where(after, 0.9, 1.0)
    tons = 656 * (1 + rng.uniform(-0.07, 0.07, days))
    energy = 13_000 * tons + 30_000 * hours + rng.normal(0, 20_000, days)
    midnights = READINGS["ac_energy"].time_us[: 96 * days : 96]
    totals = {"ac_energy": ("kWh", energy), "metal_tapped": ("t", tons), "hours_run": ("h", hours)}
    plan = changed(
        PLAN,
        meters={},
        points={name: Point(PointKind.INTERVAL_TOTAL, unit, cadence_s=86_400) for name, (unit, _) in totals.items()},
        model=Model("ols", ["metal_tapped", "hours_run"]),
    )
    result = judge(plan, {name: Series.of(midnights, values) for name, (_, values) in totals.items()})
    [carries] = [finding for finding in result.all_findings if finding.code == "DRIVER_CARRIES"]
    assert carries.data["driver"] == "hours_run"
    assert float(carries.data["step"]) == pytest.approx(30_000 * 2 / 656, rel=0.3)


def test_one_bad_day_counts_in_the_uncertainty_and_is_named():
    """A day of the reporting period uses 5 GWh more, 63 kWh/t of the whole: without it the limit would be kept."""
    energy = READINGS["ac_energy"]
    extra = np.zeros(len(energy))
    extra[151 * 96 : 152 * 96] = 5e6 / 96
    spent = Series(energy.time_us, (energy.value + np.cumsum(extra)) % 1e9, energy.status, energy.flags)
    result = judge(changed(PLAN, target=Target(at_most=-195, unit="kWh/t")), {**READINGS, "ac_energy": spent})
    assert result.verdict.state == "inconclusive"
    assert [reason.code for reason in result.verdict.reasons] == ["INTERVAL_STRADDLES_TARGET"]
    assert all(reason.resolve(language) for reason in result.verdict.reasons for language in ("en", "zh"))
    found = {finding.code: finding.data for finding in result.all_findings}
    assert "NOISE_GREW" in found
    assert found["OUTLIERS_FEW"] | {"window": "reporting", "count": 1, "first": "2026-07-30"} == found["OUTLIERS_FEW"]


@pytest.mark.parametrize("method", ["avoided", "backcast", "normalised"])
def test_the_bridge_closes_where_the_output_itself_has_change_points(method):
    plan = changed(PLAN, model=Model("change_point", ["metal_tapped"]), method=method)
    steps = {row.step: Decimal(row.value) for row in measured(plan).bridge}
    assert "driver:metal_tapped" in steps
    assert sum(value for step, value in steps.items() if step != "verified") == steps["verified"]


def test_a_short_line_is_judged_by_every_model_without_a_traceback():
    plan = short_plan(14)
    for model in (Model("ols", ["metal_tapped"]), Model("ratio"), Model("change_point", ["metal_tapped"])):
        result = judge(changed(plan, model=model), line(plan))
        assert result.verdict.state in ("met", "not_met", "inconclusive")
        assert result.to_json()


def test_an_alternative_driver_that_turns_the_answer_leaves_the_verdict_open():
    """It is 8 degrees warmer afterwards, and each degree below 15 costs 12,000 kWh a day: without the weather, which
    the plan's model lacks but names as an alternative, nothing at all is taken for a saving.
    """
    plan, readings = with_weather(PLAN, line(PLAN, seed=2, effect=0.0), per_degree=12_000, colder=-8.0, wave=0.0)
    blind = Model("ols", ["metal_tapped"], alternatives=["outdoor"])
    target = Target(at_most=0, unit="kWh/t")
    result = judge(changed(plan, model=blind, target=target), readings)
    panel = {row.model: row for row in only(result).panel}
    assert "rejected" in panel["ols(metal_tapped)"].why_not
    assert panel["change_point(metal_tapped, outdoor)"].admissible
    assert "PRIMARY_REJECTED" in codes(result)
    assert result.verdict.state == "inconclusive"


def test_a_meter_changed_between_the_windows_errs_by_window_beside_an_alternative_driver():
    """A normalised change is stated for both windows, of which a meter's error is then in one alone."""
    plan, readings = with_weather(PLAN, READINGS, per_degree=0.0)
    plan = with_meter(plan, "M-AC-01", changes=[MeterChange(PLAN.baseline.end, "replaced")])
    usual = changed(plan, model=Model("ols", ["metal_tapped"]), method="normalised")
    offered = changed(plan, model=Model("ols", ["metal_tapped"], alternatives=["outdoor"]), method="normalised")
    assert measured(offered, readings).budget == measured(usual, readings).budget


def test_a_level_of_a_single_day_has_no_uncertainty_and_no_verdict():
    after = PLAN.reporting.start
    plan = changed(PLAN, reporting=Window(after, after + dt.timedelta(1)))
    plan = changed(plan, target=Target("kWh/t", of="level", at_most=13_400))
    assert [finding.code for finding in only(judge(plan)).verdict.reasons] == ["LEVEL_UNDEFINED"]


def test_a_driver_that_is_orders_of_magnitude_larger_in_one_window_has_no_figure():
    plan, readings = with_weather(PLAN, READINGS, per_degree=4000)
    tiny = readings["outdoor"]
    value = tiny.value * np.where(tiny.time_us < micros(plan, plan.baseline.end), 1e-16, 1e16)
    readings = {**readings, "outdoor": Series.of(tiny.time_us, value)}
    result = judge(changed(plan, model=Model("ols", ["metal_tapped", "outdoor"])), readings)
    assert result.verdict.state == "invalid_data"
    assert "CHANGE_OUT_OF_RANGE" in codes(result)


def test_drivers_that_rounding_alone_tells_apart_are_no_model():
    """The output counts in whole millionths of a ton, its double does not."""
    tons = READINGS["metal_tapped"]
    readings = READINGS | {"metal_tapped": Series.of(tons.time_us, tons.value * np.pi / 3000)}
    plan = changed(PLAN, model=Model("ols", ["metal_tapped", "metal_tapped * 2"]))
    assert [finding.code for finding in only(judge(plan, readings)).verdict.reasons] == ["METER_ERROR_UNBOUNDED"]


def test_four_days_of_hours_leave_nothing_to_tell_a_drift_from():
    """As many days as a line, a step and a drift have terms, and two of them to tell the noise of days from."""
    days = [PLAN.baseline.start + dt.timedelta(days) for days in (0, 2, 3, 5)]
    plan = short_plan(interval="hour", baseline=Window(*days[:2]), reporting=Window(*days[2:]))
    plan = changed(plan, target=Target("kWh/t", at_most=1e6))
    rng, readings = np.random.default_rng(1), line(plan)
    for name, rate, scatter in (("ac_energy", 4e5, 1e4), ("metal_tapped", 27.0, 1.0)):
        register = np.round(np.cumsum(rng.normal(rate, scatter, len(readings[name]))), 2)
        readings[name] = Series.of(readings[name].time_us, register)
    result = judge(plan, readings)
    assert [finding.code for finding in result.verdict.reasons] == ["TOLD_FROM_INTERVALS"]
    assert not any(code.startswith("DRIFT") for code in codes(result))


@pytest.mark.parametrize(
    ("model", "target", "days", "told"),
    [
        (Model("ratio"), Target("kWh/t", at_most=-200), 2, True),
        (Model("ratio"), Target("kWh/t", at_most=-200), 5, False),
        (Model("ols", ["metal_tapped"]), Target("kWh/t", at_most=-200), 2, False),
        (Model("ols", ["metal_tapped"]), Target("kWh/t", of="level", at_most=13_400), 2, True),
    ],
)
def test_hours_of_two_days_whose_own_noise_counts_are_no_ground_for_a_verdict(
    model: Model, target: Target, days: int, *, told: bool
):
    """A ratio and a level weigh the reporting period by its own noise, a model with drivers by that of the baseline."""
    begin = PLAN.baseline.start + dt.timedelta(31)
    plan = short_plan(interval="hour", reporting=Window(begin, begin + dt.timedelta(days)), model=model, target=target)
    result = judge(plan, line(plan))
    assert ("TOLD_FROM_INTERVALS" in {finding.code for finding in only(result).verdict.reasons}) == told


def test_an_alternative_with_gaps_is_named_and_not_tried():
    plan, readings = with_weather(PLAN, READINGS, per_degree=0.0)
    outdoor = readings["outdoor"]
    plan = changed(plan, model=Model("ols", ["metal_tapped"], alternatives=["outdoor"]))
    full = measured(plan, readings)
    assert "ols(metal_tapped, outdoor)" in {row.model for row in full.panel}
    gone = {**readings, "outdoor": outdoor.take(np.arange(len(outdoor)) < 9000)}
    measure = measured(plan, gone)
    assert "ALTERNATIVE_UNKNOWN" in {finding.code for finding in measure.findings}
    assert {row.model for row in measure.panel} == {"ols(metal_tapped)", "mean", "ratio"}
    assert measure.effect.delta == full.effect.delta


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_line_ends_in_a_result_whatever_the_model_method_and_target(seed: int):
    """Idle, constant, noiseless and gappy lines, also with values a thousand million times too small or too large."""
    rng = np.random.default_rng(seed)
    days = int(rng.integers(3, 25))
    plan = short_plan(days)
    tons = np.round(rng.choice([0, 0, 650, 700, 1.0], 2 * days + 2) * rng.choice([1, 1, 0], 2 * days + 2), 2)
    readings = line(
        plan, seed=seed, noise_sd=float(rng.choice([0, 0.001, 0.1])), output_t=tons if rng.random() < 0.5 else None
    )
    for name, series in readings.items():
        damage = rng.random()
        if damage < 0.15:
            readings[name] = Series.of(series.time_us, np.full(len(series), float(rng.choice([0, 5, -3]))))
        elif damage < 0.3:
            readings[name] = series.take(rng.random(len(series)) < 0.7)
        elif damage < 0.4:
            readings[name] = Series.of(series.time_us, series.value * rng.choice([1e-9, 1e9]))
    models = [
        Model("ratio"), Model("ols", ["metal_tapped"]), Model("change_point", ["metal_tapped"]),
        Model("ols", ["metal_tapped"], ["weekday"]), Model("ols", ["metal_tapped"], ["month"]),
    ]  # fmt: skip
    targets = [
        Target(unit="kWh/t", at_most=-200), Target(unit="%", at_most=-1, of="relative"),
        Target(unit="kWh/t", at_least=100, of="level"),
    ]  # fmt: skip
    method = ["avoided", "backcast", "normalised"][int(rng.integers(3))]
    changes = {"model": models[int(rng.integers(5))], "target": targets[int(rng.integers(3))], "method": method}
    result = judge(changed(plan, claim=None, **changes), readings)
    assert result.verdict.reasons
    assert result.to_json()


def with_waste(days: int, kwh: float) -> dict[str, Series]:
    """The readings with so much more energy over `days` from 20 July on."""
    energy = READINGS["ac_energy"]
    extra = np.zeros(len(energy))
    start = (dt.date(2026, 7, 20) - PLAN.baseline.start).days
    extra[start * 96 + 1 : (start + days) * 96 + 1] = kwh / (days * 96)
    return {**READINGS, "ac_energy": Series.of(energy.time_us, (energy.value + np.cumsum(extra)) % 1e9)}


@pytest.mark.parametrize(("kwh", "state"), [(1e6, "met"), (12e6, "inconclusive")])
def test_an_event_that_was_left_out_is_put_back_to_see_whether_it_decides(kwh: float, state: str):
    """12 GWh over 79,000 t are 152 kWh/t: with the event the saving of 260 would miss the target of 200."""
    event = Event("alert", dt.date(2026, 7, 20), dt.date(2026, 7, 26), PLAN.title)
    result = judge(changed(PLAN, events=[event]), with_waste(6, kwh))
    (row,) = [row for row in only(result).sensitivity if row.case.startswith("with:")]
    assert row.case == "with:reporting:event:alert"
    whole = only(judge(changed(PLAN), with_waste(6, kwh))).effect
    assert float(row.delta) == pytest.approx(float(whole.delta), abs=1e-4)
    assert result.verdict.state == state
    assert ("EXCLUSION_FLIPS" in {reason.code for reason in result.verdict.reasons}) == (state == "inconclusive")
    assert "With what was left out of the reporting period (event alert)" in render(result)
    assert "事件 alert" in render(result, "zh")


@pytest.mark.parametrize(
    ("kwh", "limit", "state"), [(1e6, 13_330, "met"), (12e6, 13_330, "inconclusive"), (12e6, 13_000, "not_met")]
)
def test_an_event_that_was_left_out_is_put_back_into_a_level(kwh: float, limit: float, state: str):
    """152 kWh/t more lift the level of 13,240 over a limit of 13,330; over one of 13,000 it is without them."""
    event = Event("alert", dt.date(2026, 7, 20), dt.date(2026, 7, 26), PLAN.title)
    level = Target(at_most=limit, unit="kWh/t", of="level")
    result = judge(changed(PLAN, events=[event], target=level), with_waste(6, kwh))
    assert result.verdict.state == state
    found = [reason for reason in result.verdict.reasons if reason.code == "EXCLUSION_FLIPS_LEVEL"]
    assert bool(found) == (state == "inconclusive")
    if found:
        whole = only(judge(changed(PLAN, target=level), with_waste(6, kwh))).effect
        assert found[0].data["level"] == whole.level
        assert "（event:alert）" in found[0].text("zh")


def test_an_event_of_the_baseline_turns_no_level():
    event = Event("strike", PLAN.baseline.start, PLAN.baseline.start + dt.timedelta(days=9), PLAN.title)
    result = judge(changed(PLAN, events=[event], target=Target(at_most=13_330, unit="kWh/t", of="level")))
    assert result.verdict.state == "met"


def test_an_exclusion_that_is_split_into_small_ones_is_put_back_as_a_whole():
    """12 GWh in six days, each filed as an event of its own: none of them decides, all of them together do."""
    days = [dt.date(2026, 7, 20) + dt.timedelta(days=index) for index in range(6)]
    events = [Event(f"day-{index}", day, day + dt.timedelta(days=1), PLAN.title) for index, day in enumerate(days)]
    result = judge(changed(PLAN, events=events), with_waste(6, 12e6))
    assert result.verdict.state == "inconclusive"
    assert [reason.code for reason in result.verdict.reasons] == ["EXCLUSIONS_FLIP"]
    (row,) = [row for row in only(result).sensitivity if row.case == "with:all:events"]
    whole = only(judge(changed(PLAN), with_waste(6, 12e6))).effect
    assert float(row.delta) == pytest.approx(float(whole.delta), abs=1e-4)
    assert "With what was left out of the windows (all events)" in render(result)
    assert "计入各期间中被剔除的时段（全部事件）" in render(result, "zh")


def test_two_days_of_an_event_that_cancel_are_said_and_turn_nothing():
    """A batch of 8 GWh that slipped over midnight: either day alone would turn the verdict, the event does not."""
    energy = READINGS["ac_energy"]
    extra = np.zeros(len(energy))
    start = (dt.date(2026, 7, 20) - PLAN.baseline.start).days * 96
    extra[start + 1 : start + 97], extra[start + 97 : start + 193] = 8e6 / 96, -8e6 / 96
    readings = {**READINGS, "ac_energy": Series.of(energy.time_us, (energy.value + np.cumsum(extra)) % 1e9)}
    event = Event("late-batch", dt.date(2026, 7, 20), dt.date(2026, 7, 22), PLAN.title)
    result = judge(changed(PLAN, events=[event], meters={}, points=unmetered()), readings)
    assert result.verdict.state == "met"
    (found,) = [each for each in result.all_findings if each.code == "EXCLUDED_INTERVAL_MATTERS"]
    assert found.data["first"] == "2026-07-20"
    assert "（event:late-batch）之一 2026-07-20" in found.text("zh")
    (row,) = [row for row in only(result).sensitivity if row.case.startswith("with_one:")]
    assert row.case == "with_one:reporting:event:late-batch:2026-07-20"
    assert "the one that matters most (event late-batch 2026-07-20)" in render(result)


def unmetered() -> dict[str, Point]:
    """The plan's points without meters: no largest rate makes a reading of theirs impossible."""
    return {name: msgspec.structs.replace(point, meter=None) for name, point in PLAN.points.items()}


def test_stops_and_impossible_intervals_are_put_back_where_they_have_values():
    plan = changed(PLAN, run_state=RunState("line_state", gate=True))
    tons = 656 + 40 * np.sin(np.arange(250) * 1.7)
    tons[20:24] = 0.0
    readings = line(plan, output_t=tons, noise_sd=0.002)
    assert [row.case for row in only(judge(plan, readings)).sensitivity if row.case.startswith("with:")] == [
        "with:baseline:stops"
    ]
    readings["line_state"] = line(plan)["line_state"]  # says that it ran all the time
    result = judge(plan, readings)
    assert [row.case for row in only(result).sensitivity if row.case.startswith("with:")] == [
        "with:baseline:impossible"
    ]
    assert "EXCLUSION_FLIPS" not in codes(result)


def two_coefficients(plan: Plan) -> tuple[tuple[float, float], tuple[float, float]]:
    """Intercept and slope before and after, by the one window's model each."""
    found = [measured(changed(plan, method=method)).model.coefficients for method in ("avoided", "backcast")]
    (a, b), (c, d) = [[float(one.value) for one in coefficients] for coefficients in found]
    return (a, b), (c, d)


def test_the_second_model_of_a_normalised_change_is_asked_what_the_first_is():
    """After the retrofit the output hardly varies, so that nothing tells what a ton costs then; one day of it uses
    5 GWh more, and is an outlier of one model, not of two.
    """
    rng = np.random.default_rng(3)
    days = (PLAN.reporting.end - PLAN.baseline.start).days
    tons = 656 * (1 + rng.uniform(-0.07, 0.07, days))
    tons[120:] = 656 * (1 + rng.uniform(-0.0005, 0.0005, days - 120))
    readings = line(PLAN, output_t=tons)
    energy = readings["ac_energy"]
    extra = np.zeros(len(energy))
    extra[151 * 96 : 152 * 96] = 5e6 / 96
    spent = Series(energy.time_us, (energy.value + np.cumsum(extra)) % 1e9, energy.status, energy.flags)
    found = {
        method: list(judge(changed(PLAN, method=method), {**readings, "ac_energy": spent}).all_findings)
        for method in ("normalised", "avoided")
    }
    about = {
        method: {(each.code, each.data["fitted"]) for each in every if each.code in ("R_SQUARED_LOW", "OUTLIERS_FEW")}
        for method, every in found.items()
    }
    assert about["normalised"] == {("R_SQUARED_LOW", "in_reporting"), ("OUTLIERS_FEW", "in_reporting")}
    assert about["avoided"] == {("OUTLIERS_FEW", "in_baseline")}
    [weak] = [each for each in found["normalised"] if each.code == "R_SQUARED_LOW"]
    assert "model of the reporting period" in weak.text("en")
    assert "报告期模型" in weak.text("zh")
    assert weak.blocks is None  # it widens U by itself


def test_a_normalised_change_needs_intervals_enough_for_both_models():
    """A reporting period that wanders as if without end: the baseline's noise tells nothing of it."""
    rng = np.random.default_rng(5)
    energy = READINGS["ac_energy"]
    wander = np.zeros(len(energy) // 96)
    wander[130:] = 60_000 * np.cumsum(rng.standard_normal(len(wander) - 130))
    steps = np.concatenate([[0.0], np.cumsum(np.repeat(wander / 96, 96))])
    readings = {**READINGS, "ac_energy": Series.of(energy.time_us, (energy.value + np.round(steps)) % 1e9)}
    result = judge(changed(PLAN, method="normalised"), readings)
    [reason] = result.verdict.reasons
    assert (result.verdict.state, reason.code, reason.data["fitted"]) == (
        "inconclusive", "TOO_FEW_EFFECTIVE", "in_reporting",
    )  # fmt: skip
    assert "of the reporting period" in reason.text("en")
    assert "报告期" in reason.text("zh")


def test_a_normalised_change_states_both_models_and_the_others_their_one():
    """The model of each window is that of the method which stands on that window alone."""
    results = {method: judge(changed(PLAN, method=method)) for method in ("avoided", "backcast", "normalised")}
    before, after, both = (only(result) for result in results.values())
    assert both.models == [before.model, after.model]
    assert [model.fitted for model in both.models] == ["baseline", "reporting"]
    assert (before.model_after, after.model_after) == (msgspec.UNSET, msgspec.UNSET)
    data = {method: result.to_json() for method, result in results.items()}
    assert [method for method, content in data.items() if b"model_after" in content] == ["normalised"]
    assert parse_result(data["normalised"]) == results["normalised"]


@pytest.mark.parametrize("intervals", [1, 30])
def test_standard_conditions_are_those_of_the_plan(intervals: int):
    """At 660 t a day: the difference of the slopes, and of the intercepts over 660."""
    standard = StandardConditions({"metal_tapped": 660.0}, intervals)
    (a, b), (c, d) = two_coefficients(PLAN)
    measure = measured(changed(PLAN, method="normalised", standard=standard))
    assert float(measure.effect.delta) == pytest.approx((c - a) / 660 + d - b, abs=0.01)
    steps = {row.step: Decimal(row.value) for row in measure.bridge}
    assert sum(value for step, value in steps.items() if step != "verified") == steps["verified"]


def test_a_ratio_s_standard_conditions_are_an_output():
    plan = changed(PLAN, model=Model("ratio"), method="normalised", standard=StandardConditions({"output": 660.0}))
    measure = measured(plan)
    assert float(measure.effect.delta) == pytest.approx(
        float(measure.reporting.ratio) - float(measure.baseline.ratio), abs=1e-3
    )


@pytest.mark.parametrize("name", ["baseline", "reporting"])
def test_a_window_can_be_the_standard_conditions(name: str):
    (a, b), (c, d) = two_coefficients(PLAN)
    measure = measured(changed(PLAN, method="normalised", standard=name))
    window = getattr(measure, name)
    assert float(measure.effect.delta) == pytest.approx(
        (c - a) * window.used / float(window.denominator) + d - b, abs=0.01
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"standard": "baseline"}, "has no standard conditions"),
        ({"method": "normalised", "standard": StandardConditions({})}, "needs a number for each of metal_tapped"),
        ({"method": "normalised", "standard": StandardConditions({"metal_tapped": 0.0})}, "must be at least"),
    ],
)
def test_standard_conditions_that_do_not_fit_the_plan_are_refused(change: dict[str, object], told: str):
    with pytest.raises(PlanError, match=told):
        check_plan(changed(PLAN, **change))
