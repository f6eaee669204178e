"""The plants that can be run by name: one file a scenario, beside this module. Add a file to add a scenario.

A scenario names a kind of plant, the parameters that differ from its defaults, the plan under which it is judged
(simulators/plans) and the verdict that it deserves.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from simulators.errors import SimulatorError
from simulators.plants import KINDS, Plant
from simulators.timeline import Timeline


@dataclass(frozen=True)
class Scenario:
    """A named plant: its kind and parameters, its plan, and the verdict that an honest judge would give."""

    name: str
    kind: str
    title_en: str
    title_zh: str
    parameters: Any
    plan: str
    verdict: str

    def plant(self, seed: int, timeline: Timeline) -> Plant:
        """The plant of this scenario."""
        return KINDS[self.kind].plant(self.parameters, seed, timeline)


@functools.cache
def scenarios() -> dict[str, Scenario]:
    """Every scenario by name, in the order of the files' names."""
    files = sorted(resources.files(__name__).iterdir(), key=lambda file: file.name)
    found = [_read(file.name, file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".yaml")]
    return {scenario.name: scenario for scenario in found}


def scenario(name: str) -> Scenario:
    """The scenario called `name`; an unknown name is refused with the list of those there are."""
    if name not in scenarios():
        raise SimulatorError(f"no scenario is called {name!r}; there are: {', '.join(scenarios())}")
    return scenarios()[name]


def with_parameters(chosen: Scenario, **changes: float) -> Scenario:
    """The scenario with other parameters. Raises SimulatorError for a parameter that its plant does not have."""
    known = {field.name for field in dataclasses.fields(chosen.parameters)}
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise SimulatorError(f"{chosen.name} has no parameter {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    return dataclasses.replace(chosen, parameters=dataclasses.replace(chosen.parameters, **changes))


def _read(file: str, text: str) -> Scenario:
    try:
        said = yaml.safe_load(text)
        kind = KINDS[said["plant"]]
        given = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in (said.get("parameters") or {}).items()
        }
        return Scenario(
            name=file.removesuffix(".yaml"),
            kind=said["plant"],
            title_en=said["title"]["en"],
            title_zh=said["title"]["zh"],
            parameters=kind.parameters(**given),
            plan=said["plan"],
            verdict=said["verdict"],
        )
    except (KeyError, TypeError, yaml.YAMLError) as err:
        raise SimulatorError(f"scenarios/{file}: {type(err).__name__}: {err}") from err
