"""The intervals of one window that enter a model, as plain columns: what every model is fitted to and predicts for.

Numbers only: `y` is the metric's numerator, `w` its denominator (ones where the metric is a mean), `drivers` what a
model regresses on, each in its own unit. Not handled: which intervals are fit to enter (the data gate).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def side_by_side(columns: Iterable[Floats], rows: int) -> Floats:
    """Columns float64[rows] as a matrix float64[rows, k] that lies in memory by the column: what is summed is always a
    column, and that takes a twentieth of the time where its values are neighbours.
    """
    stacked = list(columns)
    matrix: Floats = np.array(stacked, dtype=np.float64).reshape(len(stacked), rows).T
    return matrix


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """m intervals in order of time: y, w float64[m]; drivers float64[m, k], named; categories: a label per interval.

    `position` int64[m] counts intervals from the window's start, gaps included; `month` int64[m] numbers the calendar
    months (year*12 + month). Of intervals shorter than a day `day` int64[m] counts the days, and `slot` int64[m] is the
    hour of the week of those of at most an hour.
    `order` int64[m] is `position` without the intervals that the plan leaves out because the line stands: in its noise
    the next shift that it works follows the last; None where all intervals count.
    """

    y: Floats
    w: Floats
    drivers: Floats
    names: tuple[str, ...]
    position: Integers
    month: Integers
    categories: Mapping[str, NDArray[np.str_]] = dataclasses.field(default_factory=dict)
    slot: Integers | None = None
    order: Integers | None = None
    day: Integers | None = None

    def __len__(self) -> int:
        """The number of intervals."""
        return len(self.y)

    @functools.cached_property
    def follows(self) -> Booleans:
        """bool[m-1]: whether an interval comes directly after the one before it, without a gap."""
        follows: Booleans = np.diff(self._order) == 1
        return follows

    @functools.cached_property
    def total_y(self) -> float:
        """The sum of the numerator."""
        return float(np.sum(self.y))

    @functools.cached_property
    def total_w(self) -> float:
        """The sum of the denominator."""
        return float(np.sum(self.w))

    def column(self, name: str) -> Floats:
        """The driver `name`."""
        column: Floats = self.drivers[:, self.names.index(name)]
        return column

    def take(self, selection: Booleans | Integers | slice) -> Sample:
        """The intervals of a mask, at indices, or of a slice, which copies nothing."""
        if not isinstance(selection, slice) and selection.dtype == bool:
            selection = np.flatnonzero(selection)  # searched once for all columns
        return dataclasses.replace(
            self,
            y=self.y[selection],
            w=self.w[selection],
            drivers=self._rows(selection),
            position=self.position[selection],
            month=self.month[selection],
            categories={name: labels[selection] for name, labels in self.categories.items()},
            slot=None if self.slot is None else self.slot[selection],
            order=None if self.order is None else self.order[selection],
            day=None if self.day is None else self.day[selection],
        )

    def in_calendar(self, weights: Floats) -> Floats:
        """`weights` float64[m] laid out on the calendar from the first interval to the last, zeros in the gaps."""
        order = self._order
        if order[-1] - order[0] + 1 == len(order):
            return weights
        laid_out = np.zeros(int(order[-1] - order[0]) + 1)
        laid_out[order - order[0]] = weights
        return laid_out

    @functools.cached_property
    def day_starts(self) -> Integers | None:
        """int64[days]: the first interval of each day that has one; None where intervals are days or longer."""
        return None if self.day is None else starts_of(self.day)

    @functools.cached_property
    def day_lengths(self) -> Integers | None:
        """int64[days]: how many intervals each of these days has; None where intervals are days or longer."""
        return None if self.day_starts is None else np.diff(self.day_starts, append=len(self))

    def _rows(self, selection: Booleans | Integers | slice) -> Floats:
        if isinstance(selection, slice):
            return self.drivers[selection]
        columns = [column[selection] for column in self.drivers.T]
        return side_by_side(columns, len(self.position[selection]))

    @property
    def _order(self) -> Integers:
        return self.position if self.order is None else self.order


def starts_of(numbers: Integers) -> Integers:
    """Where each run of one number begins, int64[runs]."""
    changed = np.flatnonzero(numbers[1:] != numbers[:-1])
    return np.concatenate([[0], changed + 1])


def joined(first: Sample, second: Sample) -> Sample:
    """The intervals of two windows, one after the other, with the drivers of both; for standard conditions, not for
    fitting.
    """
    names = tuple(name for name in first.names if name in second.names)
    slots = None if first.slot is None or second.slot is None else np.concatenate([first.slot, second.slot])
    return Sample(
        y=np.concatenate([first.y, second.y]),
        w=np.concatenate([first.w, second.w]),
        drivers=side_by_side(
            [np.concatenate([first.column(name), second.column(name)]) for name in names], len(first) + len(second)
        ),
        names=names,
        position=np.concatenate([first.position, second.position + first.position[-1] + 2]),
        month=np.concatenate([first.month, second.month]),
        categories={
            name: np.concatenate([labels, second.categories[name]]) for name, labels in first.categories.items()
        },
        slot=slots,
    )
