"""The application's acknowledgement: ingest says, signed, up to which batch everything is committed in the database.

An edge agent deletes a batch only on this word, never on an MQTT PUBACK, which no broker need make durable.
"""

from __future__ import annotations

from dataclasses import dataclass

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verification import cose
from verification.errors import FormatError

CONTENT_TYPE = "application/vnd.retroproof.ack.v1+cbor"
MAX_ACK_BYTES = 64 * 1024
MAX_REFUSED = 256
NOTHING_SETTLED = -1
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Refusal:
    """A batch that was put into quarantine: kept whole upstream, not counted as accepted."""

    sequence: int
    sha256: bytes
    code: str


@dataclass(frozen=True, slots=True)
class Ack:
    """Every batch of (device, epoch) with a sequence of `through` or less is settled: committed or in quarantine.

    sha256 is that of batch `through`, so that an agent whose own batch differs notices; it is empty when through is -1.
    at_us: a moment by ingest's clock between the arrival of what is answered and the answer, in microseconds since 1970
    UTC, by which an agent measures its own clock.
    """

    device: str
    epoch: int
    through: int
    sha256: bytes
    refused: tuple[Refusal, ...] = ()
    at_us: int = 0


def sign(ack: Ack, key: Ed25519PrivateKey) -> bytes:
    """The acknowledgement as a COSE_Sign1 message."""
    refused = [[item.sequence, item.sha256, item.code] for item in ack.refused[:MAX_REFUSED]]
    body = {
        "device": ack.device,
        "epoch": ack.epoch,
        "through": ack.through,
        "sha256": ack.sha256,
        "refused": refused,
        "at_us": ack.at_us,
    }
    return cose.sign({}, cbor2.dumps(body), content_type=CONTENT_TYPE, key=key)


def open_signed(data: bytes, key: Ed25519PublicKey) -> Ack:
    """Parse and verify an acknowledgement. Raises FormatError (`undecodable`, `bound_exceeded`, `bad_signature`)."""
    envelope = cose.open_envelope(data, content_type=CONTENT_TYPE, max_bytes=MAX_ACK_BYTES)
    if not envelope.signed_by(key):
        raise FormatError(
            "bad_signature", "the acknowledgement was not signed by the ingest key that this agent trusts"
        )
    match cose.read_cbor(envelope.payload):
        case {
            "device": str(device),
            "epoch": int(epoch),
            "through": int(through),
            "sha256": bytes(sha256),
            "refused": list(refused),
            "at_us": int(at_us),
        }:
            return Ack(device, epoch, through, sha256, tuple(_refusal(item) for item in refused), at_us)
        case _:
            raise FormatError("undecodable", "not the fields of an acknowledgement")


def _refusal(item: object) -> Refusal:
    match item:
        case [int(sequence), bytes(sha256), str(code)] if len(sha256) == HASH_BYTES:
            return Refusal(sequence, sha256, code)
        case _:
            raise FormatError("undecodable", "not the fields of a refusal")
