"""Certificates on both sides, as in production: over MQTT with the broker files that deploy ships, and over HTTPS."""

from __future__ import annotations

import itertools
import logging
import queue
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.mosquitto import MosquittoBroker
from deploy.pki.authority import Authority
from ingest import read, register
from ingest.config import Broker, IngestConfig, Listen
from ingest.database import Connection
from ingest.gateway.config import GatewayConfig
from ingest.gateway.host import Host
from ingest.health import Health
from ingest.http.serve import serving
from ingest.intake import Intake
from ingest.service import Worker
from tests.ingest.builders import DEADLINE_S, POINTS, Device, until
from verification import ack
from verification.batch import Catalogue
from verification.errors import ConfigError

INGEST_KEY = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"t")
NOT_AUTHORIZED = 0x87
_numbers = itertools.count(1)


@contextmanager
def in_thread(run: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    """Stopped also where a test fails, or the process would wait for it for ever."""
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE_S)


@contextmanager
def running(config: IngestConfig) -> Iterator[list[str]]:
    """An ingest process in threads; its HTTP addresses."""
    stop, intake, health = threading.Event(), Intake(), Health()
    worker = Worker(config, stop, intake, health)
    with serving(config, intake, health) as addresses, in_thread(worker.run, stop):
        until(lambda: not health.lacking and (config.broker is None or health.broker is True))
        yield addresses


class Client:
    """A device's MQTT client with the certificate of its name; `heard` on its own topic of acknowledgements."""

    def __init__(self, broker: MosquittoBroker, authority: Authority, name: str, client_id: str = "") -> None:
        self.heard: queue.Queue[bytes] = queue.Queue()
        self.codes: queue.Queue[int] = queue.Queue()
        self.ended: queue.Queue[str] = queue.Queue()
        self._mqtt = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        files = (authority.folder / "ca.pem", authority.folder / f"{name}.pem", authority.folder / f"{name}.key")
        self._mqtt.tls_set(*files)
        self._mqtt.on_message = lambda _client, _data, message: self.heard.put(message.payload)
        self._mqtt.on_publish = lambda _client, _data, _mid, reason, _properties: self.codes.put(reason.value)
        self._mqtt.on_disconnect = lambda _client, _data, _flags, reason, _properties: self.ended.put(str(reason))
        subscribed: queue.Queue[None] = queue.Queue()
        self._mqtt.on_subscribe = lambda *_: subscribed.put(None)
        self._mqtt.on_connect = lambda client, *_: client.subscribe("ack/#", qos=1)
        self._mqtt.connect(broker.host, broker.port)
        self._mqtt.loop_start()
        subscribed.get(timeout=DEADLINE_S)

    def send(self, device: str, data: bytes) -> int:
        self._mqtt.publish(f"plant/{device}/batch", data, qos=1)
        return self.codes.get(timeout=DEADLINE_S)

    def close(self) -> None:
        self._mqtt.disconnect()
        self._mqtt.loop_stop()


@pytest.fixture
def uplink(mtls_broker: MosquittoBroker, authority: Authority, platform: Authority) -> Broker:
    """The platform's own way in."""
    return Broker(
        mtls_broker.host,
        mtls_broker.platform_port,
        tls=True,
        user=None,
        password=None,
        ca_file=authority.folder / "ca.pem",
        cert_file=platform.folder / "ingest.pem",
        key_file=platform.folder / "ingest.key",
    )


@pytest.fixture
def mqtts(uplink: Broker, migrated: str) -> IngestConfig:
    return IngestConfig(migrated, INGEST_KEY, broker=uplink)


def enrolled(db: Connection, authority: Authority, seed: int) -> Device:
    device = Device(f"tls-{next(_numbers)}", seed=seed)
    register.enroll(db, device.name, device.public_key, "hengkang")
    authority.client(device.name)
    return device


@pytest.mark.parametrize("migrated", ["timescale"], indirect=True)
def test_no_device_writes_as_another_or_reads_its_acknowledgements(mqtts, mtls_broker, authority, db):
    ours, theirs = (enrolled(db, authority, seed) for seed in (1, 2))
    with running(mqtts):
        us, them = (Client(mtls_broker, authority, device.name) for device in (ours, theirs))
        batch = theirs.seal(Catalogue(POINTS))
        assert us.send(theirs.name, batch) == NOT_AUTHORIZED
        assert us.send(ours.name, batch) == 0  # as ourselves: ingest sees whose it is
        said = ack.open_signed(us.heard.get(timeout=DEADLINE_S), INGEST_KEY.public_key())
        assert [one.code for one in said.refused] == ["device_mismatch"]
        assert them.send(theirs.name, batch) == 0
        said = ack.open_signed(them.heard.get(timeout=DEADLINE_S), INGEST_KEY.public_key())
        assert (said.device, said.through) == (theirs.name, 0)
        assert us.send(ours.name, ours.seal(Catalogue(POINTS))) == 0
        said = ack.open_signed(us.heard.get(timeout=DEADLINE_S), INGEST_KEY.public_key())
        assert said.device == ours.name  # what was for the other came to the other only
        assert them.heard.empty()
        assert us.heard.empty()
        us.close()
        them.close()
    assert [one.data for one in read.batches(db, theirs.name)] == [batch]


