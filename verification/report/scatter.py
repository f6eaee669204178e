"""The fit: metered numerator against its driver, with the model's line; against the model itself where several drivers
or categories make it.
"""

from __future__ import annotations

from math import ceil

from verification.report.axes import (
    RANGE_MARGIN,
    Frame,
    Plane,
    drawing,
    lay_out,
    legend,
    marks,
    number_axis,
    value_axis,
)
from verification.report.subject import MAX_MARKS, Interval, Subject
from verification.report.svg import Drawing, line
from verification.report.words import Words

FLOOR_HEIGHT = 46.0


def scatter(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """The intervals used, evenly thinned where they are many, and the model: solid over what it was fitted to, dashed
    beyond.
    """
    by_driver = subject.line is not None
    points = {
        window: [pair for one in subject.used if one.window == window and (pair := _point(one, by_driver=by_driver))]
        for window in (span.name for span in subject.spans)
    }
    everything = [pair for pairs in points.values() for pair in pairs]
    fitted = points.get(subject.fitted)
    if not fitted or len({x for x, _ in everything}) < 2:  # noqa: PLR2004 - a line needs two places
        return None
    low, high = min(x for x, _ in everything), max(x for x, _ in everything)
    margin = (high - low) * RANGE_MARGIN
    seen = [x for x, _ in fitted]
    intercept, slope = subject.line or (0.0, 1.0)
    ends = [intercept + slope * x for x in (low, high)]
    entries: list[tuple[str, str]] = [(window, t(f"window_{window}")) for window in points]
    entries.append(("fit", t("fit_line")))
    if by_driver and (low < min(seen) or high > max(seen)):
        entries.append(("expected", t("fit_beyond")))
    stride = ceil(len(everything) / MAX_MARKS)
    if stride > 1:
        entries.append(("", t("thinned", count=stride)))
    key, height = legend(entries, frame)
    plane = lay_out(
        frame, (low - margin, high + margin), [*(y for _, y in everything), *ends], top=height + 24, floor=FLOOR_HEIGHT
    )
    across = (
        f"{subject.driver_name} [{subject.driver_unit}]" if by_driver else f"{t('modelled')} [{subject.numerator_unit}]"
    )
    parts = [value_axis(plane, f"{t('metered')} [{subject.numerator_unit}]", t), number_axis(plane, across)]
    parts += [marks(pairs[::stride], window, plane) for window, pairs in points.items()]
    parts += _model(plane, (intercept, slope), (low, high), (min(seen), max(seen)) if by_driver else (low, high))
    return drawing([*parts, key], t("scatter_title", title=subject.title), frame, element_id)


def _point(interval: Interval, *, by_driver: bool) -> tuple[float, float] | None:
    across = interval.driver if by_driver else interval.expected
    return None if across is None or interval.numerator is None else (across, interval.numerator)


def _model(
    plane: Plane, model: tuple[float, float], shown: tuple[float, float], seen: tuple[float, float]
) -> list[Drawing]:
    """The model's line over `shown`; solid over `seen`."""

    def piece(start: float, end: float, style: str) -> Drawing:
        values = [model[0] + model[1] * x for x in (start, end)]
        return line(plane.x(start), plane.y(values[0]), plane.x(end), plane.y(values[1]), style)

    parts = [piece(*seen, "fit")]
    if shown[0] < seen[0]:
        parts.append(piece(shown[0], seen[0], "expected"))
    if shown[1] > seen[1]:
        parts.append(piece(seen[1], shown[1], "expected"))
    return parts
