"""Makes sense of what gateways publish: readings of the points that the configuration names, and events. Pure.

What a Sparkplug session means is said by `verification.sparkplug_node`, a plain payload by `verification.mqtt_payload`.
What nobody configured is left out; what is malformed is an error for the caller to count. Retained messages say nothing
about now, so the caller leaves them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag

from ingest.gateway.config import GatewayFile, PointFile, topic_of
from ingest.times import implausible
from verification import mqtt_payload, sparkplug
from verification.errors import FormatError
from verification.mqtt_payload import PayloadError
from verification.sparkplug_node import NODE, Address, EdgeNode, Outcome

FIRST_ASK_US, LAST_ASK_US = 5_000_000, 300_000_000
LIFE_EVENTS = {"NBIRTH": "birth", "DBIRTH": "birth", "NDEATH": "death", "DDEATH": "death"}


class TransportFlag(IntFlag):
    """How a reading of grade 'transport' came, where that matters."""

    NONE = 0
    HISTORICAL = 1  # sent late, from the gateway's own store
    OUR_TIME = 2  # the gateway sent no time; it is that of receipt


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading. time_us: microseconds since 1970 UTC; status: OPC UA status code of the same severity."""

    gateway: str
    point: str
    time_us: int
    value: float
    status: int
    flags: TransportFlag = TransportFlag.NONE


@dataclass(frozen=True, slots=True)
class Event:
    """Something to know about a unit: a node, or node/device."""

    gateway: str
    unit: str
    event: str
    detail: str = ""


@dataclass(slots=True)
class Kept:
    """What messages came to; refused: what a configured point said that is no reading of it."""

    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def add(self, reading: Reading, arrived_us: int) -> None:
        """Keep a reading, unless its time cannot be."""
        if why := implausible(reading.time_us, reading.time_us, arrived_us):
            self.refused.append(f"{reading.gateway}/{reading.point}: {why}")
        else:
            self.readings.append(reading)


@dataclass(slots=True)
class _Asking:
    """When a node may be asked for its birth: at once, then after ever longer waits until it answers."""

    next_us: int = 0
    wait_us: int = FIRST_ASK_US

    def due(self, now_us: int) -> bool:
        if now_us < self.next_us:
            return False
        self.next_us, self.wait_us = now_us + self.wait_us, min(2 * self.wait_us, LAST_ASK_US)
        return True


class Gateways:
    """Every configured gateway. `take` messages in the order of arrival; `births_wanted` says whom to ask."""

    def __init__(self, gateways: Mapping[str, GatewayFile]) -> None:
        self._plain: dict[str, list[tuple[str, str, PointFile]]] = {}
        self._nodes: dict[str, EdgeNode] = {}
        self._groups: dict[str, str] = {}
        self._asking: dict[str, _Asking] = {}
        for name, gateway in gateways.items():
            metrics: dict[Address, str] = {}
            for point, wanted in gateway.points.items():
                if wanted.topic:
                    self._plain.setdefault(topic_of(name, wanted), []).append((name, point, wanted))
                else:
                    metrics[wanted.device or NODE, wanted.metric] = point
            if metrics:
                self._nodes[name], self._groups[name] = EdgeNode(metrics), gateway.group
                self._asking[name] = _Asking()

    @property
    def topics(self) -> list[str]:
        """What to subscribe to."""
        found = list(self._plain)
        for name, group in self._groups.items():
            found += [f"{sparkplug.NAMESPACE}/{group}/{kind}/{name}" for kind in ("NBIRTH", "NDATA", "NDEATH")]
            found += [f"{sparkplug.NAMESPACE}/{group}/{kind}/{name}/+" for kind in ("DBIRTH", "DDATA", "DDEATH")]
        return found

    def disconnected(self) -> None:
        """We lost the broker: what nodes say meanwhile nobody hears, so all must be born anew."""
        for node in self._nodes.values():
            node.disconnected()

    def take(self, topic: str, payload: bytes, arrived_us: int, kept: Kept) -> None:
        """Add what one message comes to. Raises FormatError, PayloadError."""
        if topic in self._plain:
            self._take_plain(topic, payload, arrived_us, kept)
        else:
            self._take_sparkplug(topic, payload, arrived_us, kept)

    def births_wanted(self, now_us: int, kept: Kept) -> list[sparkplug.Topic]:
        """The commands that ask for a birth now, as topics; adds an event for each."""
        wanted = []
        for name, node in self._nodes.items():
            node.give_up(now_us)
            reason = node.birth_wanted or ("" if node.online else "the node is not there")
            if reason and self._asking[name].due(now_us):
                wanted.append(sparkplug.Topic(self._groups[name], "NCMD", name))
                kept.events.append(Event(name, name, "rebirth_requested", reason))
        return wanted

    def _take_plain(self, topic: str, payload: bytes, arrived_us: int, kept: Kept) -> None:
        body = mqtt_payload.decode(payload)
        for gateway, point, paths in self._plain[topic]:
            try:
                time_us, value, status = mqtt_payload.reading(body, paths, arrived_us)
            except PayloadError as err:
                kept.refused.append(f"{gateway}/{point}: {err}")
                continue
            flags = TransportFlag.NONE if paths.time else TransportFlag.OUR_TIME
            kept.add(Reading(gateway, point, time_us, value, status, flags), arrived_us)

    def _take_sparkplug(self, topic: str, payload: bytes, arrived_us: int, kept: Kept) -> None:
        where = sparkplug.read_topic(topic)
        node = self._nodes.get(where.node)
        if node is None or self._groups[where.node] != where.group:
            raise FormatError("undecodable", f"{where.group}/{where.node} is not a configured gateway")
        was_online = node.online
        outcome = node.take(where, sparkplug.decode(payload), arrived_us)
        if where.kind == "NBIRTH":
            self._asking[where.node] = _Asking()
        unit = f"{where.node}/{where.device}" if where.device else where.node
        if (event := LIFE_EVENTS.get(where.kind)) and (was_online or node.online):
            kept.events.append(Event(where.node, unit, event))
        self._keep(where.node, unit, outcome, arrived_us, kept)

    def _keep(self, gateway: str, unit: str, outcome: Outcome, arrived_us: int, kept: Kept) -> None:
        for dark in outcome.dark:
            detail = (
                f"{dark.reason}: nothing heard from {dark.start_us} to {dark.end_us} us of {', '.join(dark.points)}"
            )
            kept.events.append(Event(gateway, unit, "sequence_gap", detail))
        for sample in outcome.samples:
            flags = TransportFlag.HISTORICAL if sample.historical else TransportFlag.NONE
            reading = Reading(gateway, sample.point, sample.time_us, sample.value, sample.status, flags)
            kept.add(reading, arrived_us)
        kept.refused += [f"{gateway}/{point}: {reason}" for point, reason in outcome.refused]
