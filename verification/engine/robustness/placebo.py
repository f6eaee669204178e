"""Placebo dates: what the same method claims where nothing happened, at pretended retrofit dates inside the baseline.

At each date the part before is the baseline and the part after the reporting period. A claim is an interval that does
not hold zero: at one date an honest method claims once in twenty. But dates share data, so that one chance drift of a
steady line shows at several; how many claims are too many is told by the dates' own correlation.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from verification.engine.autocorrelation import Noise, cross_forms, expanded
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, fit_model, refit_part
from verification.engine.models.sample import Floats, Sample
from verification.engine.savings import Estimate, Share, noises_of_models, spread_of_each
from verification.findings import Finding

SHARES = tuple(np.linspace(0.4, 0.8, 9).tolist())  # of the baseline before the pretended date
SMALLEST_PART = 12  # intervals before and after
DRAWS = 4096
SEED = 19251107


@dataclasses.dataclass(frozen=True)
class Placebo:
    """One pretended date: index of the first interval after it, the change that the method states, and its U."""

    index: int
    delta: float
    expanded: float

    @property
    def claims(self) -> bool:
        """Whether the interval does not hold zero."""
        return abs(self.delta) > self.expanded


@dataclasses.dataclass(frozen=True)
class PlaceboDates:
    """The placebo of each date, how many independent dates they are worth, and the chance that a steady line has so
    many claims, or more.
    """

    dates: tuple[Placebo, ...]
    independent: float
    chance: float

    @property
    def claims(self) -> int:
        """At how many dates the method claims a change."""
        return sum(each.claims for each in self.dates)


def placebo_dates(
    primary: BaselineModel, baseline: Sample, noise: Noise, confidence: float, smallest_size: float
) -> PlaceboDates | None:
    """The placebo of each date at which the method would have given a number at all, None where there is no such date;
    `primary` is the model of the whole baseline and `noise` what it leaves.
    """
    parts = _parts(primary, baseline)
    noises = noises_of_models([(part.model, part.earlier) for part in parts])
    answered = []
    for part, own in zip(parts, noises, strict=True):
        if own.effective >= max(smallest_size, part.model.fit.p + 1):
            estimate = Case(part.earlier, part.later).answer(part.model, own)
            if not isinstance(estimate, Finding):
                answered.append((part, estimate))
    if not answered:
        return None
    errors = spread_of_each([estimate.shares for _, estimate in answered], confidence)
    found = [
        Placebo(len(part.earlier), estimate.delta, expanded(error, confidence))
        for (part, estimate), error in zip(answered, errors, strict=True)
    ]
    correlation = _correlation(noise, baseline, [estimate for _, estimate in answered])
    independent = len(found) ** 2 / float(np.sum(correlation**2))
    claims = sum(each.claims for each in found)
    return PlaceboDates(tuple(found), independent, _chance(correlation, claims, confidence))


class _Part(NamedTuple):
    """The baseline before and after a pretended date, and the model of what is before."""

    model: BaselineModel
    earlier: Sample
    later: Sample


def _parts(primary: BaselineModel, baseline: Sample) -> list[_Part]:
    """The parts at each date before which the baseline has a model, and after which it knows what to expect."""
    found = []
    for index in sorted({round(share * len(baseline)) for share in SHARES}):
        if min(index, len(baseline) - index) < SMALLEST_PART:
            continue
        earlier, later = baseline.take(slice(index)), baseline.take(slice(index, None))
        model = fit_model(primary.spec, earlier) if primary.is_searched else refit_part(primary, slice(index), earlier)
        if isinstance(model, BaselineModel) and later.total_w > 0 and model.design.knows(later).all():
            found.append(_Part(model, earlier, later))
    return found


def _correlation(noise: Noise, baseline: Sample, estimates: Sequence[Estimate]) -> Floats:
    """float64[dates, dates]: how the errors of the dates go together, by the noise of the whole baseline."""
    shares = (
        Share(noise, baseline, np.concatenate([-before.weights, after.weights]), "before")
        for before, after in (estimate.shares for estimate in estimates)
    )
    told, weights = zip(*(share.coarsest for share in shares), strict=True)
    covariance = cross_forms(np.array(weights), max(told[0].rho_mean, 0.0))
    sds = np.sqrt(np.diag(covariance))
    correlation: Floats = covariance / np.outer(sds, sds)
    return correlation


@functools.cache
def _draws(count: int) -> Floats:
    """float64[count, draws], which are summed by the row, where the values of a draw would be too few to be quick."""
    return np.ascontiguousarray(np.random.default_rng(SEED).standard_normal((DRAWS, count)).T)


def _chance(correlation: Floats, claims: int, confidence: float) -> float:
    """The chance of at least so many claims on a steady line: draws of correlated normal errors with a fixed seed."""
    if claims == 0:
        return 1.0
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    errors = root @ _draws(len(values))
    drawn = np.sum(np.abs(errors) > ndtri((1 + confidence) / 2), axis=0)
    return float(np.mean(drawn >= claims))
