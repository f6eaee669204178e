"""A chained change from the plan to the result: what a plan may say, and every figure that the result states."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from tests.verification.lines import PLAN_BYTES, changed, codes, daily_noise, line, only, short_plan, with_meter
from verification.engine.interim import rolling, until
from verification.engine.meters import meters_in_use
from verification.engine.power import powers
from verification.engine.result import Result, parse_result
from verification.engine.verify import verify
from verification.errors import ConfigError
from verification.evidence.check_claim import measure_pairs
from verification.findings import of_baseline
from verification.model import PointKind
from verification.plan import MeterChange, Model, Plan, Point, Window, parse_plan
from verification.plan.checks import check_plan
from verification.plan.resolve import measure_spec
from verification.quality.points import reading_spans
from verification.report.explain import explain
from verification.report.plots import drawings
from verification.report.text import render
from verification.report.words import Words
from verification.series.columns import Series

DAYS, GAP = 60, 5
LOADS_T = (600.0, 656.0, 712.0)
ROOT3 = math.sqrt(3)


def chained_plan(**changes) -> Plan:
    """60 days of baseline, of an intermediate window and of reporting, five days apart, read every hour."""
    plan = short_plan(DAYS, method="chaining")
    first = plan.baseline.start
    starts = [first + dt.timedelta(days=index * (DAYS + GAP)) for index in range(3)]
    baseline, intermediate, reporting = (Window(start, start + dt.timedelta(days=DAYS)) for start in starts)
    return changed(plan, baseline=baseline, intermediate=intermediate, reporting=reporting, **changes)


def chained_line(plan: Plan, *, noise_sd: float = 0.002, saved: tuple[float, float] = (-100.0, -160.0)):
    """Tons around another level in each window, kWh = 150,000 + 13,270 kWh/t, less from each window to the next."""
    rng = np.random.default_rng(5)
    days = (plan.reporting.end - plan.baseline.start).days
    window = np.minimum(np.arange(days) // (DAYS + GAP), 2)
    spread = np.array([10.0, 70.0, 10.0])[window]
    tons = np.array(LOADS_T)[window] + spread * np.sin(1.7 * np.arange(days))
    effect = np.concatenate([[0.0], np.cumsum(saved)])[window]
    energy = 150_000 + (13_270 + effect) * tons
    energy *= 1 + daily_noise(rng, days, 0.4, noise_sd)
    readings = line(plan, output_t=tons)
    register = np.concatenate([[0.0], np.cumsum(np.repeat(energy / 24, 24))])
    time_us = readings["ac_energy"].time_us
    return {**readings, "ac_energy": Series.of(time_us, np.round(9.5e8 + register) % 1e9)}


PLAN = chained_plan()
READINGS = chained_line(PLAN)


def judge(plan: Plan = PLAN, readings=None) -> Result:
    return verify(plan, "0" * 64, READINGS if readings is None else readings)


RESULT = judge()


def test_a_line_without_noise_has_its_links_exactly():
    measure = only(judge(readings=chained_line(PLAN, noise_sd=0.0)))
    assert [float(link.delta) for link in measure.chain.links] == pytest.approx([-100, -160], abs=0.05)
    assert float(measure.effect.delta) == pytest.approx(-260, abs=0.05)
    assert float(measure.effect.expanded_uncertainty) < 3  # one meter throughout


def test_a_chain_bridges_conditions_that_the_direct_method_cannot():
    direct = judge(changed(PLAN, method="avoided", intermediate=None))
    assert direct.verdict.state == "inconclusive"
    assert "EXTRAPOLATION_MEAN" in codes(direct)
    measure = only(RESULT)
    assert measure.verdict.state == "met"
    assert abs(float(measure.effect.delta) + 260) <= 2 * float(measure.effect.expanded_uncertainty)
    assert not {code for code in codes(RESULT) if code.startswith("EXTRAPOLATION")}


def test_the_result_states_the_window_and_the_links_and_all_of_it_adds_up():
    measure = only(RESULT)
    assert list(measure.windows) == ["baseline", "intermediate", "reporting"]
    assert measure.chain.intermediate.used == DAYS
    assert [(link.start, link.end) for link in measure.chain.links] == [
        ("baseline", "intermediate"), ("intermediate", "reporting"),
    ]  # fmt: skip
    delta = Decimal(measure.effect.delta)
    assert sum(Decimal(link.delta) for link in measure.chain.links) == delta
    steps = {row.step: Decimal(row.value) for row in measure.bridge}
    assert sum(value for step, value in steps.items() if step != "verified") == steps["verified"] == delta
    assert [row.window for row in measure.rows] == ["baseline"] * DAYS + ["intermediate"] * DAYS + ["reporting"] * DAYS
    assert (measure.model.n, measure.model.fitted) == (DAYS, "intermediate")
    assert {row.case.split(":")[1] for row in measure.sensitivity if row.case.startswith("without")} == set(
        measure.windows
    )
    again = parse_result(RESULT.to_json())
    assert again == RESULT
    assert only(judge(changed(PLAN, method="avoided", intermediate=None))).chain is None


def test_the_order_of_the_readings_leaves_no_trace():
    rng = np.random.default_rng(2)
    shuffled = {name: series.take(rng.permutation(len(series))) for name, series in READINGS.items()}
    assert judge(readings=shuffled).to_json() == RESULT.to_json()


def test_readings_between_the_windows_are_not_read():
    edges = [edge for span in reading_spans(PLAN) for edge in span]
    assert edges == sorted(edges)
    assert len(edges) == 6
    inside = {name: series.within(reading_spans(PLAN)) for name, series in READINGS.items()}
    assert judge(readings=inside).to_json() == RESULT.to_json()


# Meters.


def meter_u(*changes: str) -> tuple[float, tuple[bool, ...]]:
    """u of the energy meter's row where it was replaced on these dates, and where its error is the same."""
    plan = with_meter(
        PLAN, "M-AC-01", changes=[MeterChange(dt.date.fromisoformat(date), "replaced") for date in changes]
    )
    meter = meters_in_use(plan, measure_spec(plan, "energy"))[0][0]
    row = next(row for row in only(judge(plan)).budget if row.source == "meter:M-AC-01")
    return float(row.standard_uncertainty), meter.continuity.same


