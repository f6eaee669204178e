"""The keys of an OPC UA source and of its points."""

from __future__ import annotations

from urllib.parse import urlsplit

from asyncua import ua
from asyncua.ua.uaerrors import UaError

from edge_agent.config.base import KIND, Problems, Strict, range_problems
from edge_agent.config.point import PointConfig

BOUNDS: dict[str, tuple[float, float]] = {
    "sampling_ms": (0, 86_400_000),
    "publishing_ms": (10, 86_400_000),
    "backfill_days": (0, 36_500),
}


class OpcUaPointConfig(PointConfig, frozen=True, kw_only=True):
    """A variable of the server."""

    node: str = ""

    @property
    def address(self) -> str:
        """The node."""
        return self.node


class OpcUaSourceConfig(Strict, frozen=True, kw_only=True, tag_field=KIND, tag="opcua"):
    """A server to subscribe to, and how."""

    opcua: str
    points: dict[str, OpcUaPointConfig]
    sampling_ms: float = 1_000.0
    publishing_ms: float = 1_000.0
    backfill_days: float = 400.0

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return self.opcua


def source_problems(place: str, source: OpcUaSourceConfig) -> Problems:
    """What is wrong with the address, the figures and the names of the nodes; asks no server."""
    try:
        parts = urlsplit(source.opcua)
        usable = parts.scheme == "opc.tcp" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable:
        yield f"{place}.opcua", f"{source.opcua!r} is not an OPC UA address; write opc.tcp://host:4840/path"
    elif parts.username or parts.password:
        yield (
            f"{place}.opcua",
            "logging in with a user name is not supported; the server must admit anonymous readers",
        )
    yield from range_problems(source, place, BOUNDS)
    for name, point in source.points.items():
        yield from _node_problems(f"{place}.points.{name}", point)


def _node_problems(place: str, point: OpcUaPointConfig) -> Problems:
    try:
        ua.NodeId.from_string(point.node)
    except (UaError, ValueError) as err:
        yield (
            f"{place}.node",
            f"{point.node!r} is not a NodeId ({err}); write for example ns=2;s=Potline1.energy",
        )
