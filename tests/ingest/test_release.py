"""Releases from quarantine: what was mended gets in exactly once and in its place; what was not stays out."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from ingest import read, rebuild, register
from ingest.admission import MAX_CLOCK_LEAD_US, Code
from ingest.database import connect
from ingest.errors import IngestError
from ingest.release import release
from tests.ingest.builders import POINTS, STEP_US, Device, compared, now_us, rows
from tests.ingest.test_ingest_command import run
from tests.ingest.test_writer import codes, count
from verification import batch


def entries(db) -> list[int]:
    return [number for (number,) in db.execute("SELECT id FROM telemetry.quarantine ORDER BY id")]


def released(db, number: int) -> Code:
    return release(db, number, received_at_us=now_us()).code


def test_readings_get_in_once_their_point_is_named_and_keep_their_place(db, migrated, device, deliver):
    catalogue, early = device.seal(batch.Catalogue(POINTS[:1])), device.seal(rows(4, points=2))
    later = device.seal(rows(4, points=1, start_us=rows(1).time_us[0] + STEP_US))
    assert codes(deliver(catalogue, early, later)) == ["accepted", "unknown_point", "accepted"]
    (number,) = entries(db)
    assert released(db, number) is Code.UNKNOWN_POINT  # nothing was mended yet
    deliver(device.seal(batch.Catalogue(POINTS[1:], first_index=1)))
    assert released(db, number) is Code.ACCEPTED
    assert compared(migrated) == (2, 8, None)
    assert [one.data for one in read.batches(db, device.name)][:3] == [catalogue, early, later]
    # Of the two readings at the second time, the one of the batch that was sealed first comes first.
    values = read.load_window(db, device.name, ["ac_energy"])["ac_energy"].value.tolist()
    assert values == pytest.approx([0.0, 0.2, 0.0, 0.1, 0.2, 0.3])


def test_a_release_happens_once(db, device, deliver):
    deliver(device.seal(batch.Catalogue(POINTS[:1])), device.seal(rows(4)))
    deliver(device.seal(batch.Catalogue(POINTS[1:], first_index=1)))
    (number,) = entries(db)
    released(db, number)
    with pytest.raises(IngestError, match="was released"):
        released(db, number)
    assert count(db, "reading") == 4
    with pytest.raises(IngestError, match="no entry"):
        released(db, 99)


def test_two_operators_at_once_release_once(db, migrated, device, deliver):
    deliver(device.seal(batch.Catalogue(POINTS[:1])), device.seal(rows(4)))
    deliver(device.seal(batch.Catalogue(POINTS[1:], first_index=1)))
    (number,) = entries(db)
    told: list[object] = []

    def operate() -> None:
        with connect(migrated) as conn:
            try:
                told.append(released(conn, number))
            except IngestError as err:
                told.append(str(err))

    operators = [threading.Thread(target=operate) for _ in range(4)]
    for one in operators:
        one.start()
    for one in operators:
        one.join()
    assert told.count(Code.ACCEPTED) == 1
    assert count(db, "reading") == 4


def test_a_batch_of_an_unknown_key_gets_in_once_the_key_is_registered(db, device, deliver):
    other = Device(seed=2)
    data = other.seal(batch.Catalogue(POINTS))
    assert codes(deliver(data)) == ["unknown_key"]
    (number,) = entries(db)
    assert released(db, number) is Code.UNKNOWN_KEY
    register.enroll(db, device.name, other.public_key, "hengkang")
    assert released(db, number) is Code.ACCEPTED
    assert codes(deliver(data)) == ["duplicate"]


def test_a_batch_that_its_agent_sent_again_meanwhile_is_a_duplicate_and_leaves_the_list(db, migrated, device, deliver):
    other = Device(seed=2)
    data = other.seal(batch.Catalogue(POINTS))
    deliver(data)
    register.enroll(db, device.name, other.public_key, "hengkang")
    deliver(data)
    (number,) = entries(db)
    assert released(db, number) is Code.DUPLICATE
    assert run("ingest", "quarantine", "list", url=migrated) == ""
    assert "unknown_key" in run("ingest", "quarantine", "list", "--released", url=migrated)


def test_a_clock_that_was_ahead_is_forgiven_when_its_time_has_come(db, device, deliver):
    lead_us = MAX_CLOCK_LEAD_US + 60_000_000
    ahead = device.seal(batch.Catalogue(POINTS), signed_at_us=now_us() + lead_us)
    assert codes(deliver(ahead)) == ["clock_implausible"]
    (number,) = entries(db)
    assert released(db, number) is Code.CLOCK_IMPLAUSIBLE
    assert release(db, number, received_at_us=now_us() + lead_us).code is Code.ACCEPTED
    assert count(db, "point") == len(POINTS)


def test_a_refused_catalogue_comes_before_the_readings_that_need_it(db, migrated, device, deliver):
    lead_us = MAX_CLOCK_LEAD_US + 1_000_000
    catalogue = device.seal(batch.Catalogue(POINTS), signed_at_us=now_us() + lead_us)
    assert codes(deliver(catalogue, device.seal(rows(6)))) == ["clock_implausible", "unknown_point"]
    first, second = entries(db)
    later_us = now_us() + lead_us
    assert release(db, second, received_at_us=later_us).code is Code.UNKNOWN_POINT
    assert release(db, first, received_at_us=later_us).code is Code.ACCEPTED
    assert release(db, second, received_at_us=later_us).code is Code.ACCEPTED
    assert rebuild.compare(migrated).readings == 6


@pytest.mark.parametrize("migrated", ["timescale"], indirect=True)
def test_a_device_cannot_have_tables_made_without_end_and_an_operator_may_still_let_its_readings_in(
    db, migrated, device, deliver
):
    deliver(device.seal(batch.Catalogue(POINTS)))
    wild = [device.seal(rows(2, start_us=year_us(year))) for year in range(1605, 1970, 40)]
    wild += [device.seal(rows(2, start_us=year_us(year))) for year in range(2040, 2200, 40)]
    honest = device.seal(rows(4))
    assert codes(deliver(*wild, honest)) == ["time_implausible"] * len(wild) + ["accepted"]
    chunks = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'"
    assert db.execute(chunks).fetchone() == (1,)
    assert released(db, entries(db)[0]) is Code.ACCEPTED
    assert compared(migrated) == (2, 6, None)


def year_us(year: int) -> int:
    return int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000


def test_what_no_mending_helps_stays_out_whoever_asks(db, migrated, device, deliver):
    deliver(device.seal(batch.Catalogue(POINTS)))
    fork = device.fork().seal(rows(4))
    deliver(device.seal(rows()))
    deliver(fork)
    deliver(device.seal(rows(), previous=bytes(31) + b"x"))
    deliver(b"junk")
    before = count(db, "reading")
    said = run("ingest", "quarantine", "release", *map(str, entries(db)), url=migrated, code=1)
    assert [line.split("\t")[1] for line in said.splitlines()[:3]] == ["conflict", "chain_break", "undecodable"]
    assert "3 of 3 stay" in said
    assert count(db, "reading") == before


def test_what_is_quarantined_holds_nothing_up(db, device, deliver):
    sent = [device.seal(batch.Catalogue(POINTS[:1])), device.seal(rows(4)), device.seal(rows(4, points=1))]
    assert deliver(*sent).acks[0].through == 2
    assert count(db, "reading") == 4
