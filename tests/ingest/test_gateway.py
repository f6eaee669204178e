"""Gateways of others on a real broker: npm's sparkplug-client as the edge node, and plain MQTT; grade always shown."""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import random
import re
import signal
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest

from deploy.local.mosquitto import MosquittoBroker
from ingest import read, register
from ingest.database import Connection, connect
from ingest.errors import IngestError
from ingest.gateway import read as gateway_read
from ingest.gateway.cli import TAKEN_OVER
from ingest.gateway.config import GatewayFile, load_config
from ingest.gateway.host import MAX_GROUP, MAX_UNACKNOWLEDGED, MAX_WAITING
from ingest.gateway.messages import TransportFlag
from ingest.gateway.store import register as register_gateways
from ingest.migrate import migrate
from ingest.times import MAX_LEAD_US
from tests.ingest.builders import DEADLINE_S, Device, until, waiting_for_a_lock
from tests.ingest.test_ingest_command import run
from tests.support.peers import Peer
from tests.support.proxy import Proxy
from verification import sparkplug
from verification.errors import RetroProofError
from verification.model import Grade

GROUP = "hall"
_numbers = itertools.count(1)


class Node(Peer):
    """sparkplug-client as the edge node of its own name, with one device, `meter`, whose energy has an alias."""

    def __init__(self, broker: MosquittoBroker, folder: Path, name: str) -> None:
        self.name = name
        login = {"user": name, "password": broker.add_device(name), "url": f"mqtt://127.0.0.1:{broker.port}"}
        super().__init__("sparkplug_node.js", login | {"group": GROUP, "node": name}, folder / "node.log")

    def begin(self, energy: float, at_ms: int) -> None:
        metric = {"name": "Energy/Total", "alias": 5, "type": "Double", "value": energy, "timestamp": at_ms}
        self.tell(birth={"node": [], "devices": {"meter": [metric]}})

    def measure(self, energy: float, at_ms: int) -> None:
        self.tell(device="meter", data=[{"alias": 5, "type": "Double", "value": energy, "timestamp": at_ms}])


