"""The evidence log: an append-only list of entries under a Merkle tree, and checkpoints signed over its root.

Before anything is appended or signed the stored log is checked: each entry's bytes against its leaf hash, and
all of them against the last checkpoint that this log's own key signed. A log that no longer matches is never
signed again until a person has looked. That reads every entry: at 100,000 entries it takes about half a
second, and a city's log grows by some thousands a year.

Knows nothing of what the entries say (`verification.logentry` does).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.rows import class_row

from api.database import Connection, statement
from api.errors import ApiError, LogTamperedError
from verification.errors import FormatError
from verification.evidence import merkle, note

MAX_ENTRIES_PER_PAGE = 1000
WHAT_TO_DO = (
    "Nothing more is signed. Stop the service, keep the database as it is, and compare it with a backup and with the "
    "checkpoints that auditors hold."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf of the log, as stored."""

    index: int
    data: bytes
    leaf_hash: bytes
    logged_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Log:
    """The log called `origin`, signed with `key`."""

    origin: str
    key: Ed25519PrivateKey = field(repr=False)

    def open(self, conn: Connection) -> OpenLog:
        """The whole log, checked, and nobody else writing to it until the transaction of `conn` ends.

        Raises LogTamperedError. The transaction must be READ COMMITTED: under a snapshot, entries that
        another writer adds while this one waits for its turn would stay unseen.
        """
        conn.execute(statement("lock_log"))
        entries: list[bytes] = []
        leaves: list[bytes] = []
        with conn.cursor(row_factory=class_row(Entry)) as cursor:
            for entry in cursor.stream(statement("all_entries")):
                if entry.index != len(leaves):
                    raise LogTamperedError(f"Entry {len(leaves)} of the evidence log is missing. {WHAT_TO_DO}")
                if merkle.leaf_hash(entry.data) != entry.leaf_hash:
                    raise LogTamperedError(f"Entry {entry.index} of the evidence log was changed. {WHAT_TO_DO}")
                entries.append(entry.data)
                leaves.append(entry.leaf_hash)
        self._compare_with_last(conn, leaves)
        return OpenLog(self, conn, entries, leaves)

    def _compare_with_last(self, conn: Connection, leaves: list[bytes]) -> None:
        row = conn.execute(statement("last_checkpoint")).fetchone()
        if row is None:
            return
        try:
            signed = note.parse(row[0])
            last = note.read_checkpoint(signed)
        except FormatError as err:
            raise LogTamperedError(
                f"The last checkpoint of the evidence log is unreadable: {err}. {WHAT_TO_DO}"
            ) from err
        if last.origin != self.origin or not signed.signed_by(self.origin, self.key.public_key()):
            raise LogTamperedError(
                "The last checkpoint of the evidence log was signed by another key, "
                f"or under the name {last.origin!r}. "
                f"Put back the log_key and log_origin that the log began with. If they are in place: {WHAT_TO_DO}"
            )
        if last.size > len(leaves) or merkle.root(leaves[: last.size]) != last.root:
            raise LogTamperedError(
                f"The first {last.size} entries of the evidence log are not those that were signed. {WHAT_TO_DO}"
            )


@dataclass(slots=True)
class OpenLog:
    """The log within one transaction: `entries` and their `leaves`, oldest first.

    What is added counts from the commit on.
    """

    log: Log
    conn: Connection
    entries: list[bytes]
    leaves: list[bytes]

    def append(self, entry: bytes, *, logged_at: dt.datetime) -> int:
        """Add `entry` and give its index."""
        index, leaf = len(self.leaves), merkle.leaf_hash(entry)
        row = {"index": index, "data": entry, "leaf_hash": leaf, "logged_at": logged_at}
        self.conn.execute(statement("add_entry"), row)
        self.entries.append(entry)
        self.leaves.append(leaf)
        return index

    def sign(self, *, signed_at: dt.datetime) -> bytes:
        """A checkpoint over every entry. Raises ApiError where there is none yet."""
        if not self.leaves:
            raise ApiError(404, "log_empty", "The log has no entry yet; it begins when the first plan is filed.")
        root = merkle.root(self.leaves)
        checkpoint = note.sign_checkpoint(note.Checkpoint(self.log.origin, len(self.leaves), root), self.log.key)
        self.keep(checkpoint, signed_at=signed_at)
        return checkpoint

    def keep(self, checkpoint: bytes, *, signed_at: dt.datetime) -> None:
        """Remember a checkpoint signed over every entry: from now on the stored log must agree with it."""
        row = {"size": len(self.leaves), "note": checkpoint, "signed_at": signed_at}
        self.conn.execute(statement("add_checkpoint"), row)


def stored_entries(conn: Connection, *, start: int, limit: int) -> list[Entry]:
    """Up to `limit` entries from index `start` on, as stored; an auditor's own root says whether they are the
    log's.
    """
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        row = {"start": start, "limit": min(limit, MAX_ENTRIES_PER_PAGE)}
        return cursor.execute(statement("some_entries"), row).fetchall()
