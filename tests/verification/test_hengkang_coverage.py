"""Twenty seeds of the simulated potline, fixed beforehand: the interval covers the truth, and nothing is certified
for nothing.

The simulator imports nothing of ours, so it is an independent oracle. An honest 95 % interval covers in at least 17 of
20 seeds 98 times in 100. The table shows with `pytest -s`.
"""

from __future__ import annotations

import datetime as dt

import pytest

from simulators.scenarios import scenario
from simulators.timeline import Timeline
from tests.verification.lines import PLAN_BYTES, hengkang_plan, only
from verification.engine.result import Result
from verification.engine.verify import needed_points, verify
from verification.plan import plan_digest
from verification.series.columns import Series

SEEDS = range(1, 21)
PLAN = hengkang_plan()
TIMELINE = Timeline(dt.date(2026, 3, 1))


def judge(name: str, seed: int) -> Result:
    plant = scenario(name).plant(seed, TIMELINE)
    first, last = TIMELINE.baseline_start, TIMELINE.reporting_end
    readings = {point: Series.of(*plant.series(point, first, last)) for point in needed_points(PLAN)}
    return verify(PLAN, plan_digest(PLAN_BYTES), readings)


def covered(result: Result, truth: float) -> bool:
    return abs(float(only(result).effect.delta) - truth) <= float(only(result).effect.expanded_uncertainty)


def test_the_plan_and_the_simulated_timeline_agree():
    assert PLAN.baseline.start == TIMELINE.baseline_start.date()
    assert PLAN.baseline.end == TIMELINE.baseline_end.date()
    assert PLAN.reporting.start == TIMELINE.reporting_start.date()
    assert PLAN.reporting.end == TIMELINE.reporting_end.date()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "truth"), [("hengkang", -260.0), ("hengkang-unchanged", 0.0)])
def test_at_least_17_of_20_seeds_cover_the_truth(name: str, truth: float):
    results = {seed: judge(name, seed) for seed in SEEDS}
    print(f"\n{'seed':>4} {'true':>6} {'measured':>9} {'U95':>4}  covered  verdict")
    for seed, result in results.items():
        effect, hit = only(result).effect, "yes" if covered(result, truth) else "NO"
        shown = f"{effect.reported_delta:>9} {effect.reported_uncertainty:>4}  {hit:7}  {result.verdict.state}"
        print(f"{seed:>4} {truth:>6.0f} {shown}")
    assert sum(covered(result, truth) for result in results.values()) >= 17


@pytest.mark.slow
def test_a_plant_without_an_effect_is_never_certified():
    assert "met" not in {judge("hengkang-unchanged", seed).verdict.state for seed in SEEDS}
