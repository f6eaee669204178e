"""The MQTT source against a real Mosquitto: receipts, repeats, kills and nonsense."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.process import Supervisor
from deploy.local.servers import Servers
from deploy.pki.authority import Authority
from edge_agent.clock import now_us
from edge_agent.config.mqtt import MqttPointConfig, MqttSourceConfig
from edge_agent.mqtt_link import Message, MqttLink
from edge_agent.sources.broker import Wiring
from edge_agent.sources.mqtt import MqttSource
from edge_agent.spool_model import Limits
from edge_agent.spool_recovery import open_spool
from edge_agent.status import SourceStatus
from tests.edge_agent.support import AgentProcess, wait_for
from verification.model import Point, PointKind, Rows
from verification.mqtt_payload import PayloadError, decode, reading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Device:
    """A device on the plant's broker that keeps what it has no receipt for."""

    def __init__(self, broker: MosquittoBroker, topic: str, *, certificate: Path | None = None) -> None:
        self.topic = topic
        self.receipts: Counter[bytes] = Counter()
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=topic, protocol=MQTTProtocolVersion.MQTTv5)
        if certificate is None:
            self._client.username_pw_set("gate", broker.password("gate"))
        else:
            self._client.tls_set(certificate.with_name("ca.pem"), certificate, certificate.with_suffix(".key"))
        self._client.on_connect = lambda client, *_: client.subscribe("receipt/test", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._ready.wait(10)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.receipts[message.properties.CorrelationData] += 1

    def send(
        self,
        payload: object,
        correlation: bytes | None = None,
        *,
        qos: int = 1,
        wait: bool = True,
        retain: bool = False,
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if correlation is not None:
            properties.ResponseTopic = "receipt/test"
            properties.CorrelationData = correlation
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        sent = self._client.publish(self.topic, data, qos=qos, retain=retain, properties=properties)
        if wait:
            sent.wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def device(request, plant_broker: MosquittoBroker) -> Iterator[Device]:
    """On a topic of the test's own."""
    made = Device(plant_broker, f"badge/{request.node.name}")
    yield made
    made.close()


@pytest.fixture
def unstarted_agent(make_agent, device: Device, plant_broker: MosquittoBroker) -> AgentProcess:
    """Reads the device's topic: point `staff` from JSON, `plain` from another topic."""
    json_point = {"topic": device.topic, "value": "value", "time": "time", "quality": "quality"}
    points = {
        "staff": json_point | {"unit": "heads", "kind": "gauge"},
        "plain": {"topic": "badge/plain", "unit": "1", "kind": "gauge"},
    }
    gate = {
        "mqtt": f"mqtt://edge@127.0.0.1:{plant_broker.port}",
        "password_file": "gate.password",
        "points": points,
    }
    made = make_agent(sources={"gate": gate})
    password = made.folder / "gate.password"
    password.write_text(plant_broker.password("edge"))
    password.chmod(0o600)
    made.ingest.start()
    return made


@pytest.fixture
def agent(unstarted_agent: AgentProcess) -> AgentProcess:
    """The same, connected."""
    unstarted_agent.start()
    wait_for(lambda: gate_status(unstarted_agent).state == "connected", "the source is connected")
    return unstarted_agent


def gate_status(agent: AgentProcess) -> SourceStatus:
    return agent.status().sources["gate"]


def message(time_us: int, value: float, quality: str = "good") -> dict[str, object]:
    moment = (EPOCH + timedelta(microseconds=time_us)).astimezone()
    return {"time": moment.isoformat(), "value": value, "quality": quality}


def test_a_reading_is_receipted_once_it_is_kept_and_a_repeat_is_receipted_but_not_kept(agent, device):
    start = now_us()
    for i in range(20):
        device.send(message(start + i, i), bytes([i]))
    wait_for(lambda: len(device.receipts) == 20, "20 receipts")
    for i in range(20):
        device.send(message(start + i, i), bytes([i]))
    wait_for(lambda: device.receipts.total() == 40, "20 more receipts")
    device.send(message(start + 99, 99), b"last")
    expected = Counter([("staff", start + i, float(i)) for i in range(20)] + [("staff", start + 99, 99.0)])
    wait_for(lambda: Counter(agent.ingest.rows()) == expected, "each reading once")
    wait_for(lambda: gate_status(agent).doubles == 20, "the repeats are counted")


def test_quality_becomes_the_opc_ua_status(agent, device):
    start = now_us()
    for i, quality in enumerate(("good", "uncertain", "bad")):
        device.send(message(start + i, i, quality))
    wait_for(lambda: len(agent.ingest.rows()) == 3, "three readings")
    statuses = [status for rows in agent.ingest.payloads() for status in getattr(rows, "status", ())]
    assert statuses == [0, 0x40000000, 0x80000000]


def test_a_killed_agent_loses_no_message_of_a_device_without_receipts(agent, device):
    """The broker holds what came meanwhile for the agent's session, and repeats what was not acknowledged."""
    start = now_us()
    expected = Counter(("staff", start + i, float(i)) for i in range(300))
    for i in range(300):
        if i in {100, 200}:
            agent.kill()
        if i in {120, 220}:
            agent.start()
        device.send(message(start + i, i))
    wait_for(lambda: agent.ingest.rows() and set(agent.ingest.rows()) >= set(expected), "every reading")
    assert Counter(agent.ingest.rows()) == expected


def take_without_acknowledging(agent: AgentProcess, device: Device, broker: MosquittoBroker, payload: bytes) -> int:
    """In the name of the agent, so that the broker must repeat the message to it; returns the packet id."""
    taken: list[MQTTMessage] = []
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{agent.device}-gate",
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=True,
    )
    client.username_pw_set("edge", broker.password("edge"))
    ready = threading.Event()
    client.on_connect = lambda connected, *_: connected.subscribe(device.topic, qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: taken.append(message)
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = 3600
    client.connect("127.0.0.1", broker.port, clean_start=False, properties=session)
    client.loop_start()
    assert ready.wait(10)
    device.send(payload)
    wait_for(lambda: taken, "the message")
    client.disconnect()
    client.loop_stop()
    return taken[0].mid


@pytest.mark.parametrize("kept_before", [True, False])
def test_what_the_broker_repeats_is_kept_once_whether_or_not_it_was_kept_before_the_crash(
    unstarted_agent: AgentProcess,
    device: Device,
    plant_broker: MosquittoBroker,
    kept_before: bool,  # noqa: FBT001
):
    """The agent died after its commit, or before it; the broker cannot know and repeats the message in both cases."""
    agent = unstarted_agent
    row = ("staff", now_us(), 5.0)
    payload = json.dumps(message(row[1], row[2])).encode()
    packet_id = take_without_acknowledging(agent, device, plant_broker, payload)
    spool = open_spool(agent.folder / "spool.sqlite", agent.device, agent.key, Limits())
    points = [
        Point("staff", f"{device.topic}#value", "heads", PointKind.GAUGE),
        Point("plain", "badge/plain", "1", PointKind.GAUGE),
    ]
    spool.catalogue(points)
    if kept_before:
        rows = Rows.empty()
        rows.append(0, row[1], row[2])
        content = hashlib.sha256(device.topic.encode() + b"\x00" + payload).digest()
        spool.append(rows, receipts=[("\x00gate", packet_id.to_bytes(2, "big") + content)])
    spool.close()
    agent.start()
    next_row = ("staff", row[1] + 1, 6.0)
    device.send(message(next_row[1], next_row[2]))
    wait_for(lambda: next_row in agent.ingest.rows(), "the message after it")
    assert Counter(agent.ingest.rows()) == Counter([row, next_row])
    wait_for(lambda: gate_status(agent).doubles == kept_before, "the repeat is counted")


def test_a_killed_broker_loses_no_message_of_a_device_with_receipts(
    agent, device, plant_broker: MosquittoBroker, supervisor: Supervisor
):
    start = now_us()
    numbers = range(200)
    for i in numbers[:100]:
        device.send(message(start + i, i), i.to_bytes(8, "big"))
    plant_broker.kill()
    plant_broker.start(supervisor)
    missing = set(numbers)

    def send_again() -> bool:
        missing.difference_update(int.from_bytes(data, "big") for data in list(device.receipts))
        for i in sorted(missing)[:20]:
            device.send(message(start + i, i), i.to_bytes(8, "big"), wait=False)
        return not missing

    wait_for(send_again, "a receipt for every message")
    expected = Counter(("staff", start + i, float(i)) for i in numbers)
    wait_for(lambda: set(agent.ingest.rows()) >= set(expected), "every reading")
    assert Counter(agent.ingest.rows()) == expected


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b"x" * 70_000,
        {"value": 1},
        {"value": "62", "time": "2026-01-01T00:00:00Z", "quality": "good"},
        {"value": 62, "time": "2026-01-01T00:00:00", "quality": "good"},
        {"value": 62, "time": "9999-01-01T00:00:00Z", "quality": "good"},
        {"value": 62, "time": 1700000000, "quality": "good"},
        {"value": 62, "time": "2026-01-01T00:00:00Z", "quality": "fine"},
        b'{"value": 1e999, "time": "2026-01-01T00:00:00Z", "quality": "good"}',
    ],
    ids=[
        "empty",
        "half JSON",
        "not UTF-8",
        "deep nest",
        "too long",
        "no time",
        "a number as text",
        "naive time",
        "year 9999",
        "bare seconds",
        "unknown quality",
        "too large a number",
    ],
)
def test_every_kind_of_nonsense_is_refused_with_its_reason(payload):
    point = MqttPointConfig(unit="1", kind="gauge", topic="t", value="value", time="time", quality="quality")
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with pytest.raises(PayloadError):
        reading(decode(data), point, 0)


