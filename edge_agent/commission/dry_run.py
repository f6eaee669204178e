"""Listens for a while as the agent would and says what it heard; nothing is sent to the platform and nothing is taken.

The servers' and brokers' sessions are of their own and end with the command, no device gets a receipt, and a file is
read where it lies and stays there, so an agent that runs meanwhile, or later, misses nothing. Sparkplug
nodes are asked for their births, as check-config does, since nothing they say can be understood without one.

Live values only: no history, and no gap records. `preview` shows what was heard as batches.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_agent import clock
from edge_agent.commission import check_mqtt, check_opcua
from edge_agent.commission.session import connected
from edge_agent.config import EdgeConfig, SourceConfig
from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.config.mqtt import MqttSourceConfig
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.config.sparkplug import SparkplugSourceConfig
from edge_agent.mqtt_link import Message
from edge_agent.mqtt_link import connected as broker_connected
from edge_agent.sources import files, sparkplug
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.decode import publication
from edge_agent.sources.opcua.item import Item
from verification.batch import ManualFile
from verification.errors import FormatError, RetroProofError
from verification.model import RowFlag
from verification.mqtt_payload import PayloadReading
from verification.sparkplug_node import EdgeNode


class Reading(NamedTuple):
    """One value of one point, as it will stand in a batch."""

    point: str
    time_us: int
    value: float
    status: int = 0
    flags: int = 0


@dataclass(slots=True)
class Heard:
    """Live readings as they came, files with theirs, and what hindered, each trouble once."""

    live: list[Reading] = field(default_factory=list)
    files: list[tuple[ManualFile, list[Reading]]] = field(default_factory=list)
    troubles: dict[str, None] = field(default_factory=dict)

    @property
    def readings(self) -> int:
        """How many there are in all."""
        return len(self.live) + sum(len(readings) for _, readings in self.files)

    def silent(self, config: EdgeConfig) -> list[str]:
        """The points of which nothing came."""
        spoke = {one.point for one in self.live} | {one.point for _, found in self.files for one in found}
        return [point.name for point in config.points if point.name not in spoke]


async def listen(config: EdgeConfig, seconds: float) -> Heard:
    """What the sources say within `seconds`, all side by side."""
    heard = Heard()

    async def one(name: str, source: SourceConfig) -> None:
        try:
            await _listen_to(config, name, source, seconds, heard)
        except RetroProofError as err:
            heard.troubles[f"{name}: {err}"] = None

    await asyncio.gather(*(one(name, source) for name, source in config.sources.items()))
    return heard


async def _listen_to(config: EdgeConfig, name: str, source: SourceConfig, seconds: float, heard: Heard) -> None:
    match source:
        case OpcUaSourceConfig():
            await _subscribe_to(config, source, seconds, heard)
        case MqttSourceConfig():
            async with aclosing(check_mqtt.hear(name, source, config.device, seconds)) as messages:
                async for point, what in messages:
                    if isinstance(what, PayloadReading):
                        heard.live.append(Reading(point, *what))
                    else:
                        heard.troubles[f"{name}: {point}: {what}"] = None
        case SparkplugSourceConfig():
            await _hear_nodes(config, name, source, seconds, heard)
        case CsvSourceConfig():
            await _look_into(name, source, seconds, heard)


async def _subscribe_to(config: EdgeConfig, source: OpcUaSourceConfig, seconds: float, heard: Heard) -> None:
    items = check_opcua.items_of(source)
    async with connected(source, config.device, config.certificates) as connection:
        usable = await check_opcua.usable_of(connection, items)
        if usable:
            await check_opcua.subscribe(connection, usable)
            await _hear_items(connection, usable, seconds, heard)
    broken = [f"{item.name}: {item.status.message}" for item in items if item.status.state == "error"]
    if broken:
        raise RetroProofError("; ".join(broken))


async def _hear_items(connection: Connection, items: Sequence[Item], seconds: float, heard: Heard) -> None:
    names = {item.handle: item.name for item in items}
    elements = {item.handle: item.element for item in items if item.element is not None}
    until_s = time.monotonic() + seconds
    acknowledged: list[tuple[int, int]] = []
    while (left_s := until_s - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left_s):
                found = publication(await connection.publish(acknowledged), clock.now_us(), elements)
        except TimeoutError:
            break
        acknowledged = [] if found.keep_alive else [(found.subscription, found.sequence)]
        heard.live += [
            Reading(names[handle], one.time_us, one.value, one.status) for handle, one in found.values.readings()
        ]


async def _hear_nodes(
    config: EdgeConfig, name: str, source: SparkplugSourceConfig, seconds: float, heard: Heard
) -> None:
    nodes = {key: EdgeNode(points) for key, points in sparkplug.points_by_node(source).items()}
    client_id = f"{config.device}-{name}-check"
    async with broker_connected(source.broker, client_id, version=source.version, lasting=False) as link:
        for key in nodes:
            if refused := await link.subscribe(sparkplug.topics(key)):
                raise RetroProofError(f"the broker does not let us read {refused[0]}; check its access list")
            sparkplug.ask_for_birth(link, key)
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            for event in await link.events(left_s):
                if not isinstance(event, Message):
                    continue
                link.acknowledge(event)
                if not event.retained:
                    try:
                        _, outcome = sparkplug.understood(nodes, event)
                    except FormatError as err:
                        heard.troubles[f"{name}: {event.topic}: {err}"] = None
                        continue
                    heard.troubles |= {f"{name}: {point}: {why}": None for point, why in outcome.refused}
                    heard.live += [
                        Reading(one.point, one.time_us, one.value, one.status, sparkplug.flags(one))
                        for one in outcome.samples
                    ]
    unborn = ["/".join(key) for key, node in nodes.items() if not node.online]
    if unborn:
        raise RetroProofError(
            f"not born within {seconds:g} s of being asked: {', '.join(unborn)}; do they run, may we write their NCMD?"
        )


async def _look_into(name: str, source: CsvSourceConfig, seconds: float, heard: Heard) -> None:
    """The files that lie there at the end and are no longer written to."""
    await asyncio.sleep(max(0.0, seconds - files.LOOK_EVERY_S))
    before = await asyncio.to_thread(files.waiting, source)
    await asyncio.sleep(files.LOOK_EVERY_S)
    known: set[bytes] = set()
    for path, seen in sorted((await asyncio.to_thread(files.waiting, source)).items()):
        if before.get(path) != seen:
            heard.troubles[
                f"{name}: {files.name_of(path)} is still being written; it is taken once it stands still"
            ] = None
            continue
        found = await asyncio.to_thread(files.previewed, path, source)
        if found is None:
            continue
        data, table = found
        if table.problems:
            heard.troubles[f"{name}: {files.told(files.name_of(path), table.problems[0])}"] = None
        elif (sha256 := hashlib.sha256(data).digest()) not in known:
            known.add(sha256)
            readings = [Reading(*one, flags=RowFlag.MANUAL) for one in table.readings]
            heard.files.append((files.statement(name, path, sha256, table), readings))
