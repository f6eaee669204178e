"""What pyarrow reads for us: Parquet tables, and plain CSV files by the column.

Parquet keeps numbers and times as they are, and everything else becomes text like a CSV file's cells; times without a
zone stay text and are refused later. Not handled: nested columns.
"""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from verification.series.columns import Booleans, Floats, Integers
from verification.table.cells import NUMBER, PLAIN_TIME, SECONDS, Column, Problem
from verification.table.errors import refuse
from verification.table.grid import Grid

WORTH_THREADS_BYTES = 8 << 20  # below it threads cost more than they bring, and may still end when the program does
MAX_CELLS = 100_000_000  # a small file may declare any number of rows: a decompression bomb is refused before it opens


class _Packed:
    """`PackedTexts` as pyarrow holds them."""

    def __init__(self, cells: pa.ChunkedArray) -> None:
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    def take(self, rows: Integers) -> _Packed:
        return _Packed(self._cells.take(pa.array(rows)))

    def filled(self) -> Booleans:
        filled: Booleans = pc.not_equal(self._cells, "").to_numpy()
        return filled

    def distinct(self) -> tuple[list[str], Integers]:
        found = pc.unique(self._cells)
        index: Integers = pc.index_in(self._cells, value_set=found).to_numpy().astype(np.int64)
        return found.to_pylist(), index

    def numbers(self) -> Floats | None:
        if not self._all_match(f"(?:{NUMBER})?"):
            return None
        digits = pc.if_else(pc.equal(self._cells, ""), None, self._cells)
        numbers: Floats = digits.cast(pa.float64()).to_numpy()
        return None if np.isinf(numbers).any() else numbers

    def times(self) -> Integers | None:
        offsets = pc.unique(pc.utf8_slice_codeunits(self._cells, SECONDS))
        if len(offsets) > 1 or not self._all_match(PLAIN_TIME):
            return None
        try:
            moments = self._cells.cast(pa.timestamp("us", "UTC"))
        except pa.ArrowInvalid:  # a date or an offset that is none
            return None
        times: Integers = moments.cast(pa.int64()).to_numpy()
        return times

    def unpacked(self) -> list[str]:
        return list(map(str.strip, self._cells.to_pylist()))  # of all space that Python knows

    def _all_match(self, pattern: str) -> bool:
        matched = pc.match_substring_regex(self._cells, f"^(?:{pattern})$")
        return bool(pc.all(matched, min_count=0).as_py())


def plain_columns(utf8: bytes, width: int) -> list[Column] | None:
    """The columns of a CSV file in which nothing is quoted, as text; None where its rows are not all of one width."""
    names = [str(index) for index in range(width)]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(utf8),
            read_options=pa_csv.ReadOptions(
                column_names=names, skip_rows=1, use_threads=len(utf8) > WORTH_THREADS_BYTES
            ),
            parse_options=pa_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, OverflowError):
        return None
    return [_Packed(pc.utf8_trim_whitespace(column)) for column in table.columns]


def parquet_grid(data: bytes, name: str) -> Grid:
    """The cells of a Parquet file. Raises FormatError."""
    try:
        file = pq.ParquetFile(io.BytesIO(data))
        cells = file.metadata.num_rows * file.metadata.num_columns
        if cells > MAX_CELLS:
            refuse(name, "TABLE_TOO_LARGE", f"it declares {cells} cells; a table has at most {MAX_CELLS}")
        header = [column.strip() for column in file.schema_arrow.names]
        for field in file.schema_arrow:
            if pa.types.is_nested(field.type):
                refuse(name, "TABLE_MALFORMED", f"column {field.name!r} is nested; give plain columns")
    except (pa.ArrowException, OSError) as err:
        refuse(name, "TABLE_MALFORMED", f"it is not Parquet: {str(err).strip()}")
    try:
        columns = [_column(column.combine_chunks()) for column in file.read().columns]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as err:
        refuse(name, "TABLE_MALFORMED", f"it is damaged: {str(err).strip()}")
    rows = len(columns[0]) if columns else 0
    return Grid(header, columns, range(1, rows + 1), Problem())


def _column(column: pa.Array) -> Column:
    """The column's values; text where there are nulls, because an empty cell is no problem and a NaN is one."""
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        if column.type.tz and not column.null_count:
            times: Column = micros.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
            return times
        suffix = "Z" if column.type.tz else ""
        moments = micros.cast(pa.timestamp("us")).to_pylist()
        return ["" if moment is None else moment.isoformat() + suffix for moment in moments]
    is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if is_number and not column.null_count:
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    if is_number or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = pc.fill_null(column.cast(pa.string()), "")
        return _Packed(pa.chunked_array([pc.utf8_trim_whitespace(texts)]))
    return ["" if value is None else str(value).strip() for value in column.to_pylist()]
