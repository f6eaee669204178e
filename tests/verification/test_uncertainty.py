"""The budget by hand: meters that stay and meters that change, combination, coverage factor, and coverage by
simulation.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from scipy.stats import binom

from tests.verification.lines import daily_noise, hengkang_plan, with_meter, with_point
from tests.verification.test_baseline import by_hand
from verification.engine.baseline import EffectiveSize, Fit, effective_size, fit_ols
from verification.engine.uncertainty import (
    Continuity,
    Contribution,
    combine,
    continuity,
    coverage_factor,
    denominator_meter_uncertainty,
    model_uncertainty,
    numerator_meter_uncertainty,
)
from verification.plan import MeterChange

PLAN = hengkang_plan()
ROOT3 = math.sqrt(3)


def changed(*changes: MeterChange):
    return continuity(with_meter(PLAN, "M-AC-01", changes=list(changes)), "ac_energy")


def change(date: str, class_percent: float | None = None) -> MeterChange:
    return MeterChange(dt.date.fromisoformat(date), "replaced", class_percent)


@pytest.mark.parametrize(
    ("dof", "factor"),
    [(1, 12.706204736), (2, 4.302652730), (10, 2.228138852), (118, 1.980272249), (math.inf, 1.959963985)],
)
def test_student_s_quantiles(dof: float, factor: float):
    assert coverage_factor(0.95, dof) == pytest.approx(factor, rel=1e-9)


def test_a_confidence_of_95_percent_leaves_two_and_a_half_on_either_side():
    assert coverage_factor(0.6826894921, math.inf) == pytest.approx(1.0, rel=1e-9)


def test_the_model_by_hand():
    """SSE = .2, n' = 4, p = 2, factor 3.2: sqrt(.2/2 * 3.2)."""
    u = model_uncertainty(by_hand(), EffectiveSize(0.0, 0.0, 4.0), np.array([[2.0], [4.0]]))
    assert u == pytest.approx(math.sqrt(0.32), rel=1e-13)


def test_one_meter_throughout_errs_on_the_saving_only():
    assert numerator_meter_uncertainty(Continuity(0.002, 0.002, same=True), 13_500, 13_240) == pytest.approx(0.52)


def test_a_changed_meter_errs_on_both_energies():
    u = numerator_meter_uncertainty(Continuity(0.003, 0.004, same=False), 1000, 1000)
    assert u == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("percent", "same", "share"), [(1, True, 0.58), (0.2, True, 0.115), (1, False, 42), (0.2, False, 8.4)]
)
def test_the_published_shares_of_a_saving_of_260_in_13500(percent: float, *, same: bool, share: float):
    d = percent / 100 / ROOT3
    u = numerator_meter_uncertainty(Continuity(d, d, same=same), 13_500, 13_240)
    assert 100 * u / 260 == pytest.approx(share, rel=0.02)


def test_one_scale_throughout_errs_on_the_change_only():
    assert denominator_meter_uncertainty(Continuity(0.001, 0.001, same=True), 13_270, -260) == pytest.approx(0.26)


def test_a_changed_scale_by_its_partial_derivatives():
    """delta(s_b, s_r) = (E - sum(b0 + b1*P*(1+s_r)/(1+s_b)))/(P*(1+s_r)), differentiated numerically."""
    p, b0, b1, energy = 79_000.0, 18e6, 13_270.0, 1.047e9

    def delta(s_b: float, s_r: float) -> float:
        return (energy - b0 - b1 * p * (1 + s_r) / (1 + s_b)) / (p * (1 + s_r))

    step = 1e-6
    by_baseline = (delta(step, 0) - delta(-step, 0)) / (2 * step)
    by_reporting = (delta(0, step) - delta(0, -step)) / (2 * step)
    expected = math.hypot(0.002 * by_baseline, 0.003 * by_reporting)
    assert denominator_meter_uncertainty(Continuity(0.002, 0.003, same=False), b1, delta(0, 0)) == pytest.approx(
        expected, rel=1e-6
    )


