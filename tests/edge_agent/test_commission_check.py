"""`edge check-config --connect` and `edge dry-run`: mistakes show before the agent runs, and nothing is touched."""

from __future__ import annotations

import hashlib
import json
import threading

import pytest
import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.clock import now_us
from edge_agent.commission.check_opcua import judge_clock
from edge_agent.commission.findings import PointCheck
from tests.edge_agent.odd_server import serving
from tests.edge_agent.support import free_port, wait_for
from tests.edge_agent.test_edge_cli import run
from tests.support.peers import Peer
from verification import keys


@pytest.fixture(scope="module")
def url():
    with serving() as address:
        yield address


@pytest.fixture
def write(tmp_path, uplink_broker):
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


def opcua(url: str, **points: dict) -> dict:
    usual = {"unit": "kWh", "kind": "counter"}
    named = {name: usual | {"node": f"ns=2;s=Line1.{name}"} | changes for name, changes in points.items()}
    return {"line": {"opcua": url, "security": "None", "points": named}}


def check(path, *words: object) -> tuple[int, str]:
    done = run("check-config", path, "--connect", *words)
    return done.exit_code, done.output


def test_a_point_that_can_be_used_shows_value_status_skew_and_what_was_granted(url, write):
    code, shown = check(write(opcua(url, energy={})))
    assert code == 0, shown
    (line,) = [line for line in shown.splitlines() if line.lstrip().startswith("line")]
    source, point, value, unit, status, skew, _, sampling, _, queue, verdict = line.split()
    assert (source, point, value, unit, status, verdict) == ("line", "energy", "12.5", "kWh", "Good", "ok")
    assert abs(float(skew)) < 5
    assert float(sampling) >= 0
    assert int(queue) > 0
    assert "1 of 1 points can be used; 1 of 1 ways are open" in shown
    assert "note: line.energy: the server keeps no history of it" in shown


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("energy", {"node": "ns=2;s=gone"}, "Look for it with: retroproof edge browse"),
        ("energy", {"unit": "t"}, "the plant says kWh, the configuration t: one of them is wrong"),
        ("exported", {}, "the plant counts in MWh; values are kept as they come, so write unit: MWh"),
        ("recipe", {"unit": "1", "kind": "state"}, "String"),
        ("zones", {"unit": "1", "kind": "gauge"}, "array"),
        ("secret", {}, "ask its administrator"),
        ("unset", {}, "its clock was never set"),
        ("broken", {}, "the status is BadSensorFailure: look at the device"),
        ("nothing", {}, "the value is no finite number"),
    ],
)
def test_what_is_wrong_with_a_point_is_said_with_its_mend(url, write, name, changes, message):
    code, shown = check(write(opcua(url, **{name: changes}, **({"energy": {}} if name != "energy" else {}))))
    assert code == 1
    problems = [line for line in shown.splitlines() if line.startswith(f"PROBLEM: line.{name}: ")]
    assert any(message in line for line in problems), shown
    if name != "energy":  # the others are judged all the same
        assert "1 of 2 points can be used" in shown


@pytest.mark.parametrize(
    ("ahead_us", "skew", "problem"),
    [
        (4_900_000, "+4.9 s", []),
        (-4_900_000, "-4.9 s", []),
        (5_100_000, "+5.1 s", ["the server's clock is 5 s ahead of this machine's; have both use NTP"]),
        (-3_600_000_000, "-3600.0 s", ["the server's clock is 3600 s behind this machine's; have both use NTP"]),
        (None, "-", []),
    ],
)
def test_a_servers_clock_may_be_five_seconds_off(ahead_us, skew, problem):
    found = PointCheck("line", "energy")
    judge_clock(found, ahead_us)
    assert (found.skew, found.problems) == (skew, problem)


def test_what_many_points_share_is_said_once(write):
    nobody = f"opc.tcp://127.0.0.1:{free_port()}"
    code, shown = check(write(opcua(nobody, energy={}, steam={}, unset={}, broken={})))
    assert code == 1
    (line,) = [line for line in shown.splitlines() if line.startswith("PROBLEM: line.")]
    assert "line.energy, line.steam, line.unset and 1 more: " in line
    assert "Does the server run" in line


