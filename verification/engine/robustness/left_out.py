"""Fewer data: the change without each month, without each single interval, and with what was left out put back.

A figure that rests on one month, or on one interval, is told apart from one that any of them could be spared for.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from verification.engine.autocorrelation import Noise
from verification.engine.case import WINDOWS, Case, WindowName
from verification.engine.models.family import BaselineModel, refit, refit_part
from verification.engine.models.sample import Floats, Sample
from verification.engine.savings import Estimate
from verification.findings import Finding

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
    """The change without each month of either window, where what is left still has a model and an output."""
    found = []
    for window in WINDOWS:
        sample = case.window(window)
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
    """The change with what was left out of either window for each reason, where it still has a model."""
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
    if isinstance(model, Finding) or changed.projected.total_w <= 0:
        return None
    estimate = changed.answer(model, noise)
    return None if isinstance(estimate, Finding) else estimate


def most_influential(model: BaselineModel, case: Case) -> list[Influence]:
    """For each window the interval that matters most, of all intervals, by downdating the fit; none for a method with
    two models.
    """
    if case.method not in ("avoided", "backcast"):
        return []
    fitted, projected, sign = case.fitted, case.projected, -1.0 if case.method == "backcast" else 1.0
    weights = model.sum_weights(projected)
    leverage = np.sum(model.fit.basis**2, axis=1)
    # Without observation i the coefficients move by -(X'X)^-1 x_i e_i / (1 - h_i) (Belsley, Kuh and Welsch 1980).
    spared = np.divide(
        weights * model.fit.residuals, 1 - leverage, out=np.zeros_like(weights), where=leverage < 1 - 1e-9
    )
    misses = projected.y - model.predict(projected)
    total, left = float(np.sum(misses)), projected.total_w - projected.w  # an adjustment moves all of them alike
    delta = total / projected.total_w
    others = np.divide(total - misses, left, out=np.full_like(misses, delta), where=left > 0)
    found = [_largest(sign * spared / projected.total_w, fitted), _largest(sign * (others - delta), projected)]
    order = WINDOWS if case.method == "avoided" else WINDOWS[::-1]
    return [Influence(window, *largest) for window, largest in zip(order, found, strict=True)]


def _largest(changes: Floats, sample: Sample) -> tuple[int, float]:
    index = int(np.argmax(np.abs(changes)))
    return int(sample.position[index]), float(changes[index])
