"""The badge gate: an MQTT v5 device that counts the people on shift and loses no message.

It publishes to `badge/<gate>/staff_on_shift` (`badge/potline1/staff_on_shift`, say), QoS 1, a JSON object with `time`,
`value` and `quality`. A PUBACK only says that the broker had the message in memory, so the gate keeps every message
until the receiver answers on the response topic, `receipt/<gate>`, with the same correlation data: an 8-byte big-endian
number, 1 for the first message of the ledger. What is not receipted is sent again after `RESEND_S` and after every
reconnect, with the same number. So each message arrives at least once, whatever dies in between; the receiver drops
what it has seen.

The messages are the ledger's rows, so a restart numbers them the same. At most `WINDOW` numbers are open at a time.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from copy import copy
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.addresses import STAFF as POINT
from simulators.addresses import topic
from simulators.errors import SimulatorError
from simulators.ledger import Ledger
from simulators.timeline import from_micros

WINDOW = 200
RESEND_S = 5.0
KEEP_ALIVE_S = 10
SAVE_EVERY_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Broker:
    """Where the plant's broker is and how the gate logs in."""

    host: str
    port: int
    username: str | None
    password: str | None

    @classmethod
    def from_url(cls, url: str) -> Broker:
        """Read `mqtt://user:password@host:port`; a character outside the URL alphabet is percent-encoded."""
        parts = urlsplit(url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise SimulatorError("the broker's address must look like mqtt://user:password@127.0.0.1:1883")
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, parts.port or 1883, username, password)


def correlation_data(number: int) -> bytes:
    """The number of a message as it travels."""
    return number.to_bytes(8, "big")


class Outbox:
    """Which messages are open, due or receipted: the gate's arithmetic, without a socket. Not thread-safe."""

    def __init__(self, delivered: int, resend_s: float) -> None:
        """Start after the first `delivered` messages; send again what has no receipt after `resend_s`."""
        self.delivered = delivered
        self._resend_s = resend_s
        self._next = delivered + 1
        self._due_s: dict[int, float] = {}
        self._receipted: set[int] = set()

    def take_due(self, now_s: float, produced: int) -> list[int]:
        """The numbers to send now, of `produced` messages so far; each is due again later."""
        due = [number for number, due_s in self._due_s.items() if due_s <= now_s]
        last = min(produced, self.delivered + WINDOW)
        due += range(self._next, last + 1)
        self._next = max(self._next, last + 1)
        for number in due:
            self._due_s[number] = now_s + self._resend_s
        return due

    def next_due_s(self) -> float | None:
        """When the next message falls due, or None if none is open."""
        return min(self._due_s.values(), default=None)

    def all_due(self) -> None:
        """Whatever is open must be sent again at once: the connection was lost."""
        self._due_s = dict.fromkeys(self._due_s, 0.0)

    def receipt(self, number: int) -> None:
        """The receiver has the message. A receipt for a message that is not open changes nothing."""
        if self._due_s.pop(number, None) is None:
            return
        self._receipted.add(number)
        while self.delivered + 1 in self._receipted:
            self.delivered += 1
            self._receipted.remove(self.delivered)


