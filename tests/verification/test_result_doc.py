"""docs/reference/result.md names every field that a result has."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from verification.engine import result

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "result.md").read_text(encoding="utf-8")


def test_every_field_of_a_result_is_described():
    structs = [
        one for one in vars(result).values()
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == result.__name__
    ]  # fmt: skip
    named = set(re.findall(r"\w+", PAGE))
    assert len(structs) > 10
    assert {field for one in structs for field in one.__struct_fields__} - named == set()
