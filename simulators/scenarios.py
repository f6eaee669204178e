"""The plants that can be run by name. Each is a set of parameters with its true effect; add a line to add a plant."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.errors import SimulatorError
from simulators.potline import PotlineParameters


@dataclass(frozen=True)
class Scenario:
    """A named plant."""

    name: str
    title: str
    parameters: PotlineParameters


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "hengkang",
            "恒康铝业 potline, 240,000 t/a: pot voltage lowered, gas treatment rebuilt",
            PotlineParameters(),
        ),
        Scenario(
            "hengkang-unchanged",
            "the same potline after works that changed nothing: must not be certified",
            PotlineParameters().with_effect(0.0),
        ),
    )
}


def scenario(name: str) -> Scenario:
    """The scenario called `name`; an unknown name is refused with the list of those there are."""
    if name not in SCENARIOS:
        raise SimulatorError(f"no scenario is called {name!r}; there are: {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
