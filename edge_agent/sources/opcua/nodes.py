"""Asks an OPC UA server what its nodes are, and subscribes to them; what is wrong with a node stays with that node."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import count

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from edge_agent.config.opcua import Sampling
from edge_agent.sources.opcua.datatypes import DataTypes
from edge_agent.sources.opcua.item import Item

NODES_PER_REQUEST = 200  # below what the servers seen take in one request
ATTRIBUTES = (
    AttributeIds.NodeClass,
    AttributeIds.DataType,
    AttributeIds.ValueRank,
    AttributeIds.UserAccessLevel,
    AttributeIds.Historizing,
)
# A meter that reads the same again has still been read: without this filter servers say nothing then.
EVERY_SAMPLE = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
NO_FILTER = {StatusCodes.BadMonitoredItemFilterUnsupported, StatusCodes.BadFilterNotAllowed}
NO_DEADBAND = NO_FILTER | {StatusCodes.BadDeadbandFilterInvalid, StatusCodes.BadMonitoredItemFilterInvalid}
ABSOLUTE, PERCENT = 1, 2  # DeadbandType (Part 4, 7.22.2)
CURRENT_READ, HISTORY_READ = 1 << 0, 1 << 2  # bits of the access level (Part 3, 8.57)
SCALAR = -1  # ValueRank (Part 3, 5.6.2): -1 one value, -2 and -3 undecided, from 0 on arrays

log = logging.getLogger(__name__)


async def describe(session: UaSession, items: Sequence[Item], types: DataTypes) -> None:
    """Find out of each item whether it can be read and has a history; an item that cannot be read gets its error."""
    for part in parts(items):
        wanted = [
            ua.ReadValueId(NodeId=item.node_id, AttributeId=attribute) for item in part for attribute in ATTRIBUTES
        ]
        answers = await session.read(ua.ReadParameters(NodesToRead=wanted))
        width = len(ATTRIBUTES)
        for place, item in enumerate(part):
            await _describe(item, answers[place * width : (place + 1) * width], types)


async def _describe(item: Item, answers: Sequence[ua.DataValue], types: DataTypes) -> None:
    node_class, data_type, rank, access, historizing = (_value(answer) for answer in answers)
    status = answers[0].StatusCode
    if status is not None and status.is_bad():
        item.fail(f"{status.name}; does the node exist?")
    elif node_class != ua.NodeClass.Variable:
        item.fail("is not a variable")
    elif isinstance(rank, int) and rank >= 0 and item.element is None:
        item.fail("holds an array; say which element counts, for example index: 0")
    elif rank == SCALAR and item.element is not None:
        item.fail("holds one value and no array; leave out index")
    elif isinstance(access, int) and not access & CURRENT_READ:
        item.fail("the server does not let us read it; ask its administrator for the right to read")
    elif type_name := await types.refusal(data_type, item.node_id):
        item.fail(f"holds values of type {type_name}, not numbers")
    else:
        item.historizing = bool(historizing) or bool(isinstance(access, int) and access & HISTORY_READ)
        item.status.historizing = item.historizing
        item.status.state, item.status.message = "waiting", ""


async def monitor(session: UaSession, subscription: int, items: Sequence[Item]) -> None:
    """Create a monitored item for each, under its handle. Notes what the server granted."""
    for part in parts(items):
        # Values may arrive before the answer does; the items must be ready for them.
        for item in part:
            item.seam_due = True
            item.status.asked_sampling_ms = item.sampling.sampling_ms
            item.status.asked_queue = item.sampling.queue_size
        results = await _create(session, subscription, part, [_filter(item.sampling) for item in part])
        plain = [item for item, result in zip(part, results, strict=True) if _takes_no_filter(item, result)]
        for item, result in zip(part, results, strict=True):
            if item not in plain:
                _note(item, subscription, result)
        if plain:
            # A server without filters reports changed values only; an unchanged one then shows in the history alone.
            again = await _create(session, subscription, plain, [ua.ExtensionObject() for _ in plain])
            for item, result in zip(plain, again, strict=True):
                _note(item, subscription, result)


def _filter(sampling: Sampling) -> ua.DataChangeFilter:
    if sampling.deadband:
        return ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp, ABSOLUTE, sampling.deadband)
    if sampling.deadband_percent:
        return ua.DataChangeFilter(ua.DataChangeTrigger.StatusValueTimestamp, PERCENT, sampling.deadband_percent)
    return EVERY_SAMPLE


def _has_deadband(item: Item) -> bool:
    return bool(item.sampling.deadband or item.sampling.deadband_percent)


def _takes_no_filter(item: Item, result: ua.MonitoredItemCreateResult) -> bool:
    return result.StatusCode.value in NO_FILTER and not _has_deadband(item)


async def _create(
    session: UaSession,
    subscription: int,
    items: Sequence[Item],
    filters: Sequence[ua.DataChangeFilter | ua.ExtensionObject],
) -> Sequence[ua.MonitoredItemCreateResult]:
    requests = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(
                NodeId=item.node_id, AttributeId=AttributeIds.Value, IndexRange=item.index_range
            ),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=item.handle,
                SamplingInterval=item.sampling.sampling_ms,
                Filter=what,
                QueueSize=item.sampling.queue_size,
                DiscardOldest=True,
            ),
        )
        for item, what in zip(items, filters, strict=True)
    ]
    parameters = ua.CreateMonitoredItemsParameters(
        SubscriptionId=subscription,
        TimestampsToReturn=ua.TimestampsToReturn.Both,
        ItemsToCreate=requests,
    )
    results: Sequence[ua.MonitoredItemCreateResult] = await session.create_monitored_items(parameters)
    return results


def _note(item: Item, subscription: int, result: ua.MonitoredItemCreateResult) -> None:
    if result.StatusCode.is_bad():
        mend = ""
        if _has_deadband(item) and result.StatusCode.value in NO_DEADBAND:
            mend = "; the server takes no such deadband here (a percentage needs the node's EURange): leave it out"
        item.fail(f"cannot be monitored: {result.StatusCode.name}{mend}")
        return
    item.subscription, item.monitored_item = subscription, result.MonitoredItemId
    item.status.revised_sampling_ms = result.RevisedSamplingInterval
    item.status.revised_queue = result.RevisedQueueSize


def parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """As many at a time as fit into one request."""
    for start in count(0, NODES_PER_REQUEST):
        part = items[start : start + NODES_PER_REQUEST]
        if not part:
            return
        yield part


def _value(answer: ua.DataValue) -> object:
    return answer.Value.Value if answer.Value is not None else None
