"""The file under the spool: its one connection, its transactions, how much lies in it, and whether there is room.

Bounds count in bytes and in age; beyond either, readings are refused. The last part of the bytes is kept for gaps, and
on the disk a reserve, so that a full spool can still say what it refused and forget what ingest has.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar, cast

from edge_agent.spool_model import Depth, Identity, Limits, SpoolFullError, TooLargeError
from edge_agent.spool_reserve import Reserve
from edge_agent.sqlfile import SPOOL as SQL

T = TypeVar("T")

log = logging.getLogger(__name__)

ITEM_BYTES = 150  # what SQLite adds to a row, roughly
GAP_RESERVE_BYTES = 1 << 20  # kept free of readings, so that a full spool can still say what it refused
GAP_RESERVE_SHARE = 4  # but no more than this part of a small spool
HOLD_RESERVE_EVERY_US = 5_000_000
REOPENS_AT = 0.9  # a full spool takes readings again once this share of its bound is undershot
DISK_FULL = "the disk is full"


class SpoolFile:
    """See the module. `now_us` is the clock, passed in so that tests can turn it."""

    def __init__(
        self, connection: sqlite3.Connection, limits: Limits, reserve: Reserve, now_us: Callable[[], int]
    ) -> None:
        self._db = connection
        self._reserve = reserve
        self._last_hold_us = 0
        self._disk_full = False
        self._now_us = now_us
        self.set_limits(limits)
        self.identity = Identity(*self._db.execute(SQL["select_identity"]).fetchone())
        self._chunks, self._open_rows, open_bytes = self._one("select_chunk_totals")
        self._batches, batch_bytes = self._one("select_batch_totals")
        self._used_bytes = open_bytes + batch_bytes + ITEM_BYTES * (self._chunks + self._batches)
        self._oldest_us = self._oldest_batch_us()
        self._full = ""

    def set_limits(self, limits: Limits) -> None:
        """From now on these bounds count."""
        self._limits = limits
        self._readings_bytes = limits.max_bytes - min(GAP_RESERVE_BYTES, limits.max_bytes // GAP_RESERVE_SHARE)

    def close(self) -> None:
        """Close the file; everything in it stays."""
        self._db.close()

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

    def depth(self) -> Depth:
        """The figures that `edge status` shows."""
        who, (refused,) = self.identity, self._one("count_refused")
        waiting = (self._batches, self._open_rows, self._used_bytes, self._limits.max_bytes, self._oldest_us)
        return Depth(who.epoch, who.next_sequence, *waiting, self.full_reason(), refused)

    # ---- inside

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

    def _require_room(self, more_bytes: int) -> None:
        bound = f"{self._limits.max_bytes} bytes (spool.max_bytes)"
        if more_bytes > self._readings_bytes:
            raise TooLargeError(
                f"{more_bytes} bytes of readings at once are too many for a spool of {bound}; enlarge it"
            )
        reason = self.full_reason()
        if not reason and self._used_bytes + more_bytes > self._readings_bytes:
            reason = self._full = f"the spool has reached its {bound}"
        if reason:
            raise SpoolFullError(f"{reason}: readings are refused until there is room")

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
