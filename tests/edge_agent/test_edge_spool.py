"""The spool: whatever happens, a reading is in exactly one batch or inside a signed gap."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest

from edge_agent.spool import SPOOL_FULL
from edge_agent.spool_model import ROW_BYTES, Limits, Settlement, SpoolFullError, TooLargeError
from edge_agent.spool_recovery import SPOOL_CORRUPT, open_spool
from tests.edge_agent.spools import (
    CLOCK,
    KEY,
    POINTS,
    START_US,
    ack_through,
    held,
    open_at,
    rows_of,
    sealed,
    set_aside,
)
from verification import ack, batch
from verification.batch import Catalogue, Gap, Gaps
from verification.errors import ConfigError
from verification.model import Point, PointKind, Rows


def test_the_first_batch_of_an_epoch_is_the_catalogue(spool):
    (first,) = sealed(spool)
    assert (first.header.sequence, first.header.previous) == (0, batch.NO_PREVIOUS)
    assert batch.read_payload(first) == Catalogue(POINTS, 0)


def test_batches_are_signed_chained_and_hold_the_rows_as_they_came(spool, clock):
    spool.append(rows_of((0, 5, 1.5), (1, 4, math.nan)))
    assert spool.seal_due(CLOCK) == 0
    clock.us += 2_000_000
    assert spool.seal_due(CLOCK) == 1
    catalogue, second = sealed(spool)
    assert second.header.previous == catalogue.sha256
    assert second.envelope.signed_by(KEY.public_key())
    assert (second.header.clock_state, second.header.clock_offset_us, second.header.signed_at_us) == (
        "synchronised",
        12,
        clock.us,
    )
    payload = batch.read_payload(second)
    assert (list(payload.point), list(payload.time_us), payload.value[0]) == ([0, 1], [5, 4], 1.5)


@pytest.mark.parametrize(("waited_us", "batches"), [(1_999_999, 0), (2_000_000, 1), (-2_000_000, 1)])
def test_rows_are_sealed_after_the_longest_wait_also_when_the_clock_was_set_back(spool, clock, waited_us, batches):
    spool.append(rows_of((0, 1, 1.0)))
    clock.us += waited_us
    assert spool.seal_due(CLOCK) == batches


@pytest.mark.parametrize(("rows", "batches"), [(9, 0), (10, 1), (19, 1), (20, 2)])
def test_a_batch_is_sealed_at_its_number_of_rows_and_never_holds_more(tmp_path, clock, rows, batches):
    spool = open_at(tmp_path / "s.sqlite", clock, Limits(max_rows=10))
    spool.catalogue(POINTS)
    spool.append(rows_of(*((0, i, 0.0) for i in range(rows))))
    assert spool.seal_due(CLOCK) == batches
    assert all(len(batch.read_payload(one)) == 10 for one in sealed(spool)[1:])
    spool.close()


def test_a_changed_point_gets_a_fresh_index_and_goes_on_where_it_was_left(tmp_path, clock):
    spool = open_at(tmp_path / "s.sqlite", clock)
    spool.catalogue(POINTS)
    spool.append(rows_of((0, 7, 1.0)))
    swapped = Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER, "M-NEW")
    assert spool.catalogue((swapped, POINTS[1])) == {"a": 2, "b": 1}
    assert spool.state(2) == spool.state(0)
    spool.append(rows_of((2, 9, 2.0)))
    # Back to the first meter: its old index would resume at 7.
    assert spool.catalogue(POINTS) == {"a": 3, "b": 1}
    assert spool.state(3).time_us == 9
    assert spool.catalogue(POINTS) == {"a": 3, "b": 1}
    catalogues = [batch.read_payload(one) for one in sealed(spool)]
    assert [catalogue.first_index for catalogue in catalogues] == [0, 2, 3]
    spool.close()


def test_the_state_of_a_point_counts_rows_at_its_latest_time(spool):
    spool.append(rows_of((0, 5, 1.0), (0, 5, 2.0), (0, 3, 9.0)))
    state = spool.state(0)
    assert (state.time_us, state.count, state.row_time_us) == (5, 2, 3)
    spool.append(rows_of((0, 6, 1.0)))
    assert (spool.state(0).time_us, spool.state(0).count) == (6, 1)
    assert spool.state(1) is None


def test_an_acknowledgement_deletes_up_to_its_batch_and_may_come_again(spool):
    for i in range(3):
        spool.append(rows_of((0, i, 1.0)))
        spool.seal_due(CLOCK, everything=True)
    said = ack_through(spool, 2)
    assert spool.settle(said).deleted == 3
    assert [one.header.sequence for one in sealed(spool)] == [3]
    assert spool.settle(said) == spool.settle(ack.Ack("device-1", said.epoch, -1, b""))
    assert spool.depth().batches == 1


def test_an_acknowledgement_of_an_older_state_deletes_nothing_and_is_no_alarm(spool):
    spool.append(rows_of((0, 1, 1.0)))
    spool.seal_due(CLOCK, everything=True)
    early, late = ack_through(spool, 0), ack_through(spool, 1)
    assert spool.settle(late).deleted == 2
    assert (spool.settle(early).deleted, spool.settle(early).alarm) == (0, "")


@pytest.mark.parametrize(
    ("sequences", "through", "kept_aside", "left"),
    [
        ((0, 1, 2), -1, 0, 3),
        ((1, 2), -1, 2, 0),
        ((3, 4, 6, 7), 2, 0, 4),
        ((3, 4, 6, 7), 3, 0, 3),
        ((3, 4, 6, 7), 4, 2, 0),
        ((3, 4), 1, 2, 0),
        ((3, 4), 9, 0, 0),
    ],
)
def test_batches_behind_a_lost_one_of_an_older_epoch_do_not_wait_for_ever(spool, sequences, through, kept_aside, left):
    """Ingest acknowledges up to the first hole only; a broken spool may have left one."""
    epoch = spool.identity.epoch - 1
    items = {n: bytes([n]) * 100 for n in sequences}
    for n, data in items.items():
        values = {
            "epoch": epoch,
            "sequence": n,
            "sealed_us": START_US,
            "sha256": bytes([n]) * 32,
            "data": data,
        }
        spool._run("insert_batch", **values)
    spool._batches += len(sequences)
    settlement = spool.settle(ack.Ack("device-1", epoch, through, bytes([max(through, 0)]) * 32))
    assert (settlement.alarm, spool.depth().refused) == ("", kept_aside)
    assert [code for _, code in settlement.refused] == ["behind_a_loss"] * bool(kept_aside)
    assert len([one for one in held(spool) if one.epoch == epoch]) == left
    assert spool.depth().batches == 1 + left


def test_an_old_acknowledgement_of_an_older_epoch_does_not_look_like_a_hole(spool):
    epoch = spool.identity.epoch - 1
    for n in range(3):
        values = {
            "epoch": epoch,
            "sequence": n,
            "sealed_us": START_US,
            "sha256": bytes([n]) * 32,
            "data": b"x",
        }
        spool._run("insert_batch", **values)
    late, early = (ack.Ack("device-1", epoch, n, bytes([n]) * 32) for n in (1, 0))
    assert spool.settle(late).deleted == 2
    assert spool.settle(early) == Settlement()
    assert [one.sequence for one in spool.pending((-1, -1), 100) if one.epoch == epoch] == [2]


def test_refused_batches_are_bounded_in_number(spool, monkeypatch):
    monkeypatch.setattr("edge_agent.spool_settlement.MAX_REFUSED_ROWS", 2)
    for i in range(1, 5):
        spool.append(rows_of((0, i, 1.0)))
        spool.seal_due(CLOCK, everything=True)
        (item,) = spool.pending((spool.identity.epoch, i - 1), 1)
        spool.settle(ack_through(spool, i, refused=(ack.Refusal(i, item.sha256, "unknown_key"),)))
    assert spool.depth().refused == 2


def test_receipts_are_known_again_until_their_bound_pushes_them_out(spool, monkeypatch):
    monkeypatch.setattr("edge_agent.spool.MAX_RECEIPTS", 3)
    for i in range(4):
        spool.append(Rows.empty(), receipts=[("t", bytes([i]))])
    asked = [("u", bytes([3])), *(("t", bytes([i])) for i in range(4))]
    assert spool.kept_of(asked) == {("t", bytes([i])) for i in (1, 2, 3)}
    spool.forget_receipts("t")
    assert not spool.kept_of(asked)


def test_a_full_spool_refuses_admits_the_loss_and_opens_again_once_there_is_room(tmp_path, clock):
    spool = open_at(tmp_path / "s.sqlite", clock, Limits(max_bytes=1 << 20))
    spool.catalogue(POINTS)
    thousands = 0
    with suppress(SpoolFullError):
        for thousands in range(1000):
            spool.append(rows_of(*((0, thousands * 1000 + i, 0.0) for i in range(1000))))
    taken = thousands * 1000
    assert (1 << 20) // 2 < taken * ROW_BYTES < 1 << 20
    lost = rows_of((0, taken + 5, 1.0), (0, taken + 9, 1.0), (1, taken + 7, 1.0))
    spool.admit_loss(lost)
    assert spool.seal_due(CLOCK, everything=True) > 1
    gaps = [batch.read_payload(one) for one in sealed(spool) if isinstance(batch.read_payload(one), Gaps)]
    expected = (
        Gap((0,), taken + 5, taken + 9, SPOOL_FULL, 2),
        Gap((1,), taken + 7, taken + 7, SPOOL_FULL, 1),
    )
    assert [one.gaps for one in gaps] == [expected]
    assert [one.header.dropped for one in sealed(spool) if one.header.dropped] == [3]
    # Sealing has made room by compression.
    spool.append(rows_of((0, taken, 0.0)))
    spool.close()


def test_more_at_once_than_a_spool_can_ever_hold_is_refused_as_such_and_stops_nothing_else(tmp_path, clock):
    spool = open_at(tmp_path / "s.sqlite", clock, Limits(max_bytes=1 << 20))
    spool.catalogue(POINTS)
    with pytest.raises(TooLargeError, match=r"too many for a spool of 1048576 bytes \(spool.max_bytes\); enlarge it"):
        spool.append(rows_of(*((0, i, 1.0) for i in range(30_000))))
    spool.append(rows_of((0, 1, 1.0)))
    assert spool.depth().open_rows == 1
    spool.close()


@pytest.mark.parametrize(("age_us", "full"), [(10_000_000, False), (10_000_001, True)])
def test_a_spool_whose_oldest_batch_is_too_old_refuses(tmp_path, clock, age_us, full):
    spool = open_at(tmp_path / "s.sqlite", clock, Limits(max_age_us=10_000_000))
    spool.catalogue(POINTS)
    clock.us += age_us
    assert ("max_age_days" in spool.full_reason()) is full
    spool.settle(ack_through(spool, 0))
    assert spool.full_reason() == ""
    spool.close()


def test_what_is_refused_for_the_age_of_what_waits_is_a_signed_gap(tmp_path, clock):
    """Of size and of age the one rule: refuse, say so, go on once there is an acknowledgement."""
    spool = open_at(tmp_path / "s.sqlite", clock, Limits(max_age_us=10_000_000))
    spool.catalogue(POINTS)
    clock.us += 10_000_001
    lost = rows_of((0, clock.us, 1.0), (0, clock.us + 1, 2.0))
    with pytest.raises(SpoolFullError, match="max_age_days"):
        spool.append(lost)
    spool.admit_loss(lost)
    assert spool.seal_due(CLOCK) == 1
    (gap,) = batch.read_payload(sealed(spool)[-1]).gaps
    assert gap == Gap((0,), clock.us, clock.us + 1, SPOOL_FULL, 2)
    assert sealed(spool)[-1].header.dropped == 2
    spool.settle(ack_through(spool, 1))
    spool.append(rows_of((0, clock.us + 2, 3.0)))
    spool.close()


def test_a_spool_of_another_device_is_refused(tmp_path, clock):
    open_at(tmp_path / "s.sqlite", clock).close()
    with pytest.raises(ConfigError, match="'device-1'"):
        open_spool(tmp_path / "s.sqlite", "device-2", KEY, Limits())


def test_a_new_epoch_is_later_than_any_known_one_although_the_clock_was_set_back(tmp_path, clock):
    spool = open_at(tmp_path / "s.sqlite", clock, known_epoch=START_US + 5)
    assert spool.identity.epoch == START_US + 6
    spool.close()


def test_a_corrupt_spool_is_moved_aside_and_what_can_be_read_of_it_goes_on(tmp_path, clock):
    path = tmp_path / "s.sqlite"
    spool = open_at(path, clock)
    spool.catalogue(POINTS)
    for i in range(200):
        spool.append(rows_of(*((0, i * 100 + j, float(j)) for j in range(100))))
        spool.seal_due(CLOCK, everything=True)
    before = {one.sha256 for one in sealed(spool)}
    old_epoch = spool.identity.epoch
    spool.close()
    data = bytearray(path.read_bytes())
    data[-20_000:-12_000] = bytes(8_000)
    path.write_bytes(data)
    clock.us += 1_000_000
    again = open_at(path, clock)
    assert len(set_aside(path)) == 1
    assert again.identity.epoch > old_epoch
    saved = {one.sha256 for one in sealed(again)}
    assert saved
    assert saved < before
    again.catalogue(POINTS)
    again.seal_due(CLOCK, everything=True)
    *_, catalogue, gaps = sealed(again)
    assert (catalogue.header.sequence, gaps.header.sequence) == (0, 1)
    (gap,) = batch.read_payload(gaps).gaps
    assert gap == Gap((0, 1), old_epoch, clock.us, SPOOL_CORRUPT)
    again.close()


@pytest.mark.parametrize("content", [b"", b"not a database", bytes(10_000)], ids=["empty", "text", "zeros"])
def test_a_file_that_is_no_spool_is_moved_aside(tmp_path, clock, content):
    path = tmp_path / "s.sqlite"
    path.write_bytes(content)
    spool = open_at(path, clock)
    spool.catalogue(POINTS)
    (aside,) = set_aside(path)
    # SQLite takes an empty file for an empty database, and begins to fill it.
    assert aside.read_bytes() == content or not content
    spool.seal_due(CLOCK, everything=True)
    (gap,) = batch.read_payload(sealed(spool)[-1]).gaps
    assert (gap.start_us, gap.end_us) == (0, clock.us)
    spool.close()


@pytest.mark.parametrize("moved", [False, True])
def test_a_crash_while_a_corrupt_spool_is_replaced_is_mended(tmp_path, clock, moved):
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"not a database")
    open_at(path, clock).close()
    replaced = path.read_bytes()
    path.rename(tmp_path / "s.sqlite.new")
    if not moved:
        path.write_bytes(b"not a database")
    spool = open_at(path, clock)
    assert spool.seal_due(CLOCK, everything=True) == 1
    assert not moved or len(replaced) == path.stat().st_size
    spool.close()


def test_a_newer_epoch_waits_until_ingest_has_answered_to_the_older_one(tmp_path, clock):
    """Ingest refuses an epoch that it first hears of after a newer one."""
    path = tmp_path / "s.sqlite"
    spool = open_at(path, clock)
    spool.catalogue(POINTS)
    old = spool.identity.epoch
    spool._db.execute("UPDATE identity SET previous = zeroblob(32)")
    spool.close()
    clock.us += 1
    spool = open_at(path, clock)
    spool.catalogue(POINTS)
    assert [item.epoch for item in spool.pending((-1, -1), 10)] == [old]
    assert spool.fresh((old, 0), 60_000_000, 10) == []
    (item,) = spool.pending((-1, -1), 10)
    spool.settle(ack.Ack("device-1", old, -1, b"", (ack.Refusal(0, item.sha256, "unknown_key"),)))
    assert [item.epoch for item in spool.pending((-1, -1), 10)] == [old, spool.identity.epoch]
    spool.settle(ack.Ack("device-1", old, 0, item.sha256))
    assert [item.epoch for item in spool.pending((-1, -1), 10)] == [spool.identity.epoch]
    spool.close()


def test_a_refusal_that_settles_nothing_is_told_and_the_batch_stays(spool):
    (item,) = spool.pending((-1, -1), 1)
    said = ack.Ack("device-1", item.epoch, -1, b"", (ack.Refusal(0, item.sha256, "unknown_key"),))
    assert spool.settle(said) == Settlement(beyond=((0, "unknown_key"),))
    assert spool.depth().batches == 1


def test_fresh_batches_are_the_newest_that_were_sealed_lately(spool, clock):
    for i in range(1, 6):
        clock.us += 40_000_000
        spool.append(rows_of((0, i, 1.0)))
        spool.seal_due(CLOCK, everything=True)
    epoch = spool.identity.epoch
    assert [item.sequence for item in spool.fresh((epoch, 0), 60_000_000, 10)] == [4, 5]
    assert [item.sequence for item in spool.fresh((epoch, 0), 60_000_000, 1)] == [5]
    assert spool.fresh((epoch, 5), 60_000_000, 10) == []
