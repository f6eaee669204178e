"""Cleaning leaves one usable reading per time, whatever the order, and says what it left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.series.columns import (
    STATUS_BAD,
    STATUS_UNCERTAIN,
    Series,
    clean,
    empty_series,
    input_digest,
    median,
)

READINGS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from([0.0, -0.0, 1.0, 2.0, float("inf")]),
        st.sampled_from([0, STATUS_BAD, STATUS_UNCERTAIN, 0x002D0000]),
    ),
    max_size=12,
)


def series(rows) -> Series:
    times, values, status = zip(*rows, strict=True) if rows else ([], [], [])
    return Series.of(times, values, status)


def left_out(rows) -> dict[str, int]:
    return {finding.code: finding.data["count"] for finding in clean("p", series(rows))[1]}


@given(READINGS, st.randoms())
def test_order_leaves_no_trace(rows, random):
    shuffled = rows[:]
    random.shuffle(shuffled)
    (a, found_a), (b, found_b) = clean("p", series(rows)), clean("p", series(shuffled))
    assert found_a == found_b
    assert np.array_equal(a.time_us, b.time_us)
    assert np.array_equal(a.value, b.value)
    assert input_digest({"p": series(rows)}) == input_digest({"p": series(shuffled)})


@given(READINGS)
def test_what_remains_is_sorted_single_good_and_finite(rows):
    usable, _ = clean("p", series(rows))
    assert (np.diff(usable.time_us) > 0).all()
    assert np.isfinite(usable.value).all()
    assert ((usable.status & 0xC0000000) == 0).all()


@given(READINGS)
def test_every_reading_is_kept_or_accounted_for(rows):
    usable, findings = clean("p", series(rows))
    assert len(usable) + sum(finding.data["count"] for finding in findings) == len(rows)


def test_exact_duplicates_are_removed_once():
    assert left_out([(1, 5.0, 0), (1, 5.0, 0), (1, 5.0, 0), (2, 6.0, 0)]) == {"DUPLICATES_REMOVED": 2}


def test_readings_that_contradict_each_other_are_all_left_out():
    usable, findings = clean("p", series([(1, 5.0, 0), (1, 6.0, 0), (2, 7.0, 0)]))
    assert usable.time_us.tolist() == [2]
    assert [(f.code, f.data["count"]) for f in findings] == [("CONFLICTING_READINGS", 2)]


def test_a_bad_reading_does_not_contradict_a_good_one():
    usable, _ = clean("p", series([(1, 5.0, 0), (1, 6.0, STATUS_BAD)]))
    assert usable.value.tolist() == [5.0]


@pytest.mark.parametrize(
    ("status", "kept"),
    [(0, True), (0x002D0000, True), (0x3FFFFFFF, True), (STATUS_UNCERTAIN, False), (STATUS_BAD, False)],
)
def test_only_the_severity_of_a_status_decides(status: int, *, kept: bool):
    assert len(clean("p", series([(1, 5.0, status)]))[0]) == int(kept)


def test_zeros_are_data():
    assert left_out([(1, 0.0, 0), (2, 0.0, 0)]) == {}


def test_the_digest_sees_every_column_and_the_point():
    digests = {
        input_digest({"p": series([row])}) for row in [(1, 5.0, 0), (2, 5.0, 0), (1, 5.0000001, 0), (1, 5.0, 1)]
    } | {input_digest({"q": series([(1, 5.0, 0)])}), input_digest({"p": empty_series()}), input_digest({})}
    assert len(digests) == 7


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="value"):
        Series.of([1, 2], [1.0])


@given(st.lists(st.floats(-1e18, 1e18), min_size=1))
def test_the_median_is_that_of_numpy_to_the_bit(values: list[float]):
    assert median(np.array(values)) == np.median(values)


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(0, 9), st.integers(0, 9))
def test_between_has_what_within_has_of_readings_in_order(times: list[int], first: int, last: int):
    ordered = Series.of(sorted(times), np.arange(len(times)))
    assert ordered.between((first, last)).value.tolist() == ordered.within([(first, last)]).value.tolist()
