"""Opens the spool, and replaces a broken one without losing or hiding anything.

A file that fails its integrity check is moved aside, never deleted. Sealed batches that still match their hash are
carried over and sent first; a new epoch begins, and its first batch after the catalogue is a signed gap that admits
what may be missing: since the old epoch began, or since 1970 where that cannot be told. Sources with a history are read
again from the beginning, so that readings may come twice, under two epochs: a double can be found and removed later, a
loss cannot.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent import clock
from edge_agent.spool import Spool
from edge_agent.spool_model import Identity, Limits, SealedBatch, is_sound
from edge_agent.spool_reserve import Reserve
from edge_agent.sqlfile import SPOOL as SQL
from verification.errors import ConfigError

SPOOL_CORRUPT = "spool_corrupt"
EVERYTHING = {"epoch": -1, "sequence": -1, "most": -1}

Settled = tuple[int, int, bytes]  # epoch, sequence and hash of its last acknowledged batch

log = logging.getLogger(__name__)


def open_spool(
    path: Path,
    device: str,
    key: Ed25519PrivateKey,
    limits: Limits,
    *,
    known_epoch: int = 0,
    now_us: Callable[[], int] = clock.now_us,
) -> Spool:
    """Open, make or replace the spool at `path`. A new epoch is greater than `known_epoch` and any that is found.

    Raises ConfigError when the spool belongs to another device.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replacement = path.with_name(path.name + ".new")
    if not path.exists() and replacement.exists():
        replacement.replace(path)  # the agent died between moving the broken file away and this step
    _remove(replacement)
    if not path.exists():
        _create(replacement, device, max(now_us(), known_epoch + 1)).close()
        replacement.replace(path)
    connection = _open_sound(path)
    if connection is None:
        _replace_broken(path, replacement, device, known_epoch, now_us())
        connection = _connect(path)
    (owner,) = connection.execute("SELECT device FROM identity").fetchone()
    if owner != device:
        connection.close()
        raise ConfigError(
            f"{path} is the spool of {owner!r}, not of {device!r}; give the file's owner back its name, or name "
            "another path"
        )
    connection.executescript(SQL["session_tables"])
    if not connection.execute(SQL["has_row_status"]).fetchall():
        connection.execute(SQL["add_row_status"])
    reserve = Reserve(path.with_name(path.name + ".reserve"))
    reserve.hold()
    return Spool(connection, key, limits, reserve, now_us)


def _open_sound(path: Path) -> sqlite3.Connection | None:
    """The open spool, or None if the file is damaged."""
    connection = None
    try:
        connection = _connect(path)
        answers = [text for (text,) in connection.execute("PRAGMA quick_check")]
        reason = "; ".join(answers[:3]) if answers != ["ok"] else _untrue(connection)
        if not reason:
            return connection
    except sqlite3.DatabaseError as err:
        # A spool that is locked or unreadable is not broken: the operator must look.
        if isinstance(err, sqlite3.OperationalError) and err.sqlite_errorcode in {
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_FULL,
        }:
            raise ConfigError(f"{path}: cannot open the spool: {err}") from err
        reason = str(err)
    if connection is not None:
        connection.close()
    log.critical("the spool is damaged and is moved aside; a new epoch begins: path=%s reason=%r", path, reason)
    return None


def _untrue(connection: sqlite3.Connection) -> str:
    """What in a well-formed file is not as it was written; empty if all is. SQLite itself keeps no checksums."""
    found = connection.execute(SQL["select_identity"]).fetchone()
    if found is None:
        return "it does not say whose spool it is"
    who = Identity(*found)
    last = {"epoch": who.epoch, "sequence": who.next_sequence - 1}
    if any(sha256 != who.previous for (sha256,) in connection.execute(SQL["select_hash"], last)):
        return "its last batch is not the one it names as the last"
    for epoch, sequence, sha256, data in connection.execute(SQL["select_pending"], EVERYTHING):
        if hashlib.sha256(data).digest() != sha256:
            return f"batch {sequence} of epoch {epoch} has changed"
    for _, _, count, data in connection.execute(SQL["select_chunks"], {"most": -1}):
        if not is_sound(count, data):
            return "readings that wait to be sealed have changed"
    return ""


def _replace_broken(path: Path, replacement: Path, device: str, known_epoch: int, now_us: int) -> None:
    """Build the new spool beside the broken one, then swap them; a crash in between is mended at the next start."""
    old_epoch, settled, saved = _salvage(path)
    epoch = max(now_us, known_epoch + 1, (old_epoch or 0) + 1, *(item.epoch + 1 for item in saved))
    start_us = min(now_us, old_epoch or known_epoch or 0, *_earlier_losses(path))
    with closing(_create(replacement, device, epoch)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for old, sequence, sha256 in settled:
            connection.execute(SQL["upsert_settled"], {"epoch": old, "through": sequence, "sha256": sha256})
        for item in saved:
            values = {
                "epoch": item.epoch,
                "sequence": item.sequence,
                "sha256": item.sha256,
                "data": item.data,
            }
            connection.execute(SQL["insert_batch"], values | {"sealed_us": now_us})
        gap = {"point": None, "start_us": start_us, "end_us": now_us, "reason": SPOOL_CORRUPT, "count": None}
        connection.execute(SQL["insert_gap"], gap)
        connection.execute("COMMIT")
    aside = path.with_name(f"{path.name}.corrupt-{start_us}-{now_us}")
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    replacement.replace(path)
    log.critical("carried over from the damaged spool: batches=%d kept=%s new_epoch=%d", len(saved), aside, epoch)


def _earlier_losses(path: Path) -> list[int]:
    """Since when readings may be missing in each spool moved aside before; its admission may have been lost since."""
    names = re.compile(re.escape(path.name) + r"\.corrupt-(\d+)-\d+")
    return [int(found.group(1)) for aside in path.parent.iterdir() if (found := names.fullmatch(aside.name))]


def _salvage(path: Path) -> tuple[int | None, Sequence[Settled], Sequence[SealedBatch]]:
    """The old epoch, what was acknowledged, and the sealed batches that can still be read and match their hashes."""
    epoch = None
    settled: list[Settled] = []
    saved: list[SealedBatch] = []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            with suppress(sqlite3.DatabaseError, TypeError):
                epoch = int(connection.execute(SQL["select_identity"]).fetchone()[1])
            with suppress(sqlite3.DatabaseError):
                settled = connection.execute(SQL["select_settled"]).fetchall()
            for row in connection.execute(SQL["select_pending"], EVERYTHING):
                item = SealedBatch(*row)
                if hashlib.sha256(item.data).digest() == item.sha256:
                    saved.append(item)
    except sqlite3.DatabaseError as err:
        log.error("the damaged spool could be read in part only: batches=%d reason=%r", len(saved), str(err))
    return epoch, settled, saved


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file as the spool needs it. Raises sqlite3.DatabaseError for a file that is none."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(SQL["pragmas"])
    except BaseException:
        connection.close()
        raise
    if os.name == "posix":
        path.chmod(0o600)
    return connection


def _create(path: Path, device: str, epoch: int) -> sqlite3.Connection:
    """A new, empty spool with an epoch of its own."""
    connection = _connect(path)
    connection.execute("BEGIN IMMEDIATE")
    # executescript would commit first; the statements of the schema must stand or fall together.
    for statement in SQL["schema"].split(";\n\n"):
        connection.execute(statement)
    connection.execute(SQL["insert_identity"], {"device": device, "epoch": epoch})
    connection.execute("COMMIT")
    return connection


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
