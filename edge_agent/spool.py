"""The durable heart of the agent: what a source was acknowledged for is in here until ingest acknowledges it.

One SQLite file with one writer. `append` returns once the rows are on disk; `seal` turns them into signed, chained
batches; `settle` forgets batches on ingest's signed word only. Each is one transaction, so that a crash at any point
leaves every reading in exactly one batch. When the spool is full it refuses rows, never overwrites, and `admit_loss`
records what was refused as a gap, which is sealed and signed like a reading.

Not thread-safe: `spool_thread` gives it a thread of its own. Replacing a broken file is `spool_recovery`'s business.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent import clock
from edge_agent.spool_model import (
    MICROSECONDS_PER_DAY,
    ROW_BYTES,
    Depth,
    Identity,
    KeyChangeDelayedError,
    Limits,
    PointState,
    Receipt,
    SealedBatch,
    Settlement,
    SpoolFullError,
    Taken,
    chunks,
    extend,
    states_after,
)
from edge_agent.spool_reserve import Reserve
from edge_agent.spool_settlement import Removed, contradiction, remove_settled, remove_unreachable, slices
from edge_agent.sqlfile import SPOOL as SQL
from verification import batch, keys
from verification.ack import Ack
from verification.batch import Catalogue, Gap, Gaps, Header, Heartbeat, KeyChange, ManualFile, Payload
from verification.errors import ConfigError
from verification.model import COLUMN_TYPES, Point, PointKind, Rows

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_CHUNK_ROWS = 2_000  # a source that reads history hands over pages of this order
MAX_CHUNKS_PER_BATCH = 5_000
ITEM_BYTES = 150  # what SQLite adds to a row, roughly
GAP_RESERVE_BYTES = 1 << 20  # kept free of readings, so that a full spool can still say what it refused
GAP_RESERVE_SHARE = 4  # but no more than this part of a small spool
GAP_BATCH_BYTES = 64 * 1024  # what one batch of gaps may need at most
# A full spool goes on refusing: one batch of gaps a minute says so without eating the reserve at once.
FULL_GAPS_EVERY_US = 60_000_000
HOLD_RESERVE_EVERY_US = 5_000_000
REOPENS_AT = 0.9  # a full spool takes readings again once this share of its bound is undershot
CATALOGUE_POINTS = 500  # per catalogue batch: far below 256 KiB even with long names
MAX_RECEIPTS = 10_000
# How far a source has been read is never taken from a clock that is more than a day ahead of ours: its history would be
# passed over until that day has come.
MAX_AHEAD_US = MICROSECONDS_PER_DAY
SPOOL_FULL = "spool_full"
DISK_FULL = "the disk is full"


class Spool:
    """See the module. `now_us` is the clock, passed in so that tests can turn it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        key: Ed25519PrivateKey,
        limits: Limits,
        reserve: Reserve,
        now_us: Callable[[], int] = clock.now_us,
    ) -> None:
        self._db = connection
        self._reserve = reserve
        self._owed = Rows.empty()  # losses that the disk had no room to record yet
        self._last_hold_us = 0
        self._disk_full = False
        self._key = key
        self._now_us = now_us
        self.set_limits(limits)
        self.identity = Identity(*self._db.execute(SQL["select_identity"]).fetchone())
        self._states = {index: PointState(*rest) for index, *rest in self._db.execute(SQL["select_states"])}
        self._chunks, self._open_rows, open_bytes = self._one("select_chunk_totals")
        self._batches, batch_bytes = self._one("select_batch_totals")
        self._used_bytes = open_bytes + batch_bytes + ITEM_BYTES * (self._chunks + self._batches)
        self._oldest_us = self._oldest_batch_us()
        self._db.execute(SQL["schema_files"])
        for made_if_missing in SQL["schema_signing"].split(";\n\n"):
            self._db.execute(made_if_missing)
        self._run("first_signing", key_id=keys.key_id(key))
        self._signing_key_id, self._signing_since_us = self._signing()
        self._full = ""
        self._last_gap_seal_us = 0
        self._last_seal_us = now_us()

    def set_limits(self, limits: Limits) -> None:
        """From now on these bounds count."""
        self._limits = limits
        self._readings_bytes = limits.max_bytes - min(GAP_RESERVE_BYTES, limits.max_bytes // GAP_RESERVE_SHARE)

    def close(self) -> None:
        """Close the file; everything in it stays."""
        self._db.close()

    # ---- points

    def catalogue(self, points: Sequence[Point]) -> dict[str, int]:
        """Give each point its index, sealing a catalogue batch for those that are new or changed."""
        rows = [(i, Point(n, a, u, PointKind(k), m)) for i, n, a, u, k, m in self._db.execute(SQL["select_points"])]
        # Only the latest index of a name counts: an older one would resume reading where it was left long ago.
        latest = {(point.name, point.address): (point, index) for index, point in rows}
        known = dict(latest.values())
        new = [point for point in points if point not in known]
        first = len(rows)
        if first + len(new) > batch.MAX_POINTS:
            raise ConfigError(
                f"this spool has named {first} points and has no room for {len(new)} more; let it drain, stop the "
                "agent and move the spool away: a new one starts with an empty catalogue"
            )
        for start in range(0, len(new), CATALOGUE_POINTS):
            part = tuple(new[start : start + CATALOGUE_POINTS])
            with self._transaction():
                for index, point in enumerate(part, first + start):
                    self._add_point(index, point)
                self._seal(Catalogue(part, first + start), clock.ClockState("unknown"))
        known |= {point: index for index, point in enumerate(new, first)}
        self._states = {index: PointState(*rest) for index, *rest in self._db.execute(SQL["select_states"])}
        return {point.name: known[point] for point in points}

    def state(self, point: int) -> PointState | None:
        """How far the point has been read, None if never."""
        return self._states.get(point)

    def states(self) -> dict[int, PointState]:
        """`state` of every point that has been read."""
        return dict(self._states)

    # ---- the signing key

    def change_key(self, new: Ed25519PrivateKey, state: clock.ClockState) -> None:
        """Have the key in use name `new`, which signs from then on. Nothing is done twice: see `identity.rotation`.

        Signing times decide which key counts, so none of the new key may lie before one of the old. Raises
        KeyChangeDelayedError while that cannot be had.
        """
        if keys.key_id(new) != self._signing_key_id:
            self._require_changeable()
            with self._transaction():
                change = {"epoch": self.identity.epoch, "sequence": self.identity.next_sequence}
                since_us = self._seal(KeyChange(keys.raw_public(new)), state)
                self._run("change_signing", key_id=keys.key_id(new), since_us=since_us, **change)
            self._signing_key_id, self._signing_since_us = self._signing()
        self._key = new

    def key_id(self) -> bytes:
        """The id of the key in use."""
        return self._signing_key_id

    def _require_changeable(self) -> None:
        if self._one("count_unsettled_changes") != (0,):
            raise KeyChangeDelayedError("ingest has not acknowledged the last change of key yet; the next one waits")
        _, _, latest_us = self._db.execute(SQL["select_signing"]).fetchone()
        if self._now_us() < latest_us:
            raise KeyChangeDelayedError("the clock was set back behind the last batch; the change waits for it")

    def _signing(self) -> tuple[bytes, int]:
        key_id, since_us, _ = self._db.execute(SQL["select_signing"]).fetchone()
        return key_id, since_us

    # ---- readings in

    def append(
        self,
        rows: Rows,
        *,
        gaps: Sequence[Gap] = (),
        receipts: Sequence[Receipt] = (),
        filtered: int = 0,
        file: ManualFile | None = None,
        taken: Taken | None = None,
    ) -> None:
        """Keep rows, with what belongs to them: gaps, receipts, what is said of their file, the message they came by.

        Raises SpoolFullError, having kept nothing.
        """
        self._require_room(len(rows) * ROW_BYTES + ITEM_BYTES * (1 + len(rows) // MAX_CHUNK_ROWS + len(gaps)))
        states = self._states_after(rows)
        pieces = list(chunks(rows, min(MAX_CHUNK_ROWS, self._limits.max_rows), self._now_us()))
        with self._transaction():
            self._db.executemany(SQL["insert_chunk"], pieces)
            self._db.executemany(SQL["upsert_state"], [(i, *state.columns) for i, state in states.items()])
            for gap in gaps:
                for point in gap.points:
                    self._add_gap(point, gap)
            if receipts:
                self._db.executemany(SQL["insert_receipt"], receipts)
                self._run("trim_receipts", most=MAX_RECEIPTS)
            if filtered:
                self._run("count_losses", dropped=0, filtered=filtered)
            if file is not None:
                self._run("insert_file", sha256=file.sha256, read_us=self._now_us())
                self._seal(Catalogue((), 0, (file,)), clock.ClockState("unknown"))
            if taken is not None:
                self._db.execute(SQL["upsert_taken"], (taken.source, taken.subscription, taken.sequence))
                if taken.session is not None:
                    self._db.execute(SQL["upsert_session"], (taken.source, taken.session))
        self._states |= states
        self._grow(len(pieces), len(rows), sum(len(data) for _, _, data in pieces))
        self.identity = replace(self.identity, filtered=self.identity.filtered + filtered)

    def has_file(self, sha256: bytes) -> bool:
        """Whether a file with this hash has been read."""
        return bool(self._db.execute(SQL["select_file"], (sha256,)).fetchall())

    def admit_loss(self, rows: Rows) -> None:
        """Record rows that were refused because the spool is full: one growing gap for each point.

        What even the reserve leaves no room for is owed, and recorded with the next that can be.
        """
        for name in COLUMN_TYPES:
            getattr(self._owed, name).extend(getattr(rows, name))
        with suppress(SpoolFullError):
            self._with_reserve(self._record_owed)

    def _record_owed(self) -> None:
        rows = self._owed
        with self._transaction():
            for point, time_us in zip(rows.point, rows.time_us, strict=True):
                loss = {"point": point, "start_us": time_us, "end_us": time_us, "reason": SPOOL_FULL, "count": 1}
                if not self._run("widen_gap", **loss):
                    self._run("insert_gap", **loss)
            self._run("count_losses", dropped=len(rows), filtered=0)
        self.identity = replace(self.identity, dropped=self.identity.dropped + len(rows))
        self._owed = Rows.empty()

    def has_receipt(self, receipt: Receipt) -> bool:
        """Whether the message with this correlation has been kept already."""
        return bool(self._db.execute(SQL["select_receipt"], receipt).fetchall())

    def forget_receipts(self, topic: str) -> None:
        """Forget the correlations of one topic, once they can mean other messages."""
        with self._transaction():
            self._db.execute(SQL["forget_receipts"], (topic,))

    # ---- sessions with servers

    def session(self, source: str) -> tuple[bytes, dict[int, int]] | None:
        """What `keep_session` was given, and the last message taken of each subscription; None without a session."""
        found = self._db.execute(SQL["select_session"], (source,)).fetchone()
        if found is None:
            return None
        return found[0], dict(self._db.execute(SQL["select_taken"], (source,)))

    def keep_session(self, source: str, data: bytes) -> None:
        """Remember the present session of a source in its present state."""
        with self._transaction():
            self._db.execute(SQL["upsert_session"], (source, data))

    def forget_session(self, source: str) -> None:
        """The server knows the session no more: its subscriptions' numbers mean nothing now."""
        with self._transaction():
            for statement in ("delete_session", "delete_taken"):
                self._db.execute(SQL[statement], (source,))

    # ---- room

    def full_reason(self) -> str:
        """Why readings are refused just now; empty while there is room."""
        now_us = self._now_us()
        if self._oldest_us is not None and now_us - self._oldest_us > self._limits.max_age_us:
            return "the oldest unacknowledged batch is older than max_age_days"
        if self._disk_full:
            # What the reserve gave back is for gaps and for deleting, so readings wait until it is held again.
            return DISK_FULL
        if self._full and self._used_bytes < self._readings_bytes * REOPENS_AT:
            self._full = ""
        return self._full

    # ---- batches out

    def seal_due(self, state: clock.ClockState, *, everything: bool = False) -> int:
        """Seal what is due, or everything that waits; returns the number of batches made. A full disk puts it off."""
        made = 0
        with suppress(SpoolFullError):
            if self._owed:
                self._with_reserve(self._record_owed)
            if self._gaps_are_due() and self._with_reserve(lambda: self._seal_gaps(state)):
                made += 1
            while self._open_rows and (everything or self._rows_are_due()):
                self._with_reserve(lambda: self._seal_rows(state))
                made += 1
        self._hold_reserve()
        return made

    def seal_heartbeat(self, said: Heartbeat, state: clock.ClockState, silence_us: int) -> int:
        """Seal a sign of life, completed by how much waits here, if nothing was sealed for so long; returns 0 or 1.

        A full spool keeps its room for gaps, and says by them that it lives.
        """
        # A clock that was set back must not prolong the silence.
        if abs(self._now_us() - self._last_seal_us) < silence_us or self.full_reason():
            return 0
        completed = replace(
            said,
            waiting_batches=self._batches,
            waiting_rows=self._open_rows,
            used_bytes=self._used_bytes,
            oldest_us=self._oldest_us,
        )
        with suppress(SpoolFullError), self._transaction():
            self._seal(completed, state)
            return 1
        return 0

    def pending(self, after: tuple[int, int], most: int) -> list[SealedBatch]:
        """Up to `most` batches that follow (epoch, sequence) and may go out, older epochs first."""
        epoch, sequence = after
        found = self._db.execute(SQL["select_sendable"], {"epoch": epoch, "sequence": sequence, "most": most})
        return [SealedBatch(*row) for row in found]

    def fresh(self, after: tuple[int, int], within_us: int, most: int) -> list[SealedBatch]:
        """Up to `most` of the newest batches that follow `after` in its epoch and were sealed lately, in order.

        None while `after` lies in an older epoch: ingest must hear of the epochs in their order.
        """
        epoch, sequence = after
        now_us = self._now_us()
        if epoch != self.identity.epoch:
            return []
        values = {"epoch": epoch, "sequence": sequence, "most": most}
        newest = self._db.execute(SQL["select_newest"], values).fetchall()
        return [SealedBatch(*row) for *row, sealed_us in reversed(newest) if abs(now_us - sealed_us) <= within_us]

    def epochs(self) -> list[int]:
        """Every epoch with something unacknowledged, and the present one, oldest first."""
        return sorted({epoch for (epoch,) in self._db.execute(SQL["select_epochs"])} | {self.identity.epoch})

    def settle(self, ack: Ack) -> Settlement:
        """Delete what ingest has committed; keep aside what it refused. What contradicts our hashes is not believed.

        A full disk may leave no room to delete all of it: the next acknowledgement says it again.
        """
        if alarm := contradiction(self._db, self.identity, ack):
            return Settlement(alarm=alarm)
        removed: list[Removed] = []
        with suppress(SpoolFullError):
            for part in slices(self._db, ack):
                removed += self._with_reserve(partial(self._remove, part))
            if ack.epoch != self.identity.epoch:
                removed += self._with_reserve(lambda: self._remove(ack, unreachable=True))
        self._oldest_us = self._oldest_batch_us()
        beyond = tuple((item.sequence, item.code) for item in ack.refused if item.sequence > ack.through)
        return Settlement(
            sum(part.count for part in removed), tuple(item for part in removed for item in part.refused), beyond
        )

    def _remove(self, ack: Ack, *, unreachable: bool = False) -> list[Removed]:
        remove = remove_unreachable if unreachable else remove_settled
        with self._transaction():
            removed = remove(self._db, ack, self._now_us())
            self._shrink(removed.count, removed.size)
        return [removed]

    def depth(self) -> Depth:
        """The figures that `edge status` shows."""
        who, (refused,) = self.identity, self._one("count_refused")
        waiting = (self._batches, self._open_rows, self._used_bytes, self._limits.max_bytes, self._oldest_us)
        return Depth(who.epoch, who.next_sequence, *waiting, self.full_reason(), refused)

    # ---- inside

    def _with_reserve(self, work: Callable[[], T]) -> T:
        """Do what must not fail for want of room: on a full disk once more without the reserve."""
        try:
            return work()
        except SpoolFullError:
            if not self._reserve.release():
                raise
            log.critical("the disk is full: the reserve beside the spool is given up; make room on the disk")
            self._tidy("fold_log")
            return work()

    def _tidy(self, *names: str) -> None:
        """Do what helps on a full disk as far as there is room to do it."""
        for name in names:
            with suppress(sqlite3.OperationalError):
                self._db.executescript(SQL[name])  # steps to the end, which execute does not for a vacuum

    def _hold_reserve(self) -> None:
        now_us = self._now_us()
        if abs(now_us - self._last_hold_us) >= HOLD_RESERVE_EVERY_US:
            self._last_hold_us = now_us
            if self._disk_full:
                self._tidy("fold_log", "give_room_back", "fold_log")
            if self._reserve.hold():
                self._disk_full = False

    def _add_point(self, index: int, point: Point) -> None:
        named = {"name": point.name, "address": point.address}
        self._run("insert_point", idx=index, **named, unit=point.unit, kind=str(point.kind), meter=point.meter)
        self._run("inherit_state", idx=index, **named)

    def _add_gap(self, point: int, gap: Gap) -> None:
        span = {"start_us": gap.start_us, "end_us": gap.end_us}
        self._run("insert_gap", point=point, **span, reason=gap.reason, count=gap.count)

    def _states_after(self, rows: Rows) -> dict[int, PointState]:
        ahead_us = self._now_us() + MAX_AHEAD_US
        return states_after(self._states, rows, ahead_us)

    def _require_room(self, more_bytes: int) -> None:
        if self._used_bytes + more_bytes > self._readings_bytes:
            self._full = f"the spool has reached its {self._limits.max_bytes} bytes (spool.max_bytes)"
        if reason := self.full_reason():
            raise SpoolFullError(f"{reason}: readings are refused until there is room")

    def _rows_are_due(self) -> bool:
        if self._open_rows >= self._limits.max_rows:
            return True
        (oldest_us,) = self._db.execute("SELECT taken_us FROM chunk ORDER BY id LIMIT 1").fetchone()
        # A clock that was set back must not hold a batch back for as long.
        return abs(self._now_us() - int(oldest_us)) >= self._limits.max_wait_us

    def _gaps_are_due(self) -> bool:
        if self._one("count_gaps") == (0,):
            return False
        if not self.full_reason():
            return True
        return abs(self._now_us() - self._last_gap_seal_us) >= FULL_GAPS_EVERY_US

    def _seal_rows(self, state: clock.ClockState) -> None:
        rows = Rows.empty()
        taken: list[int] = []
        freed = 0
        for identifier, _, count, data in self._db.execute(SQL["select_chunks"], {"most": MAX_CHUNKS_PER_BATCH}):
            if taken and len(rows) + count > self._limits.max_rows:
                break
            extend(rows, count, data)
            taken.append(identifier)
            freed += len(data) + ITEM_BYTES
        with self._transaction():
            self._seal(rows, state)
            self._run("delete_chunks", last=taken[-1])
        self._chunks -= len(taken)
        self._open_rows -= len(rows)
        self._used_bytes -= freed

    def _seal_gaps(self, state: clock.ClockState) -> bool:
        if self._used_bytes + GAP_BATCH_BYTES > self._limits.max_bytes:
            return False
        found = list(self._db.execute(SQL["select_gaps"], {"most": batch.MAX_GAPS}))
        every_point = tuple(sorted({index for index, *_ in self._db.execute(SQL["select_points"])}))
        gaps = tuple(Gap(every_point if point is None else (point,), *rest) for _, point, *rest in found)
        with self._transaction():
            self._seal(Gaps(gaps), state)
            self._run("delete_gaps", last=found[-1][0])
        self._last_gap_seal_us = self._now_us()
        return True

    def _seal(self, payload: Payload, state: clock.ClockState) -> int:
        """Sign and keep one batch, and return as of when; the caller's transaction takes away what is now inside it."""
        who = self.identity
        # A clock that was set back must not make a batch look older than the key that signs it.
        now_us = max(self._now_us(), self._signing_since_us)
        place = (who.device, who.epoch, who.next_sequence, who.previous)
        header = Header(*place, now_us, state.state, state.offset_us, who.dropped, who.filtered)
        data = batch.seal(header, payload, self._key)
        sha256 = hashlib.sha256(data).digest()
        kept = {"epoch": who.epoch, "sequence": who.next_sequence, "sealed_us": now_us, "sha256": sha256, "data": data}
        self._run("insert_batch", **kept)
        self._run("advance_identity", previous=sha256)
        self._run("note_signing", signed_at_us=now_us)
        self.identity = Identity(who.device, who.epoch, who.next_sequence + 1, sha256, 0, 0)
        self._last_seal_us = now_us
        self._batches += 1
        self._used_bytes += len(data) + ITEM_BYTES
        self._oldest_us = now_us if self._oldest_us is None else self._oldest_us
        return now_us

    def _grow(self, chunks: int, rows: int, size: int) -> None:
        self._chunks += chunks
        self._open_rows += rows
        self._used_bytes += size + ITEM_BYTES * chunks

    def _shrink(self, batches: int, size: int) -> None:
        self._batches -= batches
        self._used_bytes -= size + ITEM_BYTES * batches

    def _oldest_batch_us(self) -> int | None:
        found = self._db.execute(SQL["select_oldest_batch"]).fetchone()
        return found[0] if found else None

    def _one(self, name: str, /, **values: object) -> tuple[int, ...]:
        return cast("tuple[int, ...]", self._db.execute(SQL[name], values).fetchone())

    def _run(self, name: str, /, **values: object) -> int:
        return self._db.execute(SQL[name], values).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; on failure the figures in memory are those of before as well. A full disk is a full spool."""
        before = (self.identity, self._batches, self._used_bytes, self._oldest_us)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as err:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.identity, self._batches, self._used_bytes, self._oldest_us = before
            if isinstance(err, sqlite3.OperationalError) and err.sqlite_errorcode == sqlite3.SQLITE_FULL:
                self._disk_full = True
                raise SpoolFullError(f"{DISK_FULL}: readings are refused until there is room") from err
            raise
