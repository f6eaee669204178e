"""Signed notes and log checkpoints, as in C2SP signed-note and C2SP tlog-checkpoint, with Ed25519 signatures.

A note is lines of text, an empty line, and one signature line for each signer. A checkpoint is a note whose text is
the log's origin, its size and its root hash: the log's word for "these entries, in this order, and nothing before
them ever changed". Reads strictly: one spelling for each note. Does not decide which key may be trusted, nor
re-derive a root (`merkle` does).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verification import keys
from verification.errors import FormatError

ED25519_TYPE = b"\x01"  # C2SP signed-note, "signature types"
KEY_HASH_BYTES = 4
ROOT_BYTES = 32
MAX_NOTE_BYTES = 64 * 1024
MAX_SIGNATURES = 100

_SEPARATOR = "\n\n"
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,255}")  # C2SP signed-note: no spaces and no plus sign in a key name
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")  # C2SP signed-note: no control character but the newline
_SIGNATURE_LINE = re.compile(r"— (\S+) (\S+)")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")  # tlog-checkpoint: decimal, no leading zeros


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the signer's name, the four bytes that name the key, the signature."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note; its signatures have not been verified yet. `text` ends with a newline and is what they cover."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def signed_by(self, name: str, key: Ed25519PublicKey) -> bool:
        """Whether one of the signatures is by `key` under `name`, and holds."""
        expected = key_hash(name, key)
        return any(
            found.name == name
            and found.key_hash == expected
            and len(found.signature) == keys.SIGNATURE_BYTES
            and keys.signature_holds(key, found.signature, self.text.encode())
            for found in self.signatures
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its origin (a name that only it uses), how many entries, and their Merkle root."""

    origin: str
    size: int
    root: bytes


def key_hash(name: str, key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The four bytes that name a key in a note: the start of SHA-256(name || 0x0A || type || public key)."""
    public = bytes.fromhex(keys.public_text(key).removeprefix(keys.PREFIX))
    return hashlib.sha256(name.encode() + b"\n" + ED25519_TYPE + public).digest()[:KEY_HASH_BYTES]


def sign(text: str, name: str, key: Ed25519PrivateKey) -> bytes:
    """`text` (whole lines, the last one ended) as a note, signed by `key` under `name`. Raises FormatError."""
    if not text.endswith("\n") or not _NAME.fullmatch(name):
        raise FormatError("undecodable", "a note is whole lines; its signer's name holds neither space nor plus sign")
    blob = base64.b64encode(key_hash(name, key) + key.sign(text.encode())).decode()
    return f"{text}\n— {name} {blob}\n".encode()


def parse(data: bytes) -> Note:
    """Parse a note; checks no signature. Raises FormatError (`bound_exceeded`, `undecodable`)."""
    if len(data) > MAX_NOTE_BYTES:
        raise FormatError("bound_exceeded", f"{len(data)} bytes; a note has at most {MAX_NOTE_BYTES}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise FormatError("undecodable", f"a note is UTF-8 text: {err}") from err
    # The text itself may hold empty lines: the signatures begin after the last one.
    text, separator, tail = whole.rpartition(_SEPARATOR)
    if not separator or not tail.endswith("\n") or _CONTROL.search(whole):
        raise FormatError("undecodable", "not a signed note: text, an empty line, signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise FormatError("bound_exceeded", f"{len(lines)} signatures; a note has at most {MAX_SIGNATURES}")
    return Note(text + "\n", tuple(_parse_signature(line) for line in lines))


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """A checkpoint signed by its log. Re-derive `root` from the stored entries first: a log signs what it holds."""
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"
    signed = sign(text, checkpoint.origin, key)
    read_checkpoint(parse(signed))
    return signed


def read_checkpoint(note: Note) -> Checkpoint:
    """The checkpoint that a note's text states. Raises FormatError (`undecodable`)."""
    match note.text.split("\n"):
        case [str(origin), str(size), str(root_text), ""] if origin and _SIZE.fullmatch(size):
            root = decode_base64(root_text)
        case _:
            raise FormatError("undecodable", "a checkpoint is three lines: origin, size, root hash")
    if len(root) != ROOT_BYTES:
        raise FormatError("undecodable", f"the root hash has {len(root)} bytes, not {ROOT_BYTES}")
    return Checkpoint(origin, int(size), root)


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling. Raises FormatError (`undecodable`).

    Python's decoder ignores the unused bits of the last character, so two spellings would give the same bytes.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise FormatError("undecodable", f"not base64: {err}") from err
    if base64.b64encode(data).decode() != text:
        raise FormatError("undecodable", "base64 in an unusual spelling")
    return data


def _parse_signature(line: str) -> NoteSignature:
    found = _SIGNATURE_LINE.fullmatch(line)
    if not found or not _NAME.fullmatch(found[1]):
        raise FormatError("undecodable", "a signature line is: em dash, space, name, space, base64")
    blob = decode_base64(found[2])
    if len(blob) <= KEY_HASH_BYTES:
        raise FormatError("undecodable", "a signature line holds no signature")
    return NoteSignature(found[1], blob[:KEY_HASH_BYTES], blob[KEY_HASH_BYTES:])
