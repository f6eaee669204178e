"""Sparkplug B payloads: what npm's sparkplug-payload 1.0.3 wrote is read as meant, and nothing malformed passes."""

from __future__ import annotations

import zlib
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from verification import sparkplug
from verification.errors import FormatError
from verification.sparkplug import DataType, Metric, Payload, Topic, number

# Written by sparkplug-payload 1.0.3, the encoder inside sparkplug-client 3.2.4: a birth with one metric of each type,
BIRTH = bytes.fromhex(
    "08fbd095ffbc31120b0a05626453657120085803121a0a144e6f646520436f6e74726f6c2f52656269727468200b700012450a0b4c696e65"
    "2f456e65726779100118e4d095ffbc31200a4a220a075175616c6974790a07656e67556e69741205080318c0011207080c42036b57686900"
    "000000004a9340120e0a0269381002200150fbffffff0f120f0a036931361003200250d4fdffff0f120f0a03693332100420035090ddfbff"
    "0f12140a036936341005200458809ce8afedffffffff01120b0a0275381006200550c801120d0a037531361007200650e0d403120f0a0375"
    "3332100820075880d0acf30e12120a037536341009200858ffffffffffffff0f120c0a0166100a2009650000c03f12090a0162100b200b70"
    "01120f0a0173100c200c7a06e9939d20416c120f0a076e6f7468696e67100d200a380112190a03736574100e20108a010d08011201611804"
    "22040a0210011800"
)
# data by alias alone, flagged historical,
DATA = bytes.fromhex("08e3d895ffbc311216100118ccd895ffbc31200a28016900000000004e934018ff01")
# and data inside a DEFLATE body.
COMPRESSED = bytes.fromhex(
    "221253504256312e305f434f4d505245535345442a18789ce36015e2e3624c54e0ca640003160709760010e40190"
)


def test_a_birth_of_another_encoder_is_read_as_it_was_meant():
    found = sparkplug.decode(BIRTH)
    assert (found.time_ms, found.sequence, found.bd_seq) == (1_700_000_000_123, 0, 3)
    energy = found.metrics[2]
    assert energy == Metric("Line/Energy", 1234.5, DataType.DOUBLE, 1_700_000_000_100, alias=1, quality=192, unit="kWh")
    numbers = {m.name: number(m.value, m.datatype) for m in found.metrics if m.value is not None and m.name != "s"}
    assert numbers == {
        "bdSeq": 3,
        "Node Control/Rebirth": 0,
        "Line/Energy": 1234.5,
        "i8": -5,
        "i16": -300,
        "i32": -70_000,
        "i64": -5_000_000_000,
        "u8": 200,
        "u16": 60_000,
        "u32": 4_000_000_000,
        "u64": 9_007_199_254_740_991,
        "f": 1.5,
        "b": 1,
    }
    others = {m.name: m.value for m in found.metrics if m.name not in numbers}
    assert others == {"s": "铝 Al", "nothing": None, "set": None}


def test_data_names_its_metric_by_alias_alone():
    found = sparkplug.decode(DATA)
    assert (found.sequence, found.bd_seq) == (255, None)
    assert found.metrics == (Metric("", 1235.5, DataType.DOUBLE, 1_700_000_001_100, alias=1, historical=True),)


def test_a_compressed_payload_is_inflated():
    assert sparkplug.decode(COMPRESSED) == Payload((Metric("a", 2.5, DataType.DOUBLE),), 5, 7)


def compressed(plain: bytes) -> bytes:
    """As the Tahu clients wrap a payload: uuid (field 4) and body (field 5)."""
    body = zlib.compress(plain)
    size = bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) if len(body) > 127 else bytes([len(body)])
    return b"\x22\x12SPBV1.0_COMPRESSED\x2a" + size + body


def test_a_small_body_that_inflates_without_end_is_refused():
    assert sparkplug.decode(compressed(bytes.fromhex("1807"))) == Payload((), None, 7)
    with pytest.raises(FormatError, match="inflates to more") as refused:
        sparkplug.decode(compressed(bytes(sparkplug.MAX_PAYLOAD_BYTES + 1)))
    assert refused.value.code == "bound_exceeded"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes(sparkplug.MAX_PAYLOAD_BYTES + 1), "bound_exceeded"),
        (b"\x12\x00" * (sparkplug.MAX_METRICS + 1), "bound_exceeded"),
        (b"\x18\x80\x02", "bound_exceeded"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff", "undecodable"),
        (b"\x12\x03\x0a\x01\xff", "undecodable"),
        (b"\x12\x03\x7a\x01\xff", "undecodable"),
        (b"\x12\x05\x4a\x03\x0a\x01k", "undecodable"),
        (b"\x12\x84\x08\x0a\x81\x08" + b"n" * 1025, "bound_exceeded"),
        (b'{"value": 1}', "undecodable"),
        (compressed(b"")[:-3] + b"\x00\x00\x00", "undecodable"),
    ],
    ids=[
        "too long",
        "too many metrics",
        "sequence 256",
        "length past the end",
        "name not UTF-8",
        "text value not UTF-8",
        "a key without a value",
        "too long a name",
        "JSON",
        "broken body",
    ],
)
def test_malformed_payloads_are_refused_with_their_code(data, code):
    with pytest.raises(FormatError) as refused:
        sparkplug.decode(data)
    assert refused.value.code == code


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(lambda at, byte: BIRTH[:at] + byte + BIRTH[at + 1 :], st.integers(0, 500), st.binary(max_size=3))
)
@example(b"")
def test_any_bytes_are_a_payload_or_a_format_error(data):
    try:
        found = sparkplug.decode(data)
    except FormatError:
        return
    for metric in found.metrics:
        with suppress(FormatError):
            assert isinstance(number(metric.value, metric.datatype), float)


