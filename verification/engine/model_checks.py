"""What a fitted model must bear before its number is trusted: support, effective size, fit, outliers. Step 3 of the
methods.

Thresholds are those of docs/explanation/methods.md, each with its source beside it.
"""

from __future__ import annotations

import numpy as np

from verification.engine.baseline import MIN_EFFECTIVE, EffectiveSize, Fit
from verification.engine.rounding import significant
from verification.findings import Finding
from verification.quality.window import WindowData
from verification.series.columns import Floats

EXTRAPOLATION_PERCENT = 10  # CalTRACK: of the driver's range
CV_RMSE_LIMIT_PERCENT = 25  # CPUC NMEC
R_SQUARED_LIMIT = 0.5  # LBNL EnPI Lite
P_VALUE_LIMIT = 0.10  # LBNL EnPI Lite
OUTLIER_IQRS = 3  # CalTRACK


def check_support(fit: Fit, baseline: WindowData, reporting: WindowData) -> list[Finding]:
    """Is the reporting period inside the range of the baseline's drivers? A mean outside it forbids a conclusion."""
    findings = []
    for index, name in enumerate(fit.names):
        seen = baseline.drivers[baseline.used, index]
        met = reporting.drivers[reporting.used, index]
        low, high = float(seen.min()), float(seen.max())
        margin = (high - low) * EXTRAPOLATION_PERCENT / 100
        mean = float(np.mean(met))
        outside = int(((met < low - margin) | (met > high + margin)).sum())
        if not low - margin <= mean <= high + margin:
            findings.append(
                Finding.of(
                    "EXTRAPOLATION_MEAN",
                    driver=name,
                    mean=significant(mean, 6),
                    low=significant(low, 6),
                    high=significant(high, 6),
                    limit=EXTRAPOLATION_PERCENT,
                )
            )
        if outside:
            findings.append(Finding.of("EXTRAPOLATION", driver=name, count=outside, limit=EXTRAPOLATION_PERCENT))
    return findings


def check_size(fit: Fit, size: EffectiveSize) -> list[Finding]:
    """Are the baseline's intervals worth enough independent ones?"""
    if size.effective >= max(MIN_EFFECTIVE, fit.p + 1):
        return []
    return [
        Finding.of(
            "TOO_FEW_EFFECTIVE",
            n=fit.n,
            effective=f"{size.effective:.1f}",
            rho=f"{size.rho:.3f}",
            required=max(MIN_EFFECTIVE, fit.p + 1),
        )
    ]


def check_fit(fit: Fit) -> list[Finding]:
    """Does the model explain the baseline? A weak one widens the interval by itself, so this only warns."""
    if fit.residuals_are_zero:
        return [Finding.of("RESIDUALS_ZERO")]
    findings = []
    if fit.cv_rmse * 100 >= CV_RMSE_LIMIT_PERCENT:
        findings.append(
            Finding.of("CV_RMSE_HIGH", percent=significant(fit.cv_rmse * 100, 3), limit=CV_RMSE_LIMIT_PERCENT)
        )
    if fit.r_squared < R_SQUARED_LIMIT:
        findings.append(Finding.of("R_SQUARED_LOW", r_squared=f"{fit.r_squared:.3f}", limit=str(R_SQUARED_LIMIT)))
    for name, p_value in zip(fit.names, fit.p_values[1:], strict=True):
        if p_value >= P_VALUE_LIMIT:
            findings.append(
                Finding.of("DRIVER_NOT_SIGNIFICANT", driver=name, p_value=f"{p_value:.3f}", limit=str(P_VALUE_LIMIT))
            )
    return findings


def check_outliers(window: WindowData, predicted: Floats) -> list[Finding]:
    """Intervals whose distance from the model lies beyond three interquartile ranges of the quartiles; they stay in."""
    distance = (window.y - predicted)[window.used]
    lower, upper = np.quantile(distance, [0.25, 0.75])
    margin = OUTLIER_IQRS * (upper - lower)
    marked = np.zeros(len(window.used), dtype=bool)
    marked[window.used] = (distance < lower - margin) | (distance > upper + margin)
    if margin <= 0 or not marked.any():
        return []
    first = window.calendar.first(marked)
    count = int(marked.sum())
    return [Finding.of("OUTLIERS", window=window.label, count=count, first=first, limit=OUTLIER_IQRS)]