def test_a_meter_that_stays_errs_once_and_one_that_was_changed_once_for_each_side():
    """13,500 kWh/t or so in each window: what errs alike in all three cancels but for the change itself."""
    d = 0.002 / ROOT3
    delta, (first, second) = float(only(RESULT).effect.delta), only(RESULT).chain.links
    between, after = only(RESULT).windows["baseline"].end, only(RESULT).windows["intermediate"].end
    assert meter_u() == (pytest.approx(d * abs(delta), rel=1e-3), (True, True))
    before, level = (float(only(RESULT).windows[name].ratio) for name in ("baseline", "reporting"))
    u, same = meter_u(between.isoformat())  # the baseline's meter is another one than that of the other two
    assert same == (False, True)
    assert u == pytest.approx(d * math.hypot(before, before + delta), rel=1e-3)
    u, same = meter_u(after.isoformat())
    assert same == (True, False)
    assert u == pytest.approx(d * math.hypot(level - delta, level), rel=1e-3)
    modelled = float(first.delta) + before, level - float(second.delta)  # by the intermediate model at both ends
    u, same = meter_u(between.isoformat(), after.isoformat())
    assert same == (False, False)
    assert u == pytest.approx(d * math.hypot(before, modelled[0] - modelled[1], level), rel=1e-3)


# Findings of each window.


def test_the_coverage_of_the_intermediate_window_is_judged_like_that_of_the_others():
    start_us = reading_spans(PLAN)[1][0]
    energy = READINGS["ac_energy"]
    cut = energy.take((energy.time_us < start_us) | (energy.time_us > start_us + 8 * 86_400_000_000))
    result = judge(readings={**READINGS, "ac_energy": cut})
    found = [each for each in result.all_findings if each.code == "TOO_FEW_INTERVALS"]
    assert [each.data["window"] for each in found] == ["intermediate"]
    assert result.verdict.state == "invalid_data"
    assert "intermediate" in found[0].text()
    assert "中间期" in found[0].text("zh")
    assert only(result).chain.links == []
    assert render(result)


def test_an_intermediate_window_that_did_not_meet_the_conditions_of_an_end_is_no_link():
    readings = chained_line(PLAN)
    tons = 712 + 10 * np.sin(1.7 * np.arange((PLAN.reporting.end - PLAN.baseline.start).days))
    tons[:DAYS] -= 300
    result = judge(readings=line(PLAN, output_t=tons, noise_sd=0.001) | {"line_state": readings["line_state"]})
    (found,) = [each for each in result.all_findings if each.code == "EXTRAPOLATION_MEAN"]
    assert (found.data["where"], found.data["fitted"]) == ("in_baseline", "in_intermediate")
    assert "the intermediate window" in found.text()
    assert result.verdict.state == "inconclusive"


