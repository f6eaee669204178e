"""Walks an OPC UA server's address space and says of each variable what a person must know to pick it.

Bounded in nodes and depth, because servers have tens of thousands of nodes and references that lead in circles; each
node is visited once. Properties are not walked into; the engineering unit among them is read. The server's own nodes
(namespace 0) are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIdNames, ObjectIds

from edge_agent.commission.engineering_units import NO_UNIT, Unit, unit_of
from edge_agent.table import figure

MAX_NODES = 20_000
MAX_DEPTH = 30
NODES_PER_REQUEST = 100
REFERENCES_PER_PAGE = 500
ATTRIBUTES = (
    AttributeIds.DataType,
    AttributeIds.ValueRank,
    AttributeIds.UserAccessLevel,
    AttributeIds.Historizing,
    AttributeIds.Value,
)
CURRENT_READ, CURRENT_WRITE, HISTORY_READ = 1 << 0, 1 << 1, 1 << 2  # Part 3, 8.57
NUMBERS = {"Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double"}
MAX_SHOWN_CHARS = 24
TIME_SHOWN = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. `type` is that of its value, with [] for arrays; `trouble` says why it cannot be a point."""

    node: str
    path: str
    unit: Unit
    type: str
    value: str
    historizing: bool
    readable: bool
    writable: bool
    trouble: str

    def matches(self, words: Sequence[str]) -> bool:
        """Whether every word stands somewhere in its path, node or unit, in capitals or not."""
        text = f"{self.path} {self.node} {self.unit.ours} {self.unit.shown}".casefold()
        return all(word.casefold() in text for word in words)


@dataclass(slots=True)
class Walk:
    """What a walk found; `bounded` says which bound ended it before everything was seen."""

    variables: list[Variable] = field(default_factory=list)
    visited: int = 0
    bounded: str = ""


@dataclass(slots=True)
class _Found:
    node_id: ua.NodeId
    path: str
    depth: int
    is_variable: bool = False
    unit_node: ua.NodeId | None = None


async def walk(session: UaSession, *, most: int = MAX_NODES, deepest: int = MAX_DEPTH) -> Walk:
    """Every variable below Objects, nearest first. Raises UaError, OSError and TimeoutError when the server is lost."""
    done = Walk()
    root = _Found(ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder)), "", 0)
    seen = {root.node_id}
    todo = deque([root])
    variables: list[_Found] = []
    while todo and not done.bounded:
        part = [todo.popleft() for _ in range(min(len(todo), NODES_PER_REQUEST))]
        done.visited += len(part)
        for parent, references in zip(part, await _references(session, part), strict=True):
            for child in islice(_children(parent, references, seen), most + 1 - len(seen)):
                if child.is_variable:
                    variables.append(child)
                if child.depth < deepest:
                    todo.append(child)
            if len(seen) > most:
                done.bounded = f"stopped after {most} nodes, so this is not all; raise --most to see more"
                break
    for start in range(0, len(variables), NODES_PER_REQUEST):
        done.variables += await _describe(session, variables[start : start + NODES_PER_REQUEST])
    return done


def _children(parent: _Found, references: Sequence[ua.ReferenceDescription], seen: set[ua.NodeId]) -> Iterator[_Found]:
    """The nodes not seen before to which a node's references lead; notes the parent's unit on the way."""
    for reference in references:
        target = reference.NodeId
        node_id = ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
        name = reference.BrowseName.Name
        if reference.ReferenceTypeId == ua.NodeId(ua.Int32(ObjectIds.HasProperty)):
            if name == "EngineeringUnits":
                parent.unit_node = node_id
        elif getattr(target, "ServerIndex", 0) == 0 and node_id.NamespaceIndex != 0 and node_id not in seen:
            seen.add(node_id)
            path = f"{parent.path}/{reference.DisplayName.Text or name}".lstrip("/")
            yield _Found(node_id, path, parent.depth + 1, reference.NodeClass == ua.NodeClass.Variable)


