"""A new-materials works: 宏鑫新材料 (Hongxin), whose production, process and quality records came off paper.

Relations, and where they come from (the public document: over 90 % of the records captured automatically, record errors
-82 %, production efficiency +37 %, labour cost -15 %):
- Every ton makes 40 records. A share of them is captured automatically, the rest is keyed in by hand.
- A record is wrong with a probability that falls by 82 %: 2.5 % before, 0.45 % after.
- The line runs round the clock; its hourly output rises by 37 %. Labour is paid by the day.

The daily record counts are binomial around shares that wander slowly (AR(1)); what is captured by hand or wrong is
known from the next day's check of the records, as the works' quality system counts it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.grid import SLOT_H, ar1, counted, short_stops, streams
from simulators.plants.base import REPLY, Claim, Effect, Plant, Works, by_measure
from simulators.points import Floats, Kind, Point, by_name

SLOTS_PER_DAY = 96


@dataclass(frozen=True)
class MaterialsParameters(Works):
    """The works; an SD is relative unless it is that of a share."""

    rate_before_t_per_h: float = 4.0
    rate_after_t_per_h: float = 5.48
    records_per_t: float = 40.0
    auto_share_before: float = 0.35
    auto_share_after: float = 0.92
    auto_share_sd: float = 0.01
    error_rate_before: float = 0.025
    error_rate_after: float = 0.0045
    error_rate_sd: float = 0.04  # of the rate itself, relative
    labour_before_cny_per_day: float = 38_000.0
    labour_after_cny_per_day: float = 32_300.0
    labour_sd: float = 0.03
    rate_sd: float = 0.03
    rho_daily: float = 0.4
    stops_per_year: float = 12.0
    standby_kw: float = 180.0
    kwh_per_t: float = 420.0


class Materials(Plant):
    """The works' readings and truth."""

    line = "Materials1"
    points = by_name(
        Point("output", "t", Kind.COUNTER, 2),
        Point("records", "1", Kind.COUNTER, 0),
        Point("records_auto", "1", Kind.COUNTER, 0),
        Point("records_wrong", "1", Kind.COUNTER, 0),
        Point("labour_cost", "CNY", Kind.COUNTER, 0),
        Point("line_state", "1", Kind.STATE, 0),
        Point("energy", "kWh", Kind.COUNTER, 0),
    )
    claims = by_measure(
        auto_capture=Claim(
            "over 90 % of the data captured automatically (90%以上生产数据、工艺数据、质量数据自动采集)",
            f"{REPLY}, II (3)",
            ("auto_share_sd", "rho_daily"),
        ),
        record_errors=Claim(
            "errors in the data -82 % (数据出错率降低82%)", f"{REPLY}, II (3)", ("error_rate_sd", "rho_daily")
        ),
        rate=Claim("production efficiency +37 % (生产效率提升37%)", f"{REPLY}, II (3)", ("rate_sd", "rho_daily")),
        labour_cost=Claim("labour cost -15 % (人工成本节约15%)", f"{REPLY}, II (3)", ("labour_sd", "rho_daily")),
    )
    parameters: MaterialsParameters

    def truth(self) -> dict[str, Effect]:
        """The shares, rates and costs as the parameters have them."""
        p = self.parameters
        pairs = {
            "auto_capture": (p.auto_share_before, p.auto_share_after, 100, "%"),
            "record_errors": (p.error_rate_before, p.error_rate_after, 100, "%"),
            "rate": (p.rate_before_t_per_h, p.rate_after_t_per_h, 1, "t/h"),
            "labour_cost": (p.labour_before_cny_per_day, p.labour_after_cny_per_day, 1, "CNY/d"),
        }
        return {
            name: Effect((p.reached(before, after) - before) * factor, unit, before * factor)
            for name, (before, after, factor, unit) in pairs.items()
        }

    def _draw(self) -> dict[str, Floats]:
        p, grid = self.parameters, self.grid
        output_rng, share_rng, error_rng, cost_rng, stops, counts = streams(self.seed, 6)
        running = short_stops(stops, grid, per_year=p.stops_per_year, slots=(4, 33))
        pace = 1 + ar1(output_rng, grid.days, rho=p.rho_daily, sd=p.rate_sd)
        rate = grid.stepped(p.rate_before_t_per_h, p.reached(p.rate_before_t_per_h, p.rate_after_t_per_h))
        made_t = rate * pace[grid.day] * SLOT_H * running
        records = np.floor(counted(made_t * p.records_per_t))
        new = np.diff(records, append=records[-1]).astype(np.int64)
        wander = ar1(share_rng, grid.days, rho=p.rho_daily, sd=p.auto_share_sd)[grid.day]
        auto = np.clip(
            grid.stepped(p.auto_share_before, p.reached(p.auto_share_before, p.auto_share_after)) + wander, 0, 1
        )
        drift = 1 + ar1(error_rng, grid.days, rho=p.rho_daily, sd=p.error_rate_sd)[grid.day]
        wrong = grid.stepped(p.error_rate_before, p.reached(p.error_rate_before, p.error_rate_after)) * drift
        cost = grid.stepped(
            p.labour_before_cny_per_day, p.reached(p.labour_before_cny_per_day, p.labour_after_cny_per_day)
        )
        paid = cost * (1 + ar1(cost_rng, grid.days, rho=p.rho_daily, sd=p.labour_sd))[grid.day] / SLOTS_PER_DAY
        return {
            "output": counted(made_t),
            "records": records,
            "records_auto": counted(counts.binomial(new, auto).astype(np.float64)),
            "records_wrong": counted(counts.binomial(new, np.clip(wrong, 0, 1)).astype(np.float64)),
            "labour_cost": counted(paid),
            "line_state": running.astype(np.float64),
            "energy": counted(p.standby_kw * SLOT_H + p.kwh_per_t * made_t),
        }
