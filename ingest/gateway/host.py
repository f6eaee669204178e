"""A Sparkplug host application, and a plain MQTT subscriber, that keeps what configured gateways publish.

It says that it is there as the specification wants it (Eclipse Sparkplug 3.0.0, chapter 5, host applications): the
retained STATE message says online with the timestamp of this connection, and the will says offline with the same one.
It keeps the session state of each node, so exactly one runs for a host id; it is not part of the shared subscription.
A second one ends before it reaches the broker: the first holds a lock in the database, by the host id. Where their
databases differ the broker shows it, and the one that it put off ends.
Messages of QoS 1 are acknowledged after the commit.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import queue
import threading
import time
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.database import Connection, statement
from ingest.errors import IngestError, TakenOverError
from ingest.gateway.config import GatewayConfig
from ingest.gateway.messages import Gateways, Kept
from ingest.gateway.store import PointIds, register, store
from ingest.steady import SteadyDatabase
from verification import sparkplug
from verification.errors import RetroProofError
from verification.mqtt_socket import send_at_once

MAX_WAITING = 4_096
MAX_GROUP = 1_000
MAX_SHOWN = 300  # characters of a topic in the log
MAX_UNACKNOWLEDGED = 256
POLL_S = 0.5
KEEPALIVE_S = 30
RECONNECT_MIN_S, RECONNECT_MAX_S = 1, 4
CLAIM_TRIES = 20  # 10 s
SESSION_TAKEN_OVER = 0x8E  # MQTT 5.0, 3.14.2.1
FAILURE = 0x80  # reason codes from here on are refusals (MQTT 5.0, 2.4)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    arrived_us: int
    mid: int
    qos: int
    connection: int


class Host:
    """`run` until stopped; one broker, one database."""

    def __init__(self, config: GatewayConfig, stop: threading.Event) -> None:
        self._config = config
        self._stop = stop
        self._database = SteadyDatabase(config.db, stop, greet=self._claim)
        self._taken_over = False
        self._gateways = Gateways(config.gateways)
        self._state_topic = f"{sparkplug.NAMESPACE}/STATE/{config.host_id}"
        self._waiting: queue.Queue[_Message | None] = queue.Queue(MAX_WAITING)  # None: connected anew
        self._connection = 0
        self._since_ms = 0
        self._client = self._make_client()

    def run(self) -> None:
        """Register the gateways and keep what they publish.

        Raises IngestError where that cannot be, TakenOverError where another host came to the broker under our id.
        """
        ids = self._database.attempt("the start", lambda conn: register(conn, self._config.gateways))
        if ids is None:
            return
        wanted = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        wanted.ReceiveMaximum = MAX_UNACKNOWLEDGED
        wanted.MaximumPacketSize = sparkplug.MAX_PAYLOAD_BYTES
        where = self._config.broker
        self._client.connect_async(where.host, where.port, KEEPALIVE_S, clean_start=True, properties=wanted)
        self._client.loop_start()
        try:
            while not self._stop.is_set():
                if self._taken_over:
                    raise TakenOverError(
                        self._second("has taken over our session at the broker, from another database")
                    )
                self._keep_what_came(ids)
        finally:
            self._client.publish(self._state_topic, self._state(online=False), qos=1, retain=True)
            self._client.disconnect()
            self._client.loop_stop()
            self._database.close()

    def _claim(self, conn: Connection) -> None:
        """Be the one host of this id while the connection lasts; one that just ended needs a moment to be gone."""
        for _ in range(CLAIM_TRIES):
            row = conn.execute(statement("claim_host"), {"host_id": self._config.host_id}).fetchone()
            if row and row[0]:
                return
            if self._stop.wait(POLL_S):
                break
        raise IngestError(self._second("is at work on this database"))

    def _second(self, what: str) -> str:
        return (
            f"another host with host_id {self._config.host_id!r} {what}: end it,"
            " or give this one a host_id and gateways of its own"
        )

    def _keep_what_came(self, ids: PointIds) -> None:
        taken, kept = self._take(), Kept()
        for message in taken:
            if message is None:
                self._gateways.disconnected()
                continue
            try:
                self._gateways.take(message.topic, message.payload, message.arrived_us, kept)
            except RetroProofError as err:
                kept.refused.append(f"{message.topic[:MAX_SHOWN]}: {err}")
        for topic in self._gateways.births_wanted(time.time_ns() // 1000, kept) if self._connection else ():
            self._client.publish(str(topic), _rebirth(), qos=0)
        for line in kept.refused:
            log.warning("not taken: %s", line)
        if kept.readings or kept.events:
            at = dt.datetime.now(dt.UTC)
            done = self._database.attempt(
                f"a group of {len(kept.readings)} readings", lambda conn: store(conn, kept, ids, at)
            )
            if done is None:
                return
        for message in taken:
            if message and message.qos and message.connection == self._connection:
                self._client.ack(message.mid, message.qos)

    def _take(self) -> list[_Message | None]:
        taken: list[_Message | None] = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._waiting.get(timeout=POLL_S))
            while len(taken) < MAX_GROUP:
                taken.append(self._waiting.get_nowait())
        return taken

    def _make_client(self) -> mqtt.Client:
        broker = self._config.broker
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"host:{self._config.host_id}",  # no device can be called so
            protocol=mqtt.MQTTv5,
            manual_ack=True,
        )
        client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)
        client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            files = (broker.ca_file, broker.cert_file, broker.key_file)
            ca, cert, key = (str(path) if path else None for path in files)
            client.tls_set(ca_certs=ca, certfile=cert, keyfile=key)
        client.on_socket_open = send_at_once
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _state(self, *, online: bool) -> str:
        return json.dumps({"online": online, "timestamp": self._since_ms})

    # ---- paho's callbacks, in its thread

    def _on_pre_connect(self, client: mqtt.Client, _userdata: object) -> None:
        """The will of each connection carries the time of its own CONNECT (tck-id-host-topic-phid-death-payload)."""
        self._since_ms = time.time_ns() // 1_000_000
        client.will_set(self._state_topic, self._state(online=False), qos=1, retain=True)

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.error("broker refuses the connection: %s; check user and password_file", reason)
            return
        self._connection += 1
        self._waiting.put(None)
        topics = [self._state_topic, *self._gateways.topics]
        client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])

    def _on_subscribe(
        self,
        client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.value >= FAILURE for reason in reasons):
            log.error("broker refuses a subscription: %s; its access list must let this user read", reasons)
        client.publish(self._state_topic, self._state(online=True), qos=1, retain=True)
        log.info("ready: host %s listens to %s gateways", self._config.host_id, len(self._config.gateways))

    def _on_connect_fail(self, _client: mqtt.Client, _userdata: object) -> None:
        log.warning("broker not reachable at %s:%s; trying again", self._config.broker.host, self._config.broker.port)

    def _on_disconnect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.value == SESSION_TAKEN_OVER:
            self._taken_over = True
            client.disconnect()  # or it would take the session back, and the other again, for ever
        elif reason.is_failure:
            log.warning("broker connection lost: %s; trying again", reason)

    def _on_message(self, client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.topic == self._state_topic:
            self._on_own_state(client, message)
        elif message.retain:
            client.ack(message.mid, message.qos)
        else:
            self._queue(message)

    def _queue(self, message: mqtt.MQTTMessage) -> None:
        """Put a message into the queue, where those of QoS 0 leave room for all that the broker may send at once.

        One of QoS 1 that is dropped stays unacknowledged, and keeps its place at the broker as long as the connection.
        """
        if self._waiting.qsize() >= (MAX_WAITING if message.qos else MAX_WAITING - MAX_UNACKNOWLEDGED):
            log.warning("queue full: a message on %s dropped; the database is too slow or away", message.topic)
            return
        arrived_us = time.time_ns() // 1000
        self._waiting.put(
            _Message(message.topic, bytes(message.payload), arrived_us, message.mid, message.qos, self._connection)
        )

    def _on_own_state(self, client: mqtt.Client, message: mqtt.MQTTMessage) -> None:
        """An old will may come after our word: as long as we are here, we say so again."""
        client.ack(message.mid, message.qos)
        if message.payload != self._state(online=True).encode() and not self._stop.is_set():
            client.publish(self._state_topic, self._state(online=True), qos=1, retain=True)


def _rebirth() -> bytes:
    """The command that asks a node for its births."""
    wanted = sparkplug.Metric(sparkplug.REBIRTH, True, sparkplug.DataType.BOOLEAN)  # noqa: FBT003 - the metric's value
    return sparkplug.encode(sparkplug.Payload((wanted,), time.time_ns() // 1_000_000))
