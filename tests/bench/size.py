"""`bytes_per_row`: what a reading costs on disk, its share of the batch that is kept beside it, and of the log.

Readings of POINTS points at 1 Hz, as the other measurements load them: noisy values, ROWS to a batch. The ratio is to
the sealed batch, which is what went over the line. Compression is the Community tier's business and not in it.
"""

from __future__ import annotations

import itertools
import time

from ingest.admission import Arrival
from ingest.database import Connection, connect
from ingest.intake import MAX_GROUP
from ingest.writer import write_group
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.bench.load import BATCHES, ROWS, seal_batches

ALL_ROWS = BATCHES * ROWS
# A hypertable's size is that of its chunks; a plain table has its own.
READING_BYTES = """
SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (c.oid = 'telemetry.reading'::regclass
    OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid AND i.inhparent = 'telemetry.reading'::regclass))
"""


def measure(ground: Ground) -> list[Figure]:
    """Write the batches once and ask the server for sizes."""
    with connect(ground.database("bench_size")) as conn:
        sealed = seal_batches(conn, "size")
        begin = str(_one(conn, "SELECT pg_current_wal_lsn()"))
        for first in range(0, len(sealed), MAX_GROUP):
            arrivals = [Arrival.of("size", data) for data in itertools.islice(sealed, first, first + MAX_GROUP)]
            write_group(conn, arrivals, received_at_us=time.time_ns() // 1000)
        wal = int(str(_one(conn, f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{begin}')::bigint")))
        reading = int(str(_one(conn, READING_BYTES)))
        batch = int(str(_one(conn, "SELECT pg_total_relation_size('telemetry.batch')")))
    line = sum(map(len, sealed))
    return [
        _figure("reading_bytes_per_row", reading, line, "the sealed batches: table and index"),
        _figure("batch_bytes_per_row", batch, line, "the sealed batches: kept with ledger and indexes"),
        _figure("wal_bytes_per_row", wal, line, "the sealed batches: write-ahead log"),
    ]


def _figure(name: str, size: int, line: int, against: str) -> Figure:
    return Figure(name, size / ALL_ROWS, "bytes", against, size / line)


def _one(conn: Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None
