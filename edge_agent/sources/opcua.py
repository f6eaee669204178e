"""Reads an OPC UA server: history first, then a subscription, with nothing lost or doubled between them.

Works on asyncua's low-level session, whose subscription callback is awaited before the notification is acknowledged:
the callback commits to the spool. The library's own reconnection is not used, since it loses the server's queue; on any
break a new session begins, reads from the history what the old one missed, and subscribes anew. For a node without
history a gap says which span is missing.

A bad node is that node's error: it shows in the status and is tried again each minute, while the others go on. When the
spool is full the source leaves the server, which keeps its history, and comes back when there is room.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from edge_agent import clock
from edge_agent.backoff import Backoff
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua_history import HistoryError, HistoryReader
from edge_agent.sources.opcua_item import Item
from edge_agent.sources.opcua_nodes import describe, monitor
from edge_agent.sources.opcua_subscription import LiveValues
from edge_agent.spool import Spool
from edge_agent.spool_model import SpoolFullError
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification.errors import RetroProofError

REQUEST_TIMEOUT_S = 20.0
# The library asks the server for its state this often; a busy server may take as long to answer.
HEALTH_CHECK_S = 10.0
CLOSE_TIMEOUT_S = 3.0
RETRY_ITEMS_S = 60.0
CHECK_S = 1.0
KEEP_ALIVE_COUNT = 10
LIFETIME_COUNT = 1_000
QUEUE_SIZE = 1_000

log = logging.getLogger(__name__)


class SessionLostError(RetroProofError):
    """The session with the server is over; another one must begin."""


class OpcUaSource:
    """`run` for as long as the agent lives."""

    def __init__(
        self,
        name: str,
        config: OpcUaSourceConfig,
        indices: dict[str, int],
        spool: SpoolThread,
        status: SourceStatus,
    ) -> None:
        self._name = name
        self._config = config
        self._indices = indices
        self._spool = spool
        self._status = status

    async def run(self) -> None:
        """Connect, read, and connect again when the session ends; never returns."""
        backoff = Backoff()
        while True:
            try:
                await self._session(backoff)
            except SpoolFullError as err:
                log.error("reading is paused: source=%s reason=%r", self._name, str(err))
                self._status.now("spool full", err)
                await self._wait_for_room()
            except (OSError, TimeoutError, UaError, RetroProofError) as err:
                reason = str(err) or type(err).__name__
                log.warning("the source is down: source=%s reason=%r", self._name, reason)
                self._status.now("disconnected", reason)
            await asyncio.sleep(backoff.next_s())

    async def _session(self, backoff: Backoff) -> None:
        """One session from connecting to its end, which is always an error."""
        client = Client(self._config.opcua, timeout=REQUEST_TIMEOUT_S, watchdog_intervall=HEALTH_CHECK_S)
        client.name = client.description = "RetroProof edge agent"
        client.application_uri = "urn:retroproof:edge"
        lost = asyncio.Event()

        async def connection_lost(_: Exception) -> None:
            lost.set()

        client.connection_lost_callback = connection_lost
        try:
            await client.connect()
            self._status.connects += 1
            self._status.now("connected")
            log.info("the source is connected: source=%s endpoint=%s", self._name, self._config.opcua)
            await self._read(client, lost, backoff)
        finally:
            await self._close(client)

    async def _read(self, client: Client, lost: asyncio.Event, backoff: Backoff) -> None:
        items = [
            Item(name, self._indices[name], ua.NodeId.from_string(point.node), self._status.points[name])
            for name, point in self._config.points.items()
        ]
        history = HistoryReader(client, self._spool, self._config.backfill_days)
        live = LiveValues(items, history, self._spool, self._status)
        await self._prepare(client, history, items)
        # History was read to its end: whatever ends this session, the next one may begin soon.
        backoff.reset()
        subscription = await client.uaclient.session.create_subscription(
            ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=self._config.publishing_ms,
                RequestedLifetimeCount=LIFETIME_COUNT,
                RequestedMaxKeepAliveCount=KEEP_ALIVE_COUNT,
                PublishingEnabled=True,
            ),
            live.on_publish,
        )
        silence_s = 3 * KEEP_ALIVE_COUNT * subscription.RevisedPublishingInterval / 1_000 + REQUEST_TIMEOUT_S
        retry_at_s = 0.0
        while True:
            if time.monotonic() >= retry_at_s:
                retry_at_s = time.monotonic() + RETRY_ITEMS_S
                await self._monitor_missing(client, history, items, subscription.SubscriptionId)
            if lost.is_set():
                raise SessionLostError("the connection to the server is lost")
            await live.raise_failure_within(CHECK_S)
            if live.silent_for_s() > silence_s:
                raise SessionLostError(f"the server has sent nothing, not even a keep-alive, for {silence_s:.0f} s")

    async def _prepare(self, client: Client, history: HistoryReader, items: Sequence[Item]) -> None:
        """Ask what the nodes are, and read the history of those that have one."""
        await describe(client, items)
        for item in items:
            if item.status.state == "error" or not item.historizing:
                continue
            item.status.state = "backfilling"
            self._status.now("backfilling", item.name)
            try:
                await history.catch_up(item)
            except HistoryError as err:
                item.historizing = False
                item.status.message = str(err)
                log.warning("no history: source=%s point=%s reason=%r", self._name, item.name, str(err))
        self._status.now("connected")

    async def _monitor_missing(
        self, client: Client, history: HistoryReader, items: Sequence[Item], subscription_id: int
    ) -> None:
        """Subscribe to what is not subscribed to yet, after another look at what was in error."""
        missing = [item for item in items if not item.monitored]
        broken = [item for item in missing if item.status.state == "error"]
        if broken:
            await self._prepare(client, history, broken)
        good = [item for item in missing if item.status.state != "error"]
        await monitor(client, subscription_id, good, sampling_ms=self._config.sampling_ms, queue_size=QUEUE_SIZE)
        for item in missing:
            if item.status.state == "error":
                log.warning("cannot read: point=%s reason=%r", item.name, item.status.message)

    async def _wait_for_room(self) -> None:
        while await self._spool.call(Spool.full_reason):  # noqa: ASYNC110 - the disk and the clock send no event
            await asyncio.sleep(CHECK_S)

    async def _close(self, client: Client) -> None:
        """Leave the server tidily where it still listens; never longer than CLOSE_TIMEOUT_S."""
        for item in self._status.points.values():
            if item.state in {"live", "backfilling"}:
                item.state = "waiting"
        try:
            await asyncio.wait_for(client.disconnect(), CLOSE_TIMEOUT_S)
        except (OSError, TimeoutError, UaError) as err:
            log.debug("closing the session: source=%s reason=%r at=%d", self._name, str(err), clock.now_us())
