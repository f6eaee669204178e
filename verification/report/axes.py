"""What every plot shares: the frame, the axes, the legend, the shaded windows.

Shapes differ as well as colours (hollow circles before, hollow squares between, filled diamonds after, dashes for what
is modelled), so that a plot reads in grey print and to a colour-blind reader. A value axis need not start at zero;
where it does not, it says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from verification.plan.shape import WindowName
from verification.report.numbers import tick_text
from verification.report.subject import Span, Subject, days_of
from verification.report.svg import Drawing, Scale, element, fitted, group, join, label, line, text_width, ticks
from verification.report.words import Words

RANGE_MARGIN = 0.08
WANTED_TICKS = 5
LINE_HEIGHT = 18.0
LEGEND_LEFT, SAMPLE_WIDTH = 6.0, 22.0
NAME_HEIGHT = 20.0  # of the windows' names; their plain ratios take a line more
FLOOR_HEIGHT = 30.0
AXIS_NAME_HEIGHT = 16.0
MONTH_STEPS = (1, 2, 3, 6, 12)
DAY_STEPS = (1, 2, 7, 14)
LABEL_GAP = 8.0
MAX_DAY_LABELS_SPAN = 75  # days; a longer span is labelled by months
POINT_RADIUS, SMALL_RADIUS = 2.4, 1.5
MANY = 400


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a drawing [drawing units]. A page shows the narrow one on a telephone."""

    name: str
    width: float
    height: float
    right: float = 14.0


WIDE = Frame("wide", 1080, 400)
NARROW = Frame("narrow", 360, 350, right=8.0)
FRAMES = (WIDE, NARROW)


@dataclass(frozen=True, slots=True)
class Plane:
    """The plot's area: what maps data to the drawing, and its edges."""

    frame: Frame
    x: Scale
    y: Scale
    value_ticks: tuple[float, ...]

    @property
    def left(self) -> float:
        """The left edge."""
        return self.x.start

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x.end

    @property
    def top(self) -> float:
        """The upper edge."""
        return self.y.end

    @property
    def floor(self) -> float:
        """The lower edge."""
        return self.y.start


def lay_out(
    frame: Frame, across: tuple[float, float], values: Iterable[float], *, top: float, floor: float = FLOOR_HEIGHT
) -> Plane:
    """The area below `top` that shows `across` from left to right and all of `values` from below; margins fit the
    labels.
    """
    shown = list(values)
    low, high = min(shown), max(shown)
    margin = (high - low or abs(high) or 1.0) * RANGE_MARGIN
    low, high = low - margin, high + margin
    value_ticks = tuple(ticks(low, high, WANTED_TICKS))
    left = max(text_width(tick_text(value)) for value in value_ticks) + 12
    x = Scale(*across, left, frame.width - frame.right)
    return Plane(frame, x, Scale(low, high, frame.height - floor, top), value_ticks)


