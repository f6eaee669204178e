"""A scenario of the simulators, judged by the engine without the network between them."""

from __future__ import annotations

import datetime as dt

from simulators.faults import Faults
from simulators.plans import plan_text
from simulators.plant import produced
from simulators.scenarios import scenario
from simulators.timeline import Timeline, micros
from verification.engine.verify import Result, needed_points, verify
from verification.plan import parse_plan, plan_digest
from verification.series.columns import Series


def judged(name: str, seed: int) -> tuple[Result, dict[str, float]]:
    """The result of one plant and what is true of its measures."""
    case = scenario(name)
    timeline = Timeline(dt.date(2026, 1, 5), *case.days)
    text = plan_text(case.plan, name, timeline, case.amend).encode()
    plan, plant, readings = parse_plan(text), case.plant(seed, timeline), {}
    for point in needed_points(plan):
        found = produced(plant, point, Faults(case.faults, seed))
        found = found.take(found.produced_us <= micros(timeline.reporting_end))
        readings[point] = Series.of(found.time_us, found.value, found.status)
    truth = {measure: each.value for measure, each in plant.truth().items()}
    return verify(plan, plan_digest(text), readings), truth
