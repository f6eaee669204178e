"""A running agent takes a changed configuration, and what did not change goes on; or says why it does not take it."""

from __future__ import annotations

import copy

import pytest
import yaml

from edge_agent.clock import now_us
from tests.edge_agent.support import OpcUaProcess, ticking_points, wait_for
from tests.edge_agent.test_edge_cli import run

QUICK = {"sampling_ms": 20, "publishing_ms": 50}


def source(line, *names: str) -> dict:
    points = {name: {"node": line.node(name), "unit": "kWh", "kind": "counter"} for name in names}
    return {"opcua": line.url, "security": "None", "points": points, **QUICK}


@pytest.fixture
def lines(make_opcua):
    return make_opcua(points=["a", "b"]), make_opcua(points=["c"])


@pytest.fixture
def agent(make_agent, lines):
    """Reads `a` of the first line, and has said so."""
    made = make_agent(sources={"one": source(lines[0], "a")})
    made.ingest.start()
    made.start()
    wait_for(lambda: live(made, "one", "a"), "a live point")
    return made


def live(agent, source_name: str, point: str) -> bool:
    found = agent.status().sources.get(source_name)
    return found is not None and point in found.points and found.points[point].state == "live"


def change(agent, **changes: object) -> str:
    """Write the changed file and have the agent told; what the command printed."""
    agent.config_path.write_text(yaml.safe_dump(agent.config | changes, sort_keys=False))
    done = run("reload", "--config", agent.config_path)
    return f"{done.exit_code} {done.output}"


def arrived(agent) -> list[tuple[str, float]]:
    return [(name, value) for name, _, value in agent.ingest.rows()]


def test_a_further_source_begins_while_the_others_go_on(agent, lines):
    first, second = lines
    first.tell(write=[("a", now_us(), 1.0)])
    wait_for(lambda: ("a", 1.0) in arrived(agent), "a value before")
    said = change(agent, sources={"one": source(first, "a"), "two": source(second, "c")})
    assert said == "0 taken: 2 points\n"
    wait_for(lambda: live(agent, "two", "c"), "the new source")
    first.tell(write=[("a", now_us(), 2.0)])
    second.tell(write=[("c", now_us(), 3.0)])
    wait_for(lambda: {("a", 2.0), ("c", 3.0)} <= set(arrived(agent)), "values after")
    assert agent.status().sources["one"].connects == 1
    assert agent.ingest.problems == []
    assert agent.ingest.gaps() == []


def test_a_changed_source_misses_nothing_that_was_written_meanwhile(agent, lines):
    (first, _) = lines
    began = now_us()
    for number in range(20):
        first.tell(write=[("a", began + number * 1_000, float(number))])
        if number == 10:
            assert change(agent, sources={"one": source(first, "a", "b")}).startswith("0 taken: 2 points")
    wait_for(lambda: ("a", 19.0) in arrived(agent), "the last value")
    values = [value for name, value in arrived(agent) if name == "a"]
    assert sorted(set(values)) == [float(number) for number in range(20)]
    assert agent.ingest.gaps() == []


def test_a_reload_loses_and_doubles_no_value_of_nodes_without_history(make_agent, tmp_path):
    """They count twenty times a second while their source gets a further point, and then a slower one."""
    server = OpcUaProcess(tmp_path).start()
    server.tell(tick={"count": 3, "interval_ms": 50})
    points = ticking_points(3, 2)
    line = {"opcua": server.url, "security": "None", **QUICK}

    def sources(*names: str, **changes: object) -> dict[str, object]:
        named = {name: points[name] | (changes if name == names[-1] else {}) for name in names}
        return {"one": line | {"points": named}}

    agent = make_agent(sources=sources("t0"))
    agent.ingest.start()
    agent.start()
    wait_for(lambda: live(agent, "one", "t0"), "the first point")
    assert change(agent, sources=sources("t0", "t1")).startswith("0 taken: 2 points")
    wait_for(lambda: live(agent, "one", "t1"), "the second point")
    assert change(agent, sources=sources("t0", "t1", "t2", publishing_ms=1_000)).startswith("0 taken: 3 points")
    wait_for(lambda: live(agent, "one", "t2"), "the third point")
    count = server.tell(stop=True)["counted"]
    last = {(name, float(count)) for name in points}
    wait_for(lambda: last <= set(arrived(agent)), "the last values")
    for name in ("t0", "t1"):
        counted = sorted(value for found, value in arrived(agent) if found == name)
        assert counted == [float(value) for value in range(int(counted[0]), count + 1)]
    assert agent.ingest.gaps() == []
    server.close()


