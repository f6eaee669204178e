"""What goes wrong with meters, clocks and people: a seeded options object that any plant can be given.

A fault stands between the plant and its devices: it changes what a device sends, not what the plant does. Each is pure;
the source times may stand still, jump or repeat. `KINDS` lists them with what `size` means. Not handled: what befalls
the line itself (a shifted load, curtailment by order), which are parameters of the plant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from simulators.errors import SimulatorError
from simulators.plants.base import Plant
from simulators.points import Floats, Instants, Kind, Point

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
BAD_STATUS = 0x808A0000  # OPC UA: Bad_DeviceFailure
YEAR_2000_US = 946_684_800_000_000  # 2000-01-01 UTC, where a clock without a battery begins
SPIKE_SHARE = 1e-3
Statuses = np.ndarray[tuple[int], np.dtype[np.uint32]]


@dataclass(frozen=True)
class Readings:
    """What the device of one point sends, in the order of its production: equally long columns.

    produced_us: when the device sent the reading, never falling; time_us: what the source says; status: OPC UA code.
    """

    produced_us: Instants
    time_us: Instants
    value: Floats
    status: Statuses

    @classmethod
    def of(cls, time_us: Instants, value: Floats) -> Readings:
        """Undisturbed readings."""
        return cls(time_us, time_us.copy(), value, np.zeros(len(time_us), np.uint32))

    def __len__(self) -> int:
        return len(self.time_us)

    def between(self, after_us: int, until_us: int) -> Readings:
        """What was produced after `after_us`, up to and including `until_us`."""
        first, end = np.searchsorted(self.produced_us, [after_us, until_us], side="right")
        return self.take(np.arange(first, end))

    def until(self, until_us: int) -> Readings:
        """What was produced up to and including `until_us`."""
        return self.take(self.produced_us <= until_us)

    def take(self, chosen: Instants | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Readings:
        """The readings at these indices, or where the mask is true."""
        return Readings(self.produced_us[chosen], self.time_us[chosen], self.value[chosen], self.status[chosen])


@dataclass(frozen=True)
class Fault:
    """One fault: its kind, the point it befalls, its size, and the days of the plant's life on which it lasts.

    `first_day` counts from the plant's first day, 0; `days` None means to the end of its life.
    """

    kind: str
    point: str
    size: float
    first_day: int = 20
    days: int | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that is not known, a size that means nothing, and days that are none."""
        if self.kind not in KINDS:
            raise SimulatorError(f"no fault is called {self.kind!r}; there are: {', '.join(KINDS)}")
        low, high = KINDS[self.kind].sizes
        if not low <= self.size <= high:
            raise SimulatorError(
                f"{self.kind} on {self.point} has size {self.size:g}; choose one from {low:g} to {high:g} "
                f"({KINDS[self.kind].size_means})"
            )
        if self.first_day < 0 or (self.days is not None and self.days < 1):
            raise SimulatorError(
                f"{self.kind} on {self.point}: its first day counts from 0, and it lasts a day or more"
            )

    def refuse_elsewhere(self, points: Mapping[str, Point]) -> None:
        """Raise SimulatorError where it cannot befall a plant that has `points`."""
        if self.point not in points:
            raise SimulatorError(f"{self.kind}: there is no point {self.point!r}; there are: {', '.join(points)}")
        if points[self.point].protocol == "roster" and KINDS[self.kind].needs_device:
            possible = ", ".join(name for name, kind in KINDS.items() if not kind.needs_device)
            why = "a roster has neither a clock nor a status"
            raise SimulatorError(f"{self.kind} cannot befall {self.point}: {why}; choose from: {possible}")

    def window_us(self, plant: Plant) -> tuple[int, int]:
        """The half-open span of production in which the fault lasts."""
        starts = plant.grid.day_starts_us
        first = min(self.first_day, len(starts) - 1)
        last = len(starts) - 1 if self.days is None else min(first + self.days, len(starts) - 1)
        return int(starts[first]), int(starts[last])


@dataclass(frozen=True)
class Faults:
    """The faults of one run and the seed of their chance; none by default."""

    listed: tuple[Fault, ...] = ()
    seed: int = 1

    def disturb(self, plant: Plant, point: str, readings: Readings) -> Readings:
        """The readings of `point` after every fault that befalls it, in the order in which the faults are listed.

        Whatever befell it, the device sends what it can send, so that the ledger holds just what a client sees.
        """
        for number, fault in enumerate(self.listed):
            if fault.point == point and len(readings):
                rng = np.random.default_rng([self.seed, number])
                readings = KINDS[fault.kind].disturb(readings, fault, _Context(plant, rng, fault.window_us(plant)))
                readings = replace(readings, value=plant.points[point].sent(readings.value))
        return readings


