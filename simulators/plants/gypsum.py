"""A plasterboard works: 永泰石膏 (Yongtai Gypsum), product quality +20 % and 30 % less labour.

The public document does not say what 'product quality +20 %' means. Here it is the first-pass yield, the share of
boards that are good without being worked again: 75 % before, 90 % after, which is 20 % more.

Relations: boards leave the dryer at a steady pace round the clock; each passes with the day's probability, which
wanders slowly (AR(1)) with raw gypsum and humidity. People work in three shifts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.grid import SLOT_H, ar1, counted, counted_pieces, short_stops, streams
from simulators.plants.base import REPLY, Claim, Effect, Plant, Works, by_measure
from simulators.points import Floats, Kind, Point, by_name


@dataclass(frozen=True)
class GypsumParameters(Works):
    """The works; heads are those of one shift."""

    boards_per_h: float = 900.0
    yield_before: float = 0.75
    yield_after: float = 0.90
    yield_sd: float = 0.012
    rho_daily: float = 0.5
    pace_sd: float = 0.03
    heads_before: tuple[int, int, int] = (90, 110, 100)
    heads_after: tuple[int, int, int] = (63, 77, 70)
    absence_share: float = 0.04
    stops_per_year: float = 20.0
    dryer_kw: float = 300.0
    kwh_per_board: float = 0.9


class Gypsum(Plant):
    """The works' readings and truth."""

    line = "Boards1"
    points = by_name(
        Point("boards", "piece", Kind.COUNTER, 0),
        Point("boards_first_pass", "piece", Kind.COUNTER, 0),
        Point("line_state", "1", Kind.STATE, 0),
        Point("energy", "kWh", Kind.COUNTER, 0),
        Point("staff_on_shift", "head", Kind.STATE, 0, protocol="mqtt"),
    )
    claims = by_measure(
        first_pass_yield=Claim(
            "product quality +20 % (产品质量提高20%)", f"{REPLY}, II (3)", ("yield_sd", "rho_daily", "pace_sd")
        ),
        staff=Claim("30 % less labour (减少人工30%)", f"{REPLY}, II (3)", ("absence_share",)),
    )
    parameters: GypsumParameters

    def truth(self) -> dict[str, Effect]:
        """The yields, and the mean of the three shifts' rosters less the absent."""
        p = self.parameters
        before, after = (sum(heads) / 3 * (1 - p.absence_share) for heads in (p.heads_before, p.heads_after))
        gained = p.reached(p.yield_before, p.yield_after) - p.yield_before
        return {
            "first_pass_yield": Effect(gained * 100, "%", p.yield_before * 100),
            "staff": Effect(p.reached(before, after) - before, "head", before),
        }

    def _draw(self) -> dict[str, Floats]:
        p, grid = self.parameters, self.grid
        pace_rng, yield_rng, people, stops, pieces = streams(self.seed, 5)
        running = short_stops(stops, grid, per_year=p.stops_per_year, slots=(4, 25))
        pace = 1 + ar1(pace_rng, grid.days, rho=p.rho_daily, sd=p.pace_sd)
        boards = counted_pieces(pieces, p.boards_per_h * pace[grid.day] * SLOT_H * running)
        made = np.diff(boards, append=boards[-1]).astype(np.int64)
        wander = ar1(yield_rng, grid.days, rho=p.rho_daily, sd=p.yield_sd)[grid.day]
        passing = np.clip(grid.stepped(p.yield_before, p.reached(p.yield_before, p.yield_after)) + wander, 0, 1)
        promised = [p.reached(before, after) for before, after in zip(p.heads_before, p.heads_after, strict=True)]
        roster = np.where(grid.after[:, None], np.rint(promised), p.heads_before).astype(np.int64)
        first_slot = np.searchsorted(grid.slots_us, grid.day_starts_us[:-1])
        came = people.binomial(roster[first_slot], 1 - p.absence_share)
        return {
            "boards": boards,
            "boards_first_pass": counted(pieces.binomial(made, passing).astype(np.float64)),
            "line_state": running.astype(np.float64),
            "energy": counted(np.full(len(grid.slots_us), p.dryer_kw * SLOT_H)) + p.kwh_per_board * boards,
            "staff_on_shift": came[grid.day, grid.shift].astype(np.float64),
        }
