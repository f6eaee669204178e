"""A day's value is right or missing: counters through rollover, reset and gap; means by time; the local calendar."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from tests.verification.lines import hengkang_plan, with_meter, with_point
from verification.model import PointKind
from verification.plan import Window
from verification.series.calendar import Calendar
from verification.series.columns import Series
from verification.series.intervals import interval_values

HOUR_US = 3_600_000_000


def days_of(first: dt.date, timezone: str) -> Calendar:
    """Three days from `first`."""
    return Calendar.of(
        hengkang_plan(timezone=timezone, baseline=Window(first, first + dt.timedelta(days=3))), "baseline"
    )


PLAN = with_point(hengkang_plan(), "ac_energy", cadence_s=3600)
CALENDAR = days_of(dt.date(2026, 3, 1), "Asia/Shanghai")
START = int(CALENDAR.edges_us[0])
HOURS = START + np.arange(73, dtype=np.int64) * HOUR_US
STEADY = np.arange(73) * 1000.0  # 24,000 kWh a day


def totals(value, time_us=HOURS, plan=PLAN):
    days, findings = interval_values(plan, "ac_energy", Series.of(time_us, value), CALENDAR)
    return days, {finding.code: finding for finding in findings}


def test_a_counter_gives_the_difference_between_its_edges():
    days, findings = totals(STEADY)
    assert days.value.tolist() == [24_000.0] * 3
    assert findings == {}
    assert (days.covered_us == CALENDAR.length_us).all()


def test_a_rollover_is_counted_through():
    days, findings = totals((STEADY + 1e9 - 30_500) % 1e9)
    assert days.value.tolist() == [24_000.0] * 3
    assert findings["COUNTER_ROLLOVER"].data["count"] == 1


def test_a_reset_makes_its_day_missing_and_no_other():
    days, findings = totals(np.where(HOURS[30] < HOURS, STEADY - 30_000, STEADY + 500_000))
    assert np.isnan(days.value).tolist() == [False, True, False]
    assert findings["COUNTER_RESET"].data["first"] == "2026-03-02"


def test_without_a_modulus_every_drop_is_a_reset():
    plan = with_meter(PLAN, "M-AC-01", register_modulus=None)
    _, findings = totals((STEADY + 1e9 - 30_500) % 1e9, plan=plan)
    assert "COUNTER_RESET" in findings


@pytest.mark.parametrize(("rise_kwh", "is_rollover"), [(599_999, True), (600_001, False)])
def test_a_rollover_must_be_plausible_at_the_meters_rate(rise_kwh: float, *, is_rollover: bool):
    value = STEADY.copy() + 999_000_000
    value[31:] = value[30] + rise_kwh - 1e9 + (STEADY[31:] - STEADY[31])
    assert ("COUNTER_ROLLOVER" in totals(value)[1]) == is_rollover
    assert ("COUNTER_RESET" in totals(value)[1]) != is_rollover


@pytest.mark.parametrize(("rise_kwh", "is_jump"), [(600_000, False), (600_001, True)])
def test_a_rise_beyond_the_meters_rate_is_a_jump(rise_kwh: float, *, is_jump: bool):
    value = STEADY.copy()
    value[31:] += rise_kwh - 1000
    days, findings = totals(value)
    assert ("COUNTER_JUMP" in findings) == is_jump
    assert np.isnan(days.value).tolist() == [False, is_jump, False]


@pytest.mark.parametrize(("rise_kwh", "is_jump"), [(10_000, False), (10_001, True)])
def test_without_a_declared_rate_ten_times_the_usual_one_counts(rise_kwh: float, *, is_jump: bool):
    plan = with_meter(PLAN, "M-AC-01", max_rate_per_hour=None)
    value = STEADY.copy()
    value[31:] += rise_kwh - 1000
    assert ("COUNTER_JUMP" in totals(value, plan=plan)[1]) == is_jump


def test_a_gap_so_long_that_the_register_may_turn_twice_is_not_counted():
    plan = with_meter(PLAN, "M-AC-01", register_modulus=5_000_000.0)
    keep = np.ones(73, dtype=bool)
    keep[30:40] = False  # eleven hours at 600,000 kWh/h are more than one turn
    days, findings = totals(STEADY[keep], HOURS[keep], plan)
    assert np.isnan(days.value).tolist() == [False, True, False]
    assert "COUNTER_AMBIGUOUS" in findings


def test_a_counter_is_exact_across_a_gap_inside_a_day_and_says_so():
    keep = np.ones(73, dtype=bool)
    keep[27:45] = False
    days, findings = totals(STEADY[keep], HOURS[keep])
    assert days.value.tolist() == [24_000.0] * 3
    assert findings["COUNTER_GAP"].data == {
        "point": "ac_energy",
        "window": "baseline",
        "count": 1,
        "hours": "19.00",
    }
    assert days.covered_us[1] == 6 * HOUR_US


def test_an_unread_edge_takes_both_its_days():
    keep = np.arange(73) != 24
    days, _ = totals(STEADY[keep], HOURS[keep])
    assert np.isnan(days.value).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("late_us", "is_read"),
    [(60_000_000, True), (60_000_001, False), (-60_000_000, True), (-60_000_001, False)],
)
def test_an_edge_is_read_within_a_minute(late_us: int, *, is_read: bool):
    times = HOURS.copy()
    times[24] += late_us
    days, _ = totals(STEADY, times)
    assert np.isnan(days.value[:2]).any() != is_read


def test_a_stopped_line_has_zeros_and_no_findings():
    days, findings = totals(np.full(73, 5.0))
    assert days.value.tolist() == [0.0] * 3
    assert findings == {}


def test_no_readings_are_missing_days():
    assert np.isnan(totals([], [])[0].value).all()


def gauge(value, time_us):
    plan = with_point(PLAN, "line_state", cadence_s=3600)
    return interval_values(plan, "line_state", Series.of(time_us, value), CALENDAR)[0]


def test_a_mean_is_weighted_by_time():
    """One reading an hour in the morning, one a minute from noon: a plain mean would lean to the afternoon."""
    morning = START + np.arange(12) * HOUR_US
    afternoon = START + 12 * HOUR_US + np.arange(720) * 60_000_000
    days = gauge(np.repeat([0.0, 1.0], [12, 720]), np.concatenate([morning, afternoon]))
    assert days.value[0] == pytest.approx(0.5)


@pytest.mark.parametrize(("readings", "present"), [(12, True), (11, False)])
def test_a_mean_needs_half_a_day(readings: int, *, present: bool):
    days = gauge(np.ones(readings), START + np.arange(readings) * HOUR_US)
    assert days.present[0] == present


def interval_totals(count: int):
    plan = with_point(PLAN, "ac_energy", kind=type(PLAN.points["ac_energy"].kind).INTERVAL_TOTAL)
    return interval_values(
        plan, "ac_energy", Series.of(START + np.arange(count) * HOUR_US, np.full(count, 10.0)), CALENDAR
    )


def test_interval_totals_add_up():
    days, findings = interval_totals(72)
    assert days.value.tolist() == [240.0] * 3
    assert findings == []


@pytest.mark.parametrize(("count", "value"), [(12, 240.0), (11, None)])
def test_a_day_that_misses_at_most_half_its_intervals_is_scaled_and_says_so(count: int, value: float | None):
    days, findings = interval_totals(count)
    assert days.present[0] == (value is not None)
    assert [finding.code for finding in findings] == (["TOTALS_SCALED"] if value else [])
    assert value is None or days.value[0] == value


@pytest.mark.parametrize(
    ("cadence_s", "late_us", "percent"),
    [
        (86_400, 0, None),
        (86_400, 60_000_000, None),
        (86_400, HOUR_US, None),  # as of a clock without daylight saving
        (86_400, 8 * HOUR_US, "33.3"),  # days in UTC, or of the first shift
        (86_400, 24 * HOUR_US - 1_000_000, "100"),  # dated when they end
        (3600, HOUR_US // 2, None),  # of each day's 24 totals half of one
        (43_200, 8 * HOUR_US, "33.3"),
    ],
)
def test_totals_of_days_that_begin_by_another_clock_are_named(cadence_s: int, late_us: int, percent: str | None):
    plan = with_point(PLAN, "ac_energy", kind=PointKind.INTERVAL_TOTAL, cadence_s=cadence_s)
    times = np.arange(START + late_us, CALENDAR.edges_us[-1], cadence_s * 1_000_000)
    _, findings = totals(np.full(len(times), 100.0), times, plan)
    assert ("TOTALS_ASTRIDE" in findings) == (percent is not None)
    assert percent is None or findings["TOTALS_ASTRIDE"].data["percent"] == percent


def test_days_of_a_clock_change_have_23_and_25_hours():
    spring = days_of(dt.date(2026, 3, 28), "Europe/Berlin")
    autumn = days_of(dt.date(2026, 10, 24), "Europe/Berlin")
    assert (spring.length_us // HOUR_US).tolist() == [24, 23, 24]
    assert (autumn.length_us // HOUR_US).tolist() == [24, 25, 24]


def test_a_day_without_a_midnight_begins_when_its_clock_does():
    """Beirut skips from 00:00 to 01:00: the day has 23 hours and follows the one before without a hole."""
    calendar = days_of(dt.date(2026, 3, 28), "Asia/Beirut")
    assert (calendar.length_us // HOUR_US).tolist() == [24, 23, 24]


def test_days_begin_at_local_midnight():
    assert dt.datetime.fromtimestamp(START / 1e6, dt.UTC).isoformat() == "2026-02-28T16:00:00+00:00"