class _Context(NamedTuple):
    plant: Plant
    rng: np.random.Generator
    window_us: tuple[int, int]

    def inside(self, readings: Readings) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which readings were produced while the fault lasted."""
        first, end = self.window_us
        return (readings.produced_us >= first) & (readings.produced_us < end)


Disturb = Callable[[Readings, Fault, _Context], Readings]


def _dropouts(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """Bursts of 1 to 12 readings are never sent; `size` is their share."""
    inside = context.inside(readings)
    lost = np.zeros(len(readings), np.bool_)
    while lost.sum() < fault.size * inside.sum():
        start = context.rng.choice(np.flatnonzero(inside))
        lost[start : start + context.rng.integers(1, 13)] = True
    return readings.take(~(lost & inside))


def _stuck(readings: Readings, _fault: Fault, context: _Context) -> Readings:
    """The device repeats the value that it had when the fault began."""
    inside = context.inside(readings)
    first = int(np.argmax(inside))
    return replace(readings, value=np.where(inside, readings.value[first], readings.value))


def _forced(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """Somebody writes `size` in place of what the device says."""
    return replace(readings, value=np.where(context.inside(readings), fault.size, readings.value))


def _spikes(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """One reading in a thousand is multiplied by `size`."""
    hit = context.inside(readings) & (context.rng.random(len(readings)) < SPIKE_SHARE)
    return replace(readings, value=np.where(hit, readings.value * fault.size, readings.value))


def _noise(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """Each reading errs by a normal deviate; `size` is its SD, relative to the reading."""
    error = 1 + fault.size * context.rng.standard_normal(len(readings))
    return replace(readings, value=np.where(context.inside(readings), readings.value * error, readings.value))


def _steps(readings: Readings, point: Point) -> Floats:
    """What a counter counted from each reading to the next, the first 0, whole turns of its register included."""
    steps: Floats = np.diff(readings.value, prepend=readings.value[0])
    return steps if point.modulus is None else np.mod(steps, point.modulus)


def _register(start: float, steps: Floats, point: Point) -> Floats:
    """The register that counts `steps` from `start` on, in the whole steps of its last digit."""
    fine = 10**point.decimals
    count: Floats = np.floor((start + np.cumsum(steps)) * fine + 1e-6) / fine
    return count if point.modulus is None else np.mod(count, point.modulus)


def _scaled_values(readings: Readings, factor: Floats, point: Point) -> Floats:
    """The values of a meter whose scale is `factor` at each reading: a counter's steps are scaled, a gauge's values."""
    if point.kind is not Kind.COUNTER:
        return readings.value * factor
    return _register(readings.value[0], _steps(readings, point) * factor, point)


def _drift(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """The scale grows by `size` every 30 days."""
    since_days = np.clip((readings.produced_us - context.window_us[0]) / DAY_US, 0, None)
    point = context.plant.points[fault.point]
    return replace(readings, value=_scaled_values(readings, 1 + fault.size * since_days / 30, point))


def _scaled(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """The scale is `size` while the fault lasts: a recalibration, a wrong CT ratio, or a meter that was seen to."""
    factor = np.where(context.inside(readings), fault.size, 1.0)
    return replace(readings, value=_scaled_values(readings, factor, context.plant.points[fault.point]))


def _reset(readings: Readings, _fault: Fault, context: _Context) -> Readings:
    """The register begins again at 0."""
    after = readings.produced_us >= context.window_us[0]
    origin = readings.value[int(np.argmax(after))]
    return replace(readings, value=np.where(after, readings.value - origin, readings.value))


def _rollover(readings: Readings, fault: Fault, _context: _Context) -> Readings:
    """The register has fewer digits: it shows its count modulo `size`."""
    return replace(readings, value=np.mod(readings.value, fault.size))


def _replaced(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """Another meter from then on: it starts at 0 and counts with `size` times the old one's ratio."""
    return _reset(_scaled(readings, fault, context), fault, context)


