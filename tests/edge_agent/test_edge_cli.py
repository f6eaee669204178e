"""`retroproof edge`, as a person types it; and that an edge box needs no more than the `edge` extra."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.cli import edge
from edge_agent.table import table
from tests.edge_agent.support import wait_for
from verification import keys

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = """\
device: box-1
signing_key: edge.key
ingest_key: "ed25519:{zeros}01"
uplink: {{mqtt: "mqtt://box-1@127.0.0.1:1883"}}
sources:
  line:
    opcua: opc.tcp://127.0.0.1:4840/line
    security: None
    points:
      energy: {{node: "ns=2;s=energy", unit: kWh, kind: counter, meter: M-1}}
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    keys.generate(tmp_path / "edge.key")
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG.format(zeros="00" * 31))
    return path


def run(*arguments: object):
    return CliRunner().invoke(edge, [str(argument) for argument in arguments])


def test_keygen_writes_a_private_key_and_prints_the_public_one(tmp_path):
    result = run("keygen", "--out", tmp_path / "new.key")
    assert result.exit_code == 0
    key = keys.load_private(tmp_path / "new.key")
    assert keys.public_text(key) in result.output
    assert keys.key_id(key).hex() in result.output
    assert run("keygen", "--out", tmp_path / "new.key").exit_code == 64


def test_check_config_shows_every_point(config_file):
    result = run("check-config", config_file)
    assert result.exit_code == 0
    assert "line    energy  ns=2;s=energy  kWh   counter  M-1" in result.output


def test_check_config_refuses_with_64_and_says_where(config_file):
    config_file.write_text(config_file.read_text().replace("unit: kWh", "units: kWh"))
    result = run("check-config", config_file)
    assert result.exit_code == 64
    assert f"{config_file}:10:" in result.output
    assert "did you mean 'unit'" in result.output


def test_status_says_that_no_agent_runs(config_file):
    result = run("status", "--config", config_file)
    assert result.exit_code == 1
    assert "not running" in result.output


def test_status_shows_a_running_agent_and_its_end(make_agent, make_opcua):
    server = make_opcua(points=["a"])
    points = {"a": {"node": server.node("a"), "unit": "kWh", "kind": "counter"}}
    agent = make_agent(sources={"line": {"opcua": server.url, "security": "None", "points": points, "sampling_ms": 20}})
    agent.ingest.start()
    agent.start()
    wait_for(lambda: agent.status().sources["line"].points["a"].state == "live", "a is live")
    wait_for(lambda: agent.status().uplink.last_ack_us is not None, "an acknowledgement")
    running = run("status", "--config", agent.config_path)
    assert running.exit_code == 0
    for text in (f"running, pid {agent.pid}", "uplink  connected, last ack", "live", "1000 ms (asked 20)"):
        assert text in running.output
    body = json.loads(run("status", "--config", agent.config_path, "--json").output)
    assert body["running"] is True
    assert body["status"]["sources"]["line"]["points"]["a"]["historizing"] is True
    agent.kill()
    ended = run("status", "--config", agent.config_path)
    assert ended.exit_code == 1
    assert "NOT RUNNING" in ended.output


def test_a_strangers_text_cannot_move_the_terminals_cursor(tmp_path):
    """Names and values come from servers that are not ours."""
    assert list(table(("NAME", "N"), [("\x1b[2Ja\r\nb", "1")])) == ["NAME      N", " [2Ja  b  1"]
    refused = run("check-config", tmp_path / "a\x1b[31m.yaml")
    assert refused.exit_code == 64
    assert "\x1b" not in refused.output


def test_the_edge_loads_nothing_heavy():
    """What is installed besides must not be pulled in either: an edge box has little memory."""
    look = (
        "import sys, edge_agent.agent, edge_agent.cli, edge_agent.commission.cli, edge_agent.identity.cli; "
        "print([n for n in ('numpy','pandas','psycopg','fastapi') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
