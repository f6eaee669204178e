"""What the retrofit changed, by four methods, each as one weighted sum of the noise of its windows.

avoided: the baseline's model on the reporting period; backcast: the reporting period's model on the baseline. There the
noise of the fitted window stands for both, but for a model without drivers (`ratio`, `mean`): it compares the levels of
two samples, and noise grows with the level, so that each window brings its own;
normalised: both models on standard conditions; chaining: the model of a window between the two on the conditions of
both, where those are too far apart for either's own model. A change is after minus before per unit of the denominator:
a saving is negative. Figures are in the numerator's and denominator's units. Not handled: meters and adjustments
(`budget.py`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from verification.engine.autocorrelation import (
    Noise,
    Spread,
    Unexplained,
    WeightedSum,
    noises_of,
    spreads,
    standard_error,
)
from verification.engine.budget import sum_of
from verification.engine.days import left_of_days, sums_by_day
from verification.engine.models.family import BaselineModel
from verification.engine.models.linear import largest
from verification.engine.models.sample import Floats, Sample
from verification.plan.shape import WindowName

Of = Literal["after", "before"]
MODEL = "model"
ROUNDING = 1e-12  # of the largest weight: a difference that is none
SAME_TOTALS = 1e-12  # of a total: a difference that is no more than the rounding of its sum
WINDOWS_OF: dict[Of, WindowName] = {"before": "baseline", "after": "reporting"}


@dataclasses.dataclass(frozen=True, eq=False)
class Share:
    """How the noise of one window reaches an estimate: a weight for each of its intervals; `of` says whether it moves
    what was found after the retrofit or what would have been without it. `linking`: it is that of the intermediate
    window.
    """

    noise: Noise
    window: Sample
    weights: Floats
    of: Of
    linking: bool = False

    @property
    def source(self) -> str:
        """The row of a budget for noise that is the window's own."""
        return f"{MODEL}:{'intermediate' if self.linking else WINDOWS_OF[self.of]}"

    @property
    def parts(self) -> list[tuple[Noise, Floats]]:
        """The weights in order of time, beside the noise that they weigh: what a day weighs on average and how its
        intervals differ from that, where days tell the noise; else each interval as it is.
        """
        coarsest, lengths = self.coarsest, self.window.day_lengths
        noise, means = coarsest
        if noise is self.noise or lengths is None:
            return [coarsest]
        rest = self.weights - np.repeat(means, lengths)
        if largest(rest) <= ROUNDING * largest(self.weights):  # as where all intervals weigh the same
            rest[:] = 0.0
        return [coarsest, (self.noise, self.window.in_calendar(rest))]

    @property
    def coarsest(self) -> tuple[Noise, Floats]:
        """The first of the parts, in which what lasts from day to day is told."""
        starts, lengths = self.window.day_starts, self.window.day_lengths
        if self.noise.days is None or starts is None or lengths is None:
            return self.noise, self.window.in_calendar(self.weights)
        return self.noise.days, sums_by_day(self.weights, starts) / lengths

    def error_of_difference(self, other: Share) -> float:
        """The standard uncertainty of this share less another one of the same noise and window."""
        difference = dataclasses.replace(self, weights=self.weights - other.weights)
        return math.hypot(*(standard_error(noise, weights) for noise, weights in difference.parts))


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """`after` and `before` [numerator] are the totals whose difference is the change, over `output` [denominator].

    `sharing` makes `shares`, which only an interval needs and a change without one does not.
    """

    after: float
    before: float
    output: float
    sharing: Callable[[], tuple[Share, ...]]

    @functools.cached_property
    def shares(self) -> tuple[Share, ...]:
        """How noise reaches the change, per unit of output."""
        return self.sharing()

    @property
    def change(self) -> float:
        """After less before [numerator]; none where they differ by the rounding of the arithmetic alone."""
        return 0.0 if math.isclose(self.after, self.before, rel_tol=SAME_TOTALS) else self.after - self.before

    @property
    def delta(self) -> float:
        """The change per unit of output."""
        return self.change / self.output

    def moved(self, changes: Floats) -> Floats:
        """What `delta` is where the data move it by `changes`; none where that leaves only rounding."""
        deltas = self.delta + changes
        deltas[np.abs(deltas) <= SAME_TOTALS * abs(self.before / self.output)] = 0.0
        return deltas

    @property
    def relative(self) -> float:
        """The change as a share of what would have been; nan where that is nothing."""
        return self.change / self.before if self.before else math.nan

    @property
    def senpi(self) -> float:
        """Actual over modelled (the SEnPI of SEP and ISO 50006); nan where the model says nothing."""
        return self.after / self.before if self.before else math.nan

    @functools.cached_property
    def relative_shares(self) -> tuple[Share, ...]:
        """How noise reaches `relative`: what would have been stands below the line, too, so that its error counts
        after/before times. None where that is nothing.
        """
        if not self.before:
            return ()
        scale = self.output / self.before
        return tuple(
            dataclasses.replace(share, weights=share.weights * scale * (self.senpi if share.of == "before" else 1.0))
            for share in self.shares
        )

    def spread(self, confidence: float) -> Spread:
        """The error of `delta` by noise."""
        return spread_of(self.shares, confidence)

    def relative_spread(self, confidence: float) -> Spread:
        """The error of `relative` by noise."""
        return spread_of(self.relative_shares, confidence)


