"""The meter register: which instrument is behind a point, since when, with which register and which calibrations.

Append-only: a swapped or re-rated meter is a further version from its own moment on, and what is recorded never
changes, so that a past figure keeps the meter that it was read from. Filled from a YAML file by
`retroproof ingest meters import`.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from psycopg import sql

from ingest.database import Connection
from ingest.errors import IngestError
from verification import units

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Ratio = Annotated[float, msgspec.Meta(gt=0)]

_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Meter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A meter from `valid_from` on.

    class_percent: limit of error in percent of the reading; ct_ratio, vt_ratio: primary to secondary, where the
    register shows secondary values; register_modulus: it shows this many `unit` before it starts at 0 again.
    """

    valid_from: Moment
    serial: Text
    unit: Text
    class_percent: Annotated[float, msgspec.Meta(gt=0, le=50)]
    ct_ratio: Ratio = 1.0
    vt_ratio: Ratio = 1.0
    register_modulus: Ratio | None = None


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One certificate. error_percent: as found, before any adjustment."""

    meter: Text
    serial: Text
    date: dt.date
    certificate: Text
    laboratory: Text
    error_percent: float | None = None
    valid_until: dt.date | None = None


class PointNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a point measures, and with which meter, from `valid_from` on."""

    device: Text
    point: Text
    valid_from: Moment
    quantity: Text
    meter: str = ""


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: the meters of one enterprise by name, their certificates, and the points behind which they stand."""

    enterprise: Text
    meters: dict[Text, list[Meter]] = {}
    calibrations: list[Calibration] = []
    points: list[PointNote] = []


@dataclass(frozen=True, slots=True)
class InUse:
    """The meter behind a point from a moment on [us since 1970]; modulus in the point's unit, None if unknown."""

    from_us: int
    serial: str
    modulus: float | None


def record(conn: Connection, register: Register) -> int:
    """Add what is new in the file, all or nothing; returns how many entries that were.

    Raises IngestError where the file contradicts what is recorded, UnitError for a unit that is none or does not fit.
    """
    with conn.transaction():
        added = 0
        for name, versions in register.meters.items():
            for meter in versions:
                units.check_unit(meter.unit)
                key = {"enterprise": register.enterprise, "name": name, "valid_from": meter.valid_from}
                added += _add(conn, "meter", key, meter, f"meter {name} from {meter.valid_from.isoformat()}")
        for one in register.calibrations:
            _check_serial(conn, register.enterprise, one)
            key = {"enterprise": register.enterprise, "meter": one.meter, "certificate": one.certificate}
            added += _add(conn, "calibration", key, one, f"certificate {one.certificate} of {one.meter}")
        for note in register.points:
            _check_note(conn, register.enterprise, note)
            key = {"device": note.device, "point": note.point, "valid_from": note.valid_from}
            added += _add(conn, "point_note", key, note, f"{note.point} of {note.device} from {note.valid_from}")
    return added


def in_use(conn: Connection, device: str, point: str, named: str, unit: str) -> list[InUse]:
    """The meters behind a point, the oldest first. `named`: the meter that the device itself names, in force until a
    note says otherwise; `unit`: the point's.
    """
    notes: list[tuple[dt.datetime, str]] = conn.execute(
        "SELECT valid_from, meter FROM telemetry.point_note WHERE device = %s AND point = %s ORDER BY valid_from",
        (device, point),
    ).fetchall()
    spans = [(dt.datetime.min.replace(tzinfo=dt.UTC), named), *notes]
    ends = [*(start for start, _ in notes), dt.datetime.max.replace(tzinfo=dt.UTC)]
    found: list[InUse] = []
    for (start, meter), end in zip(spans, ends, strict=True):
        for valid_from, serial, meter_unit, modulus in _versions(conn, device, meter):
            following = max(valid_from, start)
            if following >= end:
                break
            one = InUse(_us(following), serial, modulus and modulus * units.scale_factor(meter_unit, unit))
            if found and found[-1].from_us == one.from_us:
                found.pop()  # an older version, which the span begins after
            found.append(one)
    return found


