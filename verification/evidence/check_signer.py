"""The axis `signer`: whose keys made the signatures, did they count at the time, and are they the ones that the
reader trusts?

Without a trust file the keys are those that the package itself names, so that a wholly forged package would pass; the
reasons then say loudly which keys to compare.
"""

from __future__ import annotations

from collections.abc import Iterator

from verification import keys
from verification.batch import KeyChange
from verification.evidence import keyring
from verification.evidence.check_evidence import Evidence
from verification.evidence.check_report import Reason
from verification.evidence.keyring import TrustedKeys


def check_signer(evidence: Evidence, trusted: TrustedKeys | None) -> Iterator[Reason]:
    """Every reason about the signers."""
    yield from evidence.signature_faults
    for name, key in sorted(_used(evidence)):
        about = {"name": name, "key": key}
        if trusted is None:
            yield Reason("KEYS_FROM_PACKAGE", data=about)
        elif name in trusted.keys:
            if key not in trusted.keys[name] | _successors(evidence, name, trusted.keys[name]):
                yield Reason("FOREIGN_KEY", data=about)
        elif name.startswith(keyring.DEVICE) and not trusted.names_devices():
            yield Reason("DEVICE_KEY_VOUCHED", data=about)
        else:
            yield Reason("UNTRUSTED_NAME", data=about)


def _successors(evidence: Evidence, name: str, trusted: frozenset[str]) -> set[str]:
    """The keys of a device that its trusted keys named as their successors, in batches of this package."""
    device = name.removeprefix(keyring.DEVICE)
    if device == name or evidence.signature_faults:
        return set()
    known = set(trusted)
    for (_, batch), (_, delivery) in zip(evidence.opened, evidence.deliveries, strict=True):
        if batch.header.device == device and isinstance(delivery.payload, KeyChange):
            signer, _ = evidence.register.signer_of(device, batch.envelope.key_id, batch.header.signed_at_us)
            if signer is not None and keys.public_text(signer) in known:
                known.add(keys.public_text(keys.from_raw(delivery.payload.public_key)))
    return known


def _used(evidence: Evidence) -> set[tuple[str, str]]:
    """Name and text form of every key that signed something in this package."""
    register = evidence.register
    used = {(keyring.ENGINE, register.engine), (keyring.LOG, register.log.key)}
    for _, batch in evidence.opened:
        key, _ = register.signer_of(batch.header.device, batch.envelope.key_id, batch.header.signed_at_us)
        if key is not None:
            used.add((keyring.DEVICE + batch.header.device, keys.public_text(key)))
    return used
