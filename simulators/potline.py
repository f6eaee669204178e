"""An aluminium potline with a known true effect: seeded physics, no I/O.

Owns what every point of the line reads at every instant, and the truth behind it. A `Potline` is a pure function of
(parameters, seed, timeline): two processes started at different times agree on every value.

Relations, and where they come from:
- DC energy per ton is `2980 * V / CE` kWh/t (Faraday's law for aluminium, 0.3356 g/Ah), V the mean pot voltage [V] and
  CE the current efficiency. Hence a pot makes `I / 2980 * CE` t/h at a current of I kA.
- AC energy is DC energy over the rectifier's efficiency, plus a fixed auxiliary load that also runs in a stop.
- The retrofit lowers the pot voltage by a constant. With a constant current efficiency, that changes the AC energy of
  every interval by exactly effect * tons produced in it: the effect is exact by construction, at any load.
- The day-to-day noise of the specific energy is AR(1) and acts through the pot voltage; it is the same with and without
  the effect.

During the works the line runs at partial load with the old voltage; the effect is whole from the first instant after
them. The energy register has nine digits: it rolls over at 10**9 kWh, about every 113 days.

Simplifications: the pot controller holds the voltage whatever the current (no ohmic term); tapping is continuous; the
gas treatment's SO2 reading ignores stops; live values between two quarter-hours are interpolated linearly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from simulators.errors import SimulatorError
from simulators.timeline import CADENCE_US, Timeline, micros

FARADAY_KWH_PER_T_PER_V = 2980.0  # 1 / (0.3356 g/Ah), rounded as the industry rounds it
SLOT_H = 0.25
Floats = NDArray[np.float64]


class Kind(Enum):
    """How a point behaves between two readings: counters and gauges interpolate, a state holds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    STATE = "state"


@dataclass(frozen=True)
class Point:
    """One measuring point: its unit, what kind of number it is, the decimals its device shows, its protocol."""

    name: str
    unit: str
    kind: Kind
    decimals: int
    protocol: str = "opcua"


POINTS = {
    point.name: point
    for point in (
        Point("ac_energy", "kWh", Kind.COUNTER, 0),
        Point("metal_tapped", "t", Kind.COUNTER, 2),
        Point("pot_voltage", "V", Kind.GAUGE, 3),
        Point("line_current", "kA", Kind.GAUGE, 2),
        Point("so2", "mg/m3", Kind.GAUGE, 1),
        Point("line_state", "1", Kind.STATE, 0),
        Point("ambient", "degC", Kind.GAUGE, 1),
        Point("staff_on_shift", "heads", Kind.STATE, 0, protocol="mqtt"),
    )
}


@dataclass(frozen=True)
class PotlineParameters:
    """The line of 恒康铝业 (Hengkang): 240,000 t/a, about 13,500 kWh/t AC.

    An SD is a standard deviation, relative where its name carries no unit.
    """

    effect_kwh_per_t: float = -260.0
    pots: int = 220
    current_ka: float = 400.0
    voltage_v: float = 4.065
    current_efficiency: float = 0.925
    rectifier_efficiency: float = 0.978
    auxiliary_kw: float = 3000.0
    load_sd: float = 0.04
    load_rho_daily: float = 0.867  # exp(-1/7): the dispatcher's set point is remembered for about a week
    load_limit_sd: float = 2.5
    works_load: float = 0.7  # during the works the pots run at partial load, with the old voltage
    current_noise_sd: float = 0.001
    specific_energy_sd: float = 0.005
    specific_energy_rho_daily: float = 0.5
    voltage_noise_sd: float = 0.003
    inventory_sd_t: float = 0.2121  # so that a day's tapped metal differs from its production by 0.3 t (SD)
    stops_per_year: float = 4.0
    stop_voltage_v: float = 1.65  # the cells' back-EMF
    so2_before_mg_m3: tuple[float, float] = (100.0, 120.0)
    so2_after_mg_m3: tuple[float, float] = (25.0, 30.0)
    ambient_mean_c: float = 14.5
    shift_heads: tuple[int, int, int] = (62, 70, 58)  # shifts 00-08, 08-16, 16-24
    absence_share: float = 0.04
    energy_register_start_kwh: int = 470_000_000  # rolls over about day 60 and day 174
    energy_register_modulus_kwh: int = 10**9  # nine digits
    metal_start_t: float = 18_250.0

    def with_effect(self, effect_kwh_per_t: float) -> PotlineParameters:
        """The same plant with another true effect. Effect 0 is a plant at which nothing changed, SO2 included."""
        so2_after = self.so2_after_mg_m3 if effect_kwh_per_t else self.so2_before_mg_m3
        return replace(self, effect_kwh_per_t=effect_kwh_per_t, so2_after_mg_m3=so2_after)

    @property
    def voltage_step_v(self) -> float:
        """What the retrofit adds to the pot voltage [V]; -260 kWh/t is about -79 mV."""
        return self.effect_kwh_per_t * self.rectifier_efficiency * self.current_efficiency / FARADAY_KWH_PER_T_PER_V

    def specific_energy_kwh_per_t(self, voltage_v: float) -> float:
        """AC energy per ton through the rectifiers at a pot voltage, without the auxiliary load and without noise."""
        dc = FARADAY_KWH_PER_T_PER_V * voltage_v / self.current_efficiency
        return dc / self.rectifier_efficiency