# How it is shown.


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Intermediate: 60 of 60 intervals used", "baseline to intermediate window: ", "(u = "]),
        ("zh", ["中间期：60 个时段中采用 60 个", "基准期至中间期：", "中间期至报告期："]),
    ],
)
def test_the_explanation_shows_the_links(language, words):
    text = explain(RESULT, language)
    assert not [word for word in words if word not in text]
    for link in only(RESULT).chain.links:
        assert text.count(link.delta) == 2  # by hand from its rows, and among the links
        assert link.delta in render(RESULT, language)


def test_the_plots_show_the_intermediate_window():
    drawn = {name: str(both[0]) for name, both in drawings(only(RESULT), Words("en")).items()}
    for name in ("series", "residuals", "cusum"):
        assert 'class="window intermediate"' in drawn[name], name
    assert "day intermediate" in drawn["coverage"]
    for name in ("series", "residuals", "scatter"):
        assert 'class="points intermediate"' in drawn[name], name


# Other models, intervals and parts.


def with_weather(plan: Plan) -> tuple[Plan, dict[str, Series]]:
    """The plan and readings with an outdoor temperature that costs 3,000 kWh a day and degree below 15."""
    outdoor = Point(PointKind.GAUGE, "degC", cadence_s=3600)
    energy = READINGS["ac_energy"]
    days = len(energy) // 24
    degrees = 15 + 12 * np.cos(np.arange(days) / 7)
    extra = np.cumsum(np.repeat(3000 * np.maximum(15 - degrees, 0) / 24, 24))
    value = (energy.value + np.round(np.append(0.0, extra))) % 1e9
    warmth = np.append(np.repeat(degrees, 24), degrees[-1])
    plan = changed(plan, points={**plan.points, "outdoor": outdoor})
    return plan, {
        **READINGS,
        "ac_energy": Series.of(energy.time_us, value),
        "outdoor": Series.of(energy.time_us, warmth),
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"model": Model("change_point", ["metal_tapped", "outdoor"])},
        {"model": Model("ols", ["metal_tapped", "outdoor"], ["weekday"])},
        {"interval": "hour"},
    ],
    ids=["change_point", "weekday", "hour"],
)
def test_every_model_and_interval_chains(changes):
    plan, readings = with_weather(chained_plan(**changes))
    check_plan(plan)
    measure = only(judge(plan, readings))
    assert measure.effect is not None
    assert abs(float(measure.effect.delta) + 260) <= 1.5 * float(measure.effect.expanded_uncertainty)
    assert sum(Decimal(link.delta) for link in measure.chain.links) == Decimal(measure.effect.delta)
    steps = {row.step: Decimal(row.value) for row in measure.bridge}
    assert sum(value for step, value in steps.items() if step != "verified") == steps["verified"]


def test_parts_of_the_reporting_period_keep_the_chain():
    part = until(PLAN, PLAN.reporting.start + dt.timedelta(days=30))
    assert list(part.windows) == list(PLAN.windows)
    assert only(judge(part)).chain.intermediate.used == DAYS
    assert [only(judge(each)).windows["reporting"].used for each in rolling(PLAN, 20)] == [20, 20, 20]


def test_at_filing_nothing_is_said_of_windows_to_come():
    start_us, end_us = reading_spans(PLAN)[0]
    baseline = {name: series.within([(start_us, end_us)]) for name, series in READINGS.items()}
    result = judge(readings=baseline)
    assert {finding.data.get("window") for finding in result.all_findings} >= {"intermediate", "reporting"}
    assert {finding.code for finding in of_baseline(result.all_findings)} <= {
        "NO_STATIC_FACTORS",
        "PLAN_NOT_LOGGED",
        "COUNTER_ROLLOVER",
    }


# What a plan may say.

