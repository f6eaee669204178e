"""`writer_vs_copy`: signed batches through the writer, against the database server reading the same rows from a file.

Both fill the same empty hypertable with the same index on the same durable server, in turns, each the first every
second time. The writer verifies, decompresses, keeps every batch and commits in the groups that the worker makes under
load; the server's own COPY does none of that, so it is the limit.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import register
from ingest.admission import Arrival, Code
from ingest.database import Connection
from ingest.service import MAX_GROUP
from ingest.writer import write_group
from tests.bench.figure import Figure
from verification import batch, keys
from verification.model import Point, PointKind, Rows

BATCHES = 200
ROWS = 5_000
POINTS = 100
ROUNDS = 7
START_US = 1_767_225_600_000_000  # 2026-01-01 UTC
SECOND_US = 1_000_000


def measure(conn: Connection, copy_file: Path) -> Figure:
    """Fill the table in turns. `copy_file` is where the server, not we, can write and read."""
    writer_s: list[float] = []
    copy_s: list[float] = []
    _write(conn, "bench-0", seal_batches(conn, "bench-0"))  # the server's first time, and the rows of the file
    conn.execute(f"COPY (TABLE telemetry.reading) TO '{copy_file}' (FORMAT binary)".encode())
    for number in range(1, ROUNDS + 1):
        device = f"bench-{number}"
        sealed = seal_batches(conn, device)
        takers: list[tuple[list[float], Callable[[], None]]] = [
            (writer_s, lambda device=device, sealed=sealed: _write(conn, device, sealed)),
            (copy_s, lambda: _copy(conn, copy_file)),
        ]
        for seconds, take in takers[:: 1 if number % 2 else -1]:
            conn.execute("TRUNCATE telemetry.reading")
            conn.execute("CHECKPOINT")
            begin = time.perf_counter()
            take()
            seconds.append(time.perf_counter() - begin)
    rows = BATCHES * ROWS
    per_second = rows / statistics.median(writer_s)
    # Both of a round run next to each other, so whatever else the machine does weighs on both: the ratio is made there.
    ratio = statistics.median(copied / written for copied, written in zip(copy_s, writer_s, strict=True))
    return Figure("writer_vs_copy", per_second, "rows/s", f"COPY FROM file, {rows:,} rows", ratio)


def seal_batches(conn: Connection, device: str) -> list[bytes]:
    """The batches of a new device, readings of POINTS points at 1 Hz; its catalogue is written already."""
    key = Ed25519PrivateKey.generate()
    register.enroll(conn, device, keys.public_text(key), "bench")
    points = tuple(Point(f"p{n}", f"ns=2;s=p{n}", "kW", PointKind.GAUGE) for n in range(POINTS))
    previous, sealed = batch.NO_PREVIOUS, []
    payloads: list[batch.Payload] = [batch.Catalogue(points), *(_rows(number) for number in range(BATCHES))]
    for sequence, payload in enumerate(payloads):
        header = batch.Header(device, START_US, sequence, previous, time.time_ns() // 1000)
        sealed.append(batch.seal(header, payload, key))
        previous = batch.open_batch(sealed[-1]).sha256
    _write(conn, device, sealed[:1])
    return sealed[1:]


def _rows(number: int) -> Rows:
    made = Rows.empty()
    for n in range(ROWS):
        time_us = START_US + (number * ROWS + n) // POINTS * SECOND_US
        made.append(n % POINTS, time_us, 100.0 + (n * 7919 % 1000) / 64, server_time_us=time_us + 1234)
    return made


def _write(conn: Connection, device: str, sealed: Sequence[bytes]) -> None:
    for first in range(0, len(sealed), MAX_GROUP):
        arrivals = [Arrival.of(device, data) for data in itertools.islice(sealed, first, first + MAX_GROUP)]
        outcome = write_group(conn, arrivals, received_at_us=time.time_ns() // 1000)
        if any(decision.code is not Code.ACCEPTED for decision in outcome.decisions):
            raise RuntimeError("a batch of the bench was not accepted; what was measured is not the writer")


def _copy(conn: Connection, copy_file: Path) -> None:
    copied = conn.execute(f"COPY telemetry.reading FROM '{copy_file}' (FORMAT binary)".encode())
    if copied.rowcount != BATCHES * ROWS:
        raise RuntimeError(f"COPY took {copied.rowcount} rows; the comparison needs the same rows on both sides")
