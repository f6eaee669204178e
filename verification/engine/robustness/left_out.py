"""Fewer data: the change without each month, without each single interval, and with what was left out put back.

A figure that rests on one month, or on one interval, is told apart from one that any of them could be spared for.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from verification.engine.autocorrelation import Noise
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, refit, refit_part
from verification.engine.models.sample import Floats, Sample
from verification.engine.savings import Estimate
from verification.findings import Finding
from verification.plan.shape import WindowName

MONTHS_A_YEAR = 12


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
    """The change with the intervals of one window that were left out for one reason."""

    window: WindowName
    reason: str
    delta: float


def without_months(model: BaselineModel, noise: Noise, case: Case) -> list[WithoutMonth]:
    """The change without each month of each window, where what is left still has a model and an output."""
    found = []
    for window, sample in case.windows.items():
        for month in np.unique(sample.month).tolist():
            kept = np.flatnonzero(sample.month != month)
            if not len(kept):
                continue
            rest = sample.take(kept)
            changed = case.with_window(window, rest)
            other = model if changed.fitted is case.fitted else refit_part(model, kept, rest)
            estimate = _answer(other, noise, changed)
            if estimate is not None:
                year, since_january = divmod(month - 1, MONTHS_A_YEAR)
                share = 1 - len(rest) / len(sample)
                found.append(WithoutMonth(window, year, since_january + 1, share, estimate.delta))
    return found


def with_put_back(model: BaselineModel, noise: Noise, case: Case) -> list[WithPutBack]:
    """The change with what was left out of each window for each reason, where it still has a model."""
    found = []
    for window, reason, sample in case.put_back:
        changed = case.with_window(window, sample)
        other = model if changed.fitted is case.fitted else refit(model, sample)
        estimate = _answer(other, noise, changed)
        if estimate is not None:
            found.append(WithPutBack(window, reason, estimate.delta))
    return found


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
        misses = model.predict(projected) - projected.y
        total, left = float(np.sum(misses)), projected.total_w - projected.w  # an adjustment moves all of them alike
        mean = total / projected.total_w
        others = np.divide(total - misses, left, out=np.full_like(misses, mean), where=left > 0)
        changes[window] = sign * (others - mean)
    return [Influence(name, *_largest(changes[name], sample)) for name, sample in case.windows.items()]


def _largest(changes: Floats, sample: Sample) -> tuple[int, float]:
    index = int(np.argmax(np.abs(changes)))
    return int(sample.position[index]), float(changes[index])
