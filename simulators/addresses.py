"""Where a client finds a plant's points: the NodeId of its OPC UA server, the topic of its badge gate."""

from __future__ import annotations

import re

from simulators.errors import SimulatorError
from simulators.plants import Plant

NAMESPACE_INDEX = 2  # 0 is OPC UA's own, 1 the server's; ours is the first that is registered
STAFF = "staff_on_shift"  # the one point that the badge gate has


def node_name(plant: Plant, name: str) -> str:
    """The stable id of a point's node, as a client writes it."""
    return f"ns={NAMESPACE_INDEX};s={plant.line}.{name}"


def gate_name(plant: Plant) -> str:
    """What the badge gate of a plant is called unless somebody says otherwise."""
    return plant.line.lower()


def topic(gate: str) -> str:
    """Where the gate of this name publishes. Raises SimulatorError for a name that is no single level of a topic."""
    if not re.fullmatch(r"[^/#+\s\0]+", gate):
        raise SimulatorError(f"a badge gate cannot be called {gate!r}; leave out blanks and the signs / # +")
    return f"badge/{gate}/{STAFF}"
