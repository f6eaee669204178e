"""The keys of the way to ingest, and of what is kept and sealed on that way."""

from __future__ import annotations

from typing import ClassVar

from edge_agent.config.base import Problems, Strict, range_problems
from edge_agent.config.mqtt import Broker, broker_problems

# A row has 31 bytes before compression, so that even incompressible rows stay below the 256 KiB of a sealed batch.
MAX_BATCH_ROWS = 8_000
MIN_SPOOL_BYTES = 1024 * 1024
MAX_WINDOW = 1_000


class SpoolConfig(Strict, frozen=True):
    """Where readings wait for their acknowledgement, and how much may wait how long."""

    PATHS: ClassVar[tuple[str, ...]] = ("path",)

    path: str = "spool.sqlite"
    max_bytes: int = 1 << 30
    max_age_days: float = 90.0


class BatchConfig(Strict, frozen=True):
    """When waiting readings are sealed into a batch: at so many rows, or after so long."""

    max_rows: int = 5_000
    max_seconds: float = 2.0


class UplinkConfig(Broker, frozen=True):
    """The broker towards ingest; `window` batches may be under way without an acknowledgement."""

    window: int = 20


def uplink_problems(uplink: UplinkConfig, spool: SpoolConfig, batch: BatchConfig) -> Problems:
    """What is wrong on the way out."""
    yield from range_problems(spool, "spool", {"max_bytes": (MIN_SPOOL_BYTES, 1 << 42), "max_age_days": (0.01, 3_650)})
    yield from range_problems(batch, "batch", {"max_rows": (1, MAX_BATCH_ROWS), "max_seconds": (0.05, 3_600)})
    yield from range_problems(uplink, "uplink", {"window": (1, MAX_WINDOW)})
    yield from broker_problems("uplink", uplink)
