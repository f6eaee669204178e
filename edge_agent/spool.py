"""The durable heart of the agent: what a source was acknowledged for is in here until ingest acknowledges it.

One SQLite file with one writer. `append` returns once the rows are on disk; `seal_due` turns them into signed, chained
batches; `settle` forgets batches on ingest's signed word only. Each is one transaction, so that a crash at any point
leaves every reading in exactly one batch. When the spool is full it refuses rows, never overwrites, and `admit_loss`
records what was refused as a gap, which is sealed and signed like a reading.

Not thread-safe: `spool_thread` gives it a thread of its own. Room is `spool_file`'s business, batches are
`spool_batches`'; replacing a broken file is `spool_recovery`'s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent import clock
from edge_agent.spool_batches import SpoolBatches
from edge_agent.spool_file import ITEM_BYTES
from edge_agent.spool_model import (
    MICROSECONDS_PER_DAY,
    ROW_BYTES,
    Limits,
    PointState,
    Receipt,
    SpoolFullError,
    Taken,
    chunks,
    states_after,
)
from edge_agent.spool_reserve import Reserve
from edge_agent.sqlfile import SPOOL as SQL
from verification import batch
from verification.batch import Catalogue, Gap, ManualFile
from verification.errors import ConfigError
from verification.model import Point, PointKind, Rows

MAX_CHUNK_ROWS = 2_000  # a source that reads history hands over pages of this order
CATALOGUE_POINTS = 500  # per catalogue batch: far below 256 KiB even with long names
MAX_RECEIPTS = 10_000
# How far a source has been read is never taken from a clock that is more than a day ahead of ours: its history would be
# passed over until that day has come.
MAX_AHEAD_US = MICROSECONDS_PER_DAY
SPOOL_FULL = "spool_full"


class Spool(SpoolBatches):
    """See the module. `now_us` is the clock, passed in so that tests can turn it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        key: Ed25519PrivateKey,
        limits: Limits,
        reserve: Reserve,
        now_us: Callable[[], int] = clock.now_us,
    ) -> None:
        super().__init__(connection, key, limits, reserve, now_us)
        # Losses that the disk had no room to record yet: of each point from when, until when, and how many.
        self._owed: dict[int, tuple[int, int, int]] = {}
        self._db.execute(SQL["schema_files"])
        if self._db.execute(SQL["has_file_read"]).fetchall():
            self._db.executescript(SQL["adopt_file_read"])
        self._states = {index: PointState(*rest) for index, *rest in self._db.execute(SQL["select_states"])}

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
                self._seal(Catalogue(part, first + start), clock.unmeasured())
        known |= {point: index for index, point in enumerate(new, first)}
        self._states = {index: PointState(*rest) for index, *rest in self._db.execute(SQL["select_states"])}
        return {point.name: known[point] for point in points}

    def state(self, point: int) -> PointState | None:
        """How far the point has been read, None if never."""
        return self._states.get(point)

    def states(self) -> dict[int, PointState]:
        """`state` of every point that has been read."""
        return dict(self._states)

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
                self._run("insert_file", source=file.source, sha256=file.sha256, read_us=self._now_us())
                self._seal(Catalogue((), 0, (file,)), clock.unmeasured())
            if taken is not None:
                self._db.execute(SQL["upsert_taken"], (taken.source, taken.subscription, taken.sequence))
                if taken.session is not None:
                    self._db.execute(SQL["upsert_session"], (taken.source, taken.session))
        self._states |= states
        self._grow(len(pieces), len(rows), sum(len(data) for _, _, data in pieces))
        self.identity = replace(self.identity, filtered=self.identity.filtered + filtered)

    def has_file(self, source: str, sha256: bytes) -> bool:
        """Whether this source has read a file with this hash."""
        return bool(self._db.execute(SQL["select_file"], {"source": source, "sha256": sha256}).fetchall())

    def admit_loss(self, rows: Rows) -> None:
        """Record rows that were refused because the spool is full: one growing gap for each point.

        What even the reserve leaves no room for is owed, and recorded with the next that can be.
        """
        for point, time_us in zip(rows.point, rows.time_us, strict=True):
            start_us, end_us, count = self._owed.get(point, (time_us, time_us, 0))
            self._owed[point] = (min(start_us, time_us), max(end_us, time_us), count + 1)
        with suppress(SpoolFullError):
            self._with_reserve(self._record_owed)

    def _record_owed(self) -> None:
        dropped = sum(count for *_, count in self._owed.values())
        with self._transaction():
            for point, (start_us, end_us, count) in self._owed.items():
                loss = {"point": point, "start_us": start_us, "end_us": end_us, "reason": SPOOL_FULL, "count": count}
                if not self._run("widen_gap", **loss):
                    self._run("insert_gap", **loss)
            self._run("count_losses", dropped=dropped, filtered=0)
        self.identity = replace(self.identity, dropped=self.identity.dropped + dropped)
        self._owed = {}

    def kept_of(self, receipts: Iterable[Receipt]) -> set[Receipt]:
        """Those whose message has been kept already."""
        return {receipt for receipt in receipts if self._db.execute(SQL["select_receipt"], receipt).fetchall()}

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

    def namespaces(self, source: str) -> dict[str, str]:
        """By node, what `remember_namespaces` was first given."""
        return dict(self._db.execute(SQL["select_namespaces"], (source,)))

    def remember_namespaces(self, source: str, uris: Mapping[str, str]) -> None:
        """Remember, by node, the URI of the namespace in which it stands; what is known already stays."""
        with self._transaction():
            self._db.executemany(SQL["insert_namespace"], [(source, node, uri) for node, uri in uris.items()])

    # ---- readings into batches

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

    # ---- inside

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