def true_effect_kwh_per_t(parameters: PotlineParameters) -> float:
    """The noise-free change of AC energy per ton produced, computed back from the physics, not copied."""
    before = parameters.specific_energy_kwh_per_t(parameters.voltage_v)
    after = parameters.specific_energy_kwh_per_t(parameters.voltage_v + parameters.voltage_step_v)
    return after - before


def ar1(rng: np.random.Generator, n: int, *, rho: float, sd: float) -> Floats:
    """A stationary AR(1) series of shape (n,) with lag-1 autocorrelation `rho` and standard deviation `sd`."""
    shocks = rng.standard_normal(n) * sd
    series = np.empty(n)
    series[0] = shocks[0]
    for i in range(1, n):
        series[i] = rho * series[i - 1] + np.sqrt(1 - rho**2) * shocks[i]
    return series


@dataclass(frozen=True)
class _Calendar:
    """The grid: instants [us], the day of each slot, hours since its local midnight, and the phase of each slot."""

    day_starts_us: NDArray[np.int64]
    grid_us: NDArray[np.int64]
    day: NDArray[np.int64]
    hour: Floats
    works: NDArray[np.bool_]
    after: NDArray[np.bool_]

    @classmethod
    def of(cls, timeline: Timeline) -> _Calendar:
        """The calendar of a timeline. Days of 23 or 25 hours are right too: days are cut at local midnights."""
        starts = timeline.day_starts_us()
        grid = np.arange(starts[0], starts[-1], CADENCE_US, dtype=np.int64)
        day = np.searchsorted(starts, grid, side="right") - 1
        after = day >= timeline.baseline_days + timeline.works_days
        works = (day >= timeline.baseline_days) & ~after
        return cls(starts, grid, day, (grid - starts[day]) / 3.6e9, works, after)

    @property
    def days(self) -> int:
        """The number of days in the horizon."""
        return len(self.day_starts_us) - 1


class Potline:
    """The line's readings and truth over the whole horizon, computed once (about 100,000 quarter-hours)."""

    def __init__(self, parameters: PotlineParameters, seed: int, timeline: Timeline) -> None:
        """Draw every noise stream from `seed`; no stream depends on the effect."""
        self.parameters = parameters
        self.seed = seed
        self.timeline = timeline
        self._calendar = _Calendar.of(timeline)
        self._grid_float_us = self._calendar.grid_us.astype(np.float64)  # exact: below 2**53
        streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)]
        electric, metal, so2, weather, people, stops = streams
        running = _running(parameters, self._calendar, stops)
        current_ka, voltage_v = _current_and_voltage(parameters, self._calendar, electric, running)
        hourly_t = parameters.pots * current_ka * parameters.current_efficiency / FARADAY_KWH_PER_T_PER_V
        dc_kw = parameters.pots * current_ka * voltage_v
        self._energy_kwh = (dc_kw / parameters.rectifier_efficiency + parameters.auxiliary_kw) * SLOT_H
        self._produced_t = hourly_t * SLOT_H
        self._raw: dict[str, Floats] = {
            "ac_energy": parameters.energy_register_start_kwh + _counted(self._energy_kwh),
            "metal_tapped": _tapped_t(parameters, self._calendar, metal, self._produced_t),
            "pot_voltage": voltage_v,
            "line_current": current_ka,
            "so2": _so2_mg_m3(parameters, self._calendar, so2),
            "line_state": running.astype(np.float64),
            "ambient": _ambient_c(parameters, self._calendar, weather),
            "staff_on_shift": _staff(parameters, self._calendar, people),
        }

    @property
    def first_us(self) -> int:
        """The first instant of the plant [us]."""
        return int(self._calendar.grid_us[0])

    @property
    def last_us(self) -> int:
        """The last instant that the plant knows [us]."""
        return int(self._calendar.grid_us[-1])

    def series(self, point: str, start: datetime, end: datetime) -> tuple[NDArray[np.int64], Floats]:
        """Quarter-hourly readings in [start, end], as (times [us], values).

        Both ends belong to it: the energy of the last interval needs the register's reading at its end.
        """
        return self.series_us(point, micros(start), micros(end))

    def series_us(self, point: str, start_us: int, end_us: int) -> tuple[NDArray[np.int64], Floats]:
        """Like `series`, with the bounds in microseconds since the epoch."""
        grid = self._calendar.grid_us
        chosen = grid[np.searchsorted(grid, start_us) : np.searchsorted(grid, end_us, side="right")]
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

    def energy_and_production(self, start: datetime, end: datetime) -> tuple[float, float]:
        """The truth in [start, end): AC energy [kWh] and metal produced [t], before any rounding or inventory."""
        grid = self._calendar.grid_us
        span = slice(np.searchsorted(grid, micros(start)), np.searchsorted(grid, micros(end)))
        return float(self._energy_kwh[span].sum()), float(self._produced_t[span].sum())

    def _read(self, point: str, times_us: NDArray[np.int64]) -> Floats:
        """What the device shows at `times_us`: interpolated or held, then cut to its resolution and modulus."""
        kind, decimals, raw = POINTS[point].kind, POINTS[point].decimals, self._raw[point]
        if kind is Kind.STATE:
            return raw[np.searchsorted(self._calendar.grid_us, times_us, side="right") - 1]
        exact = np.interp(times_us.astype(np.float64), self._grid_float_us, raw)
        if kind is Kind.GAUGE:
            return np.round(exact, decimals)
        shown: Floats = np.floor(exact * 10**decimals) / 10**decimals  # a register shows whole steps only
        return np.mod(shown, self.parameters.energy_register_modulus_kwh) if point == "ac_energy" else shown


