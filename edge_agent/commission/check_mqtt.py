"""Listens on a broker for a while, in a session of its own, and says what came of each MQTT point; answers nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from edge_agent import clock
from edge_agent.commission.findings import PointCheck
from edge_agent.config.mqtt import MqttPointConfig, MqttSourceConfig
from edge_agent.mqtt_link import Message, connected
from edge_agent.table import figure
from verification.errors import RetroProofError
from verification.mqtt_payload import PayloadError, PayloadReading, decode, reading

MOST_SKEW_US = 60_000_000
STATUS_SEVERITY = 0xC0000000

Heard = tuple[str, PayloadReading | PayloadError]  # a point, and what came for it


async def check(name: str, source: MqttSourceConfig, device: str, wait_s: float) -> list[PointCheck]:
    """A check of each point, once all have been heard or `wait_s` is over."""
    checks = {point: PointCheck(name, point, unit=config.unit) for point, config in source.points.items()}
    silent = set(checks)
    try:
        async with aclosing(hear(name, source, device, wait_s)) as heard:
            async for point, what in heard:
                if point in silent:
                    _judge(checks[point], source.points[point], what)
                silent.discard(point)
                if not silent:
                    break
    except RetroProofError as err:
        for found in checks.values():
            found.problems = [str(err)]
        return list(checks.values())
    for point in silent:
        checks[point].notes.append(f"nothing came within {wait_s:.0f} s; have it publish, or wait longer: --wait 60")
    return list(checks.values())


async def hear(name: str, source: MqttSourceConfig, device: str, wait_s: float) -> AsyncGenerator[Heard, None]:
    """What comes for the points, in a session of its own that the broker forgets afterwards. Raises LinkError."""
    by_topic: dict[str, list[tuple[str, MqttPointConfig]]] = {}
    for point, config in source.points.items():
        by_topic.setdefault(config.topic, []).append((point, config))
    until_s = time.monotonic() + wait_s
    async with connected(source, f"{device}-{name}-check", version=source.version, lasting=False) as link:
        for topic in await link.subscribe(list(by_topic)):
            refusal = PayloadError(f"the broker does not let us read {topic}; check its access list")
            for point, _ in by_topic.pop(topic):
                yield point, refusal
        while (left_s := until_s - time.monotonic()) > 0:
            event = await link.next_event(left_s)
            if isinstance(event, Message):
                link.acknowledge(event)  # a broker sends no more while so many wait for it
            if isinstance(event, Message) and not event.retained:  # what is retained the agent does not take either
                for point, config in by_topic.get(event.topic, ()):
                    yield point, _read(event, config)


def _read(message: Message, point: MqttPointConfig) -> PayloadReading | PayloadError:
    try:
        return reading(decode(message.payload), point, clock.now_us())
    except PayloadError as err:
        return err


def _judge(check: PointCheck, point: MqttPointConfig, heard: PayloadReading | PayloadError) -> None:
    if isinstance(heard, PayloadError):
        check.problems.append(f"{heard} (topic {point.topic})")
        return
    check.value = figure(heard.value)
    check.status = "Good" if not heard.status & STATUS_SEVERITY else f"0x{heard.status:08X}"
    if check.status != "Good":
        check.problems.append(f"the device says that its value is not good ({check.status}): look at the device")
    if point.time:
        skew_us = heard.time_us - clock.now_us()
        check.skew = f"{skew_us / 1e6:+.1f} s"
        if abs(skew_us) > MOST_SKEW_US:
            check.problems.append("the time in the payload is over a minute from this machine's; set its clock")
    else:
        check.notes.append("the payload has no time; the time of arrival counts")
