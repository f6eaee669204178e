"""The one bounded queue between the transports and the worker: what arrived, and how its sender is answered.

MQTT and HTTP both put what they receive here; the worker takes it in groups. Each transport bounds what it has here
(the broker by the receive maximum, HTTP by its door), and the queue's own bound is above the sum of these. An `offer`
that is refused all the same means that somebody breaks the rules; what it held must come again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ingest.admission import Arrival
from verification import sync

MAX_ITEMS = 640


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said about one item after the commit: its code, and signed acknowledgements if the sender is proven."""

    code: str
    detail: str = ""
    acks: tuple[bytes, ...] = ()


Answer = Callable[[Reply], None]


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A batch. `answer` is called once, in the worker's thread, after its group is committed."""

    arrival: Arrival
    answer: Answer

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.arrival.data)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Someone wants to know how far chains are settled; `proof` is None where the transport vouches for the device."""

    device: str
    epochs: tuple[int, ...]
    proof: sync.Question | None
    answer: Answer
    size: int = 0


Item = Parcel | Asked


class Intake:
    """`offer` from any thread; `take` from the worker's."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._max_items = max_items
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, item: Item) -> bool:
        """Whether there was room."""
        with self._changed:
            if len(self._waiting) >= self._max_items:
                return False
            self._waiting.append(item)
            self._changed.notify()
            return True

    def take(self, *, wait_s: float, most: int, most_bytes: int) -> list[Item]:
        """What is waiting, up to the bounds; waits for a first item, never for a second.

        So a lone batch is written at once, and under load groups grow by themselves.
        """
        with self._changed:
            if not self._waiting:
                self._changed.wait(wait_s)
            taken: list[Item] = []
            size = 0
            while self._waiting and len(taken) < most and size < most_bytes:
                taken.append(self._waiting.popleft())
                size += taken[-1].size
            return taken