def spreads_of(shares: Sequence[Share], confidence: float) -> dict[str, Spread]:
    """The error of one sum of shares by each noise, under the name of its row in a budget."""
    return spreads_of_each([shares], confidence)[0]


def spreads_of_each(several: Sequence[Sequence[Share]], confidence: float) -> list[dict[str, Spread]]:
    """The errors of some sums of shares, by each noise under the name of its row in a budget: `model` where one noise
    stands for all windows, else a row for each window. Shares of one noise go through it together.
    """
    named = [_sums_by_noise(shares) for shares in several]
    found = iter(spreads([each for rows in named for sums in rows.values() for each in sums], confidence))
    return [{name: sum_of([next(found) for _ in sums], confidence) for name, sums in rows.items()} for rows in named]


def _sums_by_noise(shares: Sequence[Share]) -> dict[str, list[WeightedSum]]:
    """What a sum of shares takes of each noise: of its days and of its intervals, where both tell it."""
    noises = {id(share.noise): share.noise for share in shares}
    parts = {}
    for noise in noises.values():
        own = [share for share in shares if share.noise is noise]
        levels = zip(*(share.parts for share in own), strict=True)
        name = MODEL if len(noises) == 1 else own[0].source
        parts[name] = [WeightedSum(level[0][0], [weights for _, weights in level]) for level in levels]
    return parts


def spread_of(shares: Sequence[Share], confidence: float) -> Spread:
    """The error by all noises, which are independent."""
    return spread_of_each([shares], confidence)[0]


def spread_of_each(several: Sequence[Sequence[Share]], confidence: float) -> list[Spread]:
    """`spread_of` each of some sums of shares."""
    found = (list(parts.values()) for parts in spreads_of_each(several, confidence))
    return [sum_of(parts, confidence) if parts else Spread(math.nan, math.inf) for parts in found]


def noise_of_model(model: BaselineModel, sample: Sample) -> Noise:
    """The noise of a model on the window that it was fitted to; that of its days, too, where intervals are shorter."""
    return noises_of_models([(model, sample)])[0]


def noises_of_models(fitted: Sequence[tuple[BaselineModel, Sample]]) -> list[Noise]:
    """`noise_of_model` of each of some models."""
    left = [[*_left(model, sample)] for model, sample in fitted]
    found = iter(noises_of([each for levels in left for each in levels]))
    return [dataclasses.replace(next(found), days=next(found) if levels[1:] else None) for levels in left]


@dataclasses.dataclass(frozen=True, eq=False)
class Own:
    """A window's own model, and its noise there, which is told once somebody asks for it."""

    model: BaselineModel
    window: Sample

    @functools.cached_property
    def noise(self) -> Noise:
        """What the model leaves of the window."""
        return noise_of_model(self.model, self.window)


def noise_of_intervals(model: BaselineModel, sample: Sample) -> Noise:
    """The noise of a model's intervals alone."""
    return noises_of([_left_of_intervals(model, sample)])[0]