class Hall:
    """A host process over one gateway, and what its database holds."""

    def __init__(self, folder: Path, url: str, broker: MosquittoBroker, conn: Connection) -> None:
        self.broker, self.conn, self.folder, self.url = broker, conn, folder, url
        number = next(_numbers)
        self.name, self.host_id = f"gateway-{number}", f"retroproof-{number}"
        self.log = folder / "host.log"
        self.host: subprocess.Popen[bytes] | None = None
        password = folder / "ingest.password"
        password.write_text(broker.password("ingest"))
        password.chmod(0o600)
        self.config = folder / "gateways.yaml"
        self.config.write_text(
            f"db: {url}\nmqtt: mqtt://ingest@127.0.0.1:{broker.port}\npassword_file: ingest.password\n"
            f"host_id: {self.host_id}\ngateways:\n  {self.name}:\n    enterprise: hengkang\n    group: {GROUP}\n"
            "    points:\n"
            "      energy: {device: meter, metric: Energy/Total, unit: kWh, kind: counter, meter: M-1}\n"
            "      power: {topic: power, value: d.p, time: t, quality: q, unit: kW, kind: gauge}\n"
            "      heat: {topic: heat, unit: degC, kind: gauge}\n"
        )

    def start(self) -> None:
        before = self.said("ready")
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "retroproof", "ingest", "gateway", "serve", "--config", str(self.config)]
            self.host = subprocess.Popen(command, stderr=log)
        until(lambda: self.said("ready") > before)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.host is not None:
            self.host.send_signal(number)
            self.host.wait(DEADLINE_S)

    def said(self, word: str) -> int:
        return self.log.read_text().count(word) if self.log.exists() else 0

    def go_through(self, port: int) -> None:
        """Have the host reach the broker by another port."""
        self.config.write_text(self.config.read_text().replace(f"127.0.0.1:{self.broker.port}", f"127.0.0.1:{port}"))

    def writes(self) -> bool:
        """Whether the host waits for a lock in the database, with a group in hand."""
        return waiting_for_a_lock(self.conn) > 0

    def values(self, point: str) -> list[float]:
        return gateway_read.load_window(self.conn, self.name, [point])[point].value.tolist()

    def events(self, unit: str) -> list[str]:
        found = self.conn.execute("SELECT event FROM telemetry.transport_event WHERE unit = %s ORDER BY id", (unit,))
        return [event for (event,) in found]

    def state(self) -> dict[str, object]:
        """The retained STATE of this host, as any edge node would read it."""
        password = self.broker.add_device(self.name)
        with self.listening(f"spBv1.0/STATE/{self.host_id}", self.name, password) as heard:
            return json.loads(heard.get(timeout=DEADLINE_S))

    @contextlib.contextmanager
    def listening(self, topic: str, user: str, password: str) -> Iterator[queue.Queue[bytes]]:
        """What the broker sends on a topic to whoever has subscribed to it."""
        heard: queue.Queue[bytes] = queue.Queue()
        subscribed = threading.Event()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.username_pw_set(user, password)
        client.on_message = lambda _client, _data, message: heard.put(message.payload)
        client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        assert subscribed.wait(DEADLINE_S)
        yield heard
        client.disconnect()
        client.loop_stop()

    def publish(self, topic: str, *payloads: bytes, times: int = 1, qos: int = 1) -> None:
        """On a topic below the gateway's own, or on a Sparkplug topic."""
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.username_pw_set(self.name, self.broker.add_device(self.name))
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        whole = topic if topic.startswith("spBv1.0/") else f"plant/{self.name}/{topic}"
        for payload in payloads * times:
            client.publish(whole, payload, qos=qos).wait_for_publish(DEADLINE_S)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def hall(database: str, uplink_broker: MosquittoBroker, tmp_path: Path) -> Iterator[Hall]:
    with connect(database) as conn:
        migrate(conn)
        made = Hall(tmp_path, database, uplink_broker, conn)
        yield made
        made.stop(signal.SIGKILL)


@pytest.fixture
def node(hall: Hall) -> Iterator[Node]:
    made = Node(hall.broker, hall.folder, hall.name)
    made.start()
    yield made
    made.kill()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_births_data_and_deaths_of_a_sparkplug_node_are_kept(hall, node):
    hall.start()
    node.begin(100.0, now_ms())
    for step in range(1, 4):
        node.measure(100.0 + step, now_ms() + step)
    until(lambda: hall.values("energy") == [100.0, 101.0, 102.0, 103.0])
    # Twice where the host, which asks for births as it starts, asked a node that had just been born.
    assert set(hall.events(f"{hall.name}/meter")) == {"birth"}
    until(lambda: "birth" in hall.events(hall.name))
    node.kill()  # the broker publishes its will, which is the death certificate
    until(lambda: "death" in hall.events(hall.name))
    (state,) = [one for one in gateway_read.states(hall.conn) if one.unit == hall.name]
    assert not state.online


def test_a_node_that_was_born_before_we_listened_is_asked_for_its_birth(hall, node):
    node.begin(7.0, now_ms())
    hall.start()
    until(lambda: hall.values("energy") == [7.0])
    node.measure(8.0, now_ms())
    until(lambda: hall.values("energy") == [7.0, 8.0])
    assert hall.events(hall.name)[:2] == ["rebirth_requested", "birth"]


