"""Writes a group of arrivals in one transaction: decides each, then ledger, catalogue, rows, gaps, quarantine.

After the commit everything in the group is on disk, and only then does the caller see the acknowledgements. Exactly
once: the device's lock is held from reading its ledger to the commit, so a replay, here or at another worker, meets the
ledger row and inserts nothing. A value that the database itself will not take puts its own batch into quarantine, not
the group.

Does not handle: a database that is away or slow, or a clock of ours that is behind its (psycopg's OperationalError and
ClockBehindError pass through; the service tries again).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingest import register
from ingest import rows as row_format
from ingest.admission import Arrival, Code, Decision, admit, advance
from ingest.database import Connection, statement
from ingest.errors import ClockBehindError, IngestError
from ingest.ledger import NO_POINT, EpochKey, PointIds, read_snapshot
from verification.ack import MAX_REFUSED, Ack, Refusal
from verification.batch import MAX_POINTS, Batch, Catalogue, Gaps, Header, Heartbeat, KeyChange
from verification.errors import FormatError
from verification.model import DEVICE_ID, Rows

MAX_QUARANTINED_OF_TOPIC = 100  # entries that settle nothing; what comes on top is only logged
MAX_QUARANTINED = 2_000
MAX_DETAIL_CHARS = 500
MAX_CLOCK_BEHIND_US = 3_600_000_000

_UNIX_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_COPY_READINGS = f"COPY telemetry.reading ({', '.join(row_format.READING_COLUMNS)}) FROM STDIN (FORMAT binary)".encode()
# What the database says to a value it will not take, now or ever; and to too many locks for one transaction.
_VALUE_REFUSED = (psycopg.DataError, psycopg.IntegrityError)
_GROUP_REFUSED = (*_VALUE_REFUSED, psycopg.errors.OutOfMemory)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a group. `acks` are to be signed and sent; `keys` are those of its devices by key id."""

    decisions: tuple[Decision, ...]
    acks: tuple[Ack, ...]
    keys: Mapping[bytes, Ed25519PublicKey]


def write_group(
    conn: Connection, arrivals: Sequence[Arrival], *, received_at_us: int, asked: Iterable[EpochKey] = ()
) -> Outcome:
    """Commit the group; `asked` are the chains whose state an agent asked for. A failure leaves nothing written."""
    ordered = sorted(arrivals, key=lambda arrival: arrival.order)
    try:
        outcome = _write(conn, ordered, received_at_us, tuple(asked))
    except _GROUP_REFUSED as err:
        if not ordered or (len(ordered) == 1 and not isinstance(err, _VALUE_REFUSED)):
            raise
        outcome = _write_one_by_one(conn, ordered, received_at_us, tuple(asked))
    return replace(outcome, acks=tuple(replace(said, at_us=received_at_us) for said in outcome.acks))


def _write_one_by_one(
    conn: Connection, arrivals: Sequence[Arrival], received_at_us: int, asked: tuple[EpochKey, ...]
) -> Outcome:
    """The slow way after the database refused a value somewhere in a group: only the batch that holds it suffers."""
    decisions: list[Decision] = []
    keys: dict[bytes, Ed25519PublicKey] = {}
    for arrival in arrivals:
        try:
            one = _write(conn, [arrival], received_at_us, ())
        except _VALUE_REFUSED as err:
            one = _write(conn, [arrival], received_at_us, (), storage_error=err)
        decisions += one.decisions
        keys |= one.keys
    return Outcome(tuple(decisions), _acknowledgements(conn, decisions, asked), keys)


