"""Change points of a series: where its level shifts, by penalised least squares. The exact minimum is that of optimal
partitioning (Jackson et al. 2005), found among the best partitions with each number of changes (segment neighbourhood
search, Auger and Lawrence 1989), which the noise is told by as well.

A penalty of 2 ln(n) sigma^2 holds for one series of independent noise. Autocorrelated noise wanders, and shifts of
level would be found everywhere (AR(0.8): fifty times in fifty), so the penalty is scaled by n/n'. Both sigma^2 and n'
are those of what levels leave, as many as the AR(1) likelihood of the series bears out and at least two: a shift left
in the noise would pass for correlation, and the larger it is the less it would be seen. How often a steady line is
suspected, and how large a shift is found: docs/reference/change-points.md. A change point opens a case: an adjustment
needs a cause, an owner and a signature.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Self

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
    partitions, rounding = Partitions.of(blocks), _rounding(series)
    noise = _noise_about_levels(series, follows, partitions, size, rounding)
    variance = max(float(noise.weight @ noise.variance), rounding) / size
    inflation = max(1.0, n / max(noise.effective, 1.0))
    penalty = PENALTY * math.log(len(blocks)) * variance * inflation
    return [index * size for index in partitions.optimal(penalty)]


def _noise_about_levels(series: Floats, follows: Booleans, partitions: Partitions, size: int, rounding: float) -> Noise:
    """The noise about as many levels, two or more, as its likelihood bears out; `partitions` are those of blocks of
    `size` values, `rounding` is the least variance that can be told.
    """
    n, worth, least = len(series), LEVEL_PENALTY * math.log(len(series) // size), len(series) * rounding
    smallest, likeliest, waited = math.inf, (np.array([n]), series), 0
    for changes in partitions.by_number():
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


@dataclasses.dataclass(frozen=True, eq=False)
class Partitions:
    """The partitions of a series of least squares about segment means, made as they are asked for.

    `gains` are by how much the mean of each segment lessens the squares; `lessened` and `starts` are, by the number of
    changes, by how much the best partition of the values before each end does, float64[n+1] (-inf where there is none),
    and, from one change on, where its last segment begins, int64[n+1].
    """

    gains: list[Floats]
    lessened: list[Floats]
    starts: list[NDArray[np.int64]]

    @classmethod
    def of(cls, series: Floats) -> Self:
        """The partitions of `series` float64[n]."""
        gains = list(_segment_gains(series))
        return cls(gains, [np.concatenate([part[:, 0] for part in gains])], [])

    def by_number(self) -> Iterator[list[int]]:
        """The changes of the best partition with one change, with two, and so on."""
        for before in itertools.count():
            start = int(np.argmax(totals := self.gains[-1][-1] + self._best(before)))
            if totals[start] == -np.inf:
                return
            yield [*self._traced(before, start), start]

    def optimal(self, penalty: float) -> list[int]:
        """The changes of the exact minimum of the sum of squares plus `penalty` for each change.

        A partition that does not outweigh its changes before any end begins none that does: with fewer in its place the
        whole would be no worse.
        """
        changes = found = 0
        reached = self._best(0)
        while True:
            changes += 1
            worth = self._best(changes) - penalty * changes
            if not (worth > reached).any():
                return self._traced(found, len(reached) - 1)
            if worth[-1] > reached[-1]:
                found = changes
            reached = np.maximum(reached, worth)

    def _traced(self, changes: int, end: int) -> list[int]:
        """The changes of the best partition of the values before `end`."""
        found = []
        for starts in reversed(self.starts[:changes]):
            end = int(starts[end])
            found.append(end)
        return found[::-1]

    def _best(self, changes: int) -> Floats:
        """By how much the best partitions with so many changes lessen the squares."""
        while len(self.lessened) <= changes:
            before, found = self.lessened[-1], []
            for part in self.gains:  # of a last segment from each start to each end, and the best ones before it
                totals = part + before[: part.shape[1]]
                found.append((start := totals.argmax(axis=1), totals[np.arange(len(start)), start]))
            start, lessened = (np.concatenate(column) for column in zip(*found, strict=True))
            self.starts.append(start)
            self.lessened.append(lessened)
        return self.lessened[changes]


def _segment_gains(series: Floats) -> Iterator[Floats]:
    """float64[ends, starts]: by how much the mean of the segment from `start` to before `end` lessens the squares, -inf
    where that is no segment; for some ends after the other, and all starts before the last of them.

    About its mean a segment of sum S and length L has the sum of its squares less S^2/L; the sum of all squares is the
    same for every partition and left out.
    """
    sums = np.concatenate([[0.0], np.cumsum(series - series.mean())])
    # What depends on the length alone is the same along a diagonal: a row shows what it has of it through a window.
    lengths = np.arange(len(series), -len(sums), -1)
    by_length = np.maximum(lengths, 1.0), np.where(lengths < SMALLEST_SEGMENT, -np.inf, 0.0)
    divisor, allowed = (sliding_window_view(values, len(sums))[::-1] for values in by_length)
    for first, end in itertools.pairwise([*range(0, len(sums), ENDS_AT_ONCE), len(sums)]):
        gains: Floats = np.subtract.outer(sums[first:end], sums[:end])
        gains *= gains
        gains /= divisor[first:end, :end]
        gains += allowed[first:end, :end]
        yield gains
