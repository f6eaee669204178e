"""`writer_vs_copy` and `writer_vs_staging`: signed batches through the writer, against two ways to load the same rows.

All fill the same empty hypertable on the same durable server, in turns, from batches of 5,000 readings and then, with
`_1000` in the name, of 1,000: an agent seals what one to five seconds bring, so small batches are the common case. The
writer is the worker of `ingest serve`, fed like by the broker: it verifies, decompresses, keeps every batch, and
commits in the groups that it makes under load; the time is up when the last batch is answered.

COPY: the server itself reads the rows, as they came, from a file in one transaction, and does none of that.
Staging: what is usually done to get each row once: for each batch a transaction with a binary COPY into a temporary
table, then INSERT ... ON CONFLICT DO NOTHING. For that the index on (point, time) is a unique one meanwhile,
of PostgreSQL's own fill: filled as ours it costs staging the same or 2 % more.
Its rows come ready encoded. `writer_vs_staging_sealed` gives it the sealed batches instead, which it decompresses
and encodes, but does not verify or keep; `writer_vs_staging_grouped` gives it groups too, 64 batches to a transaction.

`copy_by_point` and `copy_without_index` are COPY too, of the rows in the writer's order, and into a table that has no
index: they show where the time goes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest import rows as row_format
from ingest.database import Connection, connect
from tests.bench.feed import Feed, worker
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.bench.load import BATCHES, POINTS, ROWS, seal_batches
from verification.batch import open_batch, read_payload
from verification.model import Rows

ROUNDS = 5
SMALL_BATCHES, SMALL_ROWS = 500, 1_000
GROUPED = 64
UNIQUE_INDEX = "CREATE UNIQUE INDEX reading_point_time ON telemetry.reading (point_id, time)"
OWN_INDEX = {
    "staging": UNIQUE_INDEX,
    "staging_sealed": UNIQUE_INDEX,
    "staging_grouped": UNIQUE_INDEX,
    "copy_without_index": "",
}
COPY_STAGING = b"COPY staging FROM STDIN (FORMAT binary)"


@dataclass(frozen=True)
class Load:
    """How many batches of how many rows, and the server's files of all these rows: as they came, and by point."""

    batches: int
    rows: int
    as_they_came: Path
    by_point: Path

    @property
    def all_rows(self) -> int:
        """In all batches together."""
        return self.batches * self.rows


def measure(ground: Ground) -> list[Figure]:
    """Fill the table in turns, each way the first every so often."""
    by_point = ground.copy_file.with_suffix(".by_point")
    url = ground.database("bench_writer")
    with connect(url) as conn, worker(url) as feed:
        index = _index(conn)
        large = Load(BATCHES, ROWS, ground.copy_file, by_point)
        taken = _rounds(conn, feed, large, index)
        figures = _figures(taken, large, "")
        for name in ("copy_by_point", "copy_without_index"):
            figures.append(_figure(name, taken, "copy", large, "COPY of the rows as they came, with the index"))
        small = Load(SMALL_BATCHES, SMALL_ROWS, ground.copy_file, by_point)
        figures += _figures(_rounds(conn, feed, small, index), small, f"_{SMALL_ROWS}")
    return figures


def _rounds(conn: Connection, feed: Feed, load: Load, index: str) -> dict[str, list[float]]:
    """Seconds by way, one for each round; `index` makes that of the product."""
    _write_files(conn, feed, load)
    taken: dict[str, list[float]] = {}
    for number in range(1, ROUNDS + 1):
        device = f"bench-{load.rows}-{number}"
        sealed = _sealed(conn, feed, device, load)
        ways: list[tuple[str, Callable[[], None]]] = [
            ("writer", lambda device=device, sealed=sealed: feed.write(device, sealed)),
            ("copy", lambda: _copy(conn, load.as_they_came, load)),
            ("staging", lambda: _stage(conn, _from_file(load, batches_each=1), load)),
            ("staging_sealed", lambda sealed=sealed: _stage(conn, map(_unsealed, sealed), load)),
            ("staging_grouped", lambda: _stage(conn, _from_file(load, batches_each=GROUPED), load)),
            ("copy_by_point", lambda: _copy(conn, load.by_point, load)),
            ("copy_without_index", lambda: _copy(conn, load.as_they_came, load)),
        ]
        turn = number % len(ways)
        for name, take in ways[turn:] + ways[:turn]:
            taken.setdefault(name, []).append(_seconds(conn, OWN_INDEX.get(name, index), take))
    return taken


def _index(conn: Connection) -> str:
    """How the product makes its index on (point, time)."""
    row = conn.execute("SELECT pg_get_indexdef('telemetry.reading_point_time'::regclass)").fetchone()
    return str(row and row[0])


