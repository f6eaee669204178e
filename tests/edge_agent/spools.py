"""What the tests of the spool share: a clock that stands still, readings, and a look inside."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.clock import ClockState
from edge_agent.spool import Spool
from edge_agent.spool_model import Limits, SealedBatch
from edge_agent.spool_recovery import open_spool
from verification import ack, batch
from verification.model import Point, PointKind, Rows

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
POINTS = (
    Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER),
    Point("b", "ns=2;s=b", "V", PointKind.GAUGE, "M-1"),
)
START_US = 1_700_000_000_000_000
LIMITS = Limits()
CLOCK = ClockState("synchronised", 12)


class Clock:
    """Stands still unless it is turned."""

    def __init__(self) -> None:
        self.us = START_US

    def __call__(self) -> int:
        return self.us


def open_at(path: Path, clock: Clock, limits: Limits = LIMITS, **changes: object) -> Spool:
    return open_spool(path, "device-1", KEY, limits, now_us=clock, **changes)


def rows_of(*readings: tuple[int, int, float]) -> Rows:
    rows = Rows.empty()
    for point, time_us, value in readings:
        rows.append(point, time_us, value)
    return rows


def held(spool: Spool) -> list[SealedBatch]:
    """Every batch in the spool, whether or not it may go out yet."""
    found = spool._db.execute("SELECT epoch, sequence, sha256, data FROM batch ORDER BY epoch, sequence")
    return [SealedBatch(*row) for row in found]


def sealed(spool: Spool) -> list[batch.Batch]:
    return [batch.open_batch(item.data) for item in held(spool)]


def ack_through(spool: Spool, sequence: int, **changes: object) -> ack.Ack:
    (item,) = spool.pending((spool.identity.epoch, sequence - 1), 1)
    said = {"device": "device-1", "epoch": item.epoch, "through": item.sequence, "sha256": item.sha256}
    return ack.Ack(**(said | changes))


def set_aside(path: Path) -> list[Path]:
    return [found for found in path.parent.glob(f"{path.name}.corrupt-*") if found.name[-1].isdecimal()]