def test_a_number_missing_from_the_sequence_is_noted_and_a_birth_asked_for(hall, node):
    hall.start()
    node.begin(1.0, now_ms())
    until(lambda: hall.values("energy") == [1.0])
    before = len(hall.events(hall.name))
    node.tell(skip=2)
    node.measure(2.0, now_ms())
    until(lambda: "sequence_gap" in hall.events(f"{hall.name}/meter"))
    later = hall.events(hall.name)[before:]  # where a second answer to what was asked at the start may come first
    assert "birth" in later[later.index("rebirth_requested") :]
    assert hall.values("energy")[-1] == 2.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_host_says_that_it_is_there_and_its_will_or_itself_that_it_is_gone(hall, number):
    hall.start()
    until(lambda: hall.state()["online"] is True)
    there = hall.state()
    hall.stop(number)
    until(lambda: hall.state()["online"] is False)
    assert hall.state()["timestamp"] == there["timestamp"]
    hall.start()
    until(lambda: hall.state()["online"] is True)
    assert hall.state()["timestamp"] > there["timestamp"]


def test_plain_payloads_are_read_by_their_paths_once_each(hall):
    hall.start()
    hall.publish("power", b'{"d": {"p": 1.5}, "t": "2026-01-01T08:00:00+08:00", "q": "uncertain"}', times=3)
    hall.publish("heat", b"21.5")
    until(lambda: hall.values("heat") == [21.5])
    power = gateway_read.load_window(hall.conn, hall.name, ["power"])["power"]
    assert (power.time_us.tolist(), power.value.tolist()) == ([1_767_225_600_000_000], [1.5])
    assert power.status.tolist() == [0x40000000]
    heat = gateway_read.load_window(hall.conn, hall.name, ["heat"])["heat"]
    assert heat.flags.tolist() == [TransportFlag.OUR_TIME]


def test_what_cannot_be_read_is_said_and_holds_nothing_up(hall):
    hall.start()
    for payload in (b"warm", b'{"d": 1}', bytes(70_000)):
        hall.publish("power", payload)
    hall.publish("heat", b"20")
    until(lambda: hall.values("heat") == [20.0])
    assert hall.said("not taken") == 3
    assert hall.values("power") == []


