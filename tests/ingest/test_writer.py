"""The writer on both tiers: one transaction a group, each batch once in whatever order, nothing without a bound."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from ingest import read, register
from ingest.admission import Arrival, Code
from ingest.database import Connection, connect
from ingest.rows import PART
from ingest.writer import MAX_QUARANTINED_OF_TOPIC, write_group
from tests.ingest.builders import POINTS, START_US, Device, compared, now_us, release_all, rows, until
from verification import batch
from verification.ack import NOTHING_SETTLED, Refusal
from verification.model import MAX_TIME_US, NULL_TIME_US, Point, PointKind, Rows


def codes(outcome) -> list[str]:
    return [str(decision.code) for decision in outcome.decisions]


def count(conn: Connection, table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("telemetry", table))
    return conn.execute(query).fetchone()[0]


def test_every_reading_is_stored_bit_for_bit(db, device, deliver):
    made = Rows.empty()
    for value in (0.1, -0.0, float("inf"), float("nan"), 5e-324):
        made.append(1, START_US, value, status=2**32 - 1, flags=255, server_time_us=START_US + 1)
    made.append(1, NULL_TIME_US, 1.0)
    made.append(1, MAX_TIME_US, 2.0)
    deliver(device.seal(batch.Catalogue(POINTS)), device.seal(made))
    release_all(db)
    found = read.load_window(db, device.name, ["line_current"])["line_current"]
    order = np.argsort(np.frombuffer(made.time_us, np.int64), kind="stable")
    assert found.time_us.tolist() == np.frombuffer(made.time_us, np.int64)[order].tolist()
    assert found.value.tobytes() == np.frombuffer(made.value)[order].tobytes()
    assert found.status.tolist() == np.frombuffer(made.status, np.uint32)[order].tolist()
    assert found.flags.tolist() == np.frombuffer(made.flags, np.uint8)[order].tolist()


def test_the_batches_are_kept_byte_for_byte(db, device, deliver):
    sent = device.chain(5)
    deliver(*sent)
    assert [one.data for one in read.batches(db, device.name)] == sent


def test_a_group_is_stored_point_by_point_and_in_its_order_within(db, device, deliver):
    each = PART // 3
    catalogue = device.seal(batch.Catalogue(POINTS))
    deliver(catalogue, *[device.seal(rows(each, start_us=START_US + n * 1_000)) for n in range(4)])
    stored = db.execute("SELECT point_id, batch_id, row FROM telemetry.reading ORDER BY tableoid, ctid").fetchall()
    weeks = db.execute("SELECT count(DISTINCT tableoid) FROM telemetry.reading").fetchone()[0]
    assert len(stored) == 4 * each > PART
    falls = sum(one > two for one, two in itertools.pairwise(stored))
    assert falls == weeks - 1


def test_a_replay_inserts_nothing_and_is_acknowledged_again(migrated, device, deliver):
    sent = device.chain(4)
    first = deliver(*sent, received_at_us=now_us())
    again = deliver(*sent, *sent, received_at_us=first.acks[0].at_us)
    assert codes(again) == ["duplicate"] * 8
    assert again.acks == first.acks
    assert compared(migrated) == (3, 30, None)


def test_the_same_batch_twice_in_one_group_is_stored_once(db, device, deliver):
    sent = device.chain(2)
    assert sorted(codes(deliver(*sent, *sent))) == ["accepted", "accepted", "duplicate", "duplicate"]
    assert count(db, "reading") == 10


def test_the_acknowledgement_reaches_up_to_the_first_hole(device, deliver):
    sent = device.chain(6)
    first = deliver(*sent[:2], *sent[3:5]).acks[0]
    assert (first.through, first.sha256) == (1, batch.open_batch(sent[1]).sha256)
    assert deliver(sent[2]).acks[0].through == 4
    assert deliver(sent[5]).acks[0].through == 5


def test_a_hole_is_listed_until_its_batch_arrives(db, device, deliver):
    sent = device.chain(6)
    deliver(sent[0], *sent[3:])
    listed = db.execute("SELECT first_missing, last_missing FROM telemetry.sequence_gap").fetchall()
    assert listed == [(1, 2)]
    deliver(*sent[1:3])
    assert count(db, "sequence_gap") == 0


def test_a_chain_that_was_asked_for_is_answered(device, deliver):
    chain = (device.name, START_US)
    assert deliver(asked=[chain]).acks[0].through == NOTHING_SETTLED
    deliver(*device.chain(2))
    assert deliver(asked=[chain]).acks[0].through == 1
    assert deliver(asked=[("nobody", START_US)]).acks == ()


def test_a_refused_batch_is_kept_and_named_and_blocks_nothing(db, device, deliver):
    catalogue = device.seal(batch.Catalogue(POINTS))
    bad = device.seal(rows(points=3))
    good = device.seal(rows())
    outcome = deliver(catalogue, bad, good)
    assert codes(outcome) == ["accepted", "unknown_point", "accepted"]
    refusal = Refusal(1, batch.open_batch(bad).sha256, "unknown_point")
    assert (outcome.acks[0].through, outcome.acks[0].refused) == (2, (refusal,))
    assert deliver(bad).acks[0].refused == (refusal,)  # also when the first word was lost
    assert [one.data for one in read.batches(db, device.name)] == [catalogue, good]
    assert [one.data for one in read.batches(db, device.name, refused=True)] == [catalogue, bad, good]


def test_a_conflict_is_kept_and_changes_nothing(db, device, deliver):
    deliver(device.seal(batch.Catalogue(POINTS)))
    other = device.fork().seal(rows(4))
    ours = device.seal(rows())
    deliver(ours)
    outcome = deliver(other)
    assert codes(outcome) == ["conflict"]
    assert outcome.acks[0].sha256 == batch.open_batch(ours).sha256
    assert db.execute("SELECT code, bytes FROM telemetry.quarantine").fetchall() == [("conflict", other)]


def test_a_stranger_settles_nothing_and_gets_no_answer(db, deliver):
    stranger = Device("stranger")
    outcome = deliver(stranger.seal(batch.Catalogue(POINTS)), topic_device="stranger")
    assert (codes(outcome), outcome.acks) == (["unknown_device"], ())
    assert count(db, "batch") == count(db, "epoch") == 0


def test_a_batch_refused_before_enrolment_is_taken_after_it(db, deliver):
    late = Device("late")
    data = late.seal(batch.Catalogue(POINTS))
    assert codes(deliver(data, topic_device="late")) == ["unknown_device"]
    register.enroll(db, "late", late.public_key, "hengkang")
    assert codes(deliver(data, topic_device="late")) == ["accepted"]


def test_a_revoked_device_is_refused_at_once_by_a_worker_whose_clock_is_behind(db, device, deliver):
    deliver(device.seal(batch.Catalogue(POINTS)))
    register.revoke_device(db, device.name)
    assert codes(deliver(device.seal(rows()), received_at_us=now_us() - 3_600_000_000)) == ["revoked_device"]


def test_what_settles_nothing_is_kept_within_a_bound_and_repeats_are_counted(db, device, deliver):
    junk = [f"junk {number}".encode() for number in range(MAX_QUARANTINED_OF_TOPIC + 5)]
    for _ in range(2):
        deliver(*junk)
    kept = db.execute("SELECT count(*), sum(times) FROM telemetry.quarantine").fetchone()
    assert kept == (MAX_QUARANTINED_OF_TOPIC, 2 * MAX_QUARANTINED_OF_TOPIC)
    assert codes(deliver(*device.chain(2))) == ["accepted", "accepted"]


def test_gaps_are_stored_with_the_points_they_name(db, device, deliver):
    gap = batch.Gap((1,), START_US, START_US + 9, "spool_full", 12)
    deliver(device.seal(batch.Catalogue(POINTS)), device.seal(batch.Gaps((gap, gap))))
    found = db.execute(
        "SELECT p.name, g.ordinal, g.reason, g.count, (extract(epoch FROM g.end_time) * 1000000)::bigint"
        " FROM telemetry.gap g JOIN telemetry.point p ON p.id = ANY(g.point_ids) ORDER BY g.ordinal"
    ).fetchall()
    assert found == [("line_current", n, "spool_full", 12, START_US + 9) for n in range(2)]


def test_a_point_keeps_its_identity_across_epochs_and_groups(db, device, deliver):
    sent = device.chain(2)
    deliver(sent[0])
    deliver(sent[1])
    again = Device(epoch=START_US + 1)
    deliver(*again.chain(2))
    assert count(db, "point") == len(POINTS)
    assert len(read.load_window(db, device.name, ["ac_energy"])["ac_energy"]) == 10


def test_a_value_that_the_database_will_not_take_costs_its_own_batch_only(db, device, deliver):
    db.execute("ALTER TABLE telemetry.gap ADD CHECK (reason <> 'poison')")
    poison = batch.Gaps((batch.Gap((0,), 1, 2, "poison"),))
    sent = [device.seal(batch.Catalogue(POINTS)), device.seal(poison), device.seal(rows())]
    outcome = deliver(*sent)
    assert codes(outcome) == ["accepted", "storage_refused", "accepted"]
    assert outcome.acks[0].through == 2
    assert codes(deliver(*sent)) == ["duplicate"] * 3


def test_a_value_that_the_database_refuses_does_not_stall_the_worker(db, device, deliver):
    db.execute("ALTER TABLE telemetry.gap ADD CHECK (reason <> 'refused here')")
    refused, fine = (batch.Gaps((batch.Gap((0,), 1, 2, reason),)) for reason in ("refused here", "outage"))
    outcome = deliver(device.seal(batch.Catalogue(POINTS)), device.seal(refused), device.seal(fine))
    assert codes(outcome) == ["accepted", "storage_refused", "accepted"]
    assert db.execute("SELECT reason FROM telemetry.gap").fetchall() == [("outage",)]


def test_points_that_the_register_cannot_tell_apart_cost_their_own_device_only(db, device):
    """Two texts of one MD5, as anyone may look them up (M. Stevens, 2024); the register tells texts apart by it."""
    twins = [f"TEXTCOLLBYfGiJUETHQ4h{c}cKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak" for c in "AE"]
    evil = Device("evil", seed=2)
    register.enroll(db, evil.name, evil.public_key, "hengkang")
    catalogue = evil.seal(batch.Catalogue(tuple(Point(name, "", "kWh", PointKind.COUNTER) for name in twins)))
    arrivals = [Arrival.of("evil", catalogue), Arrival.of("evil", evil.seal(rows()))]
    arrivals += [Arrival.of(device.name, data) for data in device.chain(2)]
    outcome = write_group(db, arrivals, received_at_us=now_us())
    found = {(one.arrival.topic_device, str(one.code)) for one in outcome.decisions}
    assert found == {("evil", "storage_refused"), ("evil", "unknown_point"), (device.name, "accepted")}
    (said,) = db.execute("SELECT detail FROM telemetry.quarantine WHERE code = 'storage_refused'").fetchone()
    assert "point_identity" in said


def test_a_point_that_is_named_twice_is_one_point(db, device, deliver):
    outcome = deliver(device.seal(batch.Catalogue((*POINTS, POINTS[0]))), device.seal(rows(9, points=3)))
    assert codes(outcome) == ["accepted"] * 2
    assert count(db, "point") == 2
    assert len(read.load_window(db, device.name, ["ac_energy"])["ac_energy"]) == 6


def test_a_group_that_fails_leaves_nothing(db, device):
    """The transaction is cut off while it waits for its COPY; on the next try everything goes in."""
    arrivals = [Arrival.of(device.name, data) for data in device.chain(3)]
    with connect(db.info.dsn + f" password={db.info.password}") as other, other.transaction():
        other.execute("LOCK TABLE telemetry.reading IN ACCESS EXCLUSIVE MODE")
        db.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            write_group(db, arrivals, received_at_us=now_us())
    assert [count(db, name) for name in ("batch", "epoch", "point", "reading")] == [0, 0, 0, 0]
    assert codes(write_group(db, arrivals, received_at_us=now_us())) == ["accepted"] * 3


def test_two_writers_at_once_on_one_device_store_each_batch_once(migrated, device):
    sent = device.chain(40)
    outcomes = []

    def write() -> None:
        with connect(migrated) as conn:
            for data in sent:
                arrivals = [Arrival.of(device.name, data)]
                outcomes.append(write_group(conn, arrivals, received_at_us=now_us()))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    told = [decision.code for outcome in outcomes for decision in outcome.decisions]
    assert (told.count(Code.ACCEPTED), told.count(Code.DUPLICATE)) == (40, 40)
    assert compared(migrated) == (39, 390, None)


def test_devices_are_locked_in_one_order_so_that_groups_cannot_deadlock(migrated, db):
    """A group that must wait for the first of its devices does not hold the second meanwhile."""
    devices = [Device(name) for name in ("bb", "aa")]
    for made in devices:
        register.enroll(db, made.name, made.public_key, "hengkang")
    arrivals = [Arrival.of(made.name, made.seal(batch.Catalogue(POINTS))) for made in devices]

    def write() -> None:
        with connect(migrated) as conn:
            write_group(conn, arrivals, received_at_us=now_us())

    writer = threading.Thread(target=write)
    with connect(migrated) as other:
        with other.transaction():
            other.execute("SELECT FROM telemetry.device WHERE id = 'aa' FOR UPDATE")
            writer.start()
            until(lambda: waiting_for_a_lock(db) == 1)
            other.execute("SELECT FROM telemetry.device WHERE id = 'bb' FOR UPDATE NOWAIT")
        writer.join()
    assert count(db, "batch") == 2


def waiting_for_a_lock(conn: Connection) -> int:
    found = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return found.fetchone()[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_with_repeats_gives_the_same_ledger_and_readings(db, migrated, data):
    """Groups of any batches in any order, resent as an agent does until all is acknowledged."""
    db.execute("TRUNCATE telemetry.device, telemetry.reading CASCADE")
    device = Device()
    register.enroll(db, device.name, device.public_key, "hengkang")
    sent = device.chain(4, rows_each=3)
    sent += [device.seal(batch.Catalogue(POINTS[:1], first_index=2)), device.seal(rows(6, points=3))]
    groups = data.draw(st.lists(st.lists(st.sampled_from(sent), max_size=8), max_size=6))
    for group in [*groups, sent, sent]:
        write_group(db, [Arrival.of(device.name, one) for one in group], received_at_us=now_us())
    assert [one.data for one in read.batches(db, device.name)] == sent
    assert compared(migrated) == (4, 15, None)
    assert [head.sequence for head in read.heads(db, device.name)] == [5]
    assert count(db, "quarantine") == 0


def test_what_an_agent_says_of_itself_and_of_files_is_kept_in_the_chain(migrated, device, deliver):
    chain = device.chain(2)
    chain.append(device.seal(batch.Catalogue((), 0, (batch.ManualFile("office", "2026-03.csv", bytes(32), 10),))))
    chain.append(device.seal(batch.Heartbeat("0.1.0", START_US)))
    chain.append(device.seal(rows(10)))
    outcome = deliver(*chain)
    assert codes(outcome) == ["accepted"] * 5
    assert outcome.acks[0].through == 4
    assert compared(migrated) == (2, 20, None)
