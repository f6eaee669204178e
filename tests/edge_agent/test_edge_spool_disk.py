"""The spool on a disk that is full, or whose bytes have changed."""

from __future__ import annotations

import gc
import math
import random
import sqlite3
import tracemalloc
from contextlib import suppress

import pytest

from edge_agent.spool import SPOOL_FULL, Spool
from edge_agent.spool_model import Limits, Settlement, SpoolDamagedError, SpoolFullError
from edge_agent.spool_reserve import Reserve
from edge_agent.spool_settlement import slices
from tests.edge_agent.spools import (
    CLOCK,
    POINTS,
    ack_through,
    open_at,
    rows_of,
    sealed,
    set_aside,
)
from verification import batch
from verification.batch import Gap, Gaps
from verification.model import Rows

MOST_LOG_BYTES = 16 << 20  # the pragma journal_size_limit


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


def test_what_a_full_disk_owes_takes_no_more_memory_the_longer_it_is_full(spool):
    spool._reserve = NoReserve()
    fill_disk(spool)
    with suppress(sqlite3.OperationalError):
        while True:  # what little room is left in the last page
            spool._run("insert_gap", point=0, start_us=1, end_us=2, reason="outage", count=None)
    refused = rows_of(*((point, i, 0.0) for i in range(1, 1001) for point in (0, 1)))
    spool.admit_loss(refused)
    tracemalloc.start()
    for _ in range(50):
        spool.admit_loss(refused)
    gc.collect()  # refusals leave garbage, which Python 3.13 lets lie longer than 3.11
    grown_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown_bytes < 10_000
    spool._db.execute("PRAGMA max_page_count = 1000000")
    spool.seal_due(CLOCK, everything=True)
    gaps = [gap for one in sealed(spool) if isinstance(p := batch.read_payload(one), Gaps) for gap in p.gaps]
    assert [gap for gap in gaps if gap.reason == SPOOL_FULL] == [
        Gap((point,), 1, 1000, SPOOL_FULL, 51_000) for point in (0, 1)
    ]


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


@pytest.mark.parametrize("rows_each", [1, 300])
def test_what_lies_on_the_disk_stays_within_the_bound_whatever_the_size_of_the_batches(tmp_path, clock, rows_each):
    """Counted is what a batch takes with its place in the tables, and the log is folded into the file as it grows."""
    path, bound = tmp_path / "s.sqlite", 1 << 20
    spool = open_at(path, clock, Limits(max_bytes=bound))
    spool.catalogue(POINTS)
    noise = random.Random(1)

    def rows() -> Rows:
        return rows_of(*((0, clock.us + i, noise.random()) for i in range(rows_each)))

    with suppress(SpoolFullError):
        while True:
            clock.us += 1_000
            spool.append(rows())
            spool.seal_due(CLOCK, everything=True)
    assert spool.depth().used_bytes > bound / 2
    for _ in range(20):  # it goes on refusing for as many minutes
        clock.us += 61_000_000
        spool.admit_loss(rows())
        spool.seal_due(CLOCK, everything=True)
    assert path.stat().st_size <= 1.1 * bound
    assert path.with_name(path.name + "-wal").stat().st_size <= MOST_LOG_BYTES
    spool.close()
