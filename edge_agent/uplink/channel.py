"""What the uplink asks of a transport, so that an acknowledgement means the same over each of them.

A channel is one connection from its opening to its end. `LinkError` ends it; the uplink then opens another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_agent.spool_model import SealedBatch

BatchKey = tuple[int, int]  # epoch and sequence


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement as it arrived: neither its signature nor its content has been looked at."""

    data: bytes


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """The other side says that a batch did not arrive or was not taken; without a key, a question did not."""

    key: BatchKey | None
    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """The other side asks to wait; the channel tries again by itself."""

    reason: str


Event = Answer | NotDelivered | Held


class Channel(Protocol):
    """One open connection to ingest."""

    async def ask(self, epochs: Sequence[int]) -> None:
        """Ask how far these epochs are settled; each is answered like a batch."""

    def send(self, item: SealedBatch) -> None:
        """Send a batch. Raises LinkError when the connection is gone."""

    async def next_event(self, timeout_s: float) -> Event | None:
        """What came next; None after the timeout or a nudge. Raises LinkError once the connection has ended."""

    def nudge(self) -> None:
        """Let a waiting `next_event` return now."""
