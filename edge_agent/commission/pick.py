"""From variables of a server to points of a configuration: what can be guessed is guessed, and said to be a guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_agent.commission.browse import Variable
from edge_agent.config.point import POINT_NAME
from verification.errors import ConfigError
from verification.model import PointKind
from verification.units import quantities_of

COUNTED = {"energy", "mass", "volume", "output", "count", "cost"}  # a register in such a unit usually counts up
STATED = {"energy", "power", "concentration", "staffing", "current", "voltage", "temperature", "flow", "pressure"}
WHOLE_STATES = {"Boolean", "SByte", "Byte"}


@dataclass(frozen=True, slots=True)
class Pick:
    """A point to be. Empty unit: the engineer must write it; `guesses` names the keys that were guessed."""

    variable: Variable
    name: str
    unit: str
    kind: PointKind
    quantity: str = ""
    meter: str = ""
    guesses: tuple[str, ...] = ()


def picks(variables: Iterable[Variable]) -> list[Pick]:
    """A point for each variable, each with a name of its own."""
    made: list[Pick] = []
    for variable in variables:
        names = {one.name for one in made}
        made.append(guess(variable, _free_name(variable.path, names)))
    return made


def guess(variable: Variable, name: str) -> Pick:
    """Unit from the server, kind and quantity from the unit; what holds few whole values without a unit is a state."""
    unit = variable.unit.ours
    measures = quantities_of(unit) if unit else []
    quantity = next((one for one in measures if one in STATED), "")
    if variable.type in WHOLE_STATES and not unit:
        return Pick(variable, name, "1", PointKind.STATE, guesses=("unit", "kind"))
    counts = COUNTED & set(measures) and "ratio" not in measures
    kind = PointKind.COUNTER if counts else PointKind.GAUGE
    return Pick(variable, name, unit, kind, quantity, guesses=("kind",))


def chosen(answer: str, count: int) -> list[int]:
    """The places (from 0) that a person means by `1,3-5` or `all`, of `count`. Raises ConfigError."""
    if answer.strip().casefold() == "all":
        return list(range(count))
    found: list[int] = []
    for part in re.split(r"[,\s]+", answer.strip()):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise ConfigError(f"{part!r} is no number; write for example 1,3-5 or all")
        span = range(int(first), int(last or first) + 1)
        if not (span and span.start >= 1 and span.stop - 1 <= count):
            raise ConfigError(f"{part!r} is not within 1 to {count}")
        found += [place - 1 for place in span]
    return list(dict.fromkeys(found))


def named(variables: Sequence[Variable], nodes: Sequence[str]) -> list[Variable]:
    """The variables with these node ids, in this order. Raises ConfigError for one that was not found."""
    by_node = {variable.node: variable for variable in variables}
    missing = [node for node in nodes if node not in by_node]
    if missing:
        raise ConfigError(f"the server shows no variable {missing[0]}; see what it shows with: retroproof edge browse")
    return [by_node[node] for node in nodes]


def _free_name(path: str, taken: set[str]) -> str:
    """The last part of the path as a point's name, with the parts before it as far as that takes to be unique."""
    parts = [re.sub(r"[^A-Za-z0-9_.-]+", "_", part).strip("_") for part in path.split("/")]
    parts = [part for part in parts if part]
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[-count:])
        if POINT_NAME.fullmatch(name) and name not in taken:
            return name
    number = 1
    while f"point_{number}" in taken:
        number += 1
    return f"point_{number}"
