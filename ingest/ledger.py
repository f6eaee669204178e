"""Reads from the database what admission needs to know about a group of arrivals, under the locks of their devices.

A fixed number of queries for a group, however many batches it has. Nothing is remembered between groups, because other
workers write too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.admission import Arrival, Device, Entry, Epoch, Key, State
from ingest.database import Connection, statement
from verification import keys
from verification.batch import INT63_MAX, MAX_POINTS
from verification.model import Point, PointKind

EpochKey = tuple[str, int]
PointIds = npt.NDArray[np.int32]
NO_POINT = -1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state that admission judges by, and for each known epoch the point id by catalogue index (NO_POINT: none)."""

    state: State
    point_ids: Mapping[EpochKey, PointIds]


def read_snapshot(conn: Connection, arrivals: Sequence[Arrival]) -> Snapshot:
    """Lock the devices that the arrivals name and read what is known of them. Call it inside a transaction."""
    headers = [arrival.batch.header for arrival in arrivals if arrival.batch]
    devices = _read_devices(conn, sorted({header.device for header in headers}))
    wanted = sorted({(header.device, header.epoch) for header in headers if header.device in devices})
    points, point_ids = read_catalogues(conn, wanted)
    columns = {"devices": [device for device, _ in wanted], "epochs": [epoch for _, epoch in wanted]}
    epochs = {
        (device, epoch): Epoch(points.get((device, epoch), {}), through, stale)
        for device, epoch, stale, through in conn.execute(statement("epochs"), columns)
    }
    places = sorted(
        {
            (header.device, header.epoch, sequence)
            for header in headers
            if (header.device, header.epoch) in epochs
            for sequence in (header.sequence - 1, header.sequence, header.sequence + 1)
            if 0 <= sequence <= INT63_MAX
        }
    )
    return Snapshot(State(devices, epochs, _read_entries(conn, places)), point_ids)


def _read_devices(conn: Connection, names: list[str]) -> dict[str, Device]:
    rows = conn.execute(statement("lock_devices"), {"devices": names}).fetchall()
    device_keys = read_keys(conn, [name for name, _ in rows])
    enrolled = {"devices": [name for name, _ in rows]}
    newest: dict[str, int] = dict(conn.execute(statement("newest_epochs"), enrolled).fetchall())
    return {name: Device(device_keys.get(name, {}), newest[name], revoked) for name, revoked in rows}


def read_keys(conn: Connection, names: list[str]) -> dict[str, dict[bytes, Key]]:
    """The keys of these devices by key id; a device that is not enrolled has none."""
    found: dict[str, dict[bytes, Key]] = {}
    for name, key_id, public_key, from_us, to_us in conn.execute(statement("device_keys"), {"devices": names}):
        found.setdefault(name, {})[bytes(key_id)] = Key(keys.parse_public(public_key), from_us, to_us)
    return found


def read_catalogues(
    conn: Connection, wanted: list[EpochKey]
) -> tuple[dict[EpochKey, dict[int, Point]], dict[EpochKey, PointIds]]:
    """What the indices of these chains mean: as points, and as point ids."""
    points: dict[EpochKey, dict[int, Point]] = {key: {} for key in wanted}
    point_ids = {key: np.full(MAX_POINTS, NO_POINT, np.int32) for key in wanted}
    columns = {"devices": [device for device, _ in wanted], "epochs": [epoch for _, epoch in wanted]}
    for device, epoch, index, point_id, name, address, unit, kind, meter in conn.execute(
        statement("catalogues"), columns
    ):
        points[device, epoch][index] = Point(name, address, unit, PointKind(kind), meter)
        point_ids[device, epoch][index] = point_id
    return points, point_ids


def _read_entries(conn: Connection, places: list[tuple[str, int, int]]) -> dict[tuple[str, int, int], Entry]:
    columns = {
        "devices": [device for device, _, _ in places],
        "epochs": [epoch for _, epoch, _ in places],
        "sequences": [sequence for _, _, sequence in places],
    }
    found = conn.execute(statement("entries"), columns)
    return {(device, epoch, sequence): Entry(sha256, previous) for device, epoch, sequence, sha256, previous in found}
