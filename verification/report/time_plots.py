"""Plots over time: the series with projection and band, the residuals, and their running sum (CUSUM)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from verification.report.axes import (
    Frame,
    Plane,
    drawing,
    legend,
    marks,
    mean_line,
    time_axis,
    time_plane,
    value_axis,
    windows,
)
from verification.report.subject import Interval, Subject, days_of
from verification.report.svg import Drawing, element, group, line
from verification.report.words import Words


def series(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """The unit figure of each interval, what the baseline model expects of it, and where 95 of 100 intervals of an
    unchanged line would fall (the confidence is the plan's).
    """
    shown = [interval for interval in subject.shown if interval.ratio is not None]
    if not all(any(one.window == span.name for one in shown) for span in subject.spans):
        return None
    bands = [_band(interval, subject) for interval in shown]
    entries: list[tuple[str, str]] = [(span.name, t(f"metered_{span.name}")) for span in subject.spans]
    entries.append(("expected", t("expected")))
    if any(bands):
        entries.append(("band", t("band")))
    key, height = legend(entries, frame)
    values = [one.ratio for one in shown] + [edge for band in bands if band for edge in band]
    plane = time_plane(subject, [value for value in values if value is not None], frame, height, means=True)
    parts = [windows(subject, plane, t, means=True)]
    for run in _runs(shown):
        parts += _projection(run, subject, plane)
    for span in subject.spans:
        points = [(one.middle, one.ratio) for one in shown if one.window == span.name and one.ratio is not None]
        parts.append(marks(points, span.name, plane))
    parts += [mean_line(span, plane) for span in subject.spans]
    parts += [value_axis(plane, subject.unit, t), time_axis(plane, t), key]
    return drawing(parts, t("series_title", title=subject.title), frame, element_id)


def residuals(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """Metered less modelled numerator of each interval. A baseline without pattern is what a fit should leave."""
    known = [(one, one.residual) for one in subject.shown]
    shown = [(one, residual) for one, residual in known if residual is not None]
    if not shown:
        return None
    entries: list[tuple[str, str]] = [(span.name, t(f"window_{span.name}")) for span in subject.spans]
    spread = subject.spread if subject.spread and len(subject.shown) == len(subject.used) else None
    if spread:
        entries.append(("limit", t("spread")))
    key, height = legend(entries, frame)
    edges = [spread, -spread] if spread else []
    plane = time_plane(subject, [*(value for _, value in shown), 0.0, *edges], frame, height, means=False)
    parts = [
        windows(subject, plane, t, means=False),
        value_axis(plane, f"{t('residual')} [{subject.numerator_unit}]", t),
    ]
    parts += [line(plane.left, plane.y(edge), plane.right, plane.y(edge), "limit") for edge in edges]
    for window in (span.name for span in subject.spans):
        parts.append(marks([(one.middle, value) for one, value in shown if one.window == window], window, plane))
    return drawing([*parts, time_axis(plane, t), key], t("residuals_title", title=subject.title), frame, element_id)


def cusum(subject: Subject, t: Words, frame: Frame, element_id: str) -> Drawing | None:
    """The running sum of metered less modelled: it wanders about zero before the retrofit, and leaves it afterwards."""
    known = [(one, one.residual) for one in subject.shown]
    shown = [(one, residual) for one, residual in known if residual is not None]
    if not shown:
        return None
    sums = list(accumulate(residual for _, residual in shown))
    key, height = legend([("cusum", t("cusum_line"))], frame)
    plane = time_plane(subject, [*sums, 0.0], frame, height, means=False)
    path = " ".join(
        f"{plane.x(days_of(one.end)):g},{plane.y(total):g}" for (one, _), total in zip(shown, sums, strict=True)
    )
    parts = [
        windows(subject, plane, t, means=False),
        value_axis(plane, f"{t('cusum_axis')} [{subject.numerator_unit}]", t),
        element("polyline", class_="cusum", points=f"{plane.x(days_of(shown[0][0].start)):g},{plane.y(0.0):g} {path}"),
    ]
    return drawing([*parts, time_axis(plane, t), key], t("cusum_title", title=subject.title), frame, element_id)


def _band(interval: Interval, subject: Subject) -> tuple[float, float] | None:
    """Where the ratio of this interval would fall on an unchanged line; unknown once intervals are added up to days."""
    if not subject.spread or interval.expected is None or not interval.per:
        return None
    if len(subject.shown) != len(subject.used):
        return None
    reach = subject.spread / interval.per
    middle = interval.expected / interval.per
    return middle - reach, middle + reach


def _runs(shown: Sequence[Interval]) -> Iterator[list[Interval]]:
    """Stretches of adjoining intervals with a projection: a gap is a gap in the line too."""
    run: list[Interval] = []
    for interval in shown:
        if interval.expected_ratio is None or (run and run[-1].end != interval.start):
            if run:
                yield run
            run = []
        if interval.expected_ratio is not None:
            run.append(interval)
    if run:
        yield run


def _projection(run: Sequence[Interval], subject: Subject, plane: Plane) -> list[Drawing]:
    """The band and the projection of one stretch."""
    points = [(plane.x(one.middle), one.expected_ratio) for one in run if one.expected_ratio is not None]
    parts = []
    edges = [(plane.x(one.middle), band) for one in run if (band := _band(one, subject))]
    if len(edges) > 1:
        upper = [f"{x:g},{plane.y(band[1]):g}" for x, band in edges]
        lower = [f"{x:g},{plane.y(band[0]):g}" for x, band in reversed(edges)]
        parts.append(element("polygon", class_="band", points=" ".join(upper + lower)))
    path = " ".join(f"{x:g},{plane.y(value):g}" for x, value in points)
    parts.append(element("polyline", class_="expected", points=path))
    return [group(parts)]
