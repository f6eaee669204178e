"""Makes the parts of an agent as its configuration says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from edge_agent import clock
from edge_agent.config import EdgeConfig, SourceConfig
from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.config.mqtt import MqttSourceConfig
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.config.sparkplug import SparkplugSourceConfig
from edge_agent.sources.broker import Wiring
from edge_agent.sources.files import FileSource
from edge_agent.sources.mqtt import MqttSource
from edge_agent.sources.opcua.source import OpcUaSource
from edge_agent.sources.sparkplug import SparkplugSource
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import AgentStatus, ClockStatus, PointStatus, SourceStatus, UplinkStatus
from edge_agent.uplink import Uplink
from verification import sync

Source = FileSource | MqttSource | OpcUaSource | SparkplugSource


def source(config: EdgeConfig, name: str, indices: dict[str, int], spool: SpoolThread, shown: SourceStatus) -> Source:
    """The source of this name; `indices` has the place of every point in the catalogue."""
    wiring = Wiring(name, f"{config.device}-{name}", indices, spool, shown)
    match config.sources[name]:
        case OpcUaSourceConfig() as found:
            return OpcUaSource(name, config.device, found, indices, spool, shown, config.certificates)
        case MqttSourceConfig() as found:
            return MqttSource(wiring, found)
        case SparkplugSourceConfig() as found:
            return SparkplugSource(wiring, found)
        case CsvSourceConfig() as found:
            return FileSource(name, found, indices, spool, shown)


def uplink(config: EdgeConfig, spool: SpoolThread, shown: UplinkStatus) -> Uplink:
    """The way to ingest."""

    def question(epochs: Sequence[int]) -> bytes:
        return sync.sign(config.device, epochs, clock.now_us(), config.private_key())

    return Uplink(config.device, config.uplink, config.trusted_key(), spool, shown, question)


def agent_status(config: EdgeConfig) -> AgentStatus:
    """What an agent says of itself before anything has begun."""
    now_us = clock.now_us()
    shown = UplinkStatus(config.uplink.address)
    return AgentStatus(config.device, os.getpid(), now_us, now_us, {}, shown, ClockStatus())


def source_status(found: SourceConfig) -> SourceStatus:
    """What a source says of itself before it has begun."""
    points = {key: PointStatus(point.address) for key, point in found.points.items()}
    return SourceStatus(kind=str(found.__struct_config__.tag), endpoint=found.endpoint, points=points)


def fixed_parts(old: EdgeConfig, new: EdgeConfig) -> Iterator[tuple[str, object, object]]:
    """The settings that a running agent keeps: their names, and what each configuration says."""
    yield "device", old.device, new.device
    yield "signing_key", old.signing_key, new.signing_key
    yield "spool.path", old.spool.path, new.spool.path
    yield "metrics", old.metrics, new.metrics
