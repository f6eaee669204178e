"""What every simulated plant is: a pure function of (parameters, seed, timeline), with its truth beside its readings.

A plant draws the raw course of every point on the quarter-hour grid once; this module reads it as the devices would
show it at any instant. No I/O. Not handled: faults and frauds, which `faults.py` puts between plant and devices.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import numpy as np

from simulators.errors import SimulatorError
from simulators.grid import Grid
from simulators.points import Floats, Instants, Kind, Point, Protocol
from simulators.timeline import Timeline, micros

ALERT_FIRST_DAY = 40
ALERT_LOAD = 0.6
STOP_FIRST_DAY = 10
REPLY = "Sanmenxia's reply to proposal 67, 2022-09-26"  # 三门峡市工业和信息化局, 第67号提案的答复
PLAN_33 = "Luoyang's plan 洛政办〔2021〕33号"


@dataclass(frozen=True)
class Effect:
    """What the works truly changed of one measure, after minus before, free of noise; `before` is its level until then,
    at the usual load and mix.
    """

    value: float
    unit: str
    before: float

    @property
    def percent(self) -> float:
        """The change in percent of the level before, nan where that is nothing."""
        return 100 * self.value / self.before if self.before else math.nan


@dataclass(frozen=True)
class Claim:
    """Where the figure of a measure comes from. said: what a public document says, empty where it has no figure;
    source: where it says so, or what the figure stands on instead; noise: the parameters by which readings scatter.
    """

    said: str
    source: str
    noise: tuple[str, ...]


def by_measure(**claims: Claim) -> Mapping[str, Claim]:
    """The claims under the names of their measures."""
    return claims


@dataclass(frozen=True)
class Works:
    """What every plant's parameters share: how much of the works' effect really came, 1 for all of it, 0 for none.

    A plant with 0 is one at which nothing changed, and which must not be certified.
    """

    effect_share: float = 1.0
    load_after: float = 1.0
    curtailed_days: int = 0
    stopped_days: int = 0

    def demand(self, grid: Grid) -> Floats:
        """The share of its usual load at which the line works, shape (n,).

        After the works `load_after`; 60 % in a heavy-pollution alert (重污染天气应急) that begins on day 40 and lasts
        `curtailed_days`; nothing for `stopped_days` from the tenth day after the works on, although its state says that
        it runs.
        """
        since_works = grid.day - np.argmax(grid.after[np.searchsorted(grid.slots_us, grid.day_starts_us[:-1])])
        curtailed = (grid.day >= ALERT_FIRST_DAY) & (grid.day < ALERT_FIRST_DAY + self.curtailed_days)
        stopped = (since_works >= STOP_FIRST_DAY) & (since_works < STOP_FIRST_DAY + self.stopped_days)
        return grid.stepped(1.0, self.load_after) * np.where(curtailed, ALERT_LOAD, 1.0) * ~stopped

    def reached(self, before: float, promised: float) -> float:
        """What a quantity is after the works that were to bring it from `before` to `promised`."""
        return before + self.effect_share * (promised - before)


class Plant(ABC):
    """One line. Subclasses name their points and draw `_raw`; two processes with one seed agree on every value."""

    line: ClassVar[str]  # the object under which a control system shows the points
    claims: ClassVar[Mapping[str, Claim]]  # by measure, as in `truth`
    points: Mapping[str, Point]

    def __init__(self, parameters: Works, seed: int, timeline: Timeline) -> None:
        """Draw the whole horizon (about 100,000 quarter-hours)."""
        self.parameters = parameters
        self.seed = seed
        self.timeline = timeline
        self.grid = Grid.of(timeline)
        self._grid_us = self.grid.slots_us.astype(np.float64)  # exact: below 2**53
        try:
            self._raw = self._draw()
        except (ArithmeticError, ValueError) as err:
            raise SimulatorError(f"{self.line} cannot work with these parameters: {err}") from err
        if self._raw.keys() != self.points.keys():
            raise SimulatorError(f"{type(self).__name__} draws {sorted(self._raw)}, not its points")
        for point in self.points.values():
            raw = self._raw[point.name]
            if not np.isfinite(raw).all() or (point.kind is Kind.COUNTER and (np.diff(raw) < 0).any()):
                raise SimulatorError(f"with these parameters {point.name} would count backwards or show no number")

    @abstractmethod
    def _draw(self) -> dict[str, Floats]:
        """The undisturbed course of every point at the start of each slot, shape (n,); no stream depends on the
        effect.
        """

    @abstractmethod
    def truth(self) -> dict[str, Effect]:
        """The true effect on each measure of the plant's plan, computed back from the physics, not copied."""

    def narrow(self, names: Collection[str]) -> None:
        """Have devices for these points only; what the plant does stays the same."""
        unknown = sorted(set(names) - self.points.keys())
        if unknown:
            raise SimulatorError(f"{self.line} has no point {unknown[0]!r}; there are: {', '.join(self.points)}")
        self.points = {name: point for name, point in self.points.items() if name in names}

    @property
    def first_us(self) -> int:
        """The first instant of the plant [us]."""
        return int(self.grid.slots_us[0])

    @property
    def last_us(self) -> int:
        """The last instant that the plant knows [us]."""
        return int(self.grid.slots_us[-1])

    def point_names(self, protocol: Protocol) -> tuple[str, ...]:
        """The points that reach a client over `protocol`."""
        return tuple(name for name, point in self.points.items() if point.protocol == protocol)

    def series(self, point: str, start: datetime, end: datetime) -> tuple[Instants, Floats]:
        """Readings in [start, end], as (times [us], values): quarter-hourly, of a roster at the start of each shift.

        Both ends belong to it: the energy of the last interval needs the register's reading at its end.
        """
        return self.series_us(point, micros(start), micros(end))

    def series_us(self, point: str, start_us: int, end_us: int) -> tuple[Instants, Floats]:
        """Like `series`, with the bounds in microseconds since the epoch."""
        written = self.points[point].protocol == "roster"
        due = self.grid.shift_starts_us if written else self.grid.slots_us
        chosen = due[np.searchsorted(due, start_us) : np.searchsorted(due, end_us, side="right")]
        return chosen, self._read(point, chosen)

    def value(self, point: str, instant: datetime) -> float:
        """What the point reads at any instant of the horizon."""
        return self.value_us(point, micros(instant))

    def value_us(self, point: str, time_us: int) -> float:
        """Like `value`, with the instant in microseconds since the epoch."""
        if not self.first_us <= time_us <= self.last_us:
            last = self.timeline.reporting_end.date()
            raise SimulatorError(
                f"the plant knows nothing of that instant: its life starts {self.timeline.first_day} and ends some two "
                f"years after its reporting period ({last}). Start a new ledger with another --first-day."
            )
        return float(self._read(point, np.array([time_us], dtype=np.int64))[0])

    def _read(self, point: str, times_us: Instants) -> Floats:
        return self.points[point].shown(times_us, self._grid_us, self._raw[point])
