"""Whose keys: the register that a package carries, and the list of keys that an auditor trusts from elsewhere.

One key per edge device at a time, one per engine, one per log. A device key counts for batches signed from
`valid_from_us` until `valid_to_us` (exclusive), which rotation or revocation sets. A trust file is text: one `name
ed25519:hex` per line, where the name is `engine`, `log` or `device/<id>`, which may come once for each of the device's
keys; `#` begins a comment. Whether a register is
authentic, its package's signatures say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verification import keys, strictjson
from verification.errors import ConfigError, FormatError
from verification.model import DEVICE_ID
from verification.shapes import ready

ENGINE, LOG, DEVICE = "engine", "log", "device/"
PublicText = Annotated[str, msgspec.Meta(pattern=r"^ed25519:[0-9a-f]{64}\Z")]


class DeviceKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of a device and the signing times (microseconds since 1970 UTC) for which it counts."""

    key: PublicText
    valid_from_us: int
    valid_to_us: int | None = None

    def valid_at(self, time_us: int) -> bool:
        """Whether a batch signed at `time_us` may bear this key's signature."""
        return self.valid_from_us <= time_us and (self.valid_to_us is None or time_us < self.valid_to_us)


class LogKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log's origin, under which it signs its checkpoints, and its key."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    key: PublicText


class KeyRegister(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every key that a package needs: keys.json."""

    engine: PublicText
    log: LogKey
    devices: dict[str, list[DeviceKey]]

    def encode(self) -> bytes:
        """The bytes of keys.json."""
        return strictjson.encode(msgspec.to_builtins(self))

    def signer_of(self, device: str, key_id: bytes, signed_at_us: int) -> tuple[Ed25519PublicKey | None, bool]:
        """The device's key with this id, if it has one, and whether it counted at the time of signing."""
        held = [entry for entry in self.devices.get(device, []) if keys.key_id(public(entry.key)) == key_id]
        if not held:
            return None, False
        return public(held[0].key), any(entry.valid_at(signed_at_us) for entry in held)


def parse_register(data: bytes) -> KeyRegister:
    """Read keys.json. Raises FormatError (`undecodable`)."""
    try:
        register = msgspec.convert(strictjson.read_canonical(data), ready(KeyRegister))
        for text in (register.engine, register.log.key, *(e.key for held in register.devices.values() for e in held)):
            public(text)
    except (msgspec.ValidationError, ConfigError) as err:
        raise FormatError("undecodable", f"not a key register: {err}") from err
    return register


def public(text: str) -> Ed25519PublicKey:
    """The key behind its text form. Raises ConfigError."""
    return keys.parse_public(text)


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The keys that an auditor obtained from elsewhere, by name, each in its text form; a device may have several."""

    keys: Mapping[str, frozenset[str]]

    def names_devices(self) -> bool:
        """Whether the list speaks about devices at all, and so about every device."""
        return any(name.startswith(DEVICE) for name in self.keys)


def parse_trust(data: bytes, *, name: str) -> TrustedKeys:
    """Read a trust file; `name` stands for the file in messages. Raises ConfigError naming the line."""
    try:
        text = data.decode("utf-8-sig")  # Windows editors begin a UTF-8 file with a byte order mark
    except UnicodeDecodeError as err:
        raise ConfigError(f"{name}: is not UTF-8 text; save it as UTF-8") from err
    found: dict[str, frozenset[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        expected = f"{name}:{number}: write a name and its key, such as: engine ed25519:HEX"
        if len(words) != 2:  # noqa: PLR2004 - a name and a key
            raise ConfigError(f"{expected} (here are {len(words)} words)")
        owner, key_text = words
        try:
            key = keys.public_text(public(key_text))
        except (ValueError, ConfigError) as err:
            raise ConfigError(f"{expected} ({err})") from err
        if owner not in (ENGINE, LOG) and not DEVICE_ID.fullmatch(owner.removeprefix(DEVICE)):
            raise ConfigError(f"{name}:{number}: {owner!r} names no signer; write engine, log or device/ID")
        found[owner] = found.get(owner, frozenset()) | {key}
        if len(found[owner]) > 1 and owner in (ENGINE, LOG):
            raise ConfigError(f"{name}:{number}: {owner} has two different keys; keep one")
    if not found:
        raise ConfigError(f"{name}: names no key; write lines such as: engine ed25519:HEX")
    return TrustedKeys(found)
