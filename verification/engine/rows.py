"""The intervals of a window as rows of a result.

By the column: two years by the hour are 17,520 rows of decimals, and writing them was most of a verification's time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from verification.engine.result import IntervalRow
from verification.engine.rounding import counted, significant
from verification.quality.window import WindowData
from verification.series.columns import Floats, Integers

FIGURE_DIGITS = 9  # of drivers and predictions
MOST_DECIMALS = 18  # of a count of 64 bits
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e8  # between these, nine digits need neither an exponent nor a cut


def interval_rows(data: WindowData, predicted: Floats | None) -> list[IntervalRow]:
    """The intervals of one window, for tables and charts."""
    spec, known = data.spec, data.known.tolist()
    unknown: list[str | None] = [None] * len(known)
    numerator = counted_column(data.numerator, spec.numerator.decimals)
    denominator = counted_column(data.denominator, data.denominator_decimals) if spec.denominator else unknown
    prediction = unknown if predicted is None else figure_column(predicted)
    drivers = zip(*(figure_column(column) for column in data.drivers.T), strict=True)
    fields = {
        "start": data.calendar.starts,
        "window": [data.label] * len(known),
        "used": data.used.tolist(),
        "coverage_percent": data.coverage_percent.tolist(),
        "numerator": _where(known, numerator),
        "denominator": _where(known, denominator),
        "drivers": [*drivers] or [()] * len(known),
        "predicted": _where(known, prediction),
    }
    return list(map(IntervalRow, *(fields[name] for name in IntervalRow.__struct_fields__)))


def _where(known: list[bool], texts: Sequence[str | None]) -> Sequence[str | None]:
    """`texts`, with None for those that are not known."""
    if all(known):
        return texts
    return [text if one else None for text, one in zip(texts, known, strict=True)]


def counted_column(counts: Integers, decimals: int) -> list[str]:
    """`counted` of each."""
    if decimals == 0:
        return [str(count) for count in counts.tolist()]
    if decimals > MOST_DECIMALS or (counts < 0).any():  # these need more than a cut in two
        return [counted(count, decimals) for count in counts.tolist()]
    parts = np.column_stack(np.divmod(counts, 10**decimals)).ravel().tolist()
    return _formatted(f"%d.%0{decimals}d", len(counts), parts)


def figure_column(values: Floats) -> list[str | None]:
    """`significant` of each at nine digits, None where it is not finite."""
    texts: list[str | None] = [*_formatted(f"%#.{FIGURE_DIGITS}g", len(values), values.tolist())]
    size = np.abs(values)
    plain = (size >= SMALLEST_PLAIN) & (size < LARGEST_PLAIN / (1 + 1e-9))
    for index in np.flatnonzero(~plain).tolist():
        value = float(values[index])
        texts[index] = significant(value, FIGURE_DIGITS) if math.isfinite(value) else None
    return texts


def _formatted(form: str, size: int, values: list[int] | list[float]) -> list[str]:
    """`size` texts of one form: one long text, cut into its lines, is made in two thirds of the time."""
    return ((form + "\n") * size % tuple(values)).splitlines()
