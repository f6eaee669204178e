"""The MQTT side of ingest: takes messages from the broker into the intake, and sends acknowledgements.

MQTT v5 with manual acknowledgement: a message is acknowledged to the broker after the commit, and `receive_maximum`
bounds how many are unacknowledged, which is the back-pressure. A shared subscription lets any number of workers share
the load. The session ends with the connection: a worker keeps nothing, because agents send again what was not
acknowledged by ingest's own signed word.
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.admission import Arrival
from ingest.config import Broker
from ingest.health import Health
from ingest.intake import Asked, Intake, Item, Parcel, Reply
from verification.batch import INT63_MAX, MAX_BATCH_BYTES
from verification.model import DEVICE_ID
from verification.mqtt_socket import send_at_once

BATCH, SYNC = "batch", "sync"
SUBSCRIPTIONS = tuple(f"$share/ingest/plant/+/{what}" for what in (BATCH, SYNC))
MAX_UNACKNOWLEDGED = 256
MAX_PACKET_BYTES = 2 * MAX_BATCH_BYTES
MAX_WAITING_ACKS = 10_000
SYNC_BYTES = 8
KEEPALIVE_S = 30
RECONNECT_MIN_S, RECONNECT_MAX_S = 1, 4
FAILURE = 0x80  # reason codes from here on are refusals (MQTT 5.0, 2.4)

log = logging.getLogger(__name__)


class Inbox:
    """One connection to the broker. `publish` is for one worker thread, and so are the answers to what came in."""

    def __init__(self, broker: Broker, intake: Intake, health: Health) -> None:
        self._intake = intake
        self._health = health
        health.broker = False  # until the subscription stands
        self._connection = 0
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"ingest:{secrets.token_hex(8)}",  # no device can be called so
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
        self._client.on_socket_open = send_at_once
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
        self._health.broker = True
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
        self._health.broker = False
        if reason.is_failure:
            log.warning("broker connection lost: %s; trying again", reason)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:  # noqa: ARG002 - paho calls with it
        parts = message.topic.split("/")
        # A name that no device can have stands for all such; it is never enrolled, so it only fills its quarantine.
        device = parts[1] if DEVICE_ID.fullmatch(parts[1]) else ""
        answer = functools.partial(self._acknowledge, self._connection, message.mid, message.qos)
        item = _read(device, parts[-1], bytes(message.payload), answer)
        if item is None:
            log.warning("not a question for a chain: topic=%s bytes=%s", message.topic, len(message.payload))
            answer(Reply("undecodable"))
        elif not self._intake.offer(item, bounded=message.qos > 0):
            log.warning(
                "queue full: a message of QoS %s from %s dropped; its agent sends it again", message.qos, device
            )
            # Without this it would keep its place among those that the broker may send, and 256 make a deaf worker.
            answer(Reply("dropped"))

    def _acknowledge(self, connection: int, mid: int, qos: int, _reply: Reply) -> None:
        """Tell the broker that it may forget a message. The reply itself went out as an acknowledgement before."""
        # Message ids start anew with each connection: an old one would name another message now.
        if qos and connection == self._connection:
            self._client.ack(mid, qos)


def _read(device: str, what: str, payload: bytes, answer: Callable[[Reply], None]) -> Item | None:
    """A batch, or the chain whose state an agent asks for: its epoch as 8 bytes, big-endian; None if it is neither."""
    if what == BATCH:
        return Parcel(Arrival.of(device, payload), answer)
    epoch = int.from_bytes(payload)
    if len(payload) != SYNC_BYTES or epoch > INT63_MAX or not device:
        return None
    return Asked(device, (epoch,), None, answer)
