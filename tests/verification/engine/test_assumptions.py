"""What a comparison takes for granted is said where the data contradict it, and not where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.verification.engine.samples import ar1, line, sample
from verification.engine.assess import Primary, grown_noise, primary_answer, primary_with_noise
from verification.engine.autocorrelation import expanded
from verification.engine.case import Case
from verification.engine.models.family import ModelSpec
from verification.engine.models.sample import Sample
from verification.engine.robustness.assumptions import Assumptions, assumptions, window_length
from verification.engine.robustness.judge import DRIFT_P, MATTERS, SURE_DRIFT_P
from verification.findings import Finding

OLS, RATIO = ModelSpec("ols", ("output",)), ModelSpec("ratio")
RUNS = 200
GAP_DAYS = 10


def days_of(before: Sample, after: Sample, gap: float = GAP_DAYS) -> tuple[np.ndarray, np.ndarray]:
    return before.position.astype(float), len(before) + gap + after.position


def looked_at(before: Sample, after: Sample, spec: ModelSpec = OLS, gap: float = GAP_DAYS) -> tuple[Assumptions, float]:
    """What is said of the assumptions, and U of the change."""
    case = Case(before, after, output="output")
    primary = primary_answer(spec, case)
    assert isinstance(primary, Primary)
    found = assumptions(primary.model, primary.noise, case, days_of(before, after, gap))
    return found, expanded(primary.estimate.spread(0.95), 0.95)


def drifting(seed: int, per_day: float, days: int = 120, season: float = 0.0, gap: int = GAP_DAYS):
    """A line without an effect whose energy drifts by a share of its level a day, or goes with the season."""
    rng = np.random.default_rng(seed)
    n = 2 * days + gap
    tons, time = rng.normal(656, 26, n), np.arange(n)
    energy = (150_000 + 13_270 * tons) * (1 + per_day * time + season * np.cos(2 * np.pi * time / 365.25))
    energy += ar1(rng, n, 0.5, 44_000.0)
    before, after = slice(0, days), slice(days + gap, None)
    return sample(energy[before], tons[before]), sample(energy[after], tons[after])


@pytest.mark.parametrize("spec", [OLS, RATIO])
def test_the_p_of_a_drift_is_uniform_where_there_is_none(spec: ModelSpec):
    p = np.array([looked_at(*drifting(seed, 0.0), spec)[0].drift.p for seed in range(RUNS)])
    assert abs(np.mean(p < 0.2) - 0.2) < 0.1
    assert np.mean(p < DRIFT_P) < 0.04
    assert p.min() > SURE_DRIFT_P


def test_a_drift_is_told_from_the_step_of_the_retrofit():
    for seed in range(20):
        found, expanded_uncertainty = looked_at(*drifting(seed, -0.05 / 365))
        drift = found.drift
        assert abs(drift.shift) > MATTERS * expanded_uncertainty
        assert abs(drift.delta) < 3.5 * drift.u_delta  # without it nothing is left
    sure = [looked_at(*drifting(seed, -0.05 / 365, 365))[0].drift.p < SURE_DRIFT_P for seed in range(20)]
    assert all(sure)


def test_a_step_is_no_drift():
    p = [looked_at(*line(seed, rho=0.5, change=-800.0))[0].drift.p for seed in range(40)]
    assert np.mean(np.array(p) < 0.05) < 0.2


def test_windows_whole_years_apart_have_no_drift_but_the_season_s():
    before, after = drifting(1, 0.0, 90, season=0.01, gap=275)
    assert looked_at(before, after, gap=275)[0].drift is None
    assert looked_at(before, after, gap=200)[0].drift is not None


def test_a_baseline_that_leaves_seasons_out_is_named():
    for days, gap, length in ((120, 10, 120), (300, 10, 300), (365, 10, None), (90, 275, None)):
        before, after = drifting(2, 0.0, days, gap=gap)
        assert looked_at(before, after, gap=gap)[0].baseline_days == length


@pytest.mark.parametrize(
    ("a_day", "intervals", "days"), [(96, 2976, 31), (24, 720, 30), (1, 181, 181), (1 / 7, 52, 364)]
)
def test_a_window_is_as_long_as_its_intervals(a_day: float, intervals: int, days: int):
    assert window_length(np.arange(intervals) / a_day) == pytest.approx(days)


def test_a_bent_load_is_seen_and_a_straight_one_is_not():
    rng = np.random.default_rng(5)
    for bend, seen in ((400.0, True), (0.0, False)):
        tons = rng.normal(656, 26, 240)
        energy = 150_000 + 13_270 * tons + bend * (tons - 656) ** 2 / 26 + ar1(rng, 240, 0.3, 2_000.0)
        after = tons[120:] + 26
        bent = sample(energy[:120], tons[:120]), sample(150_000 + 13_270 * after, after)
        assert (looked_at(*bent)[0].curvature.p < 0.001) == seen


def test_a_curve_moves_the_change_by_what_the_square_would():
    rng = np.random.default_rng(6)
    tons = rng.normal(656, 26, 240)
    tons[120:] += 20
    energy = 150_000 + 13_270 * tons + 30.0 * (tons - 656) ** 2 + rng.normal(0, 500, 240)
    before, after = sample(energy[:120], tons[:120]), sample(energy[120:], tons[120:])
    curvature = looked_at(before, after)[0].curvature
    straight = primary_answer(OLS, Case(before, after, output="output"))
    assert abs(straight.estimate.delta + curvature.shift) < 1.0  # the line has no effect
    assert abs(straight.estimate.delta) > 10.0


def test_an_error_in_the_driver_matters_where_the_load_moves():
    rng = np.random.default_rng(7)
    tons = rng.normal(656, 26, 240)
    energy = 150_000 + 13_270 * tons
    for moved, matters in ((40.0, True), (0.0, False)):
        shifted = np.concatenate([tons[:120], tons[120:] + moved])
        metered, used = shifted + rng.normal(0, 15, 240), energy + 13_270 * (shifted - tons)
        found, expanded_uncertainty = looked_at(sample(used[:120], metered[:120]), sample(used[120:], metered[120:]))
        [bias] = found.dilution
        assert (abs(bias.shift) > expanded_uncertainty) == matters
        assert bias.driver == "output"


def test_a_line_that_became_less_steady_brings_its_own_noise():
    misses = [0, 0]
    for seed in range(RUNS):
        before, after = line(seed, rho=0.3, change=0.0)
        after = sample(after.y + ar1(np.random.default_rng([seed, 1]), 120, 0.3, 124_000.0), after.w)
        case = Case(before, after, output="output")
        plain = primary_answer(OLS, case)
        primary, _, [finding] = primary_with_noise(OLS, case)
        assert finding.code == "NOISE_GREW"
        for index, each in enumerate((plain, primary)):
            misses[index] += abs(each.estimate.delta) > expanded(each.estimate.spread(0.95), 0.95)
    assert misses[0] > 0.2 * RUNS
    assert misses[1] < 0.09 * RUNS


def test_a_steady_line_keeps_the_noise_of_its_baseline():
    grown = 0
    for seed in range(RUNS):
        case = Case(*line(seed, rho=0.5), output="output")
        primary = primary_answer(OLS, case)
        assert not isinstance(primary, Finding)
        grown += grown_noise(primary, case, *case.projections) is not None
    assert grown < 0.09 * RUNS
    levels = Case(*line(1), output="output")
    assert grown_noise(primary_answer(RATIO, levels), levels, *levels.projections) is None  # it has both already
