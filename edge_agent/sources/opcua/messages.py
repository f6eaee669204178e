"""The messages of a session's subscriptions: each is taken once, in its order; what is missing is asked for again.

Every message has a number, and the server keeps it until it is acknowledged (Part 4, 5.14.1), which happens here once
`take` has returned. After the last number, 4294967295, comes 1. Some servers (node-opcua) go back to 1 after 4294966271
already, as secure channels do (Part 6, 6.7.2): where the server has no message of the number after that one, the one
with number 1 is asked for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.ua.uaerrors import BadNoSubscription, BadTimeout, BadTooManyPublishRequests

from edge_agent import clock
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.decode import Publication, UndecodableError, from_message, publication
from edge_agent.sources.opcua.record import SubscriptionRecord
from edge_agent.status import SourceStatus
from verification.errors import RetroProofError

SILENCE_MARGIN_S = 5.0
SPARE_PUBLISH_REQUESTS = (
    2  # waiting at the server beside one for each subscription, so that it never has to wait for us
)
MOST_REPUBLISHED = 10_000  # messages; beyond it the rest is taken as lost
LAST_SEQUENCE = 2**32 - 1
EARLY_LAST_SEQUENCE = LAST_SEQUENCE - 1024

log = logging.getLogger(__name__)


class SessionGoneError(RetroProofError):
    """The server knows the session or a subscription no more; a new one must begin."""


class SessionSilentError(RetroProofError):
    """The server sends nothing, not even keep-alives; the connection must be made anew."""


@dataclass(slots=True)
class Subscription:
    """A subscription, the number of the last message that is in the spool, and when the server last spoke of it."""

    record: SubscriptionRecord
    last: int = 0
    heard_at_s: float = field(default_factory=time.monotonic)

    @property
    def silence_s(self) -> float:
        """How long it may be silent: two keep-alives."""
        return 2 * self.record.keep_alive_s + SILENCE_MARGIN_S


class Messages:
    """Those of one session over one connection.

    `elements` has the index of each handle that stands for an element of an array; `take` makes a message durable;
    `lose` is told the subscription of which messages are lost for good.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        status: SourceStatus,
        elements: Mapping[int, int],
        take: Callable[[Publication], Awaitable[None]],
        lose: Callable[[SubscriptionRecord], None],
    ) -> None:
        self._name = name
        self._connection = connection
        self._status = status
        self._elements = elements
        self._take_durably = take
        self._lose = lose
        self._subscriptions: dict[int, Subscription] = {}
        self._acknowledged: list[tuple[int, int]] = []  # subscription and number of what is in the spool by now
        self._most_under_way = LAST_SEQUENCE

    def expect(self, record: SubscriptionRecord, last: int = 0) -> None:
        """Take this subscription's messages after number `last`."""
        self._subscriptions[record.id] = Subscription(record, last)

    @property
    def subscriptions(self) -> list[SubscriptionRecord]:
        """Those whose messages are taken."""
        return [one.record for one in self._subscriptions.values()]

    async def fetch_missed(self) -> None:
        """Take what was sent into the void."""
        for subscription in self._subscriptions.values():
            self._acknowledged += await self._fetch(subscription)

    async def publish(self) -> None:
        """Take message after message; never returns."""
        under_way: deque[asyncio.Task[bytes]] = deque()
        for one in self._subscriptions.values():
            one.heard_at_s = time.monotonic()  # until now nobody has listened
        try:
            while True:
                wanted = min(len(self._subscriptions) + SPARE_PUBLISH_REQUESTS, self._most_under_way)
                while len(under_way) < wanted:
                    under_way.append(asyncio.create_task(self._connection.publish(self._acknowledged)))
                    self._acknowledged = []
                found = await self._next(under_way.popleft())
                if found is not None:
                    began_s = time.monotonic()
                    self._acknowledged += await self._handle(found)
                    for one in self._subscriptions.values():
                        one.heard_at_s += time.monotonic() - began_s  # what came meanwhile has had to wait for us
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _next(self, request: asyncio.Task[bytes]) -> Publication | None:
        """What the server says next; None if it only gave a request back."""
        silence_s = min(one.silence_s for one in self._subscriptions.values())
        try:
            async with asyncio.timeout(silence_s):
                data = await request
            return publication(data, clock.now_us(), self._elements)
        except BadTimeout:
            return None
        except BadTooManyPublishRequests:
            self._most_under_way = max(1, len(self._subscriptions))
            return None
        except BadNoSubscription as err:
            raise SessionGoneError("the server has no subscription of ours") from err
        except TimeoutError as err:
            raise SessionSilentError(f"the server has sent nothing for {silence_s:.0f} s") from err
        except UndecodableError as err:
            # The next message's number shows that it is missing, and what can be mended is mended then.
            self._count_unreadable(err)
            return None

    async def _handle(self, found: Publication) -> list[tuple[int, int]]:
        """Commit a message after all those before it; what may be acknowledged now."""
        subscription = self._subscriptions.get(found.subscription)
        if subscription is None:
            return []
        self._check_silence(subscription)
        ahead = (found.sequence - _following(subscription.last)) % LAST_SEQUENCE
        mine = [] if found.keep_alive else [(found.subscription, found.sequence)]
        if ahead > LAST_SEQUENCE // 2:
            return mine  # it was taken before: its acknowledgement got lost
        fetched = await self._fetch(subscription, before=found.sequence) if ahead else []
        if found.keep_alive:
            return fetched
        await self._take(subscription, found)
        return fetched + mine

    async def _take(self, subscription: Subscription, found: Publication) -> None:
        await self._take_durably(found)
        subscription.last = found.sequence
        if found.ended:
            raise SessionGoneError(f"the server ended the subscription: {found.ended}")

    async def _fetch(self, subscription: Subscription, before: int | None = None) -> list[tuple[int, int]]:
        """Have the server repeat what follows the last message taken: up to a known number, or all that it has.

        What it has no more before a known number is lost: history or a gap stands for it. Returns what may be
        acknowledged.
        """
        identifier = subscription.record.id
        fetched: list[tuple[int, int]] = []
        lost = 0
        while (sequence := _following(subscription.last)) != before and len(fetched) + lost < MOST_REPUBLISHED:
            message = await self._repeated(identifier, sequence)
            if message is None and subscription.last == EARLY_LAST_SEQUENCE:
                if before == 1:
                    break
                message = await self._repeated(identifier, 1)
            if message is not None:
                await self._take(subscription, from_message(identifier, message, clock.now_us(), self._elements))
                fetched.append((identifier, message.SequenceNumber))
            elif before is None:
                break
            else:
                lost += 1
                subscription.last = sequence
                self._lose(subscription.record)  # before the next message is taken: the gap lies in front of that
        if before is not None and len(fetched) + lost == MOST_REPUBLISHED:
            lost += (before - _following(subscription.last)) % LAST_SEQUENCE
            subscription.last = (before - 2) % LAST_SEQUENCE + 1
            self._lose(subscription.record)
        if lost or fetched:
            self._status.republished += len(fetched)
            log.info("after a break: source=%s republished=%d lost=%d", self._name, len(fetched), lost)
        return fetched

    async def _repeated(self, subscription: int, sequence: int) -> ua.NotificationMessage | None:
        """The message of that number if the server still has it and it can be read."""
        try:
            return await self._connection.republish(subscription, sequence)
        except UndecodableError as err:
            # It would be as unreadable the next time, and everything after it would wait.
            self._count_unreadable(err)
            return None

    def _count_unreadable(self, why: UndecodableError) -> None:
        self._status.bad += 1
        log.error("a message cannot be read: source=%s reason=%r", self._name, str(why))

    def _check_silence(self, speaking: Subscription) -> None:
        """One subscription may fall silent while another goes on."""
        now_s = speaking.heard_at_s = time.monotonic()
        for one in self._subscriptions.values():
            if now_s - one.heard_at_s > one.silence_s:
                raise SessionSilentError(f"subscription {one.record.id} has sent nothing for {one.silence_s:.0f} s")


def _following(sequence: int) -> int:
    """The number of the next message."""
    return sequence % LAST_SEQUENCE + 1
