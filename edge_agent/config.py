"""The agent's one configuration file: what is read, where it is kept, where it goes.

Owns the shape of the file and every check that needs no network: units, addresses, keys, file permissions. Paths in the
file are relative to it. Does not connect to anything; whether a node or a topic exists shows when the agent runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec
from asyncua import ua
from asyncua.ua.uaerrors import UaError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verification import keys
from verification.batch import MAX_POINTS
from verification.errors import ConfigError
from verification.model import DEVICE_ID, MAX_TEXT_CHARS, Point, PointKind
from verification.units import UnitError, check_unit
from verification.yamlfile import load_yaml

POINT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
# A row has 31 bytes before compression, so that even incompressible rows stay below the 256 KiB of a sealed batch.
MAX_BATCH_ROWS = 8_000
MIN_SPOOL_BYTES = 1024 * 1024
MAX_WINDOW = 1_000
MAX_PASSWORD_BYTES = 4_096
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every part of the file refuses keys that it does not know."""


class SpoolConfig(_Strict, frozen=True):
    """Where readings wait for their acknowledgement, and how much may wait how long."""

    path: str = "spool.sqlite"
    max_bytes: int = 1 << 30
    max_age_days: float = 90.0


class BatchConfig(_Strict, frozen=True):
    """When waiting readings are sealed into a batch: at so many rows, or after so long."""

    max_rows: int = 5_000
    max_seconds: float = 2.0


class Broker(_Strict, frozen=True):
    """What is needed to log in to an MQTT broker; see `endpoint` for the address."""

    mqtt: str
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class UplinkConfig(Broker, frozen=True):
    """The broker towards ingest; `window` batches may be under way without an acknowledgement."""

    window: int = 20


class PointConfig(_Strict, frozen=True):
    """One measured quantity: a `node` of an OPC UA server, or a `topic` with JSON paths."""

    unit: str
    kind: PointKind
    meter: str = ""
    node: str = ""
    topic: str = ""
    value: str = ""
    time: str = ""
    quality: str = ""

    @property
    def address(self) -> str:
        """What names the quantity within its source; free of host and port, which may move."""
        if self.node:
            return self.node
        return f"{self.topic}#{self.value}" if self.value else self.topic


class SourceConfig(_Strict, frozen=True):
    """One server or broker to read from: exactly one of `opcua` and `mqtt` is given."""

    points: dict[str, PointConfig]
    opcua: str = ""
    sampling_ms: float = 1_000.0
    publishing_ms: float = 1_000.0
    backfill_days: float = 400.0
    mqtt: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def broker(self) -> Broker:
        """The part of an MQTT source that is about logging in."""
        return Broker(self.mqtt, self.password_file, self.ca_file, self.cert_file, self.key_file)


AnyBroker = TypeVar("AnyBroker", UplinkConfig, SourceConfig)


class EdgeConfig(_Strict, frozen=True):
    """The whole file, as `load` returns it: checked, and every path absolute."""

    device: str
    signing_key: str
    ingest_key: str
    uplink: UplinkConfig
    sources: dict[str, SourceConfig]
    spool: SpoolConfig = SpoolConfig()
    batch: BatchConfig = BatchConfig()

    @property
    def points(self) -> tuple[Point, ...]:
        """Every point of every source, in the order of the file."""
        return tuple(
            Point(name, point.address, point.unit, point.kind, point.meter)
            for source in self.sources.values()
            for name, point in source.points.items()
        )

    @property
    def spool_path(self) -> Path:
        """The spool's file."""
        return Path(self.spool.path)

    @property
    def status_path(self) -> Path:
        """Where a running agent says each second how it fares."""
        return self.spool_path.with_name("status.json")

    def private_key(self) -> Ed25519PrivateKey:
        """The key that signs batches. Raises ConfigError."""
        return keys.load_private(Path(self.signing_key))

    def trusted_key(self) -> Ed25519PublicKey:
        """The key whose acknowledgements are believed. Raises ConfigError."""
        return keys.parse_public(self.ingest_key)


