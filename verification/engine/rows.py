"""The intervals of a measure as rows of a result, written by the column: two years by the hour are 17,520 rows of
decimals, and as objects and texts of their own they would be a sixth of a verification's time.

A column is an array of byte strings, one to an interval: JSON, padded with zero bytes, which no JSON holds and which
go out of all rows at once.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from verification.engine.result import Rows
from verification.engine.rounding import counted, significant
from verification.plan.shape import WindowName
from verification.quality.window import WindowData
from verification.series.calendar import Calendar
from verification.series.columns import Booleans, Floats, Integers

FIGURE_DIGITS = 9  # of drivers and predictions
MOST_DECIMALS = 18  # of a count of 64 bits
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e8  # between these, nine digits need neither an exponent nor a cut
POWERS = 10.0 ** np.arange(FIGURE_DIGITS + 4)  # as many decimals as the ninth digit of a plain figure may have
WHOLE_POWERS = 10 ** np.arange(MOST_DECIMALS + 1)
TIE = 1e-6  # of a count: a product of nine digits errs by a tenth of this
GROUP = 4  # digits that are looked up together
DIGITS = (np.arange(10**GROUP)[:, np.newaxis] // [1000, 100, 10, 1] % 10 + ord("0")).astype(np.uint8)
DIGIT_GROUPS = DIGITS.view(np.uint32)[:, 0]
NULL = b"null"
STAMP = np.dtype([("text", "S20"), ("end", "S2")])  # a time without an offset, and what follows it in a list: ",
CHUNK = 1_000  # rows that are written together: more of them do not stay in the processor's cache

Texts = NDArray[np.bytes_]


def written_rows(windows: Mapping[WindowName, WindowData], predicted: Mapping[WindowName, Floats] | None) -> Rows:
    """The intervals of each window, for tables and charts."""
    pieces = [b"["]
    for name, data in windows.items():
        pieces += _rows_of(data, None if predicted is None else predicted[name])
    pieces[-1] = pieces[-1].removesuffix(b",") + b"]"
    return Rows(pieces)


def _rows_of(data: WindowData, predicted: Floats | None) -> Iterator[bytes]:
    """The rows of one window, each with a comma behind it: the fields of `IntervalRow`, in order of name."""
    spec, known = data.spec, data.known
    numerator = counted_texts(data.numerator, spec.numerator.decimals)
    denominator = counted_texts(data.denominator, data.denominator_decimals) if spec.denominator else NULL
    drivers = [part for column in data.drivers.T for part in (b",", figure_texts(column))]
    fields: dict[str, Texts | bytes] = {
        "coverage_percent": _digits(data.coverage_percent),
        "denominator": _where(known, denominator),
        "drivers": _beside(len(known), b"[", *drivers[1:], b"]"),
        "numerator": _where(known, numerator),
        "predicted": NULL if predicted is None else _where(known, figure_texts(predicted)),
        "start": start_texts(data.calendar),
        "used": b"true" if data.used.all() else np.where(data.used, b"true", b"false"),
        "window": f'"{data.label}"'.encode(),
    }
    parts = [part for name, texts in fields.items() for part in (f',"{name}":'.encode(), texts)]
    parts = [b"{", parts[0][1:], *parts[1:], b"},"]
    for start in range(0, len(known), CHUNK):
        some = [part if isinstance(part, bytes) else part[start : start + CHUNK] for part in parts]
        yield _beside(min(CHUNK, len(known) - start), *some).tobytes().replace(b"\0", b"")


def _where(known: Booleans, texts: Texts | bytes) -> Texts | bytes:
    """`texts`, with null for those that are not known."""
    return texts if known.all() else np.where(known, texts, NULL)


def _beside(count: int, *parts: Texts | bytes) -> Texts:
    """The texts of each row beside each other; what is one text stands in every row."""
    columns = [np.asarray(part) for part in parts]
    lines = np.empty(count, dtype=[(f"f{place}", column.dtype) for place, column in enumerate(columns)])
    for place, column in enumerate(columns):
        lines[f"f{place}"] = column
    return lines.view(f"S{lines.dtype.itemsize}")


def counted_texts(counts: Integers, decimals: int) -> Texts:
    """`counted` of each."""
    if decimals > MOST_DECIMALS:
        return np.array([f'"{counted(count, decimals)}"' for count in counts.tolist()], dtype=np.bytes_)
    return _decimal_texts(counts, np.full(len(counts), decimals))


def figure_texts(values: Floats) -> Texts:
    """`significant` of each at nine digits, null where it is not finite.

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
    decimals[~sure] = decimals[sure].max(initial=1)
    texts = _decimal_texts(counts, decimals)
    others = np.array([_figure_text(value) for value in values[~sure].tolist()], dtype=np.bytes_)
    texts = texts.astype(np.promote_types(texts.dtype, others.dtype), copy=False)
    texts[~sure] = others
    return texts


