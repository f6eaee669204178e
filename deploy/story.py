"""The story in stages: a plant is metered, its plan is locked, it is retrofitted, metered again, and judged.

Told once per stack folder: `demo` tells it in a fresh one, `up` tells it at its first start and then lives on. Each
stage prints what it did and how long it took, and raises DeployError when it did not come about.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import click

from deploy.line import Line
from deploy.local.errors import DeployError
from deploy.local.progress import Progress
from deploy.stack import Stack
from deploy.tally import Tally, produced_so_far, tally

PROJECT = "hengkang-potline"
DEVICE = "hengkang-potline-1"
ENTERPRISE = "hengkang"
SCENARIO = "hengkang"
COLLECT_DEADLINE_S = 240.0
POLL_S = 0.3


class Narrator:
    """Numbers the stages and times them."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._number = 0
        self.progress = progress

    @contextmanager
    def stage(self, english: str, chinese: str) -> Iterator[None]:
        """Announce a stage, and say how long it took once it is done."""
        self._number += 1
        self.progress.step(click.style(f"[{self._number}/{self._total}] {english} {chinese}", bold=True))
        begun = time.monotonic()
        yield
        self.say(click.style(f"done in {time.monotonic() - begun:.1f} s", dim=True))

    def say(self, text: str) -> None:
        """A line of the current stage."""
        self.progress.step(f"      {text}")


class Chapter(IntEnum):
    """How far the story has come in a stack folder, as the platform remembers it."""

    NOTHING = 0
    REGISTERED = 1
    LOCKED = 2
    JUDGED = 3


def demonstration_line(stack: Stack, plant: Sequence[str]) -> Line:
    """The one line of the demonstration; `plant` are options of `retroproof simulate`."""
    return Line(stack, DEVICE, SCENARIO, ENTERPRISE, plant)


def chapter(stack: Stack) -> Chapter:
    """Where to go on: a story that was interrupted is not told from the beginning."""
    projects = stack.client("auditor").json("/api/v1/projects")
    project = next((project for project in projects if project["id"] == PROJECT), None)
    if project is None:
        return Chapter.NOTHING
    if project["verdict"]:
        return Chapter.JUDGED
    return Chapter.LOCKED if project["plan_version"] else Chapter.REGISTERED


def meter_before_and_after(line: Line, narrator: Narrator) -> None:
    """Meter the baseline, lock the plan, retrofit, meter the reporting period: whatever of it is left to do."""
    reached = chapter(line.stack)
    if reached < Chapter.REGISTERED:
        register_project(line)
    if reached < Chapter.LOCKED:
        with narrator.stage("Baseline: 120 days collected, signed, stored", "基准期采集"):
            meter_the_baseline(line, narrator)
        with narrator.stage("Plan locked: plan and baseline into the log", "方案锁定、基准托管"):
            lock_the_plan(line, narrator)
    with narrator.stage("Retrofit; the reporting period collected, then live", "实施改造、报告期采集"):
        live_on(line, narrator)
        collect(line, narrator)


def register_project(line: Line) -> None:
    """The enterprise enters its project: one line, one device."""
    title = {"title_en": "Hengkang Aluminium, potline 1", "title_zh": "恒康铝业电解一系列"}
    line.stack.client("enterprise").json(
        "/api/v1/projects", {"id": PROJECT, "enterprise": line.enterprise, "device": line.device, **title}
    )


def meter_the_baseline(line: Line, narrator: Narrator) -> None:
    """The plant up to the end of its baseline, collected through the agent until everything produced is stored."""
    ready = line.start_plant("baseline")
    narrator.say(f"OPC UA server and badge gate of a simulated potline; {ready['produced']:,} readings of history")
    line.start_agent()
    collect(line, narrator)


def lock_the_plan(line: Line, narrator: Narrator) -> None:
    """File the plan; plan and baseline go into the log before a reporting reading exists."""
    enterprise = line.stack.client("enterprise")
    plan = line.simulate("plan", "--project", PROJECT)
    (line.folder / "plan.yaml").write_text(plan, encoding="utf-8")
    locked = enterprise.json(f"/api/v1/projects/{PROJECT}/plan", yaml=plan)
    narrator.say(f"plan {locked['plan_sha256'][:16]}… is log entry {locked['plan_log_index']}")
    narrator.say(f"baseline {locked['readings_sha256'][:16]}… is log entry {locked['baseline_log_index']}")


