"""One monitored node: what is asked for it, what the server said about it, which of its values are known already."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from asyncua import ua

from edge_agent.config.opcua import Sampling
from edge_agent.sources.opcua.values import Reading
from edge_agent.spool_model import value_bits
from edge_agent.status import PointStatus

# A client handle is a generation and the point's index: most points keep generation 0, and their index is the handle.
INDEX_BITS = 16
INDEX_MASK = (1 << INDEX_BITS) - 1
MAX_GENERATION = 1 << 16
NO_HANDLE = -1

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
    """A point of this source. `seam_due` asks for the seam to be made before the next live value is taken.

    node: as the configuration names it; node_id: where it stands at this server now, null until that is known;
    element: the index into the node's array, None for a node with one number; handle: by what values name this item,
    a new one each time it is monitored anew; subscription, monitored_item: the server's numbers, 0 while the node is
    not monitored.
    """

    name: str
    index: int
    node: str
    sampling: Sampling
    status: PointStatus
    element: int | None = None
    node_id: ua.NodeId = field(default_factory=ua.NodeId)
    historizing: bool = False
    handle: int = NO_HANDLE
    subscription: int = 0
    monitored_item: int = 0
    seam_due: bool = True
    seam: Seam | None = None

    @property
    def settled(self) -> bool:
        """Whether the next value is surely new, also to a process that knows nothing of this one's open seam."""
        return not self.seam_due and (self.seam is None or not self.historizing)

    def next_handle(self) -> int:
        """Name it anew, so that values still on their way from an earlier monitored item are not taken for its own."""
        generation = 0 if self.handle == NO_HANDLE else (self.handle >> INDEX_BITS) + 1
        self.handle = generation % MAX_GENERATION << INDEX_BITS | self.index
        return self.handle

    @property
    def index_range(self) -> str | None:
        """The element as OPC UA's NumericRange (Part 4, 7.27)."""
        return None if self.element is None else str(self.element)

    def fail(self, message: object) -> None:
        """Say what is wrong with the node; the other points go on."""
        self.status.fail(f"{self.node}: {message}")
