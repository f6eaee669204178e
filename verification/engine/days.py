"""The noise of intervals shorter than a day, told from whole days.

Within a day a line errs in patterns, and from day to day it drifts: shifts of a day share its pace, hours its weather.
The lag-1 correlation of the intervals sees the first and understates the second (LBNL withdrew its uncertainty for
hourly data). So the error of a sum has two parts: what each day's intervals weigh on average, by the noise of the days'
sums; and how they differ from that average, by the noise of the intervals.
"""

from __future__ import annotations

import numpy as np

from verification.engine.autocorrelation import Unexplained
from verification.engine.models.linear import Fit
from verification.engine.models.sample import Floats, Integers

FEWEST_DAYS = 4  # so few widen U by their own t
NEGLIGIBLE = 1e-8  # of the largest singular value: columns that are the same for every day


def left_of_days(fit: Fit, starts: Integers) -> Unexplained | None:
    """The days' sums of what a fit leaves; None where the days are too few to tell their noise.

    `starts` int64[days] is the first interval of each day.
    """
    count = len(starts)
    if count < FEWEST_DAYS:
        return None
    left, sizes, _ = np.linalg.svd(sums_by_day(fit.basis.T, starts).T, full_matrices=False)
    basis: Floats = left[:, sizes > NEGLIGIBLE * sizes[0]]
    if count <= basis.shape[1] + 1:
        return None
    sums = sums_by_day(fit.residuals, starts)
    return Unexplained(basis, sums - basis @ (basis.T @ sums), np.ones(count - 1, dtype=bool))


def sums_by_day(values: Floats, starts: Integers) -> Floats:
    """float64[..., days]: the sums of `values` float64[..., n] over each day, whose first intervals are `starts`."""
    sums: Floats = np.add.reduceat(values, starts, axis=-1)
    return sums
