"""The before-and-after chart: daily unit consumption in both windows against what the baseline model would
have expected.

Shapes differ as well as colours (hollow circles before, filled diamonds after, a dashed line for the
projection), so that the chart reads in grey print and to a colour-blind reader. The value axis does not start
at zero, and says so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from markupsafe import Markup

from api.web.numbers import number
from api.web.svg import Scale, element, group, ticks

RANGE_MARGIN = 0.08
POINT_RADIUS = 2.4
MONTH_LABEL_GAP = 34.0  # drawing units below which two month names would touch


@dataclass(frozen=True, slots=True)
class Day:
    """One day: unit consumption as metered and as the baseline model expects it, both in the metric's unit."""

    date: dt.date
    metered: float
    expected: float | None


@dataclass(frozen=True, slots=True)
class WindowDays:
    """The days of one window (`end` exclusive) and the plain ratio over all of it."""

    start: dt.date
    end: dt.date
    days: tuple[Day, ...]
    mean: float
    mean_text: str


@dataclass(frozen=True, slots=True)
class Labels:
    """The words on the chart, in the reader's language."""

    title: str
    axis: str
    before: str
    after: str
    works: str
    expected: str
    mean: str
    axis_note: str
    month: str  # a strftime format


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of the drawing and the margins around the plot, in drawing units."""

    width: float
    height: float
    left: float = 62.0
    right: float = 14.0
    top: float = 74.0
    bottom: float = 30.0

    @property
    def floor(self) -> float:
        """Where the plot ends below."""
        return self.height - self.bottom


WIDE = Frame(1080, 400)
NARROW = Frame(360, 350, left=48.0, right=8.0, top=122.0)


def before_after(before: WindowDays, after: WindowDays, labels: Labels, frame: Frame, element_id: str) -> Markup:
    """The chart as one <svg> element.

    `element_id` must be unique on the page. Both windows need at least one day.
    """
    shown = [*before.days, *after.days]
    values = [day.metered for day in shown] + [day.expected for day in shown if day.expected is not None]
    low, high = min(values), max(values)
    margin = (high - low or abs(high) or 1.0) * RANGE_MARGIN
    y = Scale(low - margin, high + margin, frame.floor, frame.top)
    x = Scale(before.start.toordinal(), after.end.toordinal(), frame.left, frame.width - frame.right)
    title_id = f"{element_id}-title"
    return element(
        "svg",
        Markup("").join(
            [
                element("title", labels.title, id=title_id),
                _windows(before, after, labels, x, frame),
                _value_axis(y, labels, frame),
                _month_axis(before.start, after.end, labels, x, frame),
                _window(before, "before", x, y),
                _window(after, "after", x, y),
                _legend(labels, frame),
            ]
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {frame.width:g} {frame.height:g}",
        class_="chart",
        id=element_id,
        role="img",
        aria_labelledby=title_id,
    )


def _windows(before: WindowDays, after: WindowDays, labels: Labels, x: Scale, frame: Frame) -> Markup:
    """The shaded windows, each with its name and its plain ratio above, and the works between them."""
    parts: list[Markup] = []
    for name, label, window in (("before", labels.before, before), ("after", labels.after, after)):
        left, right = x(window.start.toordinal()), x(window.end.toordinal())
        parts.append(_shade(name, left, right, frame))
        middle = round((left + right) / 2, 2)
        lines = ((label, "window-name", 24), (f"{labels.mean} {window.mean_text}", "mean-name", 8))
        for text, style, above in lines:
            place = {"x": middle, "y": frame.top - above}
            parts.append(element("text", text, class_=f"{style} {name}", text_anchor="middle", **place))
    left, right = x(before.end.toordinal()), x(after.start.toordinal())
    if right > left:
        parts.append(_shade("works", left, right, frame))
        # The gap is narrow: its name runs upwards.
        place_upright = f"translate({round((left + right) / 2 + 4, 2)} {frame.floor - 8}) rotate(-90)"
        parts.append(element("text", labels.works, class_="window-name works", transform=place_upright))
    return group(parts)


def _shade(name: str, left: float, right: float, frame: Frame) -> Markup:
    return element(
        "rect",
        class_=f"window {name}",
        x=left,
        y=frame.top,
        width=round(right - left, 2),
        height=frame.floor - frame.top,
    )


def _value_axis(y: Scale, labels: Labels, frame: Frame) -> Markup:
    parts = [element("text", f"{labels.axis} · {labels.axis_note}", class_="axis-name", x=2, y=14)]
    for value in ticks(y.low, y.high, 5):
        at = y(value)
        parts.append(element("line", class_="grid", x1=frame.left, x2=frame.width - frame.right, y1=at, y2=at))
        text = number(f"{value:.10f}".rstrip("0").rstrip("."))
        parts.append(element("text", text, class_="tick", x=frame.left - 7, y=at + 4, text_anchor="end"))
    return group(parts)


def _month_axis(start: dt.date, end: dt.date, labels: Labels, x: Scale, frame: Frame) -> Markup:
    parts: list[Markup] = []
    last_label = -MONTH_LABEL_GAP
    month = start.replace(day=1)
    while month < end:
        at = x(month.toordinal())
        if month >= start:
            parts.append(element("line", class_="month", x1=at, x2=at, y1=frame.floor, y2=frame.floor + 5))
            if at - last_label >= MONTH_LABEL_GAP and at + MONTH_LABEL_GAP <= frame.width:
                parts.append(
                    element("text", month_name(month, labels.month), class_="tick", x=at + 3, y=frame.floor + 18)
                )
                last_label = at
        month = (month + dt.timedelta(days=32)).replace(day=1)
    parts.append(
        element("line", class_="axis", x1=frame.left, x2=frame.width - frame.right, y1=frame.floor, y2=frame.floor)
    )
    return group(parts)


def month_name(month: dt.date, style: str) -> str:
    """`Mar 2026` or `2026年3月`; the year only where it begins, or the months would crowd."""
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    short = f"{month.month}月" if style == "zh" else names[month.month - 1]
    return short if month.month != 1 else str(month.year)


def _window(window: WindowDays, name: str, x: Scale, y: Scale) -> Markup:
    """The days of one window, the projection, and the plain ratio over the window as a line that carries its
    value.
    """
    parts: list[Markup] = []
    for day in window.days:
        at_x, at_y = x(day.date.toordinal() + 0.5), y(day.metered)
        if name == "before":
            parts.append(element("circle", cx=at_x, cy=at_y, r=POINT_RADIUS))
        else:
            parts.append(element("path", d=f"M{at_x} {at_y - 3:.2f}l3 3l-3 3l-3 -3z"))
    line = " ".join(
        f"{x(day.date.toordinal() + 0.5)},{y(day.expected)}" for day in window.days if day.expected is not None
    )
    left, right = x(window.start.toordinal()), x(window.end.toordinal())
    drawn = [group(parts, class_=f"points {name}")]
    if line:
        drawn.append(element("polyline", class_="expected", points=line))
    at = y(window.mean)
    drawn.append(element("line", class_=f"mean {name}", x1=left, x2=right, y1=at, y2=at))
    return group(drawn)


def _legend(labels: Labels, frame: Frame) -> Markup:
    """What each mark means; in a narrow drawing one below the other."""
    entries = [("before", labels.before), ("after", labels.after), ("expected", labels.expected)]
    stacked = frame.width < WIDE.width
    parts: list[Markup] = []
    at_x, at_y = (2.0, 32.0) if stacked else (frame.width - frame.right - 560.0, 14.0)
    for name, text in entries:
        marks = {
            "before": element("circle", class_="points before", cx=6, cy=-4, r=POINT_RADIUS + 1),
            "after": element("path", class_="points after", d="M6 -8.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z"),
            "expected": element("line", class_="expected", x1=-4, x2=16, y1=-4, y2=-4),
        }
        label = element("text", text, class_="legend", x=22 if name == "expected" else 16, y=0)
        parts.append(group([marks[name], label], transform=f"translate({at_x + 4} {at_y})"))
        at_x, at_y = (at_x, at_y + 18) if stacked else (at_x + 150, at_y)
    return group(parts)
