"""Dropping readings on purpose: on the record, in whole chunks, and never so that a window comes back short."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from click.testing import CliRunner

from ingest import read, rebuild
from ingest.buckets import BUCKET_US, counter_deltas, coverage_by_day
from ingest.db_cli import db as db_command
from ingest.errors import IngestError
from ingest.gateway import read as gateway_read
from ingest.gateway.config import GatewayFile
from ingest.gateway.messages import Kept, Reading
from ingest.gateway.store import register, store
from ingest.retention import drop_before, forget_horizon, horizon_of
from tests.ingest.builders import POINTS, START_US, rows
from verification import batch
from verification.model import Grade

DAY_US = 86_400_000_000
NAME = POINTS[0].name
MOMENT = dt.datetime(2026, 1, 20, tzinfo=dt.UTC)


@pytest.fixture
def whole(device, deliver):
    """Ten readings on each of days 0, 10, 20 and 30 of 2026."""
    deliver(device.seal(batch.Catalogue(POINTS)))
    deliver(*(device.seal(rows(10, start_us=START_US + day * DAY_US)) for day in (0, 10, 20, 30)))
    return device


def us(moment: dt.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def test_what_lies_before_is_dropped_and_a_window_that_reaches_there_is_refused(db, whole):
    horizon = drop_before(db, MOMENT)
    assert MOMENT - dt.timedelta(days=7) < horizon <= MOMENT  # whole chunks of seven days
    assert horizon_of(db) == horizon
    assert db.execute("SELECT min(time) >= %s, count(*) FROM telemetry.reading", (horizon,)).fetchone() == (True, 20)
    kept = read.load_window(db, whole.name, [NAME], us(horizon))[NAME]
    assert len(kept) == 10
    window = START_US, START_US + 40 * 96 * BUCKET_US
    for ask in (
        lambda: read.load_window(db, whole.name, [NAME]),
        lambda: read.load_window(db, whole.name, [NAME], START_US + 10 * DAY_US + 1),
        lambda: counter_deltas(db, whole.name, NAME, *window),
        lambda: coverage_by_day(db, whole.name, *window),
    ):
        with pytest.raises(IngestError, match=r"before .* were dropped; begin the window there"):
            ask()
    # Nothing of this window was ever there to drop.
    assert len(read.load_window(db, whole.name, [NAME], START_US - DAY_US, START_US)[NAME]) == 0
    assert len(read.load_window(db, "nobody", [NAME])[NAME]) == 0


def test_the_proof_leaves_out_what_was_dropped_also_when_more_of_it_comes_late(db, migrated, whole, deliver):
    before = rebuild.compare(migrated)
    drop_before(db, MOMENT)
    dropped = rebuild.compare(migrated)
    assert (dropped.readings, dropped.first_difference) == (20, None)
    deliver(whole.seal(rows(4)))  # of day 0
    assert rebuild.compare(migrated).readings == 20
    rebuild.rebuild(migrated)
    found = rebuild.compare(migrated)
    assert (found.readings, found.first_difference, before.readings) == (44, None, 40)
    assert horizon_of(db) is None
    assert len(read.load_window(db, whole.name, [NAME])[NAME]) == 22


def test_what_is_counted_of_a_point_is_what_is_left_of_it(db, whole):
    drop_before(db, MOMENT)
    left = read.coverage(db, whole.name)
    assert [(one.count, one.first_us >= us(MOMENT)) for one in left] == [(10, True), (10, True)]
    drop_before(db, dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    assert read.coverage(db, whole.name) == []


def test_what_gateways_sent_is_dropped_only_where_it_is_asked_for_and_the_signed_readings_stay(db, migrated, whole):
    config = msgspec.convert(
        {"enterprise": "hengkang", "points": {"p": {"topic": "p", "unit": "kW", "kind": "gauge"}}}, GatewayFile
    )
    ids = register(db, {"gw": config})
    days = [Reading("gw", "p", START_US + day * DAY_US, 1.0, 0) for day in (0, 10, 20, 30)]
    store(db, Kept(readings=days), ids, MOMENT)
    drop_before(db, MOMENT)
    assert len(gateway_read.load_window(db, "gw", ["p"])["p"]) == 4
    assert horizon_of(db, Grade.TRANSPORT) is None
    forget_horizon(db)
    horizon = drop_before(db, MOMENT, Grade.TRANSPORT)
    assert gateway_read.load_window(db, "gw", ["p"])["p"].time_us.tolist() == [one.time_us for one in days[2:]]
    assert (horizon_of(db), horizon_of(db, Grade.TRANSPORT)) == (None, horizon)
    said = CliRunner().invoke(db_command, ["status"], env={"RETROPROOF_DB": migrated}).output
    assert f"of gateways kept    from {horizon:%Y-%m-%d}" in said
    assert len(read.load_window(db, whole.name, [NAME], us(MOMENT))[NAME]) == 10


@pytest.mark.usefixtures("whole")
def test_dropping_again_never_moves_the_horizon_back(db):
    horizon = drop_before(db, MOMENT)
    if horizon < MOMENT:  # with chunks there is nothing more to drop
        with pytest.raises(IngestError, match="no whole chunk"):
            drop_before(db, MOMENT - dt.timedelta(days=8))
    else:
        assert drop_before(db, MOMENT - dt.timedelta(days=8)) == horizon
    assert horizon_of(db) == horizon


@pytest.mark.parametrize("moment", [dt.datetime(2026, 1, 20), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)])  # noqa: DTZ001
def test_a_moment_without_a_zone_or_to_come_is_refused(db, moment):
    with pytest.raises(IngestError, match="time zone and lie in the past"):
        drop_before(db, moment)


@pytest.mark.usefixtures("whole")
def test_the_command_says_from_when_on_readings_are_whole(migrated):
    days = (dt.datetime.now(dt.UTC) - MOMENT).days
    done = CliRunner().invoke(db_command, ["retain", "--keep-days", str(days)], env={"RETROPROOF_DB": migrated})
    assert "readings are whole from 2026-01-" in done.output
    said = CliRunner().invoke(db_command, ["status"], env={"RETROPROOF_DB": migrated}).output
    assert "readings kept       from 2026-01-" in said
