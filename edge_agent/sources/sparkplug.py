"""Reads Sparkplug B edge nodes from a broker: births, data by alias, deaths, and the request for a rebirth.

Sparkplug publishes at QoS 0 and only what changed, so a value that is lost is lost; what is known to be missing becomes
a signed gap (`sparkplug_node` says when). A node that was not born while we listened is asked for its birth, at once
and then ever less often. When the spool is full, readings are admitted as a loss: nobody sends them again.
"""

from __future__ import annotations

import asyncio
import logging
import time

from edge_agent import clock
from edge_agent.backoff import Backoff
from edge_agent.config.sparkplug import SparkplugSourceConfig
from edge_agent.mqtt_link import LinkError, Message, MqttLink, Published, connected
from edge_agent.sampling import worth_a_line
from edge_agent.spool import Spool
from edge_agent.spool_model import SpoolFullError, value_bits
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from verification import sparkplug
from verification.batch import Gap
from verification.errors import ConfigError, FormatError
from verification.model import RowFlag, Rows
from verification.sparkplug import DataType, Metric, Payload, Topic
from verification.sparkplug_node import NODE, EdgeNode, Outcome

FIRST_REBIRTH_S, LAST_REBIRTH_S = 5.0, 300.0
IDLE_S = 1.0  # how late a lost message may be noticed
NODE_KINDS, DEVICE_KINDS = ("NBIRTH", "NDATA", "NDEATH"), ("DBIRTH", "DDATA", "DDEATH")

NodeKey = tuple[str, str]  # group and node

log = logging.getLogger(__name__)


