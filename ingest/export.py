"""Streams stored readings out as CSV, Parquet or Arrow, in constant memory, each with its place in the evidence.

The columns are point, time (source time; in CSV as `time_us`, microseconds since 1970 UTC), value, status (OPC UA),
flags (verification.model.RowFlag), and epoch, sequence and row: the batch that a reading came in, and where it stands
in there. In order of point, time, and of collection for readings of one time. Values as the source sent them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ingest.database import Connection, one_moment, statement
from ingest.read import END_OF_TIME_US, points
from ingest.retention import refuse_dropped
from ingest.rows import PG_EPOCH_US
from verification.model import NULL_TIME_US

BLOCK_ROWS = 1 << 16  # rows written at a time: one row group of a Parquet file, a few megabytes

SCHEMA = pa.schema(
    [
        ("point", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("status", pa.uint32()),
        ("flags", pa.uint8()),
        ("epoch", pa.int64()),
        ("sequence", pa.int64()),
        ("row", pa.int32()),
    ]
)
CSV_SCHEMA = SCHEMA.set(SCHEMA.get_field_index("time"), pa.field("time_us", pa.int64()))
# How PostgreSQL sends each column but the first, in the order of the statement `export`.
_WIRE_TYPES = (">i8", ">f8", ">i8", ">i2", ">i8", ">i8", ">i4")


class Format(StrEnum):
    """The formats; a file's suffix names one."""

    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"


def export(
    conn: Connection,
    out: BinaryIO,
    form: Format,
    device: str,
    names: Sequence[str] = (),
    start_us: int = NULL_TIME_US,
    end_us: int = END_OF_TIME_US,
    progress: Callable[[int], None] = lambda _rows: None,
) -> int:
    """Write the readings of these points, or of all; returns how many. `progress` hears of the rows since it last did.

    Raises IngestError when readings of the window were dropped by `retroproof db retain`.
    """
    total = 0
    with one_moment(conn):
        refuse_dropped(conn, device, start_us, end_us)
        known = sorted({point.name for point in points(conn, device)})
        wanted = [name for name in known if not names or name in names]
        with _writer(out, form) as writer:
            for table in _blocks(_days(conn, device, wanted, start_us, end_us)):
                writer.write_table(_for_csv(table) if form is Format.CSV else table)
                total += table.num_rows
                progress(table.num_rows)
    return total


def _writer(out: BinaryIO, form: Format) -> Any:  # noqa: ANN401 - three classes of pyarrow, which has no types
    if form is Format.CSV:
        plain = pyarrow.csv.WriteOptions(quoting_style="needed")
        return pyarrow.csv.CSVWriter(out, CSV_SCHEMA, write_options=plain)
    if form is Format.PARQUET:
        return pyarrow.parquet.ParquetWriter(out, SCHEMA, compression="zstd")
    return pa.ipc.new_file(out, SCHEMA)


def _for_csv(table: pa.Table) -> pa.Table:
    return table.rename_columns(CSV_SCHEMA.names).cast(CSV_SCHEMA)


def _days(conn: Connection, device: str, names: Iterable[str], start_us: int, end_us: int) -> Iterator[pa.RecordBatch]:
    """The readings point by point and day by day."""
    for name in names:
        window = {"device": device, "point": name, "start_us": start_us, "end_us": end_us}
        with conn.cursor(binary=True) as cursor:
            for packed in cursor.stream(statement("export"), window):
                yield _record_batch(name, packed)


def _record_batch(name: str, packed: Sequence[bytes]) -> pa.RecordBatch:
    """One day of one point from its columns, each as PostgreSQL sends them end to end."""
    columns = [np.frombuffer(data, wire) for data, wire in zip(packed, _WIRE_TYPES, strict=True)]
    native = [column.astype(column.dtype.newbyteorder("=")) for column in columns]
    native[0] += PG_EPOCH_US
    arrays = [pa.array(column).cast(field.type) for column, field in zip(native, list(SCHEMA)[1:], strict=True)]
    return pa.RecordBatch.from_arrays([pa.repeat(name, len(native[0])), *arrays], schema=SCHEMA)


def _blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Small runs gathered into blocks worth writing; none at all still makes a file with columns."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= BLOCK_ROWS:
            yield pa.Table.from_batches(held, SCHEMA).combine_chunks()
            held, rows = [], 0
    yield pa.Table.from_batches(held, SCHEMA).combine_chunks()
