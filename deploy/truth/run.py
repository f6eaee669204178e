"""Runs scenarios end to end on one platform, several side by side, and holds each against its truth."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import click
import yaml

from deploy.demo import remove
from deploy.line import Line
from deploy.local.errors import DeployError
from deploy.local.home import home_folder
from deploy.local.lock import only_one
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import ensure_servers
from deploy.stack import ROLES, Stack
from deploy.story import count_exactly
from deploy.truth.outcome import Outcome, Truth, measured, table
from deploy.truth.tale import TALES, Project

FIRST_DAY = "2026-01-05"  # a Monday; fixed, so that a scenario and a seed always mean the same readings
SIDE_BY_SIDE = 4  # a scenario waits for disks and polls for half of its time


def run_truth(names: Sequence[str], *, seed: int, out: Path | None) -> None:
    """Run the scenarios called `names` (all: none named) and print the table. Raises DeployError on any miss."""
    progress = Progress()
    home = home_folder()
    servers = ensure_servers(home, progress)
    folder = home / "truth"
    with only_one(folder), Supervisor() as supervisor:
        remove(folder)
        stack = Stack(folder, servers, supervisor, progress)
        stack.start_servers()
        stack.start_platform()
        chosen = names or stack.command("simulate", "names").split()
        outcomes, failed = _side_by_side(stack, chosen, seed, progress)
    text = table(outcomes)
    click.echo(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    wrong = [f"{one.truth.name}: {'; '.join(one.misses)}" for one in outcomes if one.misses] + failed
    if wrong:
        raise DeployError("\n".join([f"{len(wrong)} of {len(chosen)} scenarios did not come out right:", *wrong]))
    progress.step(f"All {len(chosen)} scenarios came out right.")


def _side_by_side(stack: Stack, names: Sequence[str], seed: int, progress: Progress) -> tuple[list[Outcome], list[str]]:
    """Every scenario, in the order of `names`, and what could not be run to its end."""
    outcomes: dict[str, Outcome] = {}
    failed: list[str] = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running = {pool.submit(run_one, stack, name, seed): name for name in names}
        for done in as_completed(running):
            name = running[done]
            try:
                outcomes[name] = done.result()
            except DeployError as err:
                failed.append(f"{name}: {err}")
            state = "right" if name in outcomes and not outcomes[name].misses else "WRONG"
            progress.step(f"{len(outcomes) + len(failed):>3} of {len(names)}  {name:<28} {state}")
    return [outcomes[name] for name in names if name in outcomes], failed


def run_one(stack: Stack, name: str, seed: int) -> Outcome:
    """One scenario from its first reading to its verdict; its processes are gone when this returns."""
    begun = time.monotonic()
    options = ("--seed", str(seed), "--first-day", FIRST_DAY)
    plan = yaml.safe_load(stack.command("simulate", "plan", name, *options))
    # The other points of the plant would only cost time: no verdict reads them.
    devices = ("--points", ",".join(plan["points"]))
    line = Line(stack, name, name, ROLES["enterprise"], (*options, *devices))
    truth = Truth.of(json.loads(line.simulate("truth-of")))
    try:
        result, found = TALES[truth.tale](Project.entered(line))
        return Outcome(
            truth=truth,
            measures=measured(truth, result),
            verdict=result["verdict"]["state"],
            found=(*_findings(result), *found),
            tally=count_exactly(line),
            seconds=time.monotonic() - begun,
        )
    finally:
        for part in list(line.children):
            line.stop(part)


def _findings(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and severity of every finding, of the whole and of each measure."""
    lists = [result["findings"], *(measure["findings"] for measure in result["measures"])]
    return [(one["code"], one["severity"]) for found in lists for one in found]
