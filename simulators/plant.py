"""Runs a simulated plant: completes the ledger up to the present, opens the devices, then lives on until stopped.

Owns the order that makes the ledger an oracle: a reading is in the ledger before any client can see it. For the time
that the simulator itself was down, the plant recorded at the history's cadence, one reading in 15 minutes.

Time is history up to the present; from there it stands still, runs with the clock, or runs `speed` times as fast
through the quarter-hours to the end of the reporting period.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from simulators.addresses import STAFF, gate_name
from simulators.badge_gate import BadgeGate, Broker
from simulators.errors import SimulatorError
from simulators.faults import Faults, Readings
from simulators.history import NO_FAULTS, complete_history, now_us, produced, rows_of
from simulators.ledger import Ledger, Row
from simulators.link import Disturbance, Link, disturb
from simulators.opcua_server import PlantServer
from simulators.plants import Plant
from simulators.roster import Rosters
from simulators.timeline import CADENCE_US, micros

STAFF_PERIOD_US = 60_000_000  # the gate counts once a minute while live

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How to run the plant.

    present_us: where its history ends, or None for a plant that lives with the clock, `rate_hz` readings a second.
    gate: the name under which the badge gate publishes, or None for that of the line.
    link: what befalls the network between the OPC UA server and its clients.
    renamed: points whose OPC UA nodes go by another name than their own.
    speed: how many times as fast as the clock its time runs on from present_us; 0: it stands still.
    rosters: the folder into which its rosters are dropped; None: nobody writes any.
    """

    opcua_port: int
    broker: Broker | None = None
    gate: str | None = None
    present_us: int | None = None
    rate_hz: float = 1.0
    speed: float = 0.0
    faults: Faults = NO_FAULTS
    link: Disturbance | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    rosters: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a rate that this server cannot hold or that would never tick, and faults that would end unsaid."""
        if not 0.01 <= self.rate_hz <= 100:  # noqa: PLR2004 - the bounds are in the message
            raise SimulatorError(f"a rate of {self.rate_hz} Hz is outside 0.01 to 100")
        if not self.speed >= 0:
            raise SimulatorError(f"a speed of {self.speed} is none; write how many times as fast as the clock")
        if self.present_us is None and self.faults.listed:
            raise SimulatorError(
                "faults befall the history and the time that --speed runs through, not live readings: run it with "
                "--until baseline --speed 900, which is a reading a second"
            )


async def run_plant(
    plant: Plant,
    ledger: Ledger,
    settings: Settings,
    *,
    ready: Callable[[PlantServer, str], None],
    stop: asyncio.Event,
) -> None:
    """Serve the plant until `stop` is set; calls `ready` with the server and the address at which clients find it.

    By then the history is complete, its rosters are written, and the devices are up.
    """
    until_us = now_us() if settings.present_us is None else settings.present_us
    if until_us < plant.first_us:
        raise SimulatorError(
            f"the plant starts on {plant.timeline.first_day}, after its present; choose an earlier day"
        )
    complete_history(plant, ledger, plant.point_names("opcua"), until_us, settings.faults)
    gate = rosters = None
    if settings.broker and plant.point_names("mqtt"):
        complete_history(plant, ledger, (STAFF,), until_us, settings.faults)
        gate = BadgeGate(settings.broker, ledger, settings.gate or gate_name(plant), plant.timeline.tz)
    if settings.rosters:
        rosters = Rosters(settings.rosters, plant, ledger)
        complete_history(plant, ledger, rosters.points, until_us, settings.faults)
        rosters.write()
    async with _served(plant, ledger, settings) as (server, url):
        try:
            if gate:
                gate.start()
            ready(server, url)
            devices = _Devices(server, gate, rosters)
            if settings.present_us is None:
                await _live(plant, ledger, devices, settings, until_us, stop)
            elif settings.speed:
                await _fast(plant, ledger, devices, settings, stop)
            await stop.wait()
        finally:
            if gate:
                await asyncio.to_thread(gate.stop)


@asynccontextmanager
async def _served(plant: Plant, ledger: Ledger, settings: Settings) -> AsyncIterator[tuple[PlantServer, str]]:
    """The OPC UA server, behind a disturbed link where one is asked for, and the address at which clients find it."""
    if settings.link is None:
        async with PlantServer(plant, ledger, settings.opcua_port, settings.renamed) as server:
            yield server, server.url
        return
    async with (
        PlantServer(plant, ledger, 0, settings.renamed) as server,
        Link(server.port, port=settings.opcua_port) as link,
    ):
        trouble = asyncio.create_task(disturb(link, settings.link))
        yield server, server.url.replace(f":{server.port}/", f":{link.port}/")
        trouble.cancel()


@dataclass(frozen=True)
class _Devices:
    """Through what clients learn of a running plant's readings."""

    server: PlantServer
    gate: BadgeGate | None
    rosters: Rosters | None

    @property
    def written(self) -> tuple[str, ...]:
        """The points that people write down."""
        return self.rosters.points if self.rosters else ()

    async def show(self, fresh: Sequence[Row]) -> None:
        """Hand over rows that have just come into the ledger."""
        elsewhere = {STAFF, *self.written}
        await self.server.show([row for row in fresh if row.point not in elsewhere])
        if self.gate and any(row.point == STAFF for row in fresh):
            self.gate.wake()
        if self.rosters and any(row.point in self.written for row in fresh):
            self.rosters.write()


