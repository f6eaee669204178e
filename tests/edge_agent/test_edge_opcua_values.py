"""What node-opcua's variables hold, and what becomes of it: numbers are kept, all else is one point's own trouble."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.status import PointStatus
from tests.edge_agent.support import AgentProcess, NodeOpcUa, wait_for

YEAR_2000_MS = 946_684_800_000
NUMBERS = {
    "Boolean": (True, 1.0),
    "SByte": (-128, -128.0),
    "Byte": (255, 255.0),
    "Int16": (-32768, -32768.0),
    "UInt16": (65535, 65535.0),
    "Int32": (-(2**31), -(2.0**31)),
    "UInt32": (2**32 - 1, 2.0**32 - 1),
    "Int64": (str(-(2**53)), -(2.0**53)),
    "UInt64": (str(2**53), 2.0**53),
    "Float": (1.5, 1.5),
    "Double": (math.pi, math.pi),
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeOpcUa]:
    server = NodeOpcUa(tmp_path_factory.mktemp("values")).start()
    yield server
    server.kill()


def agent_with(make_agent, node: NodeOpcUa, points: dict[str, dict[str, object]], **source: object) -> AgentProcess:
    """Reads the nodes of these names; what is said of a point goes into its configuration."""
    common = {"opcua": node.url, "security": "None", "sampling_ms": 0, "publishing_ms": 50}
    named = {name: {"node": f"ns=1;s={name}", "unit": "1", "kind": "gauge"} | more for name, more in points.items()}
    agent: AgentProcess = make_agent(sources={"line": common | source | {"points": named}})
    agent.ingest.start()
    return agent.start()


def point(agent: AgentProcess, name: str) -> PointStatus:
    return agent.status().sources["line"].points[name]


def values(agent: AgentProcess, name: str) -> list[float]:
    return [value for found, _, value in agent.ingest.rows() if found == name]


def test_every_numeric_type_is_read_and_an_enumeration_and_an_element_of_an_array(make_agent, node):
    nodes = [{"name": f"n.{kind}", "type": kind, "value": value} for kind, (value, _) in NUMBERS.items()]
    node.tell(
        add=[
            *nodes,
            {"name": "n.mode", "type": "Int32", "value": 2, "enumeration": "Mode"},
            {"name": "n.array", "type": "Int16", "array": [10, 20, 30]},
        ]
    )
    points = {entry["name"]: {} for entry in nodes} | {"n.mode": {}, "n.array": {"index": 2}}
    agent = agent_with(make_agent, node, points)
    expected = {f"n.{kind}": number for kind, (_, number) in NUMBERS.items()} | {"n.mode": 2.0, "n.array": 30.0}
    wait_for(lambda: {name for name, *_ in agent.ingest.rows()} == set(expected), "a value of each")
    assert {name: value for name, _, value in agent.ingest.rows()} == expected
    node.tell(write=[{"name": "n.array", "value": [1, 2, 3]}])
    wait_for(lambda: values(agent, "n.array") == [30.0, 3.0], "the element's next value")


def test_what_holds_no_numbers_is_refused_by_name_at_the_start_and_the_rest_is_read(make_agent, node):
    node.tell(
        add=[
            {"name": "r.good", "type": "Double", "value": 1},
            {"name": "r.text", "type": "String", "value": "x"},
            {"name": "r.moment", "type": "DateTime", "declared": "UtcTime", "value": 0},
            {"name": "r.anything", "type": "String", "declared": "BaseDataType", "value": "x"},
            {"name": "r.array", "type": "Double", "array": [1, 2]},
        ]
    )
    points = {name: {} for name in ("r.good", "r.text", "r.moment", "r.anything", "r.array", "r.missing")}
    agent = agent_with(
        make_agent, node, points | {"r.folder": {"node": "i=85"}, "r.scalar": {"node": "ns=1;s=r.good", "index": 0}}
    )
    wait_for(lambda: values(agent, "r.good") == [1.0], "the good one")
    expected = {
        "r.text": "holds values of type String, not numbers",
        "r.moment": "holds values of type DateTime, not numbers",
        "r.anything": "holds values of type String, not numbers",
        "r.array": "index: 0",
        "r.missing": "BadNodeIdUnknown",
        "r.folder": "is not a variable",
        "r.scalar": "leave out index",
    }
    wait_for(lambda: point(agent, "r.scalar").state == "error", "the refusals show")
    for name, message in expected.items():
        assert point(agent, name).state == "error"
        assert message in point(agent, name).message


def test_odd_values_are_kept_with_a_mark_or_counted_and_the_rest_goes_on(make_agent, node):
    names = ("o.nan", "o.clock", "o.kind", "o.status", "o.good")
    node.tell(
        add=[
            {"name": name, "type": "Double", "declared": "BaseDataType" if name == "o.kind" else None, "value": 0}
            for name in names
        ]
    )
    agent = agent_with(make_agent, node, {name: {} for name in names})
    wait_for(lambda: {name for name, *_ in agent.ingest.rows()} == set(names), "all are read")
    node.tell(
        write=[
            {"name": "o.nan", "value": "NaN"},
            {"name": "o.nan", "value": "-Infinity"},
            {"name": "o.clock", "value": 7, "time": YEAR_2000_MS},
            {"name": "o.kind", "value": "x" * 1_000_000, "type": "String"},
            {"name": "o.status", "value": 3, "status": "UncertainInitialValue"},
            {"name": "o.good", "value": 5},
        ]
    )
    wait_for(lambda: values(agent, "o.good") == [0.0, 5.0], "the good one goes on")
    wait_for(lambda: len(values(agent, "o.nan")) == 3, "what is not finite is kept")
    assert math.isnan(values(agent, "o.nan")[1])
    assert values(agent, "o.nan")[2] == -math.inf
    wait_for(lambda: point(agent, "o.nan").not_finite == 2, "and counted")
    assert ("o.clock", YEAR_2000_MS * 1_000, 7.0) in agent.ingest.rows()
    assert point(agent, "o.clock").odd_times == 1
    assert "its clock says 2000-01-01" in point(agent, "o.clock").message
    assert (point(agent, "o.kind").refused, point(agent, "o.kind").state) == (1, "error")
    assert len(point(agent, "o.kind").message) < 200
    assert point(agent, "o.status").last_status == 0x40920000
    node.tell(write=[{"name": "o.kind", "value": 8}, {"name": "o.clock", "value": 9}])
    wait_for(lambda: values(agent, "o.kind") == [0.0, 8.0] and values(agent, "o.clock") == [0.0, 7.0, 9.0], "all go on")
    wait_for(lambda: point(agent, "o.kind").state == "live", "the error is gone")
    assert agent.ingest.gaps() == []


def test_deadbands_queues_and_intervals_are_asked_for_by_point_group_and_source(make_agent, node):
    node.tell(
        add=[
            {"name": "d.plain", "type": "Double", "value": 0},
            {"name": "d.absolute", "type": "Double", "value": 0},
            {"name": "d.percent", "type": "Double", "value": 0, "range": [0, 200]},
            {"name": "d.nowhere", "type": "Double", "value": 0},
        ]
    )
    points = {
        "d.plain": {},
        "d.absolute": {"group": "coarse", "queue_size": 7},
        "d.percent": {"deadband_percent": 10, "publishing_ms": 100},
        "d.nowhere": {"deadband_percent": 10},
    }
    groups = {"coarse": {"deadband": 5, "queue_size": 50, "sampling_ms": 60}}
    agent = agent_with(make_agent, node, points, groups=groups, queue_size=9_000)
    wait_for(lambda: all(values(agent, name) == [0.0] for name in list(points)[:3]), "the first values")
    for step in (3.0, 6.0, 15.0, 21.0):
        node.tell(write=[{"name": name, "value": step} for name in list(points)[:3]])
        wait_for(lambda step=step: step in values(agent, "d.plain"), "the step")
        # The sampled node looks only every 60 ms; without its value the next step would hide this one.
        if step != 3.0:
            wait_for(lambda step=step: step in values(agent, "d.absolute"), "the step beyond the deadband")
    wait_for(lambda: 21.0 in values(agent, "d.percent"), "the last step")
    assert values(agent, "d.plain") == [0.0, 3.0, 6.0, 15.0, 21.0]
    assert values(agent, "d.absolute") == [0.0, 6.0, 15.0, 21.0]
    assert values(agent, "d.percent") == [0.0, 21.0]
    assert "EURange" in point(agent, "d.nowhere").message
    shown = point(agent, "d.absolute")
    assert (shown.asked_sampling_ms, shown.revised_sampling_ms, shown.revised_queue) == (60, 60, 7)
    assert (point(agent, "d.plain").asked_queue, point(agent, "d.plain").revised_queue) == (9_000, 5_000)


def test_a_deadband_of_either_kind_works_for_a_point_and_for_a_group(make_agent, node):
    names = ("b.every", "b.own.absolute", "b.own.percent", "b.group.absolute", "b.group.percent")
    node.tell(add=[{"name": name, "type": "Double", "value": 0, "range": [0, 200]} for name in names])
    points = {
        "b.every": {},
        "b.own.absolute": {"deadband": 5},
        "b.own.percent": {"deadband_percent": 5},
        "b.group.absolute": {"group": "absolute"},
        "b.group.percent": {"group": "percent"},
    }
    groups = {"absolute": {"deadband": 5}, "percent": {"deadband_percent": 5}}
    agent = agent_with(make_agent, node, points, groups=groups)
    wait_for(lambda: all(values(agent, name) == [0.0] for name in names), "the first values")
    for step in (3.0, 8.0, 12.0, 30.0):  # 5 % of the range are 10
        node.tell(write=[{"name": name, "value": step} for name in names])
        wait_for(lambda step=step: step in values(agent, "b.every"), "the step")
    wait_for(lambda: all(30.0 in values(agent, name) for name in names), "the last step")
    for name, steps in (("absolute", [0.0, 8.0, 30.0]), ("percent", [0.0, 12.0, 30.0])):
        assert values(agent, f"b.own.{name}") == values(agent, f"b.group.{name}") == steps


def test_a_node_that_vanishes_with_a_restart_is_one_points_error_and_comes_back(make_agent, tmp_path: Path):
    node = NodeOpcUa(tmp_path)
    both = [{"name": name, "type": "Double", "value": 1} for name in ("v.stays", "v.goes")]
    try:
        node.start()
        node.tell(add=both)
        agent = agent_with(make_agent, node, {"v.stays": {}, "v.goes": {}})
        wait_for(lambda: len(agent.ingest.rows()) == 2, "both are read")
        node.kill()
        node.start()
        node.tell(add=both[:1])
        wait_for(lambda: "BadNodeIdUnknown" in point(agent, "v.goes").message, "the vanished node's error")
        node.tell(write=[{"name": "v.stays", "value": 2}])
        wait_for(lambda: 2.0 in values(agent, "v.stays"), "the other goes on")
        assert point(agent, "v.goes").state == "error"
    finally:
        node.kill()


def test_history_with_more_values_at_one_time_than_a_page_has_is_read_by_its_continuation_points(make_agent, node):
    node.tell(add=[{"name": "h.many", "type": "Double", "value": 0, "history": 20_000}])
    moment = time.time_ns() // 1_000_000 + 1_000  # after the value with which the node begins
    rows = [{"name": "h.many", "value": number, "time": moment + number // 2_500} for number in range(5_500)]
    node.tell(write=rows)
    agent = agent_with(make_agent, node, {"h.many": {}})
    wait_for(lambda: len(values(agent, "h.many")) >= 5_500, "the history")
    assert sorted(values(agent, "h.many"))[-5_500:] == sorted(float(row["value"]) for row in rows)
    assert len(values(agent, "h.many")) <= 5_501  # the value with which the node began may be there too
    assert agent.ingest.gaps() == []