def test_nonsense_is_counted_and_acknowledged_and_the_next_message_is_taken(agent, device):
    for payload in (b"{", {"value": "x"}, message(now_us(), 1) | {"time": "2026-01-01T00:00:00"}):
        device.send(payload, b"bad")
    row = ("staff", now_us(), 7.0)
    device.send(message(row[1], row[2]), b"good")
    wait_for(lambda: device.receipts[b"good"] == 1, "the receipt")
    wait_for(lambda: agent.ingest.rows() == [row], "the one reading")
    wait_for(lambda: gate_status(agent).bad >= 1, "the nonsense is counted")


def test_a_receipt_that_is_wanted_where_none_can_be_sent_is_counted_and_nothing_else():
    """Mosquitto lets no such message in; another broker may."""
    shown = SourceStatus("mqtt", "mqtt://127.0.0.1", {})
    source = MqttSource(Wiring("gate", "gate", {}, None, shown), MqttSourceConfig(mqtt="mqtt://127.0.0.1", points={}))
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    wanted = Message(
        "badge/x", b"1", 7, 1, repeated=False, retained=False, response_topic="receipt/#", correlation=b"1"
    )

    async def answer() -> None:
        source._answer(MqttLink(client, asyncio.get_running_loop(), version=5), wanted)

    asyncio.run(answer())
    assert shown.bad == 1
    assert "'receipt/#' is no topic" in shown.message


