"""kill -9 at exact steps of a session's life: no reading is lost or doubled, no loss hushed up, no gap invented."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from edge_agent.clock import now_us
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.decode import Publication
from edge_agent.sources.opcua.history import HistoryReader
from edge_agent.sources.opcua.session import Session, Terms
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import SourceStatus
from tests.edge_agent.spools import Clock, open_at
from tests.edge_agent.support import AgentProcess, OpcUaProcess, ticking_points, wait_for
from tests.edge_agent.test_edge_opcua import assert_exactly, history, is_live, live_agent, opcua_source

TAGS = 2
INTERVAL_MS = 100
STEPS = 8  # of a first session, from its beginning to a message beyond the first


@pytest.fixture(scope="module")
def ticking(tmp_path_factory):
    server = OpcUaProcess(tmp_path_factory.mktemp("ticking")).start()
    server.tell(tick={"count": TAGS, "interval_ms": INTERVAL_MS})
    yield server
    server.close()


def ticking_source(server: OpcUaProcess) -> dict[str, object]:
    line = {"opcua": server.url, "security": "None", "sampling_ms": 0, "publishing_ms": 100}
    return {"line": line | {"points": ticking_points(TAGS, 2)}}


def arrived(agent: AgentProcess, name: str) -> list[tuple[int, int]]:
    """Time and count of what came of a counter, in order."""
    return sorted((time_us, int(value)) for point, time_us, value in agent.ingest.rows() if point == name)


def reached(agent: AgentProcess, number: int) -> int:
    """How far a counter has come."""
    return max((value for _, value in arrived(agent, f"t{number}")), default=0)


def assert_gaps_are_the_holes(agent: AgentProcess) -> None:
    """Each reading came once, or lies inside a signed gap; and every gap has readings inside it."""
    gaps = [(gap.points, gap.start_us, gap.end_us) for gap in agent.ingest.gaps()]
    holes = []
    for number in range(TAGS):
        seen = arrived(agent, f"t{number}")
        holes += [((number,), one[0], other[0]) for one, other in pairwise(seen) if other[1] > one[1] + 1]
        assert set(Counter(seen).values()) == {1}
    assert (sorted(gaps), agent.log.count("Traceback")) == (sorted(holes), 0)
    assert agent.ingest.problems == []


@pytest.mark.parametrize("call", range(1, STEPS + 1))
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_step_of_a_first_session_the_agent_neither_loses_nor_invents(make_agent, ticking, when, call):
    agent = make_agent(sources=ticking_source(ticking))
    agent.ingest.start()
    agent.start(death={"when": when, "call": call}).wait_for_death()
    agent.start()
    wait_for(lambda: is_live(agent, "t0", "t1"), "both are read again")
    count = ticking.tell()["counted"]
    wait_for(lambda: all(reached(agent, number) > count + 2 for number in range(TAGS)), "values after the kill")
    assert_gaps_are_the_holes(agent)


def test_a_loss_that_was_found_is_admitted_of_every_node_also_after_a_kill(make_agent, own_opcua):
    """The first message after the loss brings one of the two nodes only; then comes the kill."""
    server = own_opcua.server
    server.tell(add={"p": False, "q": False})
    agent = make_agent(sources=opcua_source(own_opcua, "p", "q"))
    agent.ingest.start()
    agent.start(death={"when": "after", "method": "append", "call": 1, "gaps": True})
    wait_for(lambda: is_live(agent, "p", "q"), "both are live")
    before = {name: (name, now_us(), 1.0) for name in "pq"}
    own_opcua.tell(show=[(*row, 0) for row in before.values()])
    wait_for(lambda: set(before.values()) <= set(agent.ingest.rows()), "the values before the loss")
    server.tell(show=[(name, now_us(), 2.0, 0) for name in "pq"], lose=True)
    after = {"p": ("p", now_us(), 3.0)}
    own_opcua.tell(show=[(*after["p"], 0)])
    agent.wait_for_death()
    after["q"] = ("q", now_us(), 3.0)
    own_opcua.tell(show=[(*after["q"], 0)])
    agent.start()
    wait_for(lambda: set(after.values()) <= set(agent.ingest.rows()), "the values after the loss")
    wait_for(agent.ingest.gaps, "the gaps")
    assert sorted((gap.points, gap.start_us, gap.end_us) for gap in agent.ingest.gaps()) == [
        ((number,), before[name][1], after[name][1]) for number, name in enumerate("pq")
    ]


def test_killed_before_it_has_given_back_an_item_the_agent_reads_no_value_twice(make_agent, own_opcua):
    """A node whose history and subscription overlap is monitored anew; the kill falls before the old item is gone."""
    rows = history("a", 5, start_us=now_us() - 3_600_000_000)
    own_opcua.tell(history=rows)
    agent = live_agent(make_agent, own_opcua)
    agent.kill()
    agent.start(death={"when": "after", "method": "keep_session", "call": 1}).wait_for_death()
    agent.start()
    wait_for(lambda: is_live(agent, "a"), "a is live again")
    live = [("a", now_us() + i, float(i)) for i in range(200)]
    own_opcua.tell(write=live)
    assert_exactly(agent, rows + live)
    assert agent.ingest.gaps() == []


def test_a_session_that_was_not_finished_is_ended_at_the_server(make_agent, own_opcua):
    agent = make_agent(sources=opcua_source(own_opcua, "a"))
    agent.ingest.start()
    for call in (1, 2, 3):  # while its subscriptions are made, once they are, and while its items are
        agent.start(death={"when": "after", "method": "keep_session", "call": call}).wait_for_death()
    agent.start()
    wait_for(lambda: agent.status().sources["line"].state == "connected", "the agent reads")
    wait_for(lambda: is_live(agent, "a"), "a is live")
    assert own_opcua.server.tell()["sessions"] == 1


def test_nothing_else_writes_the_record_while_a_message_is_on_its_way_to_the_disk(tmp_path):
    """In memory the message has settled its items already; written down before its rows, a kill would lose a gap."""
    calls: list[str] = []

    class Recorded(SpoolThread):
        async def call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(method.__name__)
            return await super().call(method, *args, **kwargs)

    async def run(spool: SpoolThread) -> None:
        connection = Connection("opc.tcp://127.0.0.1:1/none", "urn:none")
        status = SourceStatus("opcua", "", {})
        history = HistoryReader(connection, spool, 1.0)
        session = Session("line", connection, Terms("", "None", ""), [], history, spool, status)
        take = session._intake.take

        async def take_slowly(*args: Any) -> None:
            await asyncio.sleep(0.05)  # as while a history is read
            await take(*args)

        session._intake.take = take_slowly
        message = asyncio.create_task(session._take(Publication(7, 1, keep_alive=False)))
        await asyncio.sleep(0)
        await session._keep(whole=True)
        await message

    spool = Recorded(lambda: open_at(tmp_path / "spool.sqlite", Clock()))
    asyncio.run(run(spool))
    spool.close()
    assert calls == ["append", "keep_session"]
