"""The shape of one kind of finding in the catalogue."""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["en", "zh"]
Severity = Literal["info", "warning", "error"]
Outcome = Literal["invalid_data", "not_verifiable", "inconclusive"]


class Entry(NamedTuple):
    """One kind of finding. `blocks` is the verdict that it forces whatever the numbers say."""

    severity: Severity
    blocks: Outcome | None
    text_en: str
    text_zh: str
    resolve_en: str = ""
    resolve_zh: str = ""
