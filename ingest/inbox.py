"""The MQTT side of ingest: takes messages from the broker into a bounded queue and gives them back as groups.

MQTT v5 with manual acknowledgement: a message is acknowledged to the broker after the commit, and `receive_maximum`
bounds how many are unacknowledged, which is the back-pressure. A shared subscription lets any number of workers share
the load. The session ends with the connection: a worker keeps nothing, because agents send again what was not
acknowledged by ingest's own signed word.

Does not know what a batch is.
"""

from __future__ import annotations

import logging
import queue
import secrets
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.config import Broker
from verification.batch import MAX_BATCH_BYTES
from verification.model import DEVICE_ID

BATCH, SYNC = "batch", "sync"
SUBSCRIPTIONS = tuple(f"$share/ingest/plant/+/{what}" for what in (BATCH, SYNC))
MAX_UNACKNOWLEDGED = 256
MAX_PACKET_BYTES = 2 * MAX_BATCH_BYTES
MAX_WAITING_ACKS = 10_000
KEEPALIVE_S = 30
RECONNECT_MIN_S, RECONNECT_MAX_S = 1, 4
FAILURE = 0x80  # reason codes from here on are refusals (MQTT 5.0, 2.4)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A message on `plant/<device>/<what>`; `connection` and `mid` are what acknowledging it takes."""

    device: str
    what: str
    payload: bytes
    mid: int
    qos: int
    connection: int


class Inbox:
    """One connection to the broker. `take`, `acknowledge` and `publish` are for one worker thread."""

    def __init__(self, broker: Broker) -> None:
        # Messages of QoS 1 are at most MAX_UNACKNOWLEDGED; the rest is room for those of QoS 0, which promise nothing.
        self._waiting: queue.Queue[Message] = queue.Queue(2 * MAX_UNACKNOWLEDGED)
        self._connection = 0
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"ingest-{secrets.token_hex(8)}",
            protocol=mqtt.MQTTv5,
            manual_ack=True,
        )
        self._client.max_queued_messages_set(MAX_WAITING_ACKS)
        self._client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)
        self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            files = (broker.ca_file, broker.cert_file, broker.key_file)
            ca, cert, key = (str(path) if path else None for path in files)
            self._client.tls_set(ca_certs=ca, certfile=cert, keyfile=key)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._broker = broker

    def start(self) -> None:
        """Connect in the background, again and again until it works."""
        wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        wanted.ReceiveMaximum = MAX_UNACKNOWLEDGED
        wanted.MaximumPacketSize = MAX_PACKET_BYTES
        self._client.connect_async(
            self._broker.host, self._broker.port, KEEPALIVE_S, clean_start=True, properties=wanted
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; what was not acknowledged goes to another worker or comes again from its agent."""
        self._client.disconnect()
        self._client.loop_stop()

    def take(self, *, wait_s: float, most: int, most_bytes: int) -> list[Message]:
        """What is waiting, up to the bounds; waits for a first message, never for a second.

        So a lone batch is written at once, and under load groups grow by themselves.
        """
        try:
            taken = [self._waiting.get(timeout=wait_s)]
        except queue.Empty:
            return []
        size = len(taken[0].payload)
        while len(taken) < most and size < most_bytes:
            try:
                taken.append(self._waiting.get_nowait())
            except queue.Empty:
                break
            size += len(taken[-1].payload)
        return taken

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that it may forget this message."""
        # Message ids start anew with each connection: an old one would name another message now.
        if message.qos and message.connection == self._connection:
            self._client.ack(message.mid, message.qos)

    def publish(self, device: str, payload: bytes) -> None:
        """Send a device its acknowledgement. One that is lost does no harm: the agent asks again."""
        self._client.publish(f"ack/{device}", payload, qos=1)

    # ---- paho's callbacks, in its thread

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,  # noqa: ARG002 - paho's signature
        flags: mqtt.ConnectFlags,  # noqa: ARG002 - paho calls with it
        reason: ReasonCode,
        properties: Properties | None,  # noqa: ARG002 - paho calls with it
    ) -> None:
        if reason.is_failure:
            log.error("broker refuses the connection: %s; check user and password_file", reason)
            return
        self._connection += 1
        client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in SUBSCRIPTIONS])

    def _on_subscribe(
        self,
        client: mqtt.Client,  # noqa: ARG002 - paho's signature
        userdata: object,  # noqa: ARG002 - paho calls with it
        mid: int,  # noqa: ARG002 - paho calls with it
        reasons: list[ReasonCode],
        properties: Properties | None,  # noqa: ARG002 - paho calls with it
    ) -> None:
        if any(reason.value >= FAILURE for reason in reasons):
            log.error("broker refuses the subscription: %s; its ACL must let this user read plant/#", reasons)
            return
        log.info("ready: subscribed at %s:%s", self._broker.host, self._broker.port)

    def _on_connect_fail(self, client: mqtt.Client, userdata: object) -> None:  # noqa: ARG002 - paho's signature
        log.warning("broker not reachable at %s:%s; trying again", self._broker.host, self._broker.port)

    def _on_disconnect(
        self,
        client: mqtt.Client,  # noqa: ARG002 - paho's signature
        userdata: object,  # noqa: ARG002 - paho calls with it
        flags: mqtt.DisconnectFlags,  # noqa: ARG002 - paho calls with it
        reason: ReasonCode,
        properties: Properties | None,  # noqa: ARG002 - paho calls with it
    ) -> None:
        if reason.is_failure:
            log.warning("broker connection lost: %s; trying again", reason)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:  # noqa: ARG002 - paho calls with it
        parts = message.topic.split("/")
        # A name that no device can have stands for all such; it is never enrolled, so it only fills its quarantine.
        device = parts[1] if DEVICE_ID.fullmatch(parts[1]) else ""
        taken = Message(device, parts[-1], bytes(message.payload), message.mid, message.qos, self._connection)
        try:
            self._waiting.put_nowait(taken)
        except queue.Full:
            log.warning("queue full: a message of QoS %s from %s dropped", message.qos, device)
