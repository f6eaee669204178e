"""Ratios, means and normalised changes: two samples, each with its own noise, so that a level that rises tenfold may
scatter tenfold.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.coverage.table import most
from tests.verification.engine.samples import ar1, sample
from verification.engine.assess import Primary, primary_answer
from verification.engine.autocorrelation import expanded
from verification.engine.case import Case
from verification.engine.models.family import Kind, ModelSpec
from verification.engine.savings import Own, spreads_of

BEFORE, AFTER = 180.0, 1_800.0  # bottles per line and hour
RELATIVE_NOISE, RHO = 0.08, 0.3
RUNS, INTERVALS = 300, 90


def windows(seed: int) -> Case:
    """Bottles by running hours, before and after; the noise is a share of the level."""
    rng = np.random.default_rng([seed, 20])
    hours = rng.uniform(80, 128, (2, INTERVALS))
    found = []
    for level, running in zip((BEFORE, AFTER), hours, strict=True):
        bottles = level * running * (1 + ar1(rng, INTERVALS, RHO, RELATIVE_NOISE))
        found.append(sample(bottles, running))
    return Case(*found, output="output")


def answer(kind: Kind, case: Case) -> Primary:
    primary = primary_answer(ModelSpec(kind), case)
    assert isinstance(primary, Primary)
    return primary


def test_a_ratio_whose_noise_scales_with_its_level_covers():
    """Of 300 runs at a true 95 % fewer than 92 % cover once in a hundred; one noise for both windows covers 20 %."""
    covered = 0
    for seed in range(RUNS):
        estimate = answer("ratio", windows(seed)).estimate
        covered += abs(estimate.delta - (AFTER - BEFORE)) <= expanded(estimate.spread(0.95), 0.95)
    print(f"{covered} of {RUNS} cover")
    assert 0.92 * RUNS <= covered <= 0.99 * RUNS


@pytest.mark.parametrize("kind", ["ratio", "mean"])
@pytest.mark.parametrize("method", ["avoided", "backcast"])
def test_each_window_of_a_ratio_brings_its_own_noise(kind: Kind, method: str):
    """The noise of one window ten times as large: its row grows tenfold, and the other's does not."""
    rng = np.random.default_rng(7)
    ones, noise = np.ones(INTERVALS), rng.normal(0, 1, (2, INTERVALS))
    rows = []
    for times in (1.0, 10.0):
        before, after = sample(20 + noise[0], ones), sample(200 + times * noise[1], ones)
        estimate = answer(kind, Case(before, after, method=method, output="output")).estimate
        rows.append({name: part.u for name, part in spreads_of(estimate.shares, 0.95).items()})
    assert set(rows[0]) == {"model:baseline", "model:reporting"}
    assert rows[1]["model:reporting"] == pytest.approx(10 * rows[0]["model:reporting"], rel=1e-6)
    assert rows[1]["model:baseline"] == pytest.approx(rows[0]["model:baseline"], rel=1e-6)


def test_a_window_has_one_model_of_a_kind_of_its_own_and_another_window_another():
    case, ratio = windows(1), ModelSpec("ratio")
    own = case.own(ratio, "reporting")
    assert isinstance(own, Own)
    assert answer("ratio", case).estimate.shares[-1].noise is own.noise
    assert case.own(ratio, "baseline") is not own is not case.own(ModelSpec("mean"), "reporting")
    other = case.with_window("reporting", case.reporting.take(slice(60))).own(ratio, "reporting")
    assert isinstance(other, Own)
    assert len(other.window) == 60


def test_a_stop_that_the_plan_leaves_out_does_not_part_the_noise():
    """One shift of three is worked: by position no two of them meet, by their order each follows the last."""
    rng = np.random.default_rng(3)
    plain = sample(200 + ar1(rng, 400, 0.6, 5.0), np.ones(400))
    position = 3 * np.arange(400) + 1
    parted, worked = (
        dataclasses.replace(plain, position=position, order=order) for order in (None, np.arange(400, dtype=np.int64))
    )
    noises = [answer("mean", Case(each, each)).noise for each in (plain, parted, worked)]
    assert not parted.follows.any()
    assert worked.follows.all()
    assert noises[2].rho_mean == noises[0].rho_mean == pytest.approx(0.6, abs=0.12)
    assert noises[1].rho_mean < 0.4
    assert len(worked.in_calendar(np.ones(400))) == 400


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
@pytest.mark.parametrize(("days", "runs"), [(2, 1000), (3, 400), (4, 400)])
def test_a_reporting_period_of_a_few_days_misses_no_more_often_than_it_says(days: int, runs: int, rho: float):
    """A few days that happen to agree were taken for a calm line, and the baseline's degrees of freedom for theirs: of
    1,000 runs of two days 78, 76 and 124 missed, at rho 0, 0.3 and 0.6.
    """
    missed = 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, INTERVALS, days, int(rho * 100)])
        tons = rng.uniform(600, 700, INTERVALS + 10 + days)
        energy = 500 * tons * (1 + ar1(rng, len(tons), rho, 0.05))
        after = slice(INTERVALS + 10, None)
        case = Case(sample(energy[:INTERVALS], tons[:INTERVALS]), sample(0.9 * energy[after], tons[after]))
        estimate = answer("ratio", case).estimate
        missed += abs(estimate.delta + 50) > expanded(estimate.spread(0.95), 0.95)
    print(f"{missed} of {runs} miss")
    assert missed <= most(runs, 0.05)


def test_a_normalised_change_for_a_reporting_period_of_a_week_is_seldom_conclusive_and_wrong():
    """At rho 0.9 seven days cannot show how they are correlated: of 300 runs 33 missed before both models were asked
    for enough intervals.
    """
    wrong = 0
    for seed in range(RUNS):
        rng = np.random.default_rng([seed, 180, 7, 90, 5])
        tons = rng.normal(656, 26, 197)
        energy = 150_000 + 13_270 * tons + ar1(rng, 197, 0.9, 44_000.0)
        case = Case(sample(energy[:180], tons[:180]), sample(energy[190:], tons[190:]), "normalised", output="output")
        primary = primary_answer(ModelSpec("ols", ("output",)), case)
        if isinstance(primary, Primary):
            wrong += abs(primary.estimate.delta) > expanded(primary.estimate.spread(0.95), 0.95)
    print(f"{wrong} of {RUNS} are conclusive and wrong")
    assert wrong <= most(RUNS, 0.05)


@pytest.mark.parametrize("method", ["avoided", "normalised"])
@pytest.mark.parametrize("days", [(INTERVALS, 5), (6, INTERVALS)])
def test_a_few_days_without_a_reject_prove_no_other_yield(method: str, days: tuple[int, int]):
    """Of 100 pieces all pass in 37 % of cases at a yield of 99 %: in 5 days of 20 the line then showed no noise, and 38
    of 100 lines that had not changed were found to be better.
    """
    missed = 0
    for seed in range(RUNS):
        rng = np.random.default_rng([seed, 99])
        inspected = [rng.integers(16, 25, n) for n in days]
        before, after = (sample(rng.binomial(each, 0.99).astype(float), each.astype(float)) for each in inspected)
        primary = primary_answer(ModelSpec("ratio"), Case(before, after, method, output="output"))
        if isinstance(primary, Primary):
            missed += abs(primary.estimate.delta) > expanded(primary.estimate.spread(0.95), 0.95)
    print(f"{missed} of {RUNS} miss")
    assert missed <= most(RUNS, 0.05)
