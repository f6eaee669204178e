"""Matched load: the change among intervals of like load only, without any model of how the load acts.

The range of loads that both windows met is cut into bins of equally many baseline intervals; in each, the means of
the two windows are compared at equal load.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from verification.engine.models.sample import Sample

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


def matched_load(baseline: Sample, reporting: Sample, inflation: float) -> MatchedLoad | None:
    """The change among like loads; `inflation` is n/n' of the baseline. None where fewer than half of the reporting
    intervals have a like, or the load does not vary.
    """
    edges = np.unique(np.quantile(baseline.w, np.linspace(0, 1, BINS + 1)))
    if edges[0] == edges[-1] or len(baseline) < SMALLEST_BIN * BINS:
        return None
    before = np.clip(np.searchsorted(edges, baseline.w, side="right") - 1, 0, len(edges) - 2)
    inside = (reporting.w >= edges[0]) & (reporting.w <= edges[-1])
    after = np.clip(np.searchsorted(edges, reporting.w, side="right") - 1, 0, len(edges) - 2)
    saved, variance, matched, output = 0.0, 0.0, 0, 0.0
    for index in range(len(edges) - 1):
        was, became = before == index, inside & (after == index)
        if was.sum() < SMALLEST_BIN or not became.any():
            continue
        # Within a bin the two windows' mean loads still differ a little: the bin's own ratio takes that out.
        ratio = math.fsum(baseline.y[was]) / math.fsum(baseline.w[was]) if baseline.w[was].any() else 0.0
        spread = float(np.var(baseline.y[was] - ratio * baseline.w[was], ddof=1))
        count = int(became.sum())
        saved += math.fsum(reporting.y[became]) - ratio * math.fsum(reporting.w[became])
        variance += spread * (count + count**2 / int(was.sum()))
        matched += count
        output += math.fsum(reporting.w[became])
    if matched * 2 < len(reporting) or output <= 0:
        return None
    u = math.sqrt(variance * inflation) / output
    return MatchedLoad(saved / output, u, 100 * matched / len(reporting))
