"""A Parquet table as header and rows of text, so that it takes the same way as a CSV file.

Times with a zone become UTC, times without stay without and are refused later like those of a CSV file. Numbers keep
every digit. Not handled: nested columns.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from verification.table.errors import refuse

MAX_CELLS = 100_000_000  # a small file may declare any number of rows: a decompression bomb is refused before it opens


def parquet_rows(data: bytes, name: str) -> tuple[list[str], Iterator[list[str]]]:
    """The column names, and the rows as text. Raises FormatError."""
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        cells = file.metadata.num_rows * file.metadata.num_columns
        if cells > MAX_CELLS:
            refuse(name, "TABLE_TOO_LARGE", f"it declares {cells} cells; a table has at most {MAX_CELLS}")
        header = list(file.schema_arrow.names)
        for field in file.schema_arrow:
            if pa.types.is_nested(field.type):
                refuse(name, "TABLE_MALFORMED", f"column {field.name!r} is nested; give plain columns")
    except (pa.ArrowException, OSError) as err:
        refuse(name, "TABLE_MALFORMED", f"it is not Parquet: {err}")
    return header, _rows(file, name)


def _rows(file: pq.ParquetFile, name: str) -> Iterator[list[str]]:
    try:
        for batch in file.iter_batches():
            columns = [_texts(column) for column in batch.columns]
            yield from (list(row) for row in zip(*columns, strict=True))
    except (pa.ArrowException, OSError) as err:
        refuse(name, "TABLE_MALFORMED", f"it is damaged: {err}")


def _texts(column: pa.Array) -> list[str]:
    """The column's values as text; null is empty."""
    if pa.types.is_timestamp(column.type):
        suffix = "Z" if column.type.tz else ""
        moments = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.timestamp("us"))
        return ["" if moment is None else moment.isoformat() + suffix for moment in moments.to_pylist()]
    return ["" if value is None else str(value) for value in column.to_pylist()]
