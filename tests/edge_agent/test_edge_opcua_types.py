"""Every data type of OPC UA against asyncua's server: numbers are read, all else is refused by name at the start."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.server.server import Server

from edge_agent.status import PointStatus
from tests.edge_agent.odd_server import serving
from tests.edge_agent.support import AgentProcess, wait_for

NUMBERS = {
    "Boolean": True,
    "SByte": -7,
    "Byte": 7,
    "Int16": -7,
    "UInt16": 7,
    "Int32": -7,
    "UInt32": 7,
    "Int64": -7,
    "UInt64": 7,
    "Float": 0.5,
    "Double": 0.5,
}
OTHERS = {
    "String": "7",
    "DateTime": datetime(2026, 3, 1, tzinfo=UTC),
    "Guid": uuid.UUID(int=7),
    "ByteString": b"7",
    "XmlElement": ua.XmlElement("<seven/>"),
    "NodeId": ua.NodeId(ua.Int32(7)),
    "ExpandedNodeId": ua.ExpandedNodeId(ua.Int32(7)),
    "StatusCode": ua.StatusCode(ua.UInt32(0)),
    "QualifiedName": ua.QualifiedName("seven"),
    "LocalizedText": ua.LocalizedText("seven"),
    "ExtensionObject": ua.Range(0.0, 7.0),
}
# What a variable may be declared as, without being of a built-in type itself (Part 5, 12.2).
DERIVED_NUMBERS = {"Duration": 290, "Counter": 289, "Number": 26, "Integer": 27, "UInteger": 28, "ServerState": 852}
DERIVED_OTHERS = {"UtcTime": (294, "DateTime"), "LocaleId": (295, "String"), "Image": (30, "ByteString")}
KINDS = {"Duration": "Double", "Counter": "UInt32", "Number": "Double", "Integer": "Int16", "UInteger": "Byte"}


async def fill(server: Server) -> None:
    """A variable of each type, named by it; arrays of numbers of one and two dimensions."""
    index = await server.register_namespace("urn:test:odd")

    async def add(name: str, value: object, kind: str, data_type: int | None = None) -> None:
        node = ua.NodeId.from_string(f"ns={index};s={name}")
        declared = None if data_type is None else ua.NodeId(ua.Int32(data_type))
        variant = ua.Variant(value, ua.VariantType[kind])
        await server.nodes.objects.add_variable(node, f"{index}:{name}", variant, datatype=declared)

    for kind, value in (NUMBERS | OTHERS).items():
        await add(kind, value, kind)
    for name, data_type in DERIVED_NUMBERS.items():
        kind = KINDS.get(name, "Int32")
        await add(name, 7.0 if kind == "Double" else 7, kind, data_type)
    for name, (data_type, kind) in DERIVED_OTHERS.items():
        await add(name, OTHERS[kind], kind, data_type)
    await add("List", [1.0, 2.0, 3.0], "Double")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(fill) as address:
        yield address


@pytest.fixture
def agent(make_agent, url) -> AgentProcess:
    """Reads every one of them; started."""
    names = [*NUMBERS, *OTHERS, *DERIVED_NUMBERS, *DERIVED_OTHERS]
    points = {name: {"node": f"ns=2;s={name}", "unit": "1", "kind": "gauge"} for name in names}
    listed = {"unit": "1", "kind": "gauge", "node": "ns=2;s=List"}
    points |= {"first": listed | {"index": 0}, "third": listed | {"index": 2}, "fourth": listed | {"index": 3}}
    common = {"opcua": url, "security": "None", "sampling_ms": 20, "publishing_ms": 50}
    made: AgentProcess = make_agent(sources={"line": common | {"points": points}})
    made.ingest.start()
    return made.start()


def points_of(agent: AgentProcess) -> dict[str, PointStatus]:
    return agent.status().sources["line"].points


def test_numbers_are_read_whatever_their_type_and_the_rest_is_refused_by_name_at_the_start(agent):
    expected = {name: float(value) for name, value in NUMBERS.items()} | dict.fromkeys(DERIVED_NUMBERS, 7.0)
    expected |= {"first": 1.0, "third": 3.0}
    wait_for(lambda: {name for name, *_ in agent.ingest.rows()} >= expected.keys(), "a value of each number")
    assert {name: value for name, _, value in agent.ingest.rows()} == expected
    wait_for(
        lambda: expected.keys() <= {n for n, one in points_of(agent).items() if one.state == "live"}, "all are live"
    )
    shown = points_of(agent)
    refused = {name: name for name in OTHERS} | {name: kind for name, (_, kind) in DERIVED_OTHERS.items()}
    refused["ExtensionObject"] = "Structure"
    for name, kind in refused.items():
        assert shown[name].state == "error", name
        assert f"holds values of type {kind}, not numbers" in shown[name].message
        assert shown[name].refused == 0  # not at run time, by its values
    assert {name for name, one in shown.items() if one.state == "live"} == expected.keys()


def test_an_element_that_the_array_does_not_have_is_that_points_error(agent):
    wait_for(lambda: points_of(agent)["fourth"].state == "error", "the error")
    assert points_of(agent)["fourth"].message == "element 3 of an array with 3; the first is element 0"
    wait_for(lambda: {"first", "third"} <= {name for name, *_ in agent.ingest.rows()}, "the others are read")
