"""A session with an OPC UA server from resuming or beginning it to its end, with nothing lost or doubled on the way.

Every message of a subscription has a number, and the server keeps it until it is acknowledged (Part 4, 5.14.1). Here a
message is acknowledged after the spool's commit, which notes its number in the same transaction. So after a cut, or a
kill -9, the session is resumed, what was sent into the void is asked for again (Republish), and what was committed
already is known by its number. A message that the server has no more is mended from history or admitted as a gap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.ua import uaerrors
from asyncua.ua.uaerrors import BadNoSubscription, BadTimeout, BadTooManyPublishRequests, UaStatusCodeError

from edge_agent import clock
from edge_agent.sources.opcua import record as session_record
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.datatypes import DataTypes
from edge_agent.sources.opcua.decode import Publication, UndecodableError, from_message, publication
from edge_agent.sources.opcua.history import HistoryError, HistoryReader
from edge_agent.sources.opcua.intake import Intake
from edge_agent.sources.opcua.item import Item
from edge_agent.sources.opcua.nodes import describe, monitor, parts
from edge_agent.sources.opcua.record import SessionRecord, SubscriptionRecord
from edge_agent.spool import Spool
from edge_agent.spool_model import Taken
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification.errors import RetroProofError

RETRY_ITEMS_S = 60.0
KEEP_ALIVE_S = 5.0
LIFETIME_S = 3_600.0
SILENCE_MARGIN_S = 5.0
SPARE_PUBLISH_REQUESTS = (
    2  # waiting at the server beside one for each subscription, so that it never has to wait for us
)
MOST_REPUBLISHED = 10_000  # messages; beyond it the rest is taken as lost
LAST_SEQUENCE = 2**32 - 1  # after it comes 1 (Part 4, 7.26)

# A server that is busy or going down may still have the session a moment later.
PASSING_ERRORS = (
    uaerrors.BadCommunicationError,
    uaerrors.BadConnectionClosed,
    uaerrors.BadOutOfMemory,
    uaerrors.BadResourceUnavailable,
    uaerrors.BadSecureChannelClosed,
    uaerrors.BadServerHalted,
    uaerrors.BadShutdown,
    uaerrors.BadTcpServerTooBusy,
    uaerrors.BadTimeout,
    uaerrors.BadTooManyOperations,
)

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


@dataclass(slots=True)
class Terms:
    """Under what a session was made; it is resumed under the same only."""

    endpoint: str
    security: str
    user: str


class Session:
    """Over one connection. `resume` or `begin` it, then run `publish` and `keep_items` side by side."""

    def __init__(
        self,
        name: str,
        connection: Connection,
        terms: Terms,
        items: Sequence[Item],
        history: HistoryReader,
        spool: SpoolThread,
        status: SourceStatus,
    ) -> None:
        self._name = name
        self._connection = connection
        self._terms = terms
        self._items = items
        self._history = history
        self._spool = spool
        self._status = status
        self._types = DataTypes(connection.session)
        self._by_handle: dict[int, Item] = {}
        self._elements: dict[int, int] = {}  # by handle, of what stands for one element of an array
        self._intake = Intake(self._by_handle, history, spool, status)
        self._subscriptions: dict[int, Subscription] = {}
        self._acknowledged: list[tuple[int, int]] = []  # subscription and number of what is in the spool by now
        self._recorded: list[session_record.ItemRecord] = []
        self._whole = False
        self._most_under_way = LAST_SEQUENCE

    # ---- beginning

    async def begin(self) -> None:
        """Create a session; the old one's numbers mean nothing any more."""
        await self._spool.call(Spool.forget_session, self._name)
        await self._intake.remember()
        await self._connection.begin_session()
        await self._subscribe_missing()

    async def resume(self, kept: SessionRecord, taken: dict[int, int], endpoint: ua.EndpointDescription) -> None:
        """Take up the session, and fetch what was sent into the void. Raises SessionGoneError where that cannot be."""
        if not kept.whole or Terms(kept.endpoint, kept.security, kept.user) != self._terms:
            raise SessionGoneError("the session was made under other terms, or was not finished")
        await self._intake.remember()
        try:
            await self._connection.resume_session(kept, endpoint)
            self._subscriptions = {one.id: Subscription(one, taken.get(one.id, 0)) for one in kept.subscriptions}
            await self._probe()
            stale = self._restore(kept)
            await self._keep(whole=True)  # the nonce has changed with the login
            for subscription in self._subscriptions.values():
                self._acknowledged += await self._fetch(subscription)
            await self._unsubscribe(stale)
            await self._subscribe_missing()
        except PASSING_ERRORS:
            raise
        except UaStatusCodeError as err:
            raise SessionGoneError(f"the server does not take the session up again: {err}") from err

    async def _probe(self) -> None:
        """Ask whether the subscriptions are still there: some servers never say so by themselves."""
        wanted = ua.SetPublishingModeParameters(PublishingEnabled=True, SubscriptionIds=list(self._subscriptions))
        results = await self._connection.session.set_publishing_mode(wanted)
        for identifier, status in zip(self._subscriptions, results, strict=True):
            if status.is_bad():
                raise SessionGoneError(f"subscription {identifier} is gone: {status.name}")

    def _restore(self, kept: SessionRecord) -> list[session_record.ItemRecord]:
        """Mark what is monitored already as the configuration wants it; the rest is returned.

        Between history and subscription only the process that read both knows what is double: an item that was not yet
        past that is read from its history again, and what is on its way under the old handle is left out.
        """
        items = {item.index: item for item in self._items}
        stale = []
        for one in kept.items:
            item = items.get(one.index)
            fits = item is not None and one.is_for(item) and one.subscription in self._subscriptions
            if item is not None and fits and (one.settled or not one.historizing):
                one.restore(item)
                self._know(item)
                continue
            stale.append(one)
            if item is not None:
                item.handle, item.seam_due = one.handle, not one.settled
                if not one.historizing:
                    self._know(item)
        return stale

    async def _unsubscribe(self, stale: Sequence[session_record.ItemRecord]) -> None:
        """Stop monitoring what the configuration no longer has, or has otherwise."""
        for identifier in {one.subscription for one in stale}:
            ids = [one.monitored_item for one in stale if one.subscription == identifier]
            await self._connection.session.delete_monitored_items(
                ua.DeleteMonitoredItemsParameters(SubscriptionId=identifier, MonitoredItemIds=ids)
            )

    async def _subscribe_missing(self) -> None:
        """One subscription for each publishing interval."""
        have = {one.record.publishing_ms for one in self._subscriptions.values()}
        for publishing_ms in sorted({item.sampling.publishing_ms for item in self._items} - have):
            granted = await self._connection.create_subscription_quietly(
                ua.CreateSubscriptionParameters(
                    RequestedPublishingInterval=publishing_ms,
                    RequestedLifetimeCount=_count(LIFETIME_S, publishing_ms),
                    RequestedMaxKeepAliveCount=_count(KEEP_ALIVE_S, publishing_ms),
                    PublishingEnabled=True,
                )
            )
            keep_alive_s = granted.RevisedMaxKeepAliveCount * granted.RevisedPublishingInterval / 1_000
            made = SubscriptionRecord(granted.SubscriptionId, publishing_ms, keep_alive_s)
            self._subscriptions[made.id] = Subscription(made)
        await self._keep(whole=True)

    # ---- messages

    async def publish(self) -> None:
        """Take message after message; never returns."""
        under_way: deque[asyncio.Task[bytes]] = deque()
        try:
            while True:
                wanted = min(len(self._subscriptions) + SPARE_PUBLISH_REQUESTS, self._most_under_way)
                while len(under_way) < wanted:
                    under_way.append(asyncio.create_task(self._connection.publish(self._acknowledged)))
                    self._acknowledged = []
                found = await self._next(under_way.popleft())
                if found is not None:
                    self._acknowledged += await self._handle(found)
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
            # It counts as lost: the next message's number shows it, and what can be mended is mended then.
            self._status.bad += 1
            log.error("a message cannot be read: source=%s reason=%r", self._name, str(err))
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
        fetched = await self._fetch(subscription, most=ahead) if ahead else []
        if found.keep_alive:
            return fetched
        await self._take(subscription, found)
        return fetched + mine

    async def _take(self, subscription: Subscription, found: Publication) -> None:
        touched = await self._intake.take(found.values, Taken(self._name, found.subscription, found.sequence))
        subscription.last = found.sequence
        if touched:
            await self._note_settled()
        if found.ended:
            raise SessionGoneError(f"the server ended the subscription: {found.ended}")

    async def _fetch(self, subscription: Subscription, most: int | None = None) -> list[tuple[int, int]]:
        """Have the server repeat what follows the last message taken: `most` messages, or all that it has.

        Of a known number, what the server has no more is lost: history or a gap stands for it. Returns what may be
        acknowledged.
        """
        identifier = subscription.record.id
        fetched: list[tuple[int, int]] = []
        lost = 0
        for _ in range(MOST_REPUBLISHED if most is None else min(most, MOST_REPUBLISHED)):
            sequence = _following(subscription.last)
            message = await self._connection.republish(identifier, sequence)
            if message is None and most is None:
                break
            if message is None:
                lost += 1
                subscription.last = sequence
                continue
            await self._take(subscription, from_message(identifier, message, clock.now_us(), self._elements))
            fetched.append((identifier, sequence))
        if most is not None and most > MOST_REPUBLISHED:
            lost += most - MOST_REPUBLISHED
            subscription.last = (subscription.last + most - MOST_REPUBLISHED - 1) % LAST_SEQUENCE + 1
        if lost:
            self._intake.expect_loss(item for item in self._items if item.subscription == identifier)
        if lost or fetched:
            self._status.republished += len(fetched)
            log.info("after a break: source=%s republished=%d lost=%d", self._name, len(fetched), lost)
        return fetched

    def _check_silence(self, speaking: Subscription) -> None:
        """One subscription may fall silent while another goes on."""
        now_s = speaking.heard_at_s = time.monotonic()
        for one in self._subscriptions.values():
            if now_s - one.heard_at_s > one.silence_s:
                raise SessionSilentError(f"subscription {one.record.id} has sent nothing for {one.silence_s:.0f} s")

    # ---- items

    async def keep_items(self, settled: Callable[[], None]) -> None:
        """Monitor what is not monitored yet, and look again each minute; `settled` after the first look."""
        while True:
            missing = [item for item in self._items if not item.subscription]
            if missing:
                await self._add(missing)
            self._status.now("connected")
            settled()
            await asyncio.sleep(RETRY_ITEMS_S)

    async def _add(self, missing: Sequence[Item]) -> None:
        """Nodes without history first: only they lose something while others are being read up."""
        await describe(self._connection.session, missing, self._types)
        good = [item for item in missing if item.status.state != "error"]
        await self._monitor([item for item in good if not item.historizing])
        for part in parts([item for item in good if item.historizing]):
            for item in part:
                await self._read_up(item)
            await self._monitor(part)
        for item in missing:
            if item.status.state == "error":
                log.warning("cannot read: point=%s reason=%r", item.name, item.status.message)

    async def _read_up(self, item: Item) -> None:
        item.status.state = "backfilling"
        self._status.now("backfilling", item.name)
        try:
            await self._history.catch_up(item)
        except HistoryError as err:
            item.historizing = item.status.historizing = False
            item.status.message = str(err)
            log.warning("no history: source=%s point=%s reason=%r", self._name, item.name, str(err))

    async def _monitor(self, items: Sequence[Item]) -> None:
        if not items:
            return
        for item in items:
            item.next_handle()
            self._know(item)
        # Between the server's doing and our noting it the record is not whole: a kill then must not double an item.
        await self._keep(whole=False)
        for identifier, subscription in self._subscriptions.items():
            mine = [item for item in items if item.sampling.publishing_ms == subscription.record.publishing_ms]
            await monitor(self._connection.session, identifier, mine)
        await self._keep(whole=True)

    def _know(self, item: Item) -> None:
        """Take values under this handle for the item's."""
        self._by_handle[item.handle] = item
        if item.element is not None:
            self._elements[item.handle] = item.element

    async def _note_settled(self) -> None:
        """Have the record say which items are past their seams, unless items are being made just now."""
        if self._whole and session_record.records(self._items) != self._recorded:
            await self._keep(whole=True)

    async def _keep(self, *, whole: bool) -> None:
        """Write down what a later process needs to go on with this session."""
        self._recorded, self._whole = session_record.records(self._items), whole
        record = SessionRecord(
            self._terms.endpoint,
            self._terms.security,
            self._terms.user,
            session_record.token_bytes(self._connection.session.authentication_token),
            self._connection.nonce,
            [one.record for one in self._subscriptions.values()],
            self._recorded,
            whole,
        )
        await self._spool.call(Spool.keep_session, self._name, session_record.encode(record))


def _count(seconds: float, publishing_ms: float) -> int:
    """How many publishing intervals that is."""
    return max(1, round(seconds * 1_000 / publishing_ms))


def _following(sequence: int) -> int:
    """The number of the next message."""
    return sequence % LAST_SEQUENCE + 1
