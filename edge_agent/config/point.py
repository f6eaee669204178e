"""The keys that a point has in every kind of source, and their checks."""

from __future__ import annotations

import difflib
import re

from edge_agent.config.base import Problems, Strict
from verification.model import MAX_TEXT_CHARS, PointKind
from verification.units import MOMENTARY, QUANTITIES, UnitError, check_quantity, quantities_of

POINT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")


class PointConfig(Strict, frozen=True, kw_only=True):
    """One measured quantity; each kind of source adds how it is addressed."""

    unit: str
    kind: PointKind
    meter: str = ""
    quantity: str = ""

    @property
    def address(self) -> str:
        """What names the quantity within its source; free of host and port, which may move."""
        raise NotImplementedError


def point_problems(place: str, name: str, point: PointConfig) -> Problems:
    """What is wrong with a point, wherever it is read from."""
    if not POINT_NAME.fullmatch(name):
        yield place, "a point's name begins with a letter and holds letters, digits, _ . and -"
    yield from _unit_problems(place, point)
    if any(len(text) > MAX_TEXT_CHARS or "\x00" in text for text in (point.address, point.unit, point.meter)):
        yield place, f"a text has more than {MAX_TEXT_CHARS} characters or a null byte"


def _unit_problems(place: str, point: PointConfig) -> Problems:
    """Whether the unit can be read, suits what the point is said to measure, and can be counted up if it is."""
    try:
        measures = quantities_of(point.unit)
        if point.quantity in QUANTITIES:
            check_quantity(point.unit, point.quantity)
    except UnitError as err:
        yield f"{place}.unit", str(err)
        return
    if point.quantity and point.quantity not in QUANTITIES:
        near = difflib.get_close_matches(point.quantity, QUANTITIES, n=1)
        mend = f"did you mean {near[0]!r}?" if near else "choose one of " + ", ".join(QUANTITIES)
        yield f"{place}.quantity", f"{point.quantity!r} is no quantity; {mend}"
    momentary = [quantity for quantity in measures if quantity in MOMENTARY]
    if momentary and point.kind in (PointKind.COUNTER, PointKind.INTERVAL_TOTAL):
        problem = (
            f"{point.unit!r} is a unit of {momentary[0]}, which a {point.kind} cannot add up; write the unit that it "
            "counts in (kWh, not kW), or kind: gauge"
        )
        yield f"{place}.unit", problem
