"""Supervises one OPC UA server: connects, resumes its session or begins one, and connects again after any break.

What makes the session lossless is in `session`; this module decides what follows from how it ended. The library's own
reconnection is not used, since it loses the server's queue. A cut leaves the session at the server, which goes on
filling its queues; so does the agent's own end, so that a restart or a new configuration loses nothing. Where a new
configuration leaves a server for good, no session stays. When the spool is full the source leaves the server alone
until there is room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.ua.uaerrors import UaError

from edge_agent.backoff import Backoff
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua import record as session_record
from edge_agent.sources.opcua.connection import MALFORMED, Connection
from edge_agent.sources.opcua.history import HistoryReader
from edge_agent.sources.opcua.item import Item
from edge_agent.sources.opcua.messages import SessionGoneError
from edge_agent.sources.opcua.security import Folder, secure
from edge_agent.sources.opcua.session import Session, Terms
from edge_agent.spool import Spool
from edge_agent.spool_model import SpoolFullError
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification.errors import RetroProofError

FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0  # a plant's own server is asked often: its queues are filling
CLOSE_TIMEOUT_S = 3.0
CHECK_S = 1.0

log = logging.getLogger(__name__)


class OpcUaSource:
    """`run` for as long as the agent lives, or until `leave`.

    `folder` is where certificates lie unless the configuration says.
    """

    def __init__(
        self,
        name: str,
        device: str,
        config: OpcUaSourceConfig,
        indices: dict[str, int],
        spool: SpoolThread,
        status: SourceStatus,
        folder: Path,
    ) -> None:
        self._name = name
        self._application_uri = f"urn:retroproof:edge:{device}"
        self._config = config
        self._indices = indices
        self._spool = spool
        self._status = status
        self._folder = Folder.of(config, folder)
        self._terms = _terms(config)
        self._left = asyncio.Event()

    def is_resumed_by(self, config: object) -> bool:
        """Whether a source of this configuration, None for none, would take up this one's session."""
        return isinstance(config, OpcUaSourceConfig) and _terms(config) == self._terms

    def leave(self) -> None:
        """End the session at the server too, and then `run`."""
        self._left.set()

    async def run(self) -> None:
        """Connect, read, and connect again when the session ends; returns after `leave` only."""
        backoff = Backoff(FIRST_RETRY_S, LAST_RETRY_S)
        while not self._left.is_set():
            try:
                await self._connected(backoff)
            except SpoolFullError as err:
                log.error("reading is paused: source=%s reason=%r", self._name, str(err))
                self._status.now("spool full", err)
                await self._wait_for_room()
            except SessionGoneError as err:
                log.warning("a new session must begin: source=%s reason=%r", self._name, str(err))
                await self._spool.call(Spool.forget_session, self._name)
            except (OSError, TimeoutError, UaError, RetroProofError) as err:
                reason = str(err) or type(err).__name__
                log.warning("the source is down: source=%s reason=%r", self._name, reason)
                self._status.now("disconnected", reason)
            except MALFORMED as err:
                # What one server answers against the encoding must not end the other sources.
                log.exception("the server's answer cannot be read: source=%s", self._name)
                self._status.now("disconnected", f"the server's answer cannot be read: {type(err).__name__}: {err}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), backoff.next_s())

    async def _connected(self, backoff: Backoff) -> None:
        """One connection from its beginning to its end, which is an error unless the server is left."""
        connection = Connection(self._config.opcua, self._application_uri)
        try:
            endpoint = await secure(connection, self._config, self._folder)
            session = await self._session(connection, endpoint)
            self._status.connects += 1
            self._status.now("connected")
            log.info("the source is connected: source=%s endpoint=%s", self._name, self._config.opcua)
            works = session.publish(), session.keep_items(backoff.reset), connection.keep_channel()
            await _first_to_end(*works, self._left.wait())
            await self._spool.call(Spool.forget_session, self._name)
            await self._close(connection)
        except SessionGoneError:
            await self._close(connection)
            raise
        finally:
            connection.abort()
            for point in self._status.points.values():
                if point.state in {"live", "backfilling"}:
                    point.state = "waiting"

    async def _session(self, connection: Connection, endpoint: ua.EndpointDescription) -> Session:
        """The session that is on record, or a new one."""
        items = [
            Item(
                name,
                self._indices[name],
                point.node,
                self._config.sampling(point),
                self._status.points[name],
                element=point.index,
            )
            for name, point in self._config.points.items()
        ]
        history = HistoryReader(connection, self._spool, self._config.backfill_days)
        session = Session(self._name, connection, self._terms, items, history, self._spool, self._status)
        kept = await self._spool.call(Spool.session, self._name)
        if kept is None:
            await session.begin()
            return session
        found = session_record.decode(kept[0])
        if found is None:
            raise SessionGoneError("the session was kept by another release")
        await session.resume(found, kept[1], endpoint)
        return session

    async def _wait_for_room(self) -> None:
        while await self._spool.call(Spool.full_reason):  # noqa: ASYNC110 - the disk and the clock send no event
            await asyncio.sleep(CHECK_S)

    async def _close(self, connection: Connection) -> None:
        """Have the server forget a session that is of no more use, where it still listens."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await connection.session.close_session(delete_subscriptions=True)
        except (OSError, TimeoutError, UaError) as err:
            log.debug("closing the session: source=%s reason=%r", self._name, str(err))


def _terms(config: OpcUaSourceConfig) -> Terms:
    return Terms(config.opcua, config.security, config.user or config.user_cert)


async def _first_to_end(*works: Coroutine[Any, Any, object]) -> None:
    """Run side by side until one ends, end the others, and raise its error if there is one."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
