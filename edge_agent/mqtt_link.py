"""One connection to an MQTT broker, version 5 or 3.1.1, from CONNECT to its end, for the event loop.

paho runs its own thread. Its callbacks share nothing with the rest: they only hand events to the loop, which owns all
state. There is a new paho client for every connection, so that no queue of an old connection is sent again unasked and
no late acknowledgement can name a message of another connection; whoever uses a link reconnects by opening another.

Every message is acknowledged by hand (`acknowledge`), after it has been made durable. The receive maximum that the
broker is told bounds what can wait here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent import tls
from edge_agent.config.base import read_password
from edge_agent.config.mqtt import Broker, MqttVersion, endpoint
from verification.errors import RetroProofError
from verification.mqtt_socket import send_at_once

CONNECT_TIMEOUT_S = 10.0
KEEP_ALIVE_S = 15
SESSION_EXPIRY_S = 86_400
MAX_EVENTS = 10_000
MAX_OUTBOUND = 2_000
LOGIN_MEND = "; look at the user in the address and at its password_file, or the certificate; does the broker know it?"
HUNG_UP = " before the broker let us in; does it want TLS (mqtts://), or a certificate of ours (cert_file)?"
# What to do about a refusal to connect (MQTT v5, 3.2.2.2; paho gives the codes of 3.1.1 the same numbers).
MENDS = {
    0x84: '; a source may say version: "3.1.1", the way to ingest needs a broker of version 5',
    0x86: LOGIN_MEND,
    0x87: LOGIN_MEND,
}
FAILURE = 0x80  # MQTT v5, section 2.4: reason codes from here on are failures
NO_MATCHING_SUBSCRIBERS = 0x10

log = logging.getLogger(__name__)


class LinkError(RetroProofError):
    """The broker could not be reached, did not let us in, or went away."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived, with what is needed to acknowledge and to answer it."""

    topic: str
    payload: bytes
    packet_id: int
    qos: int
    repeated: bool
    retained: bool
    response_topic: str
    correlation: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """The broker's PUBACK for one of our messages."""

    packet_id: int
    reason_code: int
    reason: str

    @property
    def delivered(self) -> bool:
        """Whether the broker took the message for somebody; durable it is not for that."""
        return self.reason_code < FAILURE and self.reason_code != NO_MATCHING_SUBSCRIBERS


Event = Message | Published


