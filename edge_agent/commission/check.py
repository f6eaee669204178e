"""Tries a configuration out against the plant and the platform: every source, every point, every way to ingest."""

from __future__ import annotations

import asyncio

import httpx

from edge_agent import tls
from edge_agent.commission import check_files, check_mqtt, check_opcua, check_sparkplug
from edge_agent.commission.findings import PointCheck
from edge_agent.config import EdgeConfig, SourceConfig
from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.config.mqtt import MqttSourceConfig
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.config.sparkplug import SparkplugSourceConfig
from edge_agent.config.uplink import Way
from edge_agent.mqtt_link import connected
from edge_agent.uplink.https import tls_context
from verification.errors import RetroProofError

HTTP_TIMEOUT_S = 10.0


async def check_points(config: EdgeConfig, wait_s: float) -> list[PointCheck]:
    """A check of every point, all sources side by side; what publishes gets `wait_s` to speak."""
    checks = await asyncio.gather(
        *(_check_source(config, name, source, wait_s) for name, source in config.sources.items())
    )
    return [one for source_checks in checks for one in source_checks]


async def _check_source(config: EdgeConfig, name: str, source: SourceConfig, wait_s: float) -> list[PointCheck]:
    match source:
        case OpcUaSourceConfig():
            return await check_opcua.check(name, source, config.device, config.certificates)
        case MqttSourceConfig():
            return await check_mqtt.check(name, source, config.device, wait_s)
        case SparkplugSourceConfig():
            return await check_sparkplug.check(name, source, config.device, wait_s)
        case CsvSourceConfig():
            return await asyncio.to_thread(check_files.check, name, source)


async def check_ways(config: EdgeConfig) -> list[tuple[str, str]]:
    """Each way to ingest and what is wrong with it, empty where it is open; nothing is sent."""
    return [(way.address, await _check_way(config.device, way)) for way in config.uplink.ways]


async def _check_way(device: str, way: Way) -> str:
    try:
        if way.https:
            context = await asyncio.to_thread(tls_context, way)
            async with httpx.AsyncClient(verify=context, timeout=HTTP_TIMEOUT_S) as client:
                answer = await client.get(way.https.rstrip("/") + "/healthz")
            return "" if answer.status_code == httpx.codes.OK else f"answers {answer.status_code}; is it ingest's?"
        async with connected(way.broker, f"{device}-check", lasting=False) as link:
            refused = await link.subscribe([f"ack/{device}"])
            return f"the broker does not let us read {refused[0]}; check its access list" if refused else ""
    except httpx.HTTPError as err:
        return tls.explained(err, ca_file=way.ca_file, option="ca_file") or str(err) or type(err).__name__
    except RetroProofError as err:
        return str(err)
