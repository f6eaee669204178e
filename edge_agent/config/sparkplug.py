"""The keys of a Sparkplug B source and of its points."""

from __future__ import annotations

from typing import ClassVar

from edge_agent.config.base import KIND, Problems, Strict
from edge_agent.config.mqtt import Broker, MqttVersion, broker_problems
from edge_agent.config.point import PointConfig
from verification.sparkplug import NAMESPACE

RESERVED = set("/+#\x00")  # what a group, node or device id must not hold, since each is one level of a topic


class SparkplugPointConfig(PointConfig, frozen=True, kw_only=True):
    """A metric of an edge node (`edge_node: group/node`), or of one of its devices."""

    edge_node: str = ""
    device: str = ""
    metric: str = ""

    @property
    def address(self) -> str:
        """Node, device and metric; an alias may change with every birth."""
        return "/".join(filter(None, (NAMESPACE, self.edge_node, self.device))) + f"#{self.metric}"


class SparkplugSourceConfig(Strict, frozen=True, kw_only=True, tag_field=KIND, tag="sparkplug"):
    """A broker on which Sparkplug edge nodes publish."""

    PATHS: ClassVar[tuple[str, ...]] = Broker.PATHS

    sparkplug: str
    points: dict[str, SparkplugPointConfig]
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    version: MqttVersion = 5

    @property
    def endpoint(self) -> str:
        """The broker's address."""
        return self.sparkplug

    @property
    def broker(self) -> Broker:
        """How the broker is reached."""
        return Broker(self.sparkplug, self.password_file, self.ca_file, self.cert_file, self.key_file)


def source_problems(place: str, source: SparkplugSourceConfig) -> Problems:
    """What is wrong with the broker and the names; asks no node."""
    yield from broker_problems(place, source.broker)
    for name, point in source.points.items():
        yield from _metric_problems(f"{place}.points.{name}", point)


def _metric_problems(place: str, point: SparkplugPointConfig) -> Problems:
    ids = point.edge_node.split("/")
    if len(ids) != 2 or not all(ids) or set("".join(ids)) & RESERVED:  # noqa: PLR2004 - group and node
        yield f"{place}.edge_node", "write the group and the edge node with one / between: Hall1/Press"
    if set(point.device) & RESERVED:
        yield f"{place}.device", "a device id holds no / + or #"
    if not point.metric:
        yield f"{place}.metric", "write the metric's name as the birth certificate has it"