def _write(
    conn: Connection,
    arrivals: Sequence[Arrival],
    received_at_us: int,
    asked: tuple[EpochKey, ...],
    *,
    storage_error: psycopg.Error | None = None,
) -> Outcome:
    with conn.transaction():
        snapshot = read_snapshot(conn, arrivals)
        state, decisions = snapshot.state, []
        for arrival in arrivals:
            decision = admit(state, arrival, received_at_us=received_at_us)
            if storage_error is not None and decision.code is Code.ACCEPTED:
                detail = f"the database refused it: {storage_error.diag.message_primary}"
                decision = replace(decision, code=Code.STORAGE_REFUSED, detail=detail, payload=None)
            state = advance(state, decision)
            decisions.append(decision)
        if any(decision.code is Code.CLOCK_IMPLAUSIBLE for decision in decisions):
            _check_own_clock(conn, received_at_us)
        received_at = _UNIX_EPOCH + dt.timedelta(microseconds=received_at_us)
        _store(conn, [decision for decision in decisions if decision.settles], snapshot.point_ids, received_at)
        for decision in decisions:
            if _refuses(decision) and not decision.settles and _attributed(decision):
                _quarantine(conn, decision, received_at)
        acks = _acknowledgements(conn, decisions, asked)
    keys = {name: key.public_key for device in state.devices.values() for name, key in device.keys.items()}
    return Outcome(tuple(decisions), acks, keys)


def _check_own_clock(conn: Connection, received_at_us: int) -> None:
    """Before an agent is told that its clock is ahead: ours may be behind. Raises ClockBehindError."""
    row = conn.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    behind_us = (row[0] if row else 0) - received_at_us
    if behind_us > MAX_CLOCK_BEHIND_US:
        raise ClockBehindError(
            f"this machine's clock is {behind_us / 3.6e9:.1f} h behind the database's; set it by a time service"
        )


def _store(
    conn: Connection, settled: list[Decision], known: Mapping[EpochKey, PointIds], received_at: dt.datetime
) -> None:
    """Everything about the batches that take their place in a chain now."""
    if not settled:
        return
    chains = sorted({(header.device, header.epoch) for header in map(_header, settled)})
    _insert_epochs(conn, settled)
    point_ids = _insert_catalogues(conn, settled, known)
    with conn.pipeline():
        inserted = _insert_batches(conn, settled, received_at)
        readings = _join_readings(settled, point_ids)  # while the server writes the ledger
    ids = {(device, epoch, sequence): batch_id for device, epoch, sequence, batch_id in inserted}
    _store_contents(conn, [(decision, ids[decision.arrival.order]) for decision in settled], point_ids, readings)
    conn.execute(statement("raise_through"), _chain_columns(chains))


def accept_settled(conn: Connection, decision: Decision, batch_id: int, known: Mapping[EpochKey, PointIds]) -> None:
    """Store the contents of a batch that has had its ledger row since it was refused. Call it under the device's lock.

    Raises IngestError when the ledger says that it was accepted meanwhile.
    """
    line = {**_ledger_line(decision), "id": batch_id}
    if conn.execute(statement("accept_settled"), line).rowcount != 1:
        raise IngestError(f"batch {batch_id} was accepted meanwhile; nothing was changed")
    point_ids = _insert_catalogues(conn, [decision], known)
    _store_contents(conn, [(decision, batch_id)], point_ids, _join_readings([decision], point_ids))


def _insert_epochs(conn: Connection, settled: Sequence[Decision]) -> None:
    """The chains that begin with one of these batches."""
    stale = {
        (header.device, header.epoch): decision.code is Code.STALE_EPOCH
        for header, decision in ((_header(decision), decision) for decision in settled)
    }
    conn.execute(statement("insert_epochs"), {**_chain_columns(list(stale)), "stale": list(stale.values())})


def _insert_catalogues(
    conn: Connection, settled: Sequence[Decision], known: Mapping[EpochKey, PointIds]
) -> Mapping[EpochKey, PointIds]:
    """The points that these batches describe; returns the point ids of every chain, those that are new with them."""
    point_ids = dict(known)
    for decision in settled:
        if isinstance(decision.payload, Catalogue):
            header = _header(decision)
            chain = (header.device, header.epoch)
            point_ids[chain] = _insert_catalogue(conn, header, decision.payload, point_ids.get(chain))
    return point_ids


def _join_readings(settled: Sequence[Decision], point_ids: Mapping[EpochKey, PointIds]) -> row_format.Joined | None:
    """The readings of all these batches that hold any, point by point; None where none does."""
    encoded = []
    for decision in settled:
        if isinstance(decision.payload, Rows):
            header, contents = _header(decision), decision.arrival.contents
            records = contents.encoded if contents else None
            encoded.append((records or row_format.encode(decision.payload), point_ids[header.device, header.epoch]))
    return row_format.join(encoded) if encoded else None


