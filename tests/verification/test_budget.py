"""The budget by hand: meters that stay and meters that change, combination, coverage factor."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verification.lines import hengkang_plan, with_meter, with_point
from verification.engine.budget import Continuity, Contribution, combine, coverage_factor, meter_effect
from verification.engine.meters import continuity, meters_in_use
from verification.plan import MeterChange
from verification.plan.resolve import measure_spec

PLAN = hengkang_plan()
ROOT3 = math.sqrt(3)
WINDOWS = [PLAN.baseline, PLAN.reporting]


def changed(*changes: MeterChange):
    return continuity(with_meter(PLAN, "M-AC-01", changes=list(changes)), "M-AC-01", "ac_energy", WINDOWS)


def change(date: str, class_percent: float | None = None) -> MeterChange:
    return MeterChange(dt.date.fromisoformat(date), "replaced", class_percent)


def saving(before: float, after: float):
    """after - before of an energy, as one meter reads it."""
    return lambda b, r: np.array([after * (1 + r) - before * (1 + b)])


@pytest.mark.parametrize(
    ("dof", "factor"),
    [(1, 12.706204736), (2, 4.302652730), (10, 2.228138852), (118, 1.980272249), (math.inf, 1.959963985)],
)
def test_student_s_quantiles(dof: float, factor: float):
    assert coverage_factor(0.95, dof) == pytest.approx(factor, rel=1e-9)


def test_a_confidence_of_95_percent_leaves_two_and_a_half_on_either_side():
    assert coverage_factor(0.6826894921, math.inf) == pytest.approx(1.0, rel=1e-9)


def test_one_meter_throughout_errs_on_the_saving_only():
    effect = meter_effect(Continuity((0.002, 0.002), (True,)), saving(13_500, 13_240))
    assert effect.u == pytest.approx([0.52])
    assert effect.limits[0] == pytest.approx([0.52 * ROOT3])


def test_a_changed_meter_errs_on_both_energies():
    effect = meter_effect(Continuity((0.003, 0.004), (False,)), saving(1000, 1000))
    assert effect.u == pytest.approx([5.0])
    assert [limit.tolist() for limit in effect.limits] == [pytest.approx([3 * ROOT3]), pytest.approx([4 * ROOT3])]


@pytest.mark.parametrize(
    ("percent", "same", "share"), [(1, True, 0.58), (0.2, True, 0.115), (1, False, 42), (0.2, False, 8.4)]
)
def test_the_published_shares_of_a_saving_of_260_in_13500(percent: float, *, same: bool, share: float):
    d = percent / 100 / ROOT3
    effect = meter_effect(Continuity((d, d), (same,)), saving(13_500, 13_240))
    assert 100 * effect.u[0] / 260 == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize("same", [True, False])
def test_a_scale_s_effect_is_that_of_its_partial_derivatives(*, same: bool):
    """delta(b, r) = (E - m*b0 - b1*P*(1+r)/(1+b))/(P*(1+r)): by b it is b1, by r -(b1 + delta), by both -delta."""
    p, b0, b1, energy = 79_000.0, 18e6, 13_270.0, 1.047e9

    def figures(b: float, r: float) -> np.ndarray:
        return np.array([(energy - b0 - b1 * p * (1 + r) / (1 + b)) / (p * (1 + r))])

    (delta,) = figures(0, 0)
    expected = 0.003 * abs(delta) if same else math.hypot(0.002 * b1, 0.003 * (b1 + delta))
    effect = meter_effect(Continuity((0.002, 0.003), (same,)), figures)
    assert effect.u[0] == pytest.approx(expected, rel=1e-5)


def test_a_class_is_the_limit_of_a_rectangular_distribution():
    meter, findings = continuity(PLAN, "M-AC-01", "ac_energy", WINDOWS)
    assert meter == Continuity((0.002 / ROOT3, 0.002 / ROOT3), (True,))
    assert findings == []


@pytest.mark.parametrize(
    ("date", "same"),
    [
        ("2026-03-01", True),
        ("2026-03-02", False),
        ("2026-07-01", False),
        ("2026-11-05", False),
        ("2026-11-06", True),
    ],
)
def test_a_change_after_the_first_and_before_the_last_day_breaks_continuity(date: str, *, same: bool):
    meter, findings = changed(change(date))
    assert meter.same == (same,)
    assert [finding.code for finding in findings] == ([] if same else ["METER_CHANGED"])


@pytest.mark.parametrize(
    ("date", "before", "after"),
    [("2026-07-01", 0.2, 0.5), ("2026-05-01", 0.5, 0.5), ("2026-08-01", 0.2, 0.5), ("2026-02-01", 0.5, 0.5)],
)
def test_the_larger_class_of_a_window_counts(date: str, before: float, after: float):
    meter, _ = changed(change(date, 0.5))
    assert meter.u == pytest.approx((before / 100 / ROOT3, after / 100 / ROOT3))


def test_a_better_meter_in_mid_window_does_not_help_that_window():
    meter, _ = changed(change("2026-05-01", 0.1))
    assert meter.u == pytest.approx((0.002 / ROOT3, 0.001 / ROOT3))


@pytest.mark.parametrize(("date", "late"), [("2026-03-01", False), ("2026-03-02", True)])
def test_a_meter_must_have_stood_there_when_the_baseline_began(date: str, *, late: bool):
    plan = with_meter(PLAN, "M-AC-01", installed=dt.date.fromisoformat(date))
    assert (
        "METER_INSTALLED_LATE" in {finding.code for finding in continuity(plan, "M-AC-01", "ac_energy", WINDOWS)[1]}
    ) == late


def test_a_point_without_a_meter_is_named():
    plan = with_point(PLAN, "ac_energy", meter=None)
    meters, findings = meters_in_use(plan, measure_spec(plan, "energy"))
    assert [meter.name for meter in meters] == ["SCALE-01"]
    assert [finding.code for finding in findings] == ["METER_NOT_NAMED"]


def test_every_meter_of_a_measure_is_weighed_once_with_all_its_points():
    plan = with_point(PLAN, "metal_tapped", meter="M-AC-01")
    (meter,) = meters_in_use(plan, measure_spec(plan, "energy"))[0]
    assert (meter.name, meter.points) == ("M-AC-01", {"ac_energy", "metal_tapped"})


def test_contributions_combine_by_welch_and_satterthwaite():
    """u = 3 with 9 degrees of freedom and 4 without end: u_c = 5, dof = 625/(81/9)."""
    budget = combine([Contribution("model", "A", 3.0, 9.0), Contribution("meter:M-AC-01", "B", 4.0, math.inf)], 0.95)
    assert budget.combined == 5.0
    assert budget.dof == pytest.approx(625 / 9)
    assert budget.expanded == pytest.approx(5 * coverage_factor(0.95, 625 / 9))


@pytest.mark.parametrize("u", [0.0, 2.0])
def test_type_b_alone_has_the_normal_quantile(u: float):
    budget = combine([Contribution("model", "A", 0.0, 20.0), Contribution("meter:M-AC-01", "B", u, math.inf)], 0.95)
    assert math.isinf(budget.dof)
    assert budget.expanded == pytest.approx(1.959963985 * u)


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.one_of(st.floats(0.5, 500), st.just(math.inf))), min_size=1, max_size=4)
)
def test_an_error_that_is_added_never_narrows_the_interval(parts: list[tuple[float, float]]):
    """By Welch and Satterthwaite alone 1 with one degree of freedom and 1 with a hundred make a U of 3.9: 1 alone has
    12.7. Nor is it wider than if each part had missed at once in its own tail (Banerjee 1961).
    """
    budget = combine([Contribution(str(index), "A", u, dof) for index, (u, dof) in enumerate(parts)], 0.95)
    alone = [coverage_factor(0.95, dof) * u for u, dof in parts]
    assert max(alone) * (1 - 1e-8) <= budget.expanded <= math.hypot(*alone) * (1 + 1e-8)
    assert budget.coverage_factor == pytest.approx(coverage_factor(0.95, budget.dof), rel=1e-8)
    assert budget.expanded == pytest.approx(budget.coverage_factor * budget.combined)


def test_degrees_of_freedom_that_are_a_judgement_bound_nothing():
    """As in GUM H.1, where two of them at 99 % alone would make more than the whole."""
    judged = combine([Contribution("a", "B", 4.0, 2.0), Contribution("b", "B", 4.0, 50.0)], 0.99)
    assert judged.dof == pytest.approx(1024 / (256 / 2 + 256 / 50))
    assert judged.expanded < coverage_factor(0.99, 2.0) * 4.0
