"""The configuration of `retroproof ingest gateway serve`: which gateways may send what, point by point.

A gateway's name here is its user name at the broker, where the access list lets it write below that name only, and its
Sparkplug edge node id. What is not named is not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from ingest.config import Broker, BrokerFiles, read_broker
from verification.errors import ConfigError
from verification.model import DEVICE_ID, Point, PointKind
from verification.sparkplug import NAMESPACE
from verification.units import check_unit
from verification.yamlfile import load_yaml

SIGNED_TOPICS = {"batch", "sync"}
RESERVED = set("/+#\x00")  # what one level of a topic must not hold


class PointFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A point: a Sparkplug metric (of a device of the node, if named), or a topic with the paths into its payload."""

    unit: str
    kind: PointKind
    meter: str = ""
    metric: str = ""
    device: str = ""
    topic: str = ""
    value: str = ""
    time: str = ""
    quality: str = ""


class GatewayFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway. group: its Sparkplug group id, needed for metrics."""

    enterprise: str
    points: dict[str, PointFile]
    group: str = ""


class File(BrokerFiles, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as written. host_id names us as a Sparkplug host application."""

    db: str
    mqtt: str
    gateways: dict[str, GatewayFile]
    host_id: str = "retroproof"


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """A checked configuration."""

    db: str
    broker: Broker
    host_id: str
    gateways: dict[str, GatewayFile]


def load_config(path: Path) -> GatewayConfig:
    """Read and check the file. Raises ConfigError."""
    file = load_yaml(path, File)
    if not file.host_id or RESERVED & set(file.host_id):
        raise ConfigError(f"{path}: host_id: a name without / + and #")
    for name, gateway in file.gateways.items():
        if not DEVICE_ID.fullmatch(name):
            raise ConfigError(f"{path}: gateways: {name!r} is not a name: a-z, 0-9 and -, at most 63 characters")
        if RESERVED & set(gateway.group):
            raise ConfigError(f"{path}: {name}: group: a name without / + and #")
        for point, wanted in gateway.points.items():
            _check_point(f"{path}: {name}: {point}", gateway, wanted)
    return GatewayConfig(file.db, read_broker(path, file, file.mqtt), file.host_id, file.gateways)


def _check_point(place: str, gateway: GatewayFile, point: PointFile) -> None:
    check_unit(point.unit)
    if bool(point.metric) == bool(point.topic):
        raise ConfigError(f"{place}: name either a Sparkplug metric or a topic")
    if point.metric and not gateway.group:
        raise ConfigError(f"{place}: a metric needs the gateway's Sparkplug group: group")
    if point.topic in SIGNED_TOPICS or RESERVED - {"/"} & set(point.topic):
        raise ConfigError(f"{place}: topic: what follows plant/<gateway>/, without + and #, and not batch or sync")


def topic_of(gateway: str, point: PointFile) -> str:
    """Where a plain MQTT point is published: below the gateway's own name, where nobody else may write."""
    return f"plant/{gateway}/{point.topic}"


def described(gateway: str, name: str, file: GatewayFile) -> Point:
    """The point as it is registered; its address says by which way it comes."""
    point = file.points[name]
    if point.topic:
        address = f"mqtt:{topic_of(gateway, point)}#{point.value}"
    else:
        address = f"{NAMESPACE}/{file.group}/{gateway}/{point.device}#{point.metric}"
    return Point(name, address, point.unit, point.kind, point.meter)