def _clock_step(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """The source's clock is off by `size` seconds."""
    shift = np.where(context.inside(readings), round(fault.size * 1e6), 0)
    return replace(readings, time_us=readings.time_us + shift)


def _clock_skew(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """The source's clock gains `size` seconds a day."""
    since_days = np.clip((readings.produced_us - context.window_us[0]) / DAY_US, 0, None)
    return replace(readings, time_us=readings.time_us + np.rint(since_days * fault.size * 1e6).astype(np.int64))


def _year_2000(readings: Readings, _fault: Fault, context: _Context) -> Readings:
    """The clock lost its battery and counts from 2000-01-01."""
    shift = np.where(context.inside(readings), YEAR_2000_US - context.window_us[0], 0)
    return replace(readings, time_us=readings.time_us + shift)


def _duplicates(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """A share `size` of the readings is sent twice."""
    again = context.inside(readings) & (context.rng.random(len(readings)) < fault.size)
    return readings.take(np.repeat(np.arange(len(readings)), 1 + again))


def _disorder(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """A share `size` of the readings is sent after the one that follows it."""
    order = np.arange(len(readings))
    late = np.flatnonzero(context.inside(readings)[:-1] & (context.rng.random(len(readings) - 1) < fault.size))[::2]
    order[late], order[late + 1] = late + 1, late
    late_first = readings.take(order)
    return replace(late_first, produced_us=np.maximum.accumulate(late_first.produced_us))


def _bad_status(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """A share `size` of the readings carries Bad_DeviceFailure and a value that means nothing."""
    bad = context.inside(readings) & (context.rng.random(len(readings)) < fault.size)
    return replace(
        readings,
        value=np.where(bad, 0.0, readings.value),
        status=np.where(bad, np.uint32(BAD_STATUS), readings.status).astype(np.uint32),
    )


def _unit_change(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """Somebody changed the unit: the number that is sent is `size` times what it was (0.001: kWh became MWh)."""
    inside = context.inside(readings)
    return replace(readings, value=np.where(inside, readings.value * fault.size, readings.value))


def _copied(readings: Readings, fault: Fault, context: _Context) -> Readings:
    """The days of the fault are a copy of as many days, `size` days before, as somebody pastes them into a table.

    A counter's copied steps are put on top of its count, so that the register looks whole.
    """
    values = readings.value.copy()
    back_us = round(fault.size * DAY_US)
    chosen = np.flatnonzero(context.inside(readings) & (readings.produced_us >= readings.produced_us[0] + back_us))
    original = np.searchsorted(readings.produced_us, readings.produced_us[chosen] - back_us)
    point = context.plant.points[fault.point]
    if point.kind is not Kind.COUNTER:
        values[chosen] = readings.value[original]
        return replace(readings, value=values)
    steps = _steps(readings, point)
    steps[chosen] = steps[original]
    return replace(readings, value=_register(readings.value[0], steps, point))


def _withheld(readings: Readings, _fault: Fault, context: _Context) -> Readings:
    """Nothing is sent while the fault lasts: a roster nobody filled in, a tag that was renamed."""
    return readings.take(~context.inside(readings))


class FaultKind(NamedTuple):
    """How a fault disturbs, what its `size` means, a size that is worth finding, whether it needs a device's clock or
    status, and which sizes it can have.
    """

    disturb: Disturb
    size_means: str
    default_size: float
    needs_device: bool = False
    sizes: tuple[float, float] = (-1e12, 1e12)


KINDS: Mapping[str, FaultKind] = {
    "dropouts": FaultKind(_dropouts, "share of readings that are never sent", 0.03, sizes=(0, 0.5)),
    "stuck": FaultKind(_stuck, "(none)", 0.0),
    "forced": FaultKind(_forced, "the value that is written", 1.0),
    "spikes": FaultKind(_spikes, "factor on one reading in a thousand", 10.0),
    "noise": FaultKind(_noise, "relative SD", 0.02, sizes=(0, 10)),
    "drift": FaultKind(_drift, "relative change of scale in 30 days", 0.005, sizes=(-0.5, 0.5)),
    "scaled": FaultKind(_scaled, "factor on what is metered", 0.97, sizes=(0, 1000)),
    "counter_reset": FaultKind(_reset, "(none)", 0.0),
    "rollover": FaultKind(_rollover, "modulus of the register", 1e6, sizes=(1, 1e15)),
    "meter_replaced": FaultKind(_replaced, "ratio of the new meter to the old one's", 0.5, sizes=(0, 1000)),
    "clock_step": FaultKind(_clock_step, "seconds", 3600.0, needs_device=True, sizes=(-1e9, 1e9)),
    "clock_skew": FaultKind(_clock_skew, "seconds a day", 20.0, needs_device=True, sizes=(-3600, 3600)),
    "year_2000": FaultKind(_year_2000, "(none)", 0.0, needs_device=True),
    "duplicates": FaultKind(_duplicates, "share of readings that are sent twice", 0.02, sizes=(0, 1)),
    "out_of_order": FaultKind(_disorder, "share of readings that overtake another", 0.02, sizes=(0, 1)),
    "bad_status": FaultKind(_bad_status, "share of readings", 0.03, needs_device=True, sizes=(0, 1)),
    "unit_change": FaultKind(_unit_change, "factor on the number", 0.001),
    "copied_days": FaultKind(_copied, "days back to the original", 30.0, sizes=(1, 3650)),
    "withheld": FaultKind(_withheld, "(none)", 0.0),
}
