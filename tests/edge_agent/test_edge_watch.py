"""What an agent tells those who watch it: figures on loopback, and log lines that a machine can read."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.state import free_port
from edge_agent import logs
from edge_agent.clock import now_us
from edge_agent.config import load
from tests.edge_agent.support import wait_for
from tests.edge_agent.test_edge_config import changed, folder, load_yaml
from verification.errors import ConfigError

__all__ = ["folder"]


def figures(port: int) -> dict[str, float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_spool_uplink_and_sources_on_loopback(make_agent, make_opcua):
    line, port = make_opcua(points=["a"]), free_port()
    points = {
        "a": {"node": line.node("a"), "unit": "kWh", "kind": "counter"},
        "gone": {"node": line.node("gone"), "unit": "kWh", "kind": "counter"},
    }
    agent = make_agent(
        sources={"line": {"opcua": line.url, "security": "None", "points": points, "sampling_ms": 20}},
        metrics=f"127.0.0.1:{port}",
    )
    agent.ingest.start()
    agent.start()
    wait_for(lambda: agent.status().sources["line"].points["a"].state == "live", "a live point")
    line.tell(write=[("a", now_us(), 1.0), ("a", now_us() + 1, 2.0)])
    wait_for(lambda: figures(port).get("retroproof_edge_rows_total[a][line]", 0) >= 2, "two rows")
    wait_for(lambda: figures(port)["retroproof_edge_uplink_settled_total"] >= 2, "the catalogue and rows settled")
    wait_for(lambda: figures(port)["retroproof_edge_spool_batches"] == 0, "an empty spool")
    found = figures(port)
    assert found["retroproof_edge_uplink_connected"] == 1
    assert found["retroproof_edge_source_connected[line]"] == 1
    assert found["retroproof_edge_source_failed_points[line]"] == 1
    assert found["retroproof_edge_spool_full"] == 0
    assert abs(found["retroproof_edge_uplink_last_ack_seconds"] - now_us() / 1e6) < 60
    assert agent.stop() == 0
    with pytest.raises(httpx.ConnectError):
        figures(port)


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "10.0.0.5:9464", ":9464", "127.0.0.1", "127.0.0.1:0", "[::]:9464"])
def test_figures_are_served_to_this_machine_only(folder, address):
    with pytest.raises(ConfigError, match=r"not an address of this machine itself; write for example 127\.0\.0\.1"):
        load_yaml(folder, changed("metrics", address))


@pytest.mark.parametrize("address", ["127.0.0.1:9464", "[::1]:9464", "localhost:1"])
def test_every_name_of_loopback_is_taken(folder, address):
    load_yaml(folder, changed("metrics", address))
    assert load(folder / "edge.yaml").metrics == address


def test_a_port_that_is_taken_ends_the_start_with_a_plain_error(make_agent, make_opcua, uplink_broker):
    line = make_opcua(points=["a"])
    points = {"a": {"node": line.node("a"), "unit": "kWh", "kind": "counter"}}
    agent = make_agent(
        sources={"line": {"opcua": line.url, "security": "None", "points": points}},
        metrics=f"127.0.0.1:{uplink_broker.port}",
    )
    agent.start()
    wait_for(lambda: not agent.running(), "the end")
    assert "choose another port" in agent.log


def line_of(form: str, message: str, *values: object) -> str:
    record = logging.LogRecord("edge_agent.x", logging.WARNING, "f", 1, message, values, None)
    return {"json": logs._Json(), "logfmt": logs._Logfmt()}[form].format(record)


def test_the_fields_of_a_message_become_fields_of_the_line():
    line = json.loads(line_of("json", "the source is down: source=%s reason=%r count=%d", "line", "no route", 3))
    assert {key: line[key] for key in ("level", "from", "event", "source", "reason", "count")} == {
        "level": "warning",
        "from": "edge_agent.x",
        "event": "the source is down",
        "source": "line",
        "reason": "no route",
        "count": 3,
    }
    assert line_of("logfmt", "down: source=%s reason=%r", "line", "no route").endswith(
        'level=warning from=edge_agent.x event=down source=line reason="no route"'
    )


def test_a_message_without_fields_is_the_event():
    assert json.loads(line_of("json", "alarm: %s", "a copied spool"))["event"] == "alarm: a copied spool"
    assert 'event="stopping now"' in line_of("logfmt", "stopping now")


@pytest.mark.parametrize("form", logs.FORMS)
def test_a_device_cannot_write_log_lines_of_its_own(form):
    line = line_of(form, "bad payload: topic=%s", 'x\nlevel=error event="all is lost"\x1b[2J')
    assert "\n" not in line
    assert "\x1b" not in line


def test_a_field_cannot_pass_for_the_level_or_the_time():
    line = json.loads(line_of("json", "odd: level=%s time=%s", "debug", "never"))
    assert line["level"] == "warning"
    assert (line["level_"], line["time_"]) == ("debug", "never")