@pytest.mark.parametrize("migrated", ["timescale"], indirect=True)
def test_no_device_ends_anothers_session_or_the_platforms(mqtts, mtls_broker, authority, db, caplog):
    """A client id is no secret, and the broker ends a session when another client comes by its id."""
    ours, theirs = (enrolled(db, authority, seed) for seed in (1, 2))
    caplog.set_level(logging.INFO)
    stop = threading.Event()
    host = Host(GatewayConfig(mqtts.db, mqtts.broker, "retroproof", {}), stop)
    with in_thread(host.run, stop), running(mqtts), running(mqtts):
        until(lambda: "ready: host retroproof" in caplog.text)
        platform_ids = [id_ for id_ in client_ids(mtls_broker) if id_.startswith(("ingest:", "host:"))][-3:]
        assert len(platform_ids) == 3
        them = Client(mtls_broker, authority, theirs.name, f"{theirs.name}-uplink")
        for client_id in (theirs.name, f"{theirs.name}-uplink", *platform_ids):
            Client(mtls_broker, authority, ours.name, client_id).close()
        assert them.send(theirs.name, theirs.seal(Catalogue(POINTS))) == 0
        assert ack.open_signed(them.heard.get(timeout=DEADLINE_S), INGEST_KEY.public_key()).through == 0
        assert them.ended.empty()
        them.close()
        assert "connection lost" not in caplog.text


def client_ids(broker: MosquittoBroker) -> list[str]:
    """Of all who connected, in their order."""
    log = (broker.folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")
    return re.findall(r"New client connected from \S+ as (\S+) ", log)


def test_no_devices_certificate_opens_the_way_of_the_platform(mtls_broker, authority, platform):
    if not (authority.folder / "intruder.pem").exists():
        authority.client("intruder")
    for folder, name, comes_in in ((authority.folder, "intruder", False), (platform.folder, "ingest", True)):
        context = trusting(authority)
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        where = (mtls_broker.host, mtls_broker.platform_port)
        with (
            socket.create_connection(where, timeout=DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname=mtls_broker.host) as wrapped,
        ):
            # TLS 1.3 tells a client only when it first reads; the broker answers a CONNECT with a CONNACK, type 2.
            try:
                wrapped.sendall(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
                answered = wrapped.recv(1) == b"\x20"
            except (ssl.SSLError, ConnectionError):
                answered = False
        assert answered is comes_in


def trusting(authority: Authority, name: str = "") -> ssl.SSLContext:
    """A client that trusts the authority, and shows the certificate of `name`."""
    context = ssl.create_default_context(cafile=authority.folder / "ca.pem")
    if name:
        context.load_cert_chain(authority.folder / f"{name}.pem", authority.folder / f"{name}.key")
    return context


@pytest.mark.parametrize("migrated", ["timescale"], indirect=True)
def test_https_shows_its_certificate_and_can_ask_for_one(authority, migrated, db):
    device = enrolled(db, authority, 3)
    folder = authority.folder
    for asks in (None, folder / "ca.pem"):
        where = Listen("127.0.0.1", 0, folder / "server.pem", folder / "server.key", asks)
        with running(IngestConfig(migrated, INGEST_KEY, http=where)) as (address,):
            assert address.startswith("https://")
            with httpx.Client(verify=trusting(authority, device.name)) as client:
                said = client.post(f"{address}/ingest/v1/batches", content=device.seal(Catalogue(POINTS, 2)))
                assert said.status_code == 200
            with httpx.Client() as client, pytest.raises(httpx.ConnectError):
                client.get(f"{address}/healthz")  # trusts nobody of ours
            with httpx.Client(verify=trusting(authority)) as client:
                if asks is None:
                    assert client.get(f"{address}/healthz").status_code == 200
                else:
                    with pytest.raises(httpx.TransportError):
                        client.get(f"{address}/healthz")


def test_what_cannot_listen_or_is_no_certificate_is_said_before_anything_runs(tmp_path: Path):
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    anywhere = Listen("127.0.0.1", 0)
    before = threading.active_count()
    for http in (Listen("127.0.0.1", 0, junk, junk), Listen("192.0.2.1", 1)):
        config = IngestConfig("postgresql://u@127.0.0.1/d", INGEST_KEY, http=http, watch=anywhere)
        with pytest.raises(ConfigError), serving(config, Intake(), Health()):
            pass
    assert threading.active_count() == before
