"""The spool: whatever happens, a reading is in exactly one batch or inside a signed gap."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_agent.clock import ClockState
from edge_agent.spool import SPOOL_FULL, Spool
from edge_agent.spool_model import ROW_BYTES, Limits, SealedBatch, Settlement, SpoolDamagedError, SpoolFullError, extend
from edge_agent.spool_recovery import SPOOL_CORRUPT, open_spool
from edge_agent.spool_reserve import Reserve
from edge_agent.spool_settlement import slices
from verification import ack, batch
from verification.batch import Catalogue, Gap, Gaps
from verification.errors import ConfigError
from verification.model import Point, PointKind, Rows

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
POINTS = (
    Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER),
    Point("b", "ns=2;s=b", "V", PointKind.GAUGE, "M-1"),
)
START_US = 1_700_000_000_000_000
LIMITS = Limits()
CLOCK = ClockState("synchronised", 12)


class Clock:
    """Stands still unless it is turned."""

    def __init__(self) -> None:
        self.us = START_US

    def __call__(self) -> int:
        return self.us


def open_at(path: Path, clock: Clock, limits: Limits = LIMITS, **changes: object) -> Spool:
    return open_spool(path, "device-1", KEY, limits, now_us=clock, **changes)


def rows_of(*readings: tuple[int, int, float]) -> Rows:
    rows = Rows.empty()
    for point, time_us, value in readings:
        rows.append(point, time_us, value)
    return rows


def held(spool: Spool) -> list[SealedBatch]:
    """Every batch in the spool, whether or not it may go out yet."""
    found = spool._db.execute("SELECT epoch, sequence, sha256, data FROM batch ORDER BY epoch, sequence")
    return [SealedBatch(*row) for row in found]


def sealed(spool: Spool) -> list[batch.Batch]:
    return [batch.open_batch(item.data) for item in held(spool)]


def ack_through(spool: Spool, sequence: int, **changes: object) -> ack.Ack:
    (item,) = spool.pending((spool.identity.epoch, sequence - 1), 1)
    said = {"device": "device-1", "epoch": item.epoch, "through": item.sequence, "sha256": item.sha256}
    return ack.Ack(**(said | changes))


def set_aside(path: Path) -> list[Path]:
    return [found for found in path.parent.glob(f"{path.name}.corrupt-*") if found.name[-1].isdecimal()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock):
    made = open_at(tmp_path / "spool.sqlite", clock)
    made.catalogue(POINTS)
    yield made
    made.close()


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
    assert [spool.has_receipt(("t", bytes([i]))) for i in range(4)] == [False, True, True, True]
    assert not spool.has_receipt(("u", bytes([3])))
    spool.forget_receipts("t")
    assert not spool.has_receipt(("t", bytes([3])))


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


@pytest.mark.parametrize(("age_us", "full"), [(10_000_000, False), (10_000_001, True)])
def test_a_spool_whose_oldest_batch_is_too_old_refuses(tmp_path, clock, age_us, full):
    spool = open_at(tmp_path / "s.sqlite", clock, Limits(max_age_us=10_000_000))
    spool.catalogue(POINTS)
    clock.us += age_us
    assert ("max_age_days" in spool.full_reason()) is full
    spool.settle(ack_through(spool, 0))
    assert spool.full_reason() == ""
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


# ---- a full disk, and a file that changed on it


class NoReserve:
    """A disk on which there was never room for a reserve."""

    def hold(self) -> bool:
        return False

    def release(self) -> bool:
        return False


def pages(spool: Spool) -> int:
    return int(spool._db.execute("PRAGMA page_count").fetchone()[0])


def fill_disk(spool: Spool) -> None:
    spool._db.execute(f"PRAGMA max_page_count = {pages(spool)}")


def test_every_commit_is_on_the_disk_before_it_returns(spool):
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_disk_refuses_readings_and_the_loss_is_recorded_once_there_is_room(spool, clock, tmp_path):
    spool._reserve = NoReserve()
    fill_disk(spool)
    lost = rows_of(*((0, i, 0.0) for i in range(1, 2001)))
    with pytest.raises(SpoolFullError, match="disk is full"):
        spool.append(lost)
    many = Rows.empty()
    for point in range(2):
        for i in range(500):
            many.append(point, i + 1, 0.0)
    spool.admit_loss(many)
    with pytest.raises(SpoolFullError, match="disk is full"):  # also one that would find room: that is for gaps
        spool.append(rows_of((1, 3000, 1.0)))
    assert spool.seal_due(CLOCK, everything=True) <= 1
    spool._db.execute("PRAGMA max_page_count = 1000000")
    spool._reserve = Reserve(tmp_path / "reserve", 4096)
    clock.us += 120_000_000
    spool.seal_due(CLOCK, everything=True)
    spool.append(rows_of((1, 3000, 1.0)))
    gaps = [gap for one in sealed(spool) if isinstance(p := batch.read_payload(one), Gaps) for gap in p.gaps]
    assert gaps == [Gap((0,), 1, 500, SPOOL_FULL, 500), Gap((1,), 1, 500, SPOOL_FULL, 500)]
    assert sum(one.header.dropped for one in sealed(spool)) == 1000


def test_the_reserve_lies_beside_the_spool_is_given_up_on_a_full_disk_and_held_again(tmp_path):
    reserve = Reserve(tmp_path / "s.sqlite.reserve", 4096)
    assert reserve.hold()
    assert (tmp_path / "s.sqlite.reserve").stat().st_size == 4096
    assert reserve.release()
    assert not reserve.release()
    assert reserve.hold()
    assert reserve.release()
    nowhere = Reserve(tmp_path / "no" / "where", 4096)
    assert not nowhere.hold()
    assert not nowhere.release()


def test_on_a_full_disk_the_reserve_makes_room_for_what_must_not_wait(spool):
    class Pages(NoReserve):
        def release(self) -> bool:
            spool._db.execute("PRAGMA max_page_count = 1000000")
            return True

    spool.append(rows_of(*((0, i, math.sin(i)) for i in range(3000))))
    spool._reserve = NoReserve()
    fill_disk(spool)
    assert spool.seal_due(CLOCK, everything=True) == 0
    assert spool.depth().open_rows == 3000
    spool._reserve = Pages()
    assert spool.seal_due(CLOCK, everything=True) == 1


def test_a_drained_spool_gives_its_room_back_to_a_full_disk(spool, clock):
    for i in range(40):
        spool.append(rows_of(*((0, i * 1000 + j, math.sin(j)) for j in range(1000))))
        spool.seal_due(CLOCK, everything=True)
    grown = pages(spool)
    spool.settle(ack_through(spool, spool.identity.next_sequence - 1))
    assert pages(spool) == grown
    spool._disk_full = True
    clock.us += 10_000_000
    spool.seal_due(CLOCK)
    assert pages(spool) < grown / 2
    assert spool.full_reason() == ""


def test_what_one_acknowledgement_settles_is_deleted_in_small_steps(spool, monkeypatch):
    monkeypatch.setattr("edge_agent.spool_settlement.MAX_SLICE", 3)
    for i in range(1, 11):
        spool.append(rows_of((0, i, 1.0)))
        spool.seal_due(CLOCK, everything=True)
    said = ack_through(spool, 10)
    assert [part.through for part in slices(spool._db, said)] == [2, 5, 8, 10]
    assert spool.settle(said).deleted == 11
    assert spool.depth().batches == 0
    assert spool.settle(said) == Settlement()


def flip(spool: Spool, table: str, key: int) -> None:
    """Change one byte of a stored blob, as a bad disk would."""
    (data,) = spool._db.execute(f"SELECT data FROM {table} WHERE rowid = ?", (key,)).fetchone()  # noqa: S608
    changed = data[:60] + bytes([data[60] ^ 1]) + data[61:] if len(data) > 60 else bytes([data[0] ^ 1]) + data[1:]
    spool._db.execute(f"UPDATE {table} SET data = ? WHERE rowid = ?", (changed, key))  # noqa: S608


@pytest.mark.parametrize("what", ["a batch", "open rows", "the name of the last batch"])
def test_a_changed_byte_that_sqlite_does_not_notice_is_noticed_at_the_next_start(tmp_path, clock, what):
    path = tmp_path / "s.sqlite"
    spool = open_at(path, clock)
    spool.catalogue(POINTS)
    spool.append(rows_of((0, 1, 1.0)))
    spool.seal_due(CLOCK, everything=True)
    spool.append(rows_of((0, 2, 2.0)))
    if what == "a batch":
        flip(spool, "batch", 2)
    elif what == "open rows":
        flip(spool, "chunk", 2)
    else:
        spool._db.execute("UPDATE identity SET previous = zeroblob(32)")
    spool.close()
    clock.us += 1_000_000
    again = open_at(path, clock)
    assert len(set_aside(path)) == 1
    assert {one.header.sequence for one in sealed(again)} == ({0} if what == "a batch" else {0, 1})
    again.close()


def test_rows_that_changed_while_the_agent_ran_are_never_sealed(spool):
    spool.append(rows_of((0, 2, 2.0)))
    flip(spool, "chunk", 1)
    with pytest.raises(SpoolDamagedError):
        spool.seal_due(CLOCK, everything=True)


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


class SpoolMachine(RuleBasedStateMachine):
    """Readings go in; crashes, acknowledgements (lost, late, repeated) and corruption happen; nothing goes missing."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "spool.sqlite"
        self.clock = Clock()
        self.limits = Limits(max_bytes=1 << 20, max_rows=7, max_wait_us=1_000)
        self.accepted: list[tuple[int, float]] = []
        self.refused: list[int] = []
        self.upstream: dict[tuple[int, int], bytes] = {}
        self.acks: list[ack.Ack] = []
        self.counter = 0

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self, known_epoch: int = 0) -> None:
        self.spool = open_at(self.path, self.clock, self.limits, known_epoch=known_epoch)
        self.spool.catalogue(POINTS)

    def tick(self) -> int:
        self.clock.us += 10
        return self.clock.us

    @rule(count=st.integers(1, 20))
    def append(self, count: int) -> None:
        rows = Rows.empty()
        for _ in range(count):
            self.counter += 1
            rows.append(self.counter % 2, self.tick(), float(self.counter))
        try:
            self.spool.append(rows)
        except SpoolFullError:
            self.spool.admit_loss(rows)
            self.refused += rows.time_us
        else:
            self.accepted += zip(rows.time_us, rows.value, strict=True)

    @rule()
    def fill(self) -> None:
        """As if other readings had taken all the room, until `make_room` or a restart."""
        self.spool._readings_bytes = 0

    @rule()
    def make_room(self) -> None:
        self.spool._readings_bytes = self.limits.max_bytes

    @rule(everything=st.booleans())
    def seal(self, everything: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        self.spool.seal_due(CLOCK, everything=everything)

    @rule()
    def crash_and_reopen(self) -> None:
        """The file as a kill would leave it: copied with its log while the writer has it open."""
        copy = self.folder / f"copy-{self.counter}-{self.clock.us}"
        self.tick()
        shutil.copy(self.path, copy)
        shutil.copy(f"{self.path}-wal", f"{copy}-wal")
        self.spool.close()
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").replace(f"{self.path}{suffix}")
        self.open()

    @rule(most=st.integers(1, 5))
    def send(self, most: int) -> None:
        for item in self.spool.pending((-1, -1), most):
            known = self.upstream.setdefault((item.epoch, item.sequence), item.data)
            assert known == item.data
        for epoch in self.spool.epochs():
            through = -1
            while (epoch, through + 1) in self.upstream:
                through += 1
            if through >= 0:
                sha256 = batch.open_batch(self.upstream[epoch, through]).sha256
                self.acks.append(ack.Ack("device-1", epoch, through, sha256))

    @precondition(lambda self: self.acks)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """Any acknowledgement that was ever sent may arrive, in any order, as often as it likes."""
        settlement = self.spool.settle(data.draw(st.sampled_from(self.acks)))
        assert settlement.alarm == ""

    @rule(status_is_left=st.booleans())
    def corrupt(self, status_is_left: bool) -> None:  # noqa: FBT001 - hypothesis passes it by name
        known_epoch = self.spool.identity.epoch if status_is_left else 0
        self.spool.close()
        self.tick()
        self.path.write_bytes(b"garbage" + self.path.read_bytes()[7:])
        self.open(known_epoch=known_epoch)

    @invariant()
    def every_reading_is_kept_once_or_admitted(self) -> None:
        if not hasattr(self, "spool"):
            return
        copy_rows: Counter[tuple[int, float]] = Counter()
        gaps: list[Gap] = []
        waiting = {(item.epoch, item.sequence): item.data for item in held(self.spool)}
        for data in (waiting | self.upstream).values():
            match batch.read_payload(batch.open_batch(data)):
                case Rows() as rows:
                    copy_rows.update(zip(rows.time_us, rows.value, strict=True))
                case Gaps(found):
                    gaps += found
        waiting = Rows.empty()
        for _, _, count, data in self.spool._db.execute("SELECT * FROM chunk ORDER BY id"):
            extend(waiting, count, data)
        copy_rows.update(zip(waiting.time_us, waiting.value, strict=True))
        open_gaps = self.spool._db.execute("SELECT start_us, end_us FROM open_gap").fetchall()
        spans = [(gap.start_us, gap.end_us) for gap in gaps] + open_gaps
        for reading, count in Counter(self.accepted).items():
            inside = any(start <= reading[0] <= end for start, end in spans)
            assert copy_rows[reading] == count or (inside and copy_rows[reading] == 0)
        assert not copy_rows.keys() - set(self.accepted)
        assert all(any(start <= time_us <= end for start, end in spans) for time_us in self.refused)

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
