"""How the platform is used in a scenario: honestly, or in one of the ways that must not pass.

Each tale drives one line and its project from the first reading to the last run, through the same commands and calls
as an enterprise, an expert and an auditor would use. It returns what must be judged: the last run's result, and what
else was found.
"""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.line import Line
from deploy.local.errors import DeployError
from deploy.local.state import HOST
from deploy.stack import RETROPROOF
from deploy.tally import produced_so_far

COLLECT_DEADLINE_S = 300.0
POLL_S = 0.5
STORED_POLL_S = 2.0  # each look counts every reading, over two new connections to the database
REPLAYED = 5
RESTART_AFTER_S = 2.0
RENAMED = "metal_tapped"
NOTICE_DEADLINE_S = 120.0
REFUTED = 1
Found = list[tuple[str, str]]


@dataclass(frozen=True)
class Project:
    """A line's project at the platform."""

    line: Line
    name: str

    @cached_property
    def plan(self) -> str:
        """The scenario's plan."""
        return self.line.simulate("plan", "--project", self.name)

    def enter(self) -> None:
        """Enrol the device and enter the project."""
        self.line.enrol()
        title = {"title_en": self.name, "title_zh": self.name}
        owner = {"id": self.name, "enterprise": self.line.enterprise, "device": self.line.device}
        self.line.stack.client("enterprise").json("/api/v1/projects", owner | title)

    def meter_until(self, period: str) -> None:
        """Have the plant's present at the end of `period`, and wait until all that it produced is stored."""
        if "plant" in self.line.children:
            self.line.stop("plant")
        self.line.start_plant(period)
        if "agent" not in self.line.children:
            self.line.start_agent()
        self.wait_until_stored()

    def wait_until_stored(self) -> None:
        """Return once the database holds as many readings as the plant has produced. Raises DeployError when late."""
        late = time.monotonic() + COLLECT_DEADLINE_S
        while (stored := self._call("auditor", "/coverage")["readings"]) < produced_so_far(self.line.ledger):
            if time.monotonic() > late:
                tail = self.line.children["agent"].log_tail()
                raise DeployError(f"{self.name}: only {stored:,} readings were stored in time.{tail}")
            time.sleep(STORED_POLL_S)

    def lock(self, plan: str | None = None) -> None:
        """File `plan`, or the scenario's own, and with it the baseline."""
        text = plan if plan is not None else self.plan
        self.line.stack.client("enterprise").json(f"/api/v1/projects/{self.name}/plan", yaml=text)

    def run(self) -> dict[str, Any]:
        """Have the plan in force judged; returns the result."""
        number = self._call("expert", "/runs", {})["number"]
        result: dict[str, Any] = self._call("expert", f"/runs/{number}/result")
        return result | {"number": number}

    def package(self, number: int) -> Path:
        """Download a run's evidence package and the keys to trust, and unpack it; returns its folder."""
        auditor = self.line.stack.client("auditor")
        archive = self.line.folder / "package.zip"
        archive.write_bytes(auditor.bytes(f"/api/v1/projects/{self.name}/runs/{number}/package.zip"))
        folder = self.line.folder / "package"
        shutil.unpack_archive(archive, folder)
        (self.line.folder / "trusted-keys.txt").write_text(auditor.text("/api/v1/keys"), encoding="utf-8")
        return folder

    def _call(self, role: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        return self.line.stack.client(role).json(f"/api/v1/projects/{self.name}{path}", body)


def honest(project: Project) -> tuple[dict[str, Any], Found]:
    """Meter the baseline, lock the plan, retrofit, meter, judge."""
    project.meter_until("baseline")
    project.lock()
    project.meter_until("reporting")
    return project.run(), []


def server_restarts(project: Project) -> tuple[dict[str, Any], Found]:
    """As honest, but the plant's control system is killed twice while the baseline is read, and started again."""
    line = project.line
    line.start_plant("baseline")
    line.start_agent()
    for _ in range(2):
        time.sleep(RESTART_AFTER_S)
        line.kill("plant")
        line.start_plant("baseline")
    return honest(project)


def tag_renamed(project: Project) -> tuple[dict[str, Any], Found]:
    """As honest, but early in the baseline the control system comes back with one tag under another name. The agent
    reads the other points and says that the node is gone; somebody sees it, and has the tag named back.
    """
    line = project.line
    line.start_plant("start")
    line.start_agent()
    project.wait_until_stored()
    line.stop("plant")
    line.start_plant("baseline", "--rename", f"{RENAMED}={RENAMED}_2")
    log, late = line.children["agent"].log, time.monotonic() + NOTICE_DEADLINE_S
    while not (noticed := _says_gone(log.read_text(encoding="utf-8"))) and time.monotonic() < late:
        time.sleep(POLL_S)
    result, found = honest(project)
    return result, [*found, *([("NODE_UNKNOWN", "error")] if noticed else [])]


def _says_gone(log: str) -> bool:
    """Whether the agent's log says that the renamed point's node does not exist."""
    return any(f"point={RENAMED} " in line and "BadNodeIdUnknown" in line for line in log.splitlines())


def backdated(project: Project) -> tuple[dict[str, Any], Found]:
    """Everything is metered before anybody says what the baseline is."""
    project.meter_until("reporting")
    project.lock()
    return project.run(), []


def cherry_picked(project: Project) -> tuple[dict[str, Any], Found]:
    """Judge, shift the reporting period, judge again, until it pleases."""
    result, _ = honest(project)
    for days in (5, 10):
        plan = yaml.safe_load(project.plan)
        plan["reporting"]["start"] += dt.timedelta(days=days)
        project.lock(yaml.safe_dump(plan, allow_unicode=True, sort_keys=False))
        result = project.run()
    return result, []


def replayed(project: Project) -> tuple[dict[str, Any], Found]:
    """Send recorded batches again, as their own device and as another one, then judge again."""
    first, _ = honest(project)
    folder = project.package(first["number"])
    batches = sorted((folder / "batches").rglob("*"))
    recorded = [path.read_bytes() for path in batches if path.is_file()][:REPLAYED]
    other = f"{project.line.device}-other"
    for device in (project.line.device, other):
        publish(project.line, device, recorded)
    project.meter_until("reporting")
    return project.run(), []


def edited_package(project: Project) -> tuple[dict[str, Any], Found]:
    """Change one digit of the package's readings and have it checked."""
    result, _ = honest(project)
    folder = project.package(result["number"])
    readings = folder / "readings.csv"
    text = bytearray(readings.read_bytes())
    middle = next(n for n in range(len(text) // 2, len(text)) if chr(text[n]).isdigit())
    text[middle] = ord("1") if text[middle] != ord("1") else ord("2")
    readings.write_bytes(bytes(text))
    trust = project.line.folder / "trusted-keys.txt"
    command = [*RETROPROOF, "check", str(folder), "--trust", str(trust)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    refuted = done.returncode == REFUTED and "readings.csv" in done.stdout
    return result, [("REFUTED", "error")] if refuted else []


def publish(line: Line, device: str, batches: list[bytes]) -> None:
    """Publish batches on the uplink as `device`; returns when the broker has taken them."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"replay-{device}", protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(device, line.stack.uplink.add_device(device))
    client.connect(HOST, line.stack.uplink.port)
    client.loop_start()
    for data in batches:
        client.publish(f"plant/{device}/batch", data, qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


TALES: dict[str, Callable[[Project], tuple[dict[str, Any], Found]]] = {
    "honest": honest,
    "server_restarts": server_restarts,
    "tag_renamed": tag_renamed,
    "backdated": backdated,
    "cherry_picked": cherry_picked,
    "replayed": replayed,
    "edited_package": edited_package,
}