def test_a_source_that_is_gone_from_the_file_ends(agent, lines):
    first, second = lines
    assert change(agent, sources={"two": source(second, "c")}).startswith("0 taken: 1 points")
    wait_for(lambda: list(agent.status().sources) == ["two"], "the old source to be gone")
    first.tell(write=[("a", now_us(), 9.0)])
    wait_for(lambda: live(agent, "two", "c"), "the new source")
    second.tell(write=[("c", now_us(), 3.0)])
    wait_for(lambda: ("c", 3.0) in arrived(agent), "a value of the new source")
    assert ("a", 9.0) not in arrived(agent)


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "gone"])
def test_a_server_that_is_left_for_good_is_left_without_a_session(make_agent, own_opcua, lines, moved):
    """Kept, it would fill its queues at the server until it times out."""
    (first, second) = lines
    agent = make_agent(sources={"one": source(own_opcua, "a")})
    agent.ingest.start()
    agent.start()
    wait_for(lambda: live(agent, "one", "a"), "a live point")
    own_opcua.tell(write=[("a", now_us(), 4.0)])
    wait_for(lambda: ("a", 4.0) in arrived(agent), "a value before")
    assert own_opcua.server.tell()["sessions"] == 1
    after = source(first, "a") if moved else source(second, "c")
    assert change(agent, sources={"one" if moved else "two": after}).startswith("0 taken: 1 points")
    wait_for(
        lambda: own_opcua.server.tell()["sessions"] == 0, "no session at the server that was left", deadline_s=10.0
    )
    name, point, line = ("one", "a", first) if moved else ("two", "c", second)
    wait_for(lambda: live(agent, name, point), "the new source")
    line.tell(write=[(point, now_us(), 5.0)])
    wait_for(lambda: (point, 5.0) in arrived(agent), "a value of the new source")
    assert "Traceback" not in agent.log


def test_a_changed_uplink_is_opened_anew(agent, lines):
    uplink = copy.deepcopy(agent.config["uplink"]) | {"window": 7}
    assert change(agent, uplink=uplink).startswith("0 taken")
    lines[0].tell(write=[("a", now_us(), 5.0)])
    wait_for(lambda: ("a", 5.0) in arrived(agent), "a value over the new uplink")


def test_a_file_with_a_mistake_is_refused_and_the_agent_goes_on(agent, lines):
    said = change(agent, sources={"one": source(lines[0], "a") | {"opcua": "http://x"}})
    assert said.startswith("64 ")
    assert "opc.tcp://host:4840/path" in said
    lines[0].tell(write=[("a", now_us(), 4.0)])
    wait_for(lambda: ("a", 4.0) in arrived(agent), "a value")
    assert agent.status().reloads == 0


def test_what_takes_a_restart_is_said(agent):
    said = change(agent, spool={"path": "elsewhere.sqlite"})
    assert said.startswith("64 ")
    assert "does not run" in said  # nobody holds the other spool
    agent.config_path.write_text(yaml.safe_dump(agent.config | {"metrics": "127.0.0.1:9464"}))
    said = run("reload", "--config", agent.config_path).output
    assert "metrics was changed, which takes a restart" in said
    assert "config  the last reload was refused" in run("status", "--config", agent.config_path).output
    assert agent.running()


def test_without_an_agent_there_is_nothing_to_tell(make_agent, lines):
    idle = make_agent(sources={"one": source(lines[0], "a")})
    assert change(idle).startswith("64 ")
