"""Fewer data and more: the change without each month, without each single interval, and with what was left out put
back, together and each interval alone.

A figure that rests on one month, or on one interval, is told apart from one that any of them could be spared for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from verification.engine.autocorrelation import Noise
from verification.engine.case import ALL_EVENTS, Case, PutBack
from verification.engine.models.family import BaselineModel, refit, refit_part
from verification.engine.models.sample import Floats, Integers, Sample, starts_of
from verification.engine.savings import Estimate
from verification.findings import Finding
from verification.plan.shape import WindowName

MONTHS_A_YEAR = 12
FEW = 31  # intervals for which two models are fitted anew


@dataclasses.dataclass(frozen=True)
class WithoutMonth:
    """The change without one calendar month of one window, which is a `share` of its intervals."""

    window: WindowName
    year: int
    month: int
    share: float
    delta: float


@dataclasses.dataclass(frozen=True)
class Influence:
    """The interval of a window (its position) that moves the change the most where it is left out, and by how much."""

    window: WindowName
    position: int
    change: float


@dataclasses.dataclass(frozen=True)
class WithPutBack:
    """The change with the intervals of one window, or of all, that were left out for one reason."""

    window: WindowName | Literal["all"]
    reason: str
    delta: float


@dataclasses.dataclass(frozen=True)
class WithOne:
    """The change with one interval put back (its position) of several that were left out of a window for one reason:
    the one that moves it the most.
    """

    window: WindowName
    reason: str
    position: int
    delta: float


def without_months(model: BaselineModel, noise: Noise, case: Case, estimate: Estimate) -> list[WithoutMonth]:
    """The change without each month of each window, where what is left still has a model and an output; with all of
    them it is that of `estimate`.
    """
    found = []
    for window, sample in case.windows.items():
        starts = starts_of(sample.month)
        lengths = np.diff(starts, append=len(sample))
        deltas = estimate.moved(_each_left_out(model, case, window, sample, starts))
        for index in np.flatnonzero(np.isnan(deltas)):
            anew = _without(model, noise, case, window, slice(starts[index], starts[index] + lengths[index]))
            deltas[index] = np.nan if anew is None else anew.delta
        for start, length, delta in zip(starts.tolist(), lengths.tolist(), deltas.tolist(), strict=True):
            if not np.isnan(delta):
                year, since_january = divmod(int(sample.month[start]) - 1, MONTHS_A_YEAR)
                found.append(WithoutMonth(window, year, since_january + 1, length / len(sample), delta))
    return found


def _each_left_out(model: BaselineModel, case: Case, window: WindowName, sample: Sample, starts: Integers) -> Floats:
    """How far the change moves without each part of a window, whose first intervals are `starts`; nan where that takes
    a new fit, as it does for a method with two models.
    """
    changes = np.full(len(starts), np.nan if case.method == "normalised" else 0.0)
    for name, projected, sign in case.projections:
        if window == case.fitted_name:
            changes += sign * model.moved_without_each(starts, projected) / projected.total_w
        elif window == name:
            misses = model.misses(sample)
            total, output = float(np.sum(misses)), sample.total_w - np.add.reduceat(sample.w, starts)
            left = np.divide(
                total - np.add.reduceat(misses, starts), output, out=np.full_like(output, np.nan), where=output > 0
            )
            changes -= sign * (left - total / sample.total_w)
    return changes


def _without(model: BaselineModel, noise: Noise, case: Case, window: WindowName, part: slice) -> Estimate | None:
    """What a case says without a part of one window, its model fitted anew where that is the fitted one."""
    sample = case.window(window)
    kept = np.delete(np.arange(len(sample)), part)
    if not len(kept):
        return None
    rest = sample.take(kept)
    changed = case.with_window(window, rest)
    return _answer(model if changed.fitted is case.fitted else refit_part(model, kept, rest), noise, changed)


def with_put_back(model: BaselineModel, noise: Noise, case: Case) -> list[WithPutBack]:
    """The change with what was left out of each window for each reason, where it still has a model."""
    found = []
    for each in _put_back(model, case):
        estimate = _answer_with(model, noise, case, each.windows)
        if estimate is not None:
            found.append(WithPutBack(each.window, each.reason, estimate.delta))
    return found


def with_one(model: BaselineModel, noise: Noise, case: Case, delta: float) -> list[WithOne]:
    """Of several intervals that were left out of a window for one reason, the one that alone moves `delta` the most.

    By updating the fit; a method with two models is computed anew, where the intervals are few.
    """
    found = []
    for each in _put_back(model, case):
        for window, sample in each.windows.items() if each.reason != ALL_EVENTS else ():
            left_out = np.flatnonzero(~np.isin(sample.position, case.window(window).position))
            if len(left_out) < 2 or (case.method == "normalised" and len(left_out) > FEW):  # noqa: PLR2004 - of several
                continue
            if case.method == "normalised":
                changes = _each_anew(model, noise, case, window, sample, left_out) - delta
            else:
                changes = _each_added(model, case, window, sample.take(left_out))
            index = int(np.argmax(np.abs(np.nan_to_num(changes))))
            found.append(WithOne(window, each.reason, int(sample.position[left_out[index]]), delta + changes[index]))
    return found


def _put_back(model: BaselineModel, case: Case) -> Iterator[PutBack]:
    """What was left out, but for intervals of a category that the model never met: nothing says what to expect of
    them, and the first level that it knows would be taken for theirs.
    """
    for each in case.put_back:
        windows = {
            window: sample.take(model.design.knows(sample) | np.isin(sample.position, case.window(window).position))
            for window, sample in each.windows.items()
        }
        if any(len(sample) > len(case.window(window)) for window, sample in windows.items()):
            yield PutBack(each.reason, windows)


def _each_added(model: BaselineModel, case: Case, window: WindowName, added: Sample) -> Floats:
    """How far each interval of `added` would move the change, were it of `window`."""
    changes = np.zeros(len(added))
    for name, projected, sign in case.projections:
        if window == case.fitted_name:
            changes += sign * model.moved_by_each(added, projected) / projected.total_w
        elif window == name:
            total = model.predict_sum(projected) - projected.total_y
            more = total + model.predict(added) - added.y
            changes += sign * (more / (projected.total_w + added.w) - total / projected.total_w)
    return changes


def _each_anew(
    model: BaselineModel, noise: Noise, case: Case, window: WindowName, sample: Sample, left_out: Integers
) -> Floats:
    """The change with each interval put back, nan where it has no model then."""
    used = np.isin(sample.position, case.window(window).position)
    deltas = []
    for index in left_out:
        one = np.arange(len(sample)) == index
        estimate = _answer_with(model, noise, case, {window: sample.take(used | one)})
        deltas.append(np.nan if estimate is None else estimate.delta)
    return np.array(deltas)


def _answer_with(
    model: BaselineModel, noise: Noise, case: Case, windows: Mapping[WindowName, Sample]
) -> Estimate | None:
    """What a case says with other windows, its model fitted anew where the fitted one is among them."""
    changed = case
    for window, sample in windows.items():
        changed = changed.with_window(window, sample)
    return _answer(model if changed.fitted is case.fitted else refit(model, changed.fitted), noise, changed)


def _answer(model: BaselineModel | Finding, noise: Noise, changed: Case) -> Estimate | None:
    """What the model of a changed case says."""
    if isinstance(model, Finding) or any(each.sample.total_w <= 0 for each in changed.projections):
        return None
    estimate = changed.answer(model, noise)
    return None if isinstance(estimate, Finding) else estimate


def most_influential(model: BaselineModel, case: Case) -> list[Influence]:
    """For each window the interval that matters most, of all intervals, by downdating the fit; none for a method with
    two models.
    """
    if case.method == "normalised":
        return []
    leverage = np.sum(model.fit.basis**2, axis=1)
    # Without observation i the coefficients move by -(X'X)^-1 x_i e_i / (1 - h_i) (Belsley, Kuh and Welsch 1980).
    spared = np.divide(model.fit.residuals, 1 - leverage, out=np.zeros_like(leverage), where=leverage < 1 - 1e-9)
    changes: dict[WindowName, Floats] = {case.fitted_name: np.zeros_like(spared)}
    for window, projected, sign in case.projections:
        changes[case.fitted_name] -= sign * model.sum_weights(projected) * spared / projected.total_w
        misses = -model.misses(projected)
        total, left = float(np.sum(misses)), projected.total_w - projected.w  # an adjustment moves all of them alike
        mean = total / projected.total_w
        others = np.divide(total - misses, left, out=np.full_like(misses, mean), where=left > 0)
        changes[window] = sign * (others - mean)
    return [Influence(name, *_largest(changes[name], sample)) for name, sample in case.windows.items()]


def _largest(changes: Floats, sample: Sample) -> tuple[int, float]:
    index = int(np.argmax(np.abs(changes)))
    return int(sample.position[index]), float(changes[index])
