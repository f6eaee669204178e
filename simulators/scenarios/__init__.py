"""The plants that can be run by name: one file a scenario, beside this module. Add a file to add a scenario.

A scenario names a kind of plant, the parameters that differ from its defaults, what goes wrong, the plan under which it
is judged (simulators/plans), and what an honest judge would say: the verdicts and the findings that must appear.
Folders: `plants` are those of the public documents, clean; `faults` and `frauds` are what must not pass for clean.
What these stand for shows on every seed: a potline of 90 days that shall come out as `met` asks for 150 of its 260
kWh/t, so that the fault and not chance decides.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from simulators.errors import SimulatorError
from simulators.faults import Fault
from simulators.link import Disturbance
from simulators.plants import KINDS, Plant
from simulators.timeline import Timeline

CLEAN = "plants"
GROUPS = (CLEAN, "faults", "frauds")
SUFFIX = ".yaml"
DAYS = (120, 10, 120)
KEYS = {"plant", "title", "parameters", "faults", "days", "plan", "amend", "link", "tale", "verdicts", "findings"}


@dataclass(frozen=True)
class Scenario:
    """A named plant: its kind, parameters and faults, its plan, and what an honest judge would say.

    group: the folder. days: of baseline, works and reporting period. amend: put into the plan, key by key. link: what
    befalls the network between plant and agent. tale: how
    the platform is used, `honest` or one of the frauds that are not in the readings. verdicts: those that are right.
    findings: the codes that must appear; a clean scenario has none.
    """

    name: str
    group: str
    kind: str
    title_en: str
    title_zh: str
    parameters: Any
    faults: tuple[Fault, ...]
    days: tuple[int, int, int]
    plan: str
    amend: Mapping[str, Any]
    link: Disturbance | None
    tale: str
    verdicts: tuple[str, ...]
    findings: tuple[str, ...]

    def plant(self, seed: int, timeline: Timeline) -> Plant:
        """The plant of this scenario."""
        return KINDS[self.kind].plant(self.parameters, seed, timeline)


@functools.cache
def scenarios() -> dict[str, Scenario]:
    """Every scenario by name: the plants, then the faults, then the frauds."""
    here = resources.files(__name__)
    found = [_read(group, file) for group in GROUPS for file in sorted((here / group).iterdir(), key=lambda f: f.name)]
    return {scenario.name: scenario for scenario in found}


def scenario(name: str) -> Scenario:
    """The scenario called `name`, or told by the YAML file at the path `name`; an unknown name is refused with the list
    of those there are.
    """
    if name.endswith(SUFFIX):
        return _read(_group_of(Path(name)), Path(name))
    if name not in scenarios():
        raise SimulatorError(f"no scenario is called {name!r}; there are: {', '.join(scenarios())}")
    return scenarios()[name]


def _group_of(file: Path) -> str:
    """The group of somebody's own scenario: that of the folder it lies in if it is called like one, else clean."""
    return file.parent.name if file.parent.name in GROUPS else CLEAN


def with_parameters(chosen: Scenario, **changes: object) -> Scenario:
    """The scenario with other parameters. Raises SimulatorError for a parameter that its plant does not have."""
    known = {field.name for field in dataclasses.fields(chosen.parameters)}
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise SimulatorError(f"{chosen.name} has no parameter {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    return dataclasses.replace(chosen, parameters=dataclasses.replace(chosen.parameters, **changes))


def _refuse_unknown(said: Mapping[str, object]) -> None:
    unknown = said.keys() - KEYS
    if unknown:
        raise KeyError(f"unknown key {min(unknown)}")


def _fault(said: Mapping[str, Any], plant: type[Plant]) -> Fault:
    fault = Fault(**said)
    fault.refuse_elsewhere(plant.points)
    return fault


def _read(group: str, file: Traversable) -> Scenario:
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        _refuse_unknown(said)
        kind = KINDS[said["plant"]]
        given = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in (said.get("parameters") or {}).items()
        }
        return Scenario(
            name=file.name.removesuffix(SUFFIX),
            group=group,
            kind=said["plant"],
            title_en=said["title"]["en"],
            title_zh=said["title"]["zh"],
            parameters=kind.parameters(**given),
            faults=tuple(_fault(fault, kind.plant) for fault in said.get("faults", ())),
            days=tuple(said.get("days", DAYS)),
            plan=said["plan"],
            amend=said.get("amend", {}),
            link=Disturbance(**said["link"]) if "link" in said else None,
            tale=said.get("tale", "honest"),
            verdicts=tuple(said["verdicts"]),
            findings=tuple(said.get("findings", ())),
        )
    except (OSError, KeyError, TypeError, yaml.YAMLError) as err:
        raise SimulatorError(f"scenario {group}/{file.name}: {type(err).__name__}: {err}") from err
