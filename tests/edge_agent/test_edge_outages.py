"""Cuts, black holes and kill -9 against two OPC UA servers that are not ours: nothing lost, nothing doubled.

`make soak` runs the same with outages of a minute, five of each, and shows the table.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from edge_agent.clock import now_us
from tests.edge_agent.support import AgentProcess, NodeOpcUa, OpcUaProcess, ticking_points, wait_for
from tests.support.proxy import Proxy

SOAK = bool(os.environ.get("RETROPROOF_SOAK"))
ROUNDS = 5 if SOAK else 2
OUTAGES_S = (3.0, 60.0) if SOAK else (3.0,)
TAGS = 10
INTERVAL_MS = 200
BETWEEN_S = 3.0 if SOAK else 1.5
NAMESPACES = {"node": 1, "asyncua": 2}  # of the servers' ticking variables


class Plant:
    """Both servers, each behind a proxy, and their counters."""

    def __init__(self, folder: Path) -> None:
        self.servers = {"node": NodeOpcUa(folder).start(), "asyncua": OpcUaProcess(folder).start()}
        for server in self.servers.values():
            server.tell(tick={"count": TAGS, "interval_ms": INTERVAL_MS})
        self._stack = ExitStack()
        self.proxies = {
            name: self._stack.enter_context(Proxy(server.port).running()) for name, server in self.servers.items()
        }

    def sources(self) -> dict[str, object]:
        return {
            name: {
                "opcua": f"opc.tcp://127.0.0.1:{proxy.port}/test",
                "security": "None",
                "sampling_ms": 0,
                "publishing_ms": 200,
                "points": ticking_points(TAGS, NAMESPACES[name], f"{name}."),
            }
            for name, proxy in self.proxies.items()
        }

    def count(self, name: str) -> int:
        return int(self.servers[name].tell()["counted"])

    def stop(self) -> dict[str, int]:
        return {name: int(server.tell(stop=True)["counted"]) for name, server in self.servers.items()}

    def close(self) -> None:
        self._stack.close()
        for server in self.servers.values():
            server.kill()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.close()


def values(agent: AgentProcess) -> dict[str, Counter[int]]:
    """What arrived at ingest of each point."""
    found: dict[str, Counter[int]] = {}
    for name, _, value in agent.ingest.rows():
        found.setdefault(name, Counter())[int(value)] += 1
    return found


def caught_up(agent: AgentProcess, counts: dict[str, int]) -> bool:
    """Whether the counters have arrived up to these."""
    found = values(agent)
    return all(
        max(found.get(f"{name}.t{number}", {0: 0})) >= count for name, count in counts.items() for number in range(TAGS)
    )


def losses(agent: AgentProcess, counts: dict[str, int]) -> dict[str, tuple[int, int, int]]:
    """Of each server: values expected, lost and doubled, from the first that arrived on."""
    found = values(agent)
    table = {}
    for name, count in counts.items():
        expected = lost = doubled = 0
        for number in range(TAGS):
            seen = found[f"{name}.t{number}"]
            wanted = range(min(seen), count + 1)
            expected += len(wanted)
            lost += sum(value not in seen for value in wanted)
            doubled += sum(times - 1 for times in seen.values())
        table[name] = (expected, lost, doubled)
    return table


def break_off(what: str, plant: Plant, agent: AgentProcess, seconds: float) -> None:
    """One outage of the given length."""
    match what:
        case "kill":
            agent.kill()
            time.sleep(5.0)
            agent.start()
            return
        case "cut":
            for proxy in plant.proxies.values():
                proxy.cut(refuse=True)
        case "black hole":
            for proxy in plant.proxies.values():
                proxy.black_hole()
    time.sleep(seconds)
    for proxy in plant.proxies.values():
        proxy.mend()


@pytest.mark.slow
@pytest.mark.timeout(1_800 if SOAK else 180)
@pytest.mark.parametrize(
    ("what", "seconds"),
    [*(("cut", seconds) for seconds in OUTAGES_S), *(("black hole", seconds) for seconds in OUTAGES_S), ("kill", 5.0)],
)
def test_an_outage_loses_nothing_and_doubles_nothing(make_agent, plant, what, seconds):
    agent = make_agent(sources=plant.sources())
    agent.ingest.start()
    agent.start()
    wait_for(lambda: caught_up(agent, dict.fromkeys(plant.servers, 1)), "both servers are read")
    for _ in range(ROUNDS):
        time.sleep(BETWEEN_S)  # values flow
        break_off(what, plant, agent, seconds)
        now = {name: plant.count(name) for name in plant.servers}
        wait_for(lambda now=now: caught_up(agent, now), f"the values after the {what}", 60.0)
    counts = plant.stop()
    wait_for(lambda: caught_up(agent, counts), "the last values")
    table = losses(agent, counts)
    for name, (expected, lost, doubled) in table.items():
        shown = agent.status().sources[name]
        print(
            f"{what:>10} {seconds:>3.0f} s x {ROUNDS} {name:>8}: expected {expected}, lost {lost}, doubled {doubled}, "
            f"republished messages {shown.republished}, connects {shown.connects}"
        )
    assert {name: row[1:] for name, row in table.items()} == dict.fromkeys(plant.servers, (0, 0)), (
        f"{agent.ingest.repeated()}\n{agent.log}"
    )
    assert agent.ingest.repeated() == []
    assert agent.ingest.problems == []
    assert agent.ingest.gaps() == []


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeOpcUa]:
    server = NodeOpcUa(tmp_path).start()
    yield server
    server.kill()


def test_the_last_values_that_node_opcua_repeats_when_a_session_is_taken_up_are_known(make_agent, node):
    """After ActivateSession it repeats the last value of every node that has nothing new: no reading may come of it."""
    node.tell(add=[{"name": name, "type": "Double", "value": 0} for name in ("still", "nan", "bad", "ends")])
    node.tell(write=[{"name": "nan", "value": "NaN"}, {"name": "bad", "value": 1, "status": "BadDeviceFailure"}])
    points = {
        name: {"node": f"ns=1;s={name}", "unit": "1", "kind": "gauge"} for name in ("still", "nan", "bad", "ends")
    }
    with Proxy(node.port).running() as proxy:
        source = {"opcua": f"opc.tcp://127.0.0.1:{proxy.port}/test", "security": "None", "sampling_ms": 0}
        agent = make_agent(sources={"line": source | {"publishing_ms": 50, "points": points}})
        agent.ingest.start()
        agent.start()

        def connects_and_doubles() -> tuple[int, int]:
            shown = agent.status().sources["line"]
            return shown.connects, shown.doubles

        wait_for(lambda: len(agent.ingest.rows()) == len(points), "the first values")
        proxy.cut()
        wait_for(lambda: connects_and_doubles() == (2, len(points)), "the repetitions after a cut")
        agent.kill()
        agent.start()
        wait_for(lambda: connects_and_doubles() == (1, len(points)), "the repetitions after a kill")
        node.tell(write=[{"name": "ends", "value": 7}])
        wait_for(lambda: len(agent.ingest.rows()) > len(points), "the next value")
    assert [(name, value) for name, _, value in agent.ingest.rows()[len(points) :]] == [("ends", 7.0)]
    assert agent.ingest.gaps() == []


def test_what_the_server_cannot_send_again_is_inside_a_signed_gap(make_agent, plant):
    """The server forgets what it sent into the void: those values are lost, admitted, and nothing else is."""
    sources = {"asyncua": plant.sources()["asyncua"]}
    agent = make_agent(sources=sources)
    agent.ingest.start()
    agent.start()
    wait_for(lambda: caught_up(agent, {"asyncua": 1}), "the server is read")
    plant.proxies["asyncua"].black_hole()
    time.sleep(1.5)  # it sends what there are publish requests for
    plant.servers["asyncua"].tell(forget_sent=100)
    plant.proxies["asyncua"].cut()
    plant.proxies["asyncua"].mend()
    wait_for(agent.ingest.gaps, "the gaps")
    counts = {"asyncua": plant.stop()["asyncua"]}
    wait_for(lambda: caught_up(agent, counts), "the last values")
    ((_, lost, doubled),) = losses(agent, counts).values()
    assert lost >= TAGS
    assert doubled == 0
    gaps = agent.ingest.gaps()
    assert {gap.reason for gap in gaps} == {"outage"}
    rows = agent.ingest.rows()
    for number in range(TAGS):
        mine = sorted((time_us, int(value)) for name, time_us, value in rows if name == f"asyncua.t{number}")
        holes = {(one[0], other[0]) for one, other in pairwise(mine) if other[1] > one[1] + 1}
        assert {(gap.start_us, gap.end_us) for gap in gaps if gap.points == (number,)} == holes


def test_what_is_lost_between_messages_that_are_sent_again_is_a_gap_in_its_place(make_agent, own_opcua):
    """Of three messages sent into the void the server has forgotten the first; the gap lies before the second."""
    own_opcua.server.tell(add={"p": False})
    with Proxy(own_opcua.server.port).running() as proxy:
        node = {"p": {"node": own_opcua.node("p"), "unit": "kWh", "kind": "counter"}}
        source = {"opcua": f"opc.tcp://127.0.0.1:{proxy.port}/test", "security": "None", "sampling_ms": 0}
        agent = make_agent(sources={"line": source | {"publishing_ms": 50, "points": node}})
        agent.ingest.start()
        agent.start()
        rows = [("p", now_us(), 1.0)]
        wait_for(agent.ingest.rows, "the server's first value")
        own_opcua.tell(show=[(*rows[0], 0)])
        wait_for(lambda: rows[0] in agent.ingest.rows(), "the value before")
        proxy.black_hole()
        for value in (2.0, 3.0, 4.0):
            rows.append(("p", now_us(), value))
            own_opcua.tell(show=[(*rows[-1], 0)])
            time.sleep(0.3)  # a message of its own
        own_opcua.server.tell(forget_sent=1)
        proxy.cut()
        proxy.mend()
        wait_for(lambda: rows[-1] in agent.ingest.rows(), "what is sent again")
        rows.append(("p", now_us(), 5.0))
        own_opcua.tell(show=[(*rows[-1], 0)])
        wait_for(lambda: rows[-1] in agent.ingest.rows(), "the value after")
        wait_for(agent.ingest.gaps, "the gap")
    assert [row for row in agent.ingest.rows() if row[2]] == [row for row in rows if row[2] != 2.0]
    assert [(gap.start_us, gap.end_us, gap.reason) for gap in agent.ingest.gaps()] == [
        (rows[0][1], rows[2][1], "outage")
    ]