def live_on(line: Line, narrator: Narrator) -> None:
    """The plant as it is today, works and reporting period behind it, live; and the agent that reads it."""
    if "plant" in line.children:
        line.stop("plant")
    ready = line.start_plant("now")
    narrator.say(f"the line runs, live at 1 Hz; {ready['produced']:,} readings so far")
    if "agent" not in line.children:
        line.start_agent()


def stand_still(line: Line, narrator: Narrator) -> None:
    """The plant produces nothing more but answers for what it has, so that an exact comparison can be made."""
    line.stop("plant")
    line.start_plant("ledger")
    collect(line, narrator)


def judge(stack: Stack, narrator: Narrator) -> dict[str, Any]:
    """Start a verification run as the expert and tell what it found; returns the run."""
    run: dict[str, Any] = stack.client("expert").json(f"/api/v1/projects/{PROJECT}/runs", {})
    delta, limit, verdict = run["delta"], run["target"], run["verdict"]
    if delta:
        interval = f"{delta['value']} ± {delta['expanded_uncertainty']} {delta['unit']}"
        narrator.say(f"change per ton: {interval} (confidence {delta['confidence']}; a saving is negative)")
    narrator.say(f"acceptance limit: at most {Decimal(limit['at_most']).normalize():f} {limit['unit']}")
    state = verdict["state"].replace("_", " ")
    narrator.say(click.style(f"verdict: {state} {verdict['text']['zh']}", bold=True))
    for line in finding_lines(run["findings"]):
        narrator.say(line)
    return run


def finding_lines(findings: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each kind of finding, those with one code and remedy: the first, and how many more there are."""
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in findings:
        kinds.setdefault((finding["code"], finding["resolve"]["en"]), []).append(finding)
    for (code, _), (first, *others) in kinds.items():
        more = f" (and {len(others)} more of this kind 另有 {len(others)} 项同类发现)" if others else ""
        yield f"{first['severity']:<8}{code}: {first['text']['en']}{more}"


def compare_with_truth(line: Line, narrator: Narrator, run: dict[str, Any]) -> None:
    """Print the true effect beside the measured one. Raises DeployError when the interval misses it."""
    truth = json.loads(line.simulate("truth-of"))
    true_effect = Decimal(str(truth["true_effects"]["energy"]["value"]))
    result = line.stack.client("expert").json(f"/api/v1/projects/{PROJECT}/runs/{run['number']}/result")
    effect = result["measures"][0]["effect"]
    if effect is None:
        raise DeployError("The engine gave no figure to hold against the truth; the findings above say why.")
    measured, uncertainty = Decimal(effect["delta"]), Decimal(effect["expanded_uncertainty"])
    covered = abs(measured - true_effect) <= uncertainty
    narrator.say(f"true effect {true_effect} kWh/t, measured {measured:.1f} ± {uncertainty:.1f} kWh/t")
    if not covered:
        raise DeployError("The interval misses the true effect; an honest 95 % interval does so for one seed in 20.")


def fetch_package(stack: Stack, run: dict[str, Any]) -> Path:
    """Download the run's evidence package and the keys to trust, as the auditor; unpack it beside the stack."""
    auditor = stack.client("auditor")
    stack.trust_file.write_text(auditor.text("/api/v1/keys"), encoding="utf-8")
    content = auditor.bytes(f"/api/v1/projects/{PROJECT}/runs/{run['number']}/package.zip")
    folder = stack.folder / "package"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    return folder


def collect(line: Line, narrator: Narrator) -> None:
    """Wait until the database holds as many readings as the plant has produced."""
    client = line.stack.client("auditor")
    late = time.monotonic() + COLLECT_DEADLINE_S
    while True:
        produced = produced_so_far(line.ledger)
        stored = client.json(f"/api/v1/projects/{PROJECT}/coverage")["readings"]
        narrator.progress.percent(
            f"      {stored:,} of {produced:,} readings signed and stored", 100 * stored / produced
        )
        if stored >= produced:
            break
        if time.monotonic() > late:
            agent = line.children["agent"]
            raise DeployError(f"Only {stored:,} of {produced:,} readings arrived in time.{agent.log_tail()}")
        time.sleep(POLL_S)
    narrator.say(f"{stored:,} readings collected, signed and stored")


def count_exactly(line: Line) -> Tally:
    """Compare every reading in the database with the plant's own ledger."""
    export = line.stack.popen("db", "readings", "--device", line.device, "--out", "-")
    with export:
        if export.stdout is None:
            raise DeployError("the export has no output to read")
        counted = tally(line.ledger, export.stdout)
    if export.returncode != 0:
        raise DeployError(f"retroproof db readings ended with {export.returncode}")
    return counted
