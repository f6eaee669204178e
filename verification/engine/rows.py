"""The intervals of a window as rows of a result.

By the column: two years by the hour are 17,520 rows of decimals, and writing them was most of a verification's time.
"""

from __future__ import annotations

import math

import numpy as np

from verification.engine.result import IntervalRow
from verification.engine.rounding import counted, significant
from verification.quality.window import WindowData
from verification.series.columns import Floats, Integers

FIGURE_DIGITS = 9  # of drivers and predictions
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e8  # between these, nine digits need neither an exponent nor a cut


def interval_rows(data: WindowData, predicted: Floats | None) -> list[IntervalRow]:
    """The intervals of one window, for tables and charts."""
    spec, size = data.spec, len(data.known)
    nothing: list[str | None] = [None] * size
    figures = [figure_column(column) for column in data.drivers.T]
    columns = zip(
        data.calendar.starts,
        data.used.tolist(),
        data.coverage_percent.tolist(),
        data.known.tolist(),
        counted_column(data.numerator, spec.numerator.decimals),
        counted_column(data.denominator, data.denominator_decimals) if spec.denominator else nothing,
        zip(*figures, strict=True) if figures else [()] * size,
        nothing if predicted is None else figure_column(predicted),
        strict=True,
    )
    return [
        IntervalRow(
            start=start,
            window=data.label,
            used=used,
            coverage_percent=coverage,
            numerator=numerator if known else None,
            denominator=denominator if known else None,
            drivers=list(drivers),
            predicted=prediction if known else None,
        )
        for start, used, coverage, known, numerator, denominator, drivers, prediction in columns
    ]


def counted_column(counts: Integers, decimals: int) -> list[str]:
    """`counted` of each."""
    texts = [str(count) for count in counts.tolist()]
    if decimals == 0:
        return texts
    # One that is negative or below 1 needs its sign or zeros put in; all others are only cut in two.
    return [
        f"{text[:-decimals]}.{text[-decimals:]}" if text[0] != "-" and len(text) > decimals else counted(one, decimals)
        for text, one in zip(texts, counts.tolist(), strict=True)
    ]


def figure_column(values: Floats) -> list[str | None]:
    """`significant` of each at nine digits, None where it is not finite."""
    texts: list[str | None] = [f"{value:#.{FIGURE_DIGITS}g}" for value in values.tolist()]
    size = np.abs(values)
    plain = (size >= SMALLEST_PLAIN) & (size < LARGEST_PLAIN / (1 + 1e-9))
    for index in np.flatnonzero(~plain).tolist():
        value = float(values[index])
        texts[index] = significant(value, FIGURE_DIGITS) if math.isfinite(value) else None
    return texts