def test_all_nonsense_is_counted_but_only_samples_of_it_go_into_the_log(agent, device):
    """A device that never says anything sensible must not fill the disk with its log."""
    for _ in range(40):
        device.send(b"{", qos=1)
    device.send(message(now_us(), 7.0), b"good")
    wait_for(lambda: device.receipts[b"good"] == 1, "the receipt of the next good message")
    wait_for(lambda: gate_status(agent).bad == 40, "each is counted")
    lines = [line for line in agent.log.splitlines() if "cannot be read" in line]
    assert [int(re.search(r"count=(\d+)", line)[1]) for line in lines] == [1, 2, 3, 4, 5, 8, 16, 32]
    assert all(f"where={device.topic}" in line and "not JSON and not a number" in line for line in lines)


def test_a_plain_number_has_its_time_of_arrival(agent, plant_broker: MosquittoBroker):
    other = Device(plant_broker, "badge/plain")
    before = now_us()
    other.send(b"12.5", qos=0)
    wait_for(agent.ingest.rows, "the reading")
    ((name, time_us, value),) = agent.ingest.rows()
    assert (name, value) == ("plain", 12.5)
    assert before <= time_us <= now_us()
    other.close()


# ---- MQTT 3.1.1


@pytest.fixture
def old_agent(unstarted_agent: AgentProcess) -> AgentProcess:
    """The agent as a client of version 3.1.1, not started yet."""
    unstarted_agent.config["sources"]["gate"]["version"] = "3.1.1"
    return unstarted_agent


