"""Reads each point of an OPC UA source once, as the agent would, and says what is wrong and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from edge_agent import clock
from edge_agent.commission.browse import Variable, content
from edge_agent.commission.browse import describe as show
from edge_agent.commission.findings import PointCheck, judge_unit
from edge_agent.commission.session import connected
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.datatypes import DataTypes
from edge_agent.sources.opcua.item import Item
from edge_agent.sources.opcua.namespaces import locate, namespaces
from edge_agent.sources.opcua.nodes import describe, monitor, parts
from edge_agent.sources.opcua.values import Reading, ValueRefusedError, reading, to_us
from edge_agent.status import PointStatus
from edge_agent.table import figure
from verification.errors import RetroProofError

SERVERS_CLOCK = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
MOST_SKEW_US = 5_000_000
NEVER_SET_US = 978_307_200_000_000  # 2001-01-01: a device clock that shows less was never set
SLOWER = 1.01  # granted over asked, from which on it is worth a word
STATUS_SEVERITY = 0xC0000000


async def check(name: str, source: OpcUaSourceConfig, device: str, folder: Path) -> list[PointCheck]:
    """A check of each point; where there is no session, every point has that problem."""
    checks = {point: PointCheck(name, point, unit=config.unit) for point, config in source.points.items()}
    try:
        async with connected(source, device, folder) as connection:
            await _check(connection, source, checks)
    except RetroProofError as err:
        for found in checks.values():
            found.problems = [str(err)]
    return list(checks.values())


async def _check(connection: Connection, source: OpcUaSourceConfig, checks: dict[str, PointCheck]) -> None:
    items = items_of(source)
    usable = await usable_of(connection, items)
    shown: dict[str, Variable] = {}
    for part in parts(usable):
        nodes = [item.node_id.to_string() for item in part]
        found = await show(connection.session, nodes)
        shown |= {item.name: one for item, one in zip(part, found, strict=True)}
    await subscribe(connection, usable)
    for item in items:
        if item.status.state == "error":
            checks[item.name].problems.append(_with_mend(item.status.message, source.opcua))
    ahead_us = await _clock_ahead_us(connection.session)
    for item, answer in await _read(connection.session, usable):
        _judge_value(checks[item.name], item, answer)
        judge_clock(checks[item.name], ahead_us)
        judge_unit(checks[item.name], shown[item.name].unit)
        _judge_terms(checks[item.name], item)


def items_of(source: OpcUaSourceConfig) -> list[Item]:
    """The points as the agent sees them, numbered in the order of the file."""
    return [
        Item(
            name,
            index,
            point.node,
            source.sampling(point),
            PointStatus(point.address),
            element=point.index,
        )
        for index, (name, point) in enumerate(source.points.items())
    ]


async def usable_of(connection: Connection, items: Sequence[Item]) -> list[Item]:
    """Those that the server has and that can be read; the others get their error."""
    located = locate(items, await namespaces(connection.session), {})
    await describe(connection.session, located, DataTypes(connection.session))
    return [item for item in located if item.status.state != "error"]


async def subscribe(connection: Connection, items: Sequence[Item]) -> None:
    """Subscribe as the agent would, one subscription for each publishing interval; the items note what was granted."""
    for publishing_ms in sorted({item.sampling.publishing_ms for item in items}):
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=publishing_ms,
            RequestedLifetimeCount=1_000,
            RequestedMaxKeepAliveCount=10,
            PublishingEnabled=True,
        )
        granted = await connection.create_subscription_quietly(parameters)
        alike = [item for item in items if item.sampling.publishing_ms == publishing_ms]
        for item in alike:
            item.next_handle()
        await monitor(connection.session, granted.SubscriptionId, alike)


async def _clock_ahead_us(session: UaSession) -> int | None:
    """How far the server's clock is ahead of ours; None where it does not tell.

    Its own node for the time is asked, since a value may carry the server time at which it was last set.
    """
    wanted = [ua.ReadValueId(NodeId=SERVERS_CLOCK, AttributeId=AttributeIds.Value)]
    asked_us = clock.now_us()
    (answer,) = await session.read(ua.ReadParameters(MaxAge=0, NodesToRead=wanted))
    theirs = content(answer)
    theirs_us = to_us(theirs) if isinstance(theirs, datetime) else None
    return None if theirs_us is None else theirs_us - (asked_us + clock.now_us()) // 2


async def _read(session: UaSession, items: Sequence[Item]) -> list[tuple[Item, ua.DataValue]]:
    """The present value of each."""
    found: list[tuple[Item, ua.DataValue]] = []
    for part in parts(items):
        wanted = [
            ua.ReadValueId(NodeId=item.node_id, AttributeId=AttributeIds.Value, IndexRange=item.index_range)
            for item in part
        ]
        answers = await session.read(
            ua.ReadParameters(MaxAge=0, TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=wanted)
        )
        found += zip(part, answers, strict=True)
    return found


def _judge_value(check: PointCheck, item: Item, answer: ua.DataValue) -> None:
    now_us = clock.now_us()
    try:
        found = reading(answer, now_us, item.element)
    except ValueRefusedError as err:
        check.problems.append(f"{err}; the point needs a number")
        return
    check.value = figure(found.value)
    check.status = "Good" if not found.status & STATUS_SEVERITY else ua.StatusCode(ua.UInt32(found.status)).name
    if check.status != "Good":
        check.problems.append(f"the status is {check.status}: look at the device or its link to the server")
    elif not math.isfinite(found.value):
        check.problems.append("the value is no finite number: look at the device")
    _judge_times(check, answer, found, now_us)


def _judge_times(check: PointCheck, answer: ua.DataValue, found: Reading, now_us: int) -> None:
    if answer.SourceTimestamp is None:
        check.notes.append("the server gives no source times; the time at the server counts")
    elif found.time_us < NEVER_SET_US:
        check.problems.append("the device says a time before 2001: its clock was never set; set it, or use NTP")
    elif found.time_us - now_us > MOST_SKEW_US:
        check.problems.append("the device's time lies in the future; set its clock, or use NTP")


def judge_clock(check: PointCheck, ahead_us: int | None) -> None:
    """Note how far the server's clock is ahead of ours, where it tells, and whether that is too far."""
    if ahead_us is None:
        return
    check.skew = f"{ahead_us / 1e6:+.1f} s"
    if abs(ahead_us) > MOST_SKEW_US:
        check.problems.append(
            f"the server's clock is {abs(ahead_us) / 1e6:.0f} s {'ahead of' if ahead_us > 0 else 'behind'} this "
            "machine's; have both use NTP"
        )


def _judge_terms(check: PointCheck, item: Item) -> None:
    status, asked = item.status, item.sampling
    if status.state == "error":
        check.problems.append(status.message)
        return
    if status.revised_sampling_ms is not None:
        check.sampling = f"{status.revised_sampling_ms:g} ms"
        if status.revised_sampling_ms > asked.sampling_ms * SLOWER and asked.sampling_ms:
            check.notes.append(
                f"the server samples every {status.revised_sampling_ms:g} ms, not every {asked.sampling_ms:g} ms"
            )
    check.queue = "-" if status.revised_queue is None else str(status.revised_queue)
    if not item.historizing:
        check.notes.append("the server keeps no history of it: what is lost in a long outage becomes a signed gap")


def _with_mend(message: str, url: str) -> str:
    if "does the node exist" in message:
        return f"{message} Look for it with: retroproof edge browse {url} --search WORDS"
    return message
