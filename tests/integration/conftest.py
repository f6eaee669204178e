"""A whole stack: every part a real process, so that a test can kill it as a power cut would."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.line import Line
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import Servers
from deploy.stack import Stack
from deploy.story import count_exactly, demonstration_line
from deploy.tally import produced_so_far

POLL_S = 0.2
SHORT_PLANT = ("--seed", "7", "--baseline-days", "4", "--works-days", "1", "--reporting-days", "4")
DEADLINE_S = 90.0
LIVE_HZ = "20"
LIVE_READINGS = 400  # about three seconds of the seven OPC UA points


@pytest.fixture(scope="module")
def line(servers: Servers, session_folder: Path) -> Iterator[Line]:
    """A platform with a running agent, shared by the tests of a module: each leaves it whole, which is the test."""
    folder = session_folder / "stack"
    with Supervisor() as supervisor:
        stack = Stack(folder, servers, supervisor, Progress())
        stack.start_servers()
        stack.start_platform()
        started = demonstration_line(stack, SHORT_PLANT)
        started.enrol()
        started.start_plant("reporting")
        started.start_agent()
        yield started
    shutil.rmtree(folder)


def wait_for(condition: Callable[[], bool], line: Line, what: str) -> None:
    """Return once the condition holds; at the deadline fail with the ends of all logs."""
    late = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > late:
            tails = "\n".join(child.log_tail() for child in [*line.children.values(), *line.stack.children.values()])
            counts = f"{stored(line)} readings stored, {produced(line)} produced"
            pytest.fail(f"after {DEADLINE_S:.0f} s still waiting for: {what} ({counts})\n{tails}")
        time.sleep(POLL_S)


def stored(line: Line) -> int:
    """How many readings the database holds, asked with its own tools so that no part of ours need be up."""
    return int(line.stack.postgres.psql("SELECT count(*) FROM telemetry.reading", database="retroproof"))


def produced(line: Line) -> int:
    """How many readings the plant says it produced."""
    return produced_so_far(line.ledger)


def flow(line: Line) -> None:
    """Let the plant live, and wait until its readings arrive."""
    line.stop("plant")
    line.start_plant("now", "--rate-hz", LIVE_HZ)
    flow_on(line)


def flow_on(line: Line) -> None:
    """Wait until readings arrive that are produced from now on."""
    before = produced(line)
    wait_for(lambda: stored(line) > before + LIVE_READINGS, line, "readings to arrive")


def settle(line: Line) -> None:
    """Let the plant stand still, wait for what is under way, and hold the database to the plant's own ledger."""
    line.stop("plant")
    line.start_plant("ledger")  # produces nothing more, but still answers for what it has produced
    wait_for(lambda: stored(line) >= produced(line), line, "every reading produced to be stored")
    counted = count_exactly(line)
    assert counted.exact, str(counted)
