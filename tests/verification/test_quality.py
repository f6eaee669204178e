"""Each suspicion about readings, from both sides of its limit."""

from __future__ import annotations

import datetime as dt

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.plans import plan_text
from simulators.timeline import Timeline
from tests.verification.lines import changed, hengkang_plan, micros
from verification.finding_catalogue import CATALOGUE
from verification.model import PointKind, RowFlag
from verification.plan import Model, Point, Window, parse_plan
from verification.quality.copied import copied_from
from verification.quality.points import only_checking_points
from verification.quality.readings import _medians_of_five, check_readings, plausible, stuck
from verification.series.calendar import Calendar
from verification.series.columns import Series

HOUR_US = 3_600_000_000
DAYS = 20
RNG = np.random.default_rng(5)
HOURS = DAYS * 24


def plan_of(kind: PointKind = PointKind.GAUGE, unit: str = "degC", **changes):
    """A plan of 20 days of hourly readings of the point x, and 20 days after them."""
    start = dt.date(2026, 3, 1)
    plan = hengkang_plan(
        baseline=Window(start, start + dt.timedelta(days=DAYS)),
        reporting=Window(start + dt.timedelta(days=DAYS), start + dt.timedelta(days=2 * DAYS)),
    )
    about = Point(kind, unit, cadence_s=3600, **changes)
    return msgspec.structs.replace(plan, points=plan.points | {"x": about})


PLAN = plan_of()
START_US = micros(PLAN, PLAN.baseline.start)
TIMES = START_US + np.arange(HOURS, dtype=np.int64) * HOUR_US
NOISY = 50 + RNG.normal(0, 1, HOURS)
COUNTER = np.cumsum(1000 + RNG.normal(0, 50, HOURS))


def found(value, time_us=TIMES, *, plan=PLAN, flags=None, only_checks=False) -> dict[str, dict]:
    """What is found in readings of the baseline."""
    series = Series.of(time_us, value, flags=flags)
    calendar, later = Calendar.of(plan, "baseline"), Calendar.of(plan, "reporting")
    windows = [(calendar, series), (later, Series.of([], []))]
    findings = check_readings("x", plan.points["x"], windows, only_checks=only_checks)
    return {finding.code: finding.data for finding in findings}


def test_ordinary_readings_raise_no_suspicion():
    assert found(NOISY) == {}
    assert found(COUNTER, plan=plan_of(PointKind.COUNTER, "kWh")) == {}
    assert found([], []) == {}


# Gaps.


@pytest.mark.parametrize(("missing", "named"), [(4, False), (5, True)])
def test_gaps_of_a_gauge_are_named_from_one_percent_of_the_window(missing: int, *, named: bool):
    """One percent of 480 hours is 4.8 hours."""
    keep = np.ones(HOURS, dtype=bool)
    keep[100 : 100 + missing] = False
    assert ("READING_GAPS" in found(NOISY[keep], TIMES[keep])) == named


def test_a_gap_says_how_long_it_was():
    keep = np.ones(HOURS, dtype=bool)
    keep[100:130] = False
    data = found(NOISY[keep], TIMES[keep])["READING_GAPS"]
    assert (data["count"], data["hours"], data["longest"], data["first"]) == (1, "30.00", "30.00", "2026-03-05")


# Stuck values.


def hung(readings: int, start: int = 100) -> np.ndarray:
    value = NOISY.copy()
    value[start : start + readings] = value[start]
    return value


@pytest.mark.parametrize(("readings", "count"), [(23, 0), (24, 24)])
def test_a_sensor_hangs_from_24_like_readings(readings: int, count: int):
    assert stuck(PLAN.points["x"], Series.of(TIMES, hung(readings))).sum() == count


def test_a_run_of_like_readings_must_last_a_quarter_of_a_day():
    quick = START_US + np.arange(HOURS, dtype=np.int64) * 60_000_000
    assert not stuck(PLAN.points["x"], Series.of(quick, hung(360))).any()
    assert stuck(PLAN.points["x"], Series.of(quick, hung(361))).sum() == 361


def test_a_laboratory_s_value_stands_for_a_shift_by_right():
    """Read every quarter of an hour, but due every eight hours: a day of one value is three due readings."""
    quarters = START_US + np.arange(HOURS, dtype=np.int64) * 900_000_000
    lab = plan_of().points["x"]
    lab = msgspec.structs.replace(lab, cadence_s=28_800)
    assert not stuck(lab, Series.of(quarters, hung(96))).any()
    assert stuck(lab, Series.of(quarters, hung(97))).sum() == 97