def _write_files(conn: Connection, feed: Feed, load: Load) -> None:
    """The server's first time, and the files that it reads afterwards."""
    conn.execute("TRUNCATE telemetry.reading")
    device = f"bench-{load.rows}-0"
    feed.write(device, _sealed(conn, feed, device, load))
    for path, order in ((load.as_they_came, "batch_id, row"), (load.by_point, "point_id, batch_id, row")):
        conn.execute(f"COPY (TABLE telemetry.reading ORDER BY {order}) TO '{path}' (FORMAT binary)".encode())


def _sealed(conn: Connection, feed: Feed, device: str, load: Load) -> list[bytes]:
    """The batches of readings of a new device, whose catalogue is written already."""
    catalogue, *readings = seal_batches(conn, device, load.batches, rows=load.rows)
    feed.write(device, [catalogue])
    return readings


def _seconds(conn: Connection, index: str, take: Callable[[], None]) -> float:
    conn.execute("TRUNCATE telemetry.reading")
    conn.execute("DROP INDEX IF EXISTS telemetry.reading_point_time")
    if index:  # never prepared: TimescaleDB 2.19.3 crashes where a prepared CREATE INDEX ... WITH is run again
        conn.execute(index.encode(), prepare=False)
    conn.execute("CHECKPOINT")
    begin = time.perf_counter()
    take()
    return time.perf_counter() - begin


def _figures(taken: dict[str, list[float]], load: Load, suffix: str) -> list[Figure]:
    """The writer against each of the others."""
    against = {
        "copy": f"COPY FROM file, {load.all_rows:,} rows",
        "staging": f"COPY + staging + ON CONFLICT, {load.rows:,} rows a transaction",
        "staging_sealed": "the same from the sealed batches: decompressed and encoded, not verified or kept",
        "staging_grouped": f"as staging, {load.rows * GROUPED:,} rows a transaction",
    }
    return [_figure("writer", taken, other, load, said, f"_vs_{other}{suffix}") for other, said in against.items()]


def _figure(way: str, taken: dict[str, list[float]], other: str, load: Load, against: str, suffix: str = "") -> Figure:
    """Ratios are made within a round: its runs are next to each other, so what else the machine does weighs on all."""
    ratio = statistics.median(theirs / ours for theirs, ours in zip(taken[other], taken[way], strict=True))
    return Figure(way + suffix, load.all_rows / statistics.median(taken[way]), "rows/s", against, ratio)


def _copy(conn: Connection, copy_file: Path, load: Load) -> None:
    copied = conn.execute(f"COPY telemetry.reading FROM '{copy_file}' (FORMAT binary)".encode())
    _expect(copied.rowcount, load)


def _stage(conn: Connection, transactions: Iterable[bytes], load: Load) -> None:
    inserted = 0
    conn.execute("CREATE TEMPORARY TABLE IF NOT EXISTS staging (LIKE telemetry.reading)")
    for rows in transactions:
        with conn.transaction():
            with conn.cursor() as cursor, cursor.copy(COPY_STAGING) as copy:
                copy.write(row_format.SIGNATURE)
                copy.write(rows)
                copy.write(row_format.TRAILER)
            inserted += conn.execute("INSERT INTO telemetry.reading TABLE staging ON CONFLICT DO NOTHING").rowcount
            conn.execute("TRUNCATE staging")
    _expect(inserted, load)


def _from_file(load: Load, *, batches_each: int) -> Iterator[bytes]:
    """The rows ready encoded, so that nothing but the database is measured on this side."""
    size = batches_each * load.rows * row_format.RECORD.itemsize
    with load.as_they_came.open("rb") as file:
        file.seek(len(row_format.SIGNATURE))
        while (rows := file.read(size)) not in {b"", row_format.TRAILER}:
            yield rows if len(rows) == size else rows.removesuffix(row_format.TRAILER)


def _unsealed(data: bytes) -> bytes:
    """The rows of a sealed batch, encoded under ids that are free: the table was emptied."""
    batch = open_batch(data)
    payload = read_payload(batch)
    if not isinstance(payload, Rows):
        raise TypeError("not a batch of readings")
    point_ids = np.arange(POINTS, dtype=np.int32)
    joined = row_format.join([(row_format.encode(payload), point_ids)])
    return b"".join(part.tobytes() for part in joined.in_parts([batch.header.sequence]))


def _expect(count: int, load: Load) -> None:
    if count != load.all_rows:
        raise RuntimeError(f"{count} rows were taken; the comparison needs the same {load.all_rows} rows on all sides")