def _store_contents(
    conn: Connection,
    settled: list[tuple[Decision, int]],
    point_ids: Mapping[EpochKey, PointIds],
    readings: row_format.Joined | None,
) -> None:
    """What these batches hold beside points, each with the id of its ledger row; one COPY for all `readings`."""
    for decision, batch_id in settled:
        match decision.payload:
            case Gaps() as gaps:
                header = _header(decision)
                _insert_gaps(conn, batch_id, gaps, point_ids[header.device, header.epoch])
            case KeyChange() as change:
                register.change_key(conn, _batch(decision), change)
            case None:
                detail = decision.detail[:MAX_DETAIL_CHARS]
                conn.execute(statement("quarantine_settled"), {"batch_id": batch_id, "detail": detail})
    if readings is not None:
        batch_ids = [batch_id for decision, batch_id in settled if isinstance(decision.payload, Rows)]
        copy_readings(conn, readings, batch_ids)


def _insert_batches(
    conn: Connection, settled: list[Decision], received_at: dt.datetime
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Ledger rows with the bytes; their ids by place in the chain come with the cursor."""
    lines = [_ledger_line(decision) for decision in settled]
    columns: dict[str, Any] = {name: [line[name] for line in lines] for name in lines[0]}
    return conn.execute(statement("insert_batches"), {**columns, "received_at": received_at})


def _ledger_line(decision: Decision) -> dict[str, Any]:
    """One batch as columns of telemetry.batch; those of its payload are None where it was not accepted."""
    line: dict[str, Any] = {field.name: getattr(_header(decision), field.name) for field in fields(Header)}
    line |= {"sha256": _batch(decision).sha256, "code": str(decision.code), "bytes": decision.arrival.data}
    line |= dict.fromkeys(("kind", "row_count", "first_time_us", "last_time_us"))
    match decision.payload:
        case Rows() as rows:
            times = np.frombuffer(rows.time_us, np.int64)
            line |= {"kind": "readings", "row_count": len(rows)}
            line |= {"first_time_us": int(times.min()), "last_time_us": int(times.max())}
        case Catalogue():
            line["kind"] = "catalogue"
        case Gaps():
            line["kind"] = "gaps"
        case Heartbeat():
            line["kind"] = "heartbeat"
        case KeyChange():
            line["kind"] = "key_change"
    return line


def _insert_catalogue(conn: Connection, header: Header, catalogue: Catalogue, known: PointIds | None) -> PointIds:
    """Points that are new, and what their indices mean in this epoch; returns the point ids including the new ones."""
    columns: dict[str, Any] = {
        name: [str(getattr(point, name)) for point in catalogue.points]
        for name in ("name", "address", "unit", "kind", "meter")
    }
    columns |= {"device": header.device, "epoch": header.epoch}
    columns["idx"] = list(range(catalogue.first_index, catalogue.first_index + len(catalogue.points)))
    conn.execute(statement("insert_points"), columns)
    point_ids = np.full(MAX_POINTS, NO_POINT, np.int32) if known is None else known.copy()
    for index, point_id in conn.execute(statement("insert_catalogue"), columns):
        point_ids[index] = point_id
    return point_ids


def _insert_gaps(conn: Connection, batch_id: int, gaps: Gaps, point_ids: PointIds) -> None:
    """The gaps of one batch."""
    with conn.cursor() as cursor:
        cursor.executemany(
            statement("insert_gap"),
            [
                {
                    "batch_id": batch_id,
                    "ordinal": ordinal,
                    "point_ids": [int(point_ids[point]) for point in gap.points],
                    "start_us": gap.start_us,
                    "end_us": gap.end_us,
                    "reason": gap.reason,
                    "count": gap.count,
                }
                for ordinal, gap in enumerate(gaps.gaps)
            ],
        )


def copy_readings(conn: Connection, readings: row_format.Joined, batch_ids: Sequence[int]) -> None:
    """One binary COPY of these rows into telemetry.reading, point by point, and their part in the totals; `batch_ids`
    are those of the batches that were joined.

    Two thirds of what a row costs the server is its entry in the index on (point, time). Rows of one point, one after
    the other, meet the same page of the index while it is at hand; and a window reads fewer pages of the table.
    """
    with conn.cursor() as cursor, cursor.copy(_COPY_READINGS) as copy:
        copy.write(row_format.SIGNATURE)
        for part in readings.in_parts(batch_ids):
            copy.write(part.view(np.uint8).data)
        copy.write(row_format.TRAILER)
    conn.execute(statement("add_totals"), readings.totals())


def _quarantine(conn: Connection, decision: Decision, received_at: dt.datetime) -> None:
    """Keep what settles nothing, within bounds; a repeat is only counted."""
    arrival = decision.arrival
    header = arrival.batch.header if arrival.batch else None
    entry = {
        "topic_device": _sender(arrival),
        "sha256": arrival.batch.sha256 if arrival.batch else hashlib.sha256(arrival.data).digest(),
        "code": str(decision.code),
        "detail": decision.detail[:MAX_DETAIL_CHARS],
        "device": header.device if header else None,
        "epoch": header.epoch if header else None,
        "sequence": header.sequence if header else None,
        "bytes": arrival.data,
        "received_at": received_at,
        "most_of_topic": MAX_QUARANTINED_OF_TOPIC,
        "most": MAX_QUARANTINED,
    }
    if conn.execute(statement("count_again"), entry).rowcount:
        return
    if not conn.execute(statement("quarantine_unsettled"), entry).rowcount:
        log.warning("quarantine full: topic=%s code=%s not kept", _sender(arrival), decision.code)


def _acknowledgements(conn: Connection, decisions: Sequence[Decision], asked: tuple[EpochKey, ...]) -> tuple[Ack, ...]:
    """The state of every chain that this group touched or an agent asked for, with what was just refused."""
    refusals: dict[EpochKey, list[Refusal]] = {chain: [] for chain in asked}
    for decision in decisions:
        arrival = decision.arrival
        if arrival.batch is None or not _attributed(decision) or not DEVICE_ID.fullmatch(_sender(arrival)):
            continue
        header = arrival.batch.header
        listed = refusals.setdefault((_sender(arrival), header.epoch), [])
        if _refuses(decision) and not decision.settles:
            listed.append(Refusal(header.sequence, arrival.batch.sha256, str(decision.code)))
    columns = {**_chain_columns(sorted(refusals)), "most_refused": MAX_REFUSED}
    acks = []
    for device, epoch, through, sha256, *held in conn.execute(statement("acknowledgements"), columns):
        settled = [Refusal(sequence, digest, code) for sequence, digest, code in zip(*held, strict=True)]
        refused = (*refusals[device, epoch], *settled)[:MAX_REFUSED]
        acks.append(Ack(device, epoch, through, sha256, refused))
    return tuple(acks)


def _refuses(decision: Decision) -> bool:
    return decision.code not in {Code.ACCEPTED, Code.DUPLICATE, Code.DEFERRED}


def _attributed(decision: Decision) -> bool:
    """Whether somebody answers for it: the broker, who let the sender in, or a signature that holds.

    What nobody answers for is neither stored nor answered with the state of a chain.
    """
    return decision.arrival.topic_device is not None or decision.proven


def _sender(arrival: Arrival) -> str:
    """The device for whom the broker vouches, or else the one in the header."""
    if arrival.topic_device is not None:
        return arrival.topic_device
    return arrival.batch.header.device if arrival.batch else ""


def _chain_columns(chains: Sequence[EpochKey]) -> dict[str, list[Any]]:
    return {"devices": [device for device, _ in chains], "epochs": [epoch for _, epoch in chains]}


def _batch(decision: Decision) -> Batch:
    """The parsed batch of a decision that settles or names one; there is always one then."""
    if decision.arrival.batch is None:
        raise FormatError("undecodable", "a batch without a header cannot settle")
    return decision.arrival.batch


def _header(decision: Decision) -> Header:
    return _batch(decision).header
