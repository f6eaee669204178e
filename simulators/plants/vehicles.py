"""A special-vehicle works: 骏通车辆 (Juntong), welding and handling robots, AGVs; three times the vehicles.

Relations, and where they come from:
- Two shifts (08:00 and 16:00) from Monday to Saturday, 7.5 productive hours each. Vehicles leave at the takt:
  takt [min] = 60 * 7.5 h / vehicles a shift. 90 min before and 28 min after are 5 and 16 vehicles a shift: 3.2 times.
- A short stop of the conveyor stretches the takt; it is the day's AR(1) noise.
- The robots' state tells how many of them run; before the works there are none.

Simplifications: one model of vehicle; work in progress is constant, so what leaves is what was made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.grid import SLOT_H, ar1, counted, counted_pieces, streams
from simulators.plants.base import PLAN_33, REPLY, Claim, Effect, Plant, Works, by_measure
from simulators.points import Floats, Kind, Point, by_name

FIRST_SHIFT_HOUR = 8.0
PAUSE_HOURS = ((12.0, 12.5), (20.0, 20.5))
PRODUCTIVE_HOURS = 7.5
WORKDAYS = 6


@dataclass(frozen=True)
class VehicleParameters(Works):
    """The works; an SD is relative."""

    takt_before_min: float = 90.0
    takt_after_min: float = 28.125
    robots: int = 24
    heads_before: int = 120
    heads_after: int = 96
    absence_share: float = 0.04
    pace_sd: float = 0.05
    pace_rho_daily: float = 0.4
    hall_kw: float = 220.0
    kwh_per_vehicle: float = 310.0


class Vehicles(Plant):
    """The works' readings and truth."""

    line = "Assembly1"
    points = by_name(
        Point("vehicles", "piece", Kind.COUNTER, 0),
        Point("takt", "min", Kind.GAUGE, 2),
        Point("robots_running", "1", Kind.STATE, 0),
        Point("line_state", "1", Kind.STATE, 0),
        Point("energy", "kWh", Kind.COUNTER, 0),
        Point("staff_on_shift", "head", Kind.STATE, 0, protocol="mqtt"),
    )
    claims = by_measure(
        rate=Claim(
            "production efficiency more than three times (生产效率提升了3倍以上)",
            f"{REPLY}, II (3)",
            ("pace_sd", "pace_rho_daily"),
        ),
        staff=Claim(
            "", f"no figure of this works; 20 % fewer is the target for 2025 of {PLAN_33}, I (2)", ("absence_share",)
        ),
    )
    parameters: VehicleParameters

    @property
    def rates_per_h(self) -> tuple[float, float]:
        """Vehicles per productive hour before and after the works."""
        p = self.parameters
        before, promised = 60 / p.takt_before_min, 60 / p.takt_after_min
        return before, p.reached(before, promised)

    def truth(self) -> dict[str, Effect]:
        """From the takt."""
        p = self.parameters
        before, after = self.rates_per_h
        attendance = 1 - p.absence_share
        return {
            "rate": Effect((after - before) * PRODUCTIVE_HOURS, "piece/shift", before * PRODUCTIVE_HOURS),
            "staff": Effect(
                (p.reached(p.heads_before, p.heads_after) - p.heads_before) * attendance,
                "head",
                p.heads_before * attendance,
            ),
        }

    def _draw(self) -> dict[str, Floats]:
        p, grid = self.parameters, self.grid
        pace_rng, people, pieces = streams(self.seed, 3)
        on_shift = (grid.weekday < WORKDAYS)[grid.day] & (grid.hour >= FIRST_SHIFT_HOUR)
        pause = np.logical_or.reduce([(grid.hour >= start) & (grid.hour < end) for start, end in PAUSE_HOURS])
        working = on_shift & ~pause
        pace = 1 + ar1(pace_rng, grid.days, rho=p.pace_rho_daily, sd=p.pace_sd)
        rate = grid.stepped(*self.rates_per_h) * pace[grid.day]
        vehicles = counted_pieces(pieces, rate * SLOT_H * working)
        heads = np.rint(grid.stepped(p.heads_before, p.reached(p.heads_before, p.heads_after))).astype(np.int64)
        slot_of_shift = np.searchsorted(grid.slots_us, grid.day_starts_us[:-1])
        came = people.binomial(heads[slot_of_shift], 1 - p.absence_share, size=(3, grid.days)).T
        return {
            "vehicles": vehicles,
            "takt": 60 / rate,
            "robots_running": working * grid.stepped(0.0, p.robots * p.effect_share),
            "line_state": working.astype(np.float64),
            "energy": counted(np.full(len(grid.slots_us), p.hall_kw * SLOT_H)) + p.kwh_per_vehicle * vehicles,
            "staff_on_shift": np.where(on_shift, came[grid.day, grid.shift], 0.0),
        }
