"""The canonical form: the bytes of RFC 8785, whatever wrote them."""

from __future__ import annotations

import unicodedata

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from verification import strictjson
from verification.errors import FormatError

TEXTS = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
SCALARS = st.none() | st.booleans() | st.integers(-strictjson.MAX_INTEGER, strictjson.MAX_INTEGER) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


@given(VALUES)
@example({"\ue000": 1, "\U00010000": 2})  # the order of UTF-16 is another than that of code points
@example({"a": '\x00\x1f\x7f\u2028\u2029"\\/\b\f\n\r\t'})
@example({"\u20ac": 1, "\r": 2, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7})  # as RFC 8785, 3.2.3
def test_the_canonical_form_is_rfc_8785(value: object):
    data = strictjson.encode(value)
    assert data == rfc8785.dumps(value)
    assert strictjson.read_canonical(data) == value


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, {"a": {1: 2}}, {"e\u0301": 1}, "\ud800", b"x", {1}])
def test_what_two_readers_could_take_differently_is_refused(value: object):
    with pytest.raises(FormatError):
        strictjson.encode(value)
