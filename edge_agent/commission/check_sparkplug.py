"""Asks Sparkplug edge nodes for their births, as the agent does when it connects, and looks for each point in them."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable

from edge_agent.commission.engineering_units import unit_of
from edge_agent.commission.findings import PointCheck, judge_unit
from edge_agent.config.sparkplug import SparkplugPointConfig, SparkplugSourceConfig
from edge_agent.mqtt_link import Message, MqttLink, connected
from edge_agent.sources.sparkplug import ask_for_birth
from edge_agent.table import figure
from verification import sparkplug
from verification.errors import FormatError, RetroProofError
from verification.sparkplug import QUALITY_GOOD, Metric, Topic

Metrics = dict[tuple[str, str, str], Metric]  # by group/node, device (empty for the node's own) and name


async def check(name: str, source: SparkplugSourceConfig, device: str, wait_s: float) -> list[PointCheck]:
    """A check of each point, once all were found in births or `wait_s` is over."""
    checks = {point: PointCheck(name, point, unit=config.unit) for point, config in source.points.items()}
    try:
        client_id = f"{device}-{name}-check"
        async with connected(source.broker, client_id, version=source.version, lasting=False) as link:
            found = await _births(link, source.points.values(), wait_s)
    except RetroProofError as err:
        for one in checks.values():
            one.problems = [str(err)]
        return list(checks.values())
    for point, config in source.points.items():
        _judge(checks[point], config, found, wait_s)
    return list(checks.values())


async def _births(link: MqttLink, points: Iterable[SparkplugPointConfig], wait_s: float) -> Metrics:
    """The metrics of all births that come until every point was found."""
    wanted = {_key(point) for point in points}
    found: Metrics = {}
    for group, node in {tuple(edge_node.split("/")) for edge_node, _, _ in wanted}:
        refused = await link.subscribe([str(Topic(group, "NBIRTH", node)), str(Topic(group, "DBIRTH", node, "+"))])
        if refused:
            raise RetroProofError(f"the broker does not let us read {refused[0]}; check its access list")
        ask_for_birth(link, (group, node))
    until_s = time.monotonic() + wait_s
    while not wanted <= found.keys() and (left_s := until_s - time.monotonic()) > 0:
        event = await link.next_event(left_s)
        if isinstance(event, Message):
            link.acknowledge(event)
            try:
                topic, payload = sparkplug.read_topic(event.topic), sparkplug.decode(event.payload)
            except FormatError as err:
                raise RetroProofError(f"{event.topic}: not Sparkplug B: {err}") from err
            for metric in payload.metrics:
                found[f"{topic.group}/{topic.node}", topic.device, metric.name] = metric
    return found


def _key(point: SparkplugPointConfig) -> tuple[str, str, str]:
    return point.edge_node, point.device, point.metric


def _judge(check: PointCheck, point: SparkplugPointConfig, found: Metrics, wait_s: float) -> None:
    metric = found.get(_key(point))
    if metric is None:
        check.problems.append(_missing(point, found, wait_s))
        return
    try:
        check.value = figure(sparkplug.number(metric.value, metric.datatype))
    except FormatError as err:
        check.problems.append(f"{err}; the point needs a number")
        return
    good = metric.quality in (None, QUALITY_GOOD)
    check.status = "Good" if good else f"quality {metric.quality}"
    if not good:
        check.problems.append(f"the node says that its value is not good ({check.status}): look at the device")
    judge_unit(check, unit_of("", 0, metric.unit))


def _missing(point: SparkplugPointConfig, found: Metrics, wait_s: float) -> str:
    """Why a point was not found: the node is silent, or it has other devices and metrics."""
    others = {(device, name) for node, device, name in found if node == point.edge_node}
    if not others:
        return (
            f"{point.edge_node} was not born within {wait_s:.0f} s of being asked: does it run, is it named so, may we "
            "write its NCMD?"
        )
    shown = [f"{device}: {name}" if device else name for device, name in sorted(others)]
    wanted = f"{point.device}: {point.metric}" if point.device else point.metric
    near = difflib.get_close_matches(wanted, shown, n=1, cutoff=0.5)
    return f"{point.edge_node} has no metric {wanted!r}" + (f"; did you mean {near[0]!r}?" if near else "")
