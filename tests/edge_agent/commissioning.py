"""What the tests of commissioning share: configurations of one box, and what a plant says to it."""

from __future__ import annotations

import json
import threading

import pytest
import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.clock import now_us
from tests.support.peers import Peer
from verification import keys


@pytest.fixture
def write_config(tmp_path, uplink_broker):
    """Writes a configuration with these sources; gives its path. Its way to ingest is open."""
    device = f"check-{tmp_path.name.replace('_', '-').lower()}"[:60].strip("-")
    keys.generate(tmp_path / "edge.key")
    (tmp_path / "uplink.password").write_text(uplink_broker.add_device(device))
    (tmp_path / "uplink.password").chmod(0o600)

    def to(sources: dict, **changes: object):
        config = {
            "device": device,
            "signing_key": "edge.key",
            "ingest_key": "ed25519:" + "00" * 31 + "01",
            "uplink": {
                "mqtt": f"mqtt://{device}@127.0.0.1:{uplink_broker.port}",
                "password_file": "uplink.password",
            },
            "sources": sources,
        } | changes
        path = tmp_path / "edge.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    return to


class Gate:
    """A device of the plant that says the same again and again, and wants receipts."""

    def __init__(self, broker, topic: str, payload: object, every_s: float) -> None:
        self.receipts: list[bytes] = []
        self._every_s = every_s
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set("gate", broker.password("gate"))
        self._client.on_message = lambda _c, _d, message: self.receipts.append(message.payload)
        self._client.connect("127.0.0.1", broker.port)
        self._client.subscribe("badge/receipts")
        self._client.loop_start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._speak, args=(topic, json.dumps(payload)))
        self._thread.start()

    def _speak(self, topic: str, payload: str) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic, properties.CorrelationData = "badge/receipts", b"1"
        while not self._stop.wait(self._every_s):
            self._client.publish(topic, payload, qos=1, properties=properties)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def gate(plant_broker, tmp_path):
    made: list[Gate] = []

    def speak(payload: object, every_s: float = 0.1, **point: object) -> dict:
        topic = f"badge/{tmp_path.name}"
        made.append(Gate(plant_broker, topic, payload, every_s))
        (tmp_path / "gate.password").write_text(plant_broker.password("edge"))
        (tmp_path / "gate.password").chmod(0o600)
        staff = {"topic": topic, "value": "value", "unit": "heads", "kind": "gauge"} | point
        return {
            "mqtt": f"mqtt://edge@127.0.0.1:{plant_broker.port}",
            "password_file": "gate.password",
            "points": {"staff": staff},
        }

    speak.made = made
    yield speak
    for one in made:
        one.close()


@pytest.fixture
def hall(plant_broker, tmp_path):
    """npm's sparkplug-client as an edge node, and the configuration of a source that reads it."""
    login = {"user": "gateway", "password": plant_broker.password("gateway")}
    name = f"node-{tmp_path.name}"
    where = {"url": f"mqtt://127.0.0.1:{plant_broker.port}", "group": "hall", "node": name}
    node = Peer("sparkplug_node.js", login | where, tmp_path / "node.log").start()
    energy = {"name": "Energy/Total", "alias": 5, "type": "Double", "value": 12.5, "timestamp": now_us() // 1_000}
    label = {"name": "Label", "type": "String", "value": "A", "timestamp": now_us() // 1_000}
    node.tell(birth={"node": [label], "devices": {"meter": [energy]}})
    (tmp_path / "plant.password").write_text(plant_broker.password("edge"))
    (tmp_path / "plant.password").chmod(0o600)

    def source(**points: dict) -> dict:
        usual = {"edge_node": f"hall/{name}", "unit": "kWh", "kind": "counter"}
        return {
            "hall": {
                "sparkplug": f"mqtt://edge@127.0.0.1:{plant_broker.port}",
                "password_file": "plant.password",
                "points": {point: usual | changes for point, changes in points.items()},
            }
        }

    yield source
    node.kill()


@pytest.fixture
def office(tmp_path):
    """A drop folder with a roster in it, and its source."""
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "march.csv").write_text("日期,人数\n2026-03-01,62\n2026-03-02,64\n", encoding="gbk")
    staff = {"column": "人数", "unit": "heads", "kind": "gauge"}
    times = {"time": "日期", "time_format": "%Y-%m-%d", "time_zone": "Asia/Shanghai"}
    return drop, {"office": {"files": "drop", "points": {"staff": staff}, **times}}


def content(folder) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def opcua(url: str, **points: dict) -> dict:
    usual = {"unit": "kWh", "kind": "counter"}
    named = {name: usual | {"node": f"ns=2;s=Line1.{name}"} | changes for name, changes in points.items()}
    return {"line": {"opcua": url, "security": "None", "points": named}}
