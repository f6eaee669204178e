"""Matched load: the change among intervals of like load only, whatever the form in which the load acts.

Like are intervals of which the primary model expects the same: where a mix of products drives the line, equal tons are
not equal loads. The range of expectations that baseline and reporting period both met is cut into bins of equally many
baseline intervals; in each, their mean distances from the model are compared, so that what the model misses there
cancels. The intermediate window of a chain has no part in it beyond the model.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from verification.engine.case import Case
from verification.engine.models.family import BaselineModel

BINS = 10
SMALLEST_BIN = 3  # baseline intervals


@dataclasses.dataclass(frozen=True)
class MatchedLoad:
    """The change at equal load, its standard uncertainty (bins independent, variances inflated by n/n'), and which
    share of the reporting intervals found their like.
    """

    delta: float
    u: float
    matched_percent: float


def matched_load(model: BaselineModel, case: Case, inflation: float) -> MatchedLoad | None:
    """The change among like loads; `inflation` is n/n' of the fitted window. None where fewer than half of the
    reporting intervals have a like, or the load does not vary.
    """
    baseline, reporting = case.baseline, case.reporting
    expected, met = model.predict(baseline), model.predict(reporting)
    missed, missed_after = baseline.y - expected, reporting.y - met
    edges = np.unique(np.quantile(np.sort(expected), np.linspace(0, 1, BINS + 1)))
    if edges[0] == edges[-1] or len(baseline) < SMALLEST_BIN * BINS:
        return None
    before = np.clip(np.searchsorted(edges, expected, side="right") - 1, 0, len(edges) - 2)
    inside = (met >= edges[0]) & (met <= edges[-1])
    after = np.clip(np.searchsorted(edges, met, side="right") - 1, 0, len(edges) - 2)
    bins = len(edges) - 1
    was, became = np.bincount(before, minlength=bins), np.bincount(after[inside], minlength=bins)
    mean = np.bincount(before, missed, bins) / np.maximum(was, 1)
    variance = np.bincount(before, (missed - mean[before]) ** 2, bins) / np.maximum(was - 1, 1)
    saved = np.bincount(after[inside], (missed_after - mean[after])[inside], bins)
    output = np.bincount(after[inside], reporting.w[inside], bins)
    like = (was >= SMALLEST_BIN) & (became > 0)
    was, became, total = was[like], became[like], float(output[like].sum())
    matched = int(became.sum())
    if matched * 2 < len(reporting) or total <= 0:
        return None
    u = math.sqrt(float(variance[like] @ (became + became**2 / was)) * inflation) / total
    return MatchedLoad(float(saved[like].sum()) / total - case.adjustment, u, 100 * matched / len(reporting))
