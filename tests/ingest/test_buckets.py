"""Counter deltas against a brute force over every reading, and coverage by day."""

from __future__ import annotations

import datetime as dt
import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import read, register
from ingest.buckets import BUCKET_US, DayCoverage, counter_deltas, coverage_by_day
from ingest.errors import IngestError
from ingest.meters import Meter, Register, record
from tests.ingest.builders import POINTS, START_US, STEP_US, Device, rows
from verification import batch
from verification.model import Rows

MODULUS = 1000
BUCKETS = 6
COUNTER = POINTS[0].name
_numbers = itertools.count(1)

# Values are whole, so that sums are exact in any order. Times repeat, statuses are bad now and then, one is not finite.
readings = st.lists(
    st.tuples(
        st.integers(0, BUCKETS * 30 - 1).map(lambda n: START_US + n * BUCKET_US // 30),
        st.integers(0, MODULUS - 1).map(float) | st.just(math.nan),
        st.sampled_from([0, 0, 0, 0, 0x80000000, 0x40000000]),
    ),
    min_size=1,
    max_size=60,
)
rising = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0, 1, 3, 250])), min_size=1, max_size=60)


def climb(steps) -> list[tuple[int, float, int]]:
    """A counter as one meets it: it rises in time, modulo its register."""
    made, time_us, value = [], START_US, 0
    for minutes, rise in steps:
        time_us, value = time_us + minutes * 60_000_000, (value + rise) % MODULUS
        made.append((time_us, float(value), 0))
    return made


def enrolled(db, *meters: Meter) -> Device:
    """A new device of an enterprise of its own, with these versions of the meter M-1."""
    number = next(_numbers)
    device = Device(f"bucket-{number}")
    register.enroll(db, device.name, device.public_key, f"enterprise-{number}")
    record(db, Register(f"enterprise-{number}", {"M-1": list(meters)}))
    return device


def meter(from_us: int, serial: str = "A", modulus: float | None = MODULUS) -> Meter:
    return Meter(dt.datetime.fromtimestamp(from_us / 1e6, dt.UTC), serial, "kWh", 0.5, register_modulus=modulus)


