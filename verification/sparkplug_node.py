"""What one Sparkplug edge node says of itself, message by message: births, aliases, the sequence, deaths. Pure.

Nothing a node says counts before its birth, which tells what an alias means and that the values are current. Where the
thread breaks (our own connection, a death, a number missing from the sequence) the points of the node are in the dark
until the next birth; that span is given back as a gap. Messages that only overtook each other are waited for first
(Eclipse Sparkplug 3.0.0, tck-id-operational-behavior-host-reordering-rebirth).

Does not write, connect or ask: `Outcome` says what there is to keep, `birth_wanted` why the node is to be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from verification.errors import FormatError
from verification.model import MAX_TIME_US, NULL_TIME_US
from verification.sparkplug import NUMBERS, QUALITY_GOOD, SEQUENCES, Metric, Payload, Topic, number

REORDER_US = 2_000_000
MAX_DEVICES = 10_000  # of a node, whether anybody asks for them or not
GOOD, UNCERTAIN, BAD = 0x00000000, 0x40000000, 0x80000000
QUALITY_STALE = 500
OFFLINE = "sparkplug_offline"  # the node or device died, or we were away from the broker
LOST = "sparkplug_sequence"  # a number is missing from the sequence

NODE = ""  # stands for the node itself among its devices

Address = tuple[str, str]  # device (NODE for the node's own) and metric name


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading. `birth`: stated in a birth, which may repeat the last value; `historical`: from the node's store."""

    point: str
    time_us: int
    value: float
    status: int
    historical: bool
    birth: bool


@dataclass(frozen=True, slots=True)
class Dark:
    """Points that were out of sight from `start_us` to `end_us` by the node's clock, and why."""

    points: tuple[str, ...]
    start_us: int
    end_us: int
    reason: str


@dataclass(slots=True)
class Outcome:
    """What one message came to. refused: point and reason, by value."""

    samples: list[Sample] = field(default_factory=list)
    dark: list[Dark] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    doubles: int = 0


@dataclass(slots=True)
class _Break:
    """Since when, and why, a device is in the dark."""

    since_us: int
    reason: str


