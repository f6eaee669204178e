"""What a fitted model must bear before its number is trusted: support, fit, outliers. Step 3 of the
methods.

Thresholds are those of docs/explanation/methods.md, each with its source beside it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from verification.engine.models.family import BaselineModel
from verification.engine.models.linear import largest
from verification.engine.models.sample import Sample
from verification.engine.rounding import significant
from verification.findings import Finding
from verification.plan.shape import WindowName
from verification.quality.window import WindowData
from verification.series.columns import Floats

Conditions = WindowName | Literal["standard"]
EXTRAPOLATION_PERCENT = 10  # CalTRACK: of the driver's range
CV_RMSE_LIMIT_PERCENT = 25  # CPUC NMEC
R_SQUARED_LIMIT = 0.5  # LBNL EnPI Lite
NMBE_LIMIT_PERCENT = 0.5  # CPUC NMEC, of the absolute value
VIF_LIMIT = 10  # Marquardt 1970
WITHOUT_TERMS = ("mean", "ratio")
P_VALUE_LIMIT = 0.10  # LBNL EnPI Lite
OUTLIER_IQRS = 3  # CalTRACK
ROUNDING = 1e-12  # of the largest value: what is closer together than this differs by the rounding of the arithmetic
FEW_OUTLIERS_PERCENT = 2  # stops and starts of an honest line come to this
FEW_OUTSIDE_PERCENT = 10


class Met(NamedTuple):
    """Conditions that a model was fitted to or is projected on, and what they are called."""

    sample: Sample
    name: Conditions


def check_support(model: BaselineModel, fitted: Met, projected: Met) -> list[Finding]:
    """Are the conditions that the model is projected on inside the range of the drivers that it was fitted to? A mean
    outside it, or a category or an hour of the week that it never met, forbids a conclusion.
    """
    where: dict[str, str | int] = {
        "where": f"in_{projected.name}",
        "fitted": f"in_{fitted.name}",
        "limit": EXTRAPOLATION_PERCENT,
    }
    findings = [
        Finding.of("CATEGORY_UNSEEN", category=name, labels=", ".join(labels))
        for name, labels in model.design.unseen_levels(projected.sample).items()
    ]
    hours = model.design.unseen_hours(projected.sample)
    if len(hours):
        weekday, hour = divmod(int(hours.min()), 24)
        findings.append(
            Finding.of(
                "HOURS_UNSEEN",
                where=where["where"],
                count=len(hours),
                hours=len(np.unique(hours)),
                weekday=weekday + 1,
                hour=f"{hour:02}:00",
            )
        )
    for name in model.spec.drivers:
        seen, met = fitted.sample.column(name), projected.sample.column(name)
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
                    **where,
                )
            )
        if outside:
            few = outside * 100 <= FEW_OUTSIDE_PERCENT * len(met)
            code = "EXTRAPOLATION_FEW" if few else "EXTRAPOLATION"
            findings.append(Finding.of(code, driver=name, count=outside, **where))
    return findings


def check_load(name: str, before: Floats, after: Floats) -> list[Finding]:
    """Whether the mean load after the retrofit lies outside the loads before it."""
    low, high, mean = float(before.min()), float(before.max()), float(np.mean(after))
    margin = (high - low) * EXTRAPOLATION_PERCENT / 100
    if low - margin <= mean <= high + margin:
        return []
    shown = {"mean": significant(mean, 6), "low": significant(low, 6), "high": significant(high, 6)}
    return [Finding.of("RATIO_LOAD_UNSEEN", driver=name, **shown)]


def check_fit(model: BaselineModel, window: WindowName, p_values: Floats, nmbe: float | None) -> list[Finding]:
    """Does the model explain the `window` that it was fitted to? A weak one widens the interval by itself, so this only
    warns. `p_values` are those of the terms, intercept first; `nmbe` is that out of sample.
    """
    fit, fitted = model.fit, f"in_{window}"
    if fit.residuals_are_zero:
        return [Finding.of("RESIDUALS_ZERO", fitted=fitted)]
    findings = []
    if fit.cv_rmse * 100 >= CV_RMSE_LIMIT_PERCENT:
        findings.append(
            Finding.of(
                "CV_RMSE_HIGH", percent=significant(fit.cv_rmse * 100, 3), limit=CV_RMSE_LIMIT_PERCENT, fitted=fitted
            )
        )
    if model.spec.kind not in WITHOUT_TERMS and fit.r_squared < R_SQUARED_LIMIT:
        findings.append(
            Finding.of("R_SQUARED_LOW", r_squared=f"{fit.r_squared:.3f}", limit=str(R_SQUARED_LIMIT), fitted=fitted)
        )
    if nmbe is not None and abs(nmbe) * 100 >= NMBE_LIMIT_PERCENT:
        findings.append(
            Finding.of("NMBE_HIGH", percent=significant(nmbe * 100, 2), limit=str(NMBE_LIMIT_PERCENT), fitted=fitted)
        )
    if model.spec.kind in WITHOUT_TERMS or model.spec.kind == "towt":
        return findings
    for name, p_value in zip(fit.names, p_values[1:], strict=True):
        if p_value >= P_VALUE_LIMIT:
            findings.append(
                Finding.of(
                    "DRIVER_NOT_SIGNIFICANT",
                    driver=name,
                    p_value=f"{p_value:.3f}",
                    limit=str(P_VALUE_LIMIT),
                    fitted=fitted,
                )
            )
    for name, inflation in zip(fit.names, fit.vif, strict=True):
        if inflation >= VIF_LIMIT:
            findings.append(
                Finding.of(
                    "COLLINEAR", driver=name, vif=significant(float(inflation), 3), limit=VIF_LIMIT, fitted=fitted
                )
            )
    return findings


def check_outliers(
    window: WindowData, predicted: Floats, fitted: WindowName, *, of_ratio: bool = False
) -> list[Finding]:
    """Intervals whose distance from the model of `fitted` lies beyond three interquartile ranges of the quartiles; they
    stay in.
    Of a ratio it is the interval's own ratio that counts, where the interval has one.
    """
    judged = window.used & (window.w > 0) if of_ratio else window.used
    if not judged.any():
        return []
    per = window.w[judged] if of_ratio else 1.0
    metered = window.y[judged] / per
    distance = metered - predicted[judged] / per
    lower, upper = np.quantile(distance, [0.25, 0.75])
    margin = OUTLIER_IQRS * (upper - lower)
    marked = np.zeros(len(window.used), dtype=bool)
    marked[judged] = (distance < lower - margin) | (distance > upper + margin)
    if margin <= ROUNDING * largest(metered) or not marked.any():
        return []
    first = window.calendar.first(marked)
    count = int(marked.sum())
    code = "OUTLIERS_FEW" if count * 100 <= FEW_OUTLIERS_PERCENT * len(distance) else "OUTLIERS"
    return [Finding.of(code, window=window.label, count=count, first=first, limit=OUTLIER_IQRS, fitted=f"in_{fitted}")]
