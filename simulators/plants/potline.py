"""An aluminium potline with a known true effect: 恒康铝业 (Hengkang), 240,000 t/a, about 13,500 kWh/t.

Relations, and where they come from:
- DC energy per ton is `2980 * V / CE` kWh/t (Faraday's law for aluminium, 0.3356 g/Ah), V the mean pot voltage [V] and
  CE the current efficiency. Hence a pot makes `I / 2980 * CE` t/h at a current of I kA.
- AC energy is DC energy over the rectifier's efficiency, plus a fixed auxiliary load that also runs in a stop. The two
  registers are the two boundaries that get mixed up: DC at the pots, AC at the rectifier's feeder.
- The retrofit lowers the pot voltage by a constant. With a constant current efficiency, that changes the AC energy of
  every interval by exactly effect * tons produced in it: the effect is exact by construction, at any load.
- The day-to-day noise of the specific energy is AR(1) and acts through the pot voltage; it is the same with and without
  the effect.
- The main meter at the grid counts the potline and the rest of the site, so the three registers must add up.
- Alumina is fed at 1.93 t per ton of metal (Al2O3 to Al needs 1.889; the rest is lost with the bath and as dust).
- An anode effect is a pot that ran short of alumina; pots that run well have 0.05 to 0.2 a pot and day.
- The stack's SO2 reading is at the gas treatment's own oxygen, near that of air, since pot gas is thinned by some 20
  times; potline limits are set on the dry gas as it is, so no oxygen reference applies. Mass flow is reading * flow.

During the works the line runs at partial load with the old voltage; the effect is whole from the first instant after
them. The energy register has nine digits: it rolls over at 10**9 kWh, about every 113 days. A line that `idle_before`
the works stood still for the whole baseline: no metal, auxiliary load only.

Simplifications: the pot controller holds the voltage whatever the current (no ohmic term); tapping is continuous; the
gas treatment's SO2 reading ignores short stops; live values between two quarter-hours are interpolated linearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from simulators.grid import (
    SLOT_H,
    Grid,
    ar1,
    counted,
    counted_pieces,
    daily_load,
    in_band,
    present,
    short_stops,
    streams,
)
from simulators.plants.base import REPLY, Claim, Effect, Plant, Works, by_measure
from simulators.points import Floats, Kind, Point, by_name
from simulators.timeline import micros

FARADAY_KWH_PER_T_PER_V = 2980.0  # 1 / (0.3356 g/Ah), rounded as the industry rounds it
ALUMINA_T_PER_T = 1.93
REGISTER_MODULUS_KWH = 10**9  # nine digits
MAIN_MODULUS_KWH = 10**12


@dataclass(frozen=True)
class PotlineParameters(Works):
    """The line of 恒康铝业 (Hengkang): 240,000 t/a, about 13,500 kWh/t AC.

    An SD is a standard deviation, relative where its name carries no unit.
    """

    effect_kwh_per_t: float = -260.0
    idle_before: bool = False
    pots: int = 220
    current_ka: float = 400.0
    voltage_v: float = 4.065
    current_efficiency: float = 0.925
    rectifier_efficiency: float = 0.978
    auxiliary_kw: float = 3000.0
    site_kw: float = 5000.0  # casting house, workshops, offices: metered beside the potline
    load_sd: float = 0.04
    load_rho_daily: float = 0.867  # exp(-1/7): the dispatcher's set point is remembered for about a week
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
    stack_area_m2: float = 78.5
    stack_velocity_m_s: float = 11.5
    stack_oxygen_percent: float = 20.6
    anode_effects_per_pot_day: tuple[float, float] = (0.20, 0.08)  # before and after the works
    ambient_mean_c: float = 14.5
    shift_heads: tuple[int, int, int] = (62, 70, 58)  # shifts 00-08, 08-16, 16-24
    absence_share: float = 0.04
    energy_register_start_kwh: int = 470_000_000  # rolls over about day 60 and day 174
    metal_start_t: float = 18_250.0

    @property
    def so2_reached_mg_m3(self) -> tuple[float, float]:
        """The range of the SO2 reading after the works."""
        low, high = zip(self.so2_before_mg_m3, self.so2_after_mg_m3, strict=True)
        return self.reached(*low), self.reached(*high)

    @property
    def voltage_step_v(self) -> float:
        """What the retrofit adds to the pot voltage [V]; -260 kWh/t is about -79 mV."""
        effect = self.effect_share * self.effect_kwh_per_t
        return effect * self.rectifier_efficiency * self.current_efficiency / FARADAY_KWH_PER_T_PER_V

    def specific_energy_kwh_per_t(self, voltage_v: float) -> float:
        """AC energy per ton through the rectifiers at a pot voltage, without the auxiliary load and without noise."""
        dc = FARADAY_KWH_PER_T_PER_V * voltage_v / self.current_efficiency
        return dc / self.rectifier_efficiency


class Potline(Plant):
    """The line's readings and truth over the whole horizon."""

    line = "Potline1"
    points = by_name(
        Point("ac_energy", "kWh", Kind.COUNTER, 0, modulus=REGISTER_MODULUS_KWH, meter="M-AC-01"),
        Point("metal_tapped", "t", Kind.COUNTER, 2, meter="SCALE-01"),
        Point("pot_voltage", "V", Kind.GAUGE, 3),
        Point("line_current", "kA", Kind.GAUGE, 2),
        Point("so2", "mg/m3", Kind.GAUGE, 1),
        Point("line_state", "1", Kind.STATE, 0),
        Point("ambient", "degC", Kind.GAUGE, 1),
        Point("staff_on_shift", "head", Kind.STATE, 0, protocol="mqtt"),
        Point("dc_energy", "kWh", Kind.COUNTER, 0, modulus=REGISTER_MODULUS_KWH, meter="M-DC-01"),
        Point("main_energy", "kWh", Kind.COUNTER, 0, modulus=MAIN_MODULUS_KWH, meter="M-GRID-01"),
        Point("site_energy", "kWh", Kind.COUNTER, 0, meter="M-SITE-01"),
        Point("alumina_fed", "t", Kind.COUNTER, 1),
        Point("anode_effects", "1", Kind.COUNTER, 0),
        Point("stack_flow", "m3/h", Kind.GAUGE, 0),
        Point("stack_oxygen", "%", Kind.GAUGE, 2),
    )
    claims = by_measure(
        energy=Claim(
            "260 kWh less a ton (每吨电解铝耗电减少260度)",
            f"{REPLY}, II (4); the level by Faraday's law",
            ("specific_energy_sd", "specific_energy_rho_daily", "voltage_noise_sd", "load_sd", "inventory_sd_t"),
        ),
        dc_energy=Claim(
            "", "the same at the pots, before the rectifiers' losses", ("specific_energy_sd", "voltage_noise_sd")
        ),
        so2=Claim(
            "from above 100 to 25-30 mg/m3 (二氧化硫由100毫克/立方米以上降低到25—30毫克/立方米)",
            f"{REPLY}, II (4)",
            ("so2_before_mg_m3", "so2_after_mg_m3"),
        ),
    )
    parameters: PotlineParameters

    def truth(self) -> dict[str, Effect]:
        """The change of the voltage through Faraday's law; of the SO2 ranges' middles."""
        p = self.parameters
        before = p.specific_energy_kwh_per_t(p.voltage_v)
        after = p.specific_energy_kwh_per_t(p.voltage_v + p.voltage_step_v)
        t_per_h = p.pots * p.current_ka * p.current_efficiency / FARADAY_KWH_PER_T_PER_V
        so2_before, so2_after = (sum(ends) / 2 for ends in (p.so2_before_mg_m3, p.so2_reached_mg_m3))
        return {
            "energy": Effect(after - before, "kWh/t", before + p.auxiliary_kw / t_per_h),
            "dc_energy": Effect((after - before) * p.rectifier_efficiency, "kWh/t", before * p.rectifier_efficiency),
            "so2": Effect(so2_after - so2_before, "mg/m3", so2_before),
        }

    def energy_and_production(self, start: datetime, end: datetime) -> tuple[float, float]:
        """The truth in [start, end): AC energy [kWh] and metal produced [t], before any rounding or inventory."""
        slots = self.grid.slots_us
        span = slice(np.searchsorted(slots, micros(start)), np.searchsorted(slots, micros(end)))
        return float(self._energy_kwh[span].sum()), float(self._produced_t[span].sum())

    def _draw(self) -> dict[str, Floats]:
        p, grid = self.parameters, self.grid
        electric, metal, so2, weather, people, stops, alumina, pots, stack, site = streams(self.seed, 10)
        running = short_stops(stops, grid, per_year=p.stops_per_year, slots=(4, 17))  # longer ones freeze the pots
        if p.idle_before:
            running &= grid.after
        current_ka, voltage_v = _current_and_voltage(p, grid, electric, running)
        produced_t = p.pots * current_ka * p.current_efficiency / FARADAY_KWH_PER_T_PER_V * SLOT_H
        dc_kwh = p.pots * current_ka * voltage_v * SLOT_H
        ac_kwh = dc_kwh / p.rectifier_efficiency + p.auxiliary_kw * SLOT_H
        site_kwh = p.site_kw * SLOT_H * (1 + 0.05 * ar1(site, grid.days, rho=0.5, sd=1.0))[grid.day]
        self._energy_kwh, self._produced_t = ac_kwh, produced_t
        fed_t = produced_t * ALUMINA_T_PER_T * (1 + 0.01 * ar1(alumina, grid.days, rho=0.3, sd=1.0)[grid.day])
        few, fewer = p.anode_effects_per_pot_day
        effects = grid.stepped(few, p.reached(few, fewer)) * p.pots * SLOT_H / 24 * running
        flow = p.stack_area_m2 * p.stack_velocity_m_s * 3600 * (1 + 0.02 * ar1(stack, grid.days, rho=0.5, sd=1.0))
        return {
            "ac_energy": counted(ac_kwh, p.energy_register_start_kwh),
            "metal_tapped": _tapped_t(p, grid, metal, produced_t),
            "pot_voltage": voltage_v,
            "line_current": current_ka,
            "so2": _so2_mg_m3(p, grid, so2),
            "line_state": running.astype(np.float64),
            "ambient": grid.ambient_c(weather, p.ambient_mean_c),
            "staff_on_shift": present(people, grid, p.shift_heads, p.absence_share),
            "dc_energy": counted(dc_kwh, p.energy_register_start_kwh),
            "main_energy": counted(ac_kwh + site_kwh),
            "site_energy": counted(site_kwh),
            "alumina_fed": counted(fed_t),
            "anode_effects": counted_pieces(pots, effects),
            "stack_flow": flow[grid.day],
            "stack_oxygen": p.stack_oxygen_percent + 0.05 * stack.standard_normal(len(grid.slots_us)),
        }


