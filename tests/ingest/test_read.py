"""Reading back: windows, chains and coverage."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import read, register
from ingest.admission import Code
from ingest.errors import IngestError
from ingest.release import release
from tests.ingest.builders import POINTS, START_US, STEP_US, Device, now_us, release_all, rows
from verification import batch
from verification.model import MAX_TIME_US, NULL_TIME_US, Point, PointKind, Rows

numbers = itertools.count(100)


def test_a_window_holds_its_start_and_not_its_end(db, device, deliver):
    deliver(*device.chain(3))
    window = read.load_window(db, device.name, ["ac_energy"], START_US + STEP_US, START_US + 4 * STEP_US)
    assert window["ac_energy"].time_us.tolist() == [START_US + n * STEP_US for n in (1, 2, 3)]


def test_a_window_before_1970_and_one_that_is_empty(db, device, deliver):
    made = Rows.empty()
    made.append(0, -1, 7.0)
    deliver(device.seal(batch.Catalogue(POINTS)), device.seal(made))
    release_all(db)
    assert read.load_window(db, device.name, ["ac_energy"], -1, 0)["ac_energy"].value.tolist() == [7.0]
    assert len(read.load_window(db, device.name, ["ac_energy"], 0)["ac_energy"]) == 0


def test_an_unknown_name_and_another_devices_points_have_no_readings(db, device, deliver):
    deliver(*device.chain(2))
    assert len(read.load_window(db, device.name, ["no_such"])["no_such"]) == 0
    assert len(read.load_window(db, "potline-2", ["ac_energy"])["ac_energy"]) == 0


def test_readings_of_one_time_come_in_the_order_in_which_they_were_collected(db, device, deliver):
    """Also when their batches arrived the other way round."""
    catalogue = device.seal(batch.Catalogue(POINTS))
    sealed = []
    for first in (0.0, 2.0):
        made = Rows.empty()
        made.append(0, START_US, first)
        made.append(0, START_US, first + 1)
        sealed.append(device.seal(made))
    deliver(catalogue)
    deliver(sealed[1])
    deliver(sealed[0])
    assert read.load_window(db, device.name, ["ac_energy"])["ac_energy"].value.tolist() == [0, 1, 2, 3]


def test_one_name_with_another_address_goes_on_and_with_another_unit_is_refused(db, device, deliver):
    moved = Point("ac_energy", "ns=2;s=moved", "kWh", PointKind.COUNTER, "M-2")
    deliver(*device.chain(2), device.seal(batch.Catalogue((moved,), first_index=2)))
    deliver(device.seal(rows(3, points=3)))
    assert len(read.load_window(db, device.name, ["ac_energy"])["ac_energy"]) == 5 + 2
    other = Point("ac_energy", "ns=2;s=moved", "MWh", PointKind.COUNTER, "M-2")
    deliver(device.seal(batch.Catalogue((other,), first_index=3)))
    with pytest.raises(IngestError, match="counter in MWh, counter in kWh"):
        read.load_window(db, device.name, ["ac_energy"])


def test_batches_come_in_the_order_of_the_chain_page_by_page(db, device, deliver, monkeypatch):
    monkeypatch.setattr(read, "PAGE", 2)
    newer = Device(epoch=START_US + 1)
    sent = [device.chain(5), newer.chain(3)]
    deliver(*reversed(sent[0]))
    deliver(*reversed(sent[0]))
    deliver(*sent[1])
    assert [one.data for one in read.batches(db, device.name)] == sent[0] + sent[1]


def test_heads_end_before_a_hole_and_leave_out_stale_epochs(db, device, deliver):
    stale = Device(epoch=START_US - 1)
    sent = device.chain(5)
    deliver(*sent[:3], sent[4])
    deliver(stale.seal(batch.Catalogue(POINTS)))
    (head,) = read.heads(db, device.name)
    assert (head.epoch, head.sequence, head.sha256) == (START_US, 2, batch.open_batch(sent[2]).sha256)
    assert head.latest_source_time_us == START_US + 9 * STEP_US


def test_coverage_is_what_a_count_of_all_readings_gives(db, device, deliver):
    assert read.coverage(db, device.name) == []
    moved = Point("ac_energy", "ns=2;s=moved", "kWh", PointKind.COUNTER, "M-2")
    made = Rows.empty()
    for point, time_us in ((0, START_US), (2, NULL_TIME_US), (2, MAX_TIME_US), (0, START_US)):
        made.append(point, time_us, 1.0)
    catalogue, *readings = device.seal(batch.Catalogue((*POINTS, moved))), device.seal(made), device.seal(rows(7))
    deliver(catalogue, *reversed(readings))
    release_all(db)
    deliver(*readings)  # again: counted once
    deliver(device.seal(rows(3, start_us=START_US - STEP_US)))
    counted = db.execute(
        "SELECT p.name, count(*), (extract(epoch FROM min(time)) * 1000000)::bigint,"
        " (extract(epoch FROM max(time)) * 1000000)::bigint"
        " FROM telemetry.reading AS r JOIN telemetry.point AS p ON p.id = r.point_id GROUP BY p.name ORDER BY p.name"
    )
    assert read.coverage(db, device.name) == [read.Coverage(*row) for row in counted]
    assert [one.count for one in read.coverage(db, device.name)] == [10, 4]


def test_ties_are_ordered_also_among_many_and_at_two_addresses_of_one_name(db, device, deliver):
    """One name at two addresses, each time twice: the order is that of collection."""
    moved = Point("ac_energy", "ns=2;s=moved", "kWh", PointKind.COUNTER, "M-2")
    deliver(device.seal(batch.Catalogue((*POINTS, moved))))
    sealed = []
    for part in range(2):
        made = Rows.empty()
        for n in range(100):
            made.append((0, 2)[n % 2], START_US + n // 2 * STEP_US, part * 100 + n, status=n, flags=n % 3)
        sealed.append(device.seal(made))
    deliver(sealed[1])
    deliver(sealed[0])
    columns = read.load_window(db, device.name, ["ac_energy"])["ac_energy"]
    expected = sorted((START_US + n // 2 * STEP_US, part * 100 + n, n, n % 3) for part in range(2) for n in range(100))
    found = zip(columns.time_us, columns.value, columns.status, columns.flags, strict=True)
    assert [tuple(map(int, row)) for row in found] == expected


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1]),
            st.integers(START_US, START_US + 5_000_000) | st.integers(NULL_TIME_US, MAX_TIME_US),
            st.floats(),
            st.integers(0, 2**32 - 1),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_what_was_sent_comes_back_bit_for_bit(db, deliver, readings):
    device = Device(f"potline-{next(numbers)}")
    register.enroll(db, device.name, device.public_key, "hengkang")
    made = Rows.empty()
    for point, time_us, value, status, flags in readings:
        made.append(point, time_us, value, status=status, flags=flags)
    outcome = deliver(device.seal(batch.Catalogue(POINTS)), device.seal(made), topic_device=device.name)
    assert {str(decision.code) for decision in outcome.decisions} <= {"accepted", "time_implausible"}
    if outcome.decisions[1].code is Code.TIME_IMPLAUSIBLE:  # which is not what this test asks about
        (number,) = db.execute("SELECT max(id) FROM telemetry.quarantine").fetchone()
        assert release(db, number, received_at_us=now_us()).code is Code.ACCEPTED
    loaded = read.load_window(db, device.name, [point.name for point in POINTS])
    for index, point in enumerate(POINTS):
        expected = sorted((row for row in readings if row[0] == index), key=lambda row: row[1])
        columns = loaded[point.name]
        assert columns.time_us.tolist() == [row[1] for row in expected]
        assert columns.value.tobytes() == np.array([row[2] for row in expected]).tobytes()
        assert columns.status.tolist() == [row[3] for row in expected]
        assert columns.flags.tolist() == [row[4] for row in expected]


def test_a_nan_keeps_the_bits_that_a_device_put_into_it_also_among_readings_of_one_time(db, device, deliver):
    marked = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]
    made = Rows.empty()
    for value in (0.0, marked, 1.0):
        made.append(0, START_US, value)
    deliver(device.seal(batch.Catalogue(POINTS)), device.seal(made))
    [point] = [point.name for point in POINTS[:1]]
    assert read.load_window(db, device.name, [point])[point].value.tobytes() == struct.pack("<3d", 0.0, marked, 1.0)


def test_batches_up_to_an_end_are_a_whole_beginning_of_the_chain(db, device, deliver):
    """Up to the last batch that has something to say about the time before the end, be it late or an admitted gap."""
    sent = device.chain(3)  # a catalogue, then hours 0 and 1
    late = device.seal(rows(2))  # hour 0 again
    gap = device.seal(batch.Gaps((batch.Gap((0,), START_US + STEP_US, START_US + 2 * STEP_US, "spool full"),)))
    after = device.seal(rows(2, start_us=START_US + 100 * STEP_US))
    refused = device.seal(rows(3, points=3, start_us=START_US + 200 * STEP_US))  # a point that no catalogue names
    deliver(*sent, late, gap, after, refused)

    def came(end_us, **options):
        return [one.data for one in read.batches(db, device.name, end_us=end_us, **options)]

    assert came(START_US) == []
    assert came(START_US + 1) == [*sent, late]
    assert came(START_US + STEP_US + 1) == [*sent, late, gap]
    assert came(START_US + 100 * STEP_US) == [*sent, late, gap]
    assert came(START_US + 100 * STEP_US + 1) == [*sent, late, gap, after]
    assert came(None) == [*sent, late, gap, after]
    assert came(START_US, at_least={START_US: 1}) == sent[:2]
    assert came(START_US + 1, at_least={START_US: 1}) == [*sent, late]
    assert came(START_US, refused=True) == [refused]
    assert came(None, refused=True) == [*sent, late, gap, after, refused]
