"""A cement kiln: 锦荣水泥 (Jinrong), an energy-saving retrofit for which the public document gives no figure.

Relations, and where they come from:
- A dry kiln of 2,500 t of clinker a day. Electricity: a base load (fans, cooler) and so many kWh for each ton. Heat:
  the shell's loss by the hour, and 3,250 MJ for each ton at 6 % raw-meal moisture; each further point of moisture takes
  what its water needs to evaporate, about 42 MJ a ton of clinker (1.55 t of raw meal a ton, 2.7 MJ/kg of water).
- Coal burns at its net calorific value [MJ/kg]; heat = coal * calorific value. Analysers on the belts follow coal and
  raw meal.
- In winter, trace heating and the works' rooms take electricity: so many kW for each degree below the year's mean, and
  as much less above it. None unless asked for: `heating_kw_per_degree`.
- The default retrofit (a cooler and fans with frequency converters) takes 4 kWh and 90 MJ (3.1 kgce) off each ton.

Simplifications: the analysers are exact; coal and clinker leave no stock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulators.grid import SLOT_H, ar1, counted, daily_load, in_band, short_stops, streams
from simulators.plants.base import REPLY, Claim, Effect, Plant, Works, by_measure
from simulators.points import Floats, Kind, Point, by_name


@dataclass(frozen=True)
class CementParameters(Works):
    """The kiln; an SD is relative where its name carries no unit."""

    electricity_effect_kwh_per_t: float = -4.0
    heat_effect_mj_per_t: float = -90.0
    clinker_t_per_h: float = 104.0
    base_load_kw: float = 1_200.0
    electricity_kwh_per_t: float = 46.0
    electricity_sd: float = 0.008
    shell_loss_mj_per_h: float = 28_000.0
    heat_mj_per_t: float = 3_250.0
    heat_mj_per_t_and_point: float = 42.0
    reference_moisture_percent: float = 6.0
    heat_sd: float = 0.006
    rho_daily: float = 0.5
    load_sd: float = 0.06
    load_rho_daily: float = 0.7
    moisture_sd_percent: float = 0.8
    calorific_mj_per_kg: float = 23.0
    calorific_sd: float = 0.02
    stops_per_year: float = 6.0
    ambient_mean_c: float = 14.5
    heating_kw_per_degree: float = 0.0


class Cement(Plant):
    """The kiln's readings and truth."""

    line = "Kiln1"
    points = by_name(
        Point("electricity", "kWh", Kind.COUNTER, 0, meter="M-01"),
        Point("clinker", "t", Kind.COUNTER, 1, meter="SCALE-01"),
        Point("coal", "t", Kind.COUNTER, 2, meter="SCALE-02"),
        Point("coal_calorific", "MJ/kg", Kind.GAUGE, 3, meter="ANALYSER-01"),
        Point("raw_moisture", "%", Kind.GAUGE, 2),
        Point("line_state", "1", Kind.STATE, 0),
        Point("ambient", "degC", Kind.GAUGE, 1),
    )
    claims = by_measure(
        electricity=Claim(
            "",
            f"{REPLY}, I (3), names the retrofit (节能降耗改造) without a figure; 4 kWh/t is ours",
            ("electricity_sd", "rho_daily", "load_sd"),
        ),
        heat=Claim(
            "", "no public figure; 90 MJ/t is ours", ("heat_sd", "rho_daily", "moisture_sd_percent", "calorific_sd")
        ),
    )
    parameters: CementParameters

    def truth(self) -> dict[str, Effect]:
        """What each ton takes less, as the parameters have it."""
        p = self.parameters
        kwh_per_t = p.electricity_kwh_per_t + p.base_load_kw / p.clinker_t_per_h
        mj_per_t = p.heat_mj_per_t + p.shell_loss_mj_per_h / p.clinker_t_per_h
        return {
            "electricity": Effect(p.effect_share * p.electricity_effect_kwh_per_t, "kWh/t", kwh_per_t),
            "heat": Effect(p.effect_share * p.heat_effect_mj_per_t, "MJ/t", mj_per_t),
        }

    def _draw(self) -> dict[str, Floats]:
        p, grid = self.parameters, self.grid
        load_rng, power_rng, heat_rng, analysers, weather, stops = streams(self.seed, 6)
        running = short_stops(stops, grid, per_year=p.stops_per_year, slots=(8, 65))
        load = daily_load(load_rng, grid.days, rho=p.load_rho_daily, sd=p.load_sd)[grid.day] * p.demand(grid)
        made_t = p.clinker_t_per_h * load * SLOT_H * running
        power = 1 + ar1(power_rng, grid.days, rho=p.rho_daily, sd=p.electricity_sd)[grid.day]
        per_t = p.electricity_kwh_per_t * power + grid.stepped(0.0, p.effect_share * p.electricity_effect_kwh_per_t)
        wet = math.sqrt(3) * p.moisture_sd_percent * in_band(ar1(analysers, grid.days, rho=0.6, sd=1.0))
        flicker = analysers.standard_normal((2, len(grid.slots_us)))
        moisture = p.reference_moisture_percent + np.interp(grid.slots_us, grid.day_starts_us[:-1], wet)
        moisture = np.round(moisture + 0.05 * flicker[0], 2)
        water_mj_per_t = p.heat_mj_per_t_and_point * (moisture - p.reference_moisture_percent)
        burning = 1 + ar1(heat_rng, grid.days, rho=p.rho_daily, sd=p.heat_sd)[grid.day]
        mj_per_t = (
            p.heat_mj_per_t * burning + water_mj_per_t + grid.stepped(0.0, p.effect_share * p.heat_effect_mj_per_t)
        )
        heat_mj = made_t * mj_per_t + p.shell_loss_mj_per_h * SLOT_H * running
        burned = p.calorific_mj_per_kg * (1 + p.calorific_sd * ar1(analysers, grid.days, rho=0.7, sd=1.0))
        calorific = np.round(np.interp(grid.slots_us, grid.day_starts_us[:-1], burned) + 0.02 * flicker[1], 3)
        ambient = grid.ambient_c(weather, p.ambient_mean_c)
        heating_kw = p.heating_kw_per_degree * (p.ambient_mean_c - ambient)
        return {
            "electricity": counted(made_t * per_t + (p.base_load_kw + heating_kw) * SLOT_H),
            "clinker": counted(made_t),
            "coal": counted(heat_mj / calorific / 1000),
            "coal_calorific": calorific,
            "raw_moisture": moisture,
            "line_state": running.astype(np.float64),
            "ambient": ambient,
        }
