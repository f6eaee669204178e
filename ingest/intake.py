"""The one bounded queue between the transports and the worker: what arrived, and how its sender is answered.

MQTT and HTTP both put what they receive here; the worker takes it in groups. Each transport bounds what it has here
(the broker by the receive maximum, HTTP by its door), and the queue's own bound is above the sum of these. Messages of
QoS 0, which nothing bounds, get what those leave. What an `offer` refuses must come again.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ingest.admission import Arrival
from verification import sync

MAX_ITEMS = 640
MAX_ITEMS_UNBOUNDED = 256  # while more wait, nothing is taken from a transport that does not bound itself
# A transaction's bounds. Large groups spare commits; to the server a row costs as much in groups of 20 thousand as of
# 640 thousand, once its point has readings, and memory of more than 32 MB in one piece is cleared anew by the system
# each time. A batch states what it inflates to, so that no group is larger for not having been read. The last batch of
# a group may go past a bound.
MAX_GROUP = 256
MAX_GROUP_BYTES = 8 << 20
MAX_GROUP_INFLATED_BYTES = 9 << 20  # 300,000 readings of 31 bytes


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
    tried: bool = False  # whether it was read ahead, or could not be


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Someone wants to know how far chains are settled; `proof` is None where the transport vouches for the device."""

    device: str
    epochs: tuple[int, ...]
    proof: sync.Question | None
    answer: Answer


Item = Parcel | Asked


class Intake:
    """`offer` from any thread; `take` from the worker's; `next_unread` and `put_read` from the one that reads ahead."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._max_items = max_items
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._worker_has_a_group = False

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, item: Item, *, bounded: bool = True) -> bool:
        """Whether there was room. bounded: the transport has a bound of its own on what it has here."""
        with self._changed:
            if len(self._waiting) >= (self._max_items if bounded else MAX_ITEMS_UNBOUNDED):
                return False
            self._waiting.append(item)
            self._changed.notify_all()
            return True

    def take(self, *, wait_s: float) -> list[Item]:
        """What is waiting and was read, up to the bounds of a group, but at least one item, for which it waits.

        So a lone batch is written at once, and under load groups grow by themselves. A batch that is not read yet is
        read while the database writes those before it; in their group it would keep the database waiting.
        """
        with self._changed:
            self._worker_has_a_group = False
            self._changed.wait_for(lambda: bool(self._waiting), wait_s)
            taken = list(self._ready())
            for _ in taken:
                self._waiting.popleft()
            self._worker_has_a_group = bool(taken)
            self._changed.notify_all()
            return taken

    def next_unread(self, *, wait_s: float) -> Parcel | None:
        """A batch of the next group, to be read ahead while the worker has a group; None if none comes within `wait_s`.

        A lone batch is left to the worker, who takes it at once.
        """
        with self._changed:
            return self._changed.wait_for(self._first_untried, wait_s)

    def put_read(self, parcel: Parcel, arrival: Arrival) -> None:
        """Put `arrival`, as it was read, in the place of `parcel`; nothing happens if the worker has taken that."""
        with self._changed:
            for place, item in enumerate(self._next_group()):
                if item is parcel:
                    self._waiting[place] = replace(parcel, arrival=arrival, tried=True)
                    return

    def _first_untried(self) -> Parcel | None:
        if not self._worker_has_a_group:
            return None
        return next((item for item in self._next_group() if isinstance(item, Parcel) and not item.tried), None)

    def _ready(self) -> Iterator[Item]:
        """The next group up to its first batch, other than the very first, that is still to be read ahead."""
        for place, item in enumerate(self._next_group()):
            if place and isinstance(item, Parcel) and not item.tried:
                return
            yield item

    def _next_group(self) -> Iterator[Item]:
        size = inflated = 0
        for item in itertools.islice(self._waiting, MAX_GROUP):
            if size >= MAX_GROUP_BYTES or inflated >= MAX_GROUP_INFLATED_BYTES:
                return
            yield item
            if isinstance(item, Parcel):
                size += len(item.arrival.data)
                inflated += item.arrival.inflated_bytes
