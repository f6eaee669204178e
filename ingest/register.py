"""The register of devices and their keys: who may send, from when, until when."""

from __future__ import annotations

import datetime as dt

from ingest.database import Connection, statement
from ingest.errors import IngestError
from verification import keys
from verification.batch import Batch, KeyChange
from verification.model import DEVICE_ID

BROKER_USER = "ingest"  # in the broker's access list (deploy/broker/uplink.acl.conf), where a device is its name
# A key counts from a day before it was enrolled, because the clock of an edge box may be behind.
CLOCK_ALLOWANCE = dt.timedelta(days=1)


def check_id(device: str) -> None:
    """Raises IngestError for what cannot be a device's id."""
    if not DEVICE_ID.fullmatch(device):
        raise IngestError(f"{device!r} is not a device id: a-z, 0-9 and -, at most 63 characters")
    if device == BROKER_USER:
        raise IngestError(f"{device!r} is ingest itself to the broker, which reads what all send; use another id")


def enroll(
    conn: Connection, device: str, public_key: str, enterprise: str, *, valid_from: dt.datetime | None = None
) -> bool:
    """Enrol a device, or add a key to it; False if this was done before. Raises IngestError, ConfigError (bad key)."""
    check_id(device)
    if valid_from is not None and valid_from.tzinfo is None:
        raise IngestError("valid_from needs a time zone, for example 2026-01-31T00:00:00+08:00")
    key = keys.parse_public(public_key)
    with conn.transaction():
        conn.execute(
            "INSERT INTO telemetry.device (id, enterprise) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (device, enterprise),
        )
        held = conn.execute(
            "SELECT enterprise, revoked_at, grade FROM telemetry.device WHERE id = %s FOR NO KEY UPDATE", (device,)
        ).fetchone()
        if held is None or held[0] != enterprise:
            raise IngestError(f"{device} belongs to {held and held[0]!r}; a device keeps its owner: use a new id")
        if held[2] != "signed":
            raise IngestError(f"{device} is a gateway that signs nothing; enrol the device under another id")
        if held[1] is not None:
            raise IngestError(f"{device} was revoked at {held[1]:%Y-%m-%d %H:%M} UTC; enrol it under a new id")
        added = conn.execute(
            "INSERT INTO telemetry.device_key (device, key_id, public_key, valid_from)"
            " VALUES (%s, %s, %s, coalesce(%s, now() - %s)) ON CONFLICT DO NOTHING",
            (device, keys.key_id(key), keys.public_text(key), valid_from, CLOCK_ALLOWANCE),
        )
    return added.rowcount == 1


def revoke_device(conn: Connection, device: str) -> None:
    """Take nothing more from a device, whenever it was signed. Raises IngestError if there is none to revoke."""
    done = conn.execute(
        "UPDATE telemetry.device SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL", (device,)
    )
    if done.rowcount == 0:
        raise IngestError(f"{device} is not enrolled, or was revoked before; see: retroproof db status")


def retire_key(conn: Connection, device: str, key_id: str) -> None:
    """End the validity of one key now: what it signed before still counts. Raises IngestError if there is none.

    Under the lock of the device, or a change of key that is being written would set another end and name a successor.
    """
    try:
        wanted = bytes.fromhex(key_id)
    except ValueError as err:
        raise IngestError(f"{key_id!r} is not a key id: 16 hex digits") from err
    with conn.transaction():
        conn.execute("SELECT FROM telemetry.device WHERE id = %s FOR NO KEY UPDATE", (device,))
        done = conn.execute(
            "UPDATE telemetry.device_key SET valid_to = greatest(now(), valid_from)"
            " WHERE device = %s AND key_id = %s AND valid_to IS NULL",
            (device, wanted),
        )
    if done.rowcount == 0:
        raise IngestError(f"{device} has no key {key_id} in use")


def change_key(conn: Connection, batch: Batch, change: KeyChange) -> None:
    """What an admitted change of key does: the new key counts from this batch on, and the old one up to it.

    Both by the time of signing, so that what the old key signed before still counts when it arrives later.
    """
    new = keys.from_raw(change.public_key)
    conn.execute(
        statement("change_key"),
        {
            "device": batch.header.device,
            "old_id": batch.envelope.key_id,
            "new_id": keys.key_id(new),
            "new_key": keys.public_text(new),
            "signed_at_us": batch.header.signed_at_us,
        },
    )
