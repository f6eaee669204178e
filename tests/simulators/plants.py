"""Builders of small simulated plants for the tests of the devices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from simulators.history import complete_history
from simulators.ledger import Ledger
from simulators.plants.potline import Potline, PotlineParameters
from simulators.timeline import Timeline

DEADLINE_S = 30.0


def small_plant(baseline_days: int = 3, *, first_day: date | None = None) -> Potline:
    """A plant of a few days; without `first_day`, the present lies just after its reporting period."""
    past = datetime.now(UTC).date() - timedelta(days=baseline_days + 3)
    return Potline(PotlineParameters(), 1, Timeline(first_day or past, baseline_days, 1, 1))


def open_ledger(path: Path) -> Ledger:
    """The ledger of a small plant."""
    return Ledger(path, {"scenario": "small"})


def fill(ledger: Ledger, potline: Potline, *, until_us: int | None = None) -> None:
    """Produce every point's history up to `until_us`, or to the end of the last day of the reporting period."""
    end_us = int(potline.timeline.reporting_end.timestamp()) * 1_000_000 if until_us is None else until_us
    complete_history(potline, ledger, tuple(potline.points), end_us)


def rows_in(path: Path) -> list[tuple[str, int, float]]:
    """What the file says was produced, read without the code under test."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "point,time_us,value,status,produced_us"
    cells = (line.split(",") for line in lines[1:])
    return [(point, int(time_us), float(value)) for point, time_us, value, _, _ in cells]


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return once the condition holds; fail with `what` at the deadline."""
    late = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < late, f"not within {deadline_s} s: {what}"
        time.sleep(0.02)


async def wait_in_loop_for(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Like `wait_for`, for a test that runs in the event loop of the plant itself."""
    late = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < late, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.02)
