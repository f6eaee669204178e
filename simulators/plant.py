"""Runs a simulated plant: completes the ledger up to the present, opens the devices, then lives on until stopped.

Owns the order that makes the ledger an oracle: a reading is in the ledger before any client can see it. For the time
that the simulator itself was down, the plant recorded at the history's cadence, one reading in 15 minutes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from simulators.badge_gate import POINT as STAFF
from simulators.badge_gate import BadgeGate, Broker
from simulators.errors import SimulatorError
from simulators.ledger import Ledger, Row
from simulators.opcua_server import PlantServer
from simulators.plants import Plant

STAFF_PERIOD_US = 60_000_000  # the gate counts once a minute while live

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How to run the plant. `present_us`: where its time stands still, or None for one that lives with the clock."""

    opcua_port: int
    broker: Broker | None = None
    present_us: int | None = None
    rate_hz: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a rate that this server cannot hold or that would never tick."""
        if not 0.01 <= self.rate_hz <= 100:  # noqa: PLR2004 - the bounds are in the message
            raise SimulatorError(f"a rate of {self.rate_hz} Hz is outside 0.01 to 100")


def now_us() -> int:
    """The wall clock, in microseconds since the epoch."""
    return time.time_ns() // 1000


def complete_history(plant: Plant, ledger: Ledger, points: tuple[str, ...], until_us: int) -> None:
    """Write the quarter-hours up to and including `until_us` that the ledger lacks."""
    for point in points:
        times, values = plant.series_us(point, plant.first_us, until_us)
        ledger.append([Row(point, int(t), float(v)) for t, v in zip(times, values, strict=True)])


async def run_plant(
    plant: Plant,
    ledger: Ledger,
    settings: Settings,
    *,
    ready: Callable[[PlantServer], None],
    stop: asyncio.Event,
) -> None:
    """Serve the plant until `stop` is set; calls `ready` once when the history is complete and both devices are up."""
    until_us = now_us() if settings.present_us is None else settings.present_us
    if until_us < plant.first_us:
        raise SimulatorError(
            f"the plant starts on {plant.timeline.first_day}, after its present; choose an earlier day"
        )
    complete_history(plant, ledger, plant.point_names("opcua"), until_us)
    gate = None
    if settings.broker and plant.point_names("mqtt"):
        complete_history(plant, ledger, (STAFF,), until_us)
        gate = BadgeGate(settings.broker, ledger, plant.line, plant.timeline.tz)
    async with PlantServer(plant, ledger, settings.opcua_port) as server:
        try:
            if gate:
                gate.start()
            ready(server)
            if settings.present_us is None:
                await _live(plant, ledger, server, gate, settings, stop)
            else:
                await stop.wait()
        finally:
            if gate:
                await asyncio.to_thread(gate.stop)


async def _live(
    plant: Plant,
    ledger: Ledger,
    server: PlantServer,
    gate: BadgeGate | None,
    settings: Settings,
    stop: asyncio.Event,
) -> None:
    """Produce readings at every tick. A tick that comes late is skipped, never back-dated."""
    period_us = round(1_000_000 / settings.rate_hz)
    tick_us = _next_tick(now_us(), period_us)
    while not await _stopped(stop, tick_us):
        rows = [Row(name, tick_us, plant.value_us(name, tick_us)) for name in plant.point_names("opcua")]
        minute_us = tick_us - tick_us % STAFF_PERIOD_US
        if gate:
            rows.append(Row(STAFF, minute_us, plant.value_us(STAFF, minute_us)))
        fresh = ledger.append(rows)
        if not fresh:
            log.warning("the clock stepped back; nothing is produced until it has caught up")
        await server.show([row for row in fresh if row.point != STAFF])
        if gate and any(row.point == STAFF for row in fresh):
            gate.wake()
        tick_us = _next_tick(max(tick_us, now_us()), period_us)


def _next_tick(after_us: int, period_us: int) -> int:
    return (after_us // period_us + 1) * period_us


async def _stopped(stop: asyncio.Event, tick_us: int) -> bool:
    """Wait for the tick; True if the plant was stopped first."""
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, (tick_us - now_us()) / 1e6))
    except TimeoutError:
        return False
    return True
