"""What a baseline can prove: by hand, against the engine's own verdicts, and on the command line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import norm
from scipy.stats import t as student

from tests.verification.engine.samples import line, sample
from tests.verification.lines import PLAN_FILE, hengkang_plan
from tests.verification.lines import line as readings_of
from verification.engine.assess import Primary, primary_answer
from verification.engine.autocorrelation import Noise, expanded
from verification.engine.budget import Continuity
from verification.engine.case import Case
from verification.engine.models.family import ModelSpec, fit_model
from verification.engine.planner import PlannedMeter, Planner
from verification.engine.power import powers
from verification.plan_command import plan

OLS = ModelSpec("ols", ("output",))
NO_METERS: tuple[PlannedMeter, ...] = ()


def planner(seed: int = 1, days: int = 120, meters=NO_METERS, **changes) -> Planner:
    baseline, _ = line(seed, days)
    primary = primary_answer(OLS, Case(baseline, baseline, output="output"))
    assert isinstance(primary, Primary)
    settings = {"confidence": 0.95, "power": 0.8, **changes}
    return Planner(primary.model, primary.noise, baseline, meters, output="output", **settings)


def meters(percent: float, *, same: bool) -> tuple[PlannedMeter, ...]:
    u = percent / 100 / math.sqrt(3)
    return tuple(
        PlannedMeter(name, is_energy, Continuity((u, u), (same,))) for name, is_energy in (("E", True), ("S", False))
    )


def test_the_smallest_change_by_hand():
    """White unit noise about a mean of 16 intervals, and 9 more: u = sqrt(1/16 + 1/9), k and t of 15 degrees."""
    window = sample(np.arange(16.0), np.ones(16))
    model = fit_model(ModelSpec("mean"), window)
    white = Noise(np.zeros(1), np.ones(1), np.ones(1), 0.0, 0.0, 16.0, 15.0)
    asked = Planner(model, white, window, NO_METERS, 0.95, 0.8, None)
    expected = (student.ppf(0.975, 15) + student.ppf(0.8, 15)) * math.sqrt(1 / 16 + 1 / 9)
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


def test_an_idle_baseline_has_findings_instead_of_power():
    asked = hengkang_plan()
    tons = np.where(np.arange(250) < 125, 0.0, 656.0)
    found, findings = powers(asked, readings_of(asked, output_t=tons), change=None, power=0.8)
    assert found == []
    assert "BASELINE_IDLE" in {finding.code for finding in findings}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_command_prints_what_can_be_proven(tmp_path, lang: str):
    table = tmp_path / "readings.csv"
    rows = ["point,time,value"]
    asked = hengkang_plan()
    for name, series in readings_of(asked).items():
        times = np.asarray(series.time_us, dtype="datetime64[us]")
        rows += [f"{name},{time}Z,{value}" for time, value in zip(times, series.value, strict=True)]
    table.write_text("\n".join(rows), encoding="utf-8")
    got = CliRunner().invoke(plan, ["power", str(PLAN_FILE), "--readings", str(table), "--lang", lang])
    assert got.exit_code == 0, got.output
    assert "-260" in got.output
    assert ("smallest provable change" if lang == "en" else "可证明的最小变化") in got.output
    assert got.output.count("\n") >= 12
