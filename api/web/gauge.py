"""The verdict as a picture: the verified change with its interval on a line, against the target, the claim
and no change.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from api.web.numbers import number
from api.web.svg import Scale, element, group, ticks

WIDE, NARROW = 560.0, 340.0
HEIGHT, EDGE, LINE_Y = 112.0, 12.0, 88.0
INTERVAL_Y, TOP_Y = 50.0, 26.0
MARGIN_SHARE = 0.14
TICKS = 5


@dataclass(frozen=True, slots=True)
class GaugeValues:
    """What stands on the line, all in one unit."""

    delta: float
    uncertainty: float
    target: float
    claim: float | None


@dataclass(frozen=True, slots=True)
class GaugeWords:
    """The words on the picture, in the reader's language."""

    title: str
    accepts: str
    limit: str
    claim: str
    zero: str


def gauge(values: GaugeValues, words: GaugeWords, width: float, element_id: str) -> Markup:
    """The picture as one <svg> element, `width` wide. `element_id` must be unique on the page."""
    marks = [values.delta - values.uncertainty, values.delta + values.uncertainty, values.target, 0.0]
    marks += [values.claim] if values.claim is not None else []
    margin = (max(marks) - min(marks) or 1.0) * MARGIN_SHARE
    x = Scale(min(marks) - margin, max(marks) + margin, EDGE, width - EDGE)
    title_id = f"{element_id}-title"
    parts = [
        element("title", words.title, id=title_id),
        _acceptance(values, words, x),
        _axis(x),
        _mark(x(0.0), words.zero, "zero"),
        _interval(values, x),
    ]
    if values.claim is not None:
        at = x(values.claim)
        parts.append(element("path", class_="claim", d=f"M{at} {LINE_Y - 1}l5 -10h-10z"))
        label = {"x": at - 9, "y": LINE_Y - 3}
        parts.append(element("text", words.claim, class_="claim-name", text_anchor="end", **label))
    return element(
        "svg",
        Markup("").join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {HEIGHT:g}",
        class_="gauge",
        role="img",
        aria_labelledby=title_id,
    )


def _acceptance(values: GaugeValues, words: GaugeWords, x: Scale) -> Markup:
    """The side of the limit on which the whole interval must lie (JCGM 106, guarded acceptance)."""
    limit = x(values.target)
    parts = [
        element("rect", class_="accepts", x=EDGE, y=TOP_Y, width=max(limit - EDGE, 0), height=LINE_Y - TOP_Y),
        element("line", class_="limit", x1=limit, x2=limit, y1=20, y2=LINE_Y),
        element("text", f"{words.limit} {number(f'{values.target:g}')}", class_="limit-name", x=limit + 5, y=22),
        element("text", f"← {words.accepts}", class_="accepts-name", x=limit - 7, y=22, text_anchor="end"),
    ]
    return group(parts)


def _axis(x: Scale) -> Markup:
    parts = [element("line", class_="axis", x1=x.start, x2=x.end, y1=LINE_Y, y2=LINE_Y)]
    for value in ticks(x.low, x.high, TICKS):
        at = x(value)
        parts.append(element("line", class_="axis", x1=at, x2=at, y1=LINE_Y, y2=LINE_Y + 4))
        parts.append(element("text", number(f"{value:g}"), class_="tick", x=at, y=LINE_Y + 18, text_anchor="middle"))
    return group(parts)


def _mark(at: float, label: str, name: str) -> Markup:
    parts = [
        element("line", class_=name, x1=at, x2=at, y1=TOP_Y, y2=LINE_Y),
        element("text", label, class_=f"{name}-name", x=at - 5, y=TOP_Y + 11, text_anchor="end"),
    ]
    return group(parts)


def _interval(values: GaugeValues, x: Scale) -> Markup:
    low, high = x(values.delta - values.uncertainty), x(values.delta + values.uncertainty)
    y = INTERVAL_Y
    parts = [element("line", class_="whisker", x1=low, x2=high, y1=y, y2=y)]
    parts += [element("line", class_="whisker", x1=at, x2=at, y1=y - 7, y2=y + 7) for at in (low, high)]
    parts.append(element("circle", class_="delta", cx=x(values.delta), cy=y, r=6))
    return group(parts)