def _left(model: BaselineModel, sample: Sample) -> Iterator[Unexplained]:
    """What a model leaves of the intervals that it was fitted to, and of their days, where these are enough."""
    yield _left_of_intervals(model, sample)
    if sample.day_starts is not None:
        days = left_of_days(model.fit, sample.day_starts)
        if days is not None:
            yield days


def _left_of_intervals(model: BaselineModel, sample: Sample) -> Unexplained:
    return Unexplained(model.fit.basis, model.fit.residuals, sample.follows, model.fit.searched)


def avoided(
    model: BaselineModel, noise: Noise, baseline: Sample, reporting: Sample, own: Own | None = None
) -> Estimate:
    """sum_rep(y - yhat) / sum_rep(w), yhat by the baseline's model; `own` is the reporting period's model, where that
    brings its own noise.
    """
    output = reporting.total_w
    return Estimate(
        after=reporting.total_y,
        before=model.predict_sum(reporting),
        output=output,
        sharing=lambda: (
            *_told(
                model,
                Share(noise, baseline, model.sum_weights(reporting) / output, "before"),
                _metered(own.noise if own else noise, reporting, output, "after"),
            ),
        ),
    )


def backcast(
    model: BaselineModel, noise: Noise, baseline: Sample, reporting: Sample, own: Own | None = None
) -> Estimate:
    """sum_base(yhat - y) / sum_base(w), yhat by the reporting period's model; `own` is the baseline's, where that
    brings its own noise.
    """
    output = baseline.total_w
    return Estimate(
        after=model.predict_sum(baseline),
        before=baseline.total_y,
        output=output,
        sharing=lambda: (
            *_told(
                model,
                Share(noise, reporting, model.sum_weights(baseline) / output, "after"),
                _metered(own.noise if own else noise, baseline, output, "before"),
            ),
        ),
    )


def normalised(
    before: tuple[BaselineModel, Noise, Sample], after: tuple[BaselineModel, Noise, Sample], standard: Sample
) -> Estimate:
    """sum_std(yhat_rep - yhat_base) / sum_std(w): U^2 = U_b^2 + U_r^2 (IPMVP, normalised savings)."""
    output = standard.total_w
    model_before, noise_before, baseline = before
    model_after, noise_after, reporting = after
    return Estimate(
        after=model_after.predict_sum(standard),
        before=model_before.predict_sum(standard),
        output=output,
        sharing=lambda: (
            *_told(
                model_before,
                Share(noise_before, baseline, model_before.sum_weights(standard) / output, "before"),
                Share(noise_after, reporting, model_after.sum_weights(standard) / output, "after"),
            ),
        ),
    )


def chained(first: Estimate, second: Estimate) -> Estimate:
    """The change of two links that share the model of the intermediate window: `first`, that model on the conditions of
    the baseline (a backcast), plus `second`, the same on those of the reporting period (avoided).

    The model stands in the links with opposite signs, so that each of its observations counts once, with the difference
    of what it weighs in the two: where both ends see the same conditions, its error cancels.
    """

    def shares() -> tuple[Share, ...]:
        (back, before), (ahead, after) = first.shares, second.shares
        link = dataclasses.replace(ahead, weights=ahead.weights - back.weights, linking=True)
        return link, before, after

    return Estimate(second.after, second.before - first.delta * second.output, second.output, shares)


def _told(model: BaselineModel, *shares: Share) -> tuple[Share, ...]:
    """The shares of two windows, of which a ratio without any scatter (a few days without a reject) has not shown that
    it has none: the other's noise stands for it, in proportion where its intervals are larger.
    """
    noises = [share.noise for share in shares if share.noise.variance.any()]
    if model.spec.kind != "ratio" or len(noises) != 1:
        return shares
    sizes = [float(np.mean(share.window.w)) for share in shares]
    told = next(size for share, size in zip(shares, sizes, strict=True) if share.noise is noises[0])
    return tuple(
        dataclasses.replace(share, noise=noises[0], weights=share.weights * max(1.0, size / told))
        for share, size in zip(shares, sizes, strict=True)
    )


def _metered(noise: Noise, window: Sample, output: float, of: Of) -> Share:
    """Each metered interval brings its own noise."""
    return Share(noise, window, np.full(len(window), 1 / output), of)
