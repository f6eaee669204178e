"""Where the device's signing key lies: in a file, or wherever a `KeyStore` keeps it.

The agent asks a store for nothing but keys that can sign. A hardware store (PKCS#11, TPM) is a class with these four
methods whose keys are subclasses of `Ed25519PrivateKey`, whose `sign` and `public_key` ask the device and whose other
methods refuse; nothing else in the agent would change. None is built in.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import keys


class KeyStore(Protocol):
    """The key in use, and while it is being changed the one that follows it."""

    def current(self) -> Ed25519PrivateKey:
        """The key in use. Raises ConfigError when there is none that can be used."""

    def successor(self) -> Ed25519PrivateKey | None:
        """The key that is to follow, None unless a change is under way. Raises ConfigError."""

    def make_successor(self) -> Ed25519PrivateKey:
        """Make the key that is to follow, durably, or give the one that was made before. Raises ConfigError."""

    def promote(self) -> None:
        """Durably, and in one step: the successor is the key in use, and the old key is no more."""


class FileKeyStore:
    """The key in `path`, its successor beside it with `.next`; both PKCS #8 PEM with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(path.name + ".next")

    def current(self) -> Ed25519PrivateKey:
        """See `KeyStore`."""
        return keys.load_private(self._path)

    def successor(self) -> Ed25519PrivateKey | None:
        """See `KeyStore`."""
        return keys.load_private(self._next) if self._next.exists() else None

    def make_successor(self) -> Ed25519PrivateKey:
        """See `KeyStore`. The file gets its name once it is whole, so that a crash leaves a key or none."""
        if (made := self.successor()) is not None:
            return made
        draft = self._path.with_name(self._path.name + ".making")
        draft.unlink(missing_ok=True)
        key = keys.generate(draft)
        draft.replace(self._next)
        sync_folder(self._path.parent)
        return key

    def promote(self) -> None:
        """See `KeyStore`."""
        self._next.replace(self._path)
        sync_folder(self._path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system lets a folder be opened (POSIX)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