def test_a_sensor_that_never_moves_is_stuck_and_a_count_of_people_is_not():
    assert stuck(PLAN.points["x"], Series.of(TIMES, np.full(HOURS, 21.5))).all()
    assert not stuck(PLAN.points["x"], Series.of(TIMES, np.full(HOURS, 24.0))).any()
    assert not stuck(plan_of(PointKind.STATE, "1").points["x"], Series.of(TIMES, np.full(HOURS, 0.5))).any()


TOTALS = plan_of(PointKind.INTERVAL_TOTAL, "kWh")


def test_totals_hang_where_all_others_change():
    point = TOTALS.points["x"]
    assert stuck(point, Series.of(TIMES, hung(24))).sum() == 24
    assert not stuck(point, Series.of(TIMES, hung(23))).any()


def test_totals_that_stand_by_right_do_not_hang():
    point, fixed = TOTALS.points["x"], np.round(NOISY / 4) * 4 + 0.5
    stopped, at_rest = NOISY.copy(), NOISY.copy()
    stopped[100:200], at_rest[100:200] = 0.0, 3.1
    halves = np.where(np.arange(HOURS) < 200, NOISY, fixed)  # of its steps too few move for a run to be no chance
    mostly = np.where(np.arange(HOURS) % 120 < 40, NOISY, 8.0)  # at rest for longer than it works
    for value in (fixed, stopped, at_rest, halves, mostly):
        assert not stuck(point, Series.of(TIMES, value)).any()


# Spikes.


