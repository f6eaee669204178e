"""The numbers of messages begin again at 1: after 4294967295 (OPC 10000-4, 5.14.1.1), with node-opcua after 4294966271.

That takes years at one message a second, so the numbers are moved close to their end, at the server and in the spool.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from edge_agent.sources.opcua.messages import EARLY_LAST_SEQUENCE, LAST_SEQUENCE
from tests.edge_agent.support import AgentProcess, NodeOpcUa, OpcUaProcess, ticking_points, wait_for
from tests.support.proxy import Proxy

INTERVAL_MS = 100
SERVERS = {"node": (NodeOpcUa, 1), "asyncua": (OpcUaProcess, 2)}  # with the namespace of their variables


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[[str], NodeOpcUa | OpcUaProcess]]:
    """Starts a server of this name whose variable t0 counts by itself."""
    started = []

    def serve(name: str) -> NodeOpcUa | OpcUaProcess:
        server = SERVERS[name][0](tmp_path).start()
        started.append(server)
        server.tell(tick={"count": 1, "interval_ms": INTERVAL_MS})
        return server

    yield serve
    for server in started:
        server.kill()


def last_taken(agent: AgentProcess) -> int:
    with closing(sqlite3.connect(agent.folder / "spool.sqlite")) as connection:
        ((sequence,),) = connection.execute("SELECT sequence FROM taken").fetchall()
    return int(sequence)


def move(agent: AgentProcess, shift: int) -> None:
    with closing(sqlite3.connect(agent.folder / "spool.sqlite")) as connection:
        connection.execute("UPDATE taken SET sequence = sequence + ?", (shift,))
        connection.commit()


def counted(agent: AgentProcess) -> Counter[int]:
    return Counter(int(value) for _, _, value in agent.ingest.rows())


@pytest.mark.parametrize("outage", [False, True], ids=["no outage", "in an outage"])
@pytest.mark.parametrize(
    ("name", "last"), [("node", EARLY_LAST_SEQUENCE), ("asyncua", EARLY_LAST_SEQUENCE), ("asyncua", LAST_SEQUENCE)]
)
def test_nothing_is_lost_where_the_numbers_of_messages_begin_again(make_agent, serving, name, last, outage):
    server = serving(name)
    with Proxy(server.port).running() as proxy:
        line = {"opcua": f"opc.tcp://127.0.0.1:{proxy.port}/test", "security": "None", "sampling_ms": 0}
        points = ticking_points(1, SERVERS[name][1])
        agent = make_agent(sources={"line": line | {"publishing_ms": INTERVAL_MS, "points": points}})
        agent.ingest.start()
        agent.start()
        wait_for(lambda: len(counted(agent)) > 3, "the first values")
        agent.kill()
        move(agent, server.tell(renumber={"next": last - 10, "last": last})["shift"])
        agent.start()
        wait_for(lambda: not LAST_SEQUENCE // 2 < last_taken(agent) < last - (2 if outage else 0), "the end is near")
        if outage:
            proxy.black_hole()
            wait_for(lambda: server.tell()["counted"] > max(counted(agent)) + 15, "messages go into the void")
            proxy.cut()
            proxy.mend()
        now = server.tell()["counted"]
        wait_for(lambda: max(counted(agent)) > now + 3, "values after the wrap")
    assert last_taken(agent) < LAST_SEQUENCE // 2
    seen = counted(agent)
    assert sorted(set(range(min(seen), max(seen) + 1)) - set(seen)) == []
    assert set(seen.values()) == {1}
    assert agent.ingest.gaps() == []
    assert agent.ingest.problems == []


@pytest.mark.parametrize("last", [EARLY_LAST_SEQUENCE, LAST_SEQUENCE])
def test_a_message_lost_just_before_the_numbers_begin_again_is_a_signed_gap(make_agent, serving, last):
    server = serving("asyncua")
    line = {"opcua": server.url, "security": "None", "sampling_ms": 0, "publishing_ms": INTERVAL_MS}
    agent = make_agent(sources={"line": line | {"points": ticking_points(1, SERVERS["asyncua"][1])}})
    agent.ingest.start()
    agent.start()
    wait_for(lambda: len(counted(agent)) > 3, "the first values")
    agent.kill()
    wait_for(lambda: server.tell()["counted"] > max(counted(agent)) + 5, "values to be lost")
    move(agent, server.tell(renumber={"next": last, "last": last}, lose=True)["shift"])
    now = server.tell()["counted"]
    agent.start()
    wait_for(lambda: max(counted(agent)) > now + 3, "values after the loss")
    assert last_taken(agent) < LAST_SEQUENCE // 2
    rows = sorted((time_us, int(value)) for _, time_us, value in agent.ingest.rows())
    holes = [(one[0], other[0]) for one, other in pairwise(rows) if other[1] > one[1] + 1]
    assert [(gap.start_us, gap.end_us) for gap in agent.ingest.gaps()] == holes
    assert len(holes) == 1
    assert set(counted(agent).values()) == {1}