def test_readings_of_times_that_cannot_be_are_left_out_alone(hall, node):
    hall.start()
    for moment in ("1601-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2150-01-01T00:00:00Z"):
        hall.publish("power", b'{"d": {"p": 1}, "t": "%s", "q": 0}' % moment.encode())
    node.begin(1.0, now_ms())
    node.measure(2.0, now_ms() + 2 * MAX_LEAD_US // 1000)
    node.measure(3.0, now_ms())
    until(lambda: hall.values("energy") == [1.0, 3.0])
    assert gateway_read.load_window(hall.conn, hall.name, ["power"])["power"].time_us.tolist() == [0]
    assert hall.said("before 1970") == 1
    assert hall.said("more than a year ahead") == 2


def test_a_database_that_goes_away_is_waited_for(hall):
    hall.start()
    hall.publish("heat", b"1")
    until(lambda: hall.values("heat") == [1.0])
    hall.conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    hall.publish("heat", b"2")
    until(lambda: hall.values("heat") == [1.0, 2.0])
    assert hall.said("a group of 1 readings waits") == 1


def test_what_waited_for_a_slow_database_is_kept_whole(hall):
    hall.start()
    with connect(hall.url) as other, other.transaction():
        other.execute("LOCK TABLE telemetry.transport_reading IN ACCESS EXCLUSIVE MODE")
        hall.publish("heat", *(str(n).encode() for n in range(2 * MAX_GROUP + 500)), qos=0)
    until(lambda: len(hall.values("heat")) == 2 * MAX_GROUP + 500)


def test_messages_of_qos_0_leave_room_for_those_that_the_broker_waits_to_hear_of(hall):
    """One that is dropped and never acknowledged would take its place at the broker for as long as we are connected."""
    hall.start()
    with connect(hall.url) as other, other.transaction():
        other.execute("LOCK TABLE telemetry.transport_reading IN ACCESS EXCLUSIVE MODE")
        hall.publish("heat", b"0", qos=0)
        until(hall.writes)
        hall.publish("heat", *(str(n).encode() for n in range(MAX_WAITING + 9)), qos=0)
        until(lambda: hall.said("queue full") > 0)
        sent = [
            b'{"d": {"p": %d}, "t": "2026-01-01T08:00:00+08:00", "q": 0}' % n for n in range(2 * MAX_UNACKNOWLEDGED)
        ]
        hall.publish("power", *sent)
    until(lambda: hall.values("power") == list(range(2 * MAX_UNACKNOWLEDGED)))


def test_what_came_before_a_cut_is_read_before_it(hall, node):
    with Proxy(hall.broker.port).running() as way:
        hall.go_through(way.port)
        hall.start()
        node.begin(1.0, now_ms())
        until(lambda: hall.values("energy") == [1.0])
        with connect(hall.url) as other, other.transaction():
            other.execute("LOCK TABLE telemetry.transport_reading IN ACCESS EXCLUSIVE MODE")
            hall.publish("heat", b"20")
            until(hall.writes)
            data = f"spBv1.0/{GROUP}/DDATA/{hall.name}/#"
            with hall.listening(data, "ingest", hall.broker.password("ingest")) as heard:
                node.measure(2.0, now_ms())
                heard.get(timeout=DEADLINE_S)  # so that it has been sent to the host, too
            way.cut()
            until(lambda: hall.said("ready") > 1)
        until(lambda: hall.events(hall.name).count("birth") == 2)
        assert hall.values("energy")[:2] == [1.0, 2.0]


def second_host(hall: Hall, text: str) -> subprocess.CompletedProcess[str]:
    """Run another host on this configuration, as long as it lasts."""
    config = hall.folder / "second.yaml"
    config.write_text(text)
    command = [sys.executable, "-m", "retroproof", "ingest", "gateway", "serve", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def test_a_second_host_of_one_id_says_so_and_leaves_the_first_alone(hall):
    hall.start()
    done = second_host(hall, hall.config.read_text())
    assert done.returncode == 1
    assert f"another host with host_id '{hall.host_id}' is at work on this database" in done.stderr
    hall.publish("heat", b"20")
    until(lambda: hall.values("heat") == [20.0])
    assert (hall.said("connection lost"), hall.said("ready")) == (0, 1)
    hall.stop(signal.SIGKILL)
    hall.start()  # its lock went with it


def test_of_two_hosts_with_databases_of_their_own_one_ends_for_good_and_says_why(hall, postgres):
    hall.start()
    name = f"{hall.name.replace('-', '_')}_other"
    other = postgres.create_database(name)
    with connect(other) as conn:
        migrate(conn)
    config = hall.folder / "other.yaml"
    config.write_text(hall.config.read_text().replace(hall.url, other))
    log = (hall.folder / "other.log").open("wb")
    command = [sys.executable, "-m", "retroproof", "ingest", "gateway", "serve", "--config", str(config)]
    second = subprocess.Popen(command, stderr=log)
    try:
        assert hall.host.wait(DEADLINE_S) == TAKEN_OVER
        assert hall.said("has taken over our session at the broker") == 1
        until(lambda: hall.state()["online"] is True)
        assert second.poll() is None
    finally:
        second.terminate()
        second.wait(DEADLINE_S)
        log.close()
        postgres.drop_database(name)


def test_a_device_with_a_name_beyond_measure_holds_nothing_up(hall, node):
    hall.start()
    node.begin(1.0, now_ms())
    until(lambda: hall.values("energy") == [1.0])
    endless = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=4_000))
    birth = sparkplug.encode(sparkplug.Payload(time_ms=now_ms(), sequence=2))
    hall.publish(f"spBv1.0/{GROUP}/DBIRTH/{hall.name}/{endless}", birth)
    hall.publish("heat", b"5")
    until(lambda: hall.values("heat") == [5.0])
    assert hall.said("at most 255 characters") == 1


