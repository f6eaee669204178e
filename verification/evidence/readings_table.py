"""The readings of signed batches as numpy series for the engine, and as Parquet for people's tools.

Needs the analysis extra. The Parquet file has the rows of readings.csv in their order: point (string), time
(microseconds, UTC), value (double), status (uint32).
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from verification.evidence.deliveries import Delivery
from verification.model import Rows
from verification.series.columns import Floats, Integers, Series, empty_series

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
    point, readings = _readings(deliveries, list(points))
    return {name: readings.take(point == number) for number, name in enumerate(points)}


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
    others = [name for name in _SCHEMA.names if name != "value"]
    if found["value"].null_count or any(not found[name].equals(expected[name]) for name in others):
        return False
    return _same_bits(found["value"].to_numpy(), expected["value"].to_numpy())


def _same_bits(one: Floats, other: Floats) -> bool:
    """A NaN that a source sent equals itself, and -0.0 is not 0.0."""
    same = one.view(np.int64) == other.view(np.int64)
    return bool((same | (np.isnan(one) & np.isnan(other))).all())


def _table(deliveries: Iterable[Delivery], points: Collection[str]) -> pa.Table:
    names = list(points)
    number, readings = _readings(deliveries, names)
    point = pa.DictionaryArray.from_arrays(number, pa.array(names, pa.string())).cast(pa.string())
    time = pa.array(readings.time_us).cast(pa.timestamp("us", tz="UTC"))
    return pa.table([point, time, pa.array(readings.value), pa.array(readings.status)], schema=_SCHEMA)


def _readings(deliveries: Iterable[Delivery], points: list[str]) -> tuple[Integers, Series]:
    """The readings of all `points` in order of collection, and for each of them the number of its point."""
    numbers, parts = [np.zeros(0, dtype=np.int64)], [empty_series()]
    for delivery in deliveries:
        rows = delivery.payload
        if isinstance(rows, Rows) and len(rows):
            of_index = np.full(max(delivery.catalogue) + 1, -1, dtype=np.int64)
            for index, about in delivery.catalogue.items():
                of_index[index] = points.index(about.name) if about.name in points else -1
            number = of_index[np.asarray(rows.point)]
            numbers.append(number[number >= 0])
            parts.append(Series.of(rows.time_us, rows.value, rows.status, rows.flags).take(number >= 0))
    time_us, value, status, flags = (
        np.concatenate([getattr(part, field.name) for part in parts]) for field in dataclasses.fields(Series)
    )
    return np.concatenate(numbers), Series(time_us, value, status, flags)
