"""Intervals of every length on the local calendar: whole, without holes, whatever the clock on the wall does."""

from __future__ import annotations

import datetime as dt

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verification.lines import hengkang_plan
from verification.engine.rows import beside, start_parts
from verification.plan import Window
from verification.plan.edges import interval_edges_us, span_us
from verification.plan.shape import Shift
from verification.series.calendar import Calendar

HOUR_US = 3_600_000_000
THREE_SHIFTS = [Shift("early", "06:00"), Shift("late", "14:00"), Shift("night", "22:00")]
ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "UTC"]


def plan_of(interval: str, first: str, last: str, timezone: str = "Asia/Shanghai", **changes):
    window = Window(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    return hengkang_plan(interval=interval, timezone=timezone, baseline=window, **changes)


def hours(plan) -> list[float]:
    return (np.diff(interval_edges_us(plan, plan.baseline)) / HOUR_US).tolist()


def names(plan) -> list[str]:
    calendar = Calendar.of(plan, "baseline")
    return [calendar.name(index) for index in range(len(calendar))]


def test_quarter_hours_and_hours():
    assert hours(plan_of("15min", "2026-03-01", "2026-03-02")) == [0.25] * 96
    assert hours(plan_of("hour", "2026-03-01", "2026-03-02")) == [1.0] * 24


def test_a_day_of_a_clock_change_has_23_or_25_hours_of_an_hour_each():
    assert hours(plan_of("hour", "2026-03-29", "2026-03-30", "Europe/Berlin")) == [1.0] * 23
    assert hours(plan_of("hour", "2026-10-25", "2026-10-26", "Europe/Berlin")) == [1.0] * 25


def test_where_the_clock_changes_by_half_an_hour_one_interval_is_short():
    assert sorted(hours(plan_of("hour", "2026-04-05", "2026-04-06", "Australia/Lord_Howe"))) == [0.5, *[1.0] * 24]


def test_a_date_that_the_calendar_left_out_is_no_day():
    """Samoa crossed the date line: after the 29th came the 31st of December 2011."""
    assert hours(plan_of("day", "2011-12-29", "2012-01-01", "Pacific/Apia")) == [24.0, 24.0]


def test_shifts_begin_by_the_clock_on_the_wall():
    assert hours(plan_of("shift", "2026-03-01", "2026-03-03", shifts=THREE_SHIFTS)) == [8.0] * 6
    spring = plan_of("shift", "2026-03-28", "2026-03-30", "Europe/Berlin", shifts=THREE_SHIFTS)
    assert hours(spring) == [8, 8, 7, 8, 8, 8]  # the night of 28 March loses an hour
    assert names(plan_of("shift", "2026-03-01", "2026-03-02", shifts=THREE_SHIFTS)) == [
        "2026-03-01T06:00+08:00",
        "2026-03-01T14:00+08:00",
        "2026-03-01T22:00+08:00",
    ]


def test_a_shift_after_midnight_belongs_to_the_day_before():
    shifts = [Shift("day", "08:00"), Shift("evening", "20:00"), Shift("graveyard", "04:00")]
    assert hours(plan_of("shift", "2026-03-01", "2026-03-02", shifts=shifts)) == [12, 8, 4]


def test_weeks_and_months():
    assert hours(plan_of("week", "2026-03-01", "2026-03-15")) == [168.0] * 2
    assert hours(plan_of("month", "2026-01-01", "2026-04-01")) == [31 * 24, 28 * 24, 31 * 24]
    assert names(plan_of("month", "2026-01-01", "2026-03-01")) == ["2026-01-01", "2026-02-01"]


@given(
    st.sampled_from(["15min", "hour", "shift", "day"]),
    st.sampled_from(ZONES),
    st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
    st.integers(1, 12),
)
def test_intervals_fill_their_window_without_holes(interval: str, timezone: str, first: dt.date, days: int):
    last = first + dt.timedelta(days=days)
    shifts = THREE_SHIFTS if interval == "shift" else []
    plan = plan_of(interval, first.isoformat(), last.isoformat(), timezone, shifts=shifts)
    edges = interval_edges_us(plan, plan.baseline)
    assert (edges[0], edges[-1]) == span_us(plan, plan.baseline)
    assert (np.diff(edges) > 0).all()
    longest = {"15min": 0.25, "hour": 1.0, "shift": 9.0, "day": 25.0}[interval]
    assert max(np.diff(edges)) <= longest * HOUR_US


@pytest.mark.parametrize(("hour", "day"), [(0, 0), (23, 0), (24, 1), (47, 1)])
def test_an_interval_knows_its_day(hour: int, day: int):
    calendar = Calendar.of(plan_of("hour", "2026-03-01", "2026-03-03"), "baseline")
    assert calendar.day_of[hour] == day


def test_the_hours_of_intervals_are_those_of_the_clock_and_the_last_one_is_what_remains():
    berlin = Calendar.of(plan_of("day", "2026-03-28", "2026-03-31", "Europe/Berlin"), "baseline")
    hours_of_days = berlin.by_hour()
    assert hours_of_days is not None
    assert np.bincount(berlin.holding(hours_of_days)).tolist() == [24, 23, 24]
    assert set(hours_of_days.length_us.tolist()) == {HOUR_US}
    shifts = [Shift("early", "06:00"), Shift("late", "14:30")]
    hours_of_shifts = Calendar.of(plan_of("shift", "2026-03-01", "2026-03-02", shifts=shifts), "baseline").by_hour()
    assert hours_of_shifts is not None
    assert (hours_of_shifts.length_us / HOUR_US).tolist() == [*[1.0] * 8, 0.5, *[1.0] * 15, 0.5]
    assert Calendar.of(plan_of("hour", "2026-03-01", "2026-03-02"), "baseline").by_hour() is None


def test_an_instant_outside_counts_to_the_nearest_interval():
    calendar = Calendar.of(plan_of("hour", "2026-03-01", "2026-03-02"), "baseline")
    assert calendar.name_at(0) == "2026-03-01T00:00+08:00"
    assert calendar.name_at(2**60) == "2026-03-01T23:00+08:00"


@pytest.mark.parametrize("interval", ["15min", "hour", "day", "shift"])
@pytest.mark.parametrize("timezone", [*ZONES, "America/Havana", "America/Asuncion"])
def test_each_interval_begins_when_the_zone_says_also_in_an_hour_that_comes_twice(timezone: str, interval: str):
    shifts = THREE_SHIFTS if interval == "shift" else []
    calendar = Calendar.of(plan_of(interval, "2023-03-01", "2024-04-20", timezone, shifts=shifts), "baseline")
    expected = [dt.datetime.fromtimestamp(edge // 1_000_000, calendar.zone) for edge in calendar.edges_us[:-1].tolist()]
    lines = beside(len(calendar), start_parts(calendar)).tolist()
    texts = [msgspec.json.decode(line.replace(b"\0", b"")) for line in lines]
    assert texts == msgspec.to_builtins(expected)
