"""What a comparison takes for granted is said where the data contradict it, and not where they do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.verification.engine.samples import NAMING, STANDING, ar1, line, sample
from verification.engine.assess import Primary, grown_noise, primary_answer, primary_with_noise
from verification.engine.autocorrelation import expanded, standard_error
from verification.engine.case import Case
from verification.engine.models.family import ModelSpec
from verification.engine.models.sample import Sample
from verification.engine.robustness.assumptions import Assumptions, assumptions, window_length
from verification.engine.robustness.judge import (
    DRIFT_P,
    MATTERS,
    ONE_SIDED_P,
    SURE_DRIFT_P,
    SURE_SEASON_P,
    assumption_findings,
)
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
    found = assumptions(*primary, case, days_of(before, after, gap))
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


def moved(seed: int, course: np.ndarray, days: int, gap: int = GAP_DAYS) -> tuple[Sample, Sample]:
    """A line without an effect whose energy goes by `course` [kWh/t] from day to day, through both windows."""
    rng = np.random.default_rng(seed)
    tons = rng.normal(656, 26, len(course))
    energy = 150_000 + (13_270 + course) * tons + ar1(rng, len(course), 0.5, 44_000.0)
    before, after = slice(0, days), slice(days + gap, None)
    return sample(energy[before], tons[before]), sample(energy[after], tons[after])


def said(before: Sample, after: Sample, gap: int = GAP_DAYS, limit: float = 0.0) -> dict[str, dict[str, str | int]]:
    """The findings about a change that was judged against at most `limit`, by code, with their numbers."""
    case = Case(before, after, output="output")
    primary = primary_answer(OLS, case)
    found, expanded_uncertainty = looked_at(before, after, gap=gap)
    delta = primary.estimate.delta
    standing = dataclasses.replace(
        STANDING, delta=delta, met=delta < limit, passes=lambda change: change <= limit, limit=str(limit)
    )
    decided = standing if abs(delta - limit) > expanded_uncertainty else None
    findings = assumption_findings(found, decided, NAMING, delta, expanded_uncertainty)
    return {finding.code: finding.data for finding in findings}


def said_where_met(before: Sample, after: Sample, limit: float = 0.0) -> set[str] | None:
    """The codes of the findings where the limit is met, else None."""
    primary = primary_answer(OLS, Case(before, after, output="output"))
    assert isinstance(primary, Primary)
    reach = expanded(primary.estimate.spread(0.95), 0.95)
    return {*said(before, after, limit=limit)} if primary.estimate.delta + reach <= limit else None


RAMPS = {
    "baseline": -200.0 * np.minimum(np.arange(370), 180) / 180,
    "reporting": -200.0 * np.maximum(np.arange(370) - 190, 0) / 180,
}


@pytest.mark.parametrize("window", RAMPS)
def test_a_drift_that_the_works_stop_or_begin_is_seen_in_its_window(window: str):
    warned = 0
    for seed in range(20):
        before, after = moved(seed, RAMPS[window], 180)
        course = looked_at(before, after)[0].one_sided[window]
        assert course.delta == pytest.approx(0.0, abs=3.5 * course.u_delta)
        assert course.shift == pytest.approx(-100.0, abs=3.5 * course.u_shift)
        findings = said(before, after)
        one_sided = {code: data for code, data in findings.items() if code.startswith("DRIFT_ONE_SIDED")}
        assert all(data["window"] == window for data in one_sided.values())
        warned += bool(one_sided or {"DRIFT", "DRIFT_FLIPS"} & findings.keys())
    assert warned >= 17


def test_a_ramp_that_ends_before_the_works_is_seen_more_often_from_its_window_than_from_both():
    ramp = -180.0 * np.clip(np.arange(190) / 30 - 2, 0, 1)
    seen = [looked_at(*moved(seed, ramp, 90))[0] for seed in range(40)]
    of_both = sum(each.drift.p < DRIFT_P for each in seen)
    assert sum(each.one_sided["baseline"].p < DRIFT_P for each in seen) > 2 * of_both


def test_the_p_of_a_one_sided_drift_and_of_a_season_are_uniform_where_there_is_none():
    clean = [looked_at(*moved(seed, np.zeros(435), 365))[0] for seed in range(RUNS)]
    for p in (
        np.array([each.one_sided["baseline"].p for each in clean]),
        np.array([each.one_sided["reporting"].p for each in clean]),
        np.array([each.season.p for each in clean]),
    ):
        assert abs(np.mean(p < 0.2) - 0.2) < 0.1
        assert np.mean(p < ONE_SIDED_P) < 0.025
        assert p.min() > SURE_SEASON_P


def test_a_steady_drift_of_a_year_withholds_what_it_explains():
    before, after = moved(1, -400.0 * np.arange(740) / 375, 365)
    assert "DRIFT_FLIPS" in said(before, after)
    assert "DRIFT_FLIPS" not in said(before, after, limit=400.0)  # which holds with the drift or without it


def summer(days: int, gap: int, after: int, size: float) -> np.ndarray:
    """A season that is at its lowest in the middle of the reporting period."""
    at = np.arange(days + gap + after)
    return -size * np.cos(2 * np.pi * (at - (days + gap + after / 2)) / 365.25)


def test_a_short_reporting_period_is_held_against_its_season_in_a_year_of_baseline():
    warned = flipped = 0
    for seed in range(20):
        before, after = moved(seed, summer(365, 10, 60, 100.0), 365)
        season = looked_at(before, after)[0].season
        assert season.shift < 0
        assert abs(season.delta) < 3.5 * season.u_delta + 30.0  # the tips of a season are not its whole
        findings = said(before, after)
        warned += bool({"SEASON_SHIFTS", "SEASON_FLIPS"} & findings.keys())
        flipped += "SEASON_FLIPS" in findings
    assert warned >= 17
    assert flipped >= 4
    assert looked_at(*moved(1, np.zeros(740), 365))[0].season is None  # the reporting period has every season
    assert looked_at(*moved(1, np.zeros(190), 90))[0].season is None  # the baseline has none of it


def test_windows_in_opposite_seasons_are_warned_of():
    before, after = moved(3, summer(90, 92, 90, 100.0), 90, gap=92)
    findings = said(before, after, gap=92)
    assert findings["SEASON_OPPOSED"] == {"days": 182}
    assert "SEASON_NOT_COVERED" not in findings
    for days, gap, after_days in ((90, 10, 90), (90, 275, 90), (365, 10, 60), (90, 92, 365)):
        flat = np.zeros(days + gap + after_days)
        assert looked_at(*moved(3, flat, days, gap), gap=gap)[0].days_apart is None


def test_what_choosing_the_baseline_could_gain_is_the_worst_of_three_years_of_chance():
    before, after = moved(1, np.zeros(190), 90)
    before, after = sample(before.y, np.full(90, 656.0)), sample(after.y, np.full(90, 656.0))
    found, _ = looked_at(before, after, RATIO)
    primary = primary_answer(RATIO, Case(before, after, output="output"))
    of_baseline, _ = primary.estimate.shares
    error = standard_error(of_baseline.noise, of_baseline.weights)
    drawn = np.random.default_rng(1).normal(0.0, error, (200_000, 12)).max(axis=1)
    assert found.choice.stretches == 12
    assert found.choice.bias == pytest.approx(drawn.mean(), rel=0.02)
    for days, stretches in ((365, 3), (600, None)):
        choice = looked_at(*moved(1, np.zeros(2 * days + GAP_DAYS), days))[0].choice
        assert (choice and choice.stretches) == stretches


def worst_stretch(seed: int, days: int = 90, history: int = 1_095) -> tuple[Sample, Sample]:
    """A line without an effect, whose baseline is the worst of three years before the works."""
    before, after = moved(seed, np.zeros(history + GAP_DAYS + days), history)
    excess = before.y - 150_000 - 13_270 * before.w
    first = int(np.argmax(np.convolve(excess, np.ones(days), "valid")))
    chosen = slice(first, first + days)
    return sample(before.y[chosen], before.w[chosen]), after


def test_a_baseline_that_was_chosen_for_being_bad_is_seldom_certified_without_a_word():
    met = [findings for seed in range(RUNS) if (findings := said_where_met(*worst_stretch(seed))) is not None]
    assert len(met) > 0.15 * RUNS  # where the interval promises one in forty
    assert sum("BASELINE_CHOICE_MATTERS" in findings for findings in met) > 0.75 * len(met)
    far = [said_where_met(*line(seed, rho=0.5), limit=0.0) for seed in range(40)]
    assert not any("BASELINE_CHOICE_MATTERS" in findings for findings in far)


@pytest.mark.parametrize(
    ("a_day", "intervals", "days"), [(96, 2976, 31), (24, 720, 30), (1, 181, 181), (1 / 7, 52, 364)]
)
def test_a_window_is_as_long_as_its_intervals(a_day: float, intervals: int, days: int):
    begins = np.arange(intervals) / a_day
    assert window_length([begins[:1], begins], 1) == pytest.approx(days)
    assert window_length([begins[:1], begins], 0) == pytest.approx(1 / a_day)


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


@pytest.mark.parametrize(("days", "rho"), [(60, 0.9), (30, 0.9), (14, 0.5)])
def test_noise_that_grew_counts_though_it_lasts_too_long_to_be_told_apart_from_a_drift(days: int, rho: float):
    misses = 0
    for seed in range(RUNS):
        before, after = line(seed, rho=0.3, change=0.0)
        grown = after.y[:days] + ar1(np.random.default_rng([seed, 2]), days, rho, 124_000.0)
        primary, _, _ = primary_with_noise(OLS, Case(before, sample(grown, after.w[:days]), output="output"))
        misses += abs(primary.estimate.delta) > expanded(primary.estimate.spread(0.95), 0.95)
    assert misses < 0.15 * RUNS


def test_a_fault_of_some_days_is_not_certified_by_the_calm_of_the_baseline():
    before, after = line(1, rho=0.3, change=0.0)
    energy = after.y[:90].copy()
    energy[30:41] /= 3.6  # a tariff meter that was read in another unit
    primary, _, [finding] = primary_with_noise(OLS, Case(before, sample(energy, after.w[:90]), output="output"))
    assert finding.code == "NOISE_GREW"
    assert primary.estimate.delta < -500
    assert abs(primary.estimate.delta) < expanded(primary.estimate.spread(0.95), 0.95)


def test_a_steady_line_keeps_the_noise_of_its_baseline():
    grown = 0
    for seed in range(RUNS):
        case = Case(*line(seed, rho=0.5), output="output")
        primary = primary_answer(OLS, case)
        assert not isinstance(primary, Finding)
        grown += grown_noise(primary, case, *case.projections) is not None
    assert grown < 0.09 * RUNS
    short = [Case(before, sample(after.y[:7], after.w[:7])) for before, after in (line(seed) for seed in range(RUNS))]
    grown = sum(grown_noise(primary_answer(OLS, each), each, *each.projections) is not None for each in short)
    assert grown < 0.09 * RUNS
    levels = Case(*line(1), output="output")
    assert grown_noise(primary_answer(RATIO, levels), levels, *levels.projections) is None  # it has both already
