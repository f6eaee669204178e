"""Small helpers for drawings: elements as text, escaped, with presentation attributes only (the pages forbid inline
styles).
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

TICK_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LATIN_WIDTH, WIDE_WIDTH = 0.56, 1.02  # of a character, as a share of the font size; CJK characters are square


class Drawing(str):
    """Finished markup. Templates that escape text leave it as it is (`__html__`)."""

    __slots__ = ()

    def __html__(self) -> str:
        """The markup itself."""
        return self


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


def element(tag: str, content: str = "", /, **attributes: str | float) -> Drawing:
    """One element. Names are written with `_` for `-`, and `class_` for `class`; text content is escaped."""
    named = ((name.rstrip("_").replace("_", "-"), html.escape(str(value))) for name, value in attributes.items())
    opening = f"<{tag}" + "".join(f' {name}="{value}"' for name, value in named)
    if not content:
        return Drawing(opening + "/>")
    inner = content if isinstance(content, Drawing) else html.escape(content)
    return Drawing(f"{opening}>{inner}</{tag}>")


def join(parts: Iterable[Drawing]) -> Drawing:
    """Elements one after the other."""
    return Drawing("".join(parts))


def group(parts: Iterable[Drawing], /, **attributes: str | float) -> Drawing:
    """Elements that belong together."""
    return element("g", join(parts), **attributes)


def label(text: str, x: float, y: float, style: str, anchor: str = "start") -> Drawing:
    """A line of text; `anchor` says which end of it stands at x."""
    return element("text", text, class_=style, x=round(x, 2), y=round(y, 2), text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Drawing:
    """A straight line."""
    return element("line", class_=style, x1=x1, y1=y1, x2=x2, y2=y2)


def text_width(text: str, font_size: float = 12.5) -> float:
    """About how wide `text` is drawn, in drawing units."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return font_size * (wide * WIDE_WIDTH + (len(text) - wide) * LATIN_WIDTH)


def fitted(text: str, room: float) -> str:
    """`text`, cut with an ellipsis where it is wider than `room`."""
    if text_width(text) <= room:
        return text
    while text and text_width(text + "…") > room:
        text = text[:-1]
    return text + "…"


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round values that divide [low, high] into about `wanted` steps."""
    raw = (high - low) / max(wanted, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in TICK_STEPS if factor * magnitude >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]
