"""The plans under which the simulated plants are judged: one template each, filled with the plant's own dates."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import resources
from typing import Any

import yaml

from simulators.errors import SimulatorError
from simulators.timeline import Timeline


def plan_text(plan: str, project: str, timeline: Timeline, amend: Mapping[str, Any]) -> str:
    """The plan as YAML. `amend` is merged in, key by key; in both, `$day45` is the plant's 45th day (0: the first).

    Raises SimulatorError for a project that no plan can have.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", project):
        raise SimulatorError(
            f"a project cannot be called {project!r}; write --project in small letters, digits and hyphens"
        )
    dates = _Dates(timeline, project)
    template = string.Template((resources.files(__name__) / f"{plan}.yaml").read_text(encoding="utf-8"))
    text = template.substitute(dates)
    if not amend:
        return text
    amended = string.Template(yaml.safe_dump(dict(amend), allow_unicode=True)).substitute(dates)
    merged = _merged(yaml.safe_load(text), yaml.safe_load(amended))
    return yaml.safe_dump(merged, allow_unicode=True, sort_keys=False)


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` put in, mapping by mapping; a list is replaced whole, null takes a key out."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


class _Dates(Mapping[str, object]):
    """What a template may name: the project, the periods' dates, and `dayN`."""

    def __init__(self, timeline: Timeline, project: str) -> None:
        instants = ("baseline_start", "baseline_end", "reporting_start", "reporting_end")
        self._first = timeline.first_day
        self._known: dict[str, object] = {name: getattr(timeline, name).date() for name in instants}
        self._known["project"] = project

    def __getitem__(self, name: str) -> object:
        if name.startswith("day"):
            return self._first + timedelta(days=int(name.removeprefix("day")))
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
