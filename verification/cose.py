"""COSE_Sign1 (RFC 9052, section 4.2) with EdDSA over Ed25519, and CBOR (RFC 8949) read from strangers within bounds.

Signs and verifies bytes as stored: the protected header and the payload are kept as the byte strings that arrived and
are never encoded again. Knows nothing of what is inside; `batch` and `ack` do. Does not decide whether a key may be
trusted.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verification import keys
from verification.errors import FormatError

SIGN1_TAG = 18
ALGORITHM, CONTENT_TYPE, KEY_ID = 1, 3, 4  # common COSE header labels, RFC 9052 table 3
EDDSA = -8  # RFC 9053, section 2.2
MAX_DEPTH = 8

Label = int | str


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed, not yet verified COSE_Sign1 message.

    `protected` is the decoded header, the rest are bytes as received.
    """

    protected: dict[Label, Any]
    protected_bytes: bytes
    payload: bytes
    signature: bytes
    sha256: bytes

    @property
    def key_id(self) -> bytes:
        """The name of the key that the message says it was signed with."""
        return bytes(self.protected[KEY_ID])

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the owner of `key` signed this header and this payload."""
        return keys.signature_holds(key, self.signature, _to_be_signed(self.protected_bytes, self.payload))


def sign(claims: Mapping[Any, Any], payload: bytes, *, content_type: str, key: Ed25519PrivateKey) -> bytes:
    """A tagged COSE_Sign1 message whose protected header carries `claims` beside algorithm, content type and key id."""
    header: dict[Label, Any] = {ALGORITHM: EDDSA, CONTENT_TYPE: content_type, KEY_ID: keys.key_id(key), **claims}
    protected = cbor2.dumps(header)
    signature = key.sign(_to_be_signed(protected, payload))
    return cbor2.dumps(cbor2.CBORTag(SIGN1_TAG, [protected, {}, payload, signature]))


def open_envelope(data: bytes, *, content_type: str, max_bytes: int) -> Envelope:
    """Parse a message of at most `max_bytes`.

    Raises FormatError (`bound_exceeded`, `undecodable`); checks no signature.
    """
    if len(data) > max_bytes:
        raise FormatError("bound_exceeded", f"{len(data)} bytes; at most {max_bytes} are taken")
    message = read_cbor(data)
    if not (isinstance(message, cbor2.CBORTag) and message.tag == SIGN1_TAG):
        raise FormatError("undecodable", "not a COSE_Sign1 message")
    match message.value:
        case [bytes() as protected_bytes, Mapping() as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            raise FormatError("undecodable", "not the four parts of a COSE_Sign1 message")
    protected = read_cbor(protected_bytes)
    if unprotected or not isinstance(protected, dict):
        raise FormatError("undecodable", "the header must be a map, and nothing may stand outside its signed part")
    if protected.get(ALGORITHM) != EDDSA or protected.get(CONTENT_TYPE) != content_type:
        raise FormatError("undecodable", f"not EdDSA over {content_type}")
    key_id = protected.get(KEY_ID)
    if not (isinstance(key_id, bytes) and len(key_id) == keys.KEY_ID_BYTES and len(signature) == keys.SIGNATURE_BYTES):
        raise FormatError("undecodable", "key id or signature has a wrong length")
    return Envelope(protected, protected_bytes, payload, signature, hashlib.sha256(data).digest())


def read_cbor(data: bytes) -> Any:  # noqa: ANN401 - the caller matches the shape
    """Decode one CBOR item and nothing after it.

    Definite lengths, no duplicate keys, little nesting, only inert tags.
    """
    stream = io.BytesIO(data)
    try:
        item = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_REFUSED_TAGS,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
    except FormatError:
        raise
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as err:
        raise FormatError("undecodable", f"not valid CBOR: {err}") from err
    if stream.tell() != len(data):
        raise FormatError("undecodable", "bytes follow the end of the message")
    _refuse_truth_values(item)
    return item


def _refuse_truth_values(item: object) -> None:
    """Refuse true and false anywhere: no format of ours has them, and to Python they are the integers 1 and 0."""
    if isinstance(item, bool):
        raise FormatError("undecodable", "a truth value stands where a number belongs")
    if isinstance(item, Mapping):
        for key, value in item.items():
            _refuse_truth_values(key)
            _refuse_truth_values(value)
    elif isinstance(item, list | tuple):
        for value in item:
            _refuse_truth_values(value)
    elif isinstance(item, cbor2.CBORTag):
        _refuse_truth_values(item.value)


def _refuse_tag(value: object, immutable: bool) -> NoReturn:  # noqa: ARG001, FBT001 - cbor2's callback signature
    raise FormatError("undecodable", "a CBOR tag that has no place here")


# cbor2 gives these tags a meaning of its own: dates, big numbers, shared references, regular expressions, MIME,
# addresses, sets. None of ours is among them, and some are costly to build from hostile input, so all are refused.
_BUILT_IN_TAGS = (
    0,
    1,
    2,
    3,
    4,
    5,
    25,
    28,
    29,
    30,
    35,
    36,
    37,
    52,
    54,
    100,
    256,
    258,
    260,
    261,
    1004,
    43000,
    55799,
)
_REFUSED_TAGS = dict.fromkeys(_BUILT_IN_TAGS, _refuse_tag)


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052, section 4.4, without external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload])
