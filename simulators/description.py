"""What a plant is, in words and figures, for people: of one scenario, and of all plants as docs/reference/plants.md.

Everything is read from the plants and their plans, so that no page says what the code does not.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml

from simulators.plans import plan_text
from simulators.plants import Plant
from simulators.plants.base import Claim, Effect
from simulators.scenarios import CLEAN, Scenario, scenarios
from simulators.timeline import Timeline

PROTOCOLS = {"opcua": "OPC UA", "mqtt": "MQTT", "roster": "roster file"}
HEAD = """# The simulated plants

Made by `retroproof simulate page` from the plants themselves; a test holds it to them. A plant's relations, and the
sources of its other figures, are what `retroproof simulate show PLANT` prints.

`before` and `true effect` are free of noise, at the usual load and mix. `measured by` names the points of the plan and
how they reach the edge agent. Drivers are those of the plan's model. Under noise stand the parameters by which the
readings scatter (`--set NAME=VALUE` changes them): an `sd` is relative unless its name has a unit, `rho` is the
correlation of one day with the next. The documents' 提高10倍 and 提升3倍以上 are read as ten times and more than three
times; whoever reads them as so much on top would ask for eleven and four.
"""
COLUMNS = (
    "plant", "the documents say", "metric", "before", "true effect", "in %", "measured by", "drivers", "noise",
    "source",
)  # fmt: skip
FIRST_SEED = 1


def described(chosen: Scenario, made: Plant) -> str:
    """The relations, points, parameters and true effects of a scenario's plant, with what they rest on."""
    return "\n".join(_lines_of(chosen, made))


def _lines_of(chosen: Scenario, made: Plant) -> Iterator[str]:
    yield str(sys.modules[type(made).__module__].__doc__).strip()
    yield "\nPoints"
    for point in made.points.values():
        yield f"  {point.name:<20} {point.kind.value:<8} {point.unit:<8} over {point.protocol}"
    yield "\nParameters (--set NAME=VALUE)"
    for field in dataclasses.fields(made.parameters):
        yield f"  {field.name:<30} {getattr(made.parameters, field.name)}"
    yield "\nTrue effects, after minus before"
    measures = _measures(chosen, made.timeline)
    for name, effect in made.truth().items():
        claim = made.claims[name]
        yield f"  {name:<20} {effect.value:+.6g} {effect.unit} of {effect.before:.6g} ({effect.percent:+.1f} %)"
        yield f"    documents: {claim.said or 'no figure'}"
        yield f"    source:    {claim.source}"
        yield f"    drivers:   {_drivers(measures[name]) if name in measures else 'not judged by the plan'}"
        yield f"    noise:     {_noise(made, claim)}"


def plants_page() -> str:
    """docs/reference/plants.md: a row for each measure by which a plant of the documents is judged."""
    lines = [HEAD, "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for chosen in _of_the_documents():
        made = chosen.plant(FIRST_SEED, Timeline(date(2026, 1, 5), *chosen.days))
        truth = made.truth()
        lines += [
            "| " + " | ".join(_cells(chosen, made, name, measure, truth[name])) + " |"
            for name, measure in _measures(chosen, made.timeline).items()
        ]
    return "\n".join(lines) + "\n"


def _of_the_documents() -> list[Scenario]:
    """The first clean scenario of each plan that changes nothing of its plant: the documents' plant as it is."""
    clean = [each for each in scenarios().values() if each.group == CLEAN]
    return [each for each in clean if not each.amend and each.parameters == type(each.parameters)()]


def _measures(chosen: Scenario, timeline: Timeline) -> dict[str, dict[str, Any]]:
    """What its plan judges, whatever the project: a file of somebody's own may be called what no project can be."""
    plan = yaml.safe_load(plan_text(chosen.plan, chosen.plan, timeline, chosen.amend))
    return dict(plan["measures"])


def _cells(chosen: Scenario, made: Plant, name: str, measure: dict[str, Any], effect: Effect) -> tuple[str, ...]:
    claim, metric = made.claims[name], measure["metric"]
    formula = metric if isinstance(metric, str) else f"({metric['numerator']}) / {metric['denominator']}"
    return (
        chosen.name,
        claim.said or "no figure",
        f"`{formula}` {effect.unit}",
        f"{effect.before:.5g}",
        f"{effect.value:+.5g}",
        f"{effect.percent:+.1f}",
        _points(made, measure),
        _drivers(measure),
        _noise(made, claim),
        claim.source,
    )


def _points(made: Plant, measure: dict[str, Any]) -> str:
    """The points that a measure stands on, in the order in which its inputs, formula and model name them."""
    named = re.findall(
        r"\w+", yaml.safe_dump([measure.get("inputs"), measure["metric"], measure["model"]], sort_keys=False)
    )
    used = dict.fromkeys(name for name in named if name in made.points)
    return ", ".join(f"`{name}` ({PROTOCOLS[made.points[name].protocol]})" for name in used)


def _drivers(measure: dict[str, Any]) -> str:
    model = measure["model"]
    drivers = ", ".join(f"`{driver}`" for driver in model.get("drivers", ()))
    return f"{model['kind']}: {drivers}" if drivers else f"{model['kind']}: none"


def _noise(made: Plant, claim: Claim) -> str:
    return ", ".join(f"{name} {getattr(made.parameters, name)}" for name in claim.noise)
