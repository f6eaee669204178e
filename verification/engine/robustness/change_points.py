"""Change points of a series: where its level shifts, by penalised least squares (optimal
partitioning, Jackson et al. 2005; PELT is the same minimum with candidates pruned, which so few blocks do not repay).

A penalty of 2 ln(n) sigma^2 holds for one series of independent noise. Autocorrelated noise wanders, and shifts of
level would be found everywhere (AR(0.8): fifty times in fifty), so the penalty is scaled by n/n'. Both sigma^2 and n'
are those of what levels leave, as many as the AR(1) likelihood of the series bears out and at least two: a shift left
in the noise would pass for correlation, and the larger it is the less it would be seen. How often a steady line is
suspected, and how large a shift is found: docs/reference/change-points.md. A change point opens a case: an adjustment
needs a cause, an owner and a signature.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from verification.engine.autocorrelation import Noise, noise_of
from verification.engine.models.sample import Booleans, Floats

PENALTY = 4.0  # times ln(n) sigma^2 n/n': a new segment costs a position and a level
LEVEL_PENALTY = 6.0  # times ln(n), of twice the log-likelihood: a level taken from the noise hides its correlation
PATIENCE = 4  # changes that may explain nothing before the next does: up alone says little of up and down, twice
MAX_BLOCKS = 400  # a longer series is judged by the means of equal blocks, so that the cost stays linear
SMALLEST_SEGMENT = 3  # blocks
ENDS_AT_ONCE = 64  # of segments: no start comes after its end, and a whole table of totals is half of it void
ROUNDING, SMALLEST_NORMAL = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)


def change_points(series: Floats, follows: Booleans) -> list[int]:
    """The indices at which a new level of `series` float64[n] begins; follows[i] says that value i+1 is of the interval
    after value i.
    """
    n = len(series)
    size = max(1, math.ceil(n / MAX_BLOCKS))
    blocks = series[: n - n % size].reshape(-1, size).mean(axis=1) if size > 1 else series
    if len(blocks) < 2 * SMALLEST_SEGMENT:
        return []
    gains = segment_gains(blocks)
    noise = _noise_about_levels(series, follows, gains, size)
    variance = max(float(noise.weight @ noise.variance), _rounding(series)) / size
    inflation = max(1.0, n / max(noise.effective, 1.0))
    penalty = PENALTY * math.log(len(blocks)) * variance * inflation
    return [index * size for index in optimal_partition(gains, penalty)]


def _noise_about_levels(series: Floats, follows: Booleans, gains: Floats, size: int) -> Noise:
    """The noise about as many levels, two or more, as its likelihood bears out; `gains` are those of blocks of `size`
    values.
    """
    n, worth, least = len(series), LEVEL_PENALTY * math.log(len(gains) - 1), len(series) * _rounding(series)
    smallest, likeliest, waited = math.inf, (np.array([n]), series), 0
    for changes in best_partitions(gains):
        starts = [0, *(index * size for index in changes)]
        lengths = np.diff([*starts, n])
        residuals = series - np.repeat(np.add.reduceat(series, starts) / lengths, lengths)
        criterion = worth * len(changes) + _deviance(residuals, follows, least)
        waited += 1
        if criterion < smallest:
            smallest, likeliest, waited = criterion, (lengths, residuals), 0
        if waited == PATIENCE:
            break
    lengths, residuals = likeliest
    levels = np.zeros((len(lengths), n))
    for row, length, end in zip(levels, lengths, np.cumsum(lengths), strict=True):
        row[end - length : end] = 1 / math.sqrt(length)
    return noise_of(levels.T, residuals, follows)


def _deviance(residuals: Floats, follows: Booleans, least: float) -> float:
    """Minus twice the AR(1) log-likelihood, up to a constant, at Burg's rho, which no gap makes larger than one;
    `least` is the smallest sum of squares that can be told.
    """
    before, after = residuals[:-1], residuals[1:]
    if not follows.all():
        before, after = before[follows], after[follows]
    squares = float(before @ before + after @ after)
    rho = 2 * float(before @ after) / squares if squares else 0.0
    unexplained = math.log(max(1 - rho**2, ROUNDING))
    return len(residuals) * math.log(max(float(residuals @ residuals), least)) + len(before) * unexplained


def _rounding(series: Floats) -> float:
    """The least variance that sums of squares of the series, and its own digits, can tell."""
    squares = float(np.sum((series - series.mean()) ** 2)) + ROUNDING * float(series @ series)
    return max(ROUNDING * squares, SMALLEST_NORMAL)


def segment_gains(series: Floats) -> Floats:
    """float64[n+1, n+1]: by how much the mean of the segment from `start` to before `end` lessens the squares, at
    [end, start]; -inf where that is no segment.

    About its mean a segment of sum S and length L has the sum of its squares less S^2/L; the sum of all squares is the
    same for every partition and left out.
    """
    sums = np.concatenate([[0.0], np.cumsum(series - series.mean())])
    # What depends on the length alone is the same along a diagonal: a row shows what it has of it through a window.
    lengths = np.arange(len(series), -len(sums), -1)
    by_length = np.maximum(lengths, 1.0), np.where(lengths < SMALLEST_SEGMENT, -np.inf, 0.0)
    divisor, allowed = (sliding_window_view(values, len(sums))[::-1] for values in by_length)
    gains: Floats = np.subtract.outer(sums, sums)
    gains *= gains
    gains /= divisor
    gains += allowed
    return gains


def best_partitions(gains: Floats) -> Iterator[list[int]]:
    """The changes of the partition of least squares about segment means with one change, with two, and so on."""
    n = len(gains)
    best, starts = gains[:, 0], list[NDArray[np.int64]]()
    parts = [(gains[first:end, :end], end) for first, end in itertools.pairwise([*range(0, n, ENDS_AT_ONCE), n])]
    while True:
        # Of a last segment from each start to each end, and the best ones before it.
        totals = (part + best[:end] for part, end in parts)
        starts.append(start := np.concatenate([each.argmax(axis=1) for each in totals]))
        best = gains[np.arange(n), start] + best[start]
        if best[-1] == -np.inf:
            return
        yield _traced(starts)


def _traced(starts: Sequence[NDArray[np.int64]]) -> list[int]:
    """The changes, from the start of the last segment before each end: of two segments, of three, and so on."""
    found, end = [], -1
    for start in reversed(starts):
        end = int(start[end])
        found.append(end)
    return found[::-1]


def optimal_partition(gains: Floats, penalty: float) -> list[int]:
    """The changes of the exact minimum of the sum of squares about segment means plus `penalty` for each change."""
    n = len(gains) - 1
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, dtype=np.int64)
    for end in range(1, n + 1):
        total = best[:end] - gains[end, :end]
        last[end] = start = int(total.argmin())
        best[end] = total[start] + penalty
    return _changes(last, n)


def _changes(last: NDArray[np.int64], n: int) -> list[int]:
    found, end = [], n
    while last[end] > 0:
        end = int(last[end])
        found.append(end)
    return sorted(found)
