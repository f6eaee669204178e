"""Asks an OPC UA server what its nodes are, and subscribes to them; what is wrong with a node stays with that node."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import count

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from edge_agent.sources.opcua_item import Item
from edge_agent.sources.opcua_values import refused_type

NODES_PER_REQUEST = 200  # below what the servers seen take in one request
ATTRIBUTES = (
    AttributeIds.NodeClass,
    AttributeIds.DataType,
    AttributeIds.AccessLevel,
    AttributeIds.Historizing,
)
# A meter that reads the same again has still been read: without this filter servers say nothing then.
EVERY_SAMPLE = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
NO_FILTER = {StatusCodes.BadMonitoredItemFilterUnsupported, StatusCodes.BadFilterNotAllowed}
HISTORY_READ = 1 << 2  # the bit of the access level (Part 3, 8.57)

log = logging.getLogger(__name__)


async def describe(client: Client, items: Sequence[Item]) -> None:
    """Find out of each item whether it can be read and has a history; an item that cannot be read gets its error."""
    for part in _parts(items):
        wanted = [
            ua.ReadValueId(NodeId=item.node_id, AttributeId=attribute) for item in part for attribute in ATTRIBUTES
        ]
        answers = await client.uaclient.session.read(ua.ReadParameters(NodesToRead=wanted))
        width = len(ATTRIBUTES)
        for place, item in enumerate(part):
            _describe(item, answers[place * width : (place + 1) * width])


def _describe(item: Item, answers: Sequence[ua.DataValue]) -> None:
    node_class, data_type, access, historizing = (_value(answer) for answer in answers)
    status = answers[0].StatusCode
    if status is not None and status.is_bad():
        item.status.fail(f"{item.node_id.to_string()}: {status.name}; does the node exist?")
    elif node_class != ua.NodeClass.Variable:
        item.status.fail(f"{item.node_id.to_string()}: is not a variable")
    elif type_name := refused_type(data_type):
        item.status.fail(f"{item.node_id.to_string()}: holds values of type {type_name}, not numbers")
    else:
        item.historizing = bool(historizing) or bool(isinstance(access, int) and access & HISTORY_READ)
        item.status.historizing = item.historizing
        item.status.state, item.status.message = "waiting", ""


async def monitor(
    client: Client, subscription_id: int, items: Sequence[Item], *, sampling_ms: float, queue_size: int
) -> None:
    """Create a monitored item for each; the client handle is the point's index. Notes what the server granted."""
    for part in _parts(items):
        # Values may arrive before the answer does; the items must be ready for them.
        for item in part:
            item.seam_due = True
            item.status.asked_sampling_ms, item.status.asked_queue = sampling_ms, queue_size
        results = await _create(client, subscription_id, part, sampling_ms, queue_size, EVERY_SAMPLE)
        plain = [item for item, result in zip(part, results, strict=True) if result.StatusCode.value in NO_FILTER]
        for item, result in zip(part, results, strict=True):
            if item not in plain:
                _note(item, result)
        if plain:
            # A server without filters reports changed values only; an unchanged one then shows in the history alone.
            again = await _create(client, subscription_id, plain, sampling_ms, queue_size, None)
            for item, result in zip(plain, again, strict=True):
                _note(item, result)


async def _create(
    client: Client,
    subscription_id: int,
    items: Sequence[Item],
    sampling_ms: float,
    queue_size: int,
    trigger: ua.DataChangeFilter | None,
) -> Sequence[ua.MonitoredItemCreateResult]:
    requests = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=item.node_id, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=item.index,
                SamplingInterval=sampling_ms,
                Filter=trigger if trigger is not None else ua.ExtensionObject(),
                QueueSize=queue_size,
                DiscardOldest=True,
            ),
        )
        for item in items
    ]
    parameters = ua.CreateMonitoredItemsParameters(
        SubscriptionId=subscription_id,
        TimestampsToReturn=ua.TimestampsToReturn.Both,
        ItemsToCreate=requests,
    )
    results: Sequence[ua.MonitoredItemCreateResult] = await client.uaclient.session.create_monitored_items(parameters)
    return results


def _note(item: Item, result: ua.MonitoredItemCreateResult) -> None:
    if result.StatusCode.is_bad():
        item.status.fail(f"{item.node_id.to_string()}: cannot be monitored: {result.StatusCode.name}")
        return
    item.monitored = True
    item.status.revised_sampling_ms = result.RevisedSamplingInterval
    item.status.revised_queue = result.RevisedQueueSize


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in count(0, NODES_PER_REQUEST):
        part = items[start : start + NODES_PER_REQUEST]
        if not part:
            return
        yield part


def _value(answer: ua.DataValue) -> object:
    return answer.Value.Value if answer.Value is not None else None
