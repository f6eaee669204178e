"""Bars: the bridge from the plain difference to the verified change, and the uncertainty budget."""

from __future__ import annotations

from collections.abc import Sequence

from verification.report.axes import Frame, drawing
from verification.report.subject import Amount, Subject
from verification.report.svg import Drawing, Scale, element, fitted, group, label, line, text_width
from verification.report.words import Words

ROW, BAR = 34.0, 16.0
TOP, BOTTOM = 26.0, 12.0
NAME_SHARE_WIDE = 0.3  # of the width, for the names; in a narrow frame names stand above their bars
GAP = 10.0
STYLES = {True: "good", False: "bad", None: "plain"}
NARROW_NAME = 330.0  # of a name above its bar


def bridge(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """A waterfall: each step starts where the one before it ended, and the last bar is the verified change."""
    if not subject.bridge:
        return None
    rows, at = [], 0.0
    for amount in subject.bridge:
        start = 0.0 if amount.total else at
        at = amount.value if amount.total else at + amount.value
        rows.append((amount, start, start + amount.value))
    title = t("bridge_title", title=subject.title)
    return _bars(rows, f"{t('bridge_axis')} [{subject.change_unit}]", title, frame, element_id, connected=True)


def budget(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """Standard uncertainties side by side, and what they combine to."""
    if not subject.budget:
        return None
    rows = [(amount, 0.0, amount.value) for amount in subject.budget]
    title = t("budget_title", title=subject.title)
    return _bars(rows, f"{t('budget_axis')} [{subject.change_unit}]", title, frame, element_id, connected=False)


def _bars(
    rows: Sequence[tuple[Amount, float, float]],
    axis: str,
    title: str,
    frame: Frame,
    element_id: str,
    *,
    connected: bool,
) -> Drawing:
    narrow = frame.width < 600  # noqa: PLR2004 - a telephone
    step = ROW + 14 if narrow else ROW
    sized = Frame(frame.name, frame.width, TOP + step * len(rows) + BOTTOM, frame.right)
    value_room = max(text_width(amount.text) for amount, _, _ in rows) + 2 * GAP
    left = GAP if narrow else frame.width * NAME_SHARE_WIDE
    marks = [0.0] + [edge for _, start, end in rows for edge in (start, end)]
    low, high = min(marks), max(marks)
    # Values stand outside the bars, left of those that point to the left.
    x = Scale(
        low,
        high or 1.0,
        left + (value_room if low < 0 else 0),
        frame.width - frame.right - (value_room if high > 0 else 0),
    )
    parts = [label(axis, 2, 14, "axis-name"), line(x(0.0), TOP, x(0.0), sized.height - BOTTOM, "axis")]
    for index, (amount, start, end) in enumerate(rows):
        y = TOP + step * index + (20 if narrow else (step - BAR) / 2)
        parts.append(_row(amount, (start, end), x, y, left, narrow=narrow))
        if connected and index + 1 < len(rows):
            parts.append(line(x(end), y + BAR, x(end), y + step, "join"))
    return drawing(parts, title, sized, element_id)


def _row(amount: Amount, ends: tuple[float, float], x: Scale, y: float, left: float, *, narrow: bool) -> Drawing:
    start, end = x(ends[0]), x(ends[1])
    low, high = min(start, end), max(start, end)
    kind = "total" if amount.total else STYLES[amount.good]
    to_the_left = amount.value < 0
    parts = [
        element("rect", class_=f"bar {kind}", x=low, y=round(y, 2), width=round(max(high - low, 0.8), 2), height=BAR),
        label(
            amount.text,
            low - 6 if to_the_left else high + 6,
            y + BAR - 3,
            "bar-value",
            "end" if to_the_left else "start",
        ),
    ]
    if narrow:
        parts.append(label(fitted(amount.name, NARROW_NAME), x(0.0) + 6 if low >= x(0.0) else 2, y - 5, "bar-name"))
    else:
        parts.append(label(fitted(amount.name, left - 2 * GAP), left - GAP, y + BAR - 3, "bar-name", "end"))
    return group(parts, class_="total" if amount.total else "row")
