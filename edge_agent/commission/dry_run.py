"""Reads for a while as the agent would and shows the batches that it would send; nothing is sent and nothing kept.

The server's and broker's sessions are of their own and end with the command, no message is acknowledged or receipted,
no file is moved, and the spool is a scratch one: an agent that runs meanwhile does not notice. Live values only, no
history; Sparkplug nodes and folders are left out, because reading them would ask the nodes for births and move files.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent import clock
from edge_agent.commission import check_mqtt, check_opcua
from edge_agent.commission.session import connected
from edge_agent.config import EdgeConfig, SourceConfig
from edge_agent.config.mqtt import MqttSourceConfig
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua.datatypes import DataTypes
from edge_agent.sources.opcua.decode import publication
from edge_agent.sources.opcua.nodes import describe
from edge_agent.spool_model import SealedBatch
from edge_agent.spool_recovery import open_spool
from edge_agent.table import figure
from verification import batch
from verification.batch import Catalogue
from verification.errors import RetroProofError
from verification.model import Point, Rows
from verification.mqtt_payload import PayloadReading

Reading = tuple[str, int, float, int]  # point, time, value, status

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def listen(config: EdgeConfig, seconds: float) -> tuple[list[Reading], list[str]]:
    """What the sources say within `seconds`, and what hindered any of them."""
    heard: list[Reading] = []
    troubles: list[str] = []

    async def one(name: str, source: SourceConfig) -> None:
        try:
            await _listen_to(config, name, source, seconds, heard)
        except RetroProofError as err:
            troubles.append(f"{name}: {err}")

    await asyncio.gather(*(one(name, source) for name, source in config.sources.items()))
    return heard, troubles


async def _listen_to(config: EdgeConfig, name: str, source: SourceConfig, seconds: float, heard: list[Reading]) -> None:
    match source:
        case OpcUaSourceConfig():
            await _subscribe_to(config, source, seconds, heard)
        case MqttSourceConfig():
            async with aclosing(check_mqtt.hear(name, source, config.device, seconds)) as messages:
                async for point, what in messages:
                    if not isinstance(what, PayloadReading):
                        raise what
                    heard.append((point, *what))
        case _:
            raise RetroProofError("is not read in a dry run: it would ask nodes for births, or move files")


async def _subscribe_to(config: EdgeConfig, source: OpcUaSourceConfig, seconds: float, heard: list[Reading]) -> None:
    items = check_opcua.items_of(source)
    async with connected(source, config.device, config.certificates) as connection:
        await describe(connection.session, items, DataTypes(connection.session))
        await check_opcua.subscribe(connection, [item for item in items if item.status.state != "error"])
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
            heard += [(names[handle], one.time_us, one.value, one.status) for handle, one in found.values.readings()]
    broken = [f"{item.name}: {item.status.message}" for item in items if item.status.state == "error"]
    if broken:
        raise RetroProofError("; ".join(broken))


def sealed(config: EdgeConfig, heard: list[Reading]) -> list[SealedBatch]:
    """The readings as the agent would seal them, in a spool that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="retroproof-dry-run-") as folder:
        spool = open_spool(Path(folder) / "spool.sqlite", config.device, config.private_key(), config.limits())
        try:
            indices = spool.catalogue(config.points)
            for start in range(0, len(heard), config.batch.max_rows):
                rows = Rows.empty()
                for point, time_us, value, status in heard[start : start + config.batch.max_rows]:
                    rows.append(indices[point], time_us, value, status=status)
                spool.append(rows)
            spool.seal_due(clock.clock_state(), everything=True)
            return spool.pending((-1, -1), len(heard) + len(config.points) + 1)
        finally:
            spool.close()


def told(batches: list[SealedBatch], most_rows: int) -> Iterator[str]:
    """Each batch in words, with the first of its rows."""
    names: dict[int, Point] = {}
    for item in batches:
        opened = batch.open_batch(item.data)
        header = opened.header
        size = f"{len(item.data)} bytes, clock {header.clock_state}, signed by key {opened.envelope.key_id.hex()}"
        match batch.read_payload(opened):
            case Catalogue(points, first):
                names |= dict(enumerate(points, start=first))
                yield f"batch {header.sequence}: names {len(points)} points; {size}"
            case Rows() as rows:
                yield f"batch {header.sequence}: {len(rows)} readings; {size}"
                for place in range(min(len(rows), most_rows)):
                    point = names[rows.point[place]]
                    at = (_EPOCH + timedelta(microseconds=rows.time_us[place])).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
                    status = "Good" if rows.status[place] == 0 else f"0x{rows.status[place]:08X}"
                    yield f"  {at} UTC  {point.name} = {figure(rows.value[place])} {point.unit}  {status}"
                if len(rows) > most_rows:
                    yield f"  and {len(rows) - most_rows} more"