def _counted(per_slot: Floats) -> Floats:
    """The running total at the start of each slot, shape (n,)."""
    return np.concatenate(([0.0], np.cumsum(per_slot)[:-1]))


def _running(p: PotlineParameters, cal: _Calendar, rng: np.random.Generator) -> NDArray[np.bool_]:
    """False during the few short stops (1 to 4 hours; a potline freezes when it stands longer)."""
    running = np.ones(len(cal.grid_us), dtype=np.bool_)
    stop_day = rng.random(cal.days) < p.stops_per_year / 365
    offset = rng.integers(0, 80, cal.days)
    length = rng.integers(4, 17, cal.days)
    for day in np.flatnonzero(stop_day):
        begin = np.searchsorted(cal.grid_us, cal.day_starts_us[day]) + offset[day]
        running[begin : begin + length[day]] = False
    return running


def _current_and_voltage(
    p: PotlineParameters, cal: _Calendar, rng: np.random.Generator, running: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Line current [kA] and mean pot voltage [V] of each slot."""
    load = ar1(rng, cal.days, rho=p.load_rho_daily, sd=p.load_sd)
    load = 1 + np.clip(load, -p.load_limit_sd * p.load_sd, p.load_limit_sd * p.load_sd)
    slots = len(cal.grid_us)
    share = load[cal.day] * np.where(cal.works, p.works_load, 1.0)
    current = p.current_ka * share * (1 + p.current_noise_sd * rng.standard_normal(slots))
    daily = ar1(rng, cal.days, rho=p.specific_energy_rho_daily, sd=p.specific_energy_sd)
    noise = daily[cal.day] + p.voltage_noise_sd * rng.standard_normal(slots)
    voltage = p.voltage_v * (1 + noise) + p.voltage_step_v * cal.after
    return np.where(running, current, 0.0), np.where(running, voltage, p.stop_voltage_v)


def _tapped_t(p: PotlineParameters, cal: _Calendar, rng: np.random.Generator, produced_t: Floats) -> Floats:
    """The tapping counter: production plus what the pots' inventory gave or kept, which the next day makes good."""
    inventory = p.inventory_sd_t * rng.standard_normal(cal.days + 1)
    drawn = np.interp(cal.grid_us, cal.day_starts_us, inventory - inventory[0])
    # In a stop the inventory term alone could turn the counter back; a counter never does.
    return np.maximum.accumulate(p.metal_start_t + _counted(produced_t) + drawn)


def _so2_mg_m3(p: PotlineParameters, cal: _Calendar, rng: np.random.Generator) -> Floats:
    """SO2 in the cleaned gas [mg/m3], wandering inside its range before and after the works."""
    daily = ar1(rng, cal.days, rho=0.6, sd=0.45)
    position = np.clip(daily[cal.day] + 0.1 * rng.standard_normal(len(cal.grid_us)), -1, 1)
    low = np.where(cal.after, p.so2_after_mg_m3[0], p.so2_before_mg_m3[0])
    high = np.where(cal.after, p.so2_after_mg_m3[1], p.so2_before_mg_m3[1])
    reading: Floats = (low + high) / 2 + position * (high - low) / 2
    return reading


def _ambient_c(p: PotlineParameters, cal: _Calendar, rng: np.random.Generator) -> Floats:
    """Outdoor temperature [degC] of western Henan: warmest in mid-July and at 15:00; its weather lasts some days."""
    day_of_year = (cal.grid_us / 86.4e9) % 365.25
    season = 13.5 * np.cos(2 * np.pi * (day_of_year - 196) / 365.25)
    hours = 4.5 * np.cos(2 * np.pi * (cal.hour - 15) / 24)
    weather = ar1(rng, cal.days, rho=0.7, sd=3.0)
    midday = cal.day_starts_us[:-1] + 12 * 3.6e9
    return p.ambient_mean_c + season + hours + np.interp(cal.grid_us, midday, weather)


def _staff(p: PotlineParameters, cal: _Calendar, rng: np.random.Generator) -> Floats:
    """Heads on shift: the roster of the three shifts less the absent."""
    heads = np.array(p.shift_heads)
    absent = rng.binomial(heads, p.absence_share, size=(cal.days, 3))
    shift = np.minimum(cal.hour // 8, 2).astype(np.int64)
    present: Floats = (heads - absent)[cal.day, shift].astype(np.float64)
    return present