async def _references(session: UaSession, nodes: Sequence[_Found]) -> list[list[ua.ReferenceDescription]]:
    """The hierarchical references of each node, all pages of them."""
    wanted = [
        ua.BrowseDescription(
            NodeId=node.node_id,
            BrowseDirection=ua.BrowseDirection.Forward,
            ReferenceTypeId=ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences)),
            IncludeSubtypes=True,
            NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
            ResultMask=ua.BrowseResultMask.All,
        )
        for node in nodes
    ]
    parameters = ua.BrowseParameters(RequestedMaxReferencesPerNode=REFERENCES_PER_PAGE, NodesToBrowse=wanted)
    results = await session.browse(parameters)
    found = [list(result.References or ()) for result in results]
    open_ends = {place: result.ContinuationPoint for place, result in enumerate(results) if result.ContinuationPoint}
    while open_ends:
        parameters_next = ua.BrowseNextParameters(
            ReleaseContinuationPoints=False, ContinuationPoints=list(open_ends.values())
        )
        more = await session.browse_next(parameters_next)
        next_ends = {}
        for place, result in zip(open_ends, more, strict=True):
            found[place] += result.References or ()
            if result.ContinuationPoint:
                next_ends[place] = result.ContinuationPoint
        open_ends = next_ends
    return found


async def describe(session: UaSession, nodes: Sequence[str]) -> list[Variable]:
    """The named nodes, as `walk` would find them; for a node without a path the node itself stands."""
    found = [_Found(ua.NodeId.from_string(node), node, 0, is_variable=True) for node in nodes]
    for one, references in zip(found, await _references(session, found), strict=True):
        list(_children(one, references, set()))
    return await _describe(session, found)


async def _describe(session: UaSession, nodes: Sequence[_Found]) -> list[Variable]:
    wanted = [(node.node_id, attribute) for node in nodes for attribute in ATTRIBUTES]
    wanted += [(node.unit_node, AttributeIds.Value) for node in nodes if node.unit_node is not None]
    reads = [ua.ReadValueId(NodeId=node_id, AttributeId=attribute) for node_id, attribute in wanted]
    parameters = ua.ReadParameters(NodesToRead=reads, TimestampsToReturn=ua.TimestampsToReturn.Both)
    answers = await session.read(parameters) if reads else []
    width = len(ATTRIBUTES)
    units = iter(answers[len(nodes) * width :])
    return [
        _variable(
            node,
            answers[place * width : (place + 1) * width],
            _unit(next(units)) if node.unit_node is not None else NO_UNIT,
        )
        for place, node in enumerate(nodes)
    ]


def _variable(node: _Found, answers: Sequence[ua.DataValue], unit: Unit) -> Variable:
    data_type, rank, access, historizing, value = answers
    rights = content(access) or 0
    is_array = isinstance(content(value), list) or (content(rank) or 0) >= 1
    type_name = _type_name(data_type, value)
    readable = bool(rights & CURRENT_READ)
    status = data_type.StatusCode
    trouble = ""
    if status is not None and status.is_bad():
        trouble = f"{status.name}; is the node still there?"
    elif not readable:
        trouble = "may not be read; ask the server's administrator"
    elif is_array:
        trouble = "an array: add index: to the point"
    elif type_name not in NUMBERS:
        trouble = f"not a number: {type_name}"
    return Variable(
        node=node.node_id.to_string(),
        path=node.path,
        unit=unit,
        type=type_name + "[]" * is_array,
        value=_shown(value),
        historizing=bool(content(historizing)) or bool(rights & HISTORY_READ),
        readable=readable,
        writable=bool(rights & CURRENT_WRITE),
        trouble=trouble,
    )


def _unit(answer: ua.DataValue) -> Unit:
    said = content(answer)
    if not isinstance(said, ua.EUInformation):
        return NO_UNIT
    return unit_of(said.NamespaceUri or "", said.UnitId, said.DisplayName.Text or "")


def _type_name(data_type: ua.DataValue, value: ua.DataValue) -> str:
    """The type of the value that is there, or else the declared one."""
    if value.Value is not None and value.Value.Value is not None:
        return str(value.Value.VariantType.name)
    declared = content(data_type)
    is_standard = isinstance(declared, ua.NodeId) and declared.NamespaceIndex == 0
    return str(ObjectIdNames.get(int(declared.Identifier), "unknown")) if is_standard else "unknown"


def _shown(value: ua.DataValue) -> str:
    """A value as a person reads it, with the status where that is not good."""
    found = content(value)
    text = figure(found) if isinstance(found, float) else "" if found is None else str(found)
    text = " ".join(text.split())[:MAX_SHOWN_CHARS]
    status = value.StatusCode
    return text if status is None or status.is_good() else f"{text} {status.name}".strip()


def content(answer: ua.DataValue) -> Any:  # noqa: ANN401 - whatever a server holds
    """What an attribute holds, None where it could not be read."""
    return answer.Value.Value if answer.Value is not None else None
