"""A liquor packaging hall: 仰韶酒业 (Yangshao), 16 lines, from 180 to 1,800 bottles an hour, 67 % fewer people.

Relations, and where they come from:
- 16 lines, 1,800 bottles/h each, 25,000 t of packed liquor a year: at half a litre a bottle that is 7 hours on some 250
  days, so the hall works one shift (08:00 to 16:00, an hour of it breaks) from Monday to Friday.
- The lines were manual before: a tenth of the rate, which is the factor in the public document.
- A line that is down for the day (change-over, lack of bottles) does not run and makes no bottles; the hours of
  the lines that run are what a rate per line stands on.
- People come by badge. Two teams of eight lines each write a roster besides: whom the leader counted at the start of
  each shift, now and then a head too many or too few.

Simplifications: all running lines share one day's pace; bottles that break are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.grid import SLOT_H, ar1, counted, counted_pieces, streams
from simulators.plants.base import REPLY, Claim, Effect, Plant, Works, by_measure
from simulators.points import Floats, Instants, Kind, Point, by_name

LINES = 16
SHIFT_HOURS = (8.0, 16.0)
BREAK_HOURS = (12.0, 13.0)
WEEKDAYS = 5
TEAMS = {"roster_team1": "包装一班", "roster_team2": "包装二班"}


@dataclass(frozen=True)
class PackagingParameters(Works):
    """The hall; rates in bottles an hour and line, an SD relative."""

    rate_before: float = 180.0
    rate_after: float = 1800.0
    heads_before: int = 300
    heads_after: int = 99
    absence_share: float = 0.04
    miscount_share: float = 0.01
    line_down_share: float = 0.05
    pace_sd: float = 0.03
    pace_rho_daily: float = 0.5
    standby_kw: float = 40.0
    kwh_per_bottle: float = 0.012


class Packaging(Plant):
    """The hall's readings and truth."""

    line = "Packaging1"
    points = by_name(
        Point("bottles", "piece", Kind.COUNTER, 0),
        Point("lines_running", "1", Kind.STATE, 0),
        Point("hall_state", "1", Kind.STATE, 0),
        Point("energy", "kWh", Kind.COUNTER, 1),
        Point("staff_on_shift", "head", Kind.STATE, 0, protocol="mqtt"),
        *(Point(name, "head", Kind.STATE, 0, protocol="roster", team=team) for name, team in TEAMS.items()),
        *(Point(f"line{number:02}_bottles", "piece", Kind.COUNTER, 0) for number in range(1, LINES + 1)),
    )
    claims = by_measure(
        rate=Claim(
            "1,800 bottles/h a line, efficiency ten times (每条生产线生产能力为1800瓶/小时，效率提高10倍)",
            f"{REPLY}, II (3)",
            ("pace_sd", "pace_rho_daily"),
        ),
        staff=Claim("67 % fewer people (人员减少67%)", f"{REPLY}, II (3)", ("absence_share",)),
        productivity=Claim(
            "", "follows from the two others", ("pace_sd", "pace_rho_daily", "line_down_share", "absence_share")
        ),
    )
    parameters: PackagingParameters

    def truth(self) -> dict[str, Effect]:
        """Rates and heads as the parameters have them; the absent are absent before and after."""
        p = self.parameters
        attendance = 1 - p.absence_share
        heads_before = p.heads_before * attendance
        heads_after = p.reached(p.heads_before, p.heads_after) * attendance
        rate_after = p.reached(p.rate_before, p.rate_after)
        lines, working_share = LINES * (1 - p.line_down_share), 7 / 8
        productivity = [
            lines * working_share * rate / heads
            for rate, heads in ((p.rate_before, heads_before), (rate_after, heads_after))
        ]
        return {
            "rate": Effect(rate_after - p.rate_before, "piece/h", p.rate_before),
            "staff": Effect(heads_after - heads_before, "head", heads_before),
            "productivity": Effect(productivity[1] - productivity[0], "piece/h/head", productivity[0]),
        }

    def _draw(self) -> dict[str, Floats]:
        p, grid = self.parameters, self.grid
        pace_rng, down_rng, people, pieces, leaders = streams(self.seed, 5)
        workday = (grid.weekday < WEEKDAYS)[grid.day]
        on_shift = workday & (grid.hour >= SHIFT_HOURS[0]) & (grid.hour < SHIFT_HOURS[1])
        working = on_shift & ~((grid.hour >= BREAK_HOURS[0]) & (grid.hour < BREAK_HOURS[1]))
        pace = 1 + ar1(pace_rng, grid.days, rho=p.pace_rho_daily, sd=p.pace_sd)
        rate = grid.stepped(p.rate_before, p.reached(p.rate_before, p.rate_after)) * pace[grid.day]
        up = (down_rng.random((LINES, grid.days)) >= p.line_down_share)[:, grid.day] & working
        heads = np.rint(grid.stepped(p.heads_before, p.reached(p.heads_before, p.heads_after))).astype(np.int64)
        first_slot = np.searchsorted(grid.slots_us, grid.day_starts_us[:-1])
        came = people.binomial(heads[first_slot], 1 - p.absence_share)
        rosters = self._rosters(leaders, heads[first_slot], came)
        per_line = [counted_pieces(pieces, rate * SLOT_H * running) for running in up]
        bottles = np.sum(per_line, axis=0)
        raw = {
            "bottles": bottles,
            "lines_running": up.sum(axis=0).astype(np.float64),
            "hall_state": working.astype(np.float64),
            "energy": p.kwh_per_bottle * bottles + counted(np.full(len(grid.slots_us), p.standby_kw * SLOT_H)),
            "staff_on_shift": np.where(on_shift, came[grid.day], 0.0),
        }
        raw |= {name: np.where(on_shift, written[grid.day], 0.0) for name, written in rosters.items()}
        return raw | {f"line{number:02}_bottles": counter for number, counter in enumerate(per_line, start=1)}

    def _rosters(self, rng: np.random.Generator, heads: Instants, came: Instants) -> dict[str, Instants]:
        """What each team's leader writes of the day shift, shape (d,): who of the team came, or a miscount."""
        first = rng.hypergeometric(heads // 2, heads - heads // 2, came)
        share = self.parameters.miscount_share
        return {
            name: present + rng.binomial(present, share) - rng.binomial(present, share)
            for name, present in zip(TEAMS, (first, came - first), strict=True)
        }
