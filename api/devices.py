"""Who owns an edge agent, how far it is trusted, and the keys that it signs with, as ingest keeps them."""

from __future__ import annotations

from api.database import Connection, statement
from ingest.database import statement as ingest_statement
from verification.evidence.keyring import DeviceKey
from verification.model import Grade


def owner(conn: Connection, device: str) -> tuple[str, Grade] | None:
    """The enterprise that `device` is enrolled for, and how far what it sends can be trusted.

    None where it is unknown or revoked.
    """
    row = conn.execute(statement("device_owner"), {"device": device}).fetchone()
    return None if row is None else (str(row[0]), Grade(row[1]))


def signing_keys(conn: Connection, device: str) -> list[DeviceKey]:
    """Every key that ever counted for `device`, the oldest first, with the signing times for which it counts."""
    rows = conn.execute(ingest_statement("device_keys"), {"devices": [device]}).fetchall()
    found = [DeviceKey(key, valid_from_us, valid_to_us) for _, _, key, valid_from_us, valid_to_us in rows]
    return sorted(found, key=lambda key: (key.valid_from_us, key.key))