def test_an_uplink_that_is_not_open_is_a_problem(url, write):
    uplink = {"https": f"http://127.0.0.1:{free_port()}"}
    code, shown = check(write(opcua(url, energy={}), uplink=uplink))
    assert code == 1
    assert "PROBLEM: uplink http://127.0.0.1:" in shown
    assert "0 of 1 ways are open" in shown


class Gate:
    """A device of the plant that says the same again and again, and wants receipts."""

    def __init__(self, broker, topic: str, payload: object) -> None:
        self.receipts: list[bytes] = []
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
        while not self._stop.wait(0.1):
            self._client.publish(topic, payload, qos=1, properties=properties)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def gate(plant_broker, tmp_path):
    made: list[Gate] = []

    def speak(payload: object, **point: object) -> dict:
        topic = f"badge/{tmp_path.name}"
        made.append(Gate(plant_broker, topic, payload))
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


def test_mqtt_points_are_heard_without_being_taken(write, gate):
    code, shown = check(write({"gate": gate({"value": 12})}), "--wait", 20)
    assert code == 0, shown
    assert next(line.split()[:5] for line in shown.splitlines() if "staff" in line) == [
        "gate",
        "staff",
        "12",
        "heads",
        "Good",
    ]
    assert gate.made[0].receipts == []


@pytest.mark.parametrize(
    ("payload", "point", "message"),
    [
        ({"worth": 12}, {}, "value"),
        ({"value": "many"}, {}, "value"),
        ({"value": 1, "time": "2000-01-01T00:00:00Z"}, {"time": "time"}, "over a minute from this machine's"),
    ],
)
def test_a_payload_that_is_not_as_configured_is_a_problem(write, gate, payload, point, message):
    code, shown = check(write({"gate": gate(payload, **point)}), "--wait", 20)
    assert code == 1
    assert any(message in line for line in shown.splitlines() if line.startswith("PROBLEM: gate.staff"))


def test_a_device_that_is_silent_is_a_note(write, gate):
    code, shown = check(write({"gate": gate({"value": 1}, topic="badge/nobody")}), "--wait", 1)
    assert code == 0
    assert "note: gate.staff: nothing came within 1 s" in shown
    assert "0 of 1 points can be used, 1 were not seen; 1 of 1 ways are open" in shown


def test_a_dry_run_shows_the_batches_and_leaves_nothing(write, gate, make_opcua, tmp_path):
    line = make_opcua(points=["a"])
    points = {"a": {"node": line.node("a"), "unit": "kWh", "kind": "counter"}}
    source = {"opcua": line.url, "security": "None", "sampling_ms": 20, "publishing_ms": 50, "points": points}
    path = write({"line": source, "gate": gate({"value": 12})})
    before = sorted(tmp_path.iterdir())
    stop = threading.Event()

    def produce() -> None:
        while not stop.wait(0.1):
            line.tell(write=[("a", now_us(), 42.5)])

    producer = threading.Thread(target=produce)
    producer.start()
    done = run("dry-run", "--config", path, "--seconds", 5, "--rows", 100)
    stop.set()
    producer.join()
    assert done.exit_code == 0, done.output
    assert "batch 0: names 2 points;" in done.output
    assert "a = 42.5 kWh  Good" in done.output
    assert "staff = 12 heads  Good" in done.output
    assert "nothing was sent" in done.output
    assert sorted(tmp_path.iterdir()) == before
    assert gate.made[0].receipts == []


def test_a_dry_run_says_what_it_could_not_read(write, url):
    done = run(
        "dry-run", "--config", write(opcua(url, energy={}, recipe={"unit": "1", "kind": "state"})), "--seconds", 2
    )
    assert done.exit_code == 1
    assert "PROBLEM: line: recipe: " in done.output
    assert "energy = 12.5 kWh" in done.output


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


def test_a_sparkplug_node_is_asked_for_its_birth(write, hall):
    code, shown = check(write(hall(energy={"device": "meter", "metric": "Energy/Total"})), "--wait", 30)
    assert code == 0, shown
    assert ["hall", "energy", "12.5", "kWh", "Good"] in [line.split()[:5] for line in shown.splitlines()]


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"device": "meter", "metric": "Energy/Totals"}, "did you mean 'meter: Energy/Total'?"),
        ({"metric": "Label"}, "the point needs a number"),
        ({"edge_node": "hall/nobody", "metric": "x"}, "was not born within 3 s of being asked"),
    ],
)
def test_a_sparkplug_metric_that_is_not_there_is_a_problem(write, hall, point, message):
    code, shown = check(write(hall(one=point)), "--wait", 3)
    assert code == 1
    assert any(message in line for line in shown.splitlines() if line.startswith("PROBLEM: hall.one")), shown


