"""What a plant has produced up to an instant, point by point, faults and all, and how it gets into the ledger."""

from __future__ import annotations

import time
from dataclasses import replace

from simulators.faults import Faults, Readings
from simulators.ledger import Ledger, Row
from simulators.plants import Plant

NO_FAULTS = Faults()


def now_us() -> int:
    """The wall clock, in microseconds since the epoch."""
    return time.time_ns() // 1000


def complete_history(
    plant: Plant, ledger: Ledger, points: tuple[str, ...], until_us: int, faults: Faults = NO_FAULTS
) -> None:
    """Write the quarter-hours produced up to and including `until_us` that the ledger lacks."""
    for point in points:
        ledger.append(rows_of(point, produced(plant, point, faults).until(until_us)))


def produced(plant: Plant, point: str, faults: Faults) -> Readings:
    """Every reading of the point's whole life, quarter-hourly or one a shift, faults and all; chance does not depend on
    the present. A roster is handed in when its day has ended.
    """
    undisturbed = Readings.of(*plant.series_us(point, plant.first_us, plant.last_us))
    readings = faults.disturb(plant, point, undisturbed)
    if plant.points[point].protocol != "roster":
        return readings
    return replace(readings, produced_us=plant.grid.ends_of_days_us(readings.produced_us))


def rows_of(point: str, readings: Readings) -> list[Row]:
    """The readings as rows of the ledger."""
    columns = (readings.time_us, readings.value, readings.status, readings.produced_us)
    return [Row(point, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]
