"""Writes what gateways say: their registration, their readings and events, in tables of their own."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping

import psycopg

from ingest.database import Connection, statement
from ingest.errors import IngestError
from ingest.gateway.config import GatewayFile, described
from ingest.gateway.messages import Kept

log = logging.getLogger(__name__)

PointIds = Mapping[tuple[str, str], int]  # by gateway and point name
MAX_DETAIL_CHARS = 500
# What the database says to a value that it will not take, now or ever.
_REFUSED = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)


def register(conn: Connection, gateways: Mapping[str, GatewayFile]) -> PointIds:
    """Make gateways and points known; returns the points' ids. Raises IngestError where a name is taken or revoked."""
    ids: dict[tuple[str, str], int] = {}
    with conn.transaction():
        for name, gateway in gateways.items():
            conn.execute(statement("insert_gateway"), {"device": name, "enterprise": gateway.enterprise})
            found = conn.execute(statement("gateway"), {"device": name}).fetchone()
            if found is None or found[:2] != (gateway.enterprise, "transport"):
                raise IngestError(f"{name} is another's, or a device that signs; give the gateway a name of its own")
            if found[2] is not None:
                raise IngestError(f"{name} was revoked at {found[2]:%Y-%m-%d %H:%M} UTC; take it out of the file")
            points = [described(name, point, gateway) for point in gateway.points]
            columns: dict[str, object] = {
                key: [str(getattr(point, key)) for point in points]
                for key in ("name", "address", "unit", "kind", "meter")
            }
            conn.execute(statement("insert_points"), {**columns, "device": name})
            for point, point_id in conn.execute(statement("gateway_points"), {**columns, "device": name}):
                ids[name, point] = point_id
    return ids


def store(conn: Connection, kept: Kept, ids: PointIds, received_at: dt.datetime) -> int:
    """Commit it all in one transaction; returns how many readings were new. A repeated message adds nothing.

    What the database itself will not take, and what a gateway says that was revoked meanwhile, is left out, with a word
    in the log.
    """
    try:
        return _store(conn, kept, ids, received_at)
    except _REFUSED as err:
        alone = [Kept(readings=[one]) for one in kept.readings] + [Kept(events=[one]) for one in kept.events]
        if len(alone) == 1:
            log.warning("not taken: the database refuses it: %s", err.diag.message_primary)
            return 0
    return sum(store(conn, one, ids, received_at) for one in alone)


def _store(conn: Connection, kept: Kept, ids: PointIds, received_at: dt.datetime) -> int:
    with conn.transaction():
        revoked = _revoked(conn, kept)
        readings = [one for one in kept.readings if one.gateway not in revoked]
        events = [one for one in kept.events if one.gateway not in revoked]
        done = conn.execute(
            statement("insert_transport_readings"),
            {
                "received_at": received_at,
                "time_us": [one.time_us for one in readings],
                "value": [one.value for one in readings],
                "status": [one.status for one in readings],
                "point_id": [ids[one.gateway, one.point] for one in readings],
                "flags": [int(one.flags) for one in readings],
            },
        )
        if events:
            conn.execute(
                statement("insert_transport_events"),
                {
                    "at": received_at,
                    "device": [one.gateway for one in events],
                    "unit": [one.unit for one in events],
                    "event": [one.event for one in events],
                    "detail": [one.detail[:MAX_DETAIL_CHARS] for one in events],
                },
            )
    for name in sorted(revoked):
        log.warning("not taken: %s was revoked; take it out of the file", name)
    return done.rowcount


def _revoked(conn: Connection, kept: Kept) -> set[str]:
    names = {one.gateway for one in kept.readings} | {one.gateway for one in kept.events}
    return {name for (name,) in conn.execute(statement("revoked_gateways"), {"devices": sorted(names)})}
