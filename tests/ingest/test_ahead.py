"""Reading ahead: it spares the worker's time, and changes neither what is decided nor what is stored."""

from __future__ import annotations

import threading
import tracemalloc
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import intake as bounds
from ingest.admission import Arrival, Code, Decision, Epoch, Key, State, admit
from ingest.admission import Device as Enrolled
from ingest.ahead import ReadAhead, read
from ingest.config import IngestConfig
from ingest.database import connect
from ingest.health import Health
from ingest.intake import Intake, Parcel, Reply
from ingest.migrate import migrate
from ingest.register import enroll
from ingest.rows import encode, join
from ingest.service import Worker
from ingest.writer import write_group
from tests.ingest.builders import POINTS, START_US, Device, compared, now_us, rows, until
from verification import batch, keys
from verification.errors import FormatError
from verification.model import COLUMN_TYPES, Rows

NO_WAIT = 0.0


def state_of(device: Device, *, named: bool = False) -> State:
    """An enrolled device, whose points may have been named."""
    key = Key(device.key.public_key(), START_US)
    epochs = {(device.name, START_US): Epoch(dict(enumerate(POINTS)))} if named else {}
    return State({device.name: Enrolled({keys.key_id(device.key): key})}, epochs, {})


def judged(state: State, arrival: Arrival) -> Decision:
    decision = admit(state, arrival, received_at_us=now_us())
    return replace(decision, arrival=replace(arrival, contents=None))


def parcel(data: bytes, *, tried: bool = False) -> Parcel:
    return Parcel(Arrival.of("potline-1", data), lambda _reply: None, tried=tried)


def test_what_is_read_ahead_is_judged_as_if_it_had_not_been():
    device, stranger = Device(), Device(seed=2)
    codes: dict[type, set[Code]] = defaultdict(set)
    sealed = device.chain(2)
    sealed.append(device.seal(batch.Catalogue(POINTS), sequence=0, previous=b"\1" * 32))
    for data in sealed:
        arrival = Arrival.of(device.name, data)
        seen = read(arrival, device.key.public_key())
        assert seen.contents is not None
        for state in (state_of(device), state_of(device, named=True), state_of(stranger)):
            decision = judged(state, arrival)
            assert judged(state, seen) == decision
            codes[type(seen.contents.payload)].add(decision.code)
    assert codes[Rows] == {Code.ACCEPTED, Code.DEFERRED, Code.UNKNOWN_KEY}
    assert codes[batch.Catalogue] >= {Code.ACCEPTED, Code.INDEX_REDEFINED}


def test_only_the_registered_keys_own_signature_counts():
    """Somebody who can sign with another key of ours gets no further for having been read with that one."""
    thief = Device(seed=2)
    seen = read(Arrival.of("potline-1", thief.chain(1)[0]), thief.key.public_key())
    assert seen.contents is not None
    victim = state_of(Device())
    registered = next(iter(victim.devices["potline-1"].keys.values()))
    posing = State({"potline-1": Enrolled({keys.key_id(thief.key): registered})}, {}, {})
    assert admit(posing, seen, received_at_us=now_us()).code is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"junk", id="no envelope"),
        pytest.param(Device(seed=2).chain(1)[0], id="signed by another"),
        pytest.param(Device().seal(Rows.empty()), id="no rows"),
    ],
)
def test_what_cannot_be_read_is_left_to_admission(data):
    arrival = Arrival.of("potline-1", data)
    assert read(arrival, Device().key.public_key()) is arrival


def test_a_lone_batch_is_left_to_the_worker_and_the_next_group_is_read_while_it_works():
    intake = Intake()
    first, second = (parcel(data) for data in Device().chain(2))
    assert intake.offer(first)
    assert intake.next_unread(wait_s=NO_WAIT) is None
    assert intake.take(wait_s=NO_WAIT) == [first]
    assert intake.offer(second)
    assert intake.next_unread(wait_s=NO_WAIT) is second
    seen = read(second.arrival, Device().key.public_key())
    intake.put_read(second, seen)
    assert intake.next_unread(wait_s=NO_WAIT) is None
    (taken,) = intake.take(wait_s=NO_WAIT)
    assert (taken.arrival, taken.answer) == (seen, second.answer)


def test_what_the_worker_took_meanwhile_is_not_put_back():
    intake = Intake()
    first, second, third = (parcel(data) for data in Device().chain(3))
    intake.offer(first)
    intake.take(wait_s=NO_WAIT)
    intake.offer(second)
    assert intake.next_unread(wait_s=NO_WAIT) is second
    assert intake.take(wait_s=NO_WAIT) == [second]
    intake.offer(third)
    intake.put_read(second, second.arrival)
    assert intake.take(wait_s=NO_WAIT) == [third]
    assert intake.take(wait_s=NO_WAIT) == []