class EdgeNode:
    """The session of one edge node. `points`: the point name by address; seen_us: when each point was last read."""

    def __init__(self, points: Mapping[Address, str], seen_us: Iterable[int] = ()) -> None:
        self._points = points
        self._devices = {device for device, _ in points} | {NODE}
        self._aliases: dict[int, Address] = {}
        self._types: dict[Address, int | None] = {}
        self._expected: int | None = None
        self._missing: dict[int, int] = {}  # sequence number -> until when it is waited for
        self._missing_since_us = 0
        self._bd_seq: int | None = None
        self._alive: set[str] = set()
        # After a restart the node was last heard when its latest reading was taken; never, if there is none.
        self._heard_us = max(seen_us, default=NULL_TIME_US)
        self._breaks: dict[str, _Break] = {}
        self.birth_wanted = ""  # why the node is to be asked for its birth certificates
        if self._heard_us > NULL_TIME_US:
            self.disconnected()

    @property
    def online(self) -> bool:
        """Whether the node has been born and not died since."""
        return self._expected is not None

    def disconnected(self) -> None:
        """We lost the broker: whatever the node says meanwhile, nobody hears."""
        self._go_dark(self._devices, OFFLINE)
        self._end_session()

    def take(self, topic: Topic, payload: Payload, arrived_us: int) -> Outcome:
        """One message of this node, in the order of arrival."""
        said_us = _time_us(payload.time_ms, arrived_us)
        out = Outcome()
        match topic.kind:
            case "NBIRTH":
                self._begin_session(payload)
                self._born(NODE, payload, said_us, out)
            case "NDEATH":
                if self._bd_seq is None or payload.bd_seq in {None, self._bd_seq}:
                    self._go_dark(self._devices, OFFLINE)
                    self._end_session()
                return out
            case _ if not self.online:
                self.birth_wanted = f"{topic.kind} before the node's birth"
                return out
            case "DBIRTH" if self._in_sequence(payload, arrived_us, out):
                self._born(topic.device, payload, said_us, out)
            case "DDEATH" if self._in_sequence(payload, arrived_us, out):
                self._go_dark({topic.device} & self._devices, OFFLINE)
                self._alive.discard(topic.device)
            case "NDATA" | "DDATA" if self._in_sequence(payload, arrived_us, out):
                self._data(topic.device, payload, said_us, out)
        self._heard_us = max(self._heard_us, said_us)
        return out

    def give_up(self, now_us: int) -> None:
        """Give up numbers of the sequence that did not come in time: what they carried is lost."""
        if any(until_us <= now_us for until_us in self._missing.values()):
            self.birth_wanted = f"lost the messages with the numbers {sorted(self._missing)}"
            self._go_dark(self._devices, LOST, since_us=self._missing_since_us)
            self._missing.clear()

    # ---- inside

    def _begin_session(self, payload: Payload) -> None:
        self._aliases.clear()
        self._types.clear()
        self._missing.clear()
        self._alive.clear()
        self.birth_wanted = ""
        self._bd_seq = payload.bd_seq
        self._expected = ((payload.sequence or 0) + 1) % SEQUENCES

    def _end_session(self) -> None:
        self._expected = None
        self._missing.clear()
        self._alive.clear()

    def _in_sequence(self, payload: Payload, arrived_us: int, out: Outcome) -> bool:
        """Account for the number; returns whether the message counts (a repeat does not)."""
        sequence, expected = payload.sequence, self._expected
        if sequence is None or expected is None:
            self.birth_wanted = "a message without a sequence number"
            return False
        if sequence in self._missing:
            del self._missing[sequence]
            return True
        skipped = (sequence - expected) % SEQUENCES
        if skipped >= SEQUENCES // 2:
            out.doubles += 1
            return False
        if skipped:
            if not self._missing:
                self._missing_since_us = self._heard_us
            numbers = ((expected + i) % SEQUENCES for i in range(skipped))
            self._missing |= dict.fromkeys(numbers, arrived_us + REORDER_US)
        self._expected = (sequence + 1) % SEQUENCES
        return True

    def _born(self, device: str, payload: Payload, said_us: int, out: Outcome) -> None:
        """Learn the metrics of the node or of a device, read their values, and end the darkness."""
        if len(self._alive) < MAX_DEVICES:
            self._alive.add(device)
        if device not in self._devices:
            return
        self._learn(device, payload.metrics)
        if (broken := self._breaks.pop(device, None)) is not None:
            points = tuple(name for (owner, _), name in self._points.items() if owner == device)
            if points and broken.since_us > NULL_TIME_US:
                start_us, end_us = sorted((broken.since_us, said_us))
                out.dark.append(Dark(points, start_us, end_us, broken.reason))
        for metric in payload.metrics:
            self._read(device, metric, said_us, out, birth=True)
        named = {metric.name for metric in payload.metrics}
        for (owner, name), point in self._points.items():
            if owner == device and name not in named:
                out.refused.append((point, f"the birth names no metric {name!r}"))

    def _learn(self, device: str, metrics: Iterable[Metric]) -> None:
        """Aliases and types, in place of those of an earlier birth: ever other names must not take ever more memory."""
        self._aliases = {alias: known for alias, known in self._aliases.items() if known[0] != device}
        self._aliases |= {metric.alias: (device, metric.name) for metric in metrics if metric.alias is not None}
        self._types |= {
            (device, metric.name): metric.datatype for metric in metrics if (device, metric.name) in self._points
        }

    def _data(self, device: str, payload: Payload, said_us: int, out: Outcome) -> None:
        if device not in self._alive:
            self.birth_wanted = f"data of device {device!r} before its birth"
            return
        if device not in self._devices:
            return
        for metric in payload.metrics:
            if metric.name:
                self._read(device, metric, said_us, out)
            elif metric.alias in self._aliases and self._aliases[metric.alias][0] == device:
                self._read(device, metric, said_us, out, name=self._aliases[metric.alias][1])
            else:
                self.birth_wanted = f"an alias that no birth has named: {metric.alias}"

    def _read(
        self, device: str, metric: Metric, said_us: int, out: Outcome, *, name: str = "", birth: bool = False
    ) -> None:
        """One value, if it is one of our points; a null says that there is none."""
        address = (device, name or metric.name)
        point = self._points.get(address)
        datatype = metric.datatype if metric.datatype is not None else self._types.get(address)
        if point is None or (metric.value is None and datatype in NUMBERS):
            return
        try:
            value = number(metric.value, datatype)
            time_us = _time_us(metric.time_ms, said_us)
        except FormatError as err:
            out.refused.append((point, str(err)))
            return
        status = _status(metric.quality)
        out.samples.append(Sample(point, time_us, value, status, metric.historical, birth))

    def _go_dark(self, devices: Iterable[str], reason: str, *, since_us: int | None = None) -> None:
        for device in devices:
            self._breaks.setdefault(device, _Break(self._heard_us if since_us is None else since_us, reason))


def _time_us(time_ms: int | None, otherwise_us: int) -> int:
    """A time of the payload in microseconds. Raises FormatError where it is out of range."""
    if time_ms is None:
        return otherwise_us
    if time_ms * 1_000 > MAX_TIME_US:
        raise FormatError("bound_exceeded", f"a time outside the years 1970 to 2200: {time_ms} ms")
    return time_ms * 1_000


def _status(quality: int | None) -> int:
    """The OPC UA status of the same severity (Part 4, 7.39) for a Quality property."""
    return {None: GOOD, QUALITY_GOOD: GOOD, QUALITY_STALE: UNCERTAIN}.get(quality, BAD)
