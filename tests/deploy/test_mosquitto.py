"""The private brokers: nobody without a password, nobody on another's topics, back after a kill."""

from __future__ import annotations

import queue
import socket
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from deploy.local.errors import DeployError
from deploy.local.lingering import processes_in
from deploy.local.mosquitto import MosquittoBroker
from deploy.local.process import Supervisor

WAIT_S = 10
NOT_AUTHORIZED = 0x87
MAX_PACKET_BYTES = 512 * 1024


class Client:
    """A paho MQTT 5 client whose callbacks fill queues, so that a test waits for what the broker really said."""

    def __init__(self, broker, user, password, *, client_id="", keep_session=False):
        self.answers = queue.Queue()
        self.messages = queue.Queue()
        self._mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        if user:
            self._mqtt.username_pw_set(user, password)
        self._mqtt.on_connect = lambda _c, _u, _f, reason, _p: self.answers.put(reason.value)
        self._mqtt.on_disconnect = lambda _c, _u, _f, reason, _p: self.answers.put(reason.value)
        self._mqtt.on_subscribe = lambda _c, _u, _m, reasons, _p: self.answers.put(reasons[0].value)
        self._mqtt.on_publish = lambda _c, _u, _m, reason, _p: self.answers.put(reason.value)
        self._mqtt.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload))
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600 if keep_session else 0
        self._mqtt.connect(broker.host, broker.port, clean_start=not keep_session, properties=properties)
        self._mqtt.loop_start()
        self.connected = self.answers.get(timeout=WAIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def publish(self, topic, payload=b"x"):
        """The broker's reason code for a publish at QoS 1."""
        self._mqtt.publish(topic, payload, qos=1)
        return self.answers.get(timeout=WAIT_S)

    def subscribe(self, topic):
        """The broker's reason code for a subscription at QoS 1."""
        self._mqtt.subscribe(topic, qos=1)
        return self.answers.get(timeout=WAIT_S)

    def message(self):
        return self.messages.get(timeout=WAIT_S)


@pytest.fixture
def device():
    return f"edge-{uuid.uuid4().hex[:8]}"


def connect(broker, user, **options):
    return Client(broker, user, broker.password(user), **options)


@pytest.mark.parametrize(("user", "password"), [("", ""), ("ingest", "wrong"), ("stranger", "x")])
def test_nobody_connects_without_a_known_name_and_its_password(uplink_broker, user, password):
    with Client(uplink_broker, user, password) as client:
        assert client.connected == NOT_AUTHORIZED


def test_a_device_reaches_ingest_and_hears_its_acknowledgement(uplink_broker, device):
    uplink_broker.add_device(device)
    with connect(uplink_broker, "ingest") as ingest, connect(uplink_broker, device) as edge:
        assert (ingest.connected, edge.connected) == (0, 0)
        assert ingest.subscribe("plant/#") == 1
        assert edge.subscribe(f"ack/{device}/#") == 1
        assert edge.publish(f"plant/{device}/batch", b"reading") == 0
        assert ingest.message() == (f"plant/{device}/batch", b"reading")
        assert ingest.publish(f"ack/{device}/1", b"ok") == 0
        assert edge.message() == (f"ack/{device}/1", b"ok")


@pytest.mark.parametrize("topic", ["plant/another/batch", "ack/{device}/1", "badge/1", "plant"])
def test_a_device_may_not_write_outside_its_own_topics(uplink_broker, device, topic):
    uplink_broker.add_device(device)
    with connect(uplink_broker, device) as edge:
        assert edge.publish(topic.format(device=device)) == NOT_AUTHORIZED
        assert edge.publish(f"plant/{device}/batch") in {0, 0x10}


def test_a_device_hears_no_other_devices_acknowledgements(uplink_broker, device):
    other = f"{device}-other"
    uplink_broker.add_device(device)
    uplink_broker.add_device(other)
    with connect(uplink_broker, "ingest") as ingest, connect(uplink_broker, device) as edge:
        edge.subscribe("ack/#")
        ingest.publish(f"ack/{other}/1", b"theirs")
        ingest.publish(f"ack/{device}/1", b"ours")
        assert edge.message() == (f"ack/{device}/1", b"ours")


def test_on_the_plants_broker_the_gate_and_the_edge_each_have_one_direction(plant_broker):
    with connect(plant_broker, "gate") as gate, connect(plant_broker, "edge") as edge:
        assert edge.subscribe("badge/#") == 1
        assert gate.publish("badge/in", b"worker") == 0
        assert edge.message() == ("badge/in", b"worker")
        assert edge.publish("badge/in") == NOT_AUTHORIZED
        assert gate.publish("receipt/1") == NOT_AUTHORIZED


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "a" * 65, ".hidden", "ingest", "a b", "a\n"])
def test_a_name_that_could_mean_another_topic_or_user_is_refused(uplink_broker, name):
    with pytest.raises(DeployError, match="cannot name a device"):
        uplink_broker.add_device(name)


