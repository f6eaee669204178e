"""DSSE envelopes (Dead Simple Signing Envelope, protocol 1.0): bytes signed together with their type.

What is signed is the pre-authentication encoding of type and payload, so that a payload of one kind can never pass
for another. The payload is handed out only as the very bytes that the signatures cover. Several signatures are
allowed. The envelope itself is canonical JSON, and base64 has one spelling, so that no byte of it can change unseen.
Does not decide which key may be trusted.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verification import keys, strictjson
from verification.errors import FormatError
from verification.evidence.note import decode_base64

IN_TOTO_TYPE = "application/vnd.in-toto+json"
MAX_SIGNATURES = 100


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature and the id of the key that it says it was made with (hex; see `keys.key_id`)."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope; its signatures have not been verified yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether one of the signatures is by `key`, and holds."""
        expected, message = keys.key_id(key).hex(), pre_authentication_encoding(self.payload_type, self.payload)
        return any(
            found.key_id == expected
            and len(found.signature) == keys.SIGNATURE_BYTES
            and keys.signature_holds(key, found.signature, message)
            for found in self.signatures
        )


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """PAE of the DSSE protocol: "DSSEv1" SP length SP type SP length SP payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, signers: list[Ed25519PrivateKey], *, payload_type: str = IN_TOTO_TYPE) -> bytes:
    """`payload` in an envelope with one signature for each of `signers`."""
    message = pre_authentication_encoding(payload_type, payload)
    signatures = [
        {"keyid": keys.key_id(key).hex(), "sig": base64.b64encode(key.sign(message)).decode()} for key in signers
    ]
    payload_text = base64.b64encode(payload).decode()
    return strictjson.encode({"payload": payload_text, "payloadType": payload_type, "signatures": signatures})


def parse(data: bytes) -> Envelope:
    """Parse an envelope; checks no signature. Raises FormatError (`undecodable`, `bound_exceeded`)."""
    match strictjson.read_canonical(data):
        case {
            "payload": str(payload),
            "payloadType": str(payload_type),
            "signatures": [_, *_] as items,
            **extra,
        } if not extra:
            pass
        case _:
            raise FormatError("undecodable", "a DSSE envelope has payload, payloadType and at least one signature")
    if len(items) > MAX_SIGNATURES:
        raise FormatError("bound_exceeded", f"{len(items)} signatures; at most {MAX_SIGNATURES} are taken")
    return Envelope(payload_type, decode_base64(payload), tuple(_parse_signature(item) for item in items))


def _parse_signature(item: object) -> Signature:
    match item:
        case {"keyid": str(key_id), "sig": str(signature), **extra} if not extra:
            return Signature(key_id, decode_base64(signature))
        case _:
            raise FormatError("undecodable", "a DSSE signature has keyid and sig")
