"""What leaves the spool: signed batches that name each other's hash, kept until ingest has acknowledged them.

Each is sealed in the transaction that takes away what is now inside it, and settled on ingest's signed word only.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent import clock
from edge_agent.spool_file import ITEM_BYTES, SpoolFile
from edge_agent.spool_model import (
    Identity,
    KeyChangeDelayedError,
    Limits,
    SealedBatch,
    Settlement,
    SpoolFullError,
    extend,
)
from edge_agent.spool_reserve import Reserve
from edge_agent.spool_settlement import Removed, contradiction, remove_settled, remove_unreachable, slices
from edge_agent.sqlfile import SPOOL as SQL
from verification import batch, keys
from verification.ack import Ack
from verification.batch import Gap, Gaps, Header, Heartbeat, KeyChange, Payload
from verification.model import Rows

MAX_CHUNKS_PER_BATCH = 5_000
GAP_BATCH_BYTES = 64 * 1024  # what one batch of gaps may need at most
# A full spool goes on refusing: one batch of gaps a minute says so without eating the reserve at once.
FULL_GAPS_EVERY_US = 60_000_000


class SpoolBatches(SpoolFile):
    """See the module."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        key: Ed25519PrivateKey,
        limits: Limits,
        reserve: Reserve,
        now_us: Callable[[], int],
    ) -> None:
        super().__init__(connection, limits, reserve, now_us)
        self._key = key
        for made_if_missing in SQL["schema_signing"].split(";\n\n"):
            self._db.execute(made_if_missing)
        self._run("first_signing", key_id=keys.key_id(key))
        self._signing_key_id, self._signing_since_us = self._signing()
        self._last_gap_seal_us = 0
        self._last_seal_us = now_us()

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

    # ---- batches

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

    # ---- inside

    def _require_changeable(self) -> None:
        if self._one("count_unsettled_changes") != (0,):
            raise KeyChangeDelayedError("ingest has not acknowledged the last change of key yet; the next one waits")
        _, _, latest_us = self._db.execute(SQL["select_signing"]).fetchone()
        if self._now_us() < latest_us:
            raise KeyChangeDelayedError("the clock was set back behind the last batch; the change waits for it")

    def _signing(self) -> tuple[bytes, int]:
        key_id, since_us, _ = self._db.execute(SQL["select_signing"]).fetchone()
        return key_id, since_us

    def _remove(self, ack: Ack, *, unreachable: bool = False) -> list[Removed]:
        remove = remove_unreachable if unreachable else remove_settled
        with self._transaction():
            removed = remove(self._db, ack, self._now_us())
            self._shrink(removed.count, removed.size)
        return [removed]

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
