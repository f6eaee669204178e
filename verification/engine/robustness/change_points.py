"""Change points of a series: where its level shifts, by penalised least squares (optimal
partitioning, Jackson et al. 2005; PELT is the same minimum with candidates pruned, which so few blocks do not repay).

A penalty of 2 ln(n) sigma^2 holds for one series of independent noise. Autocorrelated noise wanders, and shifts of
level would be found everywhere (AR(0.8): fifty times in fifty), so the penalty is scaled by n/n'. Both sigma^2 and n'
are those of what the largest step leaves: a step in the noise would pass for correlation, and the larger it is the less
it would be seen. How often a steady line is suspected, and how large a shift is found:
docs/reference/change-points.md. A change point opens a case: an adjustment needs a cause, an owner and a signature.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from verification.engine.autocorrelation import Noise, noise_of
from verification.engine.models.sample import Booleans, Floats

PENALTY = 4.0  # times ln(n) sigma^2 n/n': a new segment costs a position and a level
MAX_BLOCKS = 400  # a longer series is judged by the means of equal blocks, so that the cost stays linear
SMALLEST_SEGMENT = 3  # blocks


def change_points(series: Floats, follows: Booleans) -> list[int]:
    """The indices at which a new level of `series` float64[n] begins; follows[i] says that value i+1 is of the interval
    after value i.
    """
    n = len(series)
    size = max(1, math.ceil(n / MAX_BLOCKS))
    blocks = series[: n - n % size].reshape(-1, size).mean(axis=1) if size > 1 else series
    if len(blocks) < 2 * SMALLEST_SEGMENT:
        return []
    noise = _noise_about_a_step(series, follows)
    variance = float(noise.weight @ noise.variance) / size
    inflation = max(1.0, n / max(noise.effective, 1.0))
    penalty = PENALTY * math.log(len(blocks)) * variance * inflation
    return [index * size for index in optimal_partition(blocks, penalty, SMALLEST_SEGMENT)]


def _noise_about_a_step(series: Floats, follows: Booleans) -> Noise:
    """The noise about the two levels that leave the least sum of squares."""
    n = len(series)
    before = np.arange(SMALLEST_SEGMENT, n - SMALLEST_SEGMENT + 1)
    sums = np.cumsum(series - np.mean(series))[before - 1]
    at = int(before[np.argmax(sums**2 / (before * (n - before)))])
    sides = np.arange(n)[:, np.newaxis] < at
    levels = np.hstack([sides / math.sqrt(at), ~sides / math.sqrt(n - at)])
    return noise_of(levels, series - levels @ (levels.T @ series), follows)


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
