"""The keys of an OPC UA source and of its points.

How a point is sampled is said at the point, in its `group`, or for the whole source; the nearest word counts. How the
server is trusted has no default: `security: None` must be written to read without protection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from edge_agent.config.base import KIND, Problems, Strict, range_problems, read_password
from edge_agent.config.point import PointConfig
from verification.errors import ConfigError

NO_SECURITY = "None"
POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
MODES = ("Sign", "SignAndEncrypt")
SECURITIES = (NO_SECURITY, *(f"{policy}/{mode}" for policy in POLICIES for mode in MODES))
FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
DAY_MS = 86_400_000
SAMPLING_BOUNDS: dict[str, tuple[float, float]] = {
    "sampling_ms": (0, DAY_MS),
    "publishing_ms": (10, DAY_MS),
    "queue_size": (1, 1_000_000),
    "deadband": (0, 1e300),
    "deadband_percent": (0, 100),
}
SOURCE_BOUNDS: dict[str, tuple[float, float]] = {"backfill_days": (0, 36_500)}
MAX_INDEX = 1_000_000


class Sampling(NamedTuple):
    """What is asked of the server for one point. `deadband` is in the point's unit, or in percent of its range."""

    sampling_ms: float = 1_000.0
    publishing_ms: float = 1_000.0
    queue_size: int = 1_000
    deadband: float = 0.0
    deadband_percent: float = 0.0


class SamplingConfig(Strict, frozen=True, kw_only=True):
    """A named group of points that are sampled alike."""

    sampling_ms: float | None = None
    publishing_ms: float | None = None
    queue_size: int | None = None
    deadband: float | None = None
    deadband_percent: float | None = None


class OpcUaPointConfig(PointConfig, frozen=True, kw_only=True):
    """A variable of the server, or one element (`index`) of an array; has the keys of a group too."""

    node: str = ""
    index: int | None = None
    group: str = ""
    sampling_ms: float | None = None
    publishing_ms: float | None = None
    queue_size: int | None = None
    deadband: float | None = None
    deadband_percent: float | None = None

    @property
    def address(self) -> str:
        """The node, with the element's place in brackets."""
        return self.node if self.index is None else f"{self.node}[{self.index}]"


Level = SamplingConfig | OpcUaPointConfig  # where sampling can be spoken of


class OpcUaSourceConfig(SamplingConfig, frozen=True, kw_only=True, tag_field=KIND, tag="opcua"):
    """A server to subscribe to, how it is trusted, how we log in, and how points are sampled."""

    PATHS: ClassVar[tuple[str, ...]] = (
        "password_file",
        "user_cert",
        "user_key",
        "trust_dir",
        "application_cert",
        "application_key",
    )

    opcua: str
    points: dict[str, OpcUaPointConfig]
    security: str = ""
    trust_dir: str = ""
    server_fingerprint: str = ""
    application_cert: str = ""
    application_key: str = ""
    user: str = ""
    password_file: str = ""
    user_cert: str = ""
    user_key: str = ""
    groups: dict[str, SamplingConfig] = msgspec.field(default_factory=dict)
    backfill_days: float = 400.0

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return self.opcua

    def sampling(self, point: OpcUaPointConfig) -> Sampling:
        """What is asked for a point: its own word, else its group's, else the source's, else the default."""
        chosen = Sampling()
        levels: tuple[Level, ...] = (self, self.groups.get(point.group, SamplingConfig()), point)
        for level in levels:
            said = {key: value for key in Sampling._fields if (value := getattr(level, key)) is not None}
            if said.keys() & {"deadband", "deadband_percent"}:
                said = {"deadband": 0.0, "deadband_percent": 0.0} | said  # one kind replaces the other
            chosen = chosen._replace(**said)
        return chosen