def drawing(parts: Iterable[Drawing], title: str, frame: Frame, element_id: str, style: str = "plot") -> Drawing:
    """The whole as one <svg> element with a title for those who cannot see it. `element_id` is unique on the page."""
    title_id = f"{element_id}-title"
    return element(
        "svg",
        join([element("title", title, id=title_id), *parts]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {frame.width:g} {frame.height:g}",
        class_=style,
        id=element_id,
        role="img",
        aria_labelledby=title_id,
    )


def value_axis(plane: Plane, name: str, t: Words) -> Drawing:
    """Grid lines with their values, and the axis's name above them."""
    note = "" if plane.y.low <= 0 <= plane.y.high else f" · {t('axis_note')}"
    parts = [label(fitted(name + note, plane.frame.width - 4), 2, plane.top - 8, "axis-name")]
    for value in plane.value_ticks:
        at = plane.y(value)
        parts.append(line(plane.left, at, plane.right, at, "zero" if value == 0 else "grid"))
        parts.append(label(tick_text(value), plane.left - 7, at + 4, "tick", "end"))
    return group(parts)


def number_axis(plane: Plane, name: str) -> Drawing:
    """Values along the lower edge, and the axis's name below them."""
    wanted = max(3, int((plane.right - plane.left) / 110))
    parts = [line(plane.left, plane.floor, plane.right, plane.floor, "axis")]
    for value in ticks(plane.x.low, plane.x.high, wanted):
        at = plane.x(value)
        parts.append(line(at, plane.floor, at, plane.floor + 5, "axis"))
        parts.append(label(tick_text(value), at, plane.floor + 18, "tick", "middle"))
    parts.append(label(fitted(name, plane.right - 2), plane.right, plane.floor + 36, "axis-name", "end"))
    return group(parts)


def time_axis(plane: Plane, t: Words) -> Drawing:
    """Months along the lower edge, or days where there are few; as many labels as have room."""
    parts = [line(plane.left, plane.floor, plane.right, plane.floor, "axis")]
    for moment, text in _time_labels(plane, t):
        at = plane.x(moment)
        parts.append(line(at, plane.floor, at, plane.floor + 5, "axis"))
        if at + 3 + text_width(text) <= plane.frame.width:
            parts.append(label(text, at + 3, plane.floor + 18, "tick"))
    return group(parts)


def _time_labels(plane: Plane, t: Words) -> list[tuple[float, str]]:
    """The labelled days: the finest step whose labels do not touch."""
    first, last = plane.x.low, plane.x.high
    candidates: list[list[tuple[float, str]]] = []
    if last - first <= MAX_DAY_LABELS_SPAN:
        days = [dt.date.fromordinal(day) for day in range(int(first), int(last) + 1)]
        candidates += [[(float(day.toordinal()), t.day(day)) for day in days[::step]] for step in DAY_STEPS]
    months = [day for day in _months(first, last) if first <= day.toordinal() < last]
    candidates += [
        [(float(day.toordinal()), t.month(day)) for day in months if (day.month - 1) % step == 0]
        for step in MONTH_STEPS
    ]
    for labels in candidates:
        room = [plane.x(after[0]) - plane.x(one[0]) for one, after in pairwise(labels)]
        if labels and all(
            text_width(text) + LABEL_GAP <= space for (_, text), space in zip(labels, [*room, 1e9], strict=True)
        ):
            return labels
    return candidates[-1]


def _months(first: float, last: float) -> list[dt.date]:
    """The first day of every month from the one that holds `first`."""
    month = dt.date.fromordinal(int(first)).replace(day=1)
    found = []
    while month.toordinal() < last:
        found.append(month)
        month = (month + dt.timedelta(days=32)).replace(day=1)
    return found


def legend(entries: Sequence[tuple[str, str]], frame: Frame) -> tuple[Drawing, float]:
    """What each mark means, as (kind of mark, or nothing; words), in as many lines as they need; and their height."""
    parts: list[Drawing] = []
    at_x, at_y = LEGEND_LEFT, 14.0
    for kind, words in entries:
        sample = SAMPLE_WIDTH if kind else 0.0
        width = sample + text_width(words) + 18
        if at_x > LEGEND_LEFT and at_x + width > frame.width:
            at_x, at_y = LEGEND_LEFT, at_y + LINE_HEIGHT
        parts.append(
            group([_sample(kind), label(words, sample, 0, "legend")], transform=f"translate({at_x:.2f} {at_y:.2f})")
        )
        at_x += width
    return group(parts), at_y + 8


def _sample(kind: str) -> Drawing:
    match kind:
        case "baseline":
            return element("circle", class_="points baseline", cx=8, cy=-4, r=POINT_RADIUS + 1)
        case "intermediate":
            return element("rect", class_="points intermediate", x=4.5, y=-7.5, width=7, height=7)
        case "reporting":
            return element("path", class_="points reporting", d="M8 -8.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z")
        case "band":
            return element("rect", class_="band", x=0, y=-10, width=17, height=11)
        case "":
            return Drawing()
        case _:
            return line(0, -4, 17, -4, kind)


def time_plane(subject: Subject, values: Iterable[float], frame: Frame, legend_height: float, *, means: bool) -> Plane:
    """The area of a plot over time: the windows whole, with room above for their names and, with `means`, ratios."""
    across = days_of(subject.spans[0].start), days_of(subject.spans[-1].end)
    return lay_out(
        frame, across, values, top=legend_height + NAME_HEIGHT + (LINE_HEIGHT if means else 0) + AXIS_NAME_HEIGHT
    )


def windows(subject: Subject, plane: Plane, t: Words, *, means: bool) -> Drawing:
    """The windows shaded and named, with their plain ratios where `means`, and the works between them."""
    parts: list[Drawing] = []
    for span in subject.spans:
        left, right = plane.x(days_of(span.start)), plane.x(days_of(span.end))
        parts.append(_shade(span.name, left, right, plane))
        at, anchor = _name_place(span, left, right)
        above = plane.top - AXIS_NAME_HEIGHT - 8
        parts.append(
            label(t(f"window_{span.name}"), at, above - (16 if means else 0), f"window-name {span.name}", anchor)
        )
        if means and span.mean is not None:
            parts.append(label(span.mean_text, at, above, f"mean-name {span.name}", anchor))
    for before, after in pairwise(subject.spans):
        parts += _works(plane.x(days_of(before.end)), plane.x(days_of(after.start)), plane, t)
    return group(parts)


def _name_place(span: Span, left: float, right: float) -> tuple[float, str]:
    """Where a window's name stands: at its outer edge, that of one in between in its middle."""
    match span.name:
        case "baseline":
            return left, "start"
        case "intermediate":
            return (left + right) / 2, "middle"
        case "reporting":
            return right, "end"


def _works(left: float, right: float, plane: Plane, t: Words) -> list[Drawing]:
    """The works between two windows, where there is a gap."""
    if right <= left:
        return []
    parts = [_shade("works", left, right, plane)]
    upright = f"translate({round((left + right) / 2 + 4, 2)} {plane.floor - 8}) rotate(-90)"
    if right - left >= LINE_HEIGHT:  # a shorter gap has no room for its name
        parts.append(element("text", t("works"), class_="window-name works", transform=upright))
    return parts


def _shade(name: str, left: float, right: float, plane: Plane) -> Drawing:
    return element(
        "rect",
        class_=f"window {name}",
        x=left,
        y=plane.top,
        width=round(right - left, 2),
        height=round(plane.floor - plane.top, 2),
    )


def mean_line(span: Span, plane: Plane) -> Drawing:
    """The plain ratio over a window."""
    if span.mean is None:
        return Drawing()
    at = plane.y(span.mean)
    return line(plane.x(days_of(span.start)), at, plane.x(days_of(span.end)), at, f"mean {span.name}")


def marks(points: Sequence[tuple[float, float]], window: WindowName, plane: Plane) -> Drawing:
    """Points as circles, squares or diamonds by their window, smaller where they are many."""
    radius = POINT_RADIUS if len(points) <= MANY else SMALL_RADIUS
    drawn = []
    for across, value in points:
        x, y = plane.x(across), plane.y(value)
        if window == "baseline":
            drawn.append(element("circle", cx=x, cy=y, r=radius))
        elif window == "intermediate":
            drawn.append(
                element("rect", x=round(x - radius, 2), y=round(y - radius, 2), width=2 * radius, height=2 * radius)
            )
        else:
            reach = radius + 0.6
            drawn.append(
                element("path", d=f"M{x:g} {y - reach:.2f}l{reach} {reach}l-{reach} {reach}l-{reach} -{reach}z")
            )
    return group(drawn, class_=f"points {window}")