def test_a_batch_that_is_not_read_yet_keeps_no_group_waiting():
    """It comes first in the next group; what could not be read goes on, since nobody will read it before the worker."""
    intake, device = Intake(), Device()
    first, second, third, fourth, fifth = (parcel(data) for data in device.chain(5))
    intake.offer(first)
    assert intake.take(wait_s=NO_WAIT) == [first]
    for one in (second, third, fourth, fifth):
        intake.offer(one)
    intake.put_read(second, read(second.arrival, device.key.public_key()))
    intake.put_read(third, third.arrival)
    assert [one.answer for one in intake.take(wait_s=NO_WAIT)] == [second.answer, third.answer]
    assert intake.take(wait_s=NO_WAIT) == [fourth]
    assert intake.take(wait_s=NO_WAIT) == [fifth]


def test_a_group_is_bounded_by_items_by_bytes_and_by_what_it_inflates_to_whether_it_was_read_or_not(monkeypatch):
    device = Device()
    unread = [parcel(data, tried=True) for data in device.chain(20)]
    seen = [replace(one, arrival=read(one.arrival, device.key.public_key())) for one in unread]
    for one in seen[1:]:
        assert one.arrival.inflated_bytes > 31 * len(one.arrival.contents.payload)
    monkeypatch.setattr(bounds, "MAX_GROUP", 12)
    assert len(taken_of(unread)) == len(taken_of(seen)) == 12
    monkeypatch.setattr(bounds, "MAX_GROUP_INFLATED_BYTES", sum(one.arrival.inflated_bytes for one in unread[:4]) + 1)
    assert len(taken_of(unread)) == len(taken_of(seen)) == 5  # the batch that goes past the bound is the last
    monkeypatch.setattr(bounds, "MAX_GROUP_BYTES", 1)
    assert len(taken_of(seen)) == 1


def test_no_batch_can_hold_more_than_it_is_counted_for():
    """Neither one that claims too much, nor one that says nothing: both are refused before they are inflated."""
    claims = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(batch.MAX_PAYLOAD_BYTES + 1))
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1_000))
    sealed = Device().seal(rows(1))
    for packed in (claims, silent, b"junk"):
        opened = batch.open_batch(sealed)
        forged = replace(opened, envelope=replace(opened.envelope, payload=packed))
        assert batch.payload_bytes(forged) == 0
        with pytest.raises(FormatError):
            batch.read_payload(forged)


def test_the_largest_group_of_batches_that_nobody_read_takes_the_memory_that_the_manual_states():
    """20 batches of 50,000 readings that compress to nothing, as an agent that was away for long may send."""
    device = Device()
    waiting = [parcel(device.seal(alike(batch.MAX_ROWS)), tried=True) for _ in range(20)]
    tracemalloc.start()
    taken = [read(one.arrival, device.key.public_key()) for one in taken_of(waiting)]
    encoded = [one.contents.encoded for one in taken]
    held = tracemalloc.get_traced_memory()[0]
    joined = join([(each, np.arange(2, dtype=np.int32)) for each in encoded])
    assert sum(map(len, joined.in_parts(range(len(encoded))))) == 350_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 46e6
    assert peak < 90e6


def alike(count: int) -> Rows:
    """Readings of one point at one moment."""
    columns = {name: array(code, bytes(array(code).itemsize * count)) for name, code in COLUMN_TYPES.items()}
    return Rows(**columns)


def taken_of(parcels: list[Parcel]) -> list[Parcel]:
    intake = Intake()
    for one in parcels:
        assert intake.offer(one)
    return intake.take(wait_s=NO_WAIT)


def test_the_thread_reads_by_the_keys_it_learned_and_survives_what_it_cannot_read():
    device, intake = Device(), Intake()
    ahead = ReadAhead(intake)
    sealed = device.chain(3)
    intake.offer(parcel(sealed[0]))
    intake.take(wait_s=NO_WAIT)
    ahead.start()
    try:
        intake.offer(parcel(sealed[1]))  # its key is not known yet
        until(lambda: intake._waiting[0].tried)
        ahead.learn({keys.key_id(device.key): device.key.public_key()})
        for data in (b"junk", sealed[2]):
            intake.offer(parcel(data))
        until(lambda: intake._waiting[2].tried)
    finally:
        ahead.stop()
    assert [one.arrival.contents is None for one in intake.take(wait_s=NO_WAIT)] == [True, True, False]


def test_the_thread_outlives_what_nobody_foresaw_and_leaves_the_batch_to_the_worker(monkeypatch, caplog):
    device, intake = Device(), Intake()
    ahead = ReadAhead(intake)
    ahead.learn({keys.key_id(device.key): device.key.public_key()})
    sealed = device.chain(3)
    intake.offer(parcel(sealed[0]))
    intake.take(wait_s=NO_WAIT)

    def fails(_batch: batch.Batch) -> batch.Payload:
        monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr("ingest.ahead.read_payload", fails)
    ahead.start()
    try:
        for data in sealed[1:]:
            intake.offer(parcel(data))
        until(lambda: all(one.tried for one in intake._waiting))
    finally:
        ahead.stop()
    assert [one.arrival.contents is None for one in intake.take(wait_s=NO_WAIT)] == [True, False]
    assert "left to the worker" in caplog.text


