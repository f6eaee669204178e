"""Other models, other dates, fewer data: each says what it must, and stays silent where there is nothing to say."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import ruptures
import statsmodels.datasets.nile

from tests.verification.engine.samples import NAMING, NOISE_SD, STANDING, ar1, line, sample
from verification.engine.assess import MIN_EFFECTIVE, Primary, answers_of, primary_answer, robustness, turning
from verification.engine.autocorrelation import Noise
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, ModelSpec, fit_model
from verification.engine.models.sample import Sample
from verification.engine.robustness.change_points import (
    Partitions,
    change_points,
)
from verification.engine.robustness.judge import judge, placebo_findings
from verification.engine.robustness.left_out import Influence, WithoutMonth, most_influential, without_months
from verification.engine.robustness.matched_load import matched_load
from verification.engine.robustness.panel import (
    SURE_REJECTION_P,
    Entry,
    candidates,
    differs,
    label,
    panel,
    rejected_by,
)
from verification.engine.robustness.placebo import SHARES, PlaceboDates, placebo_dates
from verification.engine.savings import noise_of_model

OLS = ModelSpec("ols", ("output",))


def with_driver(window: Sample, name: str, values: np.ndarray, per_unit: float = 0.0) -> Sample:
    """The window with one more driver, which moves y by `per_unit`."""
    return dataclasses.replace(
        window,
        y=window.y + per_unit * values,
        drivers=np.column_stack([window.drivers, values]),
        names=(*window.names, name),
    )


def answer(spec: ModelSpec, baseline: Sample, reporting: Sample) -> Primary:
    primary = primary_answer(spec, Case(baseline, reporting, output="output"))
    assert isinstance(primary, Primary)
    return primary


def panel_of(
    primary: ModelSpec, baseline: Sample, reporting: Sample, temperatures: Sequence[str] = ()
) -> dict[str, Entry]:
    specs = candidates(primary, baseline.names, ratio=True, temperatures=temperatures)
    case = Case(baseline, reporting, output="output")
    entries = panel(specs, answers_of(specs, case), case, 0.95, MIN_EFFECTIVE)
    assert [entry.primary for entry in entries] == [True] + [False] * (len(entries) - 1)
    return {label(entry.spec): entry for entry in entries}


def weathered(seed: int, per_degree: float, *, days: int = 120) -> tuple[Sample, Sample]:
    """A line whose energy also follows the weather, which is warm before the retrofit and cold afterwards."""
    rng = np.random.default_rng(seed + 1000)
    baseline, reporting = line(seed, days)
    return (
        with_driver(baseline, "degrees", rng.normal(18, 4, days), per_degree),
        with_driver(reporting, "degrees", rng.normal(14, 4, days), per_degree),
    )


def test_candidates_are_the_primary_and_what_else_the_drivers_allow():
    names = [label(spec) for spec in candidates(OLS, ("output", "degrees"), ratio=True, temperatures=["degrees"])]
    assert names == [
        "ols(output)", "mean", "ratio", "ols(degrees)", "ols(output, degrees)", "change_point(output, degrees)"
    ]  # fmt: skip
    many = candidates(OLS, tuple(f"x{index}" for index in range(8)), ratio=False)
    assert len(many) <= 16


def test_a_driver_that_matters_makes_models_without_it_inadmissible():
    entries = panel_of(ModelSpec("ols", ("output",)), *weathered(1, 20_000.0))
    assert entries["ols(output, degrees)"].admissible
    for name in ("ols(output)", "ols(degrees)", "mean"):
        assert "rejected" in entries[name].why_not


@pytest.mark.parametrize("seed", range(6))
def test_each_reason_against_a_model_is_given_once(seed: int):
    """Bends in a temperature that nothing follows have p of their own, and add nothing to the line."""
    for entry in panel_of(OLS, *weathered(seed, 0.0), temperatures=["degrees"]).values():
        assert len(set(entry.why_not)) == len(entry.why_not), entry


def test_a_ratio_of_means_is_inadmissible_where_the_line_has_a_base_load():
    rng = np.random.default_rng(2)
    tons = rng.normal(656, 60, 120)
    y = 3e6 + 9_000 * tons + rng.normal(0, 44_000, 120)
    window = sample(y, tons)
    entries = panel_of(OLS, window, window)
    assert entries["ratio"].why_not == ("rejected",)
    assert entries["ols(output)"].admissible


def test_a_ratio_of_means_is_admissible_where_energy_follows_output():
    rng = np.random.default_rng(3)
    tons = rng.normal(656, 60, 120)
    window = sample(13_500 * tons + rng.normal(0, 44_000, 120), tons)
    assert panel_of(OLS, window, window)["ratio"].admissible


def test_a_model_outside_its_support_is_inadmissible():
    baseline, reporting = line(1, load=400)
    entries = panel_of(OLS, baseline, reporting)
    assert "support" in entries["ols(output)"].why_not
    assert "support" not in entries["ratio"].why_not


def test_a_hidden_driver_makes_the_models_differ_and_a_needless_one_does_not():
    """Each degree costs 20 kWh/t; it is 4 degrees colder afterwards, so that without it the saving is 80 too large."""
    baseline, reporting = weathered(4, 20 * 656.0)
    entries = panel_of(OLS, baseline, reporting)
    assert differs(entries["ols(output)"], entries["ols(output, degrees)"])
    baseline, reporting = weathered(4, 0.0)
    entries = panel_of(OLS, baseline, reporting)
    assert not differs(entries["ols(output)"], entries["ols(output, degrees)"])


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_honest_models_of_an_honest_line_do_not_differ(rho: float):
    disagreements = 0
    for seed in range(60):
        baseline, reporting = weathered(seed, 0.0, days=90)
        noisy = line(seed, 90, rho=rho)
        baseline = dataclasses.replace(baseline, y=noisy[0].y, w=noisy[0].w)
        entries = panel_of(OLS, baseline, reporting)
        primary = entries["ols(output)"]
        disagreements += any(
            differs(primary, entry) for entry in entries.values() if entry.admissible and not entry.primary
        )
    assert disagreements <= 1


def heated(seed: int, kwh: Callable[[np.ndarray], np.ndarray]) -> tuple[Sample, Sample]:
    """A line of a year, and its next, whose energy follows output and, by `kwh`, the outdoor temperature."""
    rng = np.random.default_rng(seed + 2000)
    windows = []
    for window in line(seed, 365):
        season = 14.5 - 13.5 * np.cos(2 * np.pi * np.arange(365) / 365)
        degrees = season + ar1(rng, 365, 0.7, 3.0)
        windows.append(dataclasses.replace(with_driver(window, "degrees", degrees), y=window.y + kwh(degrees)))
    return windows[0], windows[1]


def weighed_with_temperature(baseline: Sample, reporting: Sample) -> tuple[bool, bool]:
    """Whether a straight line in the temperature is surely rejected, and whether a bent one is admissible."""
    primary = ModelSpec("ols", ("output", "degrees"))
    case = Case(baseline, reporting, output="output", temperatures=["degrees"])
    entries = turning(answer(primary, baseline, reporting), case, 0.95).panel
    bent = next(entry for entry in entries if entry.spec.kind == "change_point")
    return bool(rejected_by(entries[0], entries, "output", SURE_REJECTION_P)), bent.admissible


@pytest.mark.parametrize("per_degree", [0.0, -4_000.0, -40_000.0])
def test_straight_line_in_the_temperature_is_not_rejected_for_bends_that_a_search_found(per_degree: float):
    """A bend of chance is sure once in a thousand lines, and lets a bent model into the panel in one of twenty."""
    found = [weighed_with_temperature(*heated(seed, lambda degrees: per_degree * degrees)) for seed in range(40)]
    assert sum(rejected for rejected, _ in found) == 0
    assert sum(admissible for _, admissible in found) <= 5


def test_straight_line_is_rejected_where_the_line_heats_below_12_degrees_only():
    """36,000 kWh a day for each degree is what three days of noise come to in a frost."""
    found = [
        weighed_with_temperature(*heated(seed, lambda degrees: 36_000 * np.maximum(12 - degrees, 0)))
        for seed in range(20)
    ]
    assert found == [(True, True)] * 20


def placebos(baseline: Sample) -> PlaceboDates:
    model = fit_model(OLS, baseline)
    assert isinstance(model, BaselineModel)
    found = placebo_dates(model, baseline, noise_of_model(model, baseline), 0.95, MIN_EFFECTIVE)
    assert found is not None
    return found


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_placebo_dates_warn_of_a_baseline_that_drifts_and_hardly_ever_of_a_steady_one(rho: float):
    """200 baselines each; two standard deviations of noise over the year. Of a steady line one in a hundred may be
    warned of, and six in 200 would be more than chance allows once in a hundred.
    """
    steady, drifting, claims = 0, 0, 0
    for seed in range(200):
        baseline, _ = line(seed, 365, rho=rho)
        found = placebos(baseline)
        claims += found.claims
        steady += bool(list(placebo_findings(found)))
        drift = dataclasses.replace(baseline, y=baseline.y + np.linspace(0.0, 2 * NOISE_SD, 365))
        drifting += bool(list(placebo_findings(placebos(drift))))
    print(f"rho {rho}: {claims} claims at {200 * 9} dates, warned of {steady} steady and {drifting} drifting of 200")
    assert claims < 0.08 * 200 * 9
    assert steady <= 6
    assert drifting >= 180


def test_nine_dates_of_one_baseline_are_worth_few():
    """By hand, for the mean of independent noise: dates after shares s < t of it correlate by sqrt(s(1-t)/(t(1-s)))."""
    s, t = np.meshgrid(SHARES, SHARES)
    low, high = np.minimum(s, t), np.maximum(s, t)
    correlation = np.sqrt(low * (1 - high) / (high * (1 - low)))
    window = sample(np.random.default_rng(5).normal(size=1000), np.ones(1000))
    model, white = fit_model(ModelSpec("mean"), window), Noise(np.zeros(1), np.ones(1), np.ones(1), 0, 1000, 999)
    assert isinstance(model, BaselineModel)
    found = placebo_dates(model, window, white, 0.95, MIN_EFFECTIVE)
    assert found is not None
    assert found.independent == pytest.approx(81 / np.sum(correlation**2), rel=1e-9)
    assert 1 < found.independent < 2
    assert (found.chance == 1.0) is (found.claims == 0)


def together(n: int) -> np.ndarray:
    """n intervals without a gap."""
    return np.ones(n - 1, dtype=bool)


def test_the_nile_broke_in_1899():
    """Cobb 1978: the annual flow at Aswan fell with 1899."""
    flow = statsmodels.datasets.nile.load_pandas().data
    years = flow["year"].to_numpy()
    assert [years[index] for index in change_points(flow["volume"].to_numpy(), together(len(flow)))] == [1899]


@pytest.mark.parametrize("seed", range(8))
def test_change_points_are_those_of_ruptures(seed: int):
    rng = np.random.default_rng(seed)
    series = rng.normal(size=150) + np.repeat(rng.normal(0, 2, 5), 30)
    expected = ruptures.Pelt("l2", min_size=3, jump=1).fit(series).predict(8.0)
    partitions = Partitions.of(series)
    assert [*partitions.optimal(8.0), 150] == expected
    for changes in itertools.islice(partitions.by_number(), 6):
        dynamic = ruptures.Dynp("l2", min_size=3, jump=1).fit(series)
        assert [*changes, 150] == dynamic.predict(len(changes))


def test_a_series_is_parted_as_often_as_its_segments_allow():
    assert list(Partitions.of(np.arange(9.0)).by_number())[1:] == [[3, 6]]


def test_autocorrelated_noise_is_no_shift_of_level():
    """methods.md: with a penalty of 2 ln n alone, AR(0.8) noise false-alarmed fifty times in fifty."""
    scaled, plain = 0, 0
    for seed in range(50):
        noise = ar1(np.random.default_rng(seed), 365, 0.8, 1.0)
        scaled += bool(change_points(noise, together(365)))
        plain += bool(Partitions.of(noise).optimal(2 * np.log(365)))
    assert plain >= 45
    assert scaled <= 1


@pytest.mark.parametrize("size", [3.0, 10.0, 1e7])
def test_a_larger_shift_is_not_taken_for_correlation(size: float):
    """The noise was once told from the series with its shift in it: then a shift of five standard deviations hid."""
    for seed in range(20):
        series = np.random.default_rng(seed).normal(size=90)
        series[40:] += size
        (found,) = change_points(series, together(90))
        assert found == pytest.approx(40, abs=3)


@pytest.mark.parametrize("size", [3.0, 5.0, 8.0, 12.0, 1e7])
@pytest.mark.parametrize("levels", [(0, 1, 0), (0, 1, 2)])
def test_two_shifts_do_not_hide_each_other(size: float, levels: tuple[int, ...]):
    """The noise was once taken about one step: of two shifts the other was then taken for correlation."""
    for seed in range(20):
        series = np.random.default_rng(seed).normal(size=120) + size * np.repeat(levels, 40)
        assert change_points(series, together(120)) == pytest.approx([40, 80], abs=3)


@pytest.mark.parametrize("levels", [(0, 1, 0, 1, 0), (0, 1, 2, 1, 0)])
def test_nor_do_four(levels: tuple[int, ...]):
    for seed in range(20):
        series = np.random.default_rng(seed).normal(size=150) + 8 * np.repeat(levels, 30)
        assert change_points(series, together(150)) == pytest.approx([30, 60, 90, 120], abs=3)


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-9, 1e-6])
def test_a_step_with_hardly_any_noise_is_one(noise: float):
    """Without noise it once had no penalty to be found by, and with less than the sums are rounded by ten of them."""
    series = noise * np.random.default_rng(0).normal(size=90)
    series[40:] += 5
    assert change_points(series, together(90)) == [40]


def test_a_long_series_is_judged_by_blocks_and_finds_the_same_shift():
    rng = np.random.default_rng(1)
    series = rng.normal(size=8760)
    series[5000:] += 0.5
    (found,) = change_points(series, together(8760))
    assert found == pytest.approx(5000, abs=150)
    assert change_points(rng.normal(size=5), together(5)) == []


def test_a_series_that_does_not_err_has_no_change_points():
    assert change_points(np.zeros(90), together(90)) == []
    assert change_points(np.full(90, 0.1), together(90)) == []


@pytest.mark.parametrize("seed", range(20))
def test_the_rounding_of_a_series_is_no_noise_and_no_shift(seed: int):
    """Once its levels left residuals that no correlation could be told of, which ended the run."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.1, 2000)
    last_digit = np.spacing(size) * np.array([rng.integers(-1, 2, 60), np.arange(60) > 20, rng.random(60) < 0.1])
    for rounding in last_digit:
        assert change_points(size + rounding, together(60)) == []
        assert change_points(size + rounding + np.repeat([0, size / 10], 30), together(60)) == [30]


