"""`edge dry-run` shows the batches of every kind of source, sends nothing and takes nothing."""

from __future__ import annotations

import hashlib
import re
import threading

import pytest
import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.clock import now_us
from edge_agent.sources import files
from tests.edge_agent.commissioning import content, opcua
from tests.edge_agent.odd_server import serving
from tests.edge_agent.support import wait_for
from tests.edge_agent.test_edge_cli import run


@pytest.fixture(scope="module")
def url():
    with serving() as address:
        yield address


def test_a_dry_run_shows_the_batches_and_leaves_nothing(write_config, gate, make_opcua, tmp_path):
    line = make_opcua(points=["a"])
    points = {"a": {"node": line.node("a"), "unit": "kWh", "kind": "counter"}}
    source = {"opcua": line.url, "security": "None", "sampling_ms": 20, "publishing_ms": 50, "points": points}
    path = write_config({"line": source, "gate": gate({"value": 12})})
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


def test_a_dry_run_says_what_it_could_not_read(write_config, url):
    path = write_config(opcua(url, energy={}, recipe={"unit": "1", "kind": "state"}))
    done = run("dry-run", "--config", path, "--seconds", 2)
    assert done.exit_code == 1
    assert "PROBLEM: line: recipe: " in done.output
    assert "energy = 12.5 kWh" in done.output


def test_a_dry_run_asks_sparkplug_nodes_for_their_births_and_shows_what_they_say(write_config, hall):
    points = {"energy": {"device": "meter", "metric": "Energy/Total"}, "label": {"metric": "Label"}}
    done = run("dry-run", "--config", write_config(hall(**points)), "--seconds", 8)
    assert "batch 0: names 2 points;" in done.output
    assert "energy = 12.5 kWh  Good" in done.output
    assert "PROBLEM: hall: label: " in done.output
    assert "note: nothing came of label" in done.output
    assert done.exit_code == 1


def test_a_dry_run_names_a_sparkplug_node_that_is_not_there(write_config, hall):
    path = write_config(hall(one={"edge_node": "hall/nobody", "metric": "x"}))
    done = run("dry-run", "--config", path, "--seconds", 2)
    assert done.exit_code == 1
    assert "PROBLEM: hall: not born within 2 s of being asked: hall/nobody; do they run," in done.output


def test_a_dry_run_shows_the_files_that_wait_and_leaves_them_where_they_are(write_config, office, tmp_path):
    drop, source = office
    path = write_config(source)
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


def test_a_dry_run_names_file_line_and_column_of_what_would_be_refused(write_config, office, tmp_path):
    drop, source = office
    (drop / "april.csv").write_text("日期,人数\n2026-04-01,6O\n", encoding="utf-8")
    path = write_config(source)
    before = content(tmp_path)
    done = run("dry-run", "--config", path, "--seconds", 1)
    assert done.exit_code == 1
    assert "PROBLEM: office: april.csv, line 2, column '人数': not a number: '6O'" in done.output
    assert "staff = 62 heads" in done.output
    assert content(tmp_path) == before


@pytest.mark.parametrize("version", [5, "3.1.1"])
def test_a_dry_run_hears_a_busy_broker_to_the_end_and_sends_no_receipt(write_config, gate, version):
    source = gate({"value": 12}, every_s=0.005) | {"version": version}
    done = run("dry-run", "--config", write_config({"gate": source}), "--seconds", 3)
    assert done.exit_code == 0, done.output
    (heard,) = re.findall(r"(\d+) readings in 3 s", done.output)
    assert int(heard) > 150  # a broker lets 100 messages wait for their acknowledgement, and others 20
    assert gate.made[0].receipts == []


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_a_file_that_is_taken_away_or_cannot_be_read_meanwhile_ends_nothing(write_config, office, monkeypatch, error):
    drop, source = office
    (drop / "april.csv").write_bytes((drop / "march.csv").read_bytes().replace(b"-03-", b"-04-"))
    path = write_config(source)
    read = files.contents

    def taken_away(path):
        if path.name == "april.csv":
            raise error(f"{path}: gone")
        return read(path)

    monkeypatch.setattr(files, "contents", taken_away)
    done = run("dry-run", "--config", path, "--seconds", 1)
    assert "2 readings in 1 s" in done.output, done.exception
    checked = run("check-config", path, "--connect")
    assert "62" in checked.output or "64" in checked.output, checked.exception
    told = [line for shown in (done, checked) for line in shown.output.splitlines() if "april.csv: " in line]
    assert len(told) == (2 if error is PermissionError else 0), told


def test_two_folders_may_hold_the_same_file(write_config, office, tmp_path):
    drop, source = office
    (tmp_path / "yard").mkdir()
    (tmp_path / "yard" / "march.csv").write_bytes((drop / "march.csv").read_bytes())
    points = {"workers": source["office"]["points"]["staff"]}
    path = write_config(source | {"yard": source["office"] | {"files": "yard", "points": points}})
    done = run("dry-run", "--config", path, "--seconds", 1)
    assert "4 readings in 1 s" in done.output, done.exception


def test_a_server_none_of_whose_points_can_be_read_is_not_said_to_be_away(write_config, url):
    path = write_config(opcua(url, recipe={"unit": "1", "kind": "state"}))
    done = run("dry-run", "--config", path, "--seconds", 2)
    assert "PROBLEM: line: recipe: " in done.output
    assert "no session" not in done.output
    assert done.exit_code == 1


def test_what_a_broker_retains_is_not_shown_as_a_reading_since_the_agent_takes_none(write_config, gate, plant_broker):
    source = gate({"value": 12}) | {"version": "3.1.1"}
    gate.made.pop().close()
    topic = source["points"]["staff"]["topic"]
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("gate", plant_broker.password("gate"))
    client.connect("127.0.0.1", plant_broker.port)
    client.loop_start()
    client.publish(topic, '{"value": 99}', qos=1, retain=True).wait_for_publish(10)
    path = write_config({"gate": source})
    done = run("dry-run", "--config", path, "--seconds", 2)
    checked = run("check-config", path, "--connect", "--wait", 2)
    client.publish(topic, b"", qos=1, retain=True).wait_for_publish(10)  # leave nothing
    client.disconnect()
    client.loop_stop()
    assert "0 readings in 2 s" in done.output
    assert "note: nothing came of staff" in done.output
    assert "not seen" in checked.output