def test_a_class_is_the_limit_of_a_rectangular_distribution():
    meter, findings = continuity(PLAN, "ac_energy")
    assert meter == Continuity(0.002 / ROOT3, 0.002 / ROOT3, same=True)
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
    assert meter.same == same
    assert [finding.code for finding in findings] == ([] if same else ["METER_CHANGED"])


@pytest.mark.parametrize(
    ("date", "before", "after"),
    [("2026-07-01", 0.2, 0.5), ("2026-05-01", 0.5, 0.5), ("2026-08-01", 0.2, 0.5), ("2026-02-01", 0.5, 0.5)],
)
def test_the_larger_class_of_a_window_counts(date: str, before: float, after: float):
    meter, _ = changed(change(date, 0.5))
    assert (meter.baseline, meter.reporting) == pytest.approx((before / 100 / ROOT3, after / 100 / ROOT3))


def test_a_better_meter_in_mid_window_does_not_help_that_window():
    meter, _ = changed(change("2026-05-01", 0.1))
    assert (meter.baseline, meter.reporting) == pytest.approx((0.002 / ROOT3, 0.001 / ROOT3))


@pytest.mark.parametrize(("date", "late"), [("2026-03-01", False), ("2026-03-02", True)])
def test_a_meter_must_have_stood_there_when_the_baseline_began(date: str, *, late: bool):
    plan = with_meter(PLAN, "M-AC-01", installed=dt.date.fromisoformat(date))
    assert ("METER_INSTALLED_LATE" in {finding.code for finding in continuity(plan, "ac_energy")[1]}) == late


def test_a_point_without_a_meter_is_named():
    plan = with_point(PLAN, "ac_energy", meter=None)
    assert [finding.code for finding in continuity(plan, "ac_energy")[1]] == ["METER_NOT_NAMED"]


def test_contributions_combine_by_welch_and_satterthwaite():
    """u = 3 with 9 degrees of freedom and 4 without end: u_c = 5, dof = 625/(81/9)."""
    budget = combine([Contribution("model", "A", 3.0, 9.0), Contribution("numerator_meter", "B", 4.0, math.inf)], 0.95)
    assert budget.combined == 5.0
    assert budget.dof == pytest.approx(625 / 9)
    assert budget.expanded == pytest.approx(5 * coverage_factor(0.95, 625 / 9))


@pytest.mark.parametrize("u", [0.0, 2.0])
def test_type_b_alone_has_the_normal_quantile(u: float):
    budget = combine([Contribution("model", "A", 0.0, 20.0), Contribution("numerator_meter", "B", u, math.inf)], 0.95)
    assert math.isinf(budget.dof)
    assert budget.expanded == pytest.approx(1.959963985 * u)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_interval_covers_the_truth_as_often_as_it_says(rho: float):
    """300 runs of n = m = 120 with a gap of 10 days. The limits are those of a true coverage of 94 to 97 %."""
    runs, days, gap = 300, 120, 10
    rng = np.random.default_rng(20261106)
    covered = 0
    for _ in range(runs):
        noise = daily_noise(rng, 2 * days + gap, rho, 44_000)
        tons = rng.normal(656, 26, 2 * days + gap)[:, np.newaxis]
        energy = 150_000 + 13_270 * tons[:, 0] + noise
        fit = fit_ols(tons[:days], energy[:days], ["tons"])
        assert isinstance(fit, Fit)
        size = effective_size(fit, np.ones(days - 1, dtype=bool))
        ahead = tons[days + gap :]
        error = math.fsum(energy[days + gap :] - fit.predict(ahead))
        covered += abs(error) <= coverage_factor(0.95, size.effective - fit.p) * model_uncertainty(fit, size, ahead)
    assert binom.ppf(1e-3, runs, 0.94) <= covered <= binom.ppf(1 - 1e-3, runs, 0.97)
