"""Placebo dates: what the same method claims where nothing happened, at pretended retrofit dates inside the baseline.

At each date the part before is the baseline and the part after the reporting period. A claim is an interval that does
not hold zero. An honest method claims about once in twenty dates; dates share data, so that one drift shows at several.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from verification.engine.autocorrelation import expanded
from verification.engine.case import Case
from verification.engine.models.family import ModelSpec, fit_model
from verification.engine.models.sample import Sample
from verification.engine.savings import noise_of_model
from verification.findings import Finding

SHARES = tuple(np.linspace(0.4, 0.8, 9).tolist())  # of the baseline before the pretended date
SMALLEST_PART = 12  # intervals before and after


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


def placebo_dates(spec: ModelSpec, baseline: Sample, confidence: float, smallest_size: float) -> list[Placebo]:
    """The placebo of each date at which the method would have given a number at all."""
    found = []
    for index in sorted({round(share * len(baseline)) for share in SHARES}):
        if min(index, len(baseline) - index) < SMALLEST_PART:
            continue
        earlier, later = baseline.take(slice(index)), baseline.take(slice(index, None))
        model = fit_model(spec, earlier)
        if isinstance(model, Finding) or later.total_w <= 0 or model.design.unseen_levels(later):
            continue
        noise = noise_of_model(model, earlier)
        if noise.effective < max(smallest_size, model.fit.p + 1):
            continue
        estimate = Case(earlier, later).answer(model, noise)
        if isinstance(estimate, Finding):
            continue
        found.append(Placebo(index, estimate.delta, expanded(estimate.spread(confidence), confidence)))
    return found