@pytest.mark.parametrize("method", ["avoided", "backcast", "normalised"])
def test_each_month_left_out_is_the_answer_without_it(method):
    case = Case(*line(5), method, adjustment=1e5, output="output")
    primary = primary_answer(OLS, case)
    assert isinstance(primary, Primary)
    found = without_months(primary.model, primary.noise, case, primary.estimate)
    assert [each.window for each in found].count("baseline") == 4
    for each in found:
        window = case.window(each.window)
        without = window.take(window.month != each.year * 12 + each.month)
        expected = primary_answer(OLS, case.with_window(each.window, without))
        assert isinstance(expected, Primary)
        assert each.delta == pytest.approx(expected.estimate.delta, rel=1e-12)
        assert each.share == pytest.approx(1 - len(without) / 120)


@pytest.mark.parametrize("method", ["avoided", "backcast"])
def test_the_most_influential_interval_is_found_by_leaving_each_out(method):
    baseline, reporting = line(6, 40)
    spoilt = dataclasses.replace(baseline, y=baseline.y + 4e5 * (np.arange(40) == 17))
    case = Case(spoilt, reporting, method, adjustment=3e5, output="output")
    primary = primary_answer(OLS, case)
    assert isinstance(primary, Primary)
    for found in most_influential(primary.model, case):
        changes = []
        for index in range(40):
            without = case.with_window(found.window, case.window(found.window).take(np.arange(40) != index))
            other = fit_model(OLS, without.fitted)
            assert isinstance(other, BaselineModel)
            estimate = without.answer(other, primary.noise)
            changes.append(estimate.delta - primary.estimate.delta)
        assert found.position == int(np.argmax(np.abs(changes)))
        assert found.change == pytest.approx(changes[found.position], rel=1e-6)


