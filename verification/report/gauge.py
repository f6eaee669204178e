"""The verdict as a picture: the verified change with its interval on a line, against the target, the claim and no
change.
"""

from __future__ import annotations

from dataclasses import dataclass

from verification.report.axes import Frame, drawing
from verification.report.numbers import tick_text
from verification.report.svg import Drawing, Scale, element, group, label, line, text_width, ticks
from verification.report.words import Words

WIDE, NARROW = FRAMES = Frame("wide", 560, 126, 12), Frame("narrow", 340, 126, 12)
LINE_Y, INTERVAL_Y, TOP_Y = 102.0, 64.0, 40.0
MARGIN_SHARE = 0.14
TICKS = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands on the line, all in one unit: the figure that the target is about. `at_least`: the target is reached
    above it, not below. `reference` is where nothing would have changed, and `reference_name` what that is.
    """

    value: float
    uncertainty: float
    target: float
    target_text: str
    at_least: bool
    claim: float | None
    reference: float | None
    reference_name: str
    title: str


def gauge(reading: Reading, t: Words, frame: Frame, element_id: str) -> Drawing:
    """The interval against target and claim."""
    marks = [reading.value - reading.uncertainty, reading.value + reading.uncertainty, reading.target]
    marks += [mark for mark in (reading.claim, reading.reference) if mark is not None]
    margin = (max(marks) - min(marks) or 1.0) * MARGIN_SHARE
    x = Scale(min(marks) - margin, max(marks) + margin, frame.right, frame.width - frame.right)
    parts = [_acceptance(reading, t, x, frame), _axis(x), _interval(reading, x)]
    if reading.reference is not None:
        parts.append(_reference(x(reading.reference), reading.reference_name, x))
    if reading.claim is not None:
        at = x(reading.claim)
        parts.append(element("path", class_="claim", d=f"M{at} {LINE_Y - 1}l5 -10h-10z"))
        parts.append(_beside(t("gauge_claim"), at, LINE_Y - 3, "claim-name", frame, gap=9))
    return drawing(parts, reading.title, frame, element_id, "gauge")


def _acceptance(reading: Reading, t: Words, x: Scale, frame: Frame) -> Drawing:
    """The side of the limit on which the whole interval must lie (JCGM 106, guarded acceptance)."""
    limit = x(reading.target)
    left, right = (limit, x.end) if reading.at_least else (x.start, limit)
    box = {"x": left, "y": TOP_Y, "width": round(max(right - left, 0), 2), "height": LINE_Y - TOP_Y}
    accepts = f"{t('gauge_accepts')} →" if reading.at_least else f"← {t('gauge_accepts')}"
    parts = [
        element("rect", class_="accepts", **box),
        line(limit, TOP_Y - 6, limit, LINE_Y, "limit"),
        _beside(f"{t('gauge_limit')} {reading.target_text}", limit, 14, "limit-name", frame, after=True),
        _beside(accepts, limit, TOP_Y - 10, "accepts-name", frame, after=reading.at_least),
    ]
    return group(parts)


def _beside(
    text: str, at: float, y: float, style: str, frame: Frame, *, after: bool = False, gap: float = 6
) -> Drawing:
    """Text before or after a mark, on the other side where it would leave the drawing."""
    width = text_width(text) + gap
    after = after if (at + width <= frame.width if after else at >= width) else not after
    return label(text, at + gap if after else at - gap, y, style, "start" if after else "end")


def _axis(x: Scale) -> Drawing:
    parts = [line(x.start, LINE_Y, x.end, LINE_Y, "axis")]
    for value in ticks(x.low, x.high, TICKS):
        at = x(value)
        parts.append(line(at, LINE_Y, at, LINE_Y + 4, "axis"))
        parts.append(label(tick_text(value), at, LINE_Y + 18, "tick", "middle"))
    return group(parts)


def _reference(at: float, name: str, x: Scale) -> Drawing:
    """Where nothing would have changed."""
    before = at - x.start >= text_width(name) + 10
    place, anchor = (at - 5, "end") if before else (at + 5, "start")
    return group([line(at, TOP_Y, at, LINE_Y, "zero"), label(name, place, TOP_Y + 11, "zero-name", anchor)])


def _interval(reading: Reading, x: Scale) -> Drawing:
    low, high = x(reading.value - reading.uncertainty), x(reading.value + reading.uncertainty)
    y = INTERVAL_Y
    parts = [line(low, y, high, y, "whisker")]
    parts += [line(at, y - 7, at, y + 7, "whisker") for at in (low, high)]
    parts.append(element("circle", class_="delta", cx=x(reading.value), cy=y, r=6))
    return group(parts)
