"""The cells of a table by column, with the line of each row, whichever file they came from.

A CSV file that is plain (nothing quoted, no empty line, every row as wide as the header) is split by pyarrow, which
takes a tenth of the time; any other is read by Python's own reader, which knows where each row ends.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence

import numpy as np

from verification.series.columns import Booleans, Integers
from verification.table.cells import Column, Problem
from verification.table.errors import refuse


@dataclasses.dataclass(frozen=True)
class Grid:
    """Equally long columns under their names, the line of each row, and the rows that had another width."""

    header: list[str]
    columns: list[Column]
    lines: Sequence[int]
    ragged: Problem

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def cells(self, name: str, rows: Integers) -> Column:
        """The cells of a column at some rows: an array stays one."""
        column = self.columns[self.header.index(name)]
        if len(rows) == len(column):
            return column
        if isinstance(column, np.ndarray):
            return column[rows]
        return [column[row] for row in rows.tolist()] if isinstance(column, Sequence) else column.take(rows)

    def texts(self, name: str, rows: Integers) -> Sequence[str]:
        """A column's cells as text at some rows; empty where there is no such column."""
        if name not in self.header:
            return [""] * len(rows)
        cells = self.cells(name, rows)
        if isinstance(cells, np.ndarray):
            return [f"{value:g}" for value in cells.tolist()]
        return cells if isinstance(cells, Sequence) else cells.unpacked()

    def distinct(self, name: str, rows: Integers) -> tuple[list[str], Integers]:
        """The different texts of a column at some rows, and for each row which of them it has."""
        if name not in self.header:
            return [""], np.zeros(len(rows), dtype=np.int64)
        cells = self.cells(name, rows)
        if not isinstance(cells, Sequence | np.ndarray):
            return cells.distinct()
        texts = self.texts(name, rows)
        index = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        return list(index), np.fromiter(map(index.__getitem__, texts), dtype=np.int64, count=len(texts))

    def filled(self, name: str) -> Booleans:
        """Which cells of a column are not empty."""
        column = self.columns[self.header.index(name)]
        if isinstance(column, np.ndarray):
            return np.ones(len(column), dtype=bool)
        if not isinstance(column, Sequence):
            return column.filled()
        return np.fromiter(map(bool, column), dtype=bool, count=len(column))

    def lines_at(self, rows: Integers) -> Sequence[int]:
        """The lines of some rows."""
        return [self.lines[row] for row in rows.tolist()] if len(rows) < len(self) else self.lines


def csv_grid(utf8: bytes, name: str) -> Grid:
    """The cells of a CSV file, without the space around them. Raises FormatError."""
    if _is_plain(utf8):
        from verification.table.arrow import plain_columns  # noqa: PLC0415 - pyarrow is slow to load

        end = utf8.find(b"\n")
        header = [name.strip() for name in utf8[: end if end >= 0 else None].decode().split(",")]
        columns = plain_columns(utf8, len(header))
        if columns is not None:
            return Grid(header, columns, range(2, 2 + len(columns[0])), Problem())
    return _quoted_grid(utf8.decode(), name)


def _is_plain(utf8: bytes) -> bool:
    """Nothing quoted, no empty line, and lines that end in one of the two usual ways."""
    if b'"' in utf8 or b"\n\n" in utf8 or b"\n\r" in utf8:
        return False
    return utf8.count(b"\r") == utf8.count(b"\r\n")


def _quoted_grid(text: str, name: str) -> Grid:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as err:
        refuse(name, "TABLE_MALFORMED", f"line {reader.line_num} is not CSV: {err}")
    ragged = Problem()
    for line, row in rows:
        if len(row) != len(header):
            ragged.add(line, "")
    whole = [(line, row) for line, row in rows if len(row) == len(header)]
    columns: list[Column] = [list(map(str.strip, column)) for column in zip(*(row for _, row in whole), strict=True)]
    return Grid(header, columns or [[] for _ in header], [line for line, _ in whole], ragged)
