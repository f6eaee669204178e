"""Readings in buckets of 15 minutes: what a counter rose by, exactly, and how well each day is covered.

A bucket in which a counter never falls gives its first and last value as its minimum and maximum, from the aggregate;
the others (a reset, a rollover, a swapped meter, two values at one time) are read raw. Only good, finite readings
count. On the Community tier the buckets come from the continuous aggregate, brought up to date first; inside a
transaction of the caller's, where that cannot be, they are made from the readings, as on the other tiers.

Does not decide what a counter's falls mean for a verdict: the engine does, from the readings themselves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import sql
from psycopg.pq import TransactionStatus

from ingest.database import Connection, one_moment, statement
from ingest.errors import IngestError
from ingest.meters import InUse, in_use
from ingest.read import load_buckets, points_named
from ingest.retention import refuse_dropped
from ingest.tier import Tier, detect
from verification.model import PointKind

BUCKET_US = 900_000_000
STATUS_NOT_GOOD = 0xC000_0000  # OPC UA Part 4, 7.39: the two top bits are the severity
# The statements take either: the buckets made now from the readings, or those of the continuous aggregate.
MADE_NOW = sql.SQL("telemetry.buckets_15min(%(start_time)s, %(end_time)s)")
AGGREGATED = sql.SQL("(SELECT * FROM telemetry.reading_15min WHERE bucket >= %(start_time)s AND bucket < %(end_time)s)")
_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Deltas:
    """What a counter rose by in each bucket that has a good reading: arrays of one length, in order of time.

    bucket_us: its start; from_us: the last good reading before it (the first one in it, where there is none before);
    to_us: the last in it; delta: the rise from the one to the other, in the point's unit. On the way there may have
    been rollovers (the register's modulus is known and explains the fall as at most half a turn), resets (a fall to
    less than half, taken as counted from 0 on), corrections (any other fall, taken as it is) and swaps (another serial
    in the meter register; adds nothing, because nobody knows what the two meters have in common).
    """

    bucket_us: Integers
    from_us: Integers
    to_us: Integers
    delta: Floats
    rollovers: Integers
    resets: Integers
    corrections: Integers
    swaps: Integers

    def __len__(self) -> int:
        return len(self.bucket_us)


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """A point's readings on one local day. `quarters`: buckets of 15 minutes with a good reading, of 96 as a rule."""

    point: str
    day: dt.date
    readings: int
    good: int
    quarters: int


def counter_deltas(conn: Connection, device: str, name: str, start_us: int, end_us: int) -> Deltas:
    """The rise of the counter `name` in every bucket of the window, whose ends are multiples of 15 minutes.

    Raises IngestError for a window with other ends, for a point that is no counter, and where readings were dropped.
    """
    window, source = _window(conn, start_us, end_us)
    with one_moment(conn):
        refuse_dropped(conn, device, start_us, end_us)
        found = points_named(conn, device, [name])[name]
        if any(point.kind is not PointKind.COUNTER for point in found):
            raise IngestError(f"{name} of {device} is a {found[0].kind}; only a counter has deltas")
        meters = in_use(conn, device, name, found[-1].meter, found[-1].unit) if found else []
        time_us, value = _knots(conn, source, {**window, "points": [point.id for point in found]}, meters)
    return _rises(time_us, value, start_us, meters)


def coverage_by_day(conn: Connection, device: str, start_us: int, end_us: int, zone: str = "UTC") -> list[DayCoverage]:
    """How many readings each point has on each local day of the window, in that order; days without any are left out.

    Time zones lie whole quarters of an hour apart, so that a bucket lies in one day. Raises IngestError for a window
    whose ends are no multiples of 15 minutes, for an unknown zone, and where readings were dropped.
    """
    window, source = _window(conn, start_us, end_us)
    with one_moment(conn):
        refuse_dropped(conn, device, start_us, end_us)
        if conn.execute("SELECT FROM pg_timezone_names WHERE name = %s", (zone,)).fetchone() is None:
            raise IngestError(f"{zone!r} is no time zone; write for example Asia/Shanghai")
        query = _query("coverage_by_day", source)
        return [DayCoverage(*row) for row in conn.execute(query, {**window, "device": device, "zone": zone})]


