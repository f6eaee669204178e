"""Every plant's readings bear out the truth that it tells: as a meter-reader with a pencil would find.

No engine here: plain ratios of what the devices show, over enough seeds that chance averages out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from simulators.plants import KINDS, Plant
from simulators.points import Kind
from simulators.scenarios import scenario, scenarios, with_parameters
from simulators.timeline import Timeline

TIMELINE = Timeline(date(2025, 3, 3))
SEEDS = range(12)
SHIFT_H = 7.5


@functools.cache
def plant(name: str, seed: int, **changes: float) -> Plant:
    return with_parameters(scenario(name), **changes).plant(seed, TIMELINE)


def spans(made: Plant) -> list[tuple]:
    timeline = made.timeline
    return [(timeline.baseline_start, timeline.baseline_end), (timeline.reporting_start, timeline.reporting_end)]


def counted(made: Plant, point: str) -> np.ndarray:
    """What the counter counted before and after."""
    steps = [np.diff(made.series(point, *span)[1]) for span in spans(made)]
    modulus = made.points[point].modulus
    return np.array([np.sum(step if modulus is None else np.mod(step, modulus)) for step in steps])


def mean_of(made: Plant, point: str, weight: str | None = None) -> np.ndarray:
    means = []
    for span in spans(made):
        values = made.series(point, *span)[1][:-1]
        weights = made.series(weight, *span)[1][:-1] if weight else None
        means.append(np.average(values, weights=weights))
    return np.array(means)


def ratio(over: str, under: str, factor: float = 1.0) -> Callable[[Plant], np.ndarray]:
    return lambda made: counted(made, over) / counted(made, under) * factor


def heads_at_work(made: Plant) -> np.ndarray:
    """The mean of the heads on shift, over the quarter-hours in which there is a shift."""
    means = []
    for span in spans(made):
        heads = made.series("staff_on_shift", *span)[1][:-1]
        means.append(heads[heads > 0].mean())
    return np.array(means)


def hours_of(made: Plant, state: str) -> np.ndarray:
    return np.array([made.series(state, *span)[1][:-1].sum() * 0.25 for span in spans(made)])


def person_hours(made: Plant) -> np.ndarray:
    return hours_of(made, "staff_on_shift")


MEASURED: dict[tuple[str, str], Callable[[Plant], np.ndarray]] = {
    ("hengkang", "so2"): lambda made: mean_of(made, "so2"),
    ("yangshao", "rate"): lambda made: counted(made, "bottles") / hours_of(made, "lines_running"),
    ("yangshao", "staff"): heads_at_work,
    ("yangshao", "productivity"): lambda made: counted(made, "bottles") / person_hours(made),
    ("juntong", "rate"): lambda made: counted(made, "vehicles") / hours_of(made, "line_state") * SHIFT_H,
    ("juntong", "staff"): heads_at_work,
    ("hongxin", "auto_capture"): ratio("records_auto", "records", 100),
    ("hongxin", "record_errors"): ratio("records_wrong", "records", 100),
    ("hongxin", "rate"): lambda made: counted(made, "output") / hours_of(made, "line_state"),
    ("hongxin", "labour_cost"): lambda made: counted(made, "labour_cost") / 120,
    ("yongtai", "first_pass_yield"): ratio("boards_first_pass", "boards", 100),
    ("yongtai", "staff"): lambda made: mean_of(made, "staff_on_shift"),
}


@pytest.mark.parametrize(("name", "measure"), MEASURED, ids=lambda text: text)
def test_plain_change_of_the_readings_is_the_true_effect_on_average(name, measure):
    changes = [np.diff(MEASURED[name, measure](plant(name, seed)))[0] for seed in SEEDS]
    truth = plant(name, 0).truth()[measure].value
    error = np.std(changes, ddof=1) / np.sqrt(len(changes))
    assert np.std(changes) > 0, "without noise there is nothing to judge"
    assert abs(np.mean(changes) - truth) < 4 * error + 0.002 * abs(truth)


LEVELS = MEASURED | {
    ("hengkang", "energy"): ratio("ac_energy", "metal_tapped"),
    ("hengkang", "dc_energy"): ratio("dc_energy", "metal_tapped"),
    ("huaxin", "energy"): ratio("energy", "foil"),
    ("jinrong", "electricity"): ratio("electricity", "clinker"),
    ("jinrong", "heat"): lambda made: counted(made, "coal") * 23_000 / counted(made, "clinker"),
}


@pytest.mark.parametrize(("name", "measure"), LEVELS, ids=lambda text: text)
def test_level_before_the_works_is_the_one_that_the_truth_starts_from(name, measure):
    before = np.mean([LEVELS[name, measure](plant(name, seed))[0] for seed in SEEDS])
    assert before == pytest.approx(plant(name, 0).truth()[measure].before, rel=0.01)


@pytest.mark.parametrize(
    ("name", "point", "per"),
    [("huaxin", "energy", "foil"), ("jinrong", "electricity", "clinker"), ("hengkang", "dc_energy", "metal_tapped")],
)
def test_works_change_the_energy_of_every_ton_by_exactly_the_effect(name, point, per):
    """The same seed with and without the effect: everything else, noise included, is the same."""
    changed, unchanged = plant(name, 3), plant(name, 3, effect_share=0)
    assert np.array_equal(counted(changed, per), counted(unchanged, per))
    saved = (counted(changed, point) - counted(unchanged, point)) / counted(changed, per)
    measure = {"dc_energy": "dc_energy"}.get(point, "electricity" if name == "jinrong" else "energy")
    assert saved == pytest.approx([0.0, changed.truth()[measure].value], abs=0.01)


def test_heat_of_the_kiln_is_coal_times_calorific_value():
    changed, unchanged = plant("jinrong", 3), plant("jinrong", 3, effect_share=0)
    heats = []
    for made in (changed, unchanged):
        for span in spans(made):
            coal = np.diff(made.series("coal", *span)[1])
            heats.append(np.sum(coal * made.series("coal_calorific", *span)[1][:-1]) * 1000)
    tons = counted(changed, "clinker")
    saved = (np.array(heats[:2]) - np.array(heats[2:])) / tons
    assert saved == pytest.approx([0.0, changed.truth()["heat"].value], abs=0.2)


def test_plain_energy_per_ton_of_foil_hides_a_third_of_the_saving_behind_the_mix():
    ratios = [counted(plant("huaxin", seed), "energy") / counted(plant("huaxin", seed), "foil") for seed in SEEDS]
    plain = np.mean([np.diff(ratio)[0] for ratio in ratios])
    assert plain == pytest.approx(plant("huaxin", 1).truth()["energy"].value * 2 / 3, rel=0.15)


def test_grades_of_foil_add_up_to_its_output():
    made = plant("huaxin", 2)
    grades = sum(counted(made, f"foil_{grade}um") for grade in (6, 8, 12))
    assert grades == pytest.approx(counted(made, "foil"), abs=0.01)


def test_lines_of_the_packaging_hall_add_up_and_rest_at_night_and_on_sundays():
    made = plant("yangshao", 2)
    assert sum(counted(made, f"line{number:02}_bottles") for number in range(1, 17)) == pytest.approx(
        counted(made, "bottles")
    )
    start, end = spans(made)[0]
    bottles = np.diff(made.series("bottles", start, end)[1]).reshape(-1, 96)
    by_weekday = bottles.sum(axis=1).reshape(-1)[:119].reshape(-1, 7)  # TIMELINE begins on a Monday
    assert np.all(by_weekday[:, 5:] == 0)
    assert np.all(by_weekday[:, :5] > 0)
    assert np.all(bottles[:, : 8 * 4] == 0)
    assert np.all(bottles[:, 16 * 4 :] == 0)


def test_potline_that_stood_idle_made_no_metal_and_took_its_auxiliary_load_only():
    made = scenario("hengkang-idle").plant(1, TIMELINE)
    assert counted(made, "metal_tapped")[0] == 0
    assert counted(made, "ac_energy")[0] == pytest.approx(made.parameters.auxiliary_kw * 24 * 120, rel=1e-6)
    assert counted(made, "metal_tapped")[1] > 70_000


def test_energy_of_the_site_balances_at_the_main_meter():
    main, line, site = (counted(plant("hengkang", 1), f"{name}_energy") for name in ("main", "ac", "site"))
    assert main == pytest.approx(line + site, rel=1e-6)


def test_stop_that_is_not_admitted_makes_nothing_while_the_state_says_that_the_line_runs():
    made = with_parameters(scenario("hengkang"), stopped_days=3).plant(1, TIMELINE)
    start, end = spans(made)[1]
    daily = np.diff(made.series("metal_tapped", start, end)[1][::96])
    assert np.all(daily[10:13] < 2)
    assert np.all(daily[13:] > 500)
    assert made.series("line_state", start, end)[1][10 * 96 : 13 * 96].mean() > 0.95


def test_alumina_and_metal_of_the_potline_balance():
    fed, tapped = counted(plant("hengkang", 1), "alumina_fed"), counted(plant("hengkang", 1), "metal_tapped")
    assert fed / tapped == pytest.approx([1.93, 1.93], rel=0.005)


@pytest.mark.parametrize("name", scenarios())
def test_counters_never_turn_back_and_readings_have_the_devices_decimals(name):
    made = plant(name, 5)
    for point in made.points.values():
        _, values = made.series(point.name, made.timeline.baseline_start, made.timeline.reporting_end)
        assert np.allclose(values, np.round(values, point.decimals)), point.name
        if point.kind is Kind.COUNTER and point.modulus is None:
            assert np.all(np.diff(values) >= 0), point.name


@pytest.mark.parametrize("name", scenarios())
def test_two_plants_of_one_seed_agree_and_two_seeds_differ(name):
    first, again, other = (scenario(name).plant(seed, TIMELINE) for seed in (1, 1, 2))
    differing = 0
    for point in first.points:
        series = [
            made.series(point, TIMELINE.baseline_start, TIMELINE.reporting_end)[1] for made in (first, again, other)
        ]
        assert np.array_equal(series[0], series[1]), point
        differing += not np.array_equal(series[0], series[2])
    assert differing >= len(first.points) / 2


def test_a_potline_of_ninety_days_that_shall_be_met_asks_for_what_shows_on_every_seed():
    short = [each for each in scenarios().values() if each.plan == "hengkang" and each.days[0] <= 90]
    met = [each for each in short if "met" in each.verdicts]
    assert met
    for each in met:
        assert each.amend.get("measures", {}).get("energy", {}).get("target") == {"at_most": -150}, each.name


def test_every_kind_of_plant_has_a_scenario_and_every_point_a_unit():
    assert {known.kind for known in scenarios().values()} == set(KINDS)
    assert all(point.unit for kind in KINDS.values() for point in kind.plant.points.values())