def test_over_3_1_1_a_killed_agent_loses_and_doubles_no_message(old_agent, device):
    agent, start = old_agent, now_us()
    agent.start()
    wait_for(lambda: gate_status(agent).state == "connected", "the source is connected")
    for i in range(150):
        if i == 50:
            agent.kill()
        if i == 70:
            agent.start()
        device.send(message(start + i, i))
    expected = Counter(("staff", start + i, float(i)) for i in range(150))
    wait_for(lambda: set(agent.ingest.rows()) >= set(expected), "every reading")
    assert Counter(agent.ingest.rows()) == expected


@pytest.mark.parametrize("version", [5, "3.1.1"])
def test_a_retained_message_is_no_reading(unstarted_agent, device, version):
    """It was left there at some time: it does not say when."""
    agent = unstarted_agent
    agent.config["sources"]["gate"]["version"] = version
    device.send(message(now_us(), 1.0), retain=True)
    agent.start()
    wait_for(lambda: gate_status(agent).state == "connected", "the source is connected")
    row = ("staff", now_us(), 2.0)
    device.send(message(row[1], row[2]))
    wait_for(agent.ingest.rows, "the live reading")
    assert agent.ingest.rows() == [row]
    device.send(b"", retain=True)  # takes it away again


# ---- TLS


@pytest.fixture(scope="module")
def mtls_plant(servers: Servers, session_folder: Path, supervisor: Supervisor, authority: Authority) -> MosquittoBroker:
    """A plant's broker that knows its clients, `gate` and `edge`, by their certificates."""
    for name in ("gate", "edge"):
        authority.client(name)
    broker = MosquittoBroker(servers, session_folder / "plant-mtls", "plant", certificates=authority.folder)
    broker.start(supervisor)
    return broker


@pytest.fixture
def tls_agent(make_agent, mtls_plant: MosquittoBroker, authority: Authority) -> AgentProcess:
    """Reads `badge/tls` over mTLS; not started yet."""
    point = {"topic": "badge/tls", "value": "value", "unit": "heads", "kind": "gauge"}
    gate = {
        "mqtt": f"mqtts://127.0.0.1:{mtls_plant.port}",
        "ca_file": str(authority.folder / "ca.pem"),
        "cert_file": str(authority.folder / "edge.pem"),
        "key_file": str(authority.folder / "edge.key"),
        "points": {"staff": point},
    }
    made = make_agent(sources={"gate": gate})
    made.ingest.start()
    return made


def test_over_mtls_messages_are_read(tls_agent, mtls_plant, authority):
    tls_agent.start()
    wait_for(lambda: gate_status(tls_agent).state == "connected", "the source is connected")
    device = Device(mtls_plant, "badge/tls", certificate=authority.folder / "gate.pem")
    device.send({"value": 5}, b"one")
    wait_for(lambda: device.receipts[b"one"] == 1, "the receipt")
    wait_for(lambda: [value for _, _, value in tls_agent.ingest.rows()] == [5.0], "the reading")
    device.close()


@pytest.mark.parametrize("missing", ["trust", "certificate", "sense"])
def test_without_trust_or_a_certificate_nothing_is_read_and_the_reason_shows(tls_agent, missing, tmp_path):
    gate = tls_agent.config["sources"]["gate"]
    if missing == "trust":
        gate["ca_file"] = str(Authority.create(tmp_path / "other", "Another authority").folder / "ca.pem")
    elif missing == "certificate":
        del gate["cert_file"], gate["key_file"]
    else:
        (tmp_path / "edge.pem").write_text("this is no certificate")
        gate["cert_file"] = str(tmp_path / "edge.pem")
    tls_agent.start()
    reasons = {
        "trust": "is not the authority that signed it",
        "certificate": "a certificate of ours (cert_file)",
        "sense": "certificates of mqtts://",
    }
    wait_for(lambda: gate_status(tls_agent).state == "disconnected", "it is not let in")
    assert reasons[missing] in gate_status(tls_agent).message
    assert tls_agent.running()
