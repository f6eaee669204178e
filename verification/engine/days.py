"""The noise of intervals shorter than a day, told again from whole days.

Within a day a line errs in patterns, and from day to day it drifts; the lag-1 correlation of hours knows the first and
understates the second (LBNL withdrew its uncertainty for hourly data). So the error of a sum is computed a second time
from the days' sums of residuals, and the larger one counts.
"""

from __future__ import annotations

import numpy as np

from verification.engine.assess import Primary
from verification.engine.autocorrelation import Noise, noise_of
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel
from verification.engine.models.sample import Floats, Integers, Sample
from verification.engine.savings import Share, spread_of
from verification.findings import Finding

HOURS_A_DAY = 24
FEWEST_DAYS = 14
NEGLIGIBLE = 1e-8  # of the largest singular value: columns that are the same for every day


def daily_factor(primary: Primary, case: Case, confidence: float) -> float:
    """How many times larger the standard uncertainty of an avoided change is when it is told from days; at least 1, and
    1 where intervals are days already or too few.
    """
    fitted, projected = case.fitted, case.projected
    if fitted.slot is None or case.method != "avoided":
        return 1.0
    day, day_after = _days(fitted), _days(projected)
    noise, own = _noise_of_days(primary.model, day), case.own_model(primary.model)
    noise_after = noise if own is None or isinstance(own, Finding) else _noise_of_days(own, day_after)
    if noise is None or noise_after is None:
        return 1.0
    count = int(day[-1]) + 1
    output = primary.estimate.output
    weights = primary.model.sum_weights(projected) / output
    before = np.bincount(day, weights, count) / np.bincount(day, minlength=count)
    after = np.full(int(day_after[-1]) + 1, 1 / output)
    by_hours = primary.estimate.spread(confidence).u
    shares = [Share(noise, before, "before"), Share(noise_after, after, "after")]
    by_days = spread_of(shares, confidence).u
    return max(1.0, by_days / by_hours) if by_hours else 1.0


def _noise_of_days(model: BaselineModel, day: Integers) -> Noise | None:
    """The noise of the days' sums of a model's residuals; None where the days are too few to tell it."""
    fit, count = model.fit, int(day[-1]) + 1
    if count < FEWEST_DAYS:
        return None
    columns = np.column_stack([np.bincount(day, column, count) for column in fit.basis.T])
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    basis: Floats = left[:, sizes > NEGLIGIBLE * sizes[0]]
    sums = np.bincount(day, fit.residuals, count)
    if count <= basis.shape[1] + 1:
        return None
    return noise_of(basis, sums - basis @ (basis.T @ sums), np.ones(count - 1, dtype=bool))


def _days(sample: Sample) -> Integers:
    """The number of the day of each interval, from 0, days without an interval left out."""
    if sample.slot is None:
        raise ValueError("only intervals shorter than a day belong to one")
    weekday = sample.slot // HOURS_A_DAY
    # A gap of whole weeks ends on the same weekday: a new day begins there, too.
    begins = (np.diff(weekday) != 0) | (np.diff(sample.position) > HOURS_A_DAY * 4)
    days: Integers = np.concatenate([[0], np.cumsum(begins)]).astype(np.int64)
    return days
