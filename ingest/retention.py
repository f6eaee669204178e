"""Drops old readings on purpose and remembers from when on they are whole; their batches, the evidence, always stay.

The same on every tier, by our own command and not by a policy of the server, so that what was dropped is known: a
window that reaches back before it is refused instead of coming back short. `retroproof db rebuild --write` brings
everything back.
"""

from __future__ import annotations

import datetime as dt

from ingest.database import Connection, statement
from ingest.errors import IngestError
from ingest.tier import Tier, detect

_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def drop_before(conn: Connection, moment: dt.datetime) -> dt.datetime:
    """Drop the readings before `moment`, or a little less where whole chunks go; returns from when on they are whole.

    Raises IngestError for a moment without a zone or in the future.
    """
    if moment.tzinfo is None or moment > dt.datetime.now(dt.UTC):
        raise IngestError(f"{moment} must have a time zone and lie in the past")
    with conn.transaction():
        horizon = _drop_chunks(conn, moment) if detect(conn) is not Tier.PLAIN else _delete(conn, moment)
        conn.execute(
            "INSERT INTO telemetry.horizon (dropped_before) VALUES (%s) ON CONFLICT (one) DO UPDATE"
            " SET dropped_before = greatest(telemetry.horizon.dropped_before, excluded.dropped_before)",
            (horizon,),
        )
    kept = horizon_of(conn)
    return kept or horizon


def horizon_of(conn: Connection) -> dt.datetime | None:
    """From when on the readings are whole; None: from the first."""
    row = conn.execute("SELECT dropped_before FROM telemetry.horizon").fetchone()
    return None if row is None else row[0]


def forget_horizon(conn: Connection) -> None:
    """The readings are whole again, as after a rebuild."""
    conn.execute("DELETE FROM telemetry.horizon")


def refuse_dropped(conn: Connection, device: str, start_us: int, end_us: int) -> None:
    """Raises IngestError where readings of the device in this window were dropped."""
    window = {"device": device, "start_us": start_us, "end_us": end_us}
    row = conn.execute(statement("dropped_before"), window).fetchone()
    if row is not None:
        moment = _UNIX_EPOCH + dt.timedelta(microseconds=row[0])
        raise IngestError(
            f"the readings of {device} before {moment:%Y-%m-%d %H:%M} UTC were dropped; begin the window there, "
            "or bring them back from their batches: retroproof db rebuild --write"
        )


def _drop_chunks(conn: Connection, moment: dt.datetime) -> dt.datetime:
    """Whole chunks only: a chunk goes in no time, and its rows one by one would take hours."""
    row = conn.execute(
        "SELECT max(range_end) FROM timescaledb_information.chunks"
        " WHERE hypertable_schema = 'telemetry' AND hypertable_name = 'reading' AND range_end <= %s",
        (moment,),
    ).fetchone()
    if row is None or row[0] is None:
        raise IngestError(f"no whole chunk of readings lies before {moment:%Y-%m-%d}; there is nothing to drop yet")
    conn.execute("SELECT drop_chunks('telemetry.reading', older_than => %s::timestamptz)", (row[0],))
    end: dt.datetime = row[0]
    return end


def _delete(conn: Connection, moment: dt.datetime) -> dt.datetime:
    conn.execute("DELETE FROM telemetry.reading WHERE time < %s", (moment,))
    return moment
