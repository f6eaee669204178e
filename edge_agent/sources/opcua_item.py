"""One monitored node: what the server said about it, and which of its values are known already."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from asyncua import ua

from edge_agent.sources.opcua_values import Reading
from edge_agent.spool_model import PointState, value_bits
from edge_agent.status import PointStatus

ReadingKey = tuple[int, int]  # source time and the bits of the value


def key_of(reading: Reading) -> ReadingKey:
    """By what the same sample is known when history and subscription both bring it."""
    return (reading.time_us, value_bits(reading.value))


@dataclass(slots=True)
class Seam:
    """Between history and subscription: samples that both may bring.

    While a seam is open, a live value that is among `known` is a double; each known sample explains one live value. The
    seam closes with the first live value that is later than all of them.
    """

    known: Counter[ReadingKey] = field(default_factory=Counter)
    last_us: int | None = None
    primed: bool = False  # whether the samples that were in the spool beforehand have been added

    def add(self, key: ReadingKey) -> None:
        """A sample that is in the spool."""
        self.known[key] += 1
        self.last_us = key[0] if self.last_us is None else max(self.last_us, key[0])

    def add_last(self, state: PointState) -> None:
        """The row that came last, unless history has brought it anyway: a new subscription begins by repeating it."""
        key = (state.row_time_us, state.value_bits)
        if key not in self.known:
            self.add(key)

    def explains(self, reading: Reading) -> bool:
        """Whether this live value is one of the known samples, which it then uses up."""
        key = key_of(reading)
        if self.known[key] <= 0:
            return False
        self.known[key] -= 1
        return True

    def ends_before(self, reading: Reading) -> bool:
        """Whether no later value can be a double any more."""
        return self.last_us is None or reading.time_us > self.last_us


@dataclass(slots=True)
class Item:
    """A point of this source. `seam_due` asks for the seam to be made before the next live value is taken."""

    name: str
    index: int
    node_id: ua.NodeId
    status: PointStatus
    historizing: bool = False
    monitored: bool = False
    seam_due: bool = True
    seam: Seam | None = None
