"""Hours whose noise drifts from day to day: told from hours alone the interval is far too narrow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom

from tests.verification.engine.samples import ar1, line, sample
from verification.engine.assess import Primary, primary_answer
from verification.engine.autocorrelation import Spread, expanded
from verification.engine.case import Case
from verification.engine.days import daily_factor
from verification.engine.models.family import ModelSpec
from verification.engine.models.sample import Sample

DAYS, HOURS = 120, 24
OLS = ModelSpec("ols", ("output",))


def hours(seed: int, slow: float) -> Case:
    """Two windows of hours: 100 kWh + 50 kWh/t, noise of 20 kWh that forgets in hours, and `slow` kWh that does in
    days.
    """
    rng = np.random.default_rng(seed)
    n = 2 * DAYS * HOURS
    tons = rng.uniform(5, 9, n)
    drift = np.repeat(ar1(rng, 2 * DAYS, 0.6, 1.0), HOURS) * slow
    y = 100 + 50 * tons + ar1(rng, n, 0.5, 20.0) + drift

    def window(part: slice) -> Sample:
        built = sample(y[part], tons[part])
        return dataclasses.replace(built, slot=np.arange(len(built)) % 168)

    return Case(window(slice(0, n // 2)), window(slice(n // 2, None)), output="output")


def answer(case: Case) -> Primary:
    primary = primary_answer(OLS, case)
    assert isinstance(primary, Primary)
    return primary


def test_hours_that_drift_from_day_to_day_are_told_from_days():
    """60 lines without an effect; the limits are those of a true coverage of 91 to 98 %, each missed once in a
    thousand.
    """
    runs, by_hours, by_days = 60, 0, 0
    for seed in range(runs):
        case = hours(seed, slow=15.0)
        primary = answer(case)
        error, factor = primary.estimate.spread(0.95), daily_factor(primary, case, 0.95)
        by_hours += abs(primary.estimate.delta) <= expanded(error, 0.95)
        by_days += abs(primary.estimate.delta) <= expanded(Spread(error.u * factor, error.dof), 0.95)
    assert by_hours < 0.85 * runs
    assert binom.ppf(1e-3, runs, 0.91) <= by_days <= binom.ppf(1 - 1e-3, runs, 0.98)


def test_hours_that_do_not_drift_are_hardly_widened():
    factors = [daily_factor(answer(case), case, 0.95) for case in (hours(seed, slow=0.0) for seed in range(10))]
    assert min(factors) >= 1
    assert np.median(factors) < 1.25


@pytest.mark.parametrize("days", [90])
def test_days_are_told_as_they_are(days: int):
    case = Case(*line(1, days), output="output")
    assert daily_factor(answer(case), case, 0.95) == 1.0
