"""What the sources that read an MQTT broker share: a connection that comes back, and the count of what is nonsense."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass

from edge_agent.backoff import Backoff
from edge_agent.config.mqtt import Broker, MqttVersion
from edge_agent.mqtt_link import LinkError, MqttLink, connected
from edge_agent.sampling import worth_a_line
from edge_agent.spool_model import SpoolFullError
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the agent gives a source. `indices` has the place of every point in the catalogue."""

    name: str
    client_id: str
    indices: dict[str, int]
    spool: SpoolThread
    status: SourceStatus


class BrokerSource(ABC):
    """`run` for as long as the agent lives."""

    def __init__(self, wiring: Wiring, broker: Broker, version: MqttVersion) -> None:
        self._name = wiring.name
        self._client_id = wiring.client_id
        self._indices = wiring.indices
        self._spool = wiring.spool
        self._status = wiring.status
        self._broker = broker
        self._version = version

    async def run(self) -> None:
        """Connect, read, and connect again when the connection ends; never returns."""
        backoff = Backoff()
        while True:
            try:
                async with connected(self._broker, self._client_id, version=self._version) as link:
                    await self._start_session(link)
                    backoff.reset()
                    while True:
                        await self._take_what_came(link)
            except (LinkError, ConfigError, SpoolFullError) as err:
                log.warning("the source is down: source=%s reason=%r", self._name, str(err))
                self._status.now("disconnected", err)
                self._end_session()
            await asyncio.sleep(backoff.next_s())

    @abstractmethod
    async def _start_session(self, link: MqttLink) -> None:
        """Subscribe on a new connection."""

    @abstractmethod
    async def _take_what_came(self, link: MqttLink) -> None:
        """Wait a moment for messages and keep them in one transaction."""

    def _end_session(self) -> None:  # noqa: B027 - not every source has something to forget
        """Forget what holds for one connection only."""

    def _count_bad(self, where: str, why: object) -> None:
        self._status.bad += 1
        self._status.message = f"{where}: {why}"
        if worth_a_line(self._status.bad):
            log.warning("cannot be read: where=%s count=%d reason=%r", where, self._status.bad, str(why))