class SparkplugSource:
    """`run` for as long as the agent lives."""

    def __init__(
        self,
        name: str,
        client_id: str,
        config: SparkplugSourceConfig,
        indices: dict[str, int],
        spool: SpoolThread,
        status: SourceStatus,
    ) -> None:
        self._name = name
        self._client_id = client_id
        self._config = config
        self._indices = indices
        self._spool = spool
        self._status = status
        self._nodes: dict[NodeKey, EdgeNode] = {}
        self._asks: dict[NodeKey, _Asking] = {}
        self._gaps: list[Gap] = []  # known but not yet in the spool
        self._last: dict[str, tuple[int, int]] = {}  # time and value (as bits) of each point's latest reading

    async def run(self) -> None:
        """Connect, read, and connect again when the connection ends; never returns."""
        await self._know_nodes()
        backoff = Backoff()
        while True:
            try:
                async with connected(self._config.broker, self._client_id, version=self._config.version) as link:
                    await self._start_session(link)
                    backoff.reset()
                    while True:
                        await self._take_what_came(link)
            except (LinkError, ConfigError) as err:
                log.warning("the source is down: source=%s reason=%r", self._name, str(err))
                self._status.now("disconnected", err)
                for node in self._nodes.values():
                    node.disconnected()
            await asyncio.sleep(backoff.next_s())

    async def _know_nodes(self) -> None:
        """The edge nodes that the points name, each with what was read of it before."""
        points: dict[NodeKey, dict[tuple[str, str], str]] = {}
        for name, point in self._config.points.items():
            group, node = point.edge_node.split("/")
            points.setdefault((group, node), {})[point.device or NODE, point.metric] = name
        for key, named in points.items():
            seen_us = []
            for name in named.values():
                state = await self._spool.call(Spool.state, self._indices[name])
                if state is not None:
                    seen_us.append(state.time_us)
                    self._last[name] = (state.row_time_us, state.value_bits)
            self._nodes[key] = EdgeNode(named, seen_us)

    async def _start_session(self, link: MqttLink) -> None:
        refused = []
        for group, node in self._nodes:
            topics = [str(Topic(group, kind, node)) for kind in NODE_KINDS]
            topics += [str(Topic(group, kind, node, "+")) for kind in DEVICE_KINDS]
            refused += await link.subscribe(topics)
        self._status.connects += 1
        self._status.now("connected", f"the broker does not let us read {', '.join(refused)}" if refused else "")
        log.info("the source is connected: source=%s nodes=%d refused=%d", self._name, len(self._nodes), len(refused))
        for key in self._nodes:
            self._asks[key] = _Asking()
            self._ask_for_birth(link, key, "we have just connected")

    async def _take_what_came(self, link: MqttLink) -> None:
        """Commit what arrived in one transaction; ask nodes for their birth where that is needed."""
        first = await link.next_event(IDLE_S)
        rows = Rows.empty()
        for event in [first, *link.ready_events()] if first is not None else []:
            match event:
                case Message():
                    self._read(event, rows)
                    link.acknowledge(event)
                case Published() if not event.delivered:
                    self._status.message = f"the broker did not pass on our request for a birth: {event.reason}"
        for key, node in self._nodes.items():
            node.give_up(clock.now_us())
            if node.birth_wanted or not node.online:
                self._ask_for_birth(link, key, node.birth_wanted or "the node is not there")
        if rows or self._gaps:
            await self._append(rows)

    def _read(self, message: Message, rows: Rows) -> None:
        """Have the node make sense of a message; what it says badly is counted."""
        if message.retained:  # births and data must not be; one that is says nothing about now
            return
        try:
            topic = sparkplug.read_topic(message.topic)
            payload = sparkplug.decode(message.payload)
            node = self._nodes[topic.group, topic.node]
            outcome = node.take(topic, payload, clock.now_us())
        except FormatError as err:
            self._count_bad(message.topic, err)
            return
        if topic.kind == "NBIRTH":
            self._asks[topic.group, topic.node].answered()
        self._keep((topic.group, topic.node), outcome, rows)

    def _keep(self, key: NodeKey, outcome: Outcome, rows: Rows) -> None:
        """Put what a message came to into this transaction's rows and gaps; a birth may repeat the last reading."""
        for dark in outcome.dark:
            indices = tuple(self._indices[point] for point in dark.points)
            self._gaps.append(Gap(indices, dark.start_us, dark.end_us, dark.reason))
        self._status.doubles += outcome.doubles
        for sample in outcome.samples:
            shown, reading = self._status.points[sample.point], (sample.time_us, value_bits(sample.value))
            shown.state, shown.message = "live", ""
            if sample.birth and self._last.get(sample.point) == reading:
                self._status.doubles += 1
                continue
            self._last[sample.point] = reading
            flags = RowFlag.BACKFILLED if sample.historical else 0
            rows.append(self._indices[sample.point], sample.time_us, sample.value, status=sample.status, flags=flags)
        for point, reason in outcome.refused:
            self._status.points[point].refused += 1
            self._status.points[point].fail(reason)
            self._count_bad("/".join(key), reason)

    async def _append(self, rows: Rows) -> None:
        try:
            await self._spool.call(Spool.append, rows, gaps=self._gaps)
        except SpoolFullError as err:
            await self._spool.call(Spool.admit_loss, rows)
            self._status.dropped += len(rows)
            self._status.now("spool full", err)
            log.error("readings are refused: source=%s rows=%d reason=%r", self._name, len(rows), str(err))
            return
        self._gaps = []
        names = {index: name for name, index in self._indices.items()}
        for index, time_us, value, status in zip(rows.point, rows.time_us, rows.value, rows.status, strict=True):
            self._status.points[names[index]].took(time_us, value, status)
        self._status.state = "connected"

    def _ask_for_birth(self, link: MqttLink, key: NodeKey, reason: str) -> None:
        """Write true to the node's rebirth metric, unless it was asked a moment ago."""
        if not self._asks[key].due():
            return
        group, node = key
        wanted = Metric(sparkplug.REBIRTH, True, DataType.BOOLEAN)  # noqa: FBT003 - the metric's value
        command = sparkplug.encode(Payload((wanted,), clock.now_us() // 1_000))
        link.publish(str(Topic(group, "NCMD", node)), command)
        log.info("asking for a birth: source=%s node=%s/%s reason=%r", self._name, group, node, reason)

    def _count_bad(self, where: str, why: object) -> None:
        self._status.bad += 1
        self._status.message = f"{where}: {why}"
        if worth_a_line(self._status.bad):
            log.warning("cannot be read: from=%s count=%d reason=%r", where, self._status.bad, str(why))


class _Asking:
    """When a node may be asked for its birth: at once, then after ever longer waits until it answers."""

    def __init__(self) -> None:
        self._backoff = Backoff(FIRST_REBIRTH_S, LAST_REBIRTH_S)
        self._next_s = 0.0

    def due(self) -> bool:
        """Whether to ask now; if so, the next time is later."""
        if time.monotonic() < self._next_s:
            return False
        self._next_s = time.monotonic() + self._backoff.next_s()
        return True

    def answered(self) -> None:
        """The node was born: a later request waits the short time again."""
        self._backoff.reset()
