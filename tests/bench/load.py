"""The load of the measurements: one device's sealed batches of readings of many points at 1 Hz."""

from __future__ import annotations

import random
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import register
from ingest.database import Connection
from verification import batch, keys
from verification.model import Point, PointKind, Rows

BATCHES = 200
ROWS = 5_000
POINTS = 100
START_US = 1_767_225_600_000_000  # 2026-01-01 UTC
SECOND_US = 1_000_000


def seal_batches(
    conn: Connection,
    device: str,
    batches: int = BATCHES,
    *,
    rows: int = ROWS,
    key: Ed25519PrivateKey | None = None,
) -> list[bytes]:
    """The chain of a newly enrolled device: its catalogue, and `batches` of so many readings."""
    key = key or Ed25519PrivateKey.generate()
    register.enroll(conn, device, keys.public_text(key), "hengkang")
    points = tuple(Point(f"p{n}", f"ns=2;s=p{n}", "kW", PointKind.GAUGE) for n in range(POINTS))
    previous, sealed = batch.NO_PREVIOUS, []
    payloads: list[batch.Payload] = [batch.Catalogue(points), *(_rows(number, rows) for number in range(batches))]
    for sequence, payload in enumerate(payloads):
        header = batch.Header(device, START_US, sequence, previous, time.time_ns() // 1000)
        sealed.append(batch.seal(header, payload, key))
        previous = batch.open_batch(sealed[-1]).sha256
    return sealed


def _rows(number: int, rows: int) -> Rows:
    """As a plant sends them: noise in two decimals, times that jitter by a millisecond."""
    noise = random.Random(number)
    made = Rows.empty()
    for n in range(rows):
        time_us = START_US + (number * rows + n) // POINTS * SECOND_US + noise.randrange(1000)
        made.append(n % POINTS, time_us, round(noise.gauss(100, 5), 2), server_time_us=time_us + 1234)
    return made
