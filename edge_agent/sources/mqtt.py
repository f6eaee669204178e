"""Reads an MQTT broker, version 5 or 3.1.1.

Subscribes at QoS 1 in a session that outlives a restart, and sends PUBACK only after the spool's commit.

A device that sends a response topic and correlation data gets a receipt: an empty message with the same correlation
data on that topic, after the commit. What it sends again is receipted again and kept once. What the broker itself sends
again (same packet, same session) is known by its packet id and content. A payload that cannot be read is counted,
logged at first, acknowledged and left.

When the spool is full, readings are admitted as a loss and get no receipt, so that a careful device sends them later.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Container
from dataclasses import dataclass, field

from edge_agent import clock
from edge_agent.config.mqtt import MqttPointConfig, MqttSourceConfig
from edge_agent.mqtt_link import Message, MqttLink
from edge_agent.sources.broker import BrokerSource, Wiring
from edge_agent.spool import Spool
from edge_agent.spool_model import Receipt, SpoolFullError
from verification import mqtt_payload as payload
from verification.model import Rows
from verification.mqtt_payload import PayloadError

MAX_CORRELATION_BYTES = 64
MAX_TOPIC_CHARS = 256
NOT_IN_A_TOPIC = set("+#\x00")  # MQTT v5, 4.7: wildcards are for subscriptions
IDLE_S = 5.0
POINTS_PER_SUBSCRIPTION = 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Intake:
    """Messages on their way into one transaction.

    kept: in the spool before this; taken: to be kept now, with their rows and receipts; only_here: positions of rows
    that no device will send again.
    """

    kept: list[Message] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows.empty)
    receipts: dict[Receipt, None] = field(default_factory=dict)
    only_here: list[int] = field(default_factory=list)


class MqttSource(BrokerSource):
    """See the module."""

    def __init__(self, wiring: Wiring, config: MqttSourceConfig) -> None:
        super().__init__(wiring, config, config.version)
        self._points: dict[str, list[tuple[str, MqttPointConfig]]] = {}
        for point_name, point in config.points.items():
            self._points.setdefault(point.topic, []).append((point_name, point))

    async def _start_session(self, link: MqttLink) -> None:
        if not link.session_present:
            # A new session numbers its packets anew: what an old number meant no longer holds.
            await self._spool.call(Spool.forget_receipts, self._packets)
        topics = list(self._points)
        refused: list[str] = []
        for start in range(0, len(topics), POINTS_PER_SUBSCRIPTION):
            refused += await link.subscribe(topics[start : start + POINTS_PER_SUBSCRIPTION])
        for topic, points in self._points.items():
            for name, _ in points:
                point = self._status.points[name]
                if topic in refused:
                    point.fail(f"the broker does not let us read {topic}; check its access list")
                elif point.state != "live":
                    point.state, point.message = "waiting", ""
        self._status.connects += 1
        self._status.now("connected")
        log.info("the source is connected: source=%s topics=%d refused=%d", self._name, len(topics), len(refused))

    async def _take_what_came(self, link: MqttLink) -> None:
        """Commit what arrived in one transaction, then acknowledge and receipt it."""
        events = await link.events(IDLE_S)
        if not events:
            return
        messages = [event for event in events if isinstance(event, Message)]
        repeatable = {known for message in messages if _may_repeat(message) and (known := self._receipt_of(message))}
        repeats = await self._spool.call(Spool.kept_of, repeatable)
        intake = _Intake()
        for message in messages:
            self._sort(message, intake, repeats)
        try:
            await self._spool.call(Spool.append, intake.rows, receipts=list(intake.receipts))
        except SpoolFullError as err:
            await self._lose(intake, err)
            for message in intake.taken:
                link.acknowledge(message)
        else:
            self._note(intake.rows)
            intake.kept += intake.taken
        for message in intake.kept:
            self._answer(link, message)

    def _sort(self, message: Message, intake: _Intake, repeats: Container[Receipt | None]) -> None:
        """Put a message where it belongs; read it if it is new."""
        if message.retained:  # left by somebody at some time: it does not say when
            intake.kept.append(message)
            return
        known = self._receipt_of(message)
        if known in repeats and _may_repeat(message):
            self._status.doubles += 1
            intake.kept.append(message)
            return
        intake.taken.append(message)
        if known in intake.receipts:
            self._status.doubles += 1
            return
        if known is not None:
            intake.receipts[known] = None
        already = len(intake.rows)
        self._read(message, intake.rows)
        if not message.correlation:
            intake.only_here += range(already, len(intake.rows))

    def _read(self, message: Message, rows: Rows) -> None:
        """Append what the message says; what it says badly is counted."""
        try:
            body = payload.decode(message.payload)
        except PayloadError as err:
            self._count_bad(message.topic, err)
            return
        for name, point in self._points.get(message.topic, ()):
            try:
                found = payload.reading(body, point, clock.now_us())
            except PayloadError as err:
                self._status.points[name].refused += 1
                self._count_bad(message.topic, err)
            else:
                rows.append(self._indices[name], found.time_us, found.value, status=found.status)

    async def _lose(self, intake: _Intake, why: SpoolFullError) -> None:
        """Admit as a loss what no device will send again; the rest waits at its device, which gets no receipt."""
        lost = Rows.empty()
        rows = intake.rows
        for row in intake.only_here:
            lost.append(rows.point[row], rows.time_us[row], rows.value[row])
        await self._spool.call(Spool.admit_loss, lost)
        self._status.dropped += len(lost)
        self._status.now("spool full", why)
        log.error("readings are refused: source=%s rows=%d reason=%r", self._name, len(rows), str(why))

    def _answer(self, link: MqttLink, message: Message) -> None:
        link.acknowledge(message)
        topic = message.response_topic
        if not (message.correlation and topic):
            return
        if len(topic) > MAX_TOPIC_CHARS or set(topic) & NOT_IN_A_TOPIC:
            self._count_bad(message.topic, f"{topic[:MAX_TOPIC_CHARS]!r} is no topic to answer on")
            return
        link.publish(topic, b"", correlation=message.correlation)

    def _receipt_of(self, message: Message) -> Receipt | None:
        """What this message is known by, should it come again; None where nothing tells it from another."""
        if message.correlation and len(message.correlation) <= MAX_CORRELATION_BYTES:
            return (message.topic, message.correlation)
        if message.qos:
            content = hashlib.sha256(message.topic.encode() + b"\x00" + message.payload).digest()
            return (self._packets, message.packet_id.to_bytes(2, "big") + content)
        return None

    @property
    def _packets(self) -> str:
        """The receipt topic under which this source's packet ids are kept; no real topic has a null byte."""
        return f"\x00{self._name}"

    def _note(self, rows: Rows) -> None:
        names = {index: name for name, index in self._indices.items()}
        for index, time_us, value, status in zip(rows.point, rows.time_us, rows.value, rows.status, strict=True):
            point = self._status.points[names[index]]
            point.state = "live"
            point.took(time_us, value, status)
        if rows:
            self._status.now("connected")


def _may_repeat(message: Message) -> bool:
    """Whether the message may be in the spool already: a device may repeat at will, a broker says when it does."""
    return bool(message.correlation) or message.repeated