def test_joined_readings_are_those_of_their_batches_point_by_point():
    """Two chains share a point id, as two epochs of a device do."""
    one, other = rows(7, points=3), rows(6, start_us=START_US - 60_000_000, points=2)
    ids = (np.array([4, 9, 2], np.int32), np.array([9, 4, 7], np.int32))
    joined = join([(encode(one), ids[0]), (encode(other), ids[1])])
    found = [record for part in joined.in_parts([11, 12]) for record in part]
    wanted = sorted(
        (
            (int(ids[n][made.point[row]]), batch_id, row, made.time_us[row], made.value[row], made.status[row])
            for n, (batch_id, made) in enumerate([(11, one), (12, other)])
            for row in range(len(made))
        ),
        key=lambda entry: entry[:3],
    )
    names = ("point_id", "batch_id", "row", "time", "value", "status")
    assert [tuple(record[name].item() for name in names) for record in found] == [
        (point, batch_id, row, time_us - 946_684_800_000_000, value, status)
        for point, batch_id, row, time_us, value, status in wanted
    ]
    totals = joined.totals()
    assert (totals["points"], totals["readings"]) == ([2, 4, 9], [2, 6, 5])
    times = {point: [entry[3] for entry in wanted if entry[0] == point] for point in totals["points"]}
    assert [int(time.timestamp() * 1e6) for time in totals["first_times"]] == [min(times[p]) for p in (2, 4, 9)]
    assert [int(time.timestamp() * 1e6) for time in totals["last_times"]] == [max(times[p]) for p in (2, 4, 9)]


@pytest.fixture
def running(database) -> Iterator[tuple[Intake, Worker]]:
    """A worker with nothing before it but its intake."""
    with connect(database) as conn:
        migrate(conn)
    stop, intake = threading.Event(), Intake()
    worker = Worker(IngestConfig(database, Ed25519PrivateKey.generate()), stop, intake, Health())
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield intake, worker
    stop.set()
    thread.join()


def test_a_batch_that_is_refused_between_others_takes_none_with_it(running, database):
    """While the first group waits for a lock the rest is read ahead: with a wrong point, junk and a repeat among it."""
    intake, _ = running
    device, replies = Device(), {}
    with connect(database) as conn:
        enroll(conn, device.name, device.public_key, "hengkang")
    sealed = device.chain(3)
    wrong = Rows.empty()
    wrong.append(9, START_US, 1.0)
    sealed.append(device.seal(wrong))
    sealed += [device.seal(rows(5)), b"junk", sealed[1], device.seal(rows(4))]

    def answer(number: int, reply: Reply) -> None:
        replies[number] = reply.code

    def offer(number: int) -> None:
        arrival = Arrival.of(device.name, sealed[number])
        assert intake.offer(Parcel(arrival, lambda reply: answer(number, reply)))

    offer(0)
    until(lambda: 0 in replies)  # the key is known now
    with connect(database) as other, other.transaction():
        other.execute("LOCK TABLE telemetry.reading IN ACCESS EXCLUSIVE MODE")
        offer(1)
        until(lambda: len(intake) == 0)
        for number in range(2, len(sealed)):
            offer(number)
        until(lambda: all(one.tried for one in intake._waiting))
        assert [one.arrival.contents is None for one in intake._waiting] == [False, False, False, True, False, False]
        assert replies == {0: Code.ACCEPTED}
    until(lambda: len(replies) == len(sealed))
    accepted = Code.ACCEPTED
    assert [replies[number] for number in range(len(sealed))] == [
        *(accepted, accepted, accepted, Code.UNKNOWN_POINT, accepted, Code.UNDECODABLE, Code.DUPLICATE, accepted)
    ]
    assert compared(database) == (4, 29, None)


def test_a_group_that_was_read_ahead_and_rolled_back_is_written_whole_the_next_time(db, device):
    arrivals = [read(Arrival.of(device.name, data), device.key.public_key()) for data in device.chain(3)]
    with db.transaction(force_rollback=True):
        write_group(db, arrivals, received_at_us=now_us())
    assert db.execute("SELECT count(*) FROM telemetry.reading").fetchone() == (0,)
    outcome = write_group(db, arrivals, received_at_us=now_us())
    assert [decision.code for decision in outcome.decisions] == [Code.ACCEPTED] * 3
    assert outcome.keys == {keys.key_id(device.key): device.key.public_key()}
    assert db.execute("SELECT count(*) FROM telemetry.reading").fetchone() == (20,)
