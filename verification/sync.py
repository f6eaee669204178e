"""How an edge agent asks over HTTPS how far its chains are settled: a question that its own key signs, and the answer.

Over MQTT the broker vouches for who asks; an HTTP server that many proxies may stand before cannot, so the question
carries its own proof. The answer is a CBOR array of acknowledgements, each signed by itself (`ack`).

Does not decide whether a key is trusted, nor whether a question is fresh: ingest does, with `FRESH_US`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import cose
from verification.ack import MAX_ACK_BYTES
from verification.batch import INT63_MAX
from verification.errors import FormatError
from verification.model import DEVICE_ID

CONTENT_TYPE = "application/vnd.retroproof.sync.v1+cbor"
MAX_EPOCHS = 64
MAX_QUESTION_BYTES = 4 * 1024
MAX_ANSWER_BYTES = MAX_EPOCHS * MAX_ACK_BYTES
FRESH_US = 600_000_000  # how far the moment of signing may lie from the moment of receipt, before or after


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed question whose signature has not been looked at yet."""

    device: str
    epochs: tuple[int, ...]
    signed_at_us: int
    envelope: cose.Envelope


def sign(device: str, epochs: Sequence[int], signed_at_us: int, key: Ed25519PrivateKey) -> bytes:
    """The question as a COSE_Sign1 message. Ask for at most MAX_EPOCHS epochs at a time."""
    body = {"device": device, "epochs": list(epochs), "signed_at_us": signed_at_us}
    return cose.sign({}, cbor2.dumps(body), content_type=CONTENT_TYPE, key=key)


def open_question(data: bytes) -> Question:
    """Parse a question. Raises FormatError (`bound_exceeded`, `undecodable`)."""
    envelope = cose.open_envelope(data, content_type=CONTENT_TYPE, max_bytes=MAX_QUESTION_BYTES)
    match cose.read_cbor(envelope.payload):
        case {"device": str(device), "epochs": list(epochs), "signed_at_us": int(signed_at_us), **rest} if not rest:
            pass
        case _:
            raise FormatError("undecodable", "a question has device, epochs and signed_at_us")
    if not DEVICE_ID.fullmatch(device):
        raise FormatError("undecodable", "the device id may hold a-z, 0-9 and -, at most 63 characters")
    if len(epochs) > MAX_EPOCHS:
        raise FormatError("bound_exceeded", f"asks for {len(epochs)} epochs; at most {MAX_EPOCHS} are answered")
    if not all(isinstance(number, int) and 0 <= number <= INT63_MAX for number in (*epochs, signed_at_us)):
        raise FormatError("bound_exceeded", "an epoch or the moment of signing is no number, negative or too large")
    return Question(device, tuple(epochs), signed_at_us, envelope)


def pack_answer(acknowledgements: Sequence[bytes]) -> bytes:
    """The signed acknowledgements, one for each epoch that was asked for, as one body."""
    return cbor2.dumps(list(acknowledgements))


def open_answer(data: bytes) -> tuple[bytes, ...]:
    """The signed acknowledgements, each still to be opened with `ack.open_signed`. Raises FormatError."""
    if len(data) > MAX_ANSWER_BYTES:
        raise FormatError("bound_exceeded", f"{len(data)} bytes; at most {MAX_ANSWER_BYTES} are taken")
    match cose.read_cbor(data):
        case list(items) if len(items) <= MAX_EPOCHS and all(isinstance(item, bytes) for item in items):
            return tuple(items)
        case _:
            raise FormatError("undecodable", f"an answer is a list of at most {MAX_EPOCHS} acknowledgements")