def listing(conn: Connection) -> list[tuple[Any, ...]]:
    """Every version of every meter with its newest certificate, for an operator."""
    return conn.execute(
        "SELECT m.enterprise, m.name, m.valid_from, m.serial, m.unit, m.class_percent, m.ct_ratio, m.vt_ratio,"
        " m.register_modulus, c.certificate, c.valid_until"
        " FROM telemetry.meter AS m LEFT JOIN LATERAL (SELECT * FROM telemetry.calibration AS c"
        " WHERE (c.enterprise, c.meter, c.serial) = (m.enterprise, m.name, m.serial) ORDER BY c.date DESC LIMIT 1)"
        " AS c ON true ORDER BY m.enterprise, m.name, m.valid_from"
    ).fetchall()


def _versions(conn: Connection, device: str, meter: str) -> Sequence[tuple[dt.datetime, str, str, float | None]]:
    return conn.execute(
        "SELECT m.valid_from, m.serial, m.unit, m.register_modulus FROM telemetry.meter AS m"
        " JOIN telemetry.device AS d ON d.enterprise = m.enterprise"
        " WHERE d.id = %s AND m.name = %s ORDER BY m.valid_from",
        (device, meter),
    ).fetchall()


def _add(conn: Connection, table: str, key: dict[str, Any], entry: msgspec.Struct, what: str) -> int:
    """Insert one entry; 0 where the very same is recorded. Raises IngestError where another is."""
    line = {**msgspec.structs.asdict(entry), **key}
    target, names = sql.Identifier("telemetry", table), [sql.Identifier(name) for name in line]
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        target, sql.SQL(", ").join(names), sql.SQL(", ").join(map(sql.Placeholder, line))
    )
    if conn.execute(insert, line).rowcount:
        return 1
    where = sql.SQL(" AND ").join(sql.SQL("{} = {}").format(sql.Identifier(one), sql.Placeholder(one)) for one in key)
    held = conn.execute(
        sql.SQL("SELECT {} FROM {} WHERE {}").format(sql.SQL(", ").join(names), target, where), line
    ).fetchone()
    if held != tuple(line.values()):
        raise IngestError(f"{what} is recorded otherwise, and records stay; add a version with another valid_from")
    return 0


def _check_serial(conn: Connection, enterprise: str, one: Calibration) -> None:
    row = conn.execute(
        "SELECT true FROM telemetry.meter WHERE enterprise = %s AND name = %s AND serial = %s LIMIT 1",
        (enterprise, one.meter, one.serial),
    ).fetchone()
    if row is None:
        raise IngestError(f"certificate {one.certificate}: there is no meter {one.meter} with the serial {one.serial}")


def _check_note(conn: Connection, enterprise: str, note: PointNote) -> None:
    row = conn.execute("SELECT enterprise FROM telemetry.device WHERE id = %s", (note.device,)).fetchone()
    if row is None or row[0] != enterprise:
        raise IngestError(f"{note.device} is no device of {enterprise}; enrol it first: retroproof ingest enroll")
    if note.quantity not in units.QUANTITIES:
        near = difflib.get_close_matches(note.quantity, units.QUANTITIES, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"it is one of: {', '.join(units.QUANTITIES)}"
        raise IngestError(f"{note.point} of {note.device}: {note.quantity!r} is no quantity; {mend}")
    for (unit,) in conn.execute(
        "SELECT DISTINCT unit FROM telemetry.point WHERE device = %s AND name = %s", (note.device, note.point)
    ):
        units.check_quantity(unit, note.quantity)
    if note.meter and not _versions(conn, note.device, note.meter):
        raise IngestError(f"{note.point} of {note.device}: there is no meter {note.meter}; add it under meters")


def _us(moment: dt.datetime) -> int:
    return (moment - _UNIX_EPOCH) // dt.timedelta(microseconds=1)
