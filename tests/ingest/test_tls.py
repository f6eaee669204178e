"""Certificates on both sides, as in production: over MQTT with the broker files that deploy ships, and over HTTPS."""

from __future__ import annotations

import itertools
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from deploy.local.mosquitto import MosquittoBroker
from deploy.pki.authority import Authority
from ingest import read, register
from ingest.config import Broker, IngestConfig, Listen
from ingest.database import Connection
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
def running(config: IngestConfig) -> Iterator[list[str]]:
    """An ingest process in threads; its HTTP addresses."""
    stop, intake, health = threading.Event(), Intake(), Health()
    worker = threading.Thread(target=Worker(config, stop, intake, health).run)
    with serving(config, intake, health) as addresses:
        worker.start()
        until(lambda: not health.lacking and (config.broker is None or health.broker is True))
        yield addresses
        stop.set()
        worker.join(DEADLINE_S)


class Client:
    """A device's MQTT client with the certificate of its name; `heard` on its own topic of acknowledgements."""

    def __init__(self, broker: MosquittoBroker, authority: Authority, name: str, session: str = "") -> None:
        """`session`: the client id of a session that lasts; without it one that ends with the connection."""
        self.heard: queue.Queue[bytes] = queue.Queue()
        self.codes: queue.Queue[int] = queue.Queue()
        self.resumed: bool | None = None
        self._mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=session, protocol=mqtt.MQTTv5)
        files = (authority.folder / "ca.pem", authority.folder / f"{name}.pem", authority.folder / f"{name}.key")
        self._mqtt.tls_set(*files)
        self._mqtt.on_message = lambda _client, _data, message: self.heard.put(message.payload)
        self._mqtt.on_publish = lambda _client, _data, _mid, reason, _properties: self.codes.put(reason.value)
        subscribed: queue.Queue[None] = queue.Queue()
        self._mqtt.on_subscribe = lambda *_: subscribed.put(None)
        self._mqtt.on_connect = self._on_connect
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = DEADLINE_S * 10 if session else 0
        self._mqtt.connect(broker.host, broker.port, clean_start=not session, properties=lasting)
        self._mqtt.loop_start()
        subscribed.get(timeout=DEADLINE_S)

    def _on_connect(self, client: mqtt.Client, _data: object, flags: mqtt.ConnectFlags, *_: object) -> None:
        self.resumed = flags.session_present
        client.subscribe("ack/#", qos=1)

    def send(self, device: str, data: bytes) -> int:
        self._mqtt.publish(f"plant/{device}/batch", data, qos=1)
        return self.codes.get(timeout=DEADLINE_S)

    def close(self) -> None:
        self._mqtt.disconnect()
        self._mqtt.loop_stop()


@pytest.fixture
def mqtts(mtls_broker: MosquittoBroker, authority: Authority, migrated: str) -> IngestConfig:
    if not (authority.folder / "ingest.pem").exists():
        authority.client("ingest")
    ca, cert, key = (authority.folder / name for name in ("ca.pem", "ingest.pem", "ingest.key"))
    broker = Broker(
        mtls_broker.host, mtls_broker.port, tls=True, user=None, password=None, ca_file=ca, cert_file=cert, key_file=key
    )
    return IngestConfig(migrated, INGEST_KEY, broker=broker)


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
def test_who_takes_over_anothers_session_hears_nothing_of_what_was_for_it(mqtts, mtls_broker, authority, db):
    """A client id is no secret, and the broker keeps sessions by it: the access list must hold for what waits there."""
    ours, theirs = (enrolled(db, authority, seed) for seed in (1, 2))
    with running(mqtts):
        session = f"{theirs.name}-uplink"
        Client(mtls_broker, authority, theirs.name, session).close()
        them = Client(mtls_broker, authority, theirs.name)
        sent = theirs.seal(Catalogue(POINTS))
        them.send(theirs.name, sent)
        them.heard.get(timeout=DEADLINE_S)
        back = Client(mtls_broker, authority, theirs.name, session)
        assert back.resumed
        assert back.heard.get(timeout=DEADLINE_S)  # a copy had waited in the session
        back.close()
        them.send(theirs.name, sent)
        them.heard.get(timeout=DEADLINE_S)
        us = Client(mtls_broker, authority, ours.name, session)
        assert us.resumed
        them.send(theirs.name, sent)
        them.heard.get(timeout=DEADLINE_S)
        us.send(ours.name, ours.seal(Catalogue(POINTS)))
        said = ack.open_signed(us.heard.get(timeout=DEADLINE_S), INGEST_KEY.public_key())
        assert said.device == ours.name
        assert us.heard.empty()
        us.close()
        them.close()


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