def spiked(size: float, readings: int = 1) -> dict[str, dict]:
    value = np.tile([50.0, 51.0, 52.0, 51.0], HOURS // 4) + np.linspace(0, 1e-3, HOURS)
    value[200 : 200 + readings] += size
    return found(value)


@pytest.mark.parametrize(("size", "named"), [(10.0, False), (18.0, True), (-18.0, True)])
def test_a_single_reading_far_from_its_neighbours_is_a_spike(size: float, *, named: bool):
    assert ("SPIKES" in spiked(size)) == named


@pytest.mark.parametrize(("size", "named"), [(2.9, False), (3.1, True)])
def test_where_neighbours_hardly_differ_the_range_of_all_the_others_spares_a_reading(size: float, *, named: bool):
    """A sawtooth of a small step: the range of the middle half is 1, and three of it are far more than ten steps."""
    value = np.abs(np.linspace(-2.0, 2.0, HOURS) % 2 - 1) * 2 + np.tile([0.0, 0.001], HOURS // 2)
    value[100] += size
    assert np.ptp(np.quantile(np.delete(value, 100), [0.25, 0.75])) == pytest.approx(1.0, abs=0.02)
    assert ("SPIKES" in found(value)) == named


@given(st.lists(st.floats(-1e18, 1e18), min_size=5))
def test_the_median_of_each_five_is_a_median(values: list[float]):
    fives = np.lib.stride_tricks.sliding_window_view(np.array(values), 5)
    assert _medians_of_five(np.array(values)).tolist() == np.median(fives, axis=1).tolist()


@pytest.mark.parametrize(
    ("start", "values", "named"),
    [
        (200, [150.0], True),
        (200, [0.0], False),  # a short stop
        (200, [0.0, 0.0, 0.0, 70.0], False),  # a start that takes more
        (200, [0.0] * 9 + [50.0] + [0.0] * 9, False),  # a trial run
        (200, [100.5], False),  # what was counted late
    ],
)
def test_of_totals_only_what_no_running_line_makes_is_a_spike(start: int, values: list[float], *, named: bool):
    value = NOISY.copy()
    value[start : start + len(values)] = values
    assert ("SPIKES" in found(value, plan=TOTALS)) == named


def test_a_batch_among_totals_of_nothing_is_no_spike():
    batches = np.where(np.arange(HOURS) % 8 == 0, 7.5 + RNG.normal(0, 0.1, HOURS), 0.0)
    batches[80] *= 2  # two batches
    assert "SPIKES" not in found(batches, plan=TOTALS)


def test_a_level_that_stays_is_no_spike():
    assert "SPIKES" not in spiked(18.0, readings=100)


# A level that jumps for good.


def jumped(size: float, at: int = 200, until: int = HOURS, base: np.ndarray = NOISY, **about) -> dict[str, dict]:
    value = base.copy()
    value[at:until] += size
    return found(value, plan=plan_of(**about))


@pytest.mark.parametrize(("size", "named"), [(480.0, False), (580.0, True), (1e7, True), (-700.0, True)])
def test_a_level_that_jumps_for_good_by_ten_times_its_own_size_is_named(size: float, *, named: bool):
    assert ("LEVEL_JUMP" in jumped(size)) == named
    assert ("LEVEL_JUMP" in jumped(size, kind=PointKind.INTERVAL_TOTAL, unit="kWh")) == named


def test_a_jump_says_where_it_is_and_how_far():
    data = jumped(1e7)["LEVEL_JUMP"]
    assert data["first"] == "2026-03-09"
    assert (data["before"], data["after"]) == (f"{np.median(NOISY[:200]):.6g}", f"{np.median(NOISY[200:] + 1e7):.6g}")


def test_levels_that_change_by_right_are_no_jump():
    assert "LEVEL_JUMP" not in jumped(1e7, at=200, until=300)  # it came back
    assert "LEVEL_JUMP" not in jumped(23.0, base=np.zeros(HOURS), unit="head")  # a line that stood, and was manned
    assert "LEVEL_JUMP" not in jumped(-12.0, base=np.full(HOURS, 24.0), unit="head")  # fewer people
    assert "LEVEL_JUMP" not in jumped(40.0, base=NOISY * np.linspace(0.1, 1, HOURS))  # a level that rises, and a step
    assert "LEVEL_JUMP" not in jumped(1e7, at=HOURS - 2)  # two readings


def test_what_the_retrofit_changed_between_the_windows_is_no_jump():
    calendars = [Calendar.of(PLAN, label) for label in ("baseline", "reporting")]
    times = TIMES, TIMES + DAYS * 24 * HOUR_US
    levels = NOISY, NOISY / 40
    windows = [(each, Series.of(*pair)) for each, pair in zip(calendars, zip(times, levels, strict=True), strict=True)]
    assert "LEVEL_JUMP" not in {finding.code for finding in check_readings("x", PLAN.points["x"], windows)}


# Clock steps.


def shifted(step_s: int, at: int = 200) -> np.ndarray:
    times = TIMES.copy()
    times[at:] += step_s * 1_000_000
    return times


@pytest.mark.parametrize(("step_s", "named"), [(60, False), (61, True), (-61, True), (600, True)])
def test_a_rhythm_that_is_shifted_for_good_is_a_clock_step(step_s: int, *, named: bool):
    findings = found(NOISY, shifted(step_s))
    assert ("CLOCK_STEPS" in findings) == named
    assert not named or findings["CLOCK_STEPS"] | {"count": 1, "seconds": step_s} == findings["CLOCK_STEPS"]


def test_a_clock_is_weighed_as_soon_as_one_reading_is_not_to_the_microsecond():
    times = np.append(TIMES[:-1] + np.arange(HOURS - 1) * 500_000, TIMES[-1] + HOURS * 500_000)
    assert float(found(NOISY, times)["CLOCK_SKEW"]["seconds_a_day"]) == pytest.approx(12.0)
    assert found(NOISY, TIMES) == found(NOISY, np.append(TIMES[:-1], TIMES[-1] + 1)) == {}


def test_one_late_reading_is_no_clock_step():
    times = TIMES.copy()
    times[200] += 600_000_000
    assert found(NOISY, times) == {}


def test_readings_that_come_when_they_come_have_no_rhythm():
    jitter = RNG.integers(-900_000_000, 900_000_000, HOURS)
    assert "CLOCK_STEPS" not in found(NOISY, TIMES + jitter)


@pytest.mark.parametrize(("gain_s", "named"), [(9.9, False), (10.1, True), (-10.1, True), (20.0, True)])
def test_a_clock_that_gains_more_than_ten_seconds_a_day_is_named(gain_s: float, *, named: bool):
    times = START_US + np.rint(np.arange(HOURS) * HOUR_US * (1 + gain_s / 86_400)).astype(np.int64)
    findings = found(NOISY, times)
    assert ("CLOCK_SKEW" in findings) == named
    assert "CLOCK_STEPS" not in findings
    assert not named or float(findings["CLOCK_SKEW"]["seconds_a_day"]) == pytest.approx(gain_s, abs=0.05)


@pytest.mark.parametrize(("timezone", "named"), [("Europe/Berlin", False), ("Asia/Shanghai", True)])
def test_a_reading_a_day_keeps_the_clock_on_the_wall(timezone: str, *, named: bool):
    """Midnights in Berlin, of which those from 29 March 2026 on come an hour earlier: in Shanghai a clock was set."""
    plan = msgspec.structs.replace(
        plan_of(), timezone=timezone, baseline=Window(dt.date(2026, 3, 1), dt.date(2026, 5, 1))
    )
    plan = msgspec.structs.replace(plan, points=plan.points | {"x": Point(PointKind.GAUGE, "degC", cadence_s=86_400)})
    berlin = msgspec.structs.replace(plan, timezone="Europe/Berlin")
    times = [micros(berlin, dt.date(2026, 3, 1) + dt.timedelta(days)) for days in range(1, 60)]
    assert ("CLOCK_STEPS" in found(NOISY[: len(times)], times, plan=plan)) == named


# A change of unit.


def level(factor: float, days: int, base: np.ndarray = NOISY) -> np.ndarray:
    value = base.copy()
    value[100 * 1 : 100 + days * 24] *= factor
    return value


@pytest.mark.parametrize(
    ("factor", "days", "named"),
    [(1000.0, 5, True), (0.001, 5, True), (3600.0, 5, True), (1000.0, 2, False), (690.0, 5, False), (10.0, 5, False)],
)
def test_a_level_that_is_a_factor_of_units_away_for_days_is_named(factor: float, days: int, *, named: bool):
    findings = found(level(factor, days))
    assert ("UNIT_CHANGED" in findings) == named
    assert not named or float(findings["UNIT_CHANGED"]["factor"]) == pytest.approx(factor)


@pytest.mark.parametrize(("factor", "named"), [(499.0, False), (501.0, False), (699.0, False), (701.0, True)])
def test_no_level_is_spared_for_lying_close_to_the_others(factor: float, *, named: bool):
    """Of a steady line no reading is further from another than the days of the other unit are."""
    assert ("UNIT_CHANGED" in found(level(factor, 5, np.full(HOURS, 50.0)))) == named
    assert ("UNIT_CHANGED" in found(level(1 / factor / 1.1, 5, np.full(HOURS, 50.0)))) == named


def test_a_unit_is_told_from_the_level_of_its_own_window():
    """The works halved the level; ten days of the baseline are in thousandths, of which few digits are left."""
    calendars = [Calendar.of(PLAN, label) for label in ("baseline", "reporting")]
    before = np.round(level(0.001, 10, 110 + RNG.normal(0, 3, HOURS)), 1)
    after = Series.of(TIMES + HOURS * HOUR_US, 28 + RNG.normal(0, 1, HOURS))
    windows = list(zip(calendars, [Series.of(TIMES, before), after], strict=True))
    assert "UNIT_CHANGED" in {finding.code for finding in check_readings("x", PLAN.points["x"], windows)}


@pytest.mark.parametrize(("factor", "named"), [(1000.0, True), (10.0, False), (0.25, False)])
def test_a_whole_window_in_another_unit_is_named_and_a_real_effect_is_not(factor: float, *, named: bool):
    calendars = [Calendar.of(PLAN, label) for label in ("baseline", "reporting")]
    after = Series.of(TIMES + HOURS * HOUR_US, factor * (50 + RNG.normal(0, 1, HOURS)))
    windows = list(zip(calendars, [Series.of(TIMES, NOISY), after], strict=True))
    assert ("UNIT_CHANGED" in {f.code for f in check_readings("x", PLAN.points["x"], windows)}) == named


def by_day(kind: PointKind, factor: float, days: slice) -> dict[str, dict]:
    """What is found in sixty readings that come once a day, half of them before the works."""
    plan = plan_of(kind, "kWh")
    start = dt.date(2026, 3, 1)
    halves = [Window(start + dt.timedelta(30 * half), start + dt.timedelta(30 * half + 30)) for half in range(2)]
    plan = msgspec.structs.replace(plan, baseline=halves[0], reporting=halves[1])
    point = msgspec.structs.replace(plan.points["x"], cadence_s=86_400)
    value = 50 + np.random.default_rng(3).normal(0, 1, 60)
    value[days] *= factor
    times = START_US + np.arange(60, dtype=np.int64) * 24 * HOUR_US
    series = Series.of(times, np.cumsum(value) if kind is PointKind.COUNTER else value)
    calendars = [Calendar.of(plan, label) for label in ("baseline", "reporting")]
    windows = [(calendar, series.between(calendar.span_us)) for calendar in calendars]
    return {finding.code: finding.data for finding in check_readings("x", point, windows)}


@pytest.mark.parametrize("kind", [PointKind.INTERVAL_TOTAL, PointKind.COUNTER, PointKind.GAUGE])
@pytest.mark.parametrize("days", [slice(40, 46), slice(30, 60), slice(0, 30)])
def test_of_readings_that_come_once_a_day_a_unit_is_told_too(kind: PointKind, days: slice):
    assert "UNIT_CHANGED" in by_day(kind, 0.001, days)
    assert "UNIT_CHANGED" not in by_day(kind, 0.01, days)


@pytest.mark.parametrize(
    ("factor", "named"), [(3.6, True), (3.5, True), (0.9 / 3.6, False), (0.95 / 3.6, True), (3.0, False), (4.2, False)]
)
def test_a_window_of_megajoules_among_kilowatt_hours_is_doubted(factor: float, *, named: bool):
    findings = by_day(PointKind.INTERVAL_TOTAL, factor, slice(30, 60))
    assert ("UNIT_DOUBTFUL" in findings) == named
    assert not named or findings["UNIT_DOUBTFUL"]["window"] == "reporting"


def test_a_register_that_counts_in_another_unit_is_named():
    rises = level(0.001, 6, np.diff(COUNTER, prepend=0.0))
    assert "UNIT_CHANGED" in found(np.cumsum(rises), plan=plan_of(PointKind.COUNTER, "kWh"))


# Copied periods.


def test_a_copied_day_is_named_with_its_source():
    value = NOISY.copy()
    value[240:264] = value[48:72]
    data = found(value)["COPIED_PERIOD"]
    assert (data["count"], data["first"], data["source"]) == (24, "2026-03-11", "2026-03-03")


def test_a_copied_month_onto_a_register_as_it_stood_is_named():
    rises = np.diff(COUNTER, prepend=0.0)
    rises[240:470] = rises[5:235]
    data = found(np.cumsum(rises), plan=plan_of(PointKind.COUNTER, "kWh"))["COPIED_PERIOD"]
    assert data["count"] == 230


@pytest.mark.parametrize(("last", "named"), [(0.0, True), (1e-4, False)])
def test_one_reading_that_differs_makes_it_no_copy(last: float, *, named: bool):
    value = NOISY.copy()
    value[240:264] = value[48:72]
    value[263] += last
    assert ("COPIED_PERIOD" in found(value)) == named


def test_a_copy_is_found_in_values_of_few_digits():
    value = np.round(28 + RNG.normal(0, 0.8, HOURS), 1)
    assert len(np.unique(value)) < 60
    value[240:360] = value[48:168]
    assert found(value)["COPIED_PERIOD"]["count"] == 120


def test_a_machine_at_its_fixed_rate_repeats_itself_by_right():
    pattern = np.repeat([450.0, 0.0, 225.0], [16, 6, 2])
    assert found(np.tile(pattern, DAYS), plan=plan_of(PointKind.INTERVAL_TOTAL, "piece")) == {}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(24, 200), st.integers(0, 200))
def test_a_copy_is_found_wherever_it_is_and_noise_is_not_one(seed: int, length: int, start: int):
    value = np.random.default_rng(seed).normal(0, 1, 700)
    assert (copied_from(value, 3600) == -1).all()
    value[450 : 450 + length] = value[start : start + length]
    origin = copied_from(value, 3600)
    assert origin[450 : 450 + length].tolist() == list(range(start, start + length))
    assert np.count_nonzero(origin >= 0) == length


def test_a_line_that_stands_at_weekends_repeats_nothing_by_that_and_hides_no_copy():
    weekend = np.arange(HOURS) // 24 % 7 % 6 == 0  # the first day is a Sunday
    value = np.where(weekend, 0.0, NOISY)
    assert "COPIED_PERIOD" not in found(value)
    value[240:264] = value[72:96]
    assert found(value)["COPIED_PERIOD"] == {
        "point": "x", "window": "baseline", "count": 24, "first": "2026-03-11", "source": "2026-03-04",
    }  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(900, 96), (3600, 24), (86_400, 12)]), st.data())
