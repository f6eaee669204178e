"""Field types that the files people write have in common: names, units, numbers, and a text in both languages."""

from __future__ import annotations

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.\-]{0,63}$")]
Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Formula = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e18)]  # a double counts units exactly up to 9e15


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in both languages."""

    en: str
    zh: str