def test_the_longest_name_is_accepted_and_keeps_its_password(uplink_broker):
    name = "a" * 64
    assert uplink_broker.add_device(name) == uplink_broker.add_device(name) == uplink_broker.password(name)


def test_the_plants_broker_takes_no_devices(plant_broker, device):
    with pytest.raises(DeployError, match="Only the uplink"):
        plant_broker.add_device(device)
    with pytest.raises(DeployError, match=f"no user '{device}'"):
        plant_broker.password(device)


def test_adding_a_device_leaves_the_others_connected(uplink_broker, device):
    with connect(uplink_broker, "ingest") as ingest:
        uplink_broker.add_device(device)
        assert ingest.subscribe("plant/#") == 1


def test_devices_that_are_added_at_the_same_time_are_all_let_in(uplink_broker, device):
    names = [f"{device}-{number}" for number in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        passwords = list(pool.map(uplink_broker.add_device, names))
    for name, password in zip(names, passwords, strict=True):
        assert uplink_broker.password(name) == password
        with connect(uplink_broker, name) as client:
            assert client.connected == 0


def test_a_packet_above_the_bound_is_refused_and_one_below_it_passes(uplink_broker, device):
    uplink_broker.add_device(device)
    topic = f"plant/{device}/batch"
    with connect(uplink_broker, device) as edge:
        assert edge.publish(topic, bytes(MAX_PACKET_BYTES - 200)) in {0, 0x10}
    with connect(uplink_broker, device) as edge:
        assert edge.publish(topic, bytes(MAX_PACKET_BYTES + 1)) >= 0x80


def test_passwords_are_private_and_hashed_for_the_broker(uplink_broker):
    config = uplink_broker.folder / "config"
    for path in (uplink_broker.folder / "state.json", config / "passwords", config / "mosquitto.conf"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert uplink_broker.password("ingest") not in (config / "passwords").read_text()


def test_a_restarted_broker_has_its_port_its_devices_and_its_queued_messages(servers, own_folder, device):
    with Supervisor() as supervisor:
        broker = MosquittoBroker(servers, own_folder / "uplink", "uplink")
        broker.add_device(device)
        broker.start(supervisor)
        with connect(broker, "ingest", client_id="ingest-1", keep_session=True) as ingest:
            ingest.subscribe("plant/#")
        with connect(broker, device) as edge:
            edge.publish(f"plant/{device}/batch", b"queued")
        port = broker.port
        broker.stop()
        broker = MosquittoBroker(servers, own_folder / "uplink", "uplink")
        broker.start(supervisor)
        assert broker.port == port
        with connect(broker, "ingest", client_id="ingest-1", keep_session=True) as ingest:
            assert ingest.message() == (f"plant/{device}/batch", b"queued")


def test_a_killed_broker_starts_again_on_its_port_and_moves_only_if_the_port_is_taken(servers, own_folder):
    with Supervisor() as supervisor:
        broker = MosquittoBroker(servers, own_folder / "plant", "plant")
        broker.start(supervisor)
        port = broker.port
        broker.kill()
        assert processes_in(broker.folder / "data") == []
        broker.start(supervisor)
        assert broker.port == port
        broker.stop()
        with socket.create_server((broker.host, port)):
            broker.start(supervisor)
            assert broker.port != port
            with connect(broker, "gate") as gate:
                assert gate.connected == 0
