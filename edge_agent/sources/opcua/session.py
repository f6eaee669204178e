"""A session with an OPC UA server from resuming or beginning it to its end, with nothing lost or doubled on the way.

A message is acknowledged after the spool's commit, which notes in the same transaction its number and what it settled.
So after a cut, or a kill -9, the session is resumed, what was sent into the void is asked for again (Republish), and
what was committed already is known by its number. A message that the server has no more is mended from history or
admitted as a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.ua import uaerrors
from asyncua.ua.uaerrors import UaStatusCodeError

from edge_agent.sources.opcua import record as session_record
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.datatypes import DataTypes
from edge_agent.sources.opcua.decode import Publication
from edge_agent.sources.opcua.history import HistoryError, HistoryReader
from edge_agent.sources.opcua.intake import Intake
from edge_agent.sources.opcua.item import Item
from edge_agent.sources.opcua.messages import Messages, SessionGoneError
from edge_agent.sources.opcua.namespaces import locate, namespaces, origins
from edge_agent.sources.opcua.nodes import describe, monitor, parts
from edge_agent.sources.opcua.record import SessionRecord, SubscriptionRecord
from edge_agent.spool import Spool
from edge_agent.spool_model import Taken
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus

RETRY_ITEMS_S = 60.0
KEEP_ALIVE_S = 5.0
LIFETIME_S = 3_600.0

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
        self._messages = Messages(name, connection, status, self._elements, self._take, self._lose)
        self._uris: Sequence[str] = ()  # of the server's namespaces, by index
        self._recorded: list[session_record.ItemRecord] = []
        self._whole = False
        # What a message has settled is in memory before it is on disk: nothing else may write it down meanwhile.
        self._one_at_a_time = asyncio.Lock()

    # ---- beginning

    async def begin(self) -> None:
        """Create a session; the old one's numbers mean nothing any more."""
        await self._spool.call(Spool.forget_session, self._name)
        await self._intake.remember()
        await self._connection.begin_session()
        await self._subscribe_missing()

    async def resume(self, kept: SessionRecord, taken: dict[int, int], endpoint: ua.EndpointDescription) -> None:
        """Take up the session, and fetch what was sent into the void. Raises SessionGoneError where that cannot be."""
        if Terms(kept.endpoint, kept.security, kept.user) != self._terms:
            raise SessionGoneError("the session was made under other terms")
        await self._intake.remember()
        try:
            await self._connection.resume_session(kept, endpoint)
            if not kept.whole:
                # Only now that it is ours again can it be ended, and does not stay at the server until it times out.
                raise SessionGoneError("the session was not finished")
            for subscription in kept.subscriptions:
                self._messages.expect(subscription, taken.get(subscription.id, 0))
            await self._probe()
            await self._locate(self._items)
            stale = self._restore(kept)
            # An earlier release remembered nothing, and within the session the indices still mean what they did.
            await self._remember([item for item in self._items if item.subscription])
            await self._keep(whole=not stale)  # the nonce has changed with the login
            await self._unsubscribe(stale)
            await self._messages.fetch_missed()
            await self._subscribe_missing()
        except PASSING_ERRORS:
            raise
        except UaStatusCodeError as err:
            raise SessionGoneError(f"the server does not take the session up again: {err}") from err

    async def _probe(self) -> None:
        """Ask whether the subscriptions are still there: some servers never say so by themselves."""
        ids = [one.id for one in self._messages.subscriptions]
        wanted = ua.SetPublishingModeParameters(PublishingEnabled=True, SubscriptionIds=ids)
        results = await self._connection.session.set_publishing_mode(wanted)
        for identifier, status in zip(ids, results, strict=True):
            if status.is_bad():
                raise SessionGoneError(f"subscription {identifier} is gone: {status.name}")

    def _restore(self, kept: SessionRecord) -> list[session_record.ItemRecord]:
        """Mark what is monitored already as the configuration wants it; the rest is returned.

        Between history and subscription only the process that read both knows what is double: an item that was not yet
        past that is read from its history again, and what is on its way under the old handle is left out.
        """
        items = {item.index: item for item in self._items}
        subscriptions = {one.id for one in kept.subscriptions}
        stale = []
        for one in kept.items:
            item = items.get(one.index)
            fits = item is not None and one.is_for(item) and one.subscription in subscriptions
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
        if stale:
            await self._keep(whole=True)

    async def _subscribe_missing(self) -> None:
        """One subscription for each publishing interval."""
        have = {one.publishing_ms for one in self._messages.subscriptions}
        missing = sorted({item.sampling.publishing_ms for item in self._items} - have)
        if missing:
            await self._keep(whole=False)
        for publishing_ms in missing:
            granted = await self._connection.create_subscription_quietly(
                ua.CreateSubscriptionParameters(
                    RequestedPublishingInterval=publishing_ms,
                    RequestedLifetimeCount=_count(LIFETIME_S, publishing_ms),
                    RequestedMaxKeepAliveCount=_count(KEEP_ALIVE_S, publishing_ms),
                    PublishingEnabled=True,
                )
            )
            keep_alive_s = granted.RevisedMaxKeepAliveCount * granted.RevisedPublishingInterval / 1_000
            self._messages.expect(SubscriptionRecord(granted.SubscriptionId, publishing_ms, keep_alive_s))
        await self._keep(whole=True)

    # ---- messages

    async def publish(self) -> None:
        """Take message after message; never returns."""
        await self._messages.publish()

    async def _take(self, found: Publication) -> None:
        taken = Taken(self._name, found.subscription, found.sequence)
        async with self._one_at_a_time:
            await self._intake.take(found.values, taken, self._changed_record)

    def _lose(self, subscription: SubscriptionRecord) -> None:
        self._intake.expect_loss(_under(subscription, self._items))

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
        located = await self._locate(missing)
        await describe(self._connection.session, located, self._types)
        good = [item for item in located if item.status.state != "error"]
        await self._remember(good)
        await self._monitor([item for item in good if not item.historizing])
        for part in parts([item for item in good if item.historizing]):
            for item in part:
                await self._read_up(item)
            await self._monitor(part)
        for item in missing:
            if item.status.state == "error":
                log.warning("cannot read: point=%s reason=%r", item.name, item.status.message)

    async def _locate(self, items: Sequence[Item]) -> list[Item]:
        """Find the items in the server's namespaces as they are now; those that are not missing."""
        self._uris = await namespaces(self._connection.session)
        return locate(items, self._uris, await self._spool.call(Spool.namespaces, self._name))

    async def _remember(self, items: Sequence[Item]) -> None:
        """Before anything is taken of a node for the first time: what its index means."""
        await self._spool.call(Spool.remember_namespaces, self._name, origins(items, self._uris))

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
        for subscription in self._messages.subscriptions:
            await monitor(self._connection.session, subscription.id, _under(subscription, items))
        await self._keep(whole=True)

    def _know(self, item: Item) -> None:
        """Take values under this handle for the item's."""
        self._by_handle[item.handle] = item
        if item.element is not None:
            self._elements[item.handle] = item.element

    def _changed_record(self) -> bytes | None:
        """The record where it has changed by which items are past their seams, unless items are being made just now."""
        if self._whole and session_record.records(self._items) != self._recorded:
            return self._record(whole=True)
        return None

    async def _keep(self, *, whole: bool) -> None:
        """Write down what a later process needs to go on with this session."""
        async with self._one_at_a_time:
            await self._spool.call(Spool.keep_session, self._name, self._record(whole=whole))

    def _record(self, *, whole: bool) -> bytes:
        self._recorded, self._whole = session_record.records(self._items), whole
        record = SessionRecord(
            self._terms.endpoint,
            self._terms.security,
            self._terms.user,
            session_record.token_bytes(self._connection.session.authentication_token),
            self._connection.nonce,
            self._messages.subscriptions,
            self._recorded,
            whole,
        )
        return session_record.encode(record)


def _under(subscription: SubscriptionRecord, items: Sequence[Item]) -> list[Item]:
    """Those of the items that this subscription reports, or is to."""
    return [item for item in items if item.sampling.publishing_ms == subscription.publishing_ms]


def _count(seconds: float, publishing_ms: float) -> int:
    """How many publishing intervals that is."""
    return max(1, round(seconds * 1_000 / publishing_ms))
