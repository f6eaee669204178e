"""`edge dry-run` shows the batches of every kind of source, sends nothing and takes nothing."""

from __future__ import annotations

import hashlib
import threading

import pytest
import yaml

from edge_agent.clock import now_us
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
