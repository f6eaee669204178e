"""Ed25519 keys: how they are made, written to disk, named and shown.

A private key is a PKCS #8 PEM file that only its owner can read. A public key is the text `ed25519:` and 64 hex digits.
A key id is the first 8 bytes of the SHA-256 of the raw public key: it names a key, it does not prove one.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from verification.errors import ConfigError

PREFIX = "ed25519:"
PUBLIC_KEY_BYTES = 32
KEY_ID_BYTES = 8
SIGNATURE_BYTES = 64


def generate(path: Path) -> Ed25519PrivateKey:
    """Make a key and write it to `path` with mode 0600.

    Raises ConfigError when a file is there: keys are never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as err:
        raise ConfigError(f"{path}: a key is already there; move it away first if you want a new one") from err
    except OSError as err:
        raise ConfigError(f"{path}: cannot write the key: {err}") from err
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return key


def load_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key. Raises ConfigError when it is missing, open to other users, or of another kind."""
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: other users can read this private key; mend it with: chmod 600 {path}")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as err:
        raise ConfigError(f"{path}: not a readable private key: {err}") from err
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: holds another kind of key; an Ed25519 key is needed")
    return key


def public_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The public key as people and files carry it: `ed25519:` and 64 hex digits."""
    return PREFIX + raw_public(key).hex()


def parse_public(text: str) -> Ed25519PublicKey:
    """Read the text form of a public key. Raises ConfigError."""
    prefix, digits = text.strip()[: len(PREFIX)], text.strip()[len(PREFIX) :]
    try:
        if prefix == PREFIX:
            return Ed25519PublicKey.from_public_bytes(bytes.fromhex(digits))
    except ValueError as err:
        raise ConfigError(f"{text[:80]!r} is not a public key: {err}") from err
    raise ConfigError(f"{text[:80]!r} is not a public key; one begins with {PREFIX}")


def key_id(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The 8 bytes that name a key in headers and registers."""
    return hashlib.sha256(raw_public(key)).digest()[:KEY_ID_BYTES]


def signature_holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` was made by the owner of `key` (RFC 8032)."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def from_raw(raw: bytes) -> Ed25519PublicKey:
    """The public key of 32 bytes. Raises ValueError for another length."""
    return Ed25519PublicKey.from_public_bytes(raw)


def raw_public(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The 32 bytes of the public key (RFC 8032)."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
