"""The running agent: sources, sealer, uplink and status around one spool, from start to an orderly stop.

Stops on SIGTERM and SIGINT: the sources end first, what is durable is sealed, the uplink gets a few seconds, then all
sessions are closed. A kill at any other moment loses nothing either; it only leaves more to do at the next start. What
cannot be mended by trying again (a disk that fails) ends the process, for a service manager to start it anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edge_agent import clock, status
from edge_agent.config import EdgeConfig
from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.config.mqtt import MqttSourceConfig
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.config.sparkplug import SparkplugSourceConfig
from edge_agent.identity import rotation
from edge_agent.lock import exclusive
from edge_agent.sources.files import FileSource
from edge_agent.sources.mqtt import MqttSource
from edge_agent.sources.opcua import OpcUaSource
from edge_agent.sources.sparkplug import SparkplugSource
from edge_agent.spool import Spool
from edge_agent.spool_model import KeyChangeDelayedError
from edge_agent.spool_recovery import open_spool
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import AgentStatus, ClockStatus, PointStatus, SourceStatus, UplinkStatus
from edge_agent.uplink import Uplink
from verification import keys, sync
from verification.batch import MAX_SOURCES, MAX_STATE_CHARS, Heartbeat, SourceState
from verification.errors import RetroProofError

SEAL_CHECK_S = 0.1
STATUS_EVERY_S = 1.0
BEAT_CHECK_S = 1.0
LAST_SEND_S = 5.0
CANCEL_AGAIN_S = 0.5
VERSION = version("retroproof")

log = logging.getLogger(__name__)

Source = FileSource | MqttSource | OpcUaSource | SparkplugSource


@dataclass(frozen=True)
class Agent:
    """The parts of a running agent."""

    config: EdgeConfig
    spool: SpoolThread
    status: AgentStatus
    uplink: Uplink
    sources: tuple[Source, ...]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then leave in order."""
        async with asyncio.TaskGroup() as group:
            uplink = group.create_task(self.uplink.run())
            sources = [group.create_task(source.run()) for source in self.sources]
            sealer = group.create_task(self._seal())
            reporter = group.create_task(self._report())
            beat = group.create_task(self._beat())
            await stop.wait()
            log.info("stopping")
            await _end([*sources, sealer, beat])
            await self._send_the_rest()
            await _end([uplink, reporter])
        await self._write_status()

    async def _seal(self) -> None:
        while True:
            if await self._seal_once():
                self.uplink.notify()
            await asyncio.sleep(SEAL_CHECK_S)

    async def _seal_once(self, *, everything: bool = False) -> int:
        state = self._clock_state()
        return await self.spool.call(Spool.seal_due, state, everything=everything)

    async def _beat(self) -> None:
        """Break a silence of the configured length."""
        silence_us = int(self.config.uplink.heartbeat_s * 1_000_000)
        while True:
            await asyncio.sleep(BEAT_CHECK_S)
            if await self.spool.call(Spool.seal_heartbeat, self._heartbeat(), self._clock_state(), silence_us):
                self.uplink.notify()

    def _clock_state(self) -> clock.ClockState:
        """As the kernel disciplines the clock, and as far off as the uplink has measured it."""
        kernel, measured = clock.clock_state(), self.uplink.clock_offset()
        shown = ClockStatus(kernel.state, ntp_offset_us=kernel.offset_us)
        if measured is not None:
            shown.offset_us, shown.error_us = measured.offset_us, measured.error_us
        self.status.clock = shown
        return clock.ClockState(kernel.state, shown.offset_us)

    def _heartbeat(self) -> Heartbeat:
        """What a silent agent says of itself; the spool fills in its own depth."""
        states = tuple(
            SourceState(name, shown.kind, shown.state, shown.message[:MAX_STATE_CHARS], shown.bad, shown.dropped)
            for name, shown in self.status.sources.items()
        )
        return Heartbeat(
            agent=VERSION,
            started_us=self.status.started_us,
            sources=states[:MAX_SOURCES],
            ntp_offset_us=self.status.clock.ntp_offset_us,
            clock_error_us=self.status.clock.error_us,
        )

    async def _send_the_rest(self) -> None:
        await self._seal_once(everything=True)
        self.uplink.notify()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SEND_S):
                while (await self.spool.call(Spool.depth)).batches:  # noqa: ASYNC110 - ends by itself in seconds
                    await asyncio.sleep(SEAL_CHECK_S)

    async def _report(self) -> None:
        while True:
            await self._change_key()
            await self._write_status()
            await asyncio.sleep(STATUS_EVERY_S)

    async def _change_key(self) -> None:
        """Go on with a change of key that an operator began; what hinders it is shown, and tried again."""
        try:
            if await self.spool.call(rotation.advance, self.config.key_store(), clock.clock_state()):
                self.uplink.notify()
            problem = ""
        except RetroProofError as err:
            problem = str(err)
        if problem and problem != self.status.key_message:
            log.error("the signing key cannot be changed yet: reason=%r", problem)
        self.status.key_message = problem
        self.status.key_id = (await self.spool.call(Spool.key_id)).hex()

    async def _write_status(self) -> None:
        self.status.spool = await self.spool.call(Spool.depth)
        self.status.written_us = clock.now_us()
        try:
            await asyncio.to_thread(status.write, self.status, self.config.status_path)
        except OSError as err:
            # A status that cannot be written must not stop readings from being kept.
            log.error("cannot write the status: path=%s reason=%r", self.config.status_path, str(err))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: a cancellation that falls into asyncua's connecting or closing can get lost."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)


