"""The physics: the effect is exact, the noise is as stated, and the registers behave as meters do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from simulators.errors import SimulatorError
from simulators.plants.potline import REGISTER_MODULUS_KWH, Potline, PotlineParameters
from simulators.scenarios import scenario, scenarios
from simulators.timeline import CADENCE_US, Timeline, from_micros, micros

TIMELINE = Timeline(date(2025, 3, 1))
SEEDS = range(30)
MODULUS_KWH = REGISTER_MODULUS_KWH
POINTS = Potline.points


def potline(seed: int = 1, *, effect: float = -260.0, timeline: Timeline = TIMELINE, **changes: object) -> Potline:
    share = {"effect_kwh_per_t": effect} if effect else {"effect_share": 0.0}
    return Potline(replace(PotlineParameters(), **share, **changes), seed, timeline)


def kwh_per_t(line: Potline, start: datetime, end: datetime) -> float:
    energy_kwh, produced_t = line.energy_and_production(start, end)
    return energy_kwh / produced_t


def measured_change(line: Potline) -> float:
    """The raw change of energy per ton from the baseline to the reporting period, noise and all."""
    timeline = line.timeline
    before = kwh_per_t(line, timeline.baseline_start, timeline.baseline_end)
    return kwh_per_t(line, timeline.reporting_start, timeline.reporting_end) - before


def daily_increase(line: Potline, point: str, modulus: float = np.inf) -> np.ndarray:
    """What a counter counted on each baseline day, from its readings at midnight."""
    _, values = line.series(point, line.timeline.baseline_start, line.timeline.baseline_end)
    return np.mod(np.diff(values[::96]), modulus)


def lag1(series: np.ndarray) -> float:
    centred = series - series.mean()
    return float((centred[1:] @ centred[:-1]) / (centred @ centred))


def test_baseline_takes_about_13500_kwh_per_ton():
    baseline = [kwh_per_t(line, TIMELINE.baseline_start, TIMELINE.baseline_end) for line in map(potline, SEEDS)]
    assert np.mean(baseline) == pytest.approx(13_500, abs=15)


def test_line_makes_about_240000_tons_a_year():
    produced = [
        line.energy_and_production(TIMELINE.baseline_start, TIMELINE.baseline_end)[1] / 120
        for line in map(potline, SEEDS)
    ]
    assert np.mean(produced) * 365 == pytest.approx(240_000, rel=0.01)


@pytest.mark.parametrize("effect", [-260.0, -100.0, 0.0, 75.5])
def test_true_effect_follows_from_the_physics(effect):
    assert potline(effect=effect).truth()["energy"].value == pytest.approx(effect, abs=1e-9)


@pytest.mark.parametrize("effect", [-260.0, -100.0, 75.5])
def test_effect_changes_the_energy_of_every_ton_by_exactly_its_size(effect):
    window = (TIMELINE.reporting_start, TIMELINE.reporting_end)
    with_effect, produced_t = potline(effect=effect).energy_and_production(*window)
    without, same_t = potline(effect=0.0).energy_and_production(*window)
    assert produced_t == same_t
    assert (with_effect - without) / produced_t == pytest.approx(effect, abs=1e-6)


def test_effect_touches_nothing_before_the_works_end():
    saving, unchanged = potline(), potline(effect=0.0)
    for point in POINTS:
        before = [
            line.series(point, TIMELINE.baseline_start, TIMELINE.reporting_start)[1] for line in (saving, unchanged)
        ]
        # The first instant of the reporting period belongs to it, except for what the counters counted until then.
        assert np.array_equal(before[0][:-1], before[1][:-1]), point


@pytest.mark.parametrize("effect", [-260.0, 0.0])
def test_measured_change_scatters_around_the_true_effect(effect):
    changes = [measured_change(potline(seed, effect=effect)) for seed in SEEDS]
    assert np.mean(changes) == pytest.approx(effect, abs=10)
    assert 3 < np.std(changes) < 40  # there is noise to be uncertain about


def test_daily_specific_energy_is_autocorrelated_as_stated():
    rhos, deviations = [], []
    for line in map(potline, SEEDS):
        daily = daily_increase(line, "ac_energy", MODULUS_KWH) / daily_increase(line, "metal_tapped")
        rhos.append(lag1(daily))
        deviations.append(np.std(daily) / np.mean(daily))
    assert 0.3 < np.mean(rhos) < 0.7
    assert np.mean(deviations) == pytest.approx(0.005, rel=0.3)


def test_production_varies_from_day_to_day_so_that_a_regression_has_a_driver():
    spread = [np.std(daily) / np.mean(daily) for daily in (daily_increase(potline(s), "metal_tapped") for s in SEEDS)]
    assert 0.025 < np.mean(spread) < 0.05


def test_tapped_metal_differs_from_production_by_inventory_that_the_next_day_makes_good():
    line = potline()
    days = [TIMELINE.baseline_start + timedelta(days=day) for day in range(121)]
    produced = [line.energy_and_production(*window)[1] for window in pairwise(days)]
    difference = daily_increase(line, "metal_tapped") - produced
    assert np.std(difference) == pytest.approx(0.3, rel=0.3)
    assert lag1(difference) < -0.3


def test_energy_register_counts_the_truth_modulo_its_digits_and_rolls_over_in_both_periods():
    line = potline()
    for start, end in (
        (TIMELINE.baseline_start, TIMELINE.baseline_end),
        (TIMELINE.reporting_start, TIMELINE.reporting_end),
    ):
        _, register = line.series("ac_energy", start, end)
        steps = np.diff(register)
        assert np.all((register >= 0) & (register < MODULUS_KWH) & (register == np.floor(register)))
        assert np.count_nonzero(steps < 0) >= 1
        assert np.all(np.mod(steps, MODULUS_KWH) < 200_000)
        assert np.mod(steps, MODULUS_KWH).sum() == pytest.approx(line.energy_and_production(start, end)[0], abs=1)


def test_pot_voltage_explains_the_energy_per_ton():
    """What an auditor would check on the readings holds: DC kWh/t = 2980 * V / CE."""
    line = potline(stops_per_year=0.0)
    p = line.parameters
    for start, end in (
        (TIMELINE.baseline_start, TIMELINE.baseline_end),
        (TIMELINE.reporting_start, TIMELINE.reporting_end),
    ):
        _, voltage_v = line.series("pot_voltage", start, end)
        energy_kwh, produced_t = line.energy_and_production(start, end)
        auxiliary_kwh = p.auxiliary_kw * 24 * 120
        expected = 2980 * voltage_v[:-1].mean() / p.current_efficiency / p.rectifier_efficiency
        assert (energy_kwh - auxiliary_kwh) / produced_t == pytest.approx(expected, rel=5e-4)


def test_stopped_line_makes_nothing_and_takes_only_the_auxiliary_load():
    line = potline(stops_per_year=60.0)
    times, state = line.series("line_state", TIMELINE.baseline_start, TIMELINE.baseline_end)
    stopped = np.flatnonzero(state[:-1] == 0)
    assert 30 < len(stopped) < len(state) / 4
    for slot in stopped:
        window = (from_micros(int(times[slot]), TIMELINE.tz), from_micros(int(times[slot + 1]), TIMELINE.tz))
        assert line.energy_and_production(*window) == (line.parameters.auxiliary_kw / 4, 0.0)
    assert np.all(line.series("line_current", TIMELINE.baseline_start, TIMELINE.baseline_end)[1][stopped] == 0)
    tapped = line.series("metal_tapped", TIMELINE.baseline_start, TIMELINE.baseline_end)[1]
    assert np.all(np.diff(tapped) >= 0)


def test_stops_are_few():
    window = (TIMELINE.baseline_start, TIMELINE.reporting_end)
    shares = [np.mean(line.series("line_state", *window)[1] == 0) for line in map(potline, SEEDS)]
    assert 0 < np.mean(shares) < 0.005


def test_so2_falls_into_its_new_range_only_where_something_changed():
    for effect, after in ((-260.0, (25, 30)), (0.0, (100, 120))):
        line = potline(effect=effect)
        before_values = line.series("so2", TIMELINE.baseline_start, TIMELINE.baseline_end)[1]
        after_values = line.series("so2", TIMELINE.reporting_start, TIMELINE.reporting_end)[1]
        assert np.all((before_values >= 100) & (before_values <= 120))
        assert np.all((after_values >= after[0]) & (after_values <= after[1]))
        assert np.std(after_values) > 0


def test_staff_changes_with_the_shift_only_and_never_exceeds_the_roster():
    _, heads = potline().series("staff_on_shift", TIMELINE.baseline_start, TIMELINE.baseline_end)
    shifts = heads[:-1].reshape(120, 3, 32)
    assert np.all(shifts == shifts[:, :, :1])
    assert np.all(shifts[:, :, 0] <= (62, 70, 58))
    assert np.all(shifts[:, :, 0] >= (45, 50, 40))
    assert np.std(shifts[:, 0, 0]) > 0


def test_ambient_is_warm_in_july_and_in_the_afternoon():
    line = potline()
    times, degrees = line.series("ambient", TIMELINE.baseline_start, TIMELINE.reporting_end)
    local = [from_micros(int(t), TIMELINE.tz) for t in times]
    by_month = {month: degrees[[t.month == month for t in local]].mean() for month in (3, 7)}
    by_hour = {hour: degrees[[t.hour == hour for t in local]].mean() for hour in (3, 15)}
    assert by_month[7] - by_month[3] > 8
    assert by_hour[15] - by_hour[3] > 5


def test_two_lines_of_one_seed_agree_and_two_seeds_differ():
    first, again, other = potline(1), potline(1), potline(2)
    for point in POINTS:
        series = [
            line.series(point, TIMELINE.baseline_start, TIMELINE.reporting_end)[1] for line in (first, again, other)
        ]
        assert np.array_equal(series[0], series[1]), point
        if point != "line_state":
            assert not np.array_equal(series[0], series[2]), point


def test_live_values_join_the_quarter_hours():
    line = potline()
    begin = micros(TIMELINE.reporting_end + timedelta(days=3, hours=7))
    for point in POINTS:
        _, ends = line.series_us(point, begin, begin + CADENCE_US)
        seconds = np.array([line.value_us(point, begin + s * 1_000_000) for s in range(901)])
        assert (seconds[0], seconds[-1]) == tuple(ends), point
        if POINTS[point].kind.value == "counter":
            assert np.all(np.diff(seconds) >= 0), point
        assert min(ends) <= seconds.min() <= seconds.max() <= max(ends), point
    assert line.value("so2", from_micros(begin, TIMELINE.tz)) == line.value_us("so2", begin)


def test_series_holds_both_of_its_ends():
    times, values = potline().series("so2", TIMELINE.baseline_start, TIMELINE.baseline_end)
    assert len(times) == len(values) == 120 * 96 + 1
    assert (times[0], times[-1]) == (micros(TIMELINE.baseline_start), micros(TIMELINE.baseline_end))


def test_value_outside_the_life_of_the_plant_is_refused():
    line = potline()
    line.value_us("so2", line.first_us)
    line.value_us("so2", line.last_us)
    for instant in (line.first_us - 1, line.last_us + 1):
        with pytest.raises(SimulatorError, match="--first-day"):
            line.value_us("so2", instant)


def test_naive_instant_is_refused():
    with pytest.raises(SimulatorError, match="time zone"):
        potline().value("so2", datetime(2025, 4, 1))  # noqa: DTZ001 - that is the point
    assert micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1_000_000


@pytest.mark.parametrize("field", ["baseline_days", "works_days", "reporting_days"])
def test_period_without_a_day_is_refused(field):
    Timeline(date(2025, 3, 1), **{field: 1})
    with pytest.raises(SimulatorError, match=field):
        Timeline(date(2025, 3, 1), **{field: 0})


def test_days_are_cut_at_local_midnight_where_the_clock_changes():
    timeline = Timeline(date(2025, 3, 29), 1, 1, 1, tz=ZoneInfo("Europe/Berlin"))
    assert np.diff(timeline.day_starts_us())[:3].tolist() == [24 * 3600e6, 23 * 3600e6, 24 * 3600e6]
    times, _ = potline(timeline=timeline).series("so2", timeline.baseline_end, timeline.reporting_start)
    assert len(times) == 23 * 4 + 1


def test_unknown_scenario_is_refused_with_the_known_ones():
    assert scenario("hengkang-unchanged").parameters.effect_share == 0
    with pytest.raises(SimulatorError, match=", ".join(scenarios())):
        scenario("hengkong")