def test_matched_loads_find_the_change_without_a_model_of_the_load():
    baseline, reporting = line(7, 400)
    found = matched_load(answer(OLS, baseline, reporting).model, Case(baseline, reporting), 1.0)
    assert found is not None
    assert abs(found.delta + 260) < 3 * found.u < 60
    assert found.matched_percent > 95


def test_loads_without_a_like_are_not_compared():
    baseline, reporting = line(7, 100, load=500)
    model = answer(OLS, baseline, reporting).model
    assert matched_load(model, Case(baseline, reporting), 1.0) is None
    assert matched_load(model, Case(*line(7, 20)), 1.0) is None


def test_a_month_or_a_day_that_decides_alone_turns_a_verdict():
    baseline, reporting = line(8)
    found = turning(answer(OLS, baseline, reporting), Case(baseline, reporting, output="output"), 0.95)
    for change, month, expected in (
        (61.0, -260.0, ["INTERVAL_FLIPS"]),
        (0.0, -199.0, ["MONTH_FLIPS"]),
        (59.0, -201.0, []),
    ):
        fewer = dataclasses.replace(
            found,
            months=[WithoutMonth("reporting", 2026, 7, 0.25, month), WithoutMonth("reporting", 2026, 8, 0.26, -199.0)],
            influence=[Influence("reporting", 30, change)],
        )
        assert [finding.code for finding in judge(fewer, STANDING, NAMING, "output")] == expected
        assert judge(fewer, None, NAMING, "output") == []


def test_every_check_of_step_6_is_made():
    baseline, reporting = line(8)
    days = baseline.position.astype(float), 130.0 + reporting.position
    found = robustness(answer(OLS, baseline, reporting), Case(baseline, reporting, output="output"), 0.95, days)
    assert [entry.primary for entry in found.turning.panel].count(True) == 1
    assert found.placebo is not None
    assert len(found.placebo.dates) == 9
    assert len(found.turning.influence) == 2
    assert found.matched is not None
    assert found.changes == {"baseline": [], "reporting": []}
