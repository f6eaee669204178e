"""The same change by other roads: AR(1) generalised least squares, ASHRAE's fractional savings uncertainty, Monte
Carlo.

None of them decides anything: they show how far the stated interval depends on the way it was computed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

from verification.engine.autocorrelation import Noise, lag1_autocorrelation, quadratic_form
from verification.engine.budget import Budget, coverage_factor
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel
from verification.engine.models.sample import Booleans, Floats

ASHRAE_FACTOR = 1.26  # Guideline 14-2014, annex B, monthly data
STRATA, ROUNDS = 4096, 16  # of draws: one from each stratum in each round; with any of 26 seeds U was within 1 %
SEED = 20140714


@dataclasses.dataclass(frozen=True)
class Check:
    """A figure and its U by another method; `of` says which figure."""

    name: str
    of: str
    delta: float
    expanded: float


def ar1_gls(model: BaselineModel, noise: Noise, case: Case, confidence: float) -> Check:
    """The avoided change by generalised least squares at the mean rho: `V = q'(X'R^-1 X)^-1 q + 1'R 1`, times the
    marginal variance.

    Each observation less rho times the one before it, the first of every run times sqrt(1-rho^2) (Prais and Winsten
    1954), has independent errors.
    """
    rho, fitted, projected = max(noise.rho_mean, 0.0), case.fitted, case.reporting
    design, ahead = model.design_matrix(fitted), model.design_matrix(projected)
    x, y = (_whitened(columns, fitted.follows, rho) for columns in (design, fitted.y[:, np.newaxis]))
    basis, triangle = np.linalg.qr(x)
    solution = np.linalg.solve(triangle, basis.T @ y[:, 0])
    innovation = float(np.sum((y[:, 0] - x @ solution) ** 2)) / noise.dof
    total = ahead.sum(axis=0)
    parameters = innovation * float(np.sum(np.linalg.solve(triangle.T, total) ** 2))
    ones = projected.in_calendar(np.ones(len(projected)))
    metered = innovation / (1 - rho**2) * float(quadratic_form([ones], np.array([rho]))[0])
    delta = (projected.total_y - float(total @ solution)) / projected.total_w - case.adjustment
    expanded = coverage_factor(confidence, noise.dof) * math.sqrt(parameters + metered) / projected.total_w
    return Check("ar1_gls", "change", delta, expanded)


def _whitened(columns: Floats, follows: Booleans, rho: float) -> Floats:
    whitened = columns.copy(order="K")  # by the column, as it lies in memory
    whitened[1:] -= (rho * follows)[:, np.newaxis] * columns[:-1]
    whitened[np.flatnonzero(np.append(True, ~follows))] *= math.sqrt(1 - rho**2)
    return whitened


def ashrae_fsu(model: BaselineModel, noise: Noise, case: Case, before: float, delta: float, confidence: float) -> Check:
    """U = t * 1.26 * CV * E * sqrt((n/n') (1 + 2/n') / m), E the modelled total; n' by the plain lag-1 correlation."""
    fit, projected = model.fit, case.reporting
    r1 = max(lag1_autocorrelation(fit.residuals, case.fitted.follows), 0.0)
    effective = fit.n * (1 - r1) / (1 + r1)
    share = ASHRAE_FACTOR * fit.cv_rmse * math.sqrt(fit.n / effective * (1 + 2 / effective) / len(projected))
    expanded = coverage_factor(confidence, noise.dof) * share * abs(before)
    return Check("ashrae_fsu", "change", delta, expanded / projected.total_w)


def monte_carlo(of: str, value: float, budget: Budget, limits: Sequence[float], confidence: float) -> Check:
    """The half-width that holds `confidence` of the sum of the budget's own distributions (GUM supplement 1): a
    Student's t for what was estimated, a rectangular one for each of `limits` (half-widths of meters' errors), a
    normal one for an adjustment.

    Stratified draws with a fixed seed: the same figure on every run.
    """
    rng = np.random.default_rng(SEED)
    levels = 0.5 + (np.arange(STRATA // 2) + 0.5) / STRATA  # the upper half: all distributions are symmetric
    upper = [(2 * levels - 1) * limit for limit in limits]
    for row in budget.rows:
        if row.type == "A" and row.u:
            upper.append(stdtrit(row.dof, levels) * row.u)
        elif row.source.startswith("adjustment:"):
            upper.append(ndtri(levels) * row.u)
    total = np.zeros((ROUNDS, STRATA))
    for half in upper:
        values = np.concatenate([half, -half])
        total += [rng.permutation(values) for _ in range(ROUNDS)]
    return Check("monte_carlo", of, value, float(np.quantile(np.abs(total), confidence)))
