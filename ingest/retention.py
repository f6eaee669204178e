"""Drops old readings on purpose and remembers from when on they are whole; their batches, the evidence, always stay.

The same on every tier, by our own command and not by a policy of the server, so that what was dropped is known: a
window of signed readings that reaches back before it is refused instead of coming back short. `retroproof db rebuild
--write` brings those back. Readings of grade 'transport' have no batches: dropped, they are gone for good, so each
grade is asked for on its own.
"""

from __future__ import annotations

import datetime as dt

from psycopg import sql

from ingest.database import Connection, statement
from ingest.errors import IngestError
from ingest.tier import Tier, detect
from verification.model import Grade

_TABLE = {Grade.SIGNED: "reading", Grade.TRANSPORT: "transport_reading"}  # of the schema telemetry
_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def drop_before(conn: Connection, moment: dt.datetime, grade: Grade = Grade.SIGNED) -> dt.datetime:
    """Drop the readings before `moment`, or a little less where whole chunks go; returns from when on they are whole.

    Ingest waits meanwhile, for about as long as it takes to count what goes. Raises IngestError for a moment without a
    zone or in the future, and where there is no whole chunk to drop.
    """
    if moment.tzinfo is None or moment > dt.datetime.now(dt.UTC):
        raise IngestError(f"{moment} must have a time zone and lie in the past")
    chunks = detect(conn) is not Tier.PLAIN
    with conn.transaction():
        horizon = _end_of_chunks(conn, moment, grade) if chunks else moment
        if grade is Grade.SIGNED:
            conn.execute("LOCK TABLE telemetry.batch IN SHARE MODE")  # or rows could come between count and drop
            conn.execute(statement("take_from_totals"), {"horizon": horizon})
        if chunks:
            drop = sql.SQL("SELECT drop_chunks('{}', older_than => %s::timestamptz)")
        else:
            drop = sql.SQL("DELETE FROM {} WHERE time < %s")
        conn.execute(drop.format(sql.Identifier("telemetry", _TABLE[grade])), (horizon,))
        conn.execute(
            "INSERT INTO telemetry.horizon (grade, dropped_before) VALUES (%s, %s) ON CONFLICT (grade) DO UPDATE"
            " SET dropped_before = greatest(telemetry.horizon.dropped_before, excluded.dropped_before)",
            (grade, horizon),
        )
    kept = horizon_of(conn, grade)
    return kept or horizon


def horizon_of(conn: Connection, grade: Grade = Grade.SIGNED) -> dt.datetime | None:
    """From when on the readings of this grade are whole; None: from the first."""
    row = conn.execute("SELECT dropped_before FROM telemetry.horizon WHERE grade = %s", (grade,)).fetchone()
    return None if row is None else row[0]


def forget_horizon(conn: Connection) -> None:
    """The signed readings are whole again, as after a rebuild."""
    conn.execute("DELETE FROM telemetry.horizon WHERE grade = %s", (Grade.SIGNED,))


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


def _end_of_chunks(conn: Connection, moment: dt.datetime, grade: Grade) -> dt.datetime:
    """Whole chunks only: a chunk goes in no time, and its rows one by one would take hours."""
    row = conn.execute(
        "SELECT max(range_end) FROM timescaledb_information.chunks"
        " WHERE hypertable_schema = 'telemetry' AND hypertable_name = %s AND range_end <= %s",
        (_TABLE[grade], moment),
    ).fetchone()
    if row is None or row[0] is None:
        raise IngestError(f"no whole chunk of readings lies before {moment:%Y-%m-%d}; there is nothing to drop yet")
    end: dt.datetime = row[0]
    return end