def _window(conn: Connection, start_us: int, end_us: int) -> tuple[dict[str, Any], sql.SQL]:
    """The window as the statements take it, and where its buckets come from: an aggregate is brought up to date."""
    if start_us % BUCKET_US or end_us % BUCKET_US:
        raise IngestError("a window of buckets begins and ends at a multiple of 15 minutes")
    start, end = (_UNIX_EPOCH + dt.timedelta(microseconds=moment) for moment in (start_us, end_us))
    window = {"start_time": start, "end_time": end}
    if detect(conn) is not Tier.COMMUNITY or conn.info.transaction_status is not TransactionStatus.IDLE:
        return window, MADE_NOW
    # Never past today: a reading from a clock that runs ahead would take the materialised part with it.
    until = min(end, dt.datetime.now(dt.UTC))
    if until - start >= dt.timedelta(microseconds=BUCKET_US):
        refresh = sql.SQL(
            "CALL refresh_continuous_aggregate('telemetry.reading_15min', {}::timestamptz, {}::timestamptz)"
        )
        conn.execute(refresh.format(start, until))
    return window, AGGREGATED


def _query(name: str, source: sql.SQL) -> sql.Composed:
    return sql.SQL(statement(name).decode()).format(buckets=source)


def _knots(
    conn: Connection, source: sql.SQL, wanted: dict[str, Any], meters: Sequence[InUse]
) -> tuple[Integers, Floats]:
    """The good readings between which the counter's steps are taken, in order.

    The last one before the window; of each bucket the first and last where the counter never falls, and all of them
    where it does or where a meter's time begins.
    """
    changes = {meter.from_us // BUCKET_US * BUCKET_US for meter in meters}
    before = conn.execute(statement("last_good_before"), wanted).fetchall()
    times, values = [time_us for time_us, _ in before], [value for _, value in before]
    rows = conn.execute(_query("counter_buckets", source), wanted).fetchall()
    raw: list[int] = []
    for bucket_us, parts, never_falls, minimum, maximum, first_us, last_us in rows:
        if parts == 1 and never_falls and bucket_us not in changes:
            times += [first_us, last_us]
            values += [minimum, maximum]
        else:
            raw.append(bucket_us)
    read = load_buckets(conn, wanted["points"], raw, BUCKET_US)
    good = ((read.status & STATUS_NOT_GOOD) == 0) & np.isfinite(read.value)
    time_us = np.concatenate([np.array(times, np.int64), read.time_us[good]])
    value = np.concatenate([np.array(values, np.float64), read.value[good]])
    order = np.argsort(time_us, kind="stable")
    return time_us[order], value[order]


def _rises(time_us: Integers, value: Floats, start_us: int, meters: Sequence[InUse]) -> Deltas:
    """The step to each knot from the one before, put down to the knot's bucket; the first knot of all has none."""
    before, after = np.concatenate([value[:1], value[:-1]]), value
    meter = np.searchsorted(np.array([one.from_us for one in meters], np.int64), time_us, side="right")
    # Before the first version in the register stood the same meter, as far as anyone knows.
    known = [meters[0], *meters] if meters else []
    serial = np.array([one.serial for one in known] or [""])[meter]
    modulus = np.array([one.modulus or np.nan for one in known] or [np.nan])[meter]
    swap = serial != np.concatenate([serial[:1], serial[:-1]])
    fall = (after < before) & ~swap
    rollover = fall & (before <= modulus) & (after >= 0) & (after - before + modulus <= modulus / 2)
    reset = fall & ~rollover & (after < before / 2)
    rise = np.where(rollover, after - before + modulus, after - before)
    rise = np.where(reset, np.maximum(after, 0), np.where(swap, 0, rise))

    inside = np.flatnonzero(time_us >= start_us)
    buckets, first, index, count = np.unique(
        time_us[inside] // BUCKET_US * BUCKET_US, return_index=True, return_inverse=True, return_counts=True
    )

    def total(steps: npt.NDArray[Any]) -> Floats:
        sums: Floats = np.bincount(index, steps[inside], len(buckets)).astype(np.float64)
        return sums

    marks = {"rollovers": rollover, "resets": reset, "corrections": fall & ~rollover & ~reset, "swaps": swap}
    return Deltas(
        bucket_us=buckets,
        from_us=time_us[np.maximum(inside[first] - 1, 0)],
        to_us=time_us[inside[first + count - 1]],
        delta=total(rise),
        **{name: total(marked).astype(np.int64) for name, marked in marks.items()},
    )
