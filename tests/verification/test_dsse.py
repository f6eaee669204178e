"""DSSE envelopes and strict JSON: only the bytes that were signed are handed out, and every other spelling is
refused.
"""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from verification import strictjson
from verification.errors import FormatError
from verification.evidence import dsse

ENGINE, EXPERT, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
PAYLOAD = b'{"a":1}'

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text("aé中 x", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=3), inner, max_size=3),
    max_leaves=8,
)


def unreadable(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        strictjson.read(data)
    assert caught.value.code == "undecodable"
    return str(caught.value)


def test_the_pre_authentication_encoding_is_the_published_one() -> None:
    encoded = dsse.pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_an_envelope_reads_back_and_every_signer_holds() -> None:
    envelope = dsse.parse(dsse.sign(PAYLOAD, [ENGINE, EXPERT]))
    assert (envelope.payload, envelope.payload_type) == (PAYLOAD, "application/vnd.in-toto+json")
    assert envelope.signed_by(ENGINE.public_key())
    assert envelope.signed_by(EXPERT.public_key())
    assert not envelope.signed_by(STRANGER.public_key())


def test_the_type_is_signed_too() -> None:
    data = dsse.sign(PAYLOAD, [ENGINE]).replace(b"vnd.in-toto+json", b"vnd.other")
    assert not dsse.parse(data).signed_by(ENGINE.public_key())


def test_a_change_of_any_one_byte_leaves_no_valid_signature() -> None:
    data = dsse.sign(PAYLOAD, [ENGINE])
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        try:
            holds = dsse.parse(changed).signed_by(ENGINE.public_key())
        except FormatError:
            holds = False
        assert not holds, f"byte {position}"


def test_an_envelope_in_any_other_form_is_refused() -> None:
    good = json.loads(dsse.sign(PAYLOAD, [ENGINE]))
    for change in ({"signatures": []}, {"extra": 1}, {"payload": "e"}, {"signatures": [{"sig": "AA=="}]}):
        with pytest.raises(FormatError):
            dsse.parse(strictjson.encode(good | change))
    with pytest.raises(FormatError, match="canonical"):
        dsse.parse(json.dumps(good).encode())


def test_the_number_of_signatures_is_bounded_on_both_sides_of_the_limit() -> None:
    dsse.parse(dsse.sign(PAYLOAD, [ENGINE] * dsse.MAX_SIGNATURES))
    with pytest.raises(FormatError, match="at most 100"):
        dsse.parse(dsse.sign(PAYLOAD, [ENGINE] * (dsse.MAX_SIGNATURES + 1)))


@given(JSON_VALUES)
def test_canonical_json_reads_back_as_written(value: object) -> None:
    assert strictjson.read_canonical(strictjson.encode(value)) == value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1,"a":2}', "'a' appears twice"),
        (b'{"b":{"a":1,"a":1}}', "'a' appears twice"),
        (b"[1.0]", "1.0"),
        (b"[1e3]", "1e3"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\xff"', "not valid JSON"),
        ('{"x":"e\u0301"}'.encode(), "normal form C"),
        ('{"e\u0301":1}'.encode(), "normal form C"),
        (b'"\\ud800"', "surrogate"),
        (b"9007199254740992", "53 bits"),
        (b"-9007199254740992", "53 bits"),
        (b"9" * 5000, "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[" * 33 + b"1" + b"]" * 33, "32 levels"),
        (b"{} {}", "not valid JSON"),
        (b"", "not valid JSON"),
    ],
)
def test_what_two_readers_could_take_differently_is_refused(data: bytes, why: str) -> None:
    assert why in unreadable(data)


def test_limits_of_integers_and_depth_are_inclusive() -> None:
    assert strictjson.read(b"9007199254740991") == 2**53 - 1
    assert strictjson.read(b"[" * 32 + b"1" + b"]" * 32)


@pytest.mark.parametrize("data", [b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1}\n', b'"\\u0061"', b"-0"])
def test_another_spelling_of_the_same_value_is_not_canonical(data: bytes) -> None:
    strictjson.read(data)
    with pytest.raises(FormatError, match="canonical"):
        strictjson.read_canonical(data)


@pytest.mark.parametrize("value", [1.5, float("nan"), {1: 2}, b"bytes", {"a": 2**53}, "\ud800", {"x": object()}])
def test_what_cannot_be_read_is_never_written(value: object) -> None:
    with pytest.raises(FormatError):
        strictjson.encode(value)
