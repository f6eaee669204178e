"""`window_load_vs_copy_to`: a window as the engine takes it, against the server writing the same rows to a file.

10 million readings of 100 points. The load ends with numpy columns by point in order of time; the server's own COPY TO
groups and sorts nothing and sends nothing to anyone, so it is the limit. Both in turns, each the first every second
time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ingest.database import Connection, connect
from ingest.read import load_window
from tests.bench.figure import Figure
from tests.bench.ground import Ground

POINTS = 100
ROWS = 10_000_000
ROUNDS = 5
DEVICE = "bench-window"
# POINTS points at 1 Hz, ROWS in all.
FILL = b"""
INSERT INTO telemetry.device (id, enterprise) VALUES ('bench-window', 'bench');
INSERT INTO telemetry.point (id, device, name, address, unit, kind, meter)
SELECT 1000000 + n, 'bench-window', 'p' || n, 'ns=2;s=p' || n, 'kW', 'gauge', '' FROM generate_series(1, 100) AS n;
INSERT INTO telemetry.reading (time, server_time, value, status, batch_id, point_id, row, flags)
SELECT t, t, 100.0 + (n * 7919 % 1000) / 64.0, 0, 0, 1000000 + p, n % 5000, 0
FROM generate_series(0, 99999) AS n,
     LATERAL (SELECT timestamptz '2026-01-01Z' + n * interval '1 s') AS at (t),
     generate_series(1, 100) AS p;
"""
SAME_ROWS = """
SELECT r.time, r.value, r.status, r.point_id, r.flags FROM telemetry.reading AS r
WHERE r.point_id BETWEEN 1000001 AND 1000100 AND r.time >= '2026-01-01Z' AND r.time < '2027-01-01Z'
"""
START_US, END_US = 1_767_225_600_000_000, 1_798_761_600_000_000  # 2026 and 2027, UTC


def measure(ground: Ground) -> list[Figure]:
    """Fill a database of its own and load from it in turns."""
    with connect(ground.database("bench_window"), statement_timeout_s=0) as conn:
        return [_measure(conn, ground.copy_file)]


def _measure(conn: Connection, copy_file: Path) -> Figure:
    conn.execute(FILL)
    conn.execute("VACUUM (ANALYZE) telemetry.reading")
    load_s: list[float] = []
    copy_s: list[float] = []
    takers: list[tuple[list[float], Callable[[], int]]] = [
        (load_s, lambda: _load(conn)),
        (copy_s, lambda: _copy(conn, copy_file)),
    ]
    for number in range(ROUNDS + 1):
        for seconds, take in takers[:: 1 if number % 2 else -1]:
            begin = time.perf_counter()
            if take() != ROWS:
                raise RuntimeError("one side did not see every row; the comparison needs the same rows on both sides")
            if number:  # the first round only warms the cache
                seconds.append(time.perf_counter() - begin)
    ratio = statistics.median(copied / loaded for copied, loaded in zip(copy_s, load_s, strict=True))
    per_second = ROWS / statistics.median(load_s)
    return Figure("window_load_vs_copy_to", per_second, "rows/s", f"COPY TO file, {ROWS:,} rows", ratio)


def _load(conn: Connection) -> int:
    loaded = load_window(conn, DEVICE, [f"p{n}" for n in range(1, POINTS + 1)], START_US, END_US)
    return sum(len(columns) for columns in loaded.values())


def _copy(conn: Connection, copy_file: Path) -> int:
    return conn.execute(f"COPY ({SAME_ROWS}) TO '{copy_file}' (FORMAT binary)".encode()).rowcount
