"""The readings of signed batches as numpy series for the engine, and as Parquet for people's tools.

Needs the analysis extra. The Parquet file has the rows of readings.csv in their order: point (string), time
(microseconds, UTC), value (double), status (uint32).
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from verification.evidence.deliveries import Delivery, Reading
from verification.series.columns import Series

_SCHEMA = pa.schema(
    [
        ("point", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("status", pa.uint32()),
    ]
)


def to_series(deliveries: Iterable[Delivery], points: Collection[str]) -> dict[str, Series]:
    """One series for each of `points`, in order of collection; a point without readings has an empty one."""
    found: dict[str, list[Reading]] = {point: [] for point in points}
    for delivery in deliveries:
        for reading in delivery.readings(points):
            found[reading.point].append(reading)
    return {
        point: Series.of(
            np.array([reading.time_us for reading in readings], dtype=np.int64),
            np.array([reading.value for reading in readings], dtype=np.float64),
            np.array([reading.status for reading in readings], dtype=np.uint32),
            np.array([reading.flags for reading in readings], dtype=np.uint8),
        )
        for point, readings in found.items()
    }


def to_parquet(deliveries: Iterable[Delivery], points: Collection[str]) -> bytes:
    """The readings of `points` as a Parquet file, in the order of readings.csv."""
    buffer = io.BytesIO()
    pq.write_table(_table(deliveries, points), buffer, compression="zstd")
    return buffer.getvalue()


def parquet_holds(data: bytes, deliveries: Iterable[Delivery], points: Collection[str]) -> bool:
    """Whether a Parquet file holds exactly the readings of `points`; bytes that are not Parquet hold none."""
    expected = _table(deliveries, points)
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        if file.metadata.num_rows != len(expected):  # a small file may declare any number of rows
            return False
        found = file.read()
    except (pa.ArrowException, OSError):
        return False
    if found.schema.remove_metadata() != expected.schema:
        return False
    # Values are compared by their bits: a NaN that a source sent equals itself, and -0.0 is not 0.0.
    return all(_bits(found, name) == _bits(expected, name) for name in _SCHEMA.names)


def _table(deliveries: Iterable[Delivery], points: Collection[str]) -> pa.Table:
    rows = [reading[: len(_SCHEMA)] for delivery in deliveries for reading in delivery.readings(points)]
    columns = zip(*rows, strict=True) if rows else [[] for _ in _SCHEMA]
    return pa.table(
        [pa.array(list(column), kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)], _SCHEMA
    )


def _bits(table: pa.Table, name: str) -> list[object]:
    """A column as values that compare equal only where they are the same, to the last bit."""
    column = table.column(name).to_pylist()
    return [value.hex() if isinstance(value, float) else value for value in column]
