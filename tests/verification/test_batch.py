"""The signed batch: it reads back as written, and everything that is not one is refused with a reason code."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace

import cbor2
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from verification import ack, batch, cose, keys
from verification.errors import FormatError
from verification.model import MAX_TIME_US, NULL_TIME_US, Point, PointKind, Rows

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
HEADER = batch.Header("potline-1", epoch=1_700_000_000_000_000, sequence=0, previous=batch.NO_PREVIOUS, signed_at_us=1)


def rows(count: int = 3) -> Rows:
    made = Rows.empty()
    for n in range(count):
        made.append(n % 7, 1_700_000_000_000_000 + n, n * 0.1, status=0x80000000, flags=1, server_time_us=5)
    return made


def reread(data: bytes) -> batch.Payload:
    return batch.read_payload(batch.open_batch(data))


def seal_map(body: object, **changes: object) -> bytes:
    """A correctly signed batch around any body, as a hostile but enrolled device could send it."""
    packed = zstandard.ZstdCompressor().compress(cbor2.dumps(body))
    return seal_packed(packed, **changes)


def seal_packed(packed: bytes, **changes: object) -> bytes:
    claims = {name: getattr(HEADER, name) for name in HEADER.__slots__} | changes
    return cose.sign(claims, packed, content_type=batch.CONTENT_TYPE, key=KEY)


def heartbeat(**changes: object) -> dict[str, object]:
    numbers = dict.fromkeys(("started_us", "waiting_batches", "waiting_rows", "used_bytes"), 0)
    absent = dict.fromkeys(("oldest_us", "ntp_offset_us", "clock_error_us"))
    return {"kind": "heartbeat", "agent": "0.1.0", "sources": [], **numbers, **absent, **changes}


def refused(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        reread(data)
    return caught.value.code


@pytest.mark.parametrize(
    "payload",
    [
        rows(),
        batch.Catalogue(
            (Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER, "M-1"), Point("b", "t/b", "℃", PointKind.GAUGE))
        ),
        batch.Gaps((batch.Gap((0, 1), 5, 9, "spool_full", 12), batch.Gap((), 5, 5, "outage"))),
        batch.Catalogue((), 3, (batch.ManualFile("office", "2026-03 班次.csv", bytes(range(32)), 62),)),
        batch.Heartbeat("0.1.0", 7),
        batch.Heartbeat("0.1.0", 7, (batch.SourceState("line", "opcua", "connected"),), 3, 400, 5_000, 6, -12, 900),
    ],
    ids=["readings", "catalogue", "gaps", "a file", "first heartbeat", "heartbeat"],
)
def test_a_sealed_batch_reads_back_as_written(payload):
    data = batch.seal(HEADER, payload, KEY)
    opened = batch.open_batch(data)
    assert opened.header == HEADER
    assert opened.envelope.key_id == keys.key_id(KEY)
    assert opened.envelope.signed_by(KEY.public_key())
    assert not opened.envelope.signed_by(OTHER_KEY.public_key())
    assert batch.read_payload(opened) == payload


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9_999),
            st.integers(NULL_TIME_US, MAX_TIME_US),
            st.floats(width=64),
            st.integers(0, 2**32 - 1),
            st.integers(0, 255),
            st.integers(NULL_TIME_US, MAX_TIME_US),
        ),
        min_size=1,
        max_size=50,
    )
)
def test_every_reading_survives_bit_for_bit(readings):
    made = Rows.empty()
    for point, time_us, value, status, flags, server_time_us in readings:
        made.append(point, time_us, value, status=status, flags=flags, server_time_us=server_time_us)
    back = reread(batch.seal(HEADER, made, KEY))
    assert isinstance(back, Rows)
    assert [column.tobytes() for column in (back.point, back.time_us, back.value, back.status)] == [
        column.tobytes() for column in (made.point, made.time_us, made.value, made.status)
    ]
    assert back.flags == made.flags
    assert back.server_time_us == made.server_time_us


def test_nan_and_infinities_are_values():
    made = Rows.empty()
    for value in (math.nan, math.inf, -math.inf):
        made.append(0, 1, value)
    back = reread(batch.seal(HEADER, made, KEY))
    assert isinstance(back, Rows)
    assert math.isnan(back.value[0])
    assert list(back.value[1:]) == [math.inf, -math.inf]


def test_any_changed_byte_is_noticed():
    data = batch.seal(HEADER, rows(), KEY)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        try:
            opened = batch.open_batch(bytes(changed))
        except FormatError:
            continue
        assert not opened.envelope.signed_by(KEY.public_key()), f"byte {position} is not covered by the signature"


def test_every_truncation_is_undecodable():
    data = batch.seal(HEADER, rows(), KEY)
    assert {refused(data[:length]) for length in range(len(data))} == {"undecodable"}
    assert refused(data + b"\x00") == "undecodable"


def test_a_decompression_bomb_is_refused_by_its_stated_size():
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 30))
    assert len(bomb) < batch.MAX_BATCH_BYTES
    assert refused(seal_packed(bomb)) == "bound_exceeded"


def test_a_bomb_that_hides_its_size_is_refused():
    stream = zstandard.ZstdCompressor(level=19, write_content_size=False).compressobj()
    assert refused(seal_packed(stream.compress(bytes(1 << 24)) + stream.flush())) == "undecodable"


def test_a_second_frame_behind_the_first_is_refused():
    frame = zstandard.ZstdCompressor().compress(cbor2.dumps({"kind": "readings"}))
    assert refused(seal_packed(frame + frame)) == "undecodable"


def test_a_batch_may_have_exactly_the_bound_in_bytes():
    data = batch.seal(HEADER, rows(), KEY)
    padding = batch.MAX_BATCH_BYTES - len(data)
    assert refused(data + bytes(padding)) == "undecodable"  # inside the bound: looked at, found wrong
    assert refused(data + bytes(padding + 1)) == "bound_exceeded"


def test_too_many_rows_are_refused_on_both_sides():
    full = Rows(*(array(code, [1]) * batch.MAX_ROWS for code in "HqdIBq"))
    assert len(reread(batch.seal(HEADER, full, KEY))) == batch.MAX_ROWS
    over = Rows(*(array(code, [1]) * (batch.MAX_ROWS + 1) for code in "HqdIBq"))
    assert refused(batch.seal(HEADER, over, KEY)) == "bound_exceeded"


def test_the_writer_refuses_what_no_reader_would_take():
    over = Rows(*(array(code, [1]) * 200_000 for code in "HqdIBq"))
    with pytest.raises(FormatError, match="fewer rows"):
        batch.seal(HEADER, over, KEY)


@pytest.mark.parametrize("moment", [NULL_TIME_US - 1, MAX_TIME_US + 1, -(2**63), 2**63 - 1, 2**56, 2**55, -(2**56)])
@pytest.mark.parametrize("server_only", [False, True])
def test_times_outside_1601_to_2200_are_refused(moment: int, *, server_only: bool):
    made = rows()
    made.append(0, 1 if server_only else moment, 1.0, server_time_us=moment)
    made.append(0, 2, 1.0)
    assert refused(batch.seal(HEADER, made, KEY)) == "bound_exceeded"


@pytest.mark.parametrize("moment", [NULL_TIME_US, -1, 0, (MAX_TIME_US >> 48 << 48) - 1, MAX_TIME_US >> 48 << 48])
def test_times_on_both_sides_of_the_quick_check_are_taken(moment: int):
    made = rows()
    made.append(0, moment, 1.0, server_time_us=MAX_TIME_US)
    assert reread(batch.seal(HEADER, made, KEY)) == made


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"kind": "rows"},
        {"kind": "readings"},
        {"kind": "catalogue", "first_index": 0, "points": []},
        {"kind": "catalogue", "first_index": 0, "points": [["a", "b", "c", "no-such-kind", ""]]},
        {"kind": "catalogue", "first_index": 0, "points": [["a", "b"]]},
        {"kind": "gaps", "gaps": [[[-1], 0, 1, "x", None]]},
        {"kind": "gaps", "gaps": [["0", 0, 1, "x", None]]},
        {"kind": "gaps", "gaps": [[[True], 0, 1, "x", None]]},
        {"kind": "gaps", "gaps": [[[0], 0, True, "x", None]]},
        {"kind": "gaps", "gaps": [[[0], 0, 1, "null \x00", None]]},
        {"kind": "catalogue", "first_index": 0, "points": [], "files": []},
        {"kind": "catalogue", "first_index": 0, "points": [], "files": [["office", "a.csv", b"short", 1]]},
        {"kind": "catalogue", "first_index": 0, "points": [], "files": [["office", "", bytes(32), 1]]},
        {"kind": "catalogue", "first_index": 0, "points": [], "files": {"office": 1}},
        {"kind": "catalogue", "first_index": 0, "points": [], "files": [["office", "a.csv", bytes(32), 1]], "x": 1},
        heartbeat(agent=1),
        heartbeat(agent="x" * 201),
        heartbeat(agent="null \x00"),
        heartbeat(started_us=None),
        heartbeat(used_bytes="many"),
        heartbeat(temperature=20),
        heartbeat(sources=[["line"]]),
        heartbeat(sources=[["line", "opcua", "connected", "", 0, 0]] * 1_001),
        {"kind": "catalogue", "first_index": False, "points": [["a", "b", "kWh", "gauge", ""]]},
        {
            "kind": "readings",
            "point": b"",
            "time_us": b"",
            "value": b"",
            "status": b"",
            "flags": b"",
            "server_time_us": b"",
        },
    ],
)
def test_a_signed_body_of_another_shape_is_undecodable(body):
    assert refused(seal_map(body)) == "undecodable"


def test_a_heartbeat_has_its_bounds():
    assert isinstance(reread(seal_map(heartbeat(oldest_us=5))), batch.Heartbeat)
    assert refused(seal_map(heartbeat(used_bytes=2**63))) == "bound_exceeded"
    assert refused(seal_map(heartbeat(sources=[["line", "opcua", "s" * 201, "", 0, 0]]))) == "bound_exceeded"
    assert refused(seal_map(heartbeat(sources=[["line", "opcua", "ok", "", -1, 0]]))) == "bound_exceeded"


def test_columns_of_unequal_length_are_undecodable():
    made = rows(3)
    made.value.append(1.0)
    assert refused(batch.seal(HEADER, made, KEY)) == "undecodable"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"device": "../etc"}, "undecodable"),
        ({"device": "a" * 64}, "undecodable"),
        ({"device": "plant/#"}, "undecodable"),
        ({"sequence": -1}, "bound_exceeded"),
        ({"epoch": 2**63}, "bound_exceeded"),
        ({"previous": b"short"}, "undecodable"),
        ({"clock_state": "fine"}, "undecodable"),
        ({"dropped": "none"}, "undecodable"),
        ({"sequence": True}, "undecodable"),
        ({"clock_offset_us": False}, "undecodable"),
    ],
)
def test_a_malformed_header_is_refused(change, code):
    assert refused(seal_map({"kind": "readings"}, **change)) == code


@pytest.mark.parametrize("tag", cose._BUILT_IN_TAGS)
def test_tags_with_a_meaning_of_their_own_are_refused(tag):
    body = cbor2.dumps({"kind": "gaps", "gaps": []})
    tagged = cbor2.dumps(cbor2.CBORTag(10_000, None))[:-1].replace(b"\xd9\x27\x10", _tag_bytes(tag)) + body
    assert refused(seal_packed(zstandard.ZstdCompressor().compress(tagged))) == "undecodable"


def _tag_bytes(tag: int) -> bytes:
    if tag < 24:
        return bytes([0xC0 + tag])
    return bytes([0xD8, tag]) if tag < 256 else b"\xd9" + tag.to_bytes(2, "big")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xd2",
        b"\x9f" * 100_000,
        b"\x81" * 100_000,
        b"\xbf\xff",
        b"\x5b" + b"\xff" * 8,
        bytes(1000),
        b"\xa2\x01\x01\x01\x01",
    ],
    ids=[
        "empty",
        "tag only",
        "indefinite nest",
        "deep nest",
        "indefinite map",
        "2^64 bytes",
        "zeros",
        "duplicate keys",
    ],
)
def test_hostile_cbor_is_undecodable(data):
    assert refused(data) == "undecodable"


@given(st.binary(max_size=300))
def test_noise_is_always_refused(data):
    with pytest.raises(FormatError):
        batch.open_batch(data)


def test_cose_matches_a_published_vector():
    """COSE working group, eddsa-examples/eddsa-sig-01: the signature over its Sig_structure, RFC 8032 key '11'."""
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    to_be_signed = cose._to_be_signed(bytes.fromhex("a201270300"), b"This is the content.")
    assert to_be_signed.hex() == "846a5369676e61747572653145a2012703004054546869732069732074686520636f6e74656e742e"
    assert key.sign(to_be_signed).hex() == (
        "7142fd2ff96d56db85bee905a76ba1d0b7321a95c8c4d3607c5781932b7afb87"
        "11497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08f4a44d6fef0d"
    )


def test_an_acknowledgement_reads_back_and_is_bound_to_its_key():
    said = ack.Ack("potline-1", 7, 41, bytes(32), (ack.Refusal(12, bytes(32), "chain_break"),), at_us=9)
    data = ack.sign(said, KEY)
    assert ack.open_signed(data, KEY.public_key()) == said
    with pytest.raises(FormatError) as caught:
        ack.open_signed(data, OTHER_KEY.public_key())
    assert caught.value.code == "bad_signature"


def test_a_batch_is_not_mistaken_for_an_acknowledgement():
    with pytest.raises(FormatError):
        ack.open_signed(batch.seal(HEADER, rows(), KEY), KEY.public_key())


def test_the_hash_is_that_of_the_bytes_as_sent():
    data = batch.seal(HEADER, rows(), KEY)
    other = batch.seal(replace(HEADER, sequence=1), rows(), KEY)
    assert batch.open_batch(data).sha256 != batch.open_batch(other).sha256
