"""Columns, figures and strangers' texts for a terminal."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table whose columns are as wide as what is in them; the last one is not filled up."""
    shown = [[printable(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(shown_width, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = [cell + " " * (width - shown_width(cell)) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def shown_width(text: str) -> int:
    """How many columns a terminal gives a text: two for a Chinese character."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def printable(text: str) -> str:
    """A text that a server or device chose, on one line and without what would move a terminal's cursor."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def figure(value: float) -> str:
    """A reading with all the digits of a usual register, and no exponent before it is really large."""
    return f"{value:.10g}"


def size(count: int) -> str:
    """A number of bytes in the unit that suits it."""
    power = min(int(math.log(max(count, 1), 1024)), 3)
    return f"{count / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB')[power]}"
