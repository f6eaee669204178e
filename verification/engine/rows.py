"""The intervals of a measure as rows of a result, written by the column: two years by the hour are 17,520 rows of
decimals, and as objects and texts of their own they would be a sixth of a verification's time.

A column is made of parts that stand beside each other: arrays of byte strings, one to an interval, and texts that are
the same in every row. All of it is JSON, padded with zero bytes, which no JSON holds and which go out of all rows at
once.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from verification.engine.result import Rows
from verification.engine.rounding import counted, significant
from verification.plan.shape import WindowName
from verification.quality.window import WindowData
from verification.series.calendar import DAY_US, SECOND_US, Calendar
from verification.series.columns import Booleans, Floats, Integers

FIGURE_DIGITS = 9  # of drivers and predictions
MOST_DECIMALS = 18  # of a count of 64 bits
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e8  # between these, nine digits need neither an exponent nor a cut
POWERS = 10.0 ** np.arange(FIGURE_DIGITS + 4)  # as many decimals as the ninth digit of a plain figure may have
LARGEST_COUNT = np.iinfo(np.int64).max
WHOLE_POWERS = 10 ** np.arange(MOST_DECIMALS + 1)
TIE = 1e-6  # of a count: a product of nine digits errs by a tenth of this
GROUP = 4  # digits that are looked up together
DIGITS = (np.arange(10**GROUP)[:, np.newaxis] // [1000, 100, 10, 1] % 10 + ord("0")).astype(np.uint8)
DIGIT_GROUPS = DIGITS.view(np.uint32)[:, 0]
PAIRS = DIGITS[:100, 2:].copy().view("S2")[:, 0]  # 00 to 99
NULL = b"null"
CHUNK = 1_000  # rows that are written together: more of them do not stay in the processor's cache
MINUTE_US = 60 * SECOND_US

Texts = NDArray[np.bytes_]
Parts = list[Texts | bytes]  # what stands beside each other in a row; what is one text stands in every row


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
    null: Parts = [NULL]
    numerator = counted_parts(data.numerator, spec.numerator.decimals)
    denominator = counted_parts(data.denominator, data.denominator_decimals) if spec.denominator else null
    drivers = [part for column in data.drivers.T for part in (b",", *figure_parts(column))]
    fields: dict[str, Parts] = {
        "coverage_percent": [_digits(data.coverage_percent)],
        "denominator": _where(known, denominator),
        "drivers": [b"[", *drivers[1:], b"]"],
        "numerator": _where(known, numerator),
        "predicted": null if predicted is None else _where(known, figure_parts(predicted)),
        "start": start_parts(data.calendar),
        "used": [b"true" if data.used.all() else np.where(data.used, b"true", b"false")],
        "window": [f'"{data.label}"'.encode()],
    }
    parts = [part for name, texts in fields.items() for part in (f',"{name}":'.encode(), *texts)]
    lines = _Lines.of([b"{", parts[0][1:], *parts[1:], b"},"], CHUNK)
    for start in range(0, len(known), CHUNK):
        yield lines.at(start, min(CHUNK, len(known) - start)).tobytes().replace(b"\0", b"")


def _where(known: Booleans, texts: Parts) -> Parts:
    """`texts`, with null for those that are not known."""
    return texts if known.all() else [np.where(known, beside(len(known), texts), NULL)]


class _Lines(NamedTuple):
    """Rows that are laid out once for all chunks: `table` has a field to a column, named by its place in `columns`, and
    what is one text in every row stands there already.
    """

    table: NDArray[np.void]
    columns: Mapping[str, Texts]

    @classmethod
    def of(cls, parts: Parts, count: int) -> Self:
        """Up to `count` rows of `parts`."""
        columns = {f"f{place}": np.asarray(part) for place, part in enumerate(_joined(parts))}
        table = np.zeros(count, dtype=[(name, column.dtype) for name, column in columns.items()])
        for name, column in columns.items():
            if not column.ndim:
                table[name] = column
        return cls(table, {name: column for name, column in columns.items() if column.ndim})

    def at(self, start: int, count: int) -> Texts:
        """`count` rows from `start`, until the next are asked for."""
        table = self.table[:count]
        for name, column in self.columns.items():
            table[name] = column[start : start + count]
        return table.view(f"S{table.dtype.itemsize}")


def _joined(parts: Parts) -> Parts:
    """The parts, of which those that are one text in every row and follow each other are one."""
    together: Parts = []
    for part in parts:
        last = together[-1] if together else None
        if isinstance(part, bytes) and isinstance(last, bytes):
            together[-1] = last + part
        else:
            together.append(part)
    return together


def beside(count: int, parts: Parts) -> Texts:
    """The parts of each of `count` rows in one text."""
    return _Lines.of(parts, count).at(0, count)


def counted_parts(counts: Integers, decimals: int) -> Parts:
    """`counted` of each."""
    if decimals > MOST_DECIMALS:
        return [np.array([f'"{counted(count, decimals)}"' for count in counts.tolist()], dtype=np.bytes_)]
    return _decimal_parts(counts, decimals)


def figure_parts(values: Floats) -> Parts:
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
    most = int(decimals[sure].max(initial=1))
    sure &= decimals >= most - FIGURE_DIGITS  # with as many decimals as the others a count has 64 bits
    if sure.all():
        return _decimal_parts(counts * WHOLE_POWERS[most - decimals], most, decimals)
    counts[~sure], decimals[~sure] = 0, most
    texts = beside(len(values), _decimal_parts(counts * WHOLE_POWERS[most - decimals], most, decimals))
    others = np.array([_figure_text(value) for value in values[~sure].tolist()], dtype=np.bytes_)
    texts = texts.astype(np.promote_types(texts.dtype, others.dtype), copy=False)
    texts[~sure] = others
    return [texts]


def _figure_text(value: float) -> bytes:
    return f'"{significant(value, FIGURE_DIGITS)}"'.encode() if math.isfinite(value) else NULL


def _decimal_parts(counts: Integers, decimals: int, shown: Integers | None = None) -> Parts:
    """`counted` of each; of its decimals those after the first `shown`, which are one or more, are left out."""
    below, sizes = counts < 0, np.abs(counts)
    places = _digit_places(sizes, max(_width(sizes), decimals + 1))
    whole = places.shape[1] - decimals
    _clear_zeros_before(places[:, :whole], sizes, 10**decimals)
    if shown is not None:
        for place in range(int(shown.min(initial=decimals)), decimals):
            places[:, whole + place] *= shown > place
    sign: Parts = [np.where(below, b"-", b"")] if below.any() else []
    fraction: Parts = [b".", _texts(places[:, whole:])] if decimals else []
    return [b'"', *sign, _texts(places[:, :whole]), *fraction, b'"']


def _digits(values: Integers) -> Texts | bytes:
    """Whole numbers from 0, without zeros before them."""
    if (values == values[0]).all():
        return str(values[0]).encode()
    places = _digit_places(values, _width(values))
    _clear_zeros_before(places, values, 1)
    return _texts(places)


def _width(values: Integers) -> int:
    """How many digits the largest of some whole numbers from 0 has."""
    return len(str(values.max(initial=0)))


def _clear_zeros_before(places: NDArray[np.uint8], values: Integers, unit: int) -> None:
    """Leave no zero before the first other digit of `places` uint8[n, width], which tell how often `values` hold a
    `unit`; a zero alone stays.
    """
    least = len(str(values.min(initial=LARGEST_COUNT) // unit))
    for place in range(least, places.shape[1]):
        places[:, -1 - place] *= values >= unit * 10**place


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


def start_parts(calendar: Calendar) -> Parts:
    """When each interval begins as JSON, in the plan's time zone."""
    local_us = calendar.local_us
    day = local_us // DAY_US
    first, minute = int(day.min()), (local_us - day * DAY_US) // MINUTE_US
    dates = np.datetime_as_string(np.arange(first, int(day.max()) + 1).astype("datetime64[D]")).astype("S10")
    hour, second = minute // 60, local_us // SECOND_US % 60
    clock = [_pairs(hour), b":", _pairs(minute - 60 * hour), b":", _pairs(second)]
    return [b'"', dates[day - first], b"T", *clock, _offsets(local_us - calendar.edges_us[:-1]), b'"']


def _pairs(values: Integers) -> Texts | bytes:
    """Two digits of each."""
    return PAIRS[values[0]].tobytes() if (values == values[0]).all() else PAIRS[values]


def _offsets(ahead_us: Integers) -> Texts | bytes:
    """How far the clock on the wall is ahead of UTC at each time, as it ends in JSON."""
    changes = np.flatnonzero(np.diff(ahead_us, prepend=ahead_us[0] - 1))
    texts = [_offset_text(each_us) for each_us in ahead_us[changes].tolist()]
    return texts[0] if len(texts) == 1 else np.repeat(texts, np.diff(changes, append=len(ahead_us)))


def _offset_text(ahead_us: int) -> bytes:
    """An offset from UTC as it ends a time in JSON: +08:00, or Z."""
    at = dt.datetime(2000, 1, 1, tzinfo=dt.timezone(dt.timedelta(microseconds=ahead_us)))
    return msgspec.json.encode(at).strip(b'"').removeprefix(b"2000-01-01T00:00:00")