class Endpoint(NamedTuple):
    """An MQTT broker's address and login."""

    host: str
    port: int
    tls: bool
    user: str


def load(path: Path) -> EdgeConfig:
    """Read and check the file. Raises ConfigError, naming the place and the mend."""
    config = load_yaml(path, EdgeConfig)
    config = _with_absolute_paths(config, path.absolute().parent)
    for place, problem in _problems(config):
        raise ConfigError(f"{path}: {place}: {problem}")
    return config


def endpoint(url: str) -> Endpoint:
    """Take an `mqtt://user@host:port` or `mqtts://` address apart. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise ConfigError(f"{url!r} is not an address: {err}") from err
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"{url!r} is not an MQTT address; write mqtt://user@host:1883, or mqtts:// for TLS")
    if parts.password:
        raise ConfigError("a password does not belong into the address; put it into a file and name it: password_file")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigError(f"{url!r}: an MQTT address ends after the port")
    return Endpoint(parts.hostname, port or DEFAULT_PORTS[parts.scheme], parts.scheme == "mqtts", parts.username or "")


def read_password(path: str) -> str:
    """The first line of a password file that only its owner can read. Raises ConfigError."""
    file = Path(path)
    try:
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: other users can read this password; mend it with: chmod 600 {path}")
        with file.open(encoding="utf-8") as stream:
            password = stream.read(MAX_PASSWORD_BYTES).split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: cannot read the password: {err}") from err
    if not password:
        raise ConfigError(f"{path}: is empty; write the password on its first line")
    return password


def _with_absolute_paths(config: EdgeConfig, folder: Path) -> EdgeConfig:
    """The same configuration with its file names relative to the configuration file's folder made absolute."""

    def absolute(name: str) -> str:
        return str(folder / name) if name else ""

    def of_broker(broker: AnyBroker) -> AnyBroker:
        names = ("password_file", "ca_file", "cert_file", "key_file")
        return msgspec.structs.replace(broker, **{name: absolute(getattr(broker, name)) for name in names})

    return msgspec.structs.replace(
        config,
        signing_key=absolute(config.signing_key),
        spool=msgspec.structs.replace(config.spool, path=absolute(config.spool.path)),
        uplink=of_broker(config.uplink),
        sources={name: of_broker(source) for name, source in config.sources.items()},
    )


def _problems(config: EdgeConfig) -> Iterator[tuple[str, str]]:
    """Every place in the file that reads well but cannot be meant, with what to do about it."""
    if not DEVICE_ID.fullmatch(config.device):
        yield "device", "use a-z, 0-9 and -, at most 63 characters, for example hengkang-potline-1"
    yield from _key_problems(config)
    yield from _range_problems(config)
    yield from _broker_problems("uplink", config.uplink)
    if not config.sources:
        yield "sources", "name at least one source"
    seen: dict[str, str] = {}
    for name, source in config.sources.items():
        place = f"sources.{name}"
        if bool(source.opcua) == bool(source.mqtt):
            yield place, "give either opcua: or mqtt:, and not both"
            continue
        yield from _opcua_problems(place, source) if source.opcua else _broker_problems(place, source.broker)
        if not source.points:
            yield f"{place}.points", "name at least one point"
        for point_name, point in source.points.items():
            if point_name in seen:
                yield (
                    f"{place}.points.{point_name}",
                    f"{seen[point_name]} has a point of this name already; rename one",
                )
            seen[point_name] = place
            yield from _point_problems(f"{place}.points.{point_name}", point_name, point, opcua=bool(source.opcua))
    if len(seen) > MAX_POINTS:
        yield "sources", f"{len(seen)} points; at most {MAX_POINTS} have room in one catalogue"


