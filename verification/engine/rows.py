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
POWERS = 10.0 ** np.arange(FIGURE_DIGITS + 4)  # as many decimals as the ninth digit of a plain figure may have
TIE = 1e-6  # of a count: a product of nine digits errs by a tenth of this


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
    if decimals > MOST_DECIMALS:
        return [counted(count, decimals) for count in counts.tolist()]
    return _decimal_texts(counts, decimals)


def figure_column(values: Floats) -> list[str | None]:
    """`significant` of each at nine digits, None where it is not finite.

    A figure is a count of its ninth digit. Where the product that makes the count might have been rounded across a
    half, and where the figure is no plain one, it is written by itself.
    """
    size = np.abs(values)
    plain = (size >= SMALLEST_PLAIN) & (size < LARGEST_PLAIN)
    decimals = FIGURE_DIGITS - 1 - np.floor(np.log10(size, where=plain, out=np.zeros_like(size))).astype(np.int64)
    scaled = np.where(plain, values, 0.0) * POWERS[decimals]
    counts = np.rint(scaled).astype(np.int64)
    plain &= decimals > 0  # the logarithm of what lies next to a power may be rounded up to it
    sure = plain & (np.abs(np.abs(scaled - counts) - 0.5) > TIE) & (np.abs(counts) < 10**FIGURE_DIGITS)
    sure &= np.abs(counts) >= 10 ** (FIGURE_DIGITS - 1)
    texts = np.empty(len(values), dtype=object)
    for places in np.flatnonzero(np.bincount(decimals[sure])).tolist():
        alike = sure & (decimals == places)
        texts[alike] = _decimal_texts(counts[alike], places)
    for index in np.flatnonzero(~sure).tolist():
        value = float(values[index])
        texts[index] = significant(value, FIGURE_DIGITS) if math.isfinite(value) else None
    written: list[str | None] = texts.tolist()
    return written


def _decimal_texts(counts: Integers, decimals: int) -> list[str]:
    """`counted` of each, written by the digit place: all texts are one array of characters, a column to a place, with
    blanks for what a number has not, and these go out at once.
    """
    rest = np.abs(counts)
    places = max(len(str(rest.max(initial=0))), decimals + 1)
    lines = np.full((places + 3, len(counts)), ord(" "), dtype=np.uint8)
    lines[0][counts < 0] = ord("-")
    lines[-2 - decimals], lines[-1] = ord("."), ord("\n")
    for place in range(places):
        tens = rest // 10
        digit = (rest - 10 * tens + ord("0")).astype(np.uint8)
        row = -2 - place if place < decimals else -3 - place
        lines[row] = digit if place <= decimals else np.where(rest > 0, digit, ord(" "))
        rest = tens
    return lines.T.tobytes().translate(None, b" ").decode("ascii").splitlines()
