"""Field types that the files people write have in common: names, units, numbers, and a text in both languages."""

from __future__ import annotations

from typing import Annotated

import msgspec

NAME = r"^[A-Za-z][A-Za-z0-9_.\-]{0,63}$"
PROJECT = r"^[a-z0-9][a-z0-9\-]{0,63}$"
TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
PATTERN_WORDS = {  # what a pattern means to the person who has to keep to it
    NAME: "a letter A to Z, then such letters, digits, `_`, `.` or `-`, at most 64 in all",
    PROJECT: "lower-case letters a to z, digits and hyphens, at most 64",
    TIME_OF_DAY: "a time of day such as 08:00",
}
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Project = Annotated[str, msgspec.Meta(pattern=PROJECT)]
TimeOfDay = Annotated[str, msgspec.Meta(pattern=TIME_OF_DAY)]
Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Formula = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e18)]  # a double counts units exactly up to 9e15
Figure = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)]  # finite: neither bound lets a NaN pass


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in both languages."""

    en: str
    zh: str
