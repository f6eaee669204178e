"""Judges who asks over HTTPS how far a chain is settled: the question must be fresh, and signed by the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.admission import Code, Key
from ingest.database import Connection
from ingest.intake import Asked, Reply
from ingest.ledger import read_keys
from verification import sync


def refusals(conn: Connection, questions: Sequence[Asked], now_us: int) -> dict[Asked, Reply]:
    """The questions that get no answer, each with its reason. One for whom the broker vouches needs no proof."""
    signed = [item for item in questions if item.proof is not None]
    if not signed:
        return {}
    keys = read_keys(conn, sorted({item.device for item in signed}))
    found = {item: judge(keys.get(item.device), item.proof, now_us) for item in signed if item.proof is not None}
    return {item: reply for item, reply in found.items() if reply is not None}


def judge(keys: Mapping[bytes, Key] | None, question: sync.Question, now_us: int) -> Reply | None:
    """Why this question gets no answer, or None. Pure. `keys` are those of the device, None if it is not enrolled."""
    if keys is None:
        return Reply(Code.UNKNOWN_DEVICE, f"{question.device!r} is not enrolled")
    if abs(question.signed_at_us - now_us) > sync.FRESH_US:
        return Reply(Code.CLOCK_IMPLAUSIBLE, f"signed {(question.signed_at_us - now_us) / 6e7:.1f} minutes from now")
    key = keys.get(question.envelope.key_id)
    if key is None:
        return Reply(Code.UNKNOWN_KEY, f"{question.device!r} has no key {question.envelope.key_id.hex()}")
    if not question.envelope.signed_by(key.public_key):
        return Reply(Code.BAD_SIGNATURE, f"not signed by key {question.envelope.key_id.hex()}")
    if not key.counts_at(question.signed_at_us):
        return Reply(Code.KEY_NOT_VALID_AT_SIGNING, f"key {question.envelope.key_id.hex()} does not count now")
    return None