CHAINED = PLAN_BYTES.decode().replace(
    "reporting: {start: 2026-07-09, end: 2026-11-06}",
    "intermediate: {start: 2026-07-09, end: 2026-09-01}\nreporting: {start: 2026-09-05, end: 2026-11-06}",
).replace("    target:", "    method: chaining\n    target:")  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("intermediate: {start: 2026-07-09, end: 2026-09-01}\n", "", "method: chaining",
         "write `intermediate: {start, end}`"),
        ("    method: chaining\n", "", "intermediate:", "no measure uses it; write `method: chaining`"),
        ("start: 2026-07-09", "start: 2026-06-28", "intermediate:",
         "before the baseline ends on 2026-06-29; windows must not overlap"),
        ("end: 2026-09-01", "end: 2026-09-06", "reporting:", "before the intermediate window ends on 2026-09-06"),
        ("{start: 2026-07-09, end: 2026-09-01}", "{start: 2026-01-09, end: 2026-02-01}", "intermediate:",
         "lies before the baseline (2026-03-01 to 2026-06-29); the order is baseline, intermediate, reporting"),
        ("{start: 2026-07-09, end: 2026-09-01}", "{start: 2026-12-09, end: 2026-12-31}", "reporting:",
         "lies before the intermediate window"),
        ("end: 2026-09-01", "end: 2026-07-09", "intermediate:", "is not after start"),
        ("end: 2026-09-01", "end: 2026-07-14", "intermediate:",
         "has 5 intervals (day), too few for the model of energy, which needs 6"),
        ("{kind: ols, drivers: [metal_tapped]}", "{kind: ratio}", "model:",
         "the ratio of the intermediate window cancels out of a chain"),
        ("confidence: 0.95", "confidence: 0.95\nblanking: {start: 2026-06-30, end: 2026-07-10}", "blanking:",
         "overlaps the intermediate window"),
        ("method: chaining", "method: chaning", "method:", "chaning"),
        ("method: chaining", "method: chaining\n    standard: baseline", "standard:", "has no standard conditions"),
    ],
)  # fmt: skip
def test_a_chain_that_contradicts_itself_is_refused_with_the_line(old: str, new: str, place: str, message: str):
    text = CHAINED.replace(old, new, 1)
    assert text != CHAINED
    with pytest.raises(ConfigError) as caught:
        parse_plan(text.encode(), name="plan.yaml")
    number = next(index for index, each in enumerate(text.splitlines(), start=1) if place in each)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"plan.yaml:{number}: ")


def test_a_plan_may_hold_a_chain_beside_a_measure_that_needs_none():
    plan = parse_plan(CHAINED.encode())
    assert list(plan.windows) == ["baseline", "intermediate", "reporting"]
    direct = msgspec.structs.replace(plan.measures["energy"], method="avoided")
    both = msgspec.structs.replace(plan, measures={**plan.measures, "direct": direct})
    assert list(both.windows_of(direct)) == ["baseline", "reporting"]


def test_a_bill_may_be_for_the_intermediate_window():
    bill = "bills:\n  - {id: b, point: ac_energy, start: 2026-07-10, end: 2026-08-01, value: 1, unit: kWh}\n"
    assert parse_plan((CHAINED + bill).encode()).bills
    outside = bill.replace("2026-07-10", "2026-07-01")
    with pytest.raises(ConfigError, match="inside the intermediate window or inside the reporting period"):
        parse_plan((CHAINED + outside).encode())


def test_the_planner_plans_a_chain_from_its_baseline_alone_and_asks_for_the_output_to_come():
    start_us, end_us = reading_spans(PLAN)[0]
    baseline = {name: series.within([(start_us, end_us)]) for name, series in READINGS.items()}
    [alike], findings = powers(PLAN, baseline, change=None, power=0.8)
    assert [finding.data for finding in findings if finding.code == "CHAIN_LOADS_ALIKE"] == [{"measure": "energy"}]
    [apart], findings = powers(PLAN, baseline, change=None, power=0.8, output_change=100 * (712 / 600 - 1))
    assert not any(finding.blocks or finding.code == "CHAIN_LOADS_ALIKE" for finding in findings)
    assert (apart.fitted, apart.n, apart.planned, apart.change) == ("intermediate", DAYS, DAYS, "-260")
    assert abs(float(apart.smallest)) > 1.2 * abs(float(alike.smallest))
    assert apart.needed is not None


def test_a_chain_whose_window_is_too_short_for_its_model_is_not_planned():
    """Eleven days whose errors follow each other are worth fewer than six: the verification would be inconclusive."""
    plan = changed(PLAN, intermediate=Window(PLAN.intermediate.start, PLAN.intermediate.start + dt.timedelta(days=7)))
    found, findings = powers(plan, READINGS, change=None, power=0.8, output_change=18.0)
    assert found == []
    assert "TOO_FEW_EFFECTIVE" in {finding.code for finding in findings if finding.blocks}


@pytest.mark.parametrize("forged", ["window", "method"])
def test_a_result_about_another_intermediate_window_is_not_that_of_the_plan(forged: str):
    measure, plan = only(RESULT), PLAN
    if forged == "window":
        moved = msgspec.structs.replace(measure.chain.intermediate, end=PLAN.intermediate.end - dt.timedelta(days=1))
        measure = msgspec.structs.replace(measure, chain=msgspec.structs.replace(measure.chain, intermediate=moved))
    else:
        plan = changed(PLAN, method="avoided", intermediate=None)
    wrong = {field for field, (found, due) in measure_pairs(plan, measure).items() if found != due}
    assert wrong == {"measures.energy." + {"window": "intermediate.end", "method": "windows"}[forged]}
    assert all(found == due for found, due in measure_pairs(PLAN, only(RESULT)).values())
