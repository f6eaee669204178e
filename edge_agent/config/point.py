"""The keys that a point has in every kind of source, and their checks."""

from __future__ import annotations

import re

from edge_agent.config.base import Problems, Strict
from verification.model import MAX_TEXT_CHARS, PointKind
from verification.units import UnitError, check_unit

POINT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")


class PointConfig(Strict, frozen=True, kw_only=True):
    """One measured quantity; each kind of source adds how it is addressed."""

    unit: str
    kind: PointKind
    meter: str = ""

    @property
    def address(self) -> str:
        """What names the quantity within its source; free of host and port, which may move."""
        raise NotImplementedError


def point_problems(place: str, name: str, point: PointConfig) -> Problems:
    """What is wrong with a point, wherever it is read from."""
    if not POINT_NAME.fullmatch(name):
        yield place, "a point's name begins with a letter and holds letters, digits, _ . and -"
    try:
        check_unit(point.unit)
    except UnitError as err:
        yield f"{place}.unit", str(err)
    if any(len(text) > MAX_TEXT_CHARS or "\x00" in text for text in (point.address, point.unit, point.meter)):
        yield place, f"a text has more than {MAX_TEXT_CHARS} characters or a null byte"
