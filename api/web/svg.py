"""Small helpers for drawings: elements as text, escaped, with presentation attributes only (the pages forbid
inline styles).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

TICK_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from data to drawing units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)


def element(tag: str, content: Markup | str = "", /, **attributes: str | float) -> Markup:
    """One element. Names are written with `_` for `-`, and `class_` for `class`; text content is escaped."""
    parts = [Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items()]
    opening = Markup("<") + tag + Markup("").join(parts)
    if not content:
        return opening + Markup("/>")
    return opening + Markup(">") + escape(content) + Markup("</") + tag + Markup(">")


def group(parts: Iterable[Markup], /, **attributes: str | float) -> Markup:
    """Elements that belong together."""
    return element("g", Markup("").join(parts), **attributes)


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round values that divide [low, high] into about `wanted` steps."""
    raw = (high - low) / max(wanted, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in TICK_STEPS if factor * magnitude >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]
