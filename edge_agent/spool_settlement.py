"""What an acknowledgement does to the batches in the spool: forget, keep aside, or not believe it.

Each function works inside the caller's transaction, or only reads.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from edge_agent.spool_model import Identity
from edge_agent.sqlfile import SPOOL as SQL
from verification import batch
from verification.ack import Ack

BEHIND_A_LOSS = "behind_a_loss"
MAX_SLICE = 100  # batches: at most 25 MiB, and as a rule far less
MAX_REFUSED_ROWS = 1_000
MAX_REFUSED_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Removed:
    """What left the table of waiting batches: how many, their bytes, and which of them were kept aside and why."""

    count: int = 0
    size: int = 0
    refused: tuple[tuple[int, str], ...] = ()


def contradiction(db: sqlite3.Connection, who: Identity, ack: Ack) -> str:
    """Why this acknowledgement cannot be about our batches; empty if it can."""
    if ack.device != who.device:
        return f"an acknowledgement for {ack.device} arrived here"
    newest = who.next_sequence - 1
    # Of an older epoch, saved from a broken file, ingest may well have more than we still have.
    if ack.epoch == who.epoch and ack.through > newest:
        return f"ingest has batch {ack.through} of epoch {ack.epoch}, we only made {newest}: a copied spool or key?"
    for sequence, sha256 in [(ack.through, ack.sha256), *((r.sequence, r.sha256) for r in ack.refused)]:
        for (ours,) in db.execute(SQL["select_hash"], {"epoch": ack.epoch, "sequence": sequence}):
            if ours != sha256:
                return f"ingest has another batch {sequence} of epoch {ack.epoch} than we: a copied spool or key?"
    return ""


def slices(db: sqlite3.Connection, ack: Ack) -> list[Ack]:
    """The acknowledgement in steps, each of which deletes so little that a full disk has room for it."""
    cut = {"epoch": ack.epoch, "through": ack.through, "most": MAX_SLICE}
    ends = db.execute(SQL["select_slice_ends"], cut).fetchall()
    return [*(replace(ack, through=sequence, sha256=sha256) for sequence, sha256 in ends), ack]


def remove_settled(db: sqlite3.Connection, ack: Ack, now_us: int) -> Removed:
    """Forget the batches up to the acknowledged one; those that ingest refused are kept aside."""
    upto = {"epoch": ack.epoch, "through": ack.through}
    if ack.through >= 0 or ack.refused:
        db.execute(SQL["upsert_settled"], upto | {"sha256": ack.sha256})
    count, size = db.execute(SQL["select_settling"], upto).fetchone()
    if not count:
        return Removed()
    refused = []
    for item in ack.refused:
        ours = {"epoch": ack.epoch, "sequence": item.sequence, "code": item.code, "refused_us": now_us}
        if item.sequence <= ack.through and db.execute(SQL["keep_refused"], ours).rowcount:
            refused.append((item.sequence, item.code))
    db.execute(SQL["delete_settled"], upto)
    if refused:
        db.execute(SQL["trim_refused"], {"most_rows": MAX_REFUSED_ROWS, "most_bytes": MAX_REFUSED_BYTES})
    return Removed(count, size, tuple(refused))


def remove_unreachable(db: sqlite3.Connection, ack: Ack, now_us: int) -> Removed:
    """Keep aside what lies behind a lost batch of an older epoch: acknowledgements never pass a hole.

    Ingest may have taken these batches all the same; the gap record of the broken spool covers them if not.
    """
    first = db.execute(SQL["select_hole"], {"epoch": ack.epoch, "through": ack.through}).fetchone()
    if first is None:
        return Removed()
    everything = {"epoch": ack.epoch, "through": batch.INT63_MAX}
    count, size = db.execute(SQL["select_settling"], everything).fetchone()
    db.execute(SQL["keep_unreachable"], {"epoch": ack.epoch, "code": BEHIND_A_LOSS, "refused_us": now_us})
    db.execute(SQL["delete_settled"], everything)
    db.execute(SQL["trim_refused"], {"most_rows": MAX_REFUSED_ROWS, "most_bytes": MAX_REFUSED_BYTES})
    return Removed(count, size, ((first[0], BEHIND_A_LOSS),))
