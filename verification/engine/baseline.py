"""The baseline model: ordinary least squares with an intercept, and what its residuals are worth. Step 4 of the
methods.

Solved by QR on centred, scaled drivers with one step of refinement; a nearly dependent set of drivers is refused with a
finding instead of a number. Not handled: which intervals enter (`quality/`) and what the numbers mean
(`uncertainty.py`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr

from verification.findings import Finding
from verification.series.columns import Booleans, Floats

MAX_CONDITION = 1e6  # of the centred, scaled drivers: beyond it fewer than about nine digits of a coefficient are left
# With fewer, the estimate of the autocorrelation itself decides the width; at this gate P(conclusive and wrong) is
# about 5 % for 90 intervals at rho = 0.9 (docs/explanation/methods.md).
MIN_EFFECTIVE = 8
CONSTANT_SPREAD = 1e-9  # a driver whose spread is a smaller share of its size than this varies by rounding only
ZERO_RESIDUALS = 1e-12  # residuals that are a smaller share of the values than this are rounding, not measurement


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model. n observations, p parameters with the intercept, first; drivers are centred by `centre`,
    scaled by `scale`.

    `triangle` is R of the QR decomposition, so that (X'X)^-1 never has to be formed.
    """

    names: tuple[str, ...]
    coefficients: Floats
    standard_errors: Floats
    residuals: Floats
    mean: float
    total_squares: float
    condition: float
    centre: Floats
    scale: Floats
    triangle: Floats

    @property
    def n(self) -> int:
        """The number of observations."""
        return len(self.residuals)

    @property
    def p(self) -> int:
        """The number of parameters, with the intercept."""
        return len(self.coefficients)

    @property
    def squares(self) -> float:
        """SSE, the sum of the squared residuals."""
        return math.fsum(self.residuals**2)

    @property
    def residual_sd(self) -> float:
        """sqrt(SSE/(n-p))."""
        return math.sqrt(self.squares / (self.n - self.p))

    @property
    def cv_rmse(self) -> float:
        """sqrt(SSE/(n-p)) over the mean of y: the convention that counts the intercept."""
        return self.residual_sd / abs(self.mean) if self.mean else math.inf

    @property
    def r_squared(self) -> float:
        """1 - SSE/SST about the mean; 0 where y does not vary."""
        return 1 - self.squares / self.total_squares if self.total_squares > 0 else 0.0

    @property
    def p_values(self) -> Floats:
        """Two-sided p of each coefficient with n-p degrees of freedom, taking the residuals as independent."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.coefficients / self.standard_errors)
        values: Floats = np.where(np.isnan(t), 1.0, 2 * stdtr(self.n - self.p, -np.nan_to_num(t, posinf=1e300)))
        return values

    @property
    def residuals_are_zero(self) -> bool:
        """Whether the residuals are no more than the rounding of the arithmetic."""
        return bool(
            np.max(np.abs(self.residuals)) <= ZERO_RESIDUALS * max(abs(self.mean), math.sqrt(self.total_squares))
        )

    def predict(self, drivers: Floats) -> Floats:
        """The model's values for `drivers` float64[m, k], computed about the centre, where it is most accurate."""
        predicted: Floats = self.mean + (drivers - self.centre) @ self.coefficients[1:]
        return predicted

    def sum_variance_factor(self, drivers: Floats) -> float:
        """m + q'(X'X)^-1 q for the m rows of `drivers`, q their sum: the variance of a sum of m predictions, per
        sigma^2.
        """
        m = len(drivers)
        total = np.array([math.fsum(column) for column in ((drivers - self.centre) / self.scale).T])
        return m + m * m / self.n + float(np.sum(np.linalg.solve(self.triangle.T, total) ** 2))


def fit_ols(drivers: Floats, values: Floats, names: Sequence[str]) -> Fit | Finding:
    """Fit values float64[n] on drivers float64[n, k] (finite; names[k]), or say why no coefficient can be trusted."""
    n, p = len(values), drivers.shape[1] + 1
    if n <= p:
        return Finding.of("TOO_FEW_EFFECTIVE", n=n, effective="0.0", rho="0.000", required=MIN_EFFECTIVE)
    centre = np.array([math.fsum(column) / n for column in drivers.T])
    centred = drivers - centre
    scale = np.sqrt(np.array([math.fsum(column**2) / n for column in centred.T]))
    for name, spread, largest in zip(names, scale, np.max(np.abs(drivers), axis=0), strict=True):
        if spread <= CONSTANT_SPREAD * largest:
            return Finding.of("DRIVER_CONSTANT", driver=name)
    scaled = centred / scale
    orthogonal, triangle = np.linalg.qr(scaled)
    condition = float(np.linalg.cond(triangle))
    if not condition <= MAX_CONDITION:
        return Finding.of("ILL_CONDITIONED", condition=f"{condition:.1e}")
    mean = math.fsum(values) / n
    deviation = values - mean
    solution = np.linalg.solve(triangle, orthogonal.T @ deviation)
    solution += np.linalg.solve(triangle, orthogonal.T @ (deviation - scaled @ solution))
    residuals = deviation - scaled @ solution
    slopes = solution / scale
    intercept = mean - math.fsum(slopes * centre)
    variance = math.fsum(residuals**2) / (n - p)
    return Fit(
        names=tuple(names),
        coefficients=np.append(intercept, slopes),
        standard_errors=np.sqrt(variance * _inverse_diagonal(triangle, centre / scale, scale, n)),
        residuals=residuals,
        mean=mean,
        total_squares=math.fsum(deviation**2),
        condition=condition,
        centre=centre,
        scale=scale,
        triangle=triangle,
    )


def _inverse_diagonal(triangle: Floats, origin: Floats, scale: Floats, n: int) -> Floats:
    """The diagonal of (X'X)^-1, the intercept first, from R; `origin` is how far zero lies from the centre, in
    scales.
    """
    inverse = np.linalg.inv(triangle)
    slopes = np.sum(inverse**2, axis=1) / scale**2
    intercept = 1 / n + float(np.sum(np.linalg.solve(triangle.T, origin) ** 2))
    return np.append(intercept, slopes)


@dataclasses.dataclass(frozen=True)
class EffectiveSize:
    """What n autocorrelated residuals are worth: lag1 as seen, rho corrected for its bias, n' = n(1-rho)/(1+rho)."""

    lag1: float
    rho: float
    effective: float


def effective_size(fit: Fit, follows: Booleans) -> EffectiveSize:
    """The effective size of the baseline; follows[i]: i+1 is of the interval that follows that of i.

    r1 = sum of e(t)*e(t+1) / sum of e(t)^2, over the pairs that are there, scaled up by the pairs that a gap took away;
    rho = r1 + (1 + 4*r1)/n with r1 >= 0: a negative correlation is not let to narrow the interval.
    """
    residuals = fit.residuals
    pairs = int(follows.sum())
    squares = fit.squares
    if fit.residuals_are_zero or pairs == 0:
        lag1 = 0.0
    else:
        lag1 = math.fsum((residuals[:-1] * residuals[1:])[follows]) * (fit.n - 1) / pairs / squares
    positive = max(lag1, 0.0)
    rho = positive + (1 + 4 * positive) / fit.n
    return EffectiveSize(lag1, rho, max(fit.n * (1 - rho) / (1 + rho), 0.0))
