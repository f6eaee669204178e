"""The running agent: sources, sealer, uplink and status around one spool, from start to an orderly stop.

Stops on SIGTERM and SIGINT: the sources end first, what is durable is sealed, the uplink gets a few seconds, then all
sessions are closed. A kill at any other moment loses nothing either; it only leaves more to do at the next start. What
cannot be mended by trying again (a disk that fails) ends the process, for a service manager to start it anew.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from edge_agent import assembly, clock, metrics, status
from edge_agent.config import EdgeConfig
from edge_agent.identity import rotation
from edge_agent.lock import exclusive
from edge_agent.sources.opcua.source import OpcUaSource
from edge_agent.spool import Spool
from edge_agent.spool_model import KeyChangeDelayedError
from edge_agent.spool_recovery import open_spool
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import AgentStatus, ClockStatus
from verification import keys
from verification.batch import MAX_SOURCES, MAX_STATE_CHARS, Heartbeat, SourceState
from verification.errors import ConfigError, RetroProofError

SEAL_CHECK_S = 0.1
STATUS_EVERY_S = 1.0
BEAT_CHECK_S = 1.0
LAST_SEND_S = 5.0
LEAVE_S = 5.0
CANCEL_AGAIN_S = 0.5
VERSION = version("retroproof")

log = logging.getLogger(__name__)


class Agent:
    """The parts of a running agent: the spool for good, sources and uplink as long as the configuration stays."""

    def __init__(self, config: EdgeConfig, spool: SpoolThread, shown: AgentStatus) -> None:
        self.config = config
        self.spool = spool
        self.status = shown
        self.uplink = assembly.uplink(config, spool, shown.uplink)
        self._sources: dict[str, tuple[assembly.Source, asyncio.Task[None]]] = {}

    async def run(self, stop: asyncio.Event, told: asyncio.Event, load: Callable[[], EdgeConfig]) -> None:
        """Work until `stop` is set, then leave in order. Whenever `told` is set, go on as `load` says."""
        indices = await self.spool.call(Spool.catalogue, self.config.points)
        async with asyncio.TaskGroup() as group:
            self._uplink = group.create_task(self.uplink.run())
            self._begin(group, list(self.config.sources), indices)
            sealer = group.create_task(self._seal())
            reporter = group.create_task(self._report())
            beat = group.create_task(self._beat())
            reloader = group.create_task(self._reload_when(told, group, load))
            await stop.wait()
            log.info("stopping")
            await _end([reloader])
            await _end([*(task for _, task in self._sources.values()), sealer, beat])
            await self._send_the_rest()
            await _end([self._uplink, reporter])
        await self._write_status()

    def _begin(self, group: asyncio.TaskGroup, names: Sequence[str], indices: dict[str, int]) -> None:
        """Start these sources of the configuration; `indices` has the place of every point in the catalogue."""
        for name in names:
            self.status.sources[name] = shown = assembly.source_status(self.config.sources[name])
            source = assembly.source(self.config, name, indices, self.spool, shown)
            self._sources[name] = source, group.create_task(source.run())

    async def _reload_when(self, told: asyncio.Event, group: asyncio.TaskGroup, load: Callable[[], EdgeConfig]) -> None:
        while True:
            await told.wait()
            told.clear()
            try:
                await self._reload(group, await asyncio.to_thread(load))
                self.status.reload_message = ""
            except RetroProofError as err:
                self.status.reload_message = str(err)
                log.error("the configuration was not taken, the old one stays: reason=%r", str(err))
            self.status.reloads += 1

    async def _reload(self, group: asyncio.TaskGroup, new: EdgeConfig) -> None:
        """Change what differs and leave the rest alone. Raises ConfigError for what takes a restart."""
        old = self.config
        for name, before, after in assembly.fixed_parts(old, new):
            if before != after:
                raise ConfigError(f"{name} was changed, which takes a restart of the agent")
        ended = [name for name, source in old.sources.items() if new.sources.get(name) != source]
        begun = [name for name, source in new.sources.items() if old.sources.get(name) != source]
        indices = await self.spool.call(Spool.catalogue, new.points)  # may refuse, and nothing has ended yet
        await self._end_sources(ended, new)
        self.config = new
        await self.spool.call(Spool.set_limits, new.limits())
        if (new.uplink, new.ingest_key) != (old.uplink, old.ingest_key):
            await _end([self._uplink])
            self.uplink = assembly.uplink(new, self.spool, self.status.uplink)
            self._uplink = group.create_task(self.uplink.run())
        self._begin(group, begun, indices)
        log.info("the configuration was taken: ended=%s begun=%s", ",".join(ended) or "-", ",".join(begun) or "-")

    async def _end_sources(self, names: Sequence[str], new: EdgeConfig) -> None:
        """End them; a server to which nothing of the new configuration comes back is told so."""
        ended = {name: self._sources.pop(name) for name in names}
        leaving = []
        for name, (source, task) in ended.items():
            if isinstance(source, OpcUaSource) and not source.is_resumed_by(new.sources.get(name)):
                source.leave()
                leaving.append(task)
        if leaving:
            await asyncio.wait(leaving, timeout=LEAVE_S)
        await _end([task for _, task in ended.values()])
        for name in names:
            del self.status.sources[name]

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
        while True:
            await asyncio.sleep(BEAT_CHECK_S)
            silence_us = int(self.config.uplink.heartbeat_s * 1_000_000)
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
            if await self.spool.call(rotation.advance, self.config.key_store(), self._clock_state()):
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


def run(config: EdgeConfig, load: Callable[[], EdgeConfig]) -> None:
    """Run the agent in this process until it is told to stop; SIGHUP has it take what `load` gives.

    Raises RetroProofError when it cannot start.
    """
    Path(config.spool.path).parent.mkdir(parents=True, exist_ok=True)
    with exclusive(config.spool_path), _assembled(config) as agent, metrics.serving(config):
        log.info(
            "running: device=%s key=%s points=%d",
            config.device,
            keys.key_id(config.private_key()).hex(),
            len(config.points),
        )
        asyncio.run(_until_told(agent, load))


async def _until_told(agent: Agent, load: Callable[[], EdgeConfig]) -> None:
    stop, told = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(stop.set))
    else:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, told.set)
    await agent.run(stop, told, load)


@contextmanager
def _assembled(config: EdgeConfig) -> Iterator[Agent]:
    """Open the spool, finish a change of key, and put the parts together."""
    before = status.read(config.status_path)
    known_epoch = before.spool.epoch if before is not None and before.spool is not None else 0
    store = config.key_store()
    spool = SpoolThread(
        lambda: open_spool(config.spool_path, config.device, store.current(), config.limits(), known_epoch=known_epoch)
    )
    try:
        with suppress(KeyChangeDelayedError):  # the running agent tries again
            asyncio.run(spool.call(rotation.advance, store, clock.unmeasured()))
        yield Agent(config, spool, assembly.agent_status(config))
    finally:
        spool.close()