def _current_and_voltage(
    p: PotlineParameters, grid: Grid, rng: np.random.Generator, running: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> tuple[Floats, Floats]:
    """Line current [kA] and mean pot voltage [V] of each slot."""
    load = daily_load(rng, grid.days, rho=p.load_rho_daily, sd=p.load_sd)
    slots = len(grid.slots_us)
    share = load[grid.day] * p.demand(grid) * np.where(grid.works, p.works_load, 1.0)
    current = p.current_ka * share * (1 + p.current_noise_sd * rng.standard_normal(slots))
    daily = ar1(rng, grid.days, rho=p.specific_energy_rho_daily, sd=p.specific_energy_sd)
    noise = daily[grid.day] + p.voltage_noise_sd * rng.standard_normal(slots)
    voltage = p.voltage_v * (1 + noise) + grid.stepped(0.0, p.voltage_step_v)
    return np.where(running, current, 0.0), np.where(running, voltage, p.stop_voltage_v)


def _tapped_t(p: PotlineParameters, grid: Grid, rng: np.random.Generator, produced_t: Floats) -> Floats:
    """The tapping counter: production plus what the pots' inventory gave or kept, which the next day makes good."""
    inventory = p.inventory_sd_t * rng.standard_normal(grid.days + 1)
    drawn = np.interp(grid.slots_us, grid.day_starts_us, inventory - inventory[0])
    if p.idle_before:  # cold pots hold no metal to draw
        drawn = np.where(grid.after, drawn, 0.0)
    # In a stop the inventory term alone could turn the counter back; a counter never does.
    return np.maximum.accumulate(counted(produced_t, p.metal_start_t) + drawn)


def _so2_mg_m3(p: PotlineParameters, grid: Grid, rng: np.random.Generator) -> Floats:
    """SO2 in the cleaned gas [mg/m3], wandering inside its range before and after the works."""
    daily = 0.9 * in_band(ar1(rng, grid.days, rho=0.6, sd=1.0))
    position = daily[grid.day] + 0.03 * np.clip(rng.standard_normal(len(grid.slots_us)), -3, 3)
    low = grid.stepped(p.so2_before_mg_m3[0], p.so2_reached_mg_m3[0])
    high = grid.stepped(p.so2_before_mg_m3[1], p.so2_reached_mg_m3[1])
    reading: Floats = (low + high) / 2 + position * (high - low) / 2
    return reading if not p.idle_before else np.where(grid.after, reading, 0.0)
