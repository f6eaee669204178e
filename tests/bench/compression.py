"""`compression_ratio`: the room of a day's readings before and after the Community tier compresses them.

Readings as plants send them and not as a compressor likes them: times that jitter by milliseconds, gauges with noise in
the third decimal, counters that rise unevenly. The bytes include the index. No figure on the other tiers.
"""

from __future__ import annotations

from ingest.database import connect
from ingest.tier import Tier, detect
from tests.bench.figure import Figure
from tests.bench.ground import Ground

# 100 points at 1 Hz for six hours; every fourth point is a counter. In batches of 5,000 rows.
FILL = b"""
SELECT setseed(0.5);
INSERT INTO telemetry.reading (time, server_time, value, status, batch_id, point_id, row, flags)
SELECT t, t + random() * interval '50 milliseconds',
       CASE WHEN p % 4 = 0 THEN round((n * p / 36.0 + random())::numeric, 2)
            ELSE round((100 + p + 10 * sin(n / 600.0 + p) + random())::numeric, 3) END,
       CASE WHEN random() < 0.001 THEN 2147483648 ELSE 0 END, n / 50, p, n % 50 * 100 + p - 1, 0
FROM generate_series(0, 21599) AS n, generate_series(1, 100) AS p,
     LATERAL (SELECT timestamptz '2026-01-02Z' + n * interval '1 s' + random() * interval '5 milliseconds') AS at (t);
"""


def measure(ground: Ground) -> list[Figure]:
    """Fill a database of its own, compress everything, compare."""
    with connect(ground.database("bench_compression"), statement_timeout_s=0) as conn:
        if detect(conn) is not Tier.COMMUNITY:
            print("compression_ratio: not on this tier; see RETROPROOF_TEST_POSTGRES in docs/reference/database.md")
            return []
        conn.execute(FILL)
        conn.execute("SELECT compress_chunk(c) FROM show_chunks('telemetry.reading') AS c")
        row = conn.execute(
            "SELECT before_compression_total_bytes, after_compression_total_bytes,"
            " (SELECT count(*) FROM telemetry.reading) FROM hypertable_compression_stats('telemetry.reading')"
        ).fetchone()
    before, after, rows = row or (0, 1, 0)
    return [
        Figure("compression_ratio", after / rows, "B/row", f"{before / rows:.0f} B a row uncompressed", before / after)
    ]
