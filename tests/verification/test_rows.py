"""Rows by the column: each text is the one that its value has alone."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from verification.engine.rounding import counted, significant
from verification.engine.rows import counted_column, figure_column


@given(st.lists(st.floats() | st.floats(1e-6, 1e10)))
@example([0.0, -0.0, 1e-4, 0.99999e-4, 1e8, 99999999.95, 99999999.94, -123456789.5, math.nan, math.inf, -math.inf])
@example([float(np.nextafter(10.0**power, 0)) for power in range(-4, 10)])  # whose logarithm rounds to the power
def test_a_column_of_figures_is_its_figures(values: list[float]):
    texts = figure_column(np.array(values))
    assert texts == [significant(value, 9) if math.isfinite(value) else None for value in values]


@given(st.lists(st.integers(0, 2**63 - 1)) | st.lists(st.integers(-(2**62), 2**62)), st.integers(0, 20))
@example([0, 9, -9, 10, -10, 999, 1000, -1000], 3)
def test_a_column_of_counts_is_its_counts(counts: list[int], decimals: int):
    column = np.array(counts, dtype=np.int64)
    assert counted_column(column, decimals) == [counted(count, decimals) for count in counts]
