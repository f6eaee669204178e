"""The agent against the simulated potline and its badge gate: what arrives is what the plant's own ledger says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from deploy.local.mosquitto import MosquittoBroker
from simulators.plants.potline import Potline
from tests.edge_agent.support import AgentProcess, ReadingRow, wait_for

OPCUA_POINTS = [name for name, point in Potline.points.items() if point.protocol == "opcua"]


def produced(ledger: Path) -> Counter[ReadingRow]:
    lines = (line.split(",") for line in ledger.read_text(encoding="utf-8").splitlines()[1:])
    return Counter((point, int(time_us), float(value)) for point, time_us, value, *_ in lines)


def make_potline_agent(make_agent, opcua_url: str, broker: MosquittoBroker) -> AgentProcess:
    potline = {name: {"node": f"ns=2;s=Potline1.{name}", "unit": "1", "kind": "gauge"} for name in OPCUA_POINTS}
    staff = {"topic": "badge/potline1/staff_on_shift", "value": "value", "time": "time", "quality": "quality"}
    gate = {
        "mqtt": f"mqtt://edge@127.0.0.1:{broker.port}",
        "password_file": "gate.password",
        "points": {"staff_on_shift": staff | {"unit": "heads", "kind": "gauge"}},
    }
    agent = make_agent(sources={"potline": {"opcua": opcua_url, "security": "None", "points": potline}, "gate": gate})
    password = agent.folder / "gate.password"
    password.write_text(broker.password("edge"))
    password.chmod(0o600)
    return agent


def test_every_reading_of_the_potline_arrives_once_although_the_agent_is_killed(
    make_agent, tmp_path: Path, plant_broker: MosquittoBroker
):
    ledger = tmp_path / "ledger.csv"
    gate_url = f"mqtt://gate:{plant_broker.password('gate')}@127.0.0.1:{plant_broker.port}"
    command = [
        sys.executable,
        "-m",
        "retroproof",
        "simulate",
        "run",
        "hengkang",
        "--until",
        "now",
        "--ledger",
        ledger,
    ]
    span = ["--baseline-days", "5", "--works-days", "1", "--reporting-days", "1", "--rate-hz", "5"]
    ports = ["--opcua-port", "0", "--mqtt", gate_url]
    with subprocess.Popen([*command, *span, *ports], stdout=subprocess.PIPE, text=True) as plant:
        assert plant.stdout is not None
        agent = make_potline_agent(make_agent, json.loads(plant.stdout.readline())["opcua"], plant_broker)
        agent.ingest.start()
        agent.start()
        wait_for(lambda: len(agent.ingest.rows()) > 1000, "part of the history")
        agent.kill()
        agent.start()
        history = produced(ledger)
        wait_for(lambda: not history - Counter(agent.ingest.rows()), "what had been produced by then")
        agent.kill()
        agent.start()
        wait_for(lambda: agent.status().sources["potline"].points["ambient"].state == "live", "live again")
        more = produced(ledger)
        wait_for(lambda: not more - Counter(agent.ingest.rows()), "what was produced in the meantime")
        plant.send_signal(signal.SIGTERM)
        plant.wait(20)
    assert agent.stop() == 0
    arrived = Counter(agent.ingest.rows())
    assert not arrived - produced(ledger), "nothing twice, and nothing that was not produced"
    assert not more - arrived
    assert agent.ingest.gaps() == []
