"""The columns that a model regresses on: drivers, category shifts, heating and cooling terms, the time of week.

A design is fixed on the baseline (its category levels, change points, knots) and then builds the same columns for any
window. The first level of a category is part of the intercept.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from verification.engine.models.sample import Booleans, Floats, Integers, Sample, side_by_side


@dataclasses.dataclass(frozen=True)
class Hinge:
    """max(point - T, 0) for `below` (heating), max(T - point, 0) otherwise (cooling)."""

    driver: str
    point: float
    below: bool

    def values(self, sample: Sample) -> Floats:
        """The term for each interval."""
        distance = sample.column(self.driver) - self.point
        values: Floats = np.maximum(-distance if self.below else distance, 0.0)
        return values


@dataclasses.dataclass(frozen=True, eq=False)
class Design:
    """What the columns are, in this order: drivers, categories (all but the first level), hinges, slots, knots."""

    drivers: tuple[str, ...] = ()
    levels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    hinges: tuple[Hinge, ...] = ()
    slots: tuple[int, ...] = ()
    knots: tuple[float, ...] = ()
    temperature: str | None = None

    def names(self) -> tuple[str, ...]:
        """A name for each column: the driver, category=level, driver<point, driver>point, slot, driver segment."""
        shifts = [f"{name}={level}" for name, levels in self.levels for level in levels[1:]]
        hinges = [f"{hinge.driver}{'<' if hinge.below else '>'}{hinge.point:.6g}" for hinge in self.hinges]
        slots = [f"slot={slot}" for slot in self.slots[1:]]
        segments = [f"{self.temperature}:{index + 1}" for index in range(max(len(self.knots) - 1, 0))]
        return (*self.drivers, *shifts, *hinges, *slots, *segments)

    def groups(self) -> tuple[str, ...]:
        """What each column belongs to: driver:<name>, category:<name> or time_of_week."""
        return (
            *(f"driver:{name}" for name in self.drivers),
            *(f"category:{name}" for name, levels in self.levels for _ in levels[1:]),
            *(f"driver:{hinge.driver}" for hinge in self.hinges),
            *("time_of_week" for _ in self.slots[1:]),
            *(f"driver:{self.temperature}" for _ in self.knots[1:]),
        )

    def columns(self, sample: Sample) -> Floats:
        """float64[m, k] for the m intervals of `sample`. A level or an hour of the week that the baseline never
        met has no column: the support check names it. Drivers alone, in the order of the sample, are seen where they
        lie.
        """
        count = len(self.drivers)
        if self.drivers == sample.names[:count] and not (self.levels or self.hinges or self.slots or self.knots):
            return sample.drivers[:, :count]
        return side_by_side(self._columns(sample), len(sample))

    def unseen_levels(self, sample: Sample) -> dict[str, list[str]]:
        """For each category, the labels of `sample` that the baseline never met."""
        unseen = {name: sorted(set(sample.categories[name].tolist()) - set(levels)) for name, levels in self.levels}
        return {name: labels for name, labels in unseen.items() if labels}

    def unseen_hours(self, sample: Sample) -> Integers:
        """int64[k]: the hours of the week of the intervals of `sample` at which the baseline met none."""
        slots = _slots(sample) if self.slots else np.zeros(0, dtype=np.int64)
        unseen: Integers = slots[~np.isin(slots, self.slots)]
        return unseen

    def knows(self, sample: Sample) -> Booleans:
        """bool[m]: whether the baseline met the labels and the time of the week of each interval."""
        known = np.ones(len(sample), dtype=np.bool_)
        for name, levels in self.levels:
            known &= np.isin(sample.categories[name], levels)
        if self.slots:
            known &= np.isin(_slots(sample), self.slots)
        return known

    def _columns(self, sample: Sample) -> Iterator[Floats]:
        for name in self.drivers:
            yield sample.column(name)
        for name, levels in self.levels:
            labels = sample.categories[name]
            for level in levels[1:]:
                yield (labels == level).astype(np.float64)
        for hinge in self.hinges:
            yield hinge.values(sample)
        if self.slots:
            slots = _slots(sample)
            for slot in self.slots[1:]:
                yield (slots == slot).astype(np.float64)
        if self.temperature is not None and self.knots:
            yield from _segments(sample.column(self.temperature), self.knots)


def levels_of(sample: Sample, categories: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The levels of each category in the baseline, in order of name."""
    return tuple((name, tuple(sorted(set(sample.categories[name].tolist())))) for name in categories)


def _slots(sample: Sample) -> Integers:
    if sample.slot is None:
        raise ValueError("a time-of-week model needs intervals shorter than a day")
    return sample.slot


def _segments(temperature: Floats, knots: tuple[float, ...]) -> Iterator[Floats]:
    """Piecewise linear: the part of the temperature that falls into each segment; the outer ones are open."""
    for index, (low, high) in enumerate(itertools.pairwise(knots)):
        lower = -np.inf if index == 0 else low
        upper = np.inf if index == len(knots) - 2 else high
        yield np.clip(temperature, lower, upper) - low