def metrics() -> st.SearchStrategy[Metric]:
    ranges = {
        **{kind: (-(1 << bits - 1), (1 << bits - 1) - 1) for kind, bits in sparkplug.SIGNED_BITS.items()},
        **{kind: (0, (1 << bits) - 1) for kind, bits in sparkplug.UNSIGNED_BITS.items()},
    }
    typed = [st.tuples(st.just(kind), st.integers(*bounds)) for kind, bounds in ranges.items()]
    typed.append(st.tuples(st.just(DataType.DOUBLE), st.floats(allow_nan=False)))
    typed.append(st.tuples(st.just(DataType.BOOLEAN), st.booleans()))
    uint64 = st.integers(0, 2**64 - 1)
    rest = {"time_ms": st.none() | uint64, "alias": st.none() | uint64, "historical": st.booleans()}
    return st.one_of(typed).flatmap(
        lambda pair: st.builds(Metric, st.text(max_size=20), st.just(pair[1]), st.just(pair[0]), **rest)
    )


@settings(deadline=None)
@given(st.lists(metrics(), max_size=5), st.none() | st.integers(0, 255))
def test_what_is_encoded_is_decoded_with_the_same_numbers(made, sequence):
    found = sparkplug.decode(sparkplug.encode(Payload(tuple(made), 5, sequence)))
    assert (found.time_ms, found.sequence) == (5, sequence)
    for before, after in zip(made, found.metrics, strict=True):
        assert number(after.value, after.datatype) == float(before.value)
        assert (after.name, after.time_ms, after.alias) == (before.name, before.time_ms, before.alias)


@pytest.mark.parametrize(
    ("value", "kind", "meant"),
    [
        (251, DataType.INT8, -5),  # not extended to 32 bits
        (2**32 - 5, DataType.INT8, -5),
        (2**64 - 5, DataType.INT8, -5),
        (127, DataType.INT8, 127),
        (2**31, DataType.INT32, -(2**31)),
    ],
)
def test_negative_numbers_are_read_however_far_their_encoder_extended_them(value, kind, meant):
    assert number(value, kind) == meant


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (256, DataType.INT8),
        (256, DataType.UINT8),
        ("62", DataType.STRING),
        (None, DataType.DOUBLE),
        (1, None),
        (True, DataType.INT8),
        (1, DataType.BOOLEAN),
        (1.5, DataType.INT32),
        (1, DataType.DOUBLE),
        (5, 13),
    ],
)
def test_what_is_not_a_number_of_its_type_is_refused(value, kind):
    with pytest.raises(FormatError):
        number(value, kind)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("spBv1.0/Plant/NBIRTH/Line 1", Topic("Plant", "NBIRTH", "Line 1")),
        ("spBv1.0/Plant/DDATA/Line 1/电表", Topic("Plant", "DDATA", "Line 1", "电表")),
        (f"spBv1.0/g/DDATA/n/{'电' * 255}", Topic("g", "DDATA", "n", "电" * 255)),
    ],
)
def test_a_topic_is_read_and_written(text, topic):
    assert sparkplug.read_topic(text) == topic
    assert str(topic) == text


@pytest.mark.parametrize(
    "text",
    [
        "spBv1.0/STATE/host",
        "spAv1.0/g/NDATA/n",
        "spBv1.0/g/NDATA/n/d",
        "spBv1.0/g/DDATA/n",
        "spBv1.0/g/DDATA/n/",
        "spBv1.0/g/NDATA/",
        "spBv1.0//NDATA/n",
        "spBv1.0/g/NSOMETHING/n",
        "",
        "spBv1.0/g/DDATA/n/d/e",
        f"spBv1.0/g/DDATA/n/{'d' * 256}",
    ],
)
def test_what_is_no_topic_of_a_node_or_device_is_refused(text):
    with pytest.raises(FormatError):
        sparkplug.read_topic(text)
