"""A copper foil works: 华鑫铜箔 (Huaxin), a continuous process whose product mix moves its energy per ton.

Relations, and where they come from:
- Electrolysis needs 1.186 g of copper an ampere-hour (Faraday), hence 843 Ah/kg; at 5 V and with rectifiers at 95 %
  that is 4,400 kWh/t, whatever the foil's thickness. Thin foil winds slower, is trimmed more and returns more scrap: 6
  um takes about 9,300 kWh/t in all, 8 um 8,000, 12 um 6,900. The public document gives no energy figure; these are
  typical of the trade.
- The works sell more thin foil each year: after the retrofit the mix shifts towards 6 um. The plain kWh/t rises by
  that, and a model that does not know the grades hides the saving.
- The default retrofit (drums, rectifiers) takes 350 kWh off each ton of every grade.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulators.grid import SLOT_H, Grid, ar1, counted, daily_load, in_band, short_stops, streams
from simulators.plants.base import REPLY, Claim, Effect, Plant, Works, by_measure
from simulators.points import Floats, Kind, Point, by_name

GRADES_UM = (6, 8, 12)


@dataclass(frozen=True)
class FoilParameters(Works):
    """The works; shares and energies in the order of the grades 6, 8 and 12 um, an SD relative."""

    effect_kwh_per_t: float = -350.0
    energy_kwh_per_t: tuple[float, float, float] = (9_300.0, 8_000.0, 6_900.0)
    mix_before: tuple[float, float, float] = (0.30, 0.45, 0.25)
    mix_after: tuple[float, float, float] = (0.36, 0.43, 0.21)
    mix_sd: float = 0.25
    foil_t_per_h: float = 3.2
    base_load_kw: float = 2_400.0
    energy_sd: float = 0.006
    rho_daily: float = 0.5
    load_sd: float = 0.05
    load_rho_daily: float = 0.7
    stops_per_year: float = 10.0


class Foil(Plant):
    """The works' readings and truth."""

    line = "Foil1"
    points = by_name(
        Point("energy", "kWh", Kind.COUNTER, 0, meter="M-01"),
        Point("foil", "t", Kind.COUNTER, 3, meter="SCALE-01"),
        *(Point(f"foil_{grade}um", "t", Kind.COUNTER, 3) for grade in GRADES_UM),
        Point("line_state", "1", Kind.STATE, 0),
    )
    claims = by_measure(
        energy=Claim(
            "",
            f"{REPLY}, II (3), names 432 retrofits without an energy figure; 350 kWh/t is ours",
            ("energy_sd", "rho_daily", "load_sd", "mix_sd"),
        )
    )
    parameters: FoilParameters

    def truth(self) -> dict[str, Effect]:
        """What each ton of any grade takes less; the level before is that of the mix before."""
        p = self.parameters
        by_grade = sum(share * kwh for share, kwh in zip(p.mix_before, p.energy_kwh_per_t, strict=True))
        before = by_grade + p.base_load_kw / p.foil_t_per_h
        return {"energy": Effect(p.effect_share * p.effect_kwh_per_t, "kWh/t", before)}

    def _draw(self) -> dict[str, Floats]:
        p, grid = self.parameters, self.grid
        load_rng, mix_rng, power_rng, stops = streams(self.seed, 4)
        running = short_stops(stops, grid, per_year=p.stops_per_year, slots=(4, 33))
        load = daily_load(load_rng, grid.days, rho=p.load_rho_daily, sd=p.load_sd)[grid.day] * p.demand(grid)
        made_t = p.foil_t_per_h * load * SLOT_H * running
        share = _mix(p, grid, mix_rng)
        by_grade = [made_t * share[:, index] for index in range(len(GRADES_UM))]
        noise = 1 + ar1(power_rng, grid.days, rho=p.rho_daily, sd=p.energy_sd)[grid.day]
        per_t = share @ np.array(p.energy_kwh_per_t) * noise + grid.stepped(0.0, self.truth()["energy"].value)
        raw = {
            "energy": counted(made_t * per_t + p.base_load_kw * SLOT_H),
            "foil": counted(made_t),
            "line_state": running.astype(np.float64),
        }
        return raw | {f"foil_{grade}um": counted(made) for grade, made in zip(GRADES_UM, by_grade, strict=True)}


def _mix(p: FoilParameters, grid: Grid, rng: np.random.Generator) -> Floats:
    """The share of each grade in a slot's foil, shape (n, 3): the order book of the day around the period's mix."""
    moods = [in_band(ar1(rng, grid.days, rho=0.6, sd=1.0)) for _ in GRADES_UM]
    wander = np.exp(math.sqrt(3) * p.mix_sd * np.column_stack(moods))
    raw = np.where(grid.after[:, None], p.mix_after, p.mix_before) * wander[grid.day]
    shares: Floats = raw / raw.sum(axis=1, keepdims=True)
    return shares