class MqttLink:
    """See the module; made by `connected`."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop, *, version: MqttVersion) -> None:
        self._client = client
        self._v5 = version != "3.1.1"
        self._loop = loop
        self._events: asyncio.Queue[Event | None] = asyncio.Queue(MAX_EVENTS)
        self._lost: str | None = None
        self._connack: asyncio.Future[bool] = loop.create_future()
        self._suback: asyncio.Future[Sequence[ReasonCode]] = loop.create_future()
        self.session_present = False
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    async def subscribe(self, topics: Sequence[str]) -> list[str]:
        """Subscribe at QoS 1; returns the topics that the broker refuses. Version 5 leaves retained messages there."""
        self._suback = self._loop.create_future()
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        self._client.subscribe([(topic, options) for topic in topics] if self._v5 else [(topic, 1) for topic in topics])
        try:
            codes = await asyncio.wait_for(self._suback, CONNECT_TIMEOUT_S)
        except TimeoutError as err:
            raise LinkError("the broker does not answer a subscription") from err
        return [topic for topic, code in zip(topics, codes, strict=True) if code.is_failure]

    def publish(self, topic: str, payload: bytes, *, correlation: bytes | None = None) -> int:
        """Send at QoS 1; returns the packet id that `Published` will name. Raises LinkError when it cannot be sent."""
        properties = None
        if correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types here
            properties.CorrelationData = correlation
        info = self._client.publish(topic, payload, qos=1, properties=properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkError(f"cannot publish: {info.rc.name}")
        return info.mid

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that the message need not come again."""
        if message.qos:
            self._client.ack(message.packet_id, message.qos)

    def nudge(self) -> None:
        """Let a waiting `next_event` return now."""
        if self._events.empty():
            self._events.put_nowait(None)

    async def next_event(self, timeout_s: float) -> Event | None:
        """The next event; None after `timeout_s` or a nudge. Raises LinkError once the connection has ended."""
        event = None
        if self._lost is None or not self._events.empty():
            with suppress(TimeoutError):
                event = await asyncio.wait_for(self._events.get(), timeout_s)
        if event is None and self._lost is not None:
            raise LinkError(self._lost)
        return event

    async def events(self, timeout_s: float) -> list[Event]:
        """All that has arrived, as soon as something has; nothing after `timeout_s`. Raises LinkError as above."""
        first = await self.next_event(timeout_s)
        found = [] if first is None else [first]
        while not self._events.empty():
            event = self._events.get_nowait()
            if event is not None:
                found.append(event)
        return found

    async def _open(self, broker: Broker, receive_maximum: int, *, lasting: bool) -> None:
        host, port = endpoint(broker.mqtt)[:2]
        options: dict[str, Any] = {}
        if self._v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho has no types here
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if lasting else 0
            properties.ReceiveMaximum = receive_maximum
            options = {"clean_start": not lasting, "properties": properties}
        try:
            await asyncio.to_thread(self._client.connect, host, port, KEEP_ALIVE_S, **options)
        except OSError as err:  # ssl.SSLError is one
            problem = tls.explained(err, ca_file=broker.ca_file, option="ca_file") or str(err)
            raise LinkError(f"cannot reach {host}:{port}: {problem}") from err
        self._client.loop_start()
        try:
            self.session_present = await asyncio.wait_for(self._connack, CONNECT_TIMEOUT_S)
        except TimeoutError as err:
            raise LinkError(f"{host}:{port} does not answer as an MQTT broker") from err

    async def _close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    # Below here paho's thread calls; each hands over and returns.

    def _on_connect(
        self, _client: Client, _data: object, flags: ConnectFlags, code: ReasonCode, _props: Properties | None
    ) -> None:
        self._hand_over(self._connection_answered, flags.session_present, code)

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        code: ReasonCode,
        _props: Properties | None,
    ) -> None:
        self._hand_over(self._connection_ended, f"the connection ended: {code}")

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _props: Properties | None
    ) -> None:
        self._hand_over(self._subscription_answered, codes)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        properties = message.properties
        correlation = getattr(properties, "CorrelationData", b"")
        response_topic = getattr(properties, "ResponseTopic", "")
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        event = Message(
            topic,
            bytes(message.payload),
            message.mid,
            message.qos,
            bool(message.dup),
            bool(message.retain),
            response_topic,
            correlation,
        )
        self._hand_over(self._arrived, event)

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _props: Properties | None
    ) -> None:
        self._hand_over(self._arrived, Published(mid, code.value, str(code)))

    def _hand_over(self, function: Any, *values: object) -> None:  # noqa: ANN401 - any callable of the loop's side
        self._loop.call_soon_threadsafe(function, *values)

    # Below here the loop calls.

    def _connection_answered(self, session_present: bool, code: ReasonCode) -> None:  # noqa: FBT001 - from paho
        if self._connack.done():
            return
        if code.is_failure:
            mend = MENDS.get(code.value, "")
            self._connack.set_exception(LinkError(f"the broker refuses us: {code}{mend}"))
        else:
            self._connack.set_result(session_present)

    def _subscription_answered(self, codes: list[ReasonCode]) -> None:
        if not self._suback.done():
            self._suback.set_result(codes)

    def _connection_ended(self, reason: str) -> None:
        if not self._connack.done():
            reason += HUNG_UP
        self._lost = reason
        for waiting in (self._connack, self._suback):
            if not waiting.done():
                waiting.set_exception(LinkError(reason))
                waiting.exception()  # whoever waits gets it; where nobody does, it is not worth a warning
        self.nudge()

    def _arrived(self, event: Event) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            # A broker that ignores the receive maximum: unacknowledged, the message comes again after a reconnect.
            self._connection_ended("the broker sends more than it was told it may")


@asynccontextmanager
async def connected(
    broker: Broker, client_id: str, *, version: MqttVersion = 5, receive_maximum: int = 100, lasting: bool = True
) -> AsyncIterator[MqttLink]:
    """An open link, closed on leaving. Raises LinkError, also in the middle when the connection ends.

    The broker keeps the session over a break, unless it is not to be `lasting`. `receive_maximum` bounds what waits
    here; 3.1.1 has no word for it, and there the bound is MAX_EVENTS.
    """
    address = endpoint(broker.mqtt)
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=not lasting if version == "3.1.1" else None,
        protocol=MQTTProtocolVersion.MQTTv311 if version == "3.1.1" else MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.on_socket_open = send_at_once
    client.max_queued_messages_set(MAX_OUTBOUND)
    if address.user:
        client.username_pw_set(address.user, read_password(broker.password_file) if broker.password_file else None)
    if address.tls:
        try:
            client.tls_set(broker.ca_file or None, broker.cert_file or None, broker.key_file or None)
        except (OSError, ValueError) as err:  # ssl.SSLError is an OSError
            raise LinkError(f"the certificates of {broker.mqtt} cannot be used: {err}") from err
    link = MqttLink(client, asyncio.get_running_loop(), version=version)
    try:
        await link._open(broker, receive_maximum, lasting=lasting)  # noqa: SLF001 - the other half of this class
        yield link
    finally:
        await link._close()  # noqa: SLF001 - same module
