"""Change points of a series: where its level shifts, by penalised least squares (optimal
partitioning, Jackson et al. 2005; PELT is the same minimum with candidates pruned, which so few blocks do not repay).

A penalty of 2 ln(n) sigma^2 holds for one series of independent noise. A verdict looks at two windows of every measure,
so it is 4 here; autocorrelated noise wanders, and shifts of level would be found everywhere (AR(0.8): fifty times in
fifty), so it is scaled by n/n'. A change point opens a case: an adjustment
needs a cause, an owner and a signature.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from verification.engine.models.sample import Floats

PENALTY = 4.0  # times ln(n) sigma^2: a new segment costs a position and a level
MAX_BLOCKS = 400  # a longer series is judged by the means of equal blocks, so that the cost stays linear
SMALLEST_SEGMENT = 3  # blocks


def change_points(series: Floats, effective: float, smallest_segment: int = SMALLEST_SEGMENT) -> list[int]:
    """The indices at which a new level of `series` float64[n] begins; `effective` is n', what the n are worth.

    sigma^2 is the variance about the series' own mean: shifts are part of it, so that only those are found which
    stand out in spite of it.
    """
    n = len(series)
    size = max(1, math.ceil(n / MAX_BLOCKS))
    blocks = series[: n - n % size].reshape(-1, size).mean(axis=1) if size > 1 else series
    if len(blocks) < 2 * smallest_segment:
        return []
    inflation = max(1.0, n / max(effective, 1.0))
    variance = float(np.var(series)) / size
    found = optimal_partition(blocks, PENALTY * math.log(len(blocks)) * variance * inflation, smallest_segment)
    return [index * size for index in found]


def optimal_partition(series: Floats, penalty: float, smallest_segment: int) -> list[int]:
    """The exact minimum of the sum of squares about segment means plus `penalty` for each change.

    About its mean a segment of sum S and length L has the sum of its squares less S^2/L; the sum of all squares is the
    same for every partition and left out.
    """
    n = len(series)
    if penalty <= 0:
        return []
    sums = np.concatenate([[0.0], np.cumsum(series - series.mean())])
    with np.errstate(divide="ignore", invalid="ignore"):  # where a segment would end before it starts
        costs = np.subtract.outer(sums, sums) ** 2
        costs /= np.subtract.outer(np.arange(n + 1), np.arange(n + 1))
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, dtype=np.int64)
    for end in range(smallest_segment, n + 1):
        total = best[: end - smallest_segment + 1] - costs[end, : end - smallest_segment + 1]
        last[end] = start = int(total.argmin())
        best[end] = total[start] + penalty
    return _changes(last, n)


def _changes(last: NDArray[np.int64], n: int) -> list[int]:
    found, end = [], n
    while last[end] > 0:
        end = int(last[end])
        found.append(end)
    return sorted(found)