def _figure_text(value: float) -> bytes:
    return f'"{significant(value, FIGURE_DIGITS)}"'.encode() if math.isfinite(value) else NULL


def _decimal_texts(counts: Integers, decimals: Integers) -> Texts:
    """`counted` of each with its own number of decimals, which is 0 for all or for none."""
    most = int(decimals.max(initial=0))
    whole, fraction = np.divmod(np.abs(counts), WHOLE_POWERS[decimals])
    below = counts < 0
    sign = [np.where(below, b"-", b"")] if below.any() else []
    shown: list[Texts | bytes] = [b'"', *sign, _digits(whole)]
    if most:
        places = _digit_places(fraction * WHOLE_POWERS[most - decimals], most)
        for place in range(int(decimals.min()), most):
            places[:, place] *= decimals > place
        shown += [b".", _texts(places)]
    return _beside(len(counts), *shown, b'"')


def _digits(values: Integers) -> Texts:
    """Whole numbers from 0, without zeros before them."""
    width = len(str(values.max(initial=0)))
    places = _digit_places(values, width)
    for place in range(1, width):
        places[:, -1 - place] *= values >= 10**place
    return _texts(places)


def _digit_places(values: Integers, width: int) -> NDArray[np.uint8]:
    """The last `width` digits of whole numbers from 0 as characters, uint8[n, width]."""
    groups = -(-width // GROUP)
    places = np.empty((len(values), groups), dtype=np.uint32)
    for group in reversed(range(groups)):
        rest = values // 10**GROUP
        places[:, group] = DIGIT_GROUPS[values - rest * 10**GROUP]
        values = rest
    characters: NDArray[np.uint8] = places.view(np.uint8)[:, GROUP * groups - width :]
    return characters


def _texts(places: NDArray[np.uint8]) -> Texts:
    """Characters uint8[n, width] as n texts."""
    return places.view(f"S{places.shape[1]}")[:, 0]


def start_texts(calendar: Calendar) -> Texts:
    """When each interval begins as JSON, in the plan's time zone."""
    local = msgspec.json.encode(calendar.local_us.astype("datetime64[us]").tolist())
    stamps = np.frombuffer(local, dtype=STAMP, offset=1, count=len(calendar))["text"]
    ahead_us = calendar.local_us - calendar.edges_us[:-1]
    changes = np.flatnonzero(np.diff(ahead_us, prepend=ahead_us[0] - 1))
    texts = [_offset_text(each_us) for each_us in ahead_us[changes].tolist()]
    offsets = np.repeat(texts, np.diff(changes, append=len(calendar)))
    return _beside(len(calendar), stamps, offsets, b'"')


def _offset_text(ahead_us: int) -> bytes:
    """An offset from UTC as it ends a time in JSON: +08:00, or Z."""
    at = dt.datetime(2000, 1, 1, tzinfo=dt.timezone(dt.timedelta(microseconds=ahead_us)))
    return msgspec.json.encode(at).strip(b'"').removeprefix(b"2000-01-01T00:00:00")
