"""What is kept on disk of a session, so that it can be taken up again after a cut or after the agent's own end."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary

from edge_agent.config.opcua import Sampling
from edge_agent.sources.opcua.item import Item
from verification.shapes import ready


class SubscriptionRecord(msgspec.Struct, array_like=True):
    """A subscription as asked for (`publishing_ms`) and as the server granted it."""

    id: int
    publishing_ms: float
    keep_alive_s: float


class ItemRecord(msgspec.Struct, array_like=True):
    """A monitored item: what was asked for which point, and what the server made of it."""

    index: int
    handle: int
    node: str
    element: int | None
    sampling: Sampling
    subscription: int
    monitored_item: int
    historizing: bool
    settled: bool
    revised_sampling_ms: float | None
    revised_queue: int | None

    def is_for(self, item: Item) -> bool:
        """Whether the same would be asked for this item today."""
        asked = (item.index, item.node_id.to_string(), item.element, item.sampling)
        return asked == (self.index, self.node, self.element, self.sampling)

    def restore(self, item: Item) -> None:
        """The item is monitored already; `settled` or without history."""
        item.handle = self.handle
        item.subscription, item.monitored_item = self.subscription, self.monitored_item
        item.historizing = item.status.historizing = self.historizing
        item.seam_due = not self.settled
        item.status.state = "live"
        item.status.asked_sampling_ms, item.status.asked_queue = self.sampling.sampling_ms, self.sampling.queue_size
        item.status.revised_sampling_ms, item.status.revised_queue = self.revised_sampling_ms, self.revised_queue


class SessionRecord(msgspec.Struct):
    """A session. `whole` is false while items are being made: then only the server knows which there are."""

    endpoint: str
    security: str
    user: str
    token: bytes
    nonce: bytes
    subscriptions: list[SubscriptionRecord]
    items: list[ItemRecord]
    whole: bool

    @property
    def authentication_token(self) -> ua.NodeId:
        """The secret by which the server knows the session."""
        return nodeid_from_binary(Buffer(self.token))


def token_bytes(token: ua.NodeId) -> bytes:
    """The authentication token as `SessionRecord` keeps it."""
    return bytes(nodeid_to_binary(token))


def records(items: Sequence[Item]) -> list[ItemRecord]:
    """What is monitored just now."""
    return [
        ItemRecord(
            item.index,
            item.handle,
            item.node_id.to_string(),
            item.element,
            item.sampling,
            item.subscription,
            item.monitored_item,
            item.historizing,
            item.settled,
            item.status.revised_sampling_ms,
            item.status.revised_queue,
        )
        for item in items
        if item.subscription
    ]


def encode(record: SessionRecord) -> bytes:
    """As the spool keeps it."""
    return msgspec.json.encode(record)


def decode(data: bytes) -> SessionRecord | None:
    """None for what another release wrote otherwise; a new session is the answer to that."""
    try:
        return msgspec.json.decode(data, type=ready(SessionRecord))
    except msgspec.DecodeError:
        return None
