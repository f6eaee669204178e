"""`writer_vs_copy` and `writer_vs_staging`: signed batches through the writer, against two ways to load the same rows.

All fill the same empty hypertable on the same durable server, in turns. The writer verifies, decompresses, keeps every
batch and commits in the groups that the worker makes under load.

COPY: the server itself reads the rows from a file in one transaction, and does none of that: it is the limit.
Staging: what is usually done to get each row once: for each batch a transaction with a binary COPY into a temporary
table, then INSERT ... ON CONFLICT DO NOTHING. For that the index on (point, time) is a unique one meanwhile.
`writer_vs_staging_grouped` gives it the writer's groups, 64 batches to a transaction.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest import rows as row_format
from ingest.admission import Arrival, Code
from ingest.database import Connection, connect
from ingest.service import MAX_GROUP
from ingest.writer import write_group
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.bench.load import BATCHES, ROWS, seal_batches

ROUNDS = 5
ALL_ROWS = BATCHES * ROWS
PLAIN_INDEX = "CREATE INDEX reading_point_time ON telemetry.reading (point_id, time)"
UNIQUE_INDEX = "CREATE UNIQUE INDEX reading_point_time ON telemetry.reading (point_id, time)"
COPY_STAGING = b"COPY staging FROM STDIN (FORMAT binary)"


def measure(ground: Ground) -> list[Figure]:
    """Fill the table in turns, each way the first every so often."""
    with connect(ground.database("bench_writer")) as conn:
        _write(conn, "bench-0", _sealed(conn, "bench-0"))  # the server's first time, and the rows of the file
        conn.execute(f"COPY (TABLE telemetry.reading) TO '{ground.copy_file}' (FORMAT binary)".encode())
        taken: dict[str, list[float]] = {"writer": [], "copy": [], "staging": [], "grouped": []}
        for number in range(1, ROUNDS + 1):
            device = f"bench-{number}"
            sealed = _sealed(conn, device)
            ways: list[tuple[str, Callable[[], None]]] = [
                ("writer", lambda device=device, sealed=sealed: _write(conn, device, sealed)),
                ("copy", lambda: _copy(conn, ground.copy_file)),
                ("staging", lambda: _stage(conn, ground.copy_file, ROWS)),
                ("grouped", lambda: _stage(conn, ground.copy_file, ROWS * MAX_GROUP)),
            ]
            turn = number % len(ways)
            for name, take in ways[turn:] + ways[:turn]:
                taken[name].append(_seconds(conn, name, take))
    return [
        _figure("writer_vs_copy", taken, "copy", f"COPY FROM file, {ALL_ROWS:,} rows"),
        _figure("writer_vs_staging", taken, "staging", "COPY + staging + ON CONFLICT, a batch a time"),
        _figure("writer_vs_staging_grouped", taken, "grouped", f"the same, {MAX_GROUP} batches a time"),
    ]


def _sealed(conn: Connection, device: str) -> list[bytes]:
    """The batches of readings of a new device, whose catalogue is written already."""
    catalogue, *readings = seal_batches(conn, device)
    _write(conn, device, [catalogue])
    return readings


def _seconds(conn: Connection, name: str, take: Callable[[], None]) -> float:
    conn.execute("TRUNCATE telemetry.reading")
    conn.execute("DROP INDEX telemetry.reading_point_time")
    conn.execute(UNIQUE_INDEX if name in {"staging", "grouped"} else PLAIN_INDEX)
    conn.execute("CHECKPOINT")
    begin = time.perf_counter()
    take()
    return time.perf_counter() - begin


def _figure(name: str, taken: dict[str, list[float]], other: str, against: str) -> Figure:
    """Ratios are made within a round: its runs are next to each other, so what else the machine does weighs on all."""
    ratio = statistics.median(seconds / writer for seconds, writer in zip(taken[other], taken["writer"], strict=True))
    return Figure(name, ALL_ROWS / statistics.median(taken["writer"]), "rows/s", against, ratio)


def _write(conn: Connection, device: str, sealed: Sequence[bytes]) -> None:
    for first in range(0, len(sealed), MAX_GROUP):
        arrivals = [Arrival.of(device, data) for data in itertools.islice(sealed, first, first + MAX_GROUP)]
        outcome = write_group(conn, arrivals, received_at_us=time.time_ns() // 1000)
        if any(decision.code is not Code.ACCEPTED for decision in outcome.decisions):
            raise RuntimeError("a batch of the bench was not accepted; what was measured is not the writer")


def _copy(conn: Connection, copy_file: Path) -> None:
    copied = conn.execute(f"COPY telemetry.reading FROM '{copy_file}' (FORMAT binary)".encode())
    _expect(copied.rowcount)


def _stage(conn: Connection, copy_file: Path, rows_each: int) -> None:
    """The rows come ready encoded from a file, so that nothing but the database is measured on this side."""
    size = rows_each * row_format.to_records([]).itemsize
    inserted = 0
    conn.execute("CREATE TEMPORARY TABLE IF NOT EXISTS staging (LIKE telemetry.reading)")
    with copy_file.open("rb") as file:
        file.seek(len(row_format.SIGNATURE))
        while (rows := file.read(size)) not in {b"", row_format.TRAILER}:
            with conn.transaction():
                with conn.cursor() as cursor, cursor.copy(COPY_STAGING) as copy:
                    copy.write(row_format.SIGNATURE)
                    copy.write(rows.removesuffix(row_format.TRAILER) if len(rows) < size else rows)
                    copy.write(row_format.TRAILER)
                done = conn.execute("INSERT INTO telemetry.reading TABLE staging ON CONFLICT DO NOTHING")
                inserted += done.rowcount
                conn.execute("TRUNCATE staging")
    _expect(inserted)


def _expect(count: int) -> None:
    if count != ALL_ROWS:
        raise RuntimeError(f"{count} rows were taken; the comparison needs the same {ALL_ROWS} rows on all sides")
