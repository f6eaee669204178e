"""Random kill -9 of agent, broker, ingest and database under load: the database ends up with just what was produced.

`make test` runs a few kills, `make soak` two hundred; the code is the same. The seed is printed, and given back by
RETROPROOF_SOAK_SEED it kills the same parts after the same pauses (what each is doing just then is up to the machine).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from deploy.line import Line
from tests.integration.conftest import LIVE_READINGS, flow, produced, settle, stored, wait_for
from tests.support.counts import count_from

KILLS = count_from("RETROPROOF_SOAK_KILLS", 6)
SEED = int(os.environ.get("RETROPROOF_SOAK_SEED", time.time_ns() % 1_000_000_000))
SETTLE_EVERY = 50  # kills after which all is counted, so that a loss is noticed near its cause
SECONDS_PER_KILL = 30  # far more than one takes; a hang ends the run
TOGETHER = 0.25  # how often a second part is killed with the first
MAX_PAUSE_S, MAX_DOWN_S = 1.5, 2.0

# In the order in which they are started again: the worker and the agent say that they are ready once the others are.
PARTS: dict[str, tuple[Callable[[Line], object], Callable[[Line], object]]] = {
    "database": (lambda line: line.stack.postgres.kill(), lambda line: line.stack.postgres.start(line.supervisor)),
    "broker": (lambda line: line.stack.uplink.kill(), lambda line: line.stack.uplink.start(line.supervisor)),
    "ingest": (lambda line: line.stack.kill("ingest"), lambda line: line.stack.start_ingest()),
    "agent": (lambda line: line.kill("agent"), Line.start_agent),
}


@dataclass(frozen=True)
class Blow:
    """Which parts are killed, after how long, and for how long they stay down."""

    parts: tuple[str, ...]
    pause_s: float
    down_s: float


def blows(seed: int, kills: int) -> Iterator[Blow]:
    """As many as it takes for `kills` parts killed in all."""
    chance = random.Random(seed)
    while kills > 0:
        count = min(kills, 2 if chance.random() < TOGETHER else 1)
        kills -= count
        yield Blow(
            tuple(chance.sample(list(PARTS), count)), chance.uniform(0, MAX_PAUSE_S), chance.uniform(0, MAX_DOWN_S)
        )


def strike(line: Line, blow: Blow) -> None:
    """Kill, wait, start again."""
    time.sleep(blow.pause_s)  # a random moment, not a wait for something
    for part in blow.parts:
        PARTS[part][0](line)
    time.sleep(blow.down_s)
    for part in (name for name in PARTS if name in blow.parts):
        PARTS[part][1](line)


def prove(line: Line) -> None:
    """Every reading once, as many as the plant says, the rows equal to their batches, nothing missing or forked."""
    settle(line)
    assert "equal their" in line.stack.command("db", "rebuild")
    assert ask(line, "SELECT count(*) FROM telemetry.sequence_gap") == "0"
    assert ask(line, "SELECT coalesce(string_agg(DISTINCT code, ' '), '') FROM telemetry.quarantine") == ""
    assert ask(line, "SELECT count(*) FROM telemetry.gap") == "0"


def ask(line: Line, sql: str) -> str:
    return line.stack.postgres.psql(sql, database="retroproof")


@pytest.mark.timeout(180 + SECONDS_PER_KILL * KILLS)
def test_random_kills_under_load_lose_double_and_fork_nothing(line):
    print(f"RETROPROOF_SOAK_SEED={SEED} RETROPROOF_SOAK_KILLS={KILLS}", flush=True)
    flow(line)
    killed = 0
    for blow in blows(SEED, KILLS):
        strike(line, blow)
        killed += len(blow.parts)
        print(f"{killed}/{KILLS} {'+'.join(blow.parts)}: produced {produced(line)}", flush=True)
        if killed % SETTLE_EVERY < len(blow.parts) and killed < KILLS:
            prove(line)
            flow(line)
    before = produced(line)
    wait_for(lambda: stored(line) > before + LIVE_READINGS, line, "readings to arrive after the last kill")
    prove(line)
    print(f"{stored(line)} readings stored, {produced(line)} produced", flush=True)


def test_a_seed_names_its_blows():
    assert list(blows(1, 20)) == list(blows(1, 20)) != list(blows(2, 20))
    assert sum(len(blow.parts) for blow in blows(3, 200)) == 200
    assert {part for blow in blows(3, 200) for part in blow.parts} == PARTS.keys()