async def _live(
    plant: Plant, ledger: Ledger, devices: _Devices, settings: Settings, until_us: int, stop: asyncio.Event
) -> None:
    """Produce readings at every tick after the history's end. A tick that comes late is skipped, never back-dated."""
    period_us = round(1_000_000 / settings.rate_hz)
    written = {point: produced(plant, point, NO_FAULTS) for point in devices.written}
    before_us, tick_us = until_us, _next_tick(now_us(), period_us)
    while not await _stopped(stop, tick_us):
        rows = [Row.good(name, tick_us, plant.value_us(name, tick_us)) for name in plant.point_names("opcua")]
        minute_us = tick_us - tick_us % STAFF_PERIOD_US
        if devices.gate:
            rows.append(Row.good(STAFF, minute_us, plant.value_us(STAFF, minute_us)))
        rows += _rows_between(written, before_us, tick_us)
        fresh = ledger.append(rows)
        if not fresh:
            log.warning("the clock stepped back; nothing is produced until it has caught up")
        await devices.show(fresh)
        before_us, tick_us = tick_us, _next_tick(max(tick_us, now_us()), period_us)


async def _fast(plant: Plant, ledger: Ledger, devices: _Devices, settings: Settings, stop: asyncio.Event) -> None:
    """Run through the quarter-hours after the present, each shown when the plant's own time reaches it."""
    points = [*plant.point_names("opcua"), *([STAFF] if devices.gate else []), *devices.written]
    readings = {point: produced(plant, point, settings.faults) for point in points}
    end_us = micros(plant.timeline.reporting_end)
    begun_us, present_us = now_us(), settings.present_us or plant.first_us
    slot_us = present_us + CADENCE_US
    while slot_us <= end_us and not await _stopped(stop, begun_us + round((slot_us - present_us) / settings.speed)):
        await devices.show(ledger.append(_rows_between(readings, slot_us - CADENCE_US, slot_us)))
        slot_us += CADENCE_US


def _rows_between(readings: Mapping[str, Readings], after_us: int, until_us: int) -> list[Row]:
    """What each point's readings have between two instants of production, as rows."""
    return [row for point, each in readings.items() for row in rows_of(point, each.between(after_us, until_us))]


def _next_tick(after_us: int, period_us: int) -> int:
    return (after_us // period_us + 1) * period_us


async def _stopped(stop: asyncio.Event, tick_us: int) -> bool:
    """Wait for the tick; True if the plant was stopped first."""
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, (tick_us - now_us()) / 1e6))
    except TimeoutError:
        return False
    return True