def test_the_shortest_copy_is_found_at_any_place_and_none_that_is_shorter(seed: int, block: tuple[int, int], data):
    cadence_s, length = block
    start, at = data.draw(st.integers(0, 300 - length)), data.draw(st.integers(300, 600 - length))
    value = np.random.default_rng(seed).normal(0, 1, 600)
    value[at : at + length - 1] = value[start : start + length - 1]
    assert (copied_from(value, cadence_s) == -1).all()
    value[at + length - 1] = value[start + length - 1]
    assert np.flatnonzero(copied_from(value, cadence_s) >= 0).tolist() == list(range(at, at + length))


# How readings came, and what cannot be.


@pytest.mark.parametrize(
    ("flag", "count", "code"),
    [
        (RowFlag.BACKFILLED, 48, None),
        (RowFlag.BACKFILLED, 49, "BACKFILLED_SHARE"),
        (RowFlag.MANUAL, 0, None),
        (RowFlag.MANUAL, 1, "MANUAL_SHARE"),
    ],
)
def test_backfilled_and_manual_readings_are_counted(flag: RowFlag, count: int, code: str | None):
    flags = np.zeros(HOURS, dtype=np.uint8)
    flags[:count] = flag
    assert list(found(NOISY, flags=flags)) == ([code] if code else [])