def _key_problems(config: EdgeConfig) -> Iterator[tuple[str, str]]:
    for place, check in (("signing_key", config.private_key), ("ingest_key", config.trusted_key)):
        try:
            check()
        except ConfigError as err:
            yield place, str(err)


def _range_problems(config: EdgeConfig) -> Iterator[tuple[str, str]]:
    bounds = {
        "spool.max_bytes": (config.spool.max_bytes, MIN_SPOOL_BYTES, 1 << 42),
        "spool.max_age_days": (config.spool.max_age_days, 0.01, 3_650),
        "batch.max_rows": (config.batch.max_rows, 1, MAX_BATCH_ROWS),
        "batch.max_seconds": (config.batch.max_seconds, 0.05, 3_600),
        "uplink.window": (config.uplink.window, 1, MAX_WINDOW),
    }
    for name, source in config.sources.items():
        bounds[f"sources.{name}.sampling_ms"] = (source.sampling_ms, 0, 86_400_000)
        bounds[f"sources.{name}.publishing_ms"] = (source.publishing_ms, 10, 86_400_000)
        bounds[f"sources.{name}.backfill_days"] = (source.backfill_days, 0, 36_500)
    for place, (value, least, most) in bounds.items():
        if not least <= value <= most:
            yield place, f"{value} lies outside {least} to {most}"


def _broker_problems(place: str, broker: Broker) -> Iterator[tuple[str, str]]:
    try:
        address = endpoint(broker.mqtt)
        if broker.password_file:
            read_password(broker.password_file)
    except ConfigError as err:
        yield place, str(err)
        return
    if broker.password_file and not address.user:
        yield place, "a password needs a user in the address: mqtt://user@host"
    files = {"ca_file": broker.ca_file, "cert_file": broker.cert_file, "key_file": broker.key_file}
    for key, name in files.items():
        if name and not address.tls:
            yield f"{place}.{key}", "certificates are used with mqtts:// only"
        elif name and not Path(name).is_file():
            yield f"{place}.{key}", f"there is no file {name}"
    if bool(broker.cert_file) != bool(broker.key_file):
        yield place, "cert_file and key_file go together"


def _opcua_problems(place: str, source: SourceConfig) -> Iterator[tuple[str, str]]:
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
    for key in ("password_file", "ca_file", "cert_file", "key_file"):
        if getattr(source, key):
            yield f"{place}.{key}", "is for MQTT sources"


def _point_problems(place: str, name: str, point: PointConfig, *, opcua: bool) -> Iterator[tuple[str, str]]:
    if not POINT_NAME.fullmatch(name):
        yield place, "a point's name begins with a letter and holds letters, digits, _ . and -"
    try:
        check_unit(point.unit)
    except UnitError as err:
        yield f"{place}.unit", str(err)
    if any(len(text) > MAX_TEXT_CHARS or "\x00" in text for text in (point.address, point.unit, point.meter)):
        yield place, f"a text has more than {MAX_TEXT_CHARS} characters or a null byte"
    yield from _node_problems(place, point) if opcua else _topic_problems(place, point)


def _node_problems(place: str, point: PointConfig) -> Iterator[tuple[str, str]]:
    if point.topic or point.value or point.time or point.quality:
        yield place, "topic, value, time and quality are for MQTT sources; an OPC UA point has a node"
    try:
        ua.NodeId.from_string(point.node)
    except (UaError, ValueError) as err:
        yield (
            f"{place}.node",
            f"{point.node!r} is not a NodeId ({err}); write for example ns=2;s=Potline1.energy",
        )


def _topic_problems(place: str, point: PointConfig) -> Iterator[tuple[str, str]]:
    if point.node:
        yield place, "node is for OPC UA sources; an MQTT point has a topic"
    if not point.topic or set(point.topic) & set("+#"):
        yield f"{place}.topic", "write one topic in full, without + and #"
    if not point.value and (point.time or point.quality):
        yield place, "time and quality are paths into a JSON payload, which also needs a path to the value"
