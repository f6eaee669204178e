"""Series of readings as columns, and their cleaning: the same readings give the same series, whatever order they
came in.

Owns sorting, duplicates, contradicting readings, bad status and non-finite values. Not handled: what the values
mean, which `intervals.py` knows. Times are int64 microseconds since the Unix epoch, UTC; values are in the point's
unit, as received.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from verification.findings import Finding

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

STATUS_BAD = 0x80000000  # OPC UA part 4, 7.39: the two top bits are the severity; 00 is good
STATUS_UNCERTAIN = 0x40000000
STATUS_NOT_GOOD = STATUS_BAD | STATUS_UNCERTAIN


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """The readings of one point: time_us int64[n], value float64[n], status uint32[n] (OPC UA status codes; 0 is
    good), flags uint8[n] (`RowFlag`: backfilled, manual; 0 is a live reading).
    """

    time_us: Integers
    value: Floats
    status: NDArray[np.uint32]
    flags: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse columns that do not match: a silent broadcast would pair values with other readings' times."""
        for name, dtype in (("time_us", np.int64), ("value", np.float64), ("status", np.uint32), ("flags", np.uint8)):
            column: NDArray[Any] = getattr(self, name)
            if column.dtype != dtype or column.shape != (len(self.time_us),):
                raise ValueError(
                    f"{name}: {column.dtype} of shape {column.shape}; {np.dtype(dtype)} of {len(self.time_us)} values"
                )

    @classmethod
    def of(
        cls,
        time_us: ArrayLike,
        value: ArrayLike,
        status: ArrayLike | None = None,
        flags: ArrayLike | None = None,
    ) -> Series:
        """A series from anything that converts to arrays; without `status` and `flags`, every reading is good and
        live.
        """
        times = np.asarray(time_us, dtype=np.int64)
        codes = np.zeros(len(times), np.uint32) if status is None else np.asarray(status, dtype=np.uint32)
        marks = np.zeros(len(times), np.uint8) if flags is None else np.asarray(flags, dtype=np.uint8)
        return cls(times, np.asarray(value, dtype=np.float64), codes, marks)

    def __len__(self) -> int:
        """The number of readings."""
        return len(self.time_us)

    def take(self, selection: Booleans | Integers | slice) -> Series:
        """The readings at `selection`: a mask, indices or a slice; a mask that has all gives this very series."""
        if not isinstance(selection, slice) and selection.dtype == bool and selection.all():
            return self
        return Series(self.time_us[selection], self.value[selection], self.status[selection], self.flags[selection])

    def within(self, spans_us: Sequence[tuple[int, int]]) -> Series:
        """The readings in any of the closed spans `(first_us, last_us)`."""
        inside = np.zeros(len(self), dtype=bool)
        for first_us, last_us in spans_us:
            inside |= (self.time_us >= first_us) & (self.time_us <= last_us)
        return self.take(inside)

    def between(self, span_us: tuple[int, int]) -> Series:
        """Of readings in order of time, those in the closed span."""
        first_us, last_us = span_us
        start, end = np.searchsorted(self.time_us, [first_us, last_us + 1])
        return self.take(slice(start, end))

    def sorted(self) -> Series:
        """By time; readings at one time by value, status and flags, so that the order of arrival leaves no trace."""
        if bool((np.diff(self.time_us) > 0).all()):  # as they usually come, and then there is nothing to decide
            return self
        return self.take(np.lexsort((self.flags, self.status, self.value.view(np.int64), self.time_us)))


def empty_series() -> Series:
    """No readings."""
    return Series.of([], [])


def deduplicate(series: Series) -> Series:
    """A sorted series without exact duplicates (same time, value and status); of those the live one stays."""
    repeats = np.diff(series.time_us) == 0
    if not repeats.any():
        return series
    repeats &= (np.diff(series.value.view(np.int64)) == 0) & (series.status[1:] == series.status[:-1])
    first = np.ones(len(series), dtype=bool)
    first[1:] = ~repeats
    return series.take(first)


def clean(point: str, series: Series) -> tuple[Series, list[Finding]]:
    """The usable readings of `series`, sorted, one per time, and what was left out on the way."""
    findings: list[Finding] = []

    def kept(readings: Series, mask: Booleans, code: str) -> Series:
        dropped = len(readings) - int(mask.sum())
        if dropped:
            findings.append(Finding.of(code, point=point, count=dropped))
        return readings.take(mask)

    ordered = series.sorted()
    usable = deduplicate(ordered)
    if len(usable) < len(ordered):
        findings.append(Finding.of("DUPLICATES_REMOVED", point=point, count=len(ordered) - len(usable)))
    usable = kept(usable, (usable.status & np.uint32(STATUS_NOT_GOOD)) == 0, "BAD_STATUS_EXCLUDED")
    usable = kept(usable, np.isfinite(usable.value), "NON_FINITE_EXCLUDED")
    # Two good readings at one time that differ: nothing here can say which is right, and a choice would depend on
    # the order.
    return kept(usable, _alone(usable.time_us), "CONFLICTING_READINGS"), findings


def _alone(time_us: Integers) -> Booleans:
    """Which of these sorted times occur once."""
    alone = np.ones(len(time_us), dtype=bool)
    shared = np.diff(time_us) == 0
    alone[1:][shared] = False
    alone[:-1][shared] = False
    return alone


def median(values: Floats) -> float:
    """The median of some finite values, to the bit that of numpy, whose two middle ones at once take it eight times as
    long to find as one.
    """
    half = len(values) // 2
    parted = np.partition(values, half)
    upper = float(parted[half])
    return upper if len(values) % 2 else (float(parted[:half].max()) + upper) / 2


def input_digest(readings: Mapping[str, Series]) -> str:
    """SHA-256, in hexadecimal, over the readings used: it says which data a result stands on.

    For each point in the order of its name: the name in UTF-8 with its length, the number of readings, then the sorted,
    deduplicated columns time (int64), value (float64), status (uint32), flags (uint8), all little-endian.
    """
    digest = hashlib.sha256()
    for point in sorted(readings):
        series = deduplicate(readings[point].sorted())
        name = point.encode()
        digest.update(len(name).to_bytes(4, "little") + name + len(series).to_bytes(8, "little"))
        columns = (series.time_us, "<i8"), (series.value, "<f8"), (series.status, "<u4"), (series.flags, "u1")
        for column, form in columns:
            digest.update(np.ascontiguousarray(column, dtype=form).data)
    return digest.hexdigest()
