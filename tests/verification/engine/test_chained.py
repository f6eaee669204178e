"""The chained change by hand, against the direct methods, and how often its interval covers the truth."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tests.verification.engine.samples import INTERCEPT, SLOPE, ar1, line, sample
from verification.engine.assess import MIN_EFFECTIVE, Primary, answer_of, primary_with_noise, robustness, turning
from verification.engine.autocorrelation import Noise, expanded
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample
from verification.engine.robustness.left_out import most_influential
from verification.engine.savings import Estimate, spreads_of
from verification.findings import Finding
from verification.plan.check_windows import FEWEST_INTERVALS

OLS = ModelSpec("ols", ("output",))
WHITE = Noise(np.zeros(1), np.ones(1), np.ones(1), 0.0, 100.0, 50.0)
LOADS = (600.0, 656.0, 712.0)  # of baseline, intermediate window and reporting period
RUNS = 400
TRUTH = -200.0  # both links save 100 per ton, by the intermediate window's own slope


def model_of(window: Sample) -> BaselineModel:
    model = fit_model(OLS, window)
    assert isinstance(model, BaselineModel)
    return model


def answered(case: Case, model: BaselineModel | None = None) -> Estimate:
    estimate = case.answer(model or model_of(case.fitted), WHITE)
    assert isinstance(estimate, Estimate)
    return estimate


def by_hand() -> Case:
    """Metered 10 + 2 w over w = 1 2 3, then 8 + 2 w over w = 1..6, then 6 + 2 w over w = 5 6."""
    before, between, after = np.arange(1.0, 4.0), np.arange(1.0, 7.0), np.array([5.0, 6.0])
    return Case(
        baseline=sample(10 + 2 * before, before),
        intermediate=sample(8 + 2 * between, between, first=90),
        reporting=sample(6 + 2 * after, after, first=180),
        method="chaining",
        output="output",
    )


def chain(seed: int, *, rho: float = 0.0, days: int = 90, sds: tuple[float, ...] = (26, 60, 26), noise=(44e3,) * 3):
    """Three windows of a line that saves 100 per ton at each step, loads far apart at its ends."""
    rng = np.random.default_rng(seed)
    windows = []
    for index, (load, sd) in enumerate(zip(LOADS, sds, strict=True)):
        tons = rng.normal(load, sd, days)
        energy = INTERCEPT + (SLOPE - 100 * index) * tons + ar1(rng, days, rho, noise[index])
        windows.append(sample(energy, tons, first=100 * index))
    return Case(windows[0], windows[2], "chaining", output="output", intermediate=windows[1])


def test_the_chained_change_by_hand():
    """(36 - 42)/6 and (34 - 38)/11: -1 - 4/11; before, the 38 modelled and 11 more than the first link saved."""
    estimate = answered(by_hand())
    assert (estimate.after, estimate.before, estimate.output) == pytest.approx((34, 38 + 11, 11))
    assert estimate.delta == pytest.approx(-1 - 4 / 11, rel=1e-13)
    links = by_hand().links(model_of(by_hand().fitted), WHITE)
    assert not isinstance(links, Finding)
    assert [link.delta for link in links] == pytest.approx([-1, -4 / 11], rel=1e-13)


def test_the_shared_model_counts_once_with_the_difference_of_its_weights():
    """Unit noise: q = (2, 11)/11 - (3, 6)/6 = (-7/22, 0), (X'X)^-1 = [[91, -21], [-21, 6]]/105, and each metered
    interval: 49/484 * 91/105 + 3/36 + 2/121.
    """
    case = by_hand()
    error = answered(case).spread(0.95)
    assert error.u == pytest.approx(math.sqrt(49 / 484 * 91 / 105 + 3 / 36 + 2 / 121), rel=1e-9)
    assert error.dof == pytest.approx(50)


def test_where_both_ends_see_the_same_conditions_the_model_cancels():
    tons = np.random.default_rng(1).normal(656, 26, 60)
    baseline, reporting = sample(9 * tons, tons), sample(8 * tons + 3, tons, first=200)
    case = Case(baseline, reporting, "chaining", output="output", intermediate=line(2, 60)[0])
    estimate = answered(case)
    plain = reporting.total_y / reporting.total_w - baseline.total_y / baseline.total_w
    assert estimate.delta == pytest.approx(plain, rel=1e-9)
    assert estimate.shares[0].weights == pytest.approx(np.zeros(60), abs=1e-15)
    assert estimate.spread(0.95).u == pytest.approx(math.sqrt(2 * 60) / baseline.total_w, rel=1e-6)
    assert estimate.delta == pytest.approx(answered(Case(baseline, reporting, output="output")).delta, rel=1e-9)


def test_a_baseline_that_is_its_own_link_gives_the_avoided_change():
    baseline, reporting = line(3, 80, load=40.0)
    direct = answered(Case(baseline, reporting, output="output", adjustment=2.5))
    case = Case(baseline, reporting, "chaining", output="output", adjustment=2.5, intermediate=baseline)
    assert answered(case).delta == pytest.approx(direct.delta, rel=1e-12)
    assert answered(case).relative == pytest.approx(direct.relative, rel=1e-12)


def test_the_order_of_the_intervals_is_of_no_matter_to_the_change():
    case, rng = chain(4), np.random.default_rng(9)
    shuffled = case
    for name, window in case.windows.items():
        shuffled = shuffled.with_window(name, window.take(rng.permutation(len(window))))
    assert answered(shuffled).delta == pytest.approx(answered(case).delta, rel=1e-11)


def test_each_window_that_errs_more_brings_its_own_noise():
    case = chain(5, noise=(44e3, 44e3, 150e3))
    primary, judged, findings = primary_with_noise(OLS, case)
    assert isinstance(primary, Primary)
    assert ([finding.code for finding in findings], judged.own_noise) == (["NOISE_GREW"], {"reporting"})
    assert list(spreads_of(primary.estimate.shares, 0.95)) == ["model:intermediate", "model:reporting"]
    _, _, both = primary_with_noise(OLS, chain(5, noise=(150e3, 44e3, 150e3)))
    assert [finding.data["where"] for finding in both] == ["in_baseline", "in_reporting"]
    steady, _, none = primary_with_noise(OLS, chain(5))
    assert isinstance(steady, Primary)
    assert none == []
    assert list(spreads_of(steady.estimate.shares, 0.95)) == ["model"]


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_interval_of_a_chain_covers_the_truth_as_often_as_it_says(rho: float):
    covered = 0
    for seed in range(RUNS):
        case = chain(seed, rho=rho)
        primary, _, _ = primary_with_noise(OLS, case)
        assert isinstance(primary, Primary)
        covered += abs(primary.estimate.delta - TRUTH) <= expanded(primary.estimate.spread(0.95), 0.95)
    assert 0.92 <= covered / RUNS <= 0.98


def test_the_most_influential_interval_of_each_window_is_found_by_leaving_each_out():
    case = dataclasses.replace(chain(6, days=30), adjustment=3.0)
    model = model_of(case.fitted)
    assert [found.window for found in most_influential(model, case)] == ["baseline", "intermediate", "reporting"]
    for found in most_influential(model, case):
        window = case.window(found.window)
        changes = []
        for index in range(30):
            without = case.with_window(found.window, window.take(np.arange(30) != index))
            changes.append(answered(without, model_of(without.fitted)).delta - answered(case).delta)
        assert found.position == int(np.argmax(np.abs(changes)))
        assert found.change == pytest.approx(changes[found.position], rel=1e-6)


def test_every_check_of_step_6_is_made_of_a_chain():
    case = chain(7)
    primary = answer_of(OLS, case)
    assert isinstance(primary, Primary)
    days = [100.0 * index + window.position for index, window in enumerate(case.windows.values())]
    found = robustness(primary, case, 0.95, days)
    assert found.changes == {"baseline": [], "intermediate": [], "reporting": []}
    assert found.placebo is not None
    assert found.assumptions.drift is not None
    assert abs(found.assumptions.drift.delta - TRUTH) < 4 * found.assumptions.drift.u_delta
    assert {month.window for month in turning(primary, case, 0.95).months} == set(case.windows)


def test_a_plan_refuses_a_window_that_the_engine_could_never_use():
    assert FEWEST_INTERVALS == MIN_EFFECTIVE