def split_node(node: str) -> tuple[str, str]:
    """The URI of a node written `nsu=URI;...`, empty for any other, and the rest (Part 6, 5.1.12)."""
    if not node.startswith("nsu="):
        return "", node
    uri, _, rest = node.removeprefix("nsu=").partition(";")
    return unquote(uri), rest


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
        yield f"{place}.opcua", "a login does not belong into the address; write user: and password_file:"
    yield from range_problems(source, place, SOURCE_BOUNDS)
    yield from _security_problems(place, source)
    yield from _login_problems(place, source)
    for level_place, level in _levels(place, source):
        yield from _sampling_problems(level_place, level)
    for name, point in source.points.items():
        yield from _node_problems(f"{place}.points.{name}", point, source)


def _levels(place: str, source: OpcUaSourceConfig) -> Iterator[tuple[str, Level]]:
    yield place, source
    yield from ((f"{place}.groups.{name}", group) for name, group in source.groups.items())
    yield from ((f"{place}.points.{name}", point) for name, point in source.points.items())


def _sampling_problems(place: str, level: Level) -> Problems:
    said = {key: bounds for key, bounds in SAMPLING_BOUNDS.items() if getattr(level, key) is not None}
    yield from range_problems(level, place, said)
    if level.deadband is not None and level.deadband_percent is not None:
        yield place, "give either deadband (in the point's unit) or deadband_percent (of the node's EURange), not both"


def _security_problems(place: str, source: OpcUaSourceConfig) -> Problems:
    if source.security not in SECURITIES:
        found = f"{source.security!r} is not a security" if source.security else "is missing"
        yield (
            f"{place}.security",
            f"{found}; write None to read without protection, or one of {', '.join(SECURITIES[1:])}",
        )
    if source.security == NO_SECURITY:
        for key in ("trust_dir", "server_fingerprint", "application_cert", "application_key"):
            if getattr(source, key):
                yield f"{place}.{key}", "has no meaning with security: None; nothing is signed or encrypted there"
    if source.server_fingerprint and not FINGERPRINT.fullmatch(source.server_fingerprint):
        yield f"{place}.server_fingerprint", "write sha256: and 64 hex digits, as the agent's message shows them"
    yield from _pair_problems(place, source, "application_cert", "application_key")


def _login_problems(place: str, source: OpcUaSourceConfig) -> Problems:
    if bool(source.user) != bool(source.password_file):
        yield place, "user and password_file go together"
    if source.user and source.user_cert:
        yield place, "log in either with user or with user_cert, not with both"
    if source.password_file:
        try:
            read_password(source.password_file)
        except ConfigError as err:
            yield f"{place}.password_file", str(err)
    yield from _pair_problems(place, source, "user_cert", "user_key")


def _pair_problems(place: str, source: OpcUaSourceConfig, cert: str, key: str) -> Problems:
    names = {one: getattr(source, one) for one in (cert, key)}
    if bool(names[cert]) != bool(names[key]):
        yield place, f"{cert} and {key} go together"
    for one, name in names.items():
        if name and not Path(name).is_file():
            yield f"{place}.{one}", f"there is no file {name}"


def _node_problems(place: str, point: OpcUaPointConfig, source: OpcUaSourceConfig) -> Problems:
    from asyncua import ua  # noqa: PLC0415 - see edge_agent.cli
    from asyncua.ua.uaerrors import UaError  # noqa: PLC0415

    uri, rest = split_node(point.node)
    try:
        node_id = ua.NodeId.from_string(rest)
        if point.node != rest and not (uri and node_id.NamespaceIndex == 0):
            yield f"{place}.node", f"{point.node!r} needs one namespace; write for example nsu=urn:vendor:plc;s=energy"
    except (UaError, ValueError) as err:
        example = "ns=2;s=Potline1.energy, or nsu=urn:vendor:plc;s=Potline1.energy"
        yield f"{place}.node", f"{point.node!r} is not a NodeId ({err}); write for example {example}"
    if point.index is not None and not 0 <= point.index <= MAX_INDEX:
        yield f"{place}.index", f"{point.index} lies outside 0 to {MAX_INDEX}; the first element has the index 0"
    if point.group and point.group not in source.groups:
        known = ", ".join(source.groups) or "none"
        yield f"{place}.group", f"there is no group {point.group!r}; groups of this source: {known}"