def test_manual_readings_are_a_warning_where_a_figure_stands_on_them_and_a_note_where_they_only_check():
    flags = np.full(HOURS, RowFlag.MANUAL, dtype=np.uint8)
    severities = {}
    for only_checks in (False, True):
        (code,) = found(NOISY, flags=flags, only_checks=only_checks)
        severities[code] = CATALOGUE[code].severity
    assert severities == {"MANUAL_SHARE": "warning", "MANUAL_CROSS_CHECK": "info"}


MEASURED_BY_ROSTER = {"measures": {"staff": {"inputs": {"staff": "roster_team1"}}}}
GATED_BY_ROSTER = {"run_state": {"point": "roster_team1", "gate": False}}


@pytest.mark.parametrize(
    ("amend", "checking"),
    [
        ({}, {"roster_team1", "roster_team2"}),
        (MEASURED_BY_ROSTER, {"roster_team2"}),
        (GATED_BY_ROSTER, {"roster_team2"}),
        ({"balances": None}, set()),
    ],
)
def test_point_only_checks_where_no_measure_and_no_run_state_reads_it(amend, checking):
    text = plan_text("yangshao", "hall", Timeline(dt.date(2026, 1, 5)), amend)
    assert only_checking_points(parse_plan(text.encode())) == checking


