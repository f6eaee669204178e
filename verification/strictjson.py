"""JSON whose bytes leave no room for two readings: what the evidence package and the log are written in.

`encode` gives the RFC 8785 canonical form. `read` refuses whatever two readers could take differently: duplicate keys
(most readers keep the last in silence), floats and NaN (numbers are integers of at most 53 bits, or decimal strings),
strings that are not in Unicode normal form C, a byte order mark. `read_canonical` also refuses any other spelling of
the same value, so that not even a space can change unseen. Knows no schema; the caller matches the shape.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, NoReturn

import rfc8785

from verification.errors import FormatError

MAX_INTEGER = 2**53 - 1  # RFC 8785 numbers are IEEE 754 doubles; a larger integer would be rounded by some readers
MAX_DEPTH = 32
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(value: object) -> bytes:
    """The canonical bytes (RFC 8785) of a value made of mappings, lists, strings, integers, booleans and None.

    Raises FormatError (`undecodable`) for anything that `read` would refuse.
    """
    _check(value, depth=0)
    return _canonical(value)


def read(data: bytes) -> Any:  # noqa: ANN401 - the caller matches the shape
    """Parse `data`. Raises FormatError (`undecodable`) saying what is ambiguous or malformed in it."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise FormatError("undecodable", "begins with a byte order mark; save it as plain UTF-8")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object_without_duplicates,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except FormatError:
        raise
    except (ValueError, RecursionError) as err:
        raise FormatError("undecodable", f"not valid JSON: {err}") from err
    _check(value, depth=0)
    return value


def read_canonical(data: bytes) -> Any:  # noqa: ANN401 - the caller matches the shape
    """Parse `data`, which must be the very bytes that `encode` gives. Raises FormatError (`undecodable`)."""
    value = read(data)
    if _canonical(value) != data:  # read has checked what encode would check
        raise FormatError("undecodable", "not in canonical form (RFC 8785); these bytes were not written by RetroProof")
    return value


def _canonical(value: object) -> bytes:
    """The RFC 8785 bytes of what `_check` let pass.

    For texts, integers and constants Python's own encoder writes the same bytes, many times faster. Only the order of
    keys differs, and only where one lies beyond the Basic Multilingual Plane: RFC 8785 sorts by UTF-16 code units.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if _ASTRAL.search(text):
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # _check has narrowed it, in a way that types cannot say
    return text.encode()


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise FormatError("undecodable", f"key {name[:80]!r} appears twice in one object")
        found[name] = value
    return found


def _refuse_number(text: str) -> NoReturn:
    raise FormatError("undecodable", f"number {text[:40]} is neither an integer nor a decimal string")


def _check(value: object, *, depth: int) -> None:
    """Raise FormatError unless `value` holds nothing but what this module's docstring allows."""
    if depth > MAX_DEPTH:
        raise FormatError("undecodable", f"nested more than {MAX_DEPTH} levels deep")
    match value:
        case str():  # the commonest first: a result of two years by the hour has a quarter of a million texts
            _check_text(value)
        case None | bool():
            pass
        case int():
            if abs(value) > MAX_INTEGER:
                raise FormatError("undecodable", "an integer exceeds 53 bits; write it as a decimal string")
        case dict():
            for name, item in value.items():
                _check_text(name)
                _check(item, depth=depth + 1)
        case list() | tuple():
            for item in value:
                _check(item, depth=depth + 1)
        case _:
            raise FormatError("undecodable", f"{type(value).__name__} has no place in canonical JSON")


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise FormatError("undecodable", f"key {text!r} is not a string")
    if text.isascii():
        return
    if not unicodedata.is_normalized("NFC", text):
        raise FormatError("undecodable", f"text {text[:80]!r} is not in Unicode normal form C")
    if _SURROGATE.search(text):
        raise FormatError("undecodable", "a text holds half of a surrogate pair")
