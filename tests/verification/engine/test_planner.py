"""What a baseline can prove: by hand, against the engine's own verdicts, and on the command line."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import norm
from scipy.stats import t as student

from tests.verification.engine.samples import INTERCEPT, NOISE_SD, SLOPE, line, sample
from tests.verification.lines import PLAN_FILE, changed, hengkang_plan, hourly_plan, short_plan
from tests.verification.lines import line as readings_of
from verification.engine.assess import Primary, primary_answer
from verification.engine.autocorrelation import Noise, expanded
from verification.engine.budget import Continuity
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample
from verification.engine.planner import PlannedMeter, Planner, linking_window
from verification.engine.power import powers
from verification.fields import Text
from verification.plan import Model, Target, Window
from verification.plan.shape import InlineMetric, StandardConditions
from verification.plan_command import plan
from verification.power_command import power_lines
from verification.series.columns import Series

OLS = ModelSpec("ols", ("output",))
NO_METERS: tuple[PlannedMeter, ...] = ()


def planner(seed: int = 1, days: int = 120, meters=NO_METERS, **changes) -> Planner:
    baseline, _ = line(seed, days)
    primary = primary_answer(OLS, Case(baseline, baseline, output="output"))
    assert isinstance(primary, Primary)
    settings = {"confidence": 0.95, "power": 0.8, **changes}
    start = Case(baseline, baseline, output="output")
    return Planner(primary.model, primary.noise, start, meters, **settings)


def meters(percent: float, *, same: bool) -> tuple[PlannedMeter, ...]:
    u = percent / 100 / math.sqrt(3)
    return tuple(
        PlannedMeter(name, is_energy, Continuity((u, u), (same,))) for name, is_energy in (("E", True), ("S", False))
    )


def test_the_smallest_change_by_hand():
    """White unit noise about a line over w = 1 to 16, of which the first nine come again: q = (9, 45),
    X'X = ((16, 136), (136, 1496)), u^2 = (9 + q'(X'X)^-1 q)/45^2, k and t of 14 degrees.
    """
    window = sample(np.arange(16.0) % 3, np.arange(1.0, 17.0))
    model = fit_model(OLS, window)
    white = Noise(np.zeros(1), np.ones(1), np.ones(1), 0.0, 16.0, 14.0)
    asked = Planner(model, white, Case(window, window, output="output"), NO_METERS, 0.95, 0.8)
    of_line = (9**2 * 1496 - 2 * 9 * 45 * 136 + 45**2 * 16) / (16 * 1496 - 136**2)
    expected = (student.ppf(0.975, 14) + student.ppf(0.8, 14)) * math.sqrt(9 + of_line) / 45
    assert asked.smallest_change(9, -1.0) == pytest.approx(-expected, rel=1e-6)
    assert asked.smallest_change(9, 1.0) == pytest.approx(expected, rel=1e-6)


def test_a_swapped_meter_sets_a_floor_that_no_number_of_days_goes_below():
    """Class 1 meters of energy and output, both swapped: about 110 of 13,500 each in both windows."""
    asked = planner(meters=meters(1.0, same=False))
    floor = (norm.ppf(0.975) + norm.ppf(0.8)) * 13_500 * 0.01 / math.sqrt(3) * 2
    assert asked.smallest_change(3000, -1.0) == pytest.approx(-floor, rel=0.05)
    assert asked.intervals_needed(-260.0, 0.0) is None
    assert asked.class_needed(-260.0, 0.0, 120) == 0.5
    assert planner(meters=meters(1.0, same=True)).smallest_change(120, -1.0) > -25


def test_a_meter_whose_error_grows_as_fast_as_the_change_proves_none():
    """Class 50: (k + t) = 2.8 times the 29 % of two meters is more than any rise that they would have to prove."""
    assert planner(meters=meters(50.0, same=False)).smallest_change(120, 1.0) == math.inf


def test_intervals_that_make_nothing_prove_nothing():
    """A line that stands for the first two weeks: 14 intervals like its baseline's have no output."""
    worked, _ = line(1, 120)
    tons = np.where(np.arange(120) < 14, 0.0, worked.w)
    case = Case(sample(worked.y, tons), sample(worked.y, tons), output="output")
    primary = primary_answer(OLS, case)
    assert isinstance(primary, Primary)
    asked = Planner(primary.model, primary.noise, case, NO_METERS, 0.95, 0.8)
    assert asked.smallest_change(14, -1.0) == -math.inf
    assert not asked.proves(-1e9, 0.0, 14)
    assert -1e9 < asked.smallest_change(30, -1.0) < 0


def test_the_intervals_needed_are_the_fewest_that_prove_it():
    asked = planner()
    needed = asked.intervals_needed(-60.0, -30.0)
    assert needed is not None
    assert asked.proves(-60.0, -30.0, needed)
    assert not asked.proves(-60.0, -30.0, needed - 1)
    assert asked.intervals_needed(-60.0, -59.9) is None


def test_a_change_that_is_just_provable_is_proven_as_often_as_promised():
    """150 lines, each with the change that its own baseline promised to prove in four cases of five; three standard
    deviations are ten points.
    """
    proven = 0
    for seed in range(150):
        promised = planner(seed).smallest_change(120, -1.0)
        baseline, reporting = line(seed, 120, change=promised)
        primary = primary_answer(OLS, Case(baseline, reporting, output="output"))
        assert isinstance(primary, Primary)
        proven += primary.estimate.delta + expanded(primary.estimate.spread(0.95), 0.95) <= 0
    assert 0.7 <= proven / 150 <= 0.9


@pytest.mark.parametrize(
    ("kind", "method"),
    [("ols", "avoided"), ("ols", "backcast"), ("ols", "normalised"), ("ratio", "avoided"), ("mean", "avoided")],
)
def test_the_planned_uncertainty_is_that_of_verifications_by_the_plan_s_own_method(kind: str, method: str):
    """Twenty days after 120: whatever is fitted to them, or gives its own noise, is less certain for being short."""
    spec, ratios = ModelSpec(kind, ("output",) if kind == "ols" else ()), []
    for seed in range(80):
        baseline, reporting = line(seed, 120)
        start = Case(baseline, reporting.take(slice(0, 20)), method, output="output")
        stated, fitted = (
            primary_answer(spec, start),
            primary_answer(spec, dataclasses.replace(start, reporting=baseline)),
        )
        if isinstance(stated, Primary) and isinstance(fitted, Primary):
            planned = Planner(fitted.model, fitted.noise, start, NO_METERS, 0.95, 0.8).budget(-260.0, 20)
            ratios.append(planned.expanded / expanded(stated.estimate.spread(0.95), 0.95))
    assert len(ratios) > 60
    assert 0.88 <= float(np.median(ratios)) <= 1.14


def test_a_reporting_period_too_short_for_its_own_model_is_not_planned():
    asked = short_plan(60, method="backcast")
    found, findings = powers(asked, readings_of(asked), change=None, power=0.8)
    assert [one.planned for one in found] == [60]
    reporting = Window(asked.reporting.start, asked.reporting.start + dt.timedelta(days=5))
    found, findings = powers(changed(asked, reporting=reporting), readings_of(asked), change=None, power=0.8)
    assert found == []
    assert "TOO_FEW_EFFECTIVE" in {finding.code for finding in findings if finding.blocks}


@pytest.mark.parametrize(("method", "kind"), [("backcast", "ols"), ("normalised", "ols"), ("avoided", "ratio")])
def test_a_few_hours_that_happen_to_agree_promise_nothing(method: str, kind: str):
    """What is compared by a model or a level of their own needs the days that tell how the line drifts."""
    model = Model(kind, ["metal_tapped"] if kind == "ols" else [])
    asked = changed(hourly_plan(), method=method, model=model, interval="hour")
    [found], _ = powers(asked, readings_of(asked), change=-260.0, power=0.8)
    told = {intervals: smallest is not None for intervals, smallest in found.table}
    assert told == {14: False, 30: False, 60: False, 90: False, 120: False, 180: False, 365: False, 730: True}
    assert found.smallest is not None
    assert found.needed is None or found.needed >= 13 * 24 + 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_planned_period_that_tells_no_noise_is_said_to(tmp_path, lang: str):
    """Seven days after 120, which a ratio compares by their own level: worth fewer than six independent ones."""
    plan_file, table = tmp_path / "plan.yaml", tmp_path / "readings.csv"
    text = PLAN_FILE.read_text(encoding="utf-8").replace("end: 2026-11-06", "end: 2026-07-16")
    plan_file.write_text(re.sub(r"model: \{.*\}", "model: {kind: ratio}", text), encoding="utf-8")
    table.write_text(as_table(readings_of(hengkang_plan())), encoding="utf-8")
    got = CliRunner().invoke(plan, ["power", str(plan_file), "--readings", str(table), "--lang", lang])
    assert got.exit_code == 0, got.output
    assert {"en": "the planned 7 intervals are too few to tell", "zh": "计划的 7 个报告时段太少"}[lang] in got.output


def test_standard_conditions_far_from_both_windows_cost_certainty():
    """Loads of 656 and SD 26; at 720 t both slopes count by 64 t each, where at the mean they do not count at all."""
    asked = short_plan(60, method="normalised")
    smallest = {}
    for tons in (656.0, 720.0):
        there = changed(asked, standard=StandardConditions({"metal_tapped": tons}))
        [found], _ = powers(there, readings_of(there), change=None, power=0.8)
        smallest[tons] = abs(float(found.smallest))
    assert smallest[720.0] > 1.5 * smallest[656.0]


def chained_windows(seed: int, saved: float) -> tuple[Sample, Sample, Sample]:
    """90 days of baseline, of a window in which the output rises evenly, and of a reporting period with a fifth more,
    which saves `saved` per ton.
    """
    rng = np.random.default_rng(seed)
    tons = rng.normal(656, 26, 270) * np.repeat([1.0, np.nan, 1.2], 90)
    tons[90:180] = rng.normal(656, 26, 90) * np.linspace(1.0, 1.2, 90)
    energy = INTERCEPT + SLOPE * tons + rng.normal(0, NOISE_SD, 270)
    energy[180:] += saved * tons[180:]
    first, link, last = (slice(start, start + 90) for start in (0, 90, 180))
    return tuple(sample(energy[window], tons[window], first=window.start) for window in (first, link, last))


def chain_planner(baseline: Sample, meters=NO_METERS, *, times: float = 1.2, days: int = 90) -> Planner:
    model = fit_model(OLS, baseline)
    assert isinstance(model, BaselineModel)
    start = Case(baseline, baseline, "chaining", output="output")
    start = dataclasses.replace(start, intermediate=linking_window(model, start, days, times))
    primary = primary_answer(OLS, start)
    assert isinstance(primary, Primary)
    return Planner(primary.model, primary.noise, start, meters, 0.95, 0.8, times)


def test_a_chain_proves_what_its_simulated_verifications_prove():
    """150 chains, each with the change that its own baseline promised to prove in four cases of five: the U that was
    planned is that of the verifications, and four in five are proven; three standard deviations are ten points.
    """
    proven, ratios = 0, []
    for seed in range(150):
        planned = chain_planner(chained_windows(seed, 0.0)[0])
        promised = planned.smallest_change(90, -1.0)
        baseline, link, reporting = chained_windows(seed, promised)
        primary = primary_answer(OLS, Case(baseline, reporting, "chaining", output="output", intermediate=link))
        assert isinstance(primary, Primary)
        stated = expanded(primary.estimate.spread(0.95), 0.95)
        ratios.append(planned.budget(promised, 90).expanded / stated)
        proven += primary.estimate.delta + stated <= 0
    assert 0.95 <= float(np.mean(ratios)) <= 1.05
    assert 0.7 <= proven / 150 <= 0.9


def test_a_chain_whose_windows_are_alike_has_the_error_of_two_levels():
    """The link's model cancels: 90 days before and 90 after, each with unit noise, over the same output."""
    baseline = chained_windows(2, 0.0)[0]
    white = Noise(np.zeros(1), np.ones(1), np.ones(1), 0.0, 90.0, 88.0)
    planned = dataclasses.replace(chain_planner(baseline, times=1.0), noise=white)
    assert planned.budget(0.0, 90).combined == pytest.approx(math.sqrt(2 * 90) / baseline.total_w, rel=1e-6)
    further = dataclasses.replace(chain_planner(baseline, times=1.3), noise=white).budget(0.0, 90).combined
    assert further > 1.2 * planned.budget(0.0, 90).combined


def test_a_meter_of_a_chain_errs_once_for_each_window_that_it_is_new_in():
    """Class 1, 13,500 kWh/t or so: an energy meter that stays errs by its part of the change alone."""
    baseline = chained_windows(3, 0.0)[0]
    u = 0.01 / math.sqrt(3)

    def of_meter(same: tuple[bool, bool]) -> float:
        meter = PlannedMeter("E", reads_numerator=True, continuity=Continuity((u, u, u), same))
        return chain_planner(baseline, (meter,), times=1.0).budget(-260.0, 90).rows[1].u

    level = baseline.total_y / baseline.total_w
    assert of_meter((True, True)) == pytest.approx(260 * u, rel=1e-6)
    assert of_meter((False, True)) == pytest.approx(u * math.hypot(level, level - 260), rel=1e-3)
    swapped = (PlannedMeter("E", reads_numerator=True, continuity=Continuity((u, u, u), (False, True))),)
    assert chain_planner(baseline, swapped, times=1.0).class_needed(-260.0, 0.0, 90) == 0.5


def test_a_plan_s_power_is_told_in_its_own_unit_and_for_its_claim():
    asked = hengkang_plan()
    [found], findings = powers(asked, readings_of(asked), change=None, power=0.8)
    assert not any(finding.blocks for finding in findings)
    assert (found.unit, found.n, found.planned, found.change, found.limit) == ("kWh/t", 120, 120, "-260", "-200")
    assert -60 < float(found.smallest) < -10
    assert sum(int(share) for _, share in found.shares) in (99, 100, 101)
    smallest = [abs(float(change)) for _, change in found.table]
    assert smallest == sorted(smallest, reverse=True)
    assert found.needed is not None
    in_mwh = hengkang_plan(unit="MWh/t")
    [other], _ = powers(in_mwh, readings_of(in_mwh), change=None, power=0.8)
    assert float(other.smallest) * 1000 == pytest.approx(float(found.smallest), rel=1e-3)


@pytest.mark.parametrize(("change", "keeps"), [(-260.0, True), (-190.0, False), (0.0, False), (300.0, False)])
def test_a_change_that_does_not_keep_to_the_limit_is_never_certified(change: float, *, keeps: bool):
    asked = hengkang_plan()
    [found], _ = powers(asked, readings_of(asked), change=change, power=0.8)
    assert found.keeps == keeps
    assert (found.needed is None, found.class_percent is None) == (not keeps, not keeps)
    assert any("does not keep to the limit of -200" in line for line in power_lines(found, "en")) != keeps


def test_a_model_that_does_not_reach_the_output_to_come_is_said_to():
    asked = hengkang_plan()
    [found], findings = powers(asked, readings_of(asked), change=None, power=0.8, output_change=50.0)
    assert "EXTRAPOLATION_MEAN" in {finding.code for finding in findings if finding.blocks}
    [alike], findings = powers(asked, readings_of(asked), change=None, power=0.8, output_change=0.0)
    assert not any(finding.blocks for finding in findings)
    assert abs(float(found.smallest)) > abs(float(alike.smallest))


def test_a_metric_without_an_output_says_that_none_can_change():
    metric = InlineMetric(numerator="ac_energy", better="lower")
    limit = Target(at_most=0, unit="kWh")
    asked = hengkang_plan(
        model=Model("mean"), metric=metric, unit="kWh", boundary=Text("line", "产线"), target=limit, claim=None
    )
    [found], findings = powers(asked, readings_of(asked), change=None, power=0.8, output_change=20.0)
    assert "NO_OUTPUT_TO_CHANGE" in {finding.code for finding in findings}
    [alike], findings = powers(asked, readings_of(asked), change=None, power=0.8)
    assert "NO_OUTPUT_TO_CHANGE" not in {finding.code for finding in findings}
    assert found == alike


def test_an_idle_baseline_has_findings_instead_of_power():
    asked = hengkang_plan()
    tons = np.where(np.arange(250) < 125, 0.0, 656.0)
    found, findings = powers(asked, readings_of(asked, output_t=tons), change=None, power=0.8)
    assert found == []
    assert "BASELINE_IDLE" in {finding.code for finding in findings}


def as_table(readings: dict[str, Series]) -> str:
    rows = ["point,time,value"]
    for name, series in readings.items():
        times = np.asarray(series.time_us, dtype="datetime64[us]")
        rows += [f"{name},{time}Z,{value}" for time, value in zip(times, series.value, strict=True)]
    return "\n".join(rows)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_command_prints_what_can_be_proven(tmp_path, lang: str):
    table = tmp_path / "readings.csv"
    table.write_text(as_table(readings_of(hengkang_plan())), encoding="utf-8")
    got = CliRunner().invoke(plan, ["power", str(PLAN_FILE), "--readings", str(table), "--lang", lang])
    assert got.exit_code == 0, got.output
    assert "-260" in got.output
    assert ("smallest provable change" if lang == "en" else "可证明的最小变化") in got.output
    assert got.output.count("\n") >= 12