def test_a_dry_run_asks_sparkplug_nodes_for_their_births_and_shows_what_they_say(write, hall):
    points = {"energy": {"device": "meter", "metric": "Energy/Total"}, "label": {"metric": "Label"}}
    done = run("dry-run", "--config", write(hall(**points)), "--seconds", 8)
    assert "batch 0: names 2 points;" in done.output
    assert "energy = 12.5 kWh  Good" in done.output
    assert "PROBLEM: hall: label: " in done.output
    assert "note: nothing came of label" in done.output
    assert done.exit_code == 1


def test_a_dry_run_names_a_sparkplug_node_that_is_not_there(write, hall):
    done = run("dry-run", "--config", write(hall(one={"edge_node": "hall/nobody", "metric": "x"})), "--seconds", 2)
    assert done.exit_code == 1
    assert "PROBLEM: hall: not born within 2 s of being asked: hall/nobody; do they run?" in done.output


# ---- files


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


def test_a_dry_run_shows_the_files_that_wait_and_leaves_them_where_they_are(write, office, tmp_path):
    drop, source = office
    path = write(source)
    before = content(tmp_path)
    for _ in range(2):  # the first has marked nothing as read
        done = run("dry-run", "--config", path, "--seconds", 1)
        assert done.exit_code == 0, done.output
        sha256 = hashlib.sha256((drop / "march.csv").read_bytes()).hexdigest()
        assert "names file march.csv of 2 readings;" in done.output
        assert f"sha256 {sha256}" in done.output
        assert "2026-02-28 16:00:00.000 UTC  staff = 62 heads  Good  manual" in done.output
        assert "2 readings in 1 s; nothing was sent" in done.output
    assert content(tmp_path) == before


def test_the_agent_takes_a_file_after_a_dry_run_has_shown_it(office, make_agent):
    drop, source = office
    agent = make_agent(sources=source)
    (agent.folder / "drop").mkdir()
    (agent.folder / "drop" / "march.csv").write_bytes((drop / "march.csv").read_bytes())
    agent.ingest.start()
    agent.config_path.write_text(yaml.safe_dump(agent.config, sort_keys=False))
    assert "2 readings" in run("dry-run", "--config", agent.config_path, "--seconds", 1).output
    agent.start()
    wait_for(lambda: sorted(value for _, _, value in agent.ingest.rows()) == [62.0, 64.0], "its rows, once")
    wait_for((agent.folder / "drop" / "done" / "march.csv").exists, "it is moved now")


def test_a_dry_run_names_file_line_and_column_of_what_would_be_refused(write, office, tmp_path):
    drop, source = office
    (drop / "april.csv").write_text("日期,人数\n2026-04-01,6O\n", encoding="utf-8")
    path = write(source)
    before = content(tmp_path)
    done = run("dry-run", "--config", path, "--seconds", 1)
    assert done.exit_code == 1
    assert "PROBLEM: office: april.csv, line 2, column '人数': not a number: '6O'" in done.output
    assert "staff = 62 heads" in done.output
    assert content(tmp_path) == before


def test_a_folder_is_checked_by_the_files_that_wait_in_it(write, office, tmp_path):
    drop, source = office
    path = write(source)
    before = content(tmp_path)
    code, shown = check(path)
    assert code == 0, shown
    assert ["office", "staff", "64", "heads"] in [line.split()[:4] for line in shown.splitlines()]
    assert content(tmp_path) == before
    (drop / "april.csv").write_text("日期,人数\n2026-04-01,6O\n", encoding="utf-8")
    code, shown = check(path)
    assert code == 1
    assert "PROBLEM: office.staff: would be refused: april.csv, line 2, column '人数': not a number: '6O'" in shown
    for file in drop.iterdir():
        file.unlink()
    code, shown = check(path)
    assert code == 0
    assert "note: office.staff: none of the 0 files that wait in" in shown
    assert "0 of 1 points can be used, 1 were not seen" in shown
