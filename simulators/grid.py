"""The grid of quarter-hours on which every plant is drawn, and the random series that plants share.

Pure: no I/O, no knowledge of any plant. Shapes: n slots of 15 minutes, d local days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulators.points import Floats, Instants
from simulators.timeline import CADENCE_US, Timeline

SLOT_H = 0.25
SHIFT_H = 8


@dataclass(frozen=True)
class Grid:
    """Instants [us], the day of each slot, hours since its local midnight, and the period of each slot."""

    day_starts_us: Instants
    slots_us: Instants
    day: Instants
    hour: Floats
    works: np.ndarray[tuple[int], np.dtype[np.bool_]]
    after: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @classmethod
    def of(cls, timeline: Timeline) -> Grid:
        """The grid of a timeline. Days of 23 or 25 hours are right too: days are cut at local midnights."""
        starts = timeline.day_starts_us()
        slots = np.arange(starts[0], starts[-1], CADENCE_US, dtype=np.int64)
        day = np.searchsorted(starts, slots, side="right") - 1
        after = day >= timeline.baseline_days + timeline.works_days
        works = (day >= timeline.baseline_days) & ~after
        return cls(starts, slots, day, (slots - starts[day]) / 3.6e9, works, after)

    @property
    def days(self) -> int:
        """The number of days in the horizon, d."""
        return len(self.day_starts_us) - 1

    @property
    def shift(self) -> Instants:
        """The shift of each slot: 0 from midnight, 1 from 08:00, 2 from 16:00."""
        return np.minimum(self.hour // SHIFT_H, 2).astype(np.int64)

    @property
    def shift_starts_us(self) -> Instants:
        """The instants at which a shift of any day begins [us]."""
        return self.slots_us[np.flatnonzero(np.diff(3 * self.day + self.shift, prepend=-1))]

    def ends_of_days_us(self, times_us: Instants) -> Instants:
        """The midnight that ends the day of each instant [us]."""
        return self.day_starts_us[np.searchsorted(self.day_starts_us, times_us, side="right")]

    @property
    def weekday(self) -> Instants:
        """The day of the week of each local day, shape (d,): 0 is Monday."""
        noon_days = (self.day_starts_us[:-1] + 12 * 3_600_000_000) // 86_400_000_000
        return (noon_days + 3) % 7  # 1970-01-01 was a Thursday

    def stepped(self, before: float, after: float) -> Floats:
        """`after` from the first slot behind the works, `before` until then, shape (n,)."""
        return np.where(self.after, after, before)

    def ambient_c(self, rng: np.random.Generator, mean_c: float) -> Floats:
        """Outdoor temperature [degC] of western Henan: warmest in mid-July and at 15:00; weather lasts some days, and
        sun and wind move each quarter-hour by 0.2 degC (SD), so that no day repeats another.
        """
        day_of_year = (self.slots_us / 86.4e9) % 365.25
        season = 13.5 * np.cos(2 * np.pi * (day_of_year - 196) / 365.25)
        hours = 4.5 * np.cos(2 * np.pi * (self.hour - 15) / 24)
        weather = ar1(rng, self.days, rho=0.7, sd=3.0)
        midday = self.day_starts_us[:-1] + 12 * 3.6e9
        gusts = 0.2 * rng.standard_normal(len(self.slots_us))
        return mean_c + season + hours + np.interp(self.slots_us, midday, weather) + gusts


def streams(seed: int, count: int) -> list[np.random.Generator]:
    """`count` independent generators; none depends on how much another one draws."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)]


def ar1(rng: np.random.Generator, n: int, *, rho: float, sd: float) -> Floats:
    """A stationary AR(1) series of shape (n,) with lag-1 autocorrelation `rho` and standard deviation `sd`."""
    shocks = rng.standard_normal(n) * sd
    series = np.empty(n)
    series[0] = shocks[0]
    for i in range(1, n):
        series[i] = rho * series[i - 1] + np.sqrt(1 - rho**2) * shocks[i]
    return series


def daily_load(rng: np.random.Generator, days: int, *, rho: float, sd: float) -> Floats:
    """The dispatcher's set point of each day as a share of the rated load, shape (d,): it wanders inside a band.

    Every level of the band is as likely as another, so that a few months show most of it; its SD is `sd`.
    """
    return 1 + math.sqrt(3) * sd * in_band(ar1(rng, days, rho=rho, sd=1.0))


def in_band(normal: Floats) -> Floats:
    """Standard normal deviates spread evenly over (-1, 1), in the same order."""
    evenly: Floats = np.array([math.erf(deviate / math.sqrt(2)) for deviate in normal])
    return evenly


def counted(per_slot: Floats, start: float = 0.0) -> Floats:
    """The running total at the start of each slot, shape (n,)."""
    return start + np.concatenate(([0.0], np.cumsum(per_slot)[:-1]))


def counted_pieces(rng: np.random.Generator, expected_per_slot: Floats, start: int = 0) -> Floats:
    """A piece counter whose slots hold whole pieces: the expected number, its fraction carried over.

    Production lines fill slots evenly, so the count follows the rate; chance only decides where the first piece falls.
    """
    return start + np.floor(counted(expected_per_slot) + rng.random())


def present(rng: np.random.Generator, grid: Grid, roster: tuple[int, int, int], absence_share: float) -> Floats:
    """Heads on shift of each slot: the roster of the three shifts less the absent, shape (n,)."""
    heads = np.array(roster)
    absent = rng.binomial(heads, absence_share, size=(grid.days, 3))
    counted_heads: Floats = (heads - absent)[grid.day, grid.shift].astype(np.float64)
    return counted_heads


def short_stops(
    rng: np.random.Generator, grid: Grid, *, per_year: float, slots: tuple[int, int]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """False during short stops of slots[0] to slots[1] - 1 quarter-hours, True while the line runs, shape (n,)."""
    running = np.ones(len(grid.slots_us), dtype=np.bool_)
    stop_day = rng.random(grid.days) < per_year / 365
    offset = rng.integers(0, 80, grid.days)
    length = rng.integers(*slots, grid.days)
    for day in np.flatnonzero(stop_day):
        begin = np.searchsorted(grid.slots_us, grid.day_starts_us[day]) + offset[day]
        running[begin : begin + length[day]] = False
    return running
