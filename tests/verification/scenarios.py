"""A scenario of the simulators, judged by the engine without the network between them."""

from __future__ import annotations

import datetime as dt
import io

import numpy as np

from simulators.faults import Faults
from simulators.history import produced
from simulators.plans import plan_text
from simulators.plants import Plant
from simulators.scenarios import Scenario, scenario
from simulators.timeline import Timeline, from_micros, micros
from verification.engine.result import Context, Result
from verification.engine.verify import needed_points, verify
from verification.model import RowFlag
from verification.plan import Plan, parse_plan, plan_digest
from verification.series.columns import Series
from verification.table.read import read_table


def judged(name: str, seed: int) -> tuple[Result, dict[str, float]]:
    """The result of one plant and what is true of its measures."""
    text, plan, plant, readings = _metered(scenario(name), seed)
    return verify(plan, plan_digest(text), readings), _truth(plant)


def judged_from_a_table(name: str, seed: int) -> tuple[Result, dict[str, float]]:
    """The same by way of a CSV that holds the readings in the order in which they were sent."""
    text, plan, plant, readings = _metered(scenario(name), seed)
    csv = io.StringIO("point,time,value,status\n")
    csv.seek(0, io.SEEK_END)
    for point, series in readings.items():
        for time_us, value, status in zip(series.time_us.tolist(), series.value, series.status, strict=True):
            csv.write(f"{point},{from_micros(time_us, plant.timeline.tz).isoformat()},{value},{status}\n")
    table = read_table(csv.getvalue().encode(), plan)
    context = Context(input_findings=table.findings)
    return verify(plan, plan_digest(text), table.readings, context), _truth(plant)


def _metered(case: Scenario, seed: int) -> tuple[bytes, Plan, Plant, dict[str, Series]]:
    """The scenario's plan as filed and as read, its plant, and what the plant's devices sent, faults and all."""
    timeline = Timeline(dt.date(2026, 1, 5), *case.days)
    text = plan_text(case.plan, case.name, timeline, case.amend).encode()
    plan, plant, readings = parse_plan(text), case.plant(seed, timeline), {}
    for point in needed_points(plan):
        found = produced(plant, point, Faults(case.faults, seed))
        found = found.take(found.produced_us <= micros(timeline.reporting_end))
        flag = RowFlag.MANUAL if plant.points[point].protocol == "roster" else 0
        readings[point] = Series.of(found.time_us, found.value, found.status, np.full(len(found), flag))
    return text, plan, plant, readings


def _truth(plant: Plant) -> dict[str, float]:
    return {measure: each.value for measure, each in plant.truth().items()}
