"""Fewer data: the change without each month, without each single interval, and with what was left out put back.

A figure that rests on one month, or on one interval, is told apart from one that any of them could be spared for.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from verification.engine.models.family import BaselineModel, refit
from verification.engine.models.sample import Floats, Sample
from verification.findings import Finding

MONTHS_A_YEAR = 12


@dataclasses.dataclass(frozen=True)
class WithoutMonth:
    """The change without one calendar month of one window."""

    window: Literal["baseline", "reporting"]
    year: int
    month: int
    delta: float


@dataclasses.dataclass(frozen=True)
class Influence:
    """The interval of a window (its position) that moves the change the most where it is left out, and by how much."""

    window: Literal["baseline", "reporting"]
    position: int
    change: float


def delta_of(model: BaselineModel, reporting: Sample) -> float:
    """The avoided change of a model, without anything that an interval needs."""
    return (reporting.total_y - float(np.sum(model.predict(reporting)))) / reporting.total_w


def without_months(model: BaselineModel, baseline: Sample, reporting: Sample) -> list[WithoutMonth]:
    """The change without each month, where what is left still has a model and an output."""
    found = []
    for month in np.unique(baseline.month).tolist():
        other = refit(model, baseline.take(baseline.month != month))
        if not isinstance(other, Finding):
            found.append(WithoutMonth("baseline", *_calendar(month), delta_of(other, reporting)))
    for month in np.unique(reporting.month).tolist():
        rest = reporting.take(reporting.month != month)
        if len(rest) and rest.total_w > 0:
            found.append(WithoutMonth("reporting", *_calendar(month), delta_of(model, rest)))
    return found


def most_influential(model: BaselineModel, baseline: Sample, reporting: Sample) -> list[Influence]:
    """For each window the interval that matters most, of all intervals, by exact downdating of the fit."""
    delta, output = delta_of(model, reporting), reporting.total_w
    weights = model.sum_weights(reporting)
    leverage = np.sum(model.fit.basis**2, axis=1)
    # Without observation i the coefficients move by -(X'X)^-1 x_i e_i / (1 - h_i) (Belsley, Kuh and Welsch 1980).
    spared = np.divide(
        weights * model.fit.residuals, 1 - leverage, out=np.zeros_like(weights), where=leverage < 1 - 1e-9
    )
    misses = reporting.y - model.predict(reporting)
    left = output - reporting.w
    others = np.divide(float(np.sum(misses)) - misses, left, out=np.full_like(misses, delta), where=left > 0)
    return [
        _largest("baseline", spared / output, baseline),
        _largest("reporting", others - delta, reporting),
    ]


def _calendar(month: int) -> tuple[int, int]:
    """Year and month behind the number of a month."""
    year, since_january = divmod(month - 1, MONTHS_A_YEAR)
    return year, since_january + 1


def _largest(window: Literal["baseline", "reporting"], changes: Floats, sample: Sample) -> Influence:
    index = int(np.argmax(np.abs(changes)))
    return Influence(window, int(sample.position[index]), float(changes[index]))
