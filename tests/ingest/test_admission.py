"""Every outcome of admission, and both sides of every limit. No database: the decision is a pure function."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.admission import (
    MAX_CLOCK_LEAD_US,
    MAX_WEEKS_PER_BATCH,
    WEEK_US,
    Arrival,
    Code,
    Decision,
    Key,
    State,
    admit,
    admit_again,
    advance,
)
from ingest.admission import Device as Enrolled
from ingest.times import DAY_US, MAX_LEAD_US
from tests.ingest.builders import POINTS, START_US, Device, now_us, rows
from verification import batch, cose, keys
from verification.model import Rows

NOW_US = now_us()


def enrolled(device: Device, **changes: object) -> State:
    key = Key(device.key.public_key(), NOW_US - 30 * DAY_US)
    return State({device.name: Enrolled({keys.key_id(device.key): key}, **changes)}, {}, {})


def judge(
    state: State, data: bytes, *, received_at_us: int = NOW_US, topic: str = "potline-1"
) -> tuple[State, Decision]:
    decision = admit(state, Arrival.of(topic, data), received_at_us=received_at_us)
    return advance(state, decision), decision


def after(state: State, *batches: bytes) -> State:
    for data in batches:
        state, decision = judge(state, data)
        assert decision.code is Code.ACCEPTED, decision.detail
    return state


def settled_as(state: State, data: bytes, **options: object) -> Code:
    """The code of a batch that is refused, but takes its place in the chain, so that the next can follow."""
    later, decision = judge(state, data, **options)
    assert decision.settles
    assert decision.payload is None
    assert len(later.entries) == len(state.entries) + 1
    return decision.code


def unsettled(state: State, data: bytes, **options: object) -> Code:
    """The code of a batch that changes nothing."""
    later, decision = judge(state, data, **options)
    assert not decision.settles
    assert later == state
    return decision.code


@pytest.fixture
def device() -> Device:
    return Device()


def test_a_chain_is_accepted_batch_by_batch(device):
    state = after(enrolled(device), *device.chain(5))
    assert state.epochs[device.name, START_US].through == 4
    assert state.devices[device.name].newest_epoch == START_US


def test_a_batch_that_was_settled_before_is_a_duplicate(device):
    sent = device.chain(3)
    state = after(enrolled(device), *sent)
    assert [unsettled(state, data) for data in sent] == [Code.DUPLICATE] * 3


def test_a_refused_batch_that_comes_again_is_a_duplicate_too(device):
    state = enrolled(device)
    bad = device.seal(rows())
    state, decision = judge(state, bad)
    assert decision.code is Code.UNKNOWN_POINT
    assert unsettled(state, bad) is Code.DUPLICATE


def test_another_batch_in_a_taken_place_is_a_conflict(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    copied = device.fork()
    state = after(state, device.seal(rows()))
    assert unsettled(state, copied.seal(rows(99))) is Code.CONFLICT


def test_a_forged_batch_in_a_taken_place_is_a_bad_signature_and_no_alarm(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    forger = device.fork()
    state = after(state, device.seal(rows()))
    forged = bytearray(forger.seal(rows(99)))
    forged[-1] ^= 1
    assert unsettled(state, bytes(forged)) is Code.BAD_SIGNATURE


@pytest.mark.parametrize("data", [b"", b"\xd2", b"hello", bytes(100)])
def test_what_is_no_batch_is_undecodable(device, data):
    assert unsettled(enrolled(device), data) is Code.UNDECODABLE


def test_every_truncation_is_undecodable(device):
    data = device.seal(batch.Catalogue(POINTS))
    assert {unsettled(enrolled(device), data[:length]) for length in range(len(data))} == {Code.UNDECODABLE}


def test_a_message_above_the_bound_is_refused_unread(device):
    data = device.seal(batch.Catalogue(POINTS))
    padded = data + bytes(batch.MAX_BATCH_BYTES + 1 - len(data))
    assert unsettled(enrolled(device), padded) is Code.BOUND_EXCEEDED
    assert unsettled(enrolled(device), padded[:-1]) is Code.UNDECODABLE  # within the bound it is read


def test_a_signed_payload_that_cannot_be_read_settles_its_place(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    assert settled_as(state, seal_packed(device, b"not zstd")) is Code.UNDECODABLE
    assert settled_as(state, seal_packed(device, pack(cbor2.dumps({"kind": "x"})))) is Code.UNDECODABLE
    assert settled_as(state, seal_packed(device, pack(cbor2.dumps({"kind": "x"})[:-1]))) is Code.UNDECODABLE


def test_a_decompression_bomb_is_refused_by_its_stated_size(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    assert settled_as(state, seal_packed(device, pack(bytes(1 << 30)))) is Code.BOUND_EXCEEDED


def test_a_batch_that_names_another_device_than_its_topic_is_refused(device):
    other = Device("potline-2")
    state = enrolled(device)
    state = replace(state, devices={**state.devices, **enrolled(other).devices})
    assert unsettled(state, device.seal(batch.Catalogue(POINTS)), topic="potline-2") is Code.DEVICE_MISMATCH


def test_an_unknown_device_is_refused(device):
    assert unsettled(State({}, {}, {}), device.seal(batch.Catalogue(POINTS))) is Code.UNKNOWN_DEVICE


def test_a_revoked_device_is_refused(device):
    assert unsettled(enrolled(device, revoked=True), device.seal(batch.Catalogue(POINTS))) is Code.REVOKED_DEVICE


def test_a_key_that_the_device_does_not_have_is_unknown(device):
    assert unsettled(enrolled(Device(seed=2)), device.seal(batch.Catalogue(POINTS))) is Code.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("offset_us", "code"),
    [
        (-1, Code.KEY_NOT_VALID_AT_SIGNING),
        (0, Code.ACCEPTED),
        (9, Code.ACCEPTED),
        (10, Code.KEY_NOT_VALID_AT_SIGNING),
    ],
)
def test_a_key_is_judged_by_the_moment_of_signing(device, offset_us, code):
    key = Key(device.key.public_key(), NOW_US, NOW_US + 10)
    state = State({device.name: Enrolled({keys.key_id(device.key): key})}, {}, {})
    data = device.seal(batch.Catalogue(POINTS), signed_at_us=NOW_US + offset_us)
    assert judge(state, data)[1].code is code


def test_a_changed_byte_of_payload_is_a_bad_signature(device):
    data = bytearray(device.seal(batch.Catalogue(POINTS)))
    data[-70] ^= 1  # in the compressed payload, before the 64 bytes of the signature
    assert unsettled(enrolled(device), bytes(data)) is Code.BAD_SIGNATURE


def test_a_signature_by_another_key_under_our_key_id_is_bad(device):
    header = {cose.KEY_ID: keys.key_id(device.key)}
    claims = header | {name: getattr(device.header, name) for name in device.header.__slots__}
    forged = cose.sign(claims, pack(b"x"), content_type=batch.CONTENT_TYPE, key=Ed25519PrivateKey.generate())
    assert unsettled(enrolled(device), forged) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("lead_us", "code"),
    [(MAX_CLOCK_LEAD_US, Code.ACCEPTED), (MAX_CLOCK_LEAD_US + 1, Code.CLOCK_IMPLAUSIBLE)],
)
def test_a_batch_may_be_signed_at_most_a_day_ahead(device, lead_us, code):
    decision = judge(enrolled(device), device.seal(batch.Catalogue(POINTS), signed_at_us=NOW_US + lead_us))[1]
    assert decision.code is code
    assert decision.settles


def test_an_epoch_older_than_the_newest_is_stale_unless_it_was_seen_before(device):
    older, oldest = Device(epoch=START_US - 1), Device(epoch=START_US - 2)
    state = after(enrolled(device), older.seal(batch.Catalogue(POINTS)), *device.chain(2))
    assert judge(state, older.seal(rows()))[1].code is Code.ACCEPTED
    assert settled_as(state, oldest.seal(batch.Catalogue(POINTS))) is Code.STALE_EPOCH


def test_a_stale_epoch_stays_stale(device):
    older = Device(epoch=START_US - 1)
    state = after(enrolled(device), *device.chain(1))
    state, _ = judge(state, older.seal(batch.Catalogue(POINTS)))
    assert settled_as(state, older.seal(rows())) is Code.STALE_EPOCH


def test_a_batch_that_names_another_predecessor_breaks_the_chain(device):
    state = after(enrolled(device), *device.chain(2))
    assert settled_as(state, device.seal(rows(), previous=bytes(31) + b"\x01")) is Code.CHAIN_BREAK


def test_the_first_batch_has_no_predecessor(device):
    data = device.seal(batch.Catalogue(POINTS), previous=bytes(31) + b"\x01")
    assert settled_as(enrolled(device), data) is Code.CHAIN_BREAK


def test_a_late_batch_must_be_the_one_that_its_successor_names(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    impostor = device.fork()
    ours, next_one = device.seal(rows()), device.seal(rows())
    state = after(state, next_one)
    assert settled_as(state, impostor.seal(rows(99))) is Code.CHAIN_BREAK
    assert judge(state, ours)[1].code is Code.ACCEPTED


def test_the_chain_goes_on_behind_a_refused_batch(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    state, decision = judge(state, device.seal(rows(points=3)))
    assert decision.code is Code.UNKNOWN_POINT
    state = after(state, device.seal(rows()))
    assert state.epochs[device.name, START_US].through == 2


def test_a_hole_in_the_sequence_is_accepted(device):
    catalogue, _, after_hole = device.chain(3)
    state = after(enrolled(device), catalogue, after_hole)
    assert state.epochs[device.name, START_US].through == 0


def test_points_are_known_from_their_catalogue_on(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    assert judge(state, device.fork().seal(rows(points=2)))[1].code is Code.ACCEPTED
    assert settled_as(state, device.fork().seal(rows(points=3))) is Code.UNKNOWN_POINT


def test_a_gap_names_known_points(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    known = batch.Gaps((batch.Gap((0, 1), 5, 9, "spool_full"),))
    state = after(state, device.seal(known))
    unknown = batch.Gaps((batch.Gap((0, 2), 5, 9, "spool_full"),))
    assert settled_as(state, device.seal(unknown)) is Code.UNKNOWN_POINT


def test_an_unknown_point_waits_while_its_catalogue_may_still_come(device):
    catalogue, readings = device.chain(2)
    state = enrolled(device)
    assert unsettled(state, readings) is Code.DEFERRED
    after(state, catalogue, readings)


def test_an_index_is_named_once(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    state = after(state, device.seal(batch.Catalogue(POINTS[:1], first_index=2)))
    assert settled_as(state, device.seal(batch.Catalogue(POINTS[:1], first_index=2))) is Code.INDEX_REDEFINED


@pytest.mark.parametrize(
    ("weeks", "code"), [(MAX_WEEKS_PER_BATCH, Code.ACCEPTED), (MAX_WEEKS_PER_BATCH + 1, Code.BOUND_EXCEEDED)]
)
def test_a_batch_may_spread_over_so_many_weeks(device, weeks, code):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    made = Rows.empty()
    for week in range(weeks):
        made.append(0, week * WEEK_US, 1.0)
    decision = judge(state, device.seal(made))[1]
    assert decision.code is code
    assert decision.settles


@pytest.mark.parametrize(
    ("time_us", "code"),
    [
        (-1, Code.TIME_IMPLAUSIBLE),
        (0, Code.ACCEPTED),  # a clock that began anew: what else is in its batch must not suffer
        (NOW_US + MAX_LEAD_US, Code.ACCEPTED),
        (NOW_US + MAX_LEAD_US + 1, Code.TIME_IMPLAUSIBLE),
    ],
    ids=["before 1970", "1970", "a year ahead", "more than a year ahead"],
)
def test_readings_are_of_1970_to_a_year_after_they_were_signed_unless_an_operator_says_so(device, time_us, code):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    made = rows(4)
    made.append(0, time_us, 1.0)
    sealed = device.seal(made, signed_at_us=NOW_US)
    later, decision = judge(state, sealed)
    assert decision.code is code
    assert decision.settles
    again = admit_again(later, decision.arrival, received_at_us=NOW_US)
    assert (again.code, len(again.payload)) == (Code.ACCEPTED, 5)


def test_years_of_history_are_taken_in_one_batch(device):
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    made = Rows.empty()
    for month in range(12 * 15):
        made.append(0, NOW_US - month * 30 * DAY_US, 1.0)
    after(state, device.seal(made, signed_at_us=NOW_US))


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=5) | st.binary(max_size=9)
)
items = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
fields = st.sampled_from(
    ["point", "time_us", "value", "status", "flags", "server_time_us", "first_index", "points", "gaps"]
)


# A busy machine is slow; what is looked for here is no matter of time.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["readings", "catalogue", "gaps", "x"]), st.dictionaries(fields, items))
def test_no_signed_payload_makes_admission_fail(kind, columns):
    device = Device()
    state = after(enrolled(device), device.seal(batch.Catalogue(POINTS)))
    sealed = seal_packed(device, pack(cbor2.dumps({"kind": kind, **columns})))
    assert settled_as(state, sealed) in {Code.UNDECODABLE, Code.BOUND_EXCEEDED}


def pack(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(plain)


def seal_packed(device: Device, packed: bytes) -> bytes:
    """A correctly signed batch around any payload, as a hostile but enrolled device could send it."""
    claims = {name: getattr(device.header, name) for name in device.header.__slots__}
    return cose.sign(claims, packed, content_type=batch.CONTENT_TYPE, key=device.key)
