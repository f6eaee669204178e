"""Devices that seal a proper chain or misbehave, and waiting for a condition."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import rebuild
from ingest.database import Connection
from ingest.release import release
from verification import batch, keys
from verification.model import Point, PointKind, Rows

START_US = 1_767_225_600_000_000  # 2026-01-01 UTC
STEP_US = 900_000_000
DEADLINE_S = 30
POINTS = (
    Point("ac_energy", "ns=2;s=ac_energy", "kWh", PointKind.COUNTER, "M-1"),
    Point("line_current", "ns=2;s=line_current", "kA", PointKind.GAUGE),
)


def now_us() -> int:
    return time.time_ns() // 1000


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition of the world outside this process."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "not so before the deadline"
        time.sleep(0.02)


def waiting_for_a_lock(conn: Connection) -> int:
    """How many sessions of this database wait for a lock."""
    found = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return found.fetchone()[0]


def release_all(conn: Connection) -> None:
    """As an operator who has looked at what waits in quarantine and lets it in."""
    for (number,) in conn.execute("SELECT id FROM telemetry.quarantine ORDER BY id").fetchall():
        assert release(conn, number, received_at_us=now_us()).lets_in


def compared(url: str) -> tuple[int, int, str | None]:
    """How many batches and readings were held against each other, and where they first differ."""
    found = rebuild.compare(url)
    return found.batches, found.readings, found.first_difference


def rows(count: int = 10, *, start_us: int = START_US, points: int = 2) -> Rows:
    """`count` readings of the points in turn, each 15 minutes after the last of its own."""
    made = Rows.empty()
    for n in range(count):
        made.append(n % points, start_us + n // points * STEP_US, n * 0.1, status=0x80000000 * (n % 2), flags=n % 3)
    return made


class Device:
    """An edge agent's chain: every `seal` is the next batch."""

    def __init__(self, name: str = "potline-1", *, epoch: int = START_US, seed: int = 1) -> None:
        self.name = name
        self.key = Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32))
        self.header = batch.Header(name, epoch, 0, batch.NO_PREVIOUS, now_us())

    @property
    def public_key(self) -> str:
        return keys.public_text(self.key)

    def seal(self, payload: batch.Payload, **changes: object) -> bytes:
        """The next batch; `changes` to its header are for this batch alone."""
        data = batch.seal(replace(self.header, **changes), payload, self.key)
        self.header = replace(
            self.header,
            sequence=self.header.sequence + 1,
            previous=batch.open_batch(data).sha256,
        )
        return data

    def fork(self) -> Device:
        """The same key and chain so far, in another hand: what it seals next takes the same places."""
        return copy.copy(self)

    def chain(self, count: int, *, rows_each: int = 10) -> list[bytes]:
        """A catalogue and batches of readings that go on in time: `count` in all."""
        made = [self.seal(batch.Catalogue(POINTS))]
        while len(made) < count:
            start_us = START_US + (len(made) - 1) * rows_each // len(POINTS) * STEP_US
            made.append(self.seal(rows(rows_each, start_us=start_us)))
        return made