class BadgeGate:
    """The running device: one thread of its own beside paho's. `wake` tells it that the ledger has grown."""

    def __init__(self, broker: Broker, ledger: Ledger, name: str, tz: ZoneInfo, *, resend_s: float = RESEND_S) -> None:
        """Prepare the gate called `name`; nothing is sent before `start`."""
        self._name = name
        self.topic, self.receipt_topic = topic(name), f"receipt/{name}"
        delivered, produced = ledger.delivered(), len(ledger.times_us(POINT))
        if delivered > produced:
            raise SimulatorError(
                f"{ledger.path}.delivered counts {delivered} messages, but only {produced} were produced; "
                "the ledger was cut: remove both files to start afresh"
            )
        self._broker, self._ledger, self._tz = broker, ledger, tz
        self._outbox = Outbox(delivered, resend_s)
        self._saved = delivered
        self._online = False
        self._unreachable = False  # so that one absence is told once
        self._stopping = False
        self._changed = threading.Condition()  # guards the outbox and the two flags; never held while calling paho
        self._properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # what all messages share
        self._properties.ResponseTopic = self.receipt_topic
        self._properties.PayloadFormatIndicator = 1
        self._properties.ContentType = "application/json"
        self._client = self._new_client()
        self._thread = threading.Thread(target=self._run, name="badge-gate", daemon=True)

    def start(self) -> None:
        """Connect and begin to send; goes on trying while the broker is away."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=KEEP_ALIVE_S)
        self._client.loop_start()
        self._thread.start()

    def stop(self) -> None:
        """Stop sending, remember what was receipted, and disconnect. Open messages go out at the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
        self._ledger.save_delivered(self._outbox.delivered)

    def wake(self) -> None:
        """Look at the ledger again."""
        with self._changed:
            self._changed.notify()

    @property
    def delivered(self) -> int:
        """How many messages, from the first without a hole, have their receipt."""
        with self._changed:
            return self._outbox.delivered

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"badge-gate-{self._name}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.username_pw_set(self._broker.username, self._broker.password)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.max_queued_messages_set(2 * WINDOW)  # paho's own queue has no bound by default
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _run(self) -> None:
        """Send what is due, then sleep until something is."""
        save_at_s = time.monotonic()
        while True:
            with self._changed:
                if self._stopping:
                    return
                now_s = time.monotonic()
                due = self._outbox.take_due(now_s, len(self._ledger.times_us(POINT))) if self._online else []
                delivered = self._outbox.delivered
                if not due and delivered == self._saved:
                    next_s = self._outbox.next_due_s() if self._online else None
                    self._changed.wait(None if next_s is None else max(0.0, next_s - now_s))
                    continue
            for number in due:
                self._publish(number)
            if delivered != self._saved and (now_s >= save_at_s or not due):
                self._ledger.save_delivered(delivered)
                self._saved, save_at_s = delivered, now_s + SAVE_EVERY_S

    def _publish(self, number: int) -> None:
        """Hand one message to paho. If paho refuses it, the message falls due again, so nothing more is to be done."""
        column = self._ledger.column(POINT)
        moment = from_micros(column.time_us[number - 1], self._tz)
        quality = "bad" if column.status[number - 1] else "good"
        payload = json.dumps({"time": moment.isoformat(), "value": int(column.value[number - 1]), "quality": quality})
        properties = copy(self._properties)
        properties.CorrelationData = correlation_data(number)
        self._client.publish(self.topic, payload, qos=1, properties=properties)

    def _on_connect_fail(self, _client: Client, _user: object) -> None:
        if not self._unreachable:
            where = f"{self._broker.host}:{self._broker.port}"
            log.warning("no broker answers at %s; the badge gate keeps its messages and goes on trying", where)
        self._unreachable = True

    def _on_connect(
        self, client: Client, _user: object, _flags: ConnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        self._unreachable = False
        if reason.is_failure:
            log.warning("the plant's broker refuses the badge gate: %s", reason)
            return
        client.subscribe(self.receipt_topic, qos=1)

    def _on_subscribe(
        self, _client: Client, _user: object, _mid: int, reasons: list[ReasonCode], _props: Properties | None
    ) -> None:
        """Only now can a receipt reach the gate, so only now does it send."""
        if any(reason.is_failure for reason in reasons):
            log.warning("the plant's broker lets the badge gate not read %s: %s", self.receipt_topic, reasons)
            return
        with self._changed:
            self._online = True
            self._outbox.all_due()
            self._changed.notify()

    def _on_disconnect(
        self, _client: Client, _user: object, _flags: DisconnectFlags, reason: ReasonCode, _props: Properties | None
    ) -> None:
        with self._changed:
            self._online = False
        if reason.is_failure:
            log.warning("the badge gate lost the plant's broker (%s); it keeps its messages and reconnects", reason)

    def _on_message(self, _client: Client, _user: object, message: MQTTMessage) -> None:
        data = getattr(message.properties, "CorrelationData", b"")
        if len(data) != len(correlation_data(0)):
            log.warning("a receipt without a message number came on %s; ignored", message.topic)
            return
        with self._changed:
            self._outbox.receipt(int.from_bytes(data, "big"))
            self._changed.notify()
