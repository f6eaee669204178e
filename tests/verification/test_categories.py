"""Categories of a model: the calendar's, or a code that a point holds."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.verification.lines import changed, line, only, short_plan
from verification.engine.verify import verify
from verification.model import PointKind
from verification.plan import Model, Point
from verification.plan.checks import check_plan
from verification.plan.measure import PlanError
from verification.plan.resolve import measure_spec
from verification.plan.shape import Shift
from verification.quality.gate import gate
from verification.quality.points import point_windows, readings_used
from verification.series.columns import Series

SHIFTS = [Shift("early", "06:00"), Shift("late", "14:00"), Shift("night", "22:00")]
GRADE = Point(PointKind.GAUGE, "1", cadence_s=3600)


def by_category(*names: str, **changes):
    plan = short_plan(14)
    plan = msgspec.structs.replace(plan, points=plan.points | {"grade": GRADE}, **changes)
    return changed(plan, model=Model("ols", ["metal_tapped"], list(names)))


def labels(plan, readings=None) -> dict[str, tuple[str, ...]]:
    """The categories of the baseline."""
    windows, _ = point_windows(plan, readings_used(plan, readings or line(plan)))
    data, _ = gate(plan, measure_spec(plan, "energy"), windows["baseline"])
    return data.categories


def test_weekdays_and_months_are_those_of_the_local_calendar():
    found = labels(by_category("weekday", "month"))
    assert found["weekday"][:3] == ("7-Sun", "1-Mon", "2-Tue")  # 1 March 2026 is a Sunday
    assert set(found["month"]) == {"03"}


@pytest.mark.parametrize(
    ("interval", "first"), [("shift", ["early", "late", "night"]), ("hour", ["night"] * 6 + ["early"] * 8 + ["late"])]
)
def test_shifts_have_their_names(interval: str, first: list[str]):
    plan = by_category("shift", interval=interval, shifts=SHIFTS)
    assert list(labels(plan)["shift"][: len(first)]) == first


def test_a_point_s_code_is_a_category_and_explains_what_it_does():
    """Grade 2 costs 1,500 kWh/t more; without the category that is noise, with it the change is sharp."""
    plan = by_category("grade")
    readings = line(plan, noise_sd=0.001)
    times = readings["ac_energy"].time_us
    day = (times - times[0]) // 86_400_000_000
    grade = np.where(day % 3 == 0, 2.0, 1.0)
    extra = np.cumsum(np.where(grade == 2.0, 1500 * 656 / 24, 0.0))
    readings["ac_energy"] = Series.of(times, (readings["ac_energy"].value + np.round(extra)) % 1e9)
    readings["grade"] = Series.of(times, grade)
    assert set(labels(plan, readings)["grade"]) == {"1", "2"}
    with_grade = only(verify(plan, "0" * 64, readings)).effect
    without = only(verify(changed(plan, model=Model("ols", ["metal_tapped"])), "0" * 64, readings)).effect
    assert float(with_grade.expanded_uncertainty) < 0.2 * float(without.expanded_uncertainty)


def test_an_unknown_code_is_not_used():
    plan = by_category("grade")
    readings = line(plan)
    times = readings["ac_energy"].time_us
    readings["grade"] = Series.of(times[:24], np.ones(24))
    windows, _ = point_windows(plan, readings_used(plan, readings))
    data, _ = gate(plan, measure_spec(plan, "energy"), windows["baseline"])
    assert data.used.sum() == 1


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (by_category("shift"), "the plan has no shifts"),
        (by_category("grde"), "grde is neither month, shift, weekday nor a point"),
        (by_category("ac_energy"), "ac_energy is neither"),
        (by_category("month", "month"), "month appears twice"),
        (by_category("weekday", shifts=SHIFTS), "`interval: day` has no shifts"),
        (by_category("weekday", interval="shift"), "needs the shifts"),
    ],
)
def test_a_category_that_is_none_is_refused(plan, message: str):
    with pytest.raises(PlanError) as caught:
        check_plan(plan)
    assert message in str(caught.value)