def test_what_the_database_will_not_take_holds_nothing_up(hall):
    hall.conn.execute("ALTER TABLE telemetry.transport_reading ADD CHECK (value <> 666)")
    hall.start()
    with connect(hall.url) as other, other.transaction():
        other.execute("LOCK TABLE telemetry.transport_reading IN ACCESS EXCLUSIVE MODE")
        hall.publish("heat", b"1", b"666", b"2")
    until(lambda: hall.values("heat") == [1.0, 2.0])
    assert hall.said("not taken: the database refuses it") == 1


def test_a_gateway_that_is_revoked_is_not_heard_any_more(hall):
    hall.start()
    hall.publish("heat", b"1")
    until(lambda: hall.values("heat") == [1.0])
    register.revoke_device(hall.conn, hall.name)
    hall.publish("heat", b"2", b"3")
    until(lambda: hall.said(f"not taken: {hall.name} was revoked") > 0)
    assert hall.values("heat") == [1.0]


def test_transport_readings_are_never_among_the_signed_ones(hall, database):
    hall.start()
    hall.publish("heat", b"20")
    until(lambda: hall.values("heat") == [20.0])
    assert [len(one) for one in read.load_window(hall.conn, hall.name, ["heat"]).values()] == [0]
    assert {point.grade for point in read.points(hall.conn, hall.name)} == {Grade.TRANSPORT}
    assert gateway_read.load_window(hall.conn, hall.name, ["heat"])["heat"].grade is Grade.TRANSPORT
    assert re.search(r"^transport,heat,\d+,20.0,0,2$", run_readings(database, hall.name), re.MULTILINE)
    with pytest.raises(IngestError, match="signs nothing"):
        register.enroll(hall.conn, hall.name, Device().public_key, "hengkang")


def run_readings(url: str, name: str) -> str:
    return run("ingest", "gateway", "readings", "--gateway", name, url=url).replace("\r", "")


def test_a_device_that_signs_cannot_become_a_gateway(db, device):
    config = msgspec.convert({"enterprise": "hengkang", "points": {}}, GatewayFile)
    with pytest.raises(IngestError, match="a device that signs"):
        register_gateways(db, {device.name: config})
    register_gateways(db, {"gw": config})
    register.revoke_device(db, "gw")
    with pytest.raises(IngestError, match="was revoked"):
        register_gateways(db, {"gw": config})


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., object]:
    """Reads a file with these changes to a point that is right."""

    def load(*, name: str = "gw", group: str = "hall", **changes: str) -> object:
        point = {"unit": "kW", "kind": "gauge", **changes}
        body = ", ".join(f"{key}: {json.dumps(value)}" for key, value in point.items())
        path = tmp_path / "gateways.yaml"
        path.write_text(
            f"db: postgresql://u@127.0.0.1/d\nmqtt: mqtt://ingest@127.0.0.1\ngateways:\n  {name}:\n"
            f"    enterprise: hengkang\n    group: {json.dumps(group)}\n    points:\n      p: {{{body}}}\n"
        )
        return load_config(path)

    return load


def test_a_right_configuration_is_read(config):
    assert config(metric="Power").gateways["gw"].points["p"].unit == "kW"
    assert config(topic="a/b").host_id == "retroproof"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "either a Sparkplug metric or a topic"),
        ({"metric": "m", "topic": "t"}, "either a Sparkplug metric or a topic"),
        ({"metric": "m", "group": ""}, "needs the gateway's Sparkplug group"),
        ({"metric": "m", "group": "a/b"}, "group"),
        ({"topic": "batch"}, "not batch or sync"),
        ({"topic": "a/#"}, "without"),
        ({"topic": "t", "unit": "furlongs per fortnightt"}, "furlong"),
        ({"topic": "t", "kind": "wobble"}, "kind"),
        ({"topic": "t", "name": "Gate_Way"}, "is not a name"),
        ({"topic": "t", "valu": "x"}, "value"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(config, changes, said):
    with pytest.raises(RetroProofError, match=said):
        config(**changes)
