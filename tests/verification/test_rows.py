"""Rows by the column: each text is the one that its value has alone."""

from __future__ import annotations

import dataclasses
import json
import math

import msgspec
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tests.verification.lines import window_data
from verification.engine.rounding import counted, significant
from verification.engine.rows import Parts, beside, counted_parts, figure_parts, written_rows


def read(parts: Parts, count: int) -> list[str | None]:
    """What a column of JSON says, without the zero bytes that pad it."""
    return [json.loads(text.replace(b"\0", b"")) for text in beside(count, parts).tolist()]


@given(st.lists(st.floats() | st.floats(1e-6, 1e10)))
@example([0.0, -0.0, 1e-4, 0.99999e-4, 1e8, 99999999.95, 99999999.94, -123456789.5, math.nan, math.inf, -math.inf])
@example([1.5e-4, 0.7, 31.25, 12345678.9])  # of which no count has the same number of decimals in 64 bits
@example([float(np.nextafter(10.0**power, 0)) for power in range(-4, 10)])  # whose logarithm rounds to the power
def test_a_column_of_figures_is_its_figures(values: list[float]):
    alone = [significant(value, 9) if math.isfinite(value) else None for value in values]
    assert read(figure_parts(np.array(values)), len(values)) == alone


@given(st.lists(st.integers(0, 2**63 - 1)) | st.lists(st.integers(-(2**62), 2**62)), st.integers(0, 20))
@example([0, 9, -9, 10, -10, 999, 1000, -1000], 3)
def test_a_column_of_counts_is_its_counts(counts: list[int], decimals: int):
    column = np.array(counts, dtype=np.int64)
    assert read(counted_parts(column, decimals), len(counts)) == [counted(count, decimals) for count in counts]


def test_what_is_not_known_is_null_and_the_bytes_are_canonical():
    data = window_data("baseline", [1200.0, 0.0, -3.5], [10.0, 0.0, 2.25], [[10.0, np.nan, 2.25], [-0.5, 3.0, 1e9]])
    known, used = np.array([True, False, True]), np.array([True, False, False])
    data = dataclasses.replace(data, known=known, used=used, coverage_percent=np.array([100, 0, 7]))
    rows = written_rows({"baseline": data}, {"baseline": np.array([1250.0, 1.0, np.inf])})
    assert [row.start for row in rows] == [data.calendar.start(index) for index in range(3)]
    assert [(row.used, row.coverage_percent) for row in rows] == [(True, 100), (False, 0), (False, 7)]
    assert [(row.numerator, row.denominator, row.predicted) for row in rows] == [
        ("1200.000", "10.000000", "1250.00000"),
        (None, None, None),
        ("-3.500", "2.250000", None),
    ]
    assert [row.drivers for row in rows] == [
        ("10.0000000", "-0.500000000"), (None, "3.00000000"), ("2.25000000", "1000000000"),
    ]  # fmt: skip
    assert rows[1:] == list(rows)[1:]
    assert rows != rows[1:]
    assert b"".join(rows.pieces) == msgspec.json.encode(rows[:], order="sorted")


def test_rows_without_drivers_denominator_or_prediction():
    data = window_data("reporting", [5.0], [1.0], [[1.0]])
    data = dataclasses.replace(data, drivers=np.empty((1, 0)), spec=dataclasses.replace(data.spec, denominator=None))
    [row] = written_rows({"reporting": data}, None)
    assert (row.window, row.denominator, row.drivers, row.predicted) == ("reporting", None, (), None)