@pytest.mark.parametrize(
    ("unit", "limits", "value", "kept"),
    [
        ("mg/m3", {}, -0.001, False),
        ("mg/m3", {}, 0.0, True),
        ("head", {}, -1.0, False),
        ("degC", {}, -20.0, True),
        ("degC", {"minimum": -10.0}, -10.0, True),
        ("degC", {"minimum": -10.0}, -10.1, False),
        ("degC", {"maximum": 60.0}, 60.0, True),
        ("degC", {"maximum": 60.0}, 60.1, False),
    ],
)
def test_impossible_values_are_left_out_and_named(unit: str, limits: dict, value: float, *, kept: bool):
    readings, findings = plausible("x", plan_of(unit=unit, **limits), Series.of([1, 2], [value, 1.0]))
    assert len(readings) == (2 if kept else 1)
    assert [finding.code for finding in findings] == ([] if kept else ["IMPOSSIBLE_VALUES"])


@pytest.mark.parametrize(("value", "kept"), [(-1.0, 0), (0.0, 1), (16.0, 1)])
def test_a_state_that_a_formula_takes_for_an_amount_is_not_below_nothing(value: float, kept: int):
    """Another one may hold any code, of which 0.5 and above mean that the line runs."""
    plan = plan_of(PointKind.STATE, "1")
    readings = Series.of([1], [value])
    assert len(plausible("x", changed(plan, model=Model("ols", ["metal_tapped", "hours(x)"])), readings)[0]) == kept
    assert len(plausible("x", plan, readings)[0]) == 1


@pytest.mark.parametrize("value", [3e-320, -1e-19, 0.0])
def test_a_value_that_arithmetic_left_of_nothing_is_nothing(value: float):
    readings, findings = plausible("x", PLAN, Series.of([1, 2], [value, 5.0]))
    assert readings.value.tolist() == [0.0, 5.0]
    assert findings == []


@pytest.mark.parametrize(("value", "kept"), [(600_000.0, True), (600_001.0, False)])
def test_an_interval_total_beyond_its_meter_s_rate_is_impossible(value: float, *, kept: bool):
    plan = plan_of(PointKind.INTERVAL_TOTAL, "kWh", meter="M-AC-01")
    assert len(plausible("x", plan, Series.of([1], [value]))[0]) == kept
