"""A server whose namespaces have other indices than before: the agent reads the node it was given, or misses it."""

from __future__ import annotations

import os
import signal
import sqlite3

import pytest

from edge_agent.clock import now_us
from edge_agent.config.opcua import split_node
from tests.edge_agent.support import AgentProcess, Line, wait_for
from tests.edge_agent.test_edge_opcua import assert_exactly, history, is_live, point

STRANGER = 999.0
OLD_NODE = "ns=2;s=a"


def begun(make_agent, server: Line, node: str = OLD_NODE) -> tuple[AgentProcess, list[tuple[str, int, float]]]:
    """An agent that has read the point `a` of this server, and what it has read."""
    rows = history("a", 5, start_us=now_us() - 3_600_000_000)
    server.tell(history=rows)
    agent = make_agent(sources={"line": source(server, node)})
    agent.ingest.start()
    agent.start()
    wait_for(lambda: is_live(agent, "a"), "a is live")
    return agent, rows


def source(server: Line, node: str) -> dict[str, object]:
    points = {"a": {"node": node, "unit": "kWh", "kind": "counter"}}
    return {"opcua": server.url, "security": "None", "sampling_ms": 50, "publishing_ms": 50, "points": points}


def restart(server: Line, *namespaces: str) -> None:
    """With other namespaces, and with another node under the NodeId at which `a` stood."""
    server.server.kill()
    server.restart(*namespaces)
    if namespaces[-1] != namespaces[0]:
        server.server.tell(stand_in={"a": STRANGER})


def take_up(agent: AgentProcess, server: Line, rows: list[tuple[str, int, float]]) -> None:
    """Start the agent: it reads on where it was, and nothing of the other node."""
    agent.start()
    wait_for(lambda: is_live(agent, "a"), "a is live again")
    rows.append(("a", now_us(), 7.0))
    server.tell(write=rows[-1:])
    assert_exactly(agent, rows)


@pytest.mark.parametrize("node", [OLD_NODE, "nsu=urn:test;s=a"])
def test_a_node_is_read_in_its_namespace_wherever_that_has_moved(make_agent, own_opcua, node):
    agent, rows = begun(make_agent, own_opcua, node)
    agent.kill()
    restart(own_opcua, "urn:other", "urn:test")
    take_up(agent, own_opcua, rows)
    assert point(agent, "a").address == node


def test_a_namespace_that_moves_under_a_running_agent_is_followed(make_agent, own_opcua):
    agent, rows = begun(make_agent, own_opcua)
    os.kill(agent.pid, signal.SIGSTOP)  # until the server has all its nodes
    restart(own_opcua, "urn:other", "urn:test")
    os.kill(agent.pid, signal.SIGCONT)
    wait_for(lambda: "a namespace has moved" in agent.log, "the move is noticed")
    wait_for(lambda: is_live(agent, "a"), "a is live again")
    rows.append(("a", now_us(), 7.0))
    own_opcua.tell(write=rows[-1:])
    assert_exactly(agent, rows)


def test_a_session_that_was_kept_by_an_earlier_release_is_remembered_too(make_agent, own_opcua):
    agent, rows = begun(make_agent, own_opcua)
    agent.stop()
    with sqlite3.connect(agent.folder / "spool.sqlite") as spool:
        assert spool.execute("DELETE FROM namespace").rowcount == 1
    spool.close()
    agent.start()
    wait_for(lambda: is_live(agent, "a"), "a is live again")
    agent.kill()
    assert "a new session must begin" not in agent.log
    restart(own_opcua, "urn:other", "urn:test")
    take_up(agent, own_opcua, rows)


def test_a_node_whose_namespace_is_gone_is_missing_until_its_new_one_is_written(make_agent, own_opcua):
    """Also where a node of its name stands at its old index: nobody but the plant knows whether it is the same."""
    agent, rows = begun(make_agent, own_opcua)
    agent.kill()
    restart(own_opcua, "urn:renamed")
    agent.start()
    wait_for(lambda: point(agent, "a").state == "error", "the node is missing")
    message = point(agent, "a").message
    assert message.startswith("ns=2;s=a: the server has no one namespace urn:test any more")
    assert "nsu=URI;..." in message
    assert "urn:renamed" in message
    assert_exactly(agent, rows)
    agent.stop()
    agent.config["sources"]["line"] = source(own_opcua, "nsu=urn:renamed;s=a")
    agent.start()
    wait_for(lambda: is_live(agent, "a"), "a is live again")
    row_after = ("a", now_us(), 7.0)
    own_opcua.tell(write=[row_after])
    wait_for(lambda: row_after in agent.ingest.rows(), "the value after")


def test_a_node_that_was_never_there_is_not_bound_to_the_namespace_of_its_index(make_agent, own_opcua):
    own_opcua.server.kill()
    own_opcua.server.start("urn:other")
    agent = make_agent(sources={"line": source(own_opcua, OLD_NODE)})
    agent.ingest.start()
    agent.start()
    wait_for(lambda: point(agent, "a").state == "error", "the node is missing")
    agent.kill()
    restart(own_opcua, "urn:test")
    rows = history("a", 1, start_us=now_us())
    own_opcua.tell(history=rows)
    take_up(agent, own_opcua, rows)


def test_without_a_word_on_its_namespaces_nothing_is_taken_of_a_server(make_agent, own_opcua):
    own_opcua.server.tell(hide_namespaces=True)
    agent = make_agent(sources={"line": source(own_opcua, OLD_NODE)})
    agent.start()
    wait_for(lambda: agent.status().sources["line"].state == "disconnected", "the refusal is noticed")
    assert "does not tell its namespaces (BadUserAccessDenied)" in agent.status().sources["line"].message
    assert point(agent, "a").rows == 0


def test_an_address_with_a_uri_is_written_as_part_6_has_it():
    assert split_node("nsu=urn:a%3Bb;s=x;y=1") == ("urn:a;b", "s=x;y=1")
    assert split_node("ns=2;s=nsu=x") == ("", "ns=2;s=nsu=x")
