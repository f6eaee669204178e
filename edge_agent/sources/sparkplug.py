"""Reads Sparkplug B edge nodes from a broker: births, data by alias, deaths, and the request for a rebirth.

Sparkplug publishes at QoS 0 and only what changed, so a value that is lost is lost; what is known to be missing becomes
a signed gap (`sparkplug_node` says when). A node that was not born while we listened is asked for its birth, at once
and then ever less often. When the spool is full, readings are admitted as a loss: nobody sends them again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from edge_agent import clock
from edge_agent.backoff import Backoff
from edge_agent.config.sparkplug import SparkplugSourceConfig
from edge_agent.mqtt_link import Message, MqttLink, Published
from edge_agent.sources.broker import BrokerSource, Wiring
from edge_agent.spool import Spool
from edge_agent.spool_model import SpoolFullError, value_bits
from verification import sparkplug
from verification.batch import Gap
from verification.errors import FormatError
from verification.model import RowFlag, Rows
from verification.sparkplug import DataType, Metric, Payload, Topic
from verification.sparkplug_node import NODE, Address, EdgeNode, Outcome, Sample

FIRST_REBIRTH_S, LAST_REBIRTH_S = 5.0, 300.0
IDLE_S = 1.0  # how late a lost message may be noticed
NODE_KINDS, DEVICE_KINDS = ("NBIRTH", "NDATA", "NDEATH"), ("DBIRTH", "DDATA", "DDEATH")

NodeKey = tuple[str, str]  # group and node

log = logging.getLogger(__name__)


class SparkplugSource(BrokerSource):
    """See the module."""

    def __init__(self, wiring: Wiring, config: SparkplugSourceConfig) -> None:
        super().__init__(wiring, config.broker, config.version)
        self._config = config
        self._nodes: dict[NodeKey, EdgeNode] = {}
        self._asks: dict[NodeKey, _Asking] = {}
        self._gaps: list[Gap] = []  # known but not yet in the spool
        self._last: dict[str, tuple[int, int]] = {}  # time and value (as bits) of each point's latest reading

    async def run(self) -> None:
        """Read for as long as the agent lives; begins with what is known of the nodes."""
        await self._know_nodes()
        await super().run()

    async def _know_nodes(self) -> None:
        """The edge nodes that the points name, each with what was read of it before."""
        for key, named in points_by_node(self._config).items():
            seen_us = []
            for name in named.values():
                state = await self._spool.call(Spool.state, self._indices[name])
                if state is not None:
                    seen_us.append(state.time_us)
                    self._last[name] = (state.row_time_us, state.value_bits)
            self._nodes[key] = EdgeNode(named, seen_us)

    async def _start_session(self, link: MqttLink) -> None:
        refused = []
        for key in self._nodes:
            refused += await link.subscribe(topics(key))
        self._status.connects += 1
        self._status.now("connected", f"the broker does not let us read {', '.join(refused)}" if refused else "")
        log.info("the source is connected: source=%s nodes=%d refused=%d", self._name, len(self._nodes), len(refused))
        for key in self._nodes:
            self._asks[key] = _Asking()
            self._ask_for_birth(link, key, "we have just connected")

    def _end_session(self) -> None:
        for node in self._nodes.values():
            node.disconnected()

    async def _take_what_came(self, link: MqttLink) -> None:
        """Commit what arrived in one transaction; ask nodes for their birth where that is needed."""
        rows = Rows.empty()
        for event in await link.events(IDLE_S):
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
            topic, outcome = understood(self._nodes, message)
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
            index = self._indices[sample.point]
            rows.append(index, sample.time_us, sample.value, status=sample.status, flags=flags(sample))
        for point, reason in outcome.refused:
            self._status.points[point].refused += 1
            self._status.points[point].fail(reason)
            self._count_bad("/".join(key), reason)

    async def _append(self, rows: Rows) -> None:
        names = {index: name for name, index in self._indices.items()}
        try:
            await self._spool.call(Spool.append, rows, gaps=self._gaps)
        except SpoolFullError as err:
            await self._spool.call(Spool.admit_loss, rows)
            for index in rows.point:  # a birth that repeats it brings it after all
                self._last.pop(names[index], None)
            self._status.dropped += len(rows)
            self._status.now("spool full", err)
            log.error("readings are refused: source=%s rows=%d reason=%r", self._name, len(rows), str(err))
            return
        self._gaps = []
        for index, time_us, value, status in zip(rows.point, rows.time_us, rows.value, rows.status, strict=True):
            self._status.points[names[index]].took(time_us, value, status)
        self._status.state = "connected"

    def _ask_for_birth(self, link: MqttLink, key: NodeKey, reason: str) -> None:
        """Ask, unless the node was asked a moment ago."""
        if self._asks[key].due():
            ask_for_birth(link, key)
            log.info("asking for a birth: source=%s node=%s/%s reason=%r", self._name, *key, reason)


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


def points_by_node(config: SparkplugSourceConfig) -> dict[NodeKey, dict[Address, str]]:
    """The edge nodes that the points name, each with its points by their address in it."""
    found: dict[NodeKey, dict[Address, str]] = {}
    for name, point in config.points.items():
        group, node = point.edge_node.split("/")
        found.setdefault((group, node), {})[point.device or NODE, point.metric] = name
    return found


def topics(key: NodeKey) -> list[str]:
    """On what a node and its devices speak."""
    group, node = key
    of_node = [str(Topic(group, kind, node)) for kind in NODE_KINDS]
    return of_node + [str(Topic(group, kind, node, "+")) for kind in DEVICE_KINDS]


def ask_for_birth(link: MqttLink, key: NodeKey) -> None:
    """Write true to the node's rebirth metric."""
    group, node = key
    wanted = Metric(sparkplug.REBIRTH, True, DataType.BOOLEAN)  # noqa: FBT003 - the metric's value
    link.publish(str(Topic(group, "NCMD", node)), sparkplug.encode(Payload((wanted,), clock.now_us() // 1_000)))


def understood(nodes: Mapping[NodeKey, EdgeNode], message: Message) -> tuple[Topic, Outcome]:
    """What a message comes to at its node. Raises FormatError."""
    topic = sparkplug.read_topic(message.topic)
    node = nodes[topic.group, topic.node]
    return topic, node.take(topic, sparkplug.decode(message.payload), clock.now_us())


def flags(sample: Sample) -> int:
    """How its row is marked."""
    return RowFlag.BACKFILLED if sample.historical else 0
