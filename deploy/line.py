"""One simulated line at the platform: the plant as a process, its ledger, and the edge agent that reads it.

Every line is a device of its own, with its own keys, spool and gate topic, in a folder below the stack's. A line that
is started again goes on where it stopped. What the plant is, `retroproof simulate` knows; this module starts it.
"""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from deploy.local.process import Child
from deploy.local.state import HOST, State, write_private
from deploy.parts import Parts
from deploy.stack import READY_DEADLINE_S, Stack, written_since


class Line(Parts):
    """The line of `scenario` as `device`; `plant` are further options of `retroproof simulate`, such as --seed."""

    def __init__(self, stack: Stack, device: str, scenario: str, enterprise: str, plant: Sequence[str] = ()) -> None:
        super().__init__(stack.supervisor)
        self.stack = stack
        self.device = device
        self.scenario = scenario
        self.enterprise = enterprise
        self.plant = tuple(plant)
        self.folder = stack.folder / "lines" / device
        self.folder.mkdir(parents=True, exist_ok=True)
        self._opcua_state = State.load(self.folder / "opcua-state.json")

    @property
    def ledger(self) -> Path:
        """The simulator's own record of everything that the plant produced."""
        return self.folder / "plant-ledger.csv"

    @property
    def rosters(self) -> Path:
        """The folder into which the plant's shift leaders drop their rosters; there is one where they write any."""
        return self.folder / "rosters"

    def enrol(self) -> None:
        """Make the device's key, have the platform know it, and write the agent's configuration."""
        key = self.stack.make_key("edge", self.folder / "edge.key")
        enrolment = ("--device", self.device, "--key", key, "--enterprise", self.enterprise)
        self.stack.command("ingest", "enroll", *enrolment)
        self._write_configuration()

    def start_plant(self, until: str, *more: str) -> dict[str, object]:
        """The simulated plant, whose present is `until`; returns what it says of itself once it serves."""
        broker = self.stack.plant_broker
        gate = f"mqtt://gate:{broker.password('gate')}@{HOST}:{broker.port}"
        options = ["--until", until, "--opcua-port", str(self._opcua_state.port), "--ledger", str(self.ledger)]
        if self.rosters.is_dir():
            options += ["--rosters", str(self.rosters)]
        arguments = ("simulate", "run", self.scenario, *self.plant, "--gate", self.device, *options, *more)
        log = self.stack.log_of(self._name("plant"))
        mark = log.stat().st_size if log.exists() else 0
        child = self._start("plant", *arguments, env={"RETROPROOF_SIMULATE_MQTT": gate})
        child.wait_ready(lambda: '"ready": true' in written_since(log, mark), deadline_s=READY_DEADLINE_S)
        said = next(line for line in written_since(log, mark).splitlines() if '"ready": true' in line)
        ready: dict[str, object] = json.loads(said)
        # Without a first day the simulator counts back from today; from now on the day is this plant's own.
        if "--first-day" not in self.plant:
            self.plant += ("--first-day", str(ready["baseline_start"])[:10])
        return ready

    def start_agent(self) -> None:
        """The edge agent; it connects to everything by itself, so there is nothing to wait for."""
        self._start("agent", "edge", "run", "--config", self.folder / "edge.yaml")

    def simulate(self, command: str, *more: str) -> str:
        """What `retroproof simulate` says of this very plant."""
        return self.stack.command("simulate", command, self.scenario, *self.plant, *more)

    def _start(self, part: str, *arguments: str | Path, env: dict[str, str] | None = None) -> Child:
        self.children[part] = self.stack.start_child(self._name(part), *arguments, env=env)
        return self.children[part]

    def _name(self, part: str) -> str:
        return f"{part}-{self.device}"

    def _write_configuration(self) -> None:
        """The agent's YAML file, anew, since ports may have changed."""
        sources = self._sources()
        if "roster" in sources:
            self.rosters.mkdir(exist_ok=True)
        template = string.Template((resources.files("deploy.config") / "edge.yaml").read_text(encoding="utf-8"))
        filled = template.substitute(
            device=self.device,
            ingest_key=self.stack.make_key("ingest", self.stack.folder / "ingest.key"),
            uplink=f"mqtt://{self.device}@{HOST}:{self.stack.uplink.port}",
            sources=yaml.safe_dump({"sources": sources}, sort_keys=False, allow_unicode=True),
        )
        write_private(self.folder / "edge.yaml", filled)
        write_private(self.folder / "uplink.password", self.stack.uplink.add_device(self.device))
        write_private(self.folder / "gate.password", self.stack.plant_broker.password("edge"))

    def _sources(self) -> dict[str, dict[str, Any]]:
        """Every point that the plant serves, under the source that reads it."""
        sources: dict[str, dict[str, Any]] = {}
        opcua = f"opc.tcp://{HOST}:{self._opcua_state.claim_port()}/retroproof"
        for point in json.loads(self.simulate("points", "--gate", self.device)):
            match point["protocol"]:
                case "opcua":
                    source, keys = "line", {"opcua": opcua, "security": "None"}
                    address = {"node": point["address"]}
                case "mqtt":
                    broker = f"mqtt://edge@{HOST}:{self.stack.plant_broker.port}"
                    source, keys = "gate", {"mqtt": broker, "password_file": "gate.password"}
                    address = {"topic": point["address"], "value": "value", "time": "time", "quality": "quality"}
                case _:
                    source, keys = "roster", {"files": self.rosters.name} | point["layout"]
                    address = point["address"]
            meter = {"meter": point["meter"]} if point["meter"] else {}
            points = sources.setdefault(source, keys | {"points": {}})["points"]
            points[point["name"]] = address | {"unit": point["unit"], "kind": point["kind"]} | meter
        return sources
