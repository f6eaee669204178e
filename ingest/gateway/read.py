"""Reads back what gateways sent. Every answer carries its grade, so that nobody takes it for signed readings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.database import Connection, statement
from verification.model import MAX_TIME_US, NULL_TIME_US, Grade


@dataclass(frozen=True, slots=True)
class TransportColumns:
    """The readings of one point in order of time. flags: `messages.TransportFlag`."""

    time_us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    status: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint8]
    grade: Grade = Grade.TRANSPORT

    def __len__(self) -> int:
        return len(self.time_us)


@dataclass(frozen=True, slots=True)
class UnitState:
    """A node, or node/device: its latest birth or death, and how many holes its sequence had so far."""

    gateway: str
    unit: str
    online: bool
    since: dt.datetime
    holes: int


def load_window(
    conn: Connection, gateway: str, names: Sequence[str], start_us: int = NULL_TIME_US, end_us: int = MAX_TIME_US + 1
) -> dict[str, TransportColumns]:
    """The readings of these points by name; of a device that signs there are none here."""
    wanted = {"device": gateway, "names": list(names), "start_us": start_us, "end_us": end_us}
    rows: dict[str, list[tuple[int, float, int, int]]] = {name: [] for name in names}
    for name, *row in conn.execute(statement("transport_window"), wanted):
        rows[name].append((row[0], row[1], row[2], row[3]))
    return {name: _columns(found) for name, found in rows.items()}


def _columns(rows: list[tuple[int, float, int, int]]) -> TransportColumns:
    times, values, statuses, flags = zip(*rows, strict=True) if rows else ((), (), (), ())
    return TransportColumns(
        np.array(times, np.int64),
        np.array(values, np.float64),
        np.array(statuses, np.uint32),
        np.array(flags, np.uint8),
    )


def states(conn: Connection) -> list[UnitState]:
    """Every unit that was ever born or died."""
    return [
        UnitState(gateway, unit, event == "birth", at, holes)
        for gateway, unit, event, at, holes in conn.execute(statement("transport_state"))
    ]
