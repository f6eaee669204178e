"""Where nodes stand in a server's namespaces now: an index may mean another namespace after its restart, a URI may not.

What a node's index meant when it was first monitored is remembered as a URI, and that URI is looked for from then on
(see docs/adr/0082-a-node-is-known-by-its-uri.md). Indices may change between sessions only (Part 3, 5.2.2).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from edge_agent.config.opcua import split_node
from edge_agent.sources.opcua.item import Item
from verification.errors import RetroProofError

NAMESPACES = ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray))

log = logging.getLogger(__name__)


class NamespacesError(RetroProofError):
    """The server does not tell its namespaces; says what to do."""


async def namespaces(session: UaSession) -> Sequence[str]:
    """The URIs of the server's namespaces by their index. Raises NamespacesError."""
    wanted = ua.ReadValueId(NodeId=NAMESPACES, AttributeId=AttributeIds.Value)
    (answer,) = await session.read(ua.ReadParameters(NodesToRead=[wanted]))
    found = answer.Value.Value if answer.Value is not None else None
    if not isinstance(found, list):
        why = "no value" if answer.StatusCode is None else answer.StatusCode.name
        raise NamespacesError(
            f"the server does not tell its namespaces ({why}), without which a NodeId may mean another node; "
            "ask its administrator to let us read Server.NamespaceArray"
        )
    return [uri or "" for uri in found]


def locate(items: Iterable[Item], uris: Sequence[str], remembered: Mapping[str, str]) -> list[Item]:
    """Give each item its NodeId as of now and return those that have one; the others get their error.

    uris: the server's namespaces by index; remembered: by node as configured, the URI of its index at first.
    """
    located, moved = [], set()
    for item in items:
        written, rest = split_node(item.node)
        node_id = ua.NodeId.from_string(rest)
        before = index = int(node_id.NamespaceIndex)
        uri = written or remembered.get(item.node)
        if uri is not None and uri not in uris[index : index + 1]:
            if uris.count(uri) != 1:
                item.fail(_missing(uri, uris, is_written=bool(written)))
                continue
            index = uris.index(uri)
            if not written:
                moved.add((uri, before, index))
        item.node_id = ua.NodeId(node_id.Identifier, ua.Int16(index), node_id.NodeIdType)
        located.append(item)
    for uri, before, index in sorted(moved):
        log.warning("a namespace has moved at the server: uri=%s before=%d now=%d", uri, before, index)
    return located


def _missing(uri: str, uris: Sequence[str], *, is_written: bool) -> str:
    others = ", ".join(uris[1:]) or "none"
    if is_written:
        return f"the server has no one namespace {uri}; look for a slip, its namespaces are: {others}"
    return (
        f"the server has no one namespace {uri} any more, in which this node stood at first, and another node may have "
        f"its NodeId now; if one of these is its namespace today, write it at the point as nsu=URI;...: {others}"
    )


def origins(items: Iterable[Item], uris: Sequence[str]) -> dict[str, str]:
    """What is to be remembered of located items: by node as configured, the URI of the index that it names."""
    return {
        item.node: uris[item.node_id.NamespaceIndex]
        for item in items
        if item.node_id.NamespaceIndex and not split_node(item.node)[0] and item.node_id.NamespaceIndex < len(uris)
    }
