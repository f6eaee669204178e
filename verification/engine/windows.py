"""From the data gate's windows to the plain columns that models are fitted to, also as another meter would have read
them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np

from verification.engine.case import ALL_EVENTS, PutBack, Standard
from verification.engine.models.family import ModelSpec
from verification.engine.models.sample import Sample, side_by_side
from verification.plan.measure import OUTPUT, MeasureSpec
from verification.plan.shape import StandardConditions, WindowName
from verification.quality.points import PointWindow
from verification.quality.window import WindowData
from verification.series.columns import Booleans, Floats
from verification.units import same_kind


def model_spec(spec: MeasureSpec) -> ModelSpec:
    """The plan's primary model. Of a model with change points the temperature is the driver in a unit of temperature,
    else the last one.
    """
    model = spec.measure.model
    names = tuple(driver.name for driver in spec.drivers)
    temperature = None
    if model.kind in ("change_point", "towt"):
        temperature = next(iter(temperatures(spec)), names[-1])
    return ModelSpec(model.kind, names, tuple(model.categories), temperature)


def temperatures(spec: MeasureSpec) -> list[str]:
    """The drivers in a unit of temperature, those of the model first."""
    drivers = (*spec.drivers, *spec.alternatives)
    return [driver.name for driver in drivers if same_kind(driver.unit, "degC")]


def output_driver(spec: MeasureSpec) -> str | None:
    """What the denominator is called among the drivers of a sample; None where the metric has none, or where it is by
    definition no load but what the numerator is shared among (hours, people).
    """
    if spec.denominator is None:
        return None
    unnamed = OUTPUT if spec.activity == "denominator" else None
    return next((driver.name for driver in spec.drivers if driver.is_denominator), unnamed)


@dataclasses.dataclass(frozen=True, eq=False)
class Columns:
    """Numerator, denominator and drivers of every interval of a window, used or not."""

    y: Floats
    w: Floats
    drivers: Floats
    alternatives: Mapping[str, Floats]


def columns_of(data: WindowData, window: PointWindow) -> Columns:
    """The window as it was metered."""
    others = (driver for driver in data.spec.alternatives if not driver.is_denominator)
    alternatives = {driver.name: window.evaluate(driver.formula) for driver in others}
    return Columns(data.y, data.w, data.drivers, alternatives)


def usable_alternatives(data: WindowData, columns: Columns) -> set[str]:
    """The alternatives that are known in every interval used."""
    return {name for name, values in columns.alternatives.items() if np.isfinite(values[data.used]).all()}


def with_factor(window: PointWindow, points: frozenset[str], factor: float) -> PointWindow:
    """The window as it would be if the values of `points` were `factor` times as large."""
    scaled = {
        name: dataclasses.replace(values, value=values.value * factor) if name in points else values
        for name, values in window.points.items()
    }
    hours = None if window.hours is None else with_factor(window.hours, points, factor)
    return dataclasses.replace(window, points=scaled, hours=hours)


def columns_with(data: WindowData, scaled: PointWindow, points: frozenset[str]) -> Columns:
    """The window's columns where `points` have other values, those of `scaled`; not rounded."""
    spec = data.spec
    y = scaled.taken_together(spec.numerator.formula) if spec.numerator.formula.points & points else data.y
    w = data.w
    if spec.denominator is not None and spec.denominator.formula.points & points:
        w = scaled.taken_together(spec.denominator.formula)
    drivers = data.drivers
    if any(driver.formula.points & points for driver in spec.drivers):
        drivers = side_by_side(
            [w if driver.is_denominator else scaled.evaluate(driver.formula) for driver in spec.drivers], len(w)
        )
    return Columns(y, w, drivers, {})


def sample_of(data: WindowData, columns: Columns, alternatives: Collection[str] = ()) -> Sample:
    """The intervals used; the drivers at hand are those of the model, the denominator, and `alternatives`."""
    spec = data.spec
    used = slice(None) if data.used.all() else np.flatnonzero(data.used)  # a slice copies nothing
    at_hand = {driver.name: column for driver, column in zip(spec.drivers, columns.drivers.T, strict=True)}
    output = output_driver(spec)
    if output is not None:
        at_hand.setdefault(output, columns.w)
    at_hand |= {name: values for name, values in columns.alternatives.items() if name in alternatives}
    position = np.flatnonzero(data.used)
    categories = {name: np.array(labels, dtype=np.str_)[used] for name, labels in (data.categories or {}).items()}
    interval = data.calendar.interval
    return Sample(
        y=columns.y[used],
        w=columns.w[used],
        drivers=side_by_side([column[used] for column in at_hand.values()], len(position)),
        names=tuple(at_hand),
        position=position,
        order=None if data.stopped is None else (np.cumsum(~data.stopped) - 1)[used],
        month=data.calendar.month_of[used],
        categories=categories,
        slot=data.calendar.hour_of_week[used] if interval in ("15min", "hour") else None,
        day=data.calendar.day_of[used] if interval in ("15min", "hour", "shift") else None,
    )


def put_back(
    windows: Mapping[WindowName, WindowData],
    columns: Mapping[WindowName, Columns],
    alternatives: Collection[str] = (),
) -> list[PutBack]:
    """Each window with what was left out of it for each reason; and, of several events, all windows with all of them,
    so that a decisive exclusion cannot be split into small ones.
    """

    def sample(name: WindowName, marked: Booleans) -> Sample:
        data = windows[name]
        return sample_of(dataclasses.replace(data, used=data.used | marked, stopped=None), columns[name], alternatives)

    reasons = [(name, reason, marked) for name, data in windows.items() for reason, marked in data.left_out.items()]
    found = [PutBack(reason, {name: sample(name, marked)}) for name, reason, marked in reasons]
    events = [(name, marked) for name, reason, marked in reasons if reason.startswith("event:")]
    if len(events) > 1:
        of_events = {name: np.logical_or.reduce([marked for of, marked in events if of == name]) for name, _ in events}
        found.append(PutBack(ALL_EVENTS, {name: sample(name, marked) for name, marked in of_events.items()}))
    return found


def standard_of(spec: MeasureSpec, like: Sample) -> Standard:
    """What a normalised change of the measure is stated for: windows by name, or intervals with the drivers of `like`
    in the conditions that the plan states.
    """
    standard = spec.measure.standard
    if not isinstance(standard, StandardConditions):
        return standard
    n = standard.intervals
    drivers = np.tile([standard.drivers[name] for name in like.names], (n, 1))
    output = next((driver.name for driver in spec.drivers if driver.is_denominator), OUTPUT)
    w = np.full(n, standard.drivers[output]) if spec.denominator is not None else np.ones(n)
    return Sample(
        y=np.zeros(n), w=w, drivers=drivers, names=like.names, position=np.arange(n), month=np.zeros(n, dtype=np.int64)
    )