def run(config: EdgeConfig) -> None:
    """Run the agent in this process until it is told to stop. Raises RetroProofError when it cannot start."""
    Path(config.spool.path).parent.mkdir(parents=True, exist_ok=True)
    with exclusive(config.spool_path), _assembled(config) as agent:
        log.info(
            "running: device=%s key=%s points=%d",
            config.device,
            keys.key_id(config.private_key()).hex(),
            len(config.points),
        )
        asyncio.run(_until_told(agent))


async def _until_told(agent: Agent) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await agent.run(stop)


@contextmanager
def _assembled(config: EdgeConfig) -> Iterator[Agent]:
    """Open the spool, name the points in it, and put the parts together."""
    before = status.read(config.status_path)
    known_epoch = before.spool.epoch if before is not None and before.spool is not None else 0
    store = config.key_store()
    spool = SpoolThread(
        lambda: open_spool(config.spool_path, config.device, store.current(), config.limits(), known_epoch=known_epoch)
    )
    try:
        with suppress(KeyChangeDelayedError):  # the running agent tries again
            asyncio.run(spool.call(rotation.advance, store, clock.clock_state()))
        indices = asyncio.run(spool.call(Spool.catalogue, config.points))
        shown = _empty_status(config)
        uplink = Uplink(
            config.device,
            config.uplink,
            config.trusted_key(),
            spool,
            shown.uplink,
            lambda epochs: _question(config, epochs),
        )
        sources = tuple(_source(config, name, indices, spool, shown.sources[name]) for name in config.sources)
        yield Agent(config, spool, shown, uplink, sources)
    finally:
        spool.close()


def _source(config: EdgeConfig, name: str, indices: dict[str, int], spool: SpoolThread, shown: SourceStatus) -> Source:
    client_id = f"{config.device}-{name}"
    match config.sources[name]:
        case OpcUaSourceConfig() as source:
            return OpcUaSource(name, source, indices, spool, shown)
        case MqttSourceConfig() as source:
            return MqttSource(name, client_id, source, indices, spool, shown)
        case SparkplugSourceConfig() as source:
            return SparkplugSource(name, client_id, source, indices, spool, shown)
        case CsvSourceConfig() as source:
            return FileSource(name, source, indices, spool, shown)


def _question(config: EdgeConfig, epochs: Sequence[int]) -> bytes:
    return sync.sign(config.device, epochs, clock.now_us(), config.private_key())


def _empty_status(config: EdgeConfig) -> AgentStatus:
    sources = {
        name: SourceStatus(
            kind=str(source.__struct_config__.tag),
            endpoint=source.endpoint,
            points={key: PointStatus(point.address) for key, point in source.points.items()},
        )
        for name, source in config.sources.items()
    }
    now_us = clock.now_us()
    uplink = UplinkStatus(config.uplink.address)
    return AgentStatus(config.device, os.getpid(), now_us, now_us, sources, uplink, ClockStatus())
