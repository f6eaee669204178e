"""The kinds of source. The address tells the kind: exactly one of the names of KINDS is a key of the source."""

from __future__ import annotations

from typing import Any

from edge_agent.config import csvfile, mqtt, opcua, sparkplug
from edge_agent.config.base import KIND, Problems
from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.config.mqtt import MqttSourceConfig
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.config.point import point_problems
from edge_agent.config.sparkplug import SparkplugSourceConfig
from verification.errors import ConfigError

KINDS = ("opcua", "mqtt", "sparkplug", "files")

SourceConfig = OpcUaSourceConfig | MqttSourceConfig | SparkplugSourceConfig | CsvSourceConfig


def tell_kinds(data: Any) -> Any:  # noqa: ANN401 - what a YAML file holds
    """Add to each source in the raw file which kind it is. Raises ConfigError where that cannot be told."""
    match data:
        case {"sources": dict(sources), **rest}:
            return rest | {"sources": {name: _with_kind(name, source) for name, source in sources.items()}}
    return data


def _with_kind(name: object, source: object) -> object:
    if not isinstance(source, dict):
        return source
    kinds = [kind for kind in KINDS if kind in source]
    if len(kinds) != 1:
        keys = [f"{kind}:" for kind in KINDS]
        raise ConfigError(f"sources.{name}: give either {', '.join(keys[:-1])} or {keys[-1]}, and only one of them")
    return source | {KIND: kinds[0]}


def source_problems(place: str, source: SourceConfig) -> Problems:
    """What is wrong with one source and with each of its points."""
    match source:
        case OpcUaSourceConfig():
            yield from opcua.source_problems(place, source)
        case MqttSourceConfig():
            yield from mqtt.source_problems(place, source)
        case SparkplugSourceConfig():
            yield from sparkplug.source_problems(place, source)
        case CsvSourceConfig():
            yield from csvfile.source_problems(place, source)
    if not source.points:
        yield f"{place}.points", "name at least one point"
    for name, point in source.points.items():
        yield from point_problems(f"{place}.points.{name}", name, point)