def brute_force(db, device: Device, start_us: int, end_us: int, meters: list[Meter]) -> dict[int, list[float]]:
    """By bucket: from, to, delta and the falls of each kind, from every reading one after the other."""
    columns = read.load_window(db, device.name, [COUNTER], end_us=end_us)[COUNTER]
    found: dict[int, list[float]] = {}
    last: tuple[int, float] | None = None
    serial = modulus = None
    for time_us, value, status in zip(
        columns.time_us.tolist(), columns.value.tolist(), columns.status.tolist(), strict=True
    ):
        if status >> 30 or not math.isfinite(value):
            continue
        held = serial
        for one in meters:
            if one.valid_from.timestamp() * 1e6 <= time_us or serial is None:
                serial, modulus = one.serial, one.register_modulus
        delta, kinds = 0.0, [0, 0, 0, 0]
        if last is not None:
            step = value - last[1]
            if held is not None and serial != held:
                kinds[3] = 1
            elif step < 0 and modulus and last[1] <= modulus and step + modulus <= modulus / 2:
                delta, kinds[0] = step + modulus, 1
            elif step < 0 and value < last[1] / 2:
                delta, kinds[1] = value, 1
            else:
                delta, kinds[2] = step, int(step < 0)
        if time_us >= start_us:
            entry = found.setdefault(time_us // BUCKET_US * BUCKET_US, [last[0] if last else time_us, 0, 0, 0, 0, 0, 0])
            entry[1] = time_us
            entry[2:] = [sum(pair) for pair in zip(entry[2:], [delta, *kinds], strict=True)]
        last = time_us, value
    return found


def as_dict(deltas) -> dict[int, list[float]]:
    names = ("from_us", "to_us", "delta", "rollovers", "resets", "corrections", "swaps")
    return dict(
        zip(
            deltas.bucket_us.tolist(),
            map(list, zip(*(getattr(deltas, n).tolist() for n in names), strict=True)),
            strict=True,
        )
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    readings | rising.map(climb),
    st.integers(0, 2),
    st.integers(1, BUCKETS),
    st.sampled_from([[], [MODULUS], [None], [MODULUS, MODULUS], [MODULUS, None]]),
    st.integers(0, BUCKETS * 30),
    st.integers(1, 3),
)
def test_deltas_are_those_of_a_brute_force_over_every_reading(db, deliver, sent, first, count, moduli, swap, parts):
    """Through rollovers, resets, corrections, swaps, ties, bad values, and batches that arrive the wrong way round."""
    from_us = [START_US - BUCKET_US, START_US + swap * BUCKET_US // 30 + 1]
    meters = [meter(from_us[n], "AB"[n], modulus) for n, modulus in enumerate(moduli)]
    device = enrolled(db, *meters)
    sealed = [device.seal(batch.Catalogue(POINTS))]
    size = -(-len(sent) // parts)
    for start in range(0, len(sent), size):
        made = Rows.empty()
        for time_us, value, status in sent[start : start + size]:
            made.append(0, time_us, value, status=status)
        sealed.append(device.seal(made))
    deliver(sealed[0], topic_device=device.name)
    for data in reversed(sealed[1:]):
        deliver(data, topic_device=device.name)
    window = START_US + first * BUCKET_US, START_US + (first + count) * BUCKET_US
    expected = brute_force(db, device, *window, meters)
    assert as_dict(counter_deltas(db, device.name, COUNTER, *window)) == expected
    with db.transaction():  # where no aggregate can be brought up to date
        assert as_dict(counter_deltas(db, device.name, COUNTER, *window)) == expected


def test_the_deltas_of_windows_side_by_side_add_up_to_that_of_the_whole(db, device, deliver):
    deliver(*device.chain(9))
    end_us = START_US + 40 * STEP_US
    halves = [counter_deltas(db, device.name, COUNTER, START_US, START_US + 20 * STEP_US)]
    halves.append(counter_deltas(db, device.name, COUNTER, START_US + 20 * STEP_US, end_us))
    whole = counter_deltas(db, device.name, COUNTER, START_US, end_us)
    assert as_dict(halves[0]) | as_dict(halves[1]) == as_dict(whole)
    assert len(whole) == 40


def one_bucket(db, deliver, device: Device, *values: float) -> list[float]:
    """Deliver these values a microsecond apart as the next batch; the bucket's delta and its four kinds of falls."""
    made = Rows.empty()
    for n, value in enumerate(values):
        made.append(0, START_US + n, value)
    head = [device.seal(batch.Catalogue(POINTS))] if device.header.sequence == 0 else []
    deliver(*head, device.seal(made), topic_device=device.name)
    [found] = as_dict(counter_deltas(db, device.name, COUNTER, START_US, START_US + BUCKET_US)).values()
    return found[2:]


def test_a_fall_inside_a_bucket_is_found_though_first_and_last_are_its_extremes(db, deliver):
    """1, 5, 2, 6: minimum and maximum are first and last, and still the counter fell."""
    assert one_bucket(db, deliver, enrolled(db), 1, 5, 2, 6) == [4 + 2 + 4, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("modulus", "values", "found"),
    [
        (1000, (900, 400), [500, 1, 0, 0, 0]),  # half a turn is a rollover
        (1000, (900, 401), [401, 0, 1, 0, 0]),  # more than that is not, and less than half of 900 is a reset
        (1000, (900, 450), [-450, 0, 0, 1, 0]),  # half is none, and a correction
        (899, (900, 100), [100, 0, 1, 0, 0]),  # a value that the register cannot show
        (None, (900, 400), [400, 0, 1, 0, 0]),
    ],
)
def test_both_sides_of_what_a_fall_is_taken_for(db, deliver, modulus, values, found):
    assert one_bucket(db, deliver, enrolled(db, meter(START_US - BUCKET_US, "A", modulus)), *values) == found


def test_a_meter_swapped_within_a_bucket_adds_nothing_though_the_value_rises(db, deliver):
    device = enrolled(db, meter(START_US - BUCKET_US, "A"), meter(START_US + 2, "B"))
    assert one_bucket(db, deliver, device, 1, 3, 500, 504) == [2 + 4, 0, 0, 0, 1]


def test_a_reading_that_comes_late_changes_its_bucket(db, deliver):
    """Also where the bucket had been aggregated before."""
    device = enrolled(db)
    assert one_bucket(db, deliver, device, 1, 2) == [1, 0, 0, 0, 0]
    assert one_bucket(db, deliver, device, 1, 2, 7) == [6, 0, 0, 0, 0]


def test_what_has_no_deltas_is_refused_and_an_unknown_point_has_none(db, device, deliver):
    deliver(*device.chain(2))
    window = START_US, START_US + BUCKET_US
    assert len(counter_deltas(db, device.name, "no_such", *window)) == 0
    with pytest.raises(IngestError, match="is a gauge; only a counter"):
        counter_deltas(db, device.name, POINTS[1].name, *window)
    with pytest.raises(IngestError, match="multiple of 15 minutes"):
        counter_deltas(db, device.name, COUNTER, START_US + 1, START_US + BUCKET_US)


def test_coverage_counts_readings_good_ones_and_quarters_by_local_day(db, device, deliver):
    """The readings begin at 8 in the morning in Shanghai, so that its day ends after 64 quarters."""
    deliver(*device.chain(2, rows_each=160), device.seal(rows(2)))
    window = START_US, START_US + 96 * BUCKET_US
    first, second = dt.date(2026, 1, 1), dt.date(2026, 1, 2)
    gauge = POINTS[1].name
    # The builder's readings of the counter are good, those of the gauge are bad; two more came for the first quarter.
    assert coverage_by_day(db, device.name, *window, "Asia/Shanghai") == [
        DayCoverage(COUNTER, first, 65, 65, 64),
        DayCoverage(COUNTER, second, 16, 16, 16),
        DayCoverage(gauge, first, 65, 0, 0),
        DayCoverage(gauge, second, 16, 0, 0),
    ]
    assert coverage_by_day(db, device.name, *window, "UTC")[0] == DayCoverage(COUNTER, first, 81, 81, 80)
    with pytest.raises(IngestError, match="no time zone"):
        coverage_by_day(db, device.name, *window, "Mars/Olympus")
