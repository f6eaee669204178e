"""Runs scenarios end to end on one platform, several side by side, and holds each against its truth."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.demo import remove
from deploy.line import Line
from deploy.local.errors import DeployError
from deploy.local.lock import only_one
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import Servers
from deploy.stack import ROLES, Stack
from deploy.story import count_exactly
from deploy.truth.outcome import Outcome, Truth, measured
from deploy.truth.papers import again, keep_papers
from deploy.truth.tale import TALES, Project

FIRST_DAY = "2026-01-05"  # a Monday; fixed, so that a scenario and a seed always mean the same readings
SIDE_BY_SIDE = 4  # a scenario waits for disks and polls for half of its time


@dataclass(frozen=True)
class Course:
    """How the scenarios are run: on which platform, as which random plants, and whose papers are kept in `papers`:
    those of the scenarios that miss, or of all.
    """

    stack: Stack
    seed: int
    papers: Path
    keep_all: bool = False


@dataclass
class Ended:
    """What has come of the scenarios so far: their outcomes by name, and what was wrong with those that missed."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)


@contextmanager
def platform(folder: Path, servers: Servers, progress: Progress) -> Iterator[Stack]:
    """A fresh platform in `folder`, for all scenarios together; it and they are stopped at the end."""
    with only_one(folder), Supervisor() as supervisor:
        remove(folder)
        stack = Stack(folder, servers, supervisor, progress)
        stack.start_servers()
        stack.start_platform()
        yield stack


def run_all(course: Course, names: Sequence[str], progress: Progress) -> Ended:
    """Run every scenario; tells `progress` what ended how, what runs now, and how long it has taken and will take."""
    begun, ended, waiting = time.monotonic(), Ended(), list(names)
    progress.step(f"{len(names)} scenarios, {SIDE_BY_SIDE} side by side: {', '.join(waiting[:SIDE_BY_SIDE])} first")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running = {pool.submit(run_one, course, name): name for name in names}
        for number, done in enumerate(as_completed(running), 1):
            name = running[done]
            waiting.remove(name)
            outcome, wrong = done.result()
            if outcome:
                ended.outcomes[name] = outcome
            if wrong:
                ended.wrong[name] = wrong
            took = time.monotonic() - begun
            clock = f"{_clock(took)} of about {_clock(took * len(names) / number)}"
            now = ", ".join(waiting[:SIDE_BY_SIDE]) or "nothing more"
            progress.step(
                f"{number:>3} of {len(names)}  {name:<26} {'WRONG' if wrong else 'right'}  {clock}  now: {now}"
            )
            if wrong:
                progress.step(
                    f"       {'; '.join(wrong)}\n       its plots and papers: {course.papers / _device(name)}"
                )
    ended.outcomes = {name: ended.outcomes[name] for name in names if name in ended.outcomes}
    return ended


def conclude(ended: Ended, course: Course, names: Sequence[str], progress: Progress) -> None:
    """Say that all came out right. Raises DeployError, which ends a command non-zero, on any that did not."""
    if ended.wrong:
        lines = [f"{len(ended.wrong)} of {len(names)} scenarios did not come out right:"]
        for name, wrong in ended.wrong.items():
            lines += [f"{name}: {'; '.join(wrong)}", f"  plots and papers: {course.papers / _device(name)}"]
            lines += [f"  again, alone:     {again(name, course.seed)}"]
        raise DeployError("\n".join(lines))
    progress.step(f"All {len(names)} scenarios came out right.")


def run_one(course: Course, name: str) -> tuple[Outcome | None, list[str]]:
    """One scenario from its first reading to its verdict, and everything that is wrong with it; its processes are gone
    when this returns, and its papers are kept if they must be.
    """
    options = ("--seed", str(course.seed), "--first-day", FIRST_DAY)
    line = Line(course.stack, _device(name), name, ROLES["enterprise"], options)
    outcome = None
    try:
        outcome = _judged(line)
        wrong = outcome.misses
    except Exception as err:  # noqa: BLE001 - whatever ends a scenario is a miss, and the others go on
        said = str(err) if isinstance(err, DeployError) else f"{type(err).__name__}: {err}"
        wrong = [said, *course.stack.last_words(), *line.last_words()]
    finally:
        for part in list(line.children):
            line.stop(part)
    if wrong or course.keep_all:
        keep_papers(line, course.papers / line.device, course.seed, wrong)
    return outcome, wrong


def _judged(line: Line) -> Outcome:
    begun = time.monotonic()
    project = Project(line, line.device)
    # The other points of the plant would only cost time: no verdict reads them.
    line.plant += ("--points", ",".join(yaml.safe_load(project.plan)["points"]))
    truth = Truth.of(json.loads(line.simulate("truth-of")))
    project.enter()
    result, found = TALES[truth.tale](project)
    return Outcome(
        truth=truth,
        measures=measured(truth, result),
        verdict=result["verdict"]["state"],
        found=(*_findings(result), *found),
        tally=count_exactly(line),
        seconds=time.monotonic() - begun,
    )


def _device(name: str) -> str:
    """What a scenario's device and project are called: its name, or that of the file that tells it."""
    return Path(name).stem


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _findings(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and severity of every finding, of the whole and of each measure."""
    lists = [result["findings"], *(measure["findings"] for measure in result["measures"])]
    return [(one["code"], one["severity"]) for found in lists for one in found]
