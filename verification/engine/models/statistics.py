"""How well a model fits, where its coefficients alone do not say: out of sample, in order of time, term by term.

Conventions: CV(RMSE) divides by n-p and counts the intercept; NMBE out of sample divides by the sum of y, so that no
count enters; a term is weighed by a t that knows of autocorrelation.
"""

from __future__ import annotations

import math

import numpy as np

from verification.engine.autocorrelation import Noise, standard_errors, two_sided_p
from verification.engine.models.family import BaselineModel, refit
from verification.engine.models.sample import Booleans, Floats, Sample
from verification.findings import Finding

BLOCKS = 5  # of consecutive intervals, each predicted by a model of the other four


def durbin_watson(residuals: Floats, follows: Booleans) -> float:
    """sum of (e(t+1) - e(t))^2 over sum of e(t)^2, over the pairs that are there, scaled up by those that a gap took;
    2 where successive residuals are uncorrelated (Durbin and Watson 1950).
    """
    pairs = int(follows.sum())
    squares = float(np.sum(residuals**2))
    if pairs == 0 or squares == 0:
        return 2.0
    return float(np.sum(np.diff(residuals)[follows] ** 2)) * (len(residuals) - 1) / pairs / squares


def nmbe_out_of_sample(model: BaselineModel, sample: Sample) -> float | None:
    """sum(y - yhat)/sum(y), each block of consecutive intervals predicted by the model fitted to the others.

    In sample this is zero for every model with an intercept, by construction. None where a block leaves no model.
    """
    fit, blocks = model.fit, min(BLOCKS, len(sample))
    starts = -(-len(sample) * np.arange(blocks) // blocks)
    missed = np.add.reduceat(fit.residuals, starts)
    missed -= np.sum(np.add.reduceat(fit.basis, starts) * model.moves_without_each(starts), axis=1)
    for index in np.flatnonzero(np.isnan(missed)):
        block = np.arange(len(sample))[starts[index] : [*starts, None][index + 1]]
        other = refit(model, sample.take(np.delete(np.arange(len(sample)), block)))
        if isinstance(other, Finding):
            return None
        missed[index] = np.sum(other.misses(sample.take(block)))
    total = sample.total_y
    return math.fsum(missed) / total if total else None


def term_p_values(model: BaselineModel, noise: Noise) -> Floats:
    """float64[p]: two-sided p of each coefficient, its error by the AR(1) noise instead of independent residuals."""
    fit = model.fit
    # beta = (X'X)^-1 X'y: the rows of inverse_root times the basis are how each y moves a coefficient.
    weights = fit.inverse_root @ fit.basis.T
    errors = standard_errors(noise, weights)
    return two_sided_p(fit.coefficients, errors, max(noise.effective - fit.p, 1.0))
