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
        if isinstance(column, np.ndarray):
            return column[rows]
        return column if len(rows) == len(column) else [column[row] for row in rows.tolist()]

    def texts(self, name: str, rows: Integers) -> Sequence[str]:
        """A column's cells as text at some rows; empty where there is no such column."""
        if name not in self.header:
            return [""] * len(rows)
        cells = self.cells(name, rows)
        return [f"{value:g}" for value in cells.tolist()] if isinstance(cells, np.ndarray) else cells

    def distinct(self, name: str) -> tuple[list[str], Integers]:
        """The different texts of a column, and for each row which of them it has."""
        texts = self.texts(name, np.arange(len(self)))
        index = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        return list(index), np.fromiter(map(index.__getitem__, texts), dtype=np.int64, count=len(texts))

    def filled(self, name: str) -> Booleans:
        """Which cells of a column are not empty."""
        column = self.columns[self.header.index(name)]
        if isinstance(column, np.ndarray):
            return np.ones(len(column), dtype=bool)
        return np.fromiter(map(bool, column), dtype=bool, count=len(column))

    def lines_at(self, rows: Integers) -> Sequence[int]:
        """The lines of some rows."""
        return [self.lines[row] for row in rows.tolist()] if len(rows) < len(self) else self.lines


def csv_grid(text: str, name: str) -> Grid:
    """The cells of a CSV file, without the space around them. Raises FormatError."""
    if '"' not in text and "\n\n" not in text and "\r" not in text:
        from verification.table.arrow import plain_columns  # noqa: PLC0415 - pyarrow is slow to load

        columns = plain_columns(text)
        if columns is not None:
            header, *_ = text.partition("\n")
            names = [column.strip() for column in header.split(",")]
            return Grid(names, columns, range(2, 2 + len(columns[0])), Problem())
    return _quoted_grid(text, name)


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
