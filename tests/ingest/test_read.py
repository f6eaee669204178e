"""Reading back: windows, chains, coverage, CSV, and the proof that readings equal their batches."""

from __future__ import annotations

import csv
import io

import pytest

from ingest import read, rebuild
from ingest.errors import IngestError
from tests.ingest.builders import POINTS, START_US, STEP_US, Device, rows
from verification import batch
from verification.model import Point, PointKind, Rows


def test_a_window_holds_its_start_and_not_its_end(db, device, deliver):
    deliver(*device.chain(3))
    window = read.load_window(db, device.name, ["ac_energy"], START_US + STEP_US, START_US + 4 * STEP_US)
    assert window["ac_energy"].time_us.tolist() == [START_US + n * STEP_US for n in (1, 2, 3)]


def test_a_window_before_1970_and_one_that_is_empty(db, device, deliver):
    made = Rows.empty()
    made.append(0, -1, 7.0)
    deliver(device.seal(batch.Catalogue(POINTS)), device.seal(made))
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


def test_coverage_counts_each_point_in_the_window(db, device, deliver):
    deliver(*device.chain(3))
    first, second = read.coverage(db, device.name, START_US, START_US + 3 * STEP_US)
    assert first == read.Coverage("ac_energy", 3, START_US, START_US + 2 * STEP_US)
    assert second.point == "line_current"


def test_the_csv_has_every_reading_with_its_place_in_the_evidence(db, device, deliver):
    deliver(*device.chain(2))
    out = io.BytesIO()
    read.export_csv(db, out, device.name)
    lines = list(csv.DictReader(io.StringIO(out.getvalue().decode())))
    assert list(lines[0]) == ["point", "time_us", "value", "status", "flags", "epoch", "sequence", "row"]
    sent = rows(10)
    expected = [
        (
            POINTS[sent.point[n]].name,
            sent.time_us[n],
            sent.value[n],
            sent.status[n],
            sent.flags[n],
            START_US,
            1,
            n,
        )
        for n in range(10)
    ]
    found = [
        (
            line["point"],
            int(line["time_us"]),
            float(line["value"]),
            *(int(line[name]) for name in list(line)[3:]),
        )
        for line in lines
    ]
    assert found == sorted(expected)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE telemetry.reading SET value = value + 1e-12 WHERE row = 9",
        "DELETE FROM telemetry.reading WHERE row = 0",
        "INSERT INTO telemetry.reading SELECT * FROM telemetry.reading WHERE row = 3",
        "INSERT INTO telemetry.reading SELECT time, time, 1, 0, 999999, point_id, 0, 0 FROM telemetry.reading",
    ],
    ids=["changed", "lost", "doubled", "invented"],
)
def test_a_rebuild_finds_and_mends_every_difference(db, migrated, device, deliver, damage):
    deliver(*device.chain(4))
    good = rebuild.compare(migrated)
    assert good == rebuild.Comparison(3, 30, None)
    db.execute(damage)
    assert rebuild.compare(migrated).first_difference is not None
    assert rebuild.rebuild(migrated) == good
