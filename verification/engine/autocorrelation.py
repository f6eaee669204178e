"""What autocorrelated residuals are worth: the AR(1) noise of a fit, and the interval of any weighted sum of it.

Successive intervals of a line err alike, so n of them carry less than n independent ones would, and the correlation
itself is only estimated. Instead of one estimate, every rho is weighed by its restricted likelihood (REML), so that
a correlation that the data cannot tell widens the interval. Arrays are float64; nothing here knows units.
Not handled: correlation beyond lag one (the placebo dates and the Durbin-Watson figure show it), and sub-daily
patterns, which a model has to carry.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from verification.engine.models.linear import gram

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

NODES = 41  # of rho, over six standard deviations of its posterior on either side of the mode
REACH_SDS = 6.0
Z_LOWEST, Z_HIGHEST = -1.0, 4.15  # atanh of rho: -0.76 to 0.9995; beyond it a series is a random walk
# The mode is searched on these, in atanh of rho: anywhere, then about the best.
COARSE = np.arctanh([-0.5, -0.25, 0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.98, 0.99, 0.997])
FINE = np.linspace(-0.25, 0.25, 9), np.linspace(-0.05, 0.05, 9)
ONE_SIGMA = 0.682689492137086  # the two-sided level of one standard deviation of a normal distribution
LOWEST_DOF, HIGHEST_DOF = 0.5, 1e6
PRECISION = 1e-11  # of a half-width and of degrees of freedom, relative
NEGLIGIBLE = 1e-12  # a power of rho below this no longer counts
FEW_LAGS = 96  # so many are multiplied out; of more the transform is quicker


@dataclasses.dataclass(frozen=True, eq=False)
class Noise:
    """The residuals of a fit as an AR(1) process.

    `rho`, `weight`, `variance` are float64[k]: nodes of the correlation, their posterior weights (sum 1), and at each
    the marginal variance of one observation. `lag1` is the correlation as seen, `rho_mean` its posterior mean,
    `effective` n' = n(1-rho)/(1+rho) at that mean, `dof` the degrees of freedom n-p. `days` is the noise of the days'
    sums, where observations are shorter than a day and the days are enough.
    """

    rho: Floats
    weight: Floats
    variance: Floats
    lag1: float
    rho_mean: float
    effective: float
    dof: float
    days: Noise | None = None


@dataclasses.dataclass(frozen=True)
class Spread:
    """The error of an estimate as a scaled Student's t: standard uncertainty `u`, degrees of freedom `dof`."""

    u: float
    dof: float


def lag1_autocorrelation(residuals: Floats, follows: Booleans) -> float:
    """r1 = sum of e(t)*e(t+1) / sum of e(t)^2 about zero, over the pairs that are there, scaled up by the pairs that
    a gap took away; follows[i] says that observation i+1 is of the interval after observation i.
    """
    pairs = int(follows.sum())
    squares = float(residuals @ residuals)
    if pairs == 0 or squares == 0:
        return 0.0
    return float((residuals[:-1] * follows) @ residuals[1:]) * (len(residuals) - 1) / pairs / squares


def noise_of(basis: Floats, residuals: Floats, follows: Booleans, searched: int = 0) -> Noise:
    """The noise behind `residuals` float64[n] of a fit whose columns span `basis` float64[n, p] (orthonormal).

    `searched` parameters were found by a search outside the basis and cost a degree of freedom each. Restricted
    likelihood (Harville 1977), Jeffreys' prior 1/sqrt(1-rho^2). Observations on two sides of a gap count as
    independent.
    """
    n, p = basis.shape
    dof = float(n - p - searched)
    lag1 = lag1_autocorrelation(residuals, follows)
    size = math.sqrt(float(residuals @ residuals) / n)
    if size == 0:
        return _no_noise(n, dof)
    moments = _Moments.of(np.vstack([basis.T, residuals / size]), follows)
    try:
        nodes, density, variance = _posterior(moments, dof, n)
    except np.linalg.LinAlgError:  # the residuals lie among the columns: they are rounding
        return _no_noise(n, dof)
    weight = np.exp(density - density.max())
    weight[[0, -1]] /= 2  # trapezoidal rule
    weight /= weight.sum()
    rho = np.tanh(nodes)
    mean = float(np.maximum(rho, 0.0) @ weight)
    return Noise(rho, weight, variance * size**2, lag1, mean, n * (1 - mean) / (1 + mean), dof)


def _no_noise(n: int, dof: float) -> Noise:
    return Noise(np.zeros(1), np.ones(1), np.zeros(1), 0.0, 0.0, float(n), dof)


def _posterior(moments: _Moments, dof: float, n: int) -> tuple[Floats, Floats, Floats]:
    """Nodes of atanh(rho) about the mode, and the log-density and the variance at each."""
    mode = float(COARSE[np.argmax(moments.log_density(COARSE, dof)[0])])
    for steps in FINE:
        mode += float(steps[np.argmax(moments.log_density(mode + steps, dof)[0])])
    mode = min(max(mode, Z_LOWEST), Z_HIGHEST)
    reach = REACH_SDS * math.cosh(mode) / math.sqrt(n)  # the sd of atanh(rho) is 1/sqrt(n(1-rho^2))
    nodes = np.linspace(max(mode - reach, Z_LOWEST), min(mode + reach, Z_HIGHEST), NODES)
    return nodes, *moments.log_density(nodes, dof)


def spread(noise: Noise, weights: Sequence[Floats], confidence: float) -> Spread:
    """The spread of a sum of noise, weights[w][i] times the noise of interval i of window w (0 where it is not used);
    windows count as independent of each other.

    The distribution is a mixture of Student's t over rho. It is stated as the one scaled t that has the mixture's
    half-widths at one sigma and at `confidence`. A negative rho is not let to narrow it.
    """
    if not noise.variance.any():
        return Spread(0.0, noise.dof)
    counting = [each for each in weights if each.any()]
    scales = np.sqrt(noise.variance * quadratic_form(counting, np.maximum(noise.rho, 0.0))) if counting else np.zeros(1)
    if not scales.any():  # no interval of it counts: of a relative change from something to nothing, the baseline's
        return Spread(0.0, noise.dof)
    inner, outer = _half_widths(noise, scales, (ONE_SIGMA, confidence))
    dof = _dof_of_ratio(outer / inner, confidence, noise.dof)
    return Spread(outer / float(stdtrit(dof, (1 + confidence) / 2)), dof)


class _Moments(NamedTuple):
    """What the likelihood takes of a fit with p columns: how many `pairs` of observations follow each other, and, of Z,
    the columns and the residuals side by side, `products` float64[3, p+1, p+1]: Z'Z, the same over the neighbours of
    the observations, and Z'(S+S')Z over the pairs, S the shift by one.

    The inverse of an AR(1) correlation matrix is tridiagonal: (1-rho^2) R^-1 = I + rho^2 (number of neighbours - 1) -
    rho (S+S'), where an observation without neighbours has 1 in R^-1.
    """

    pairs: int
    products: Floats

    @classmethod
    def of(cls, rows: Floats, follows: Booleans) -> Self:
        """The moments of Z, whose columns are `rows` float64[p+1, n]."""
        plain, crossed = gram(rows), rows[:, :-1] @ rows[:, 1:].T
        breaks = np.flatnonzero(~follows)
        before, after = rows[:, breaks], rows[:, breaks + 1]
        crossed -= before @ after.T
        ends = np.concatenate([rows[:, :1], before, after, rows[:, -1:]], axis=1)  # each has a neighbour less than two
        products = np.array([plain, 2 * plain - ends @ ends.T, crossed + crossed.T])
        return cls(len(follows) - len(breaks), products)

    def log_density(self, z: Floats, dof: float) -> tuple[Floats, Floats]:
        """The log of the posterior density of z = atanh(rho), up to a constant, and the marginal variance at each z."""
        rho = np.tanh(z)
        gap = 1 - rho**2
        # Each pair (i, j) adds (rho^2 (z_i^2 + z_j^2) - 2 rho z_i z_j)/(1 - rho^2) to the identity.
        factors = np.array([np.ones_like(rho), rho**2 / gap, -rho / gap])
        size = self.products.shape[1]
        weighed = (factors.T @ self.products.reshape(3, -1)).reshape(-1, size, size)
        # Its Cholesky factor holds both: the root of the determinant of the columns, and, last, that of the squares
        # that they leave. No |rho| < 1 makes it singular, as the columns are orthonormal and the residuals not zero.
        root = np.diagonal(np.linalg.cholesky(weighed), axis1=1, axis2=2)
        powers = np.ones(size)  # of the factors of the likelihood
        powers[-1] = dof
        # d rho = (1 - rho^2) dz, so Jeffreys' prior is sqrt(1 - rho^2) in z.
        return 0.5 * (1 - self.pairs) * np.log(gap) - np.log(root) @ powers, root[:, -1] ** 2 / dof


def quadratic_form(weights: Sequence[Floats], rho: Floats) -> Floats:
    """float64[..., rho]: a'R a for the rows a of `weights` float64[..., n], whose windows are independent and add up, R
    the AR(1) correlation matrix of each rho: the sum over lags of rho^lag times the autocorrelation of a.
    """
    n, largest = max(each.shape[-1] for each in weights), float(rho.max())
    lags = n if largest >= 1 else min(n, 2 + int(math.log(NEGLIGIBLE) / math.log(max(largest, 1e-3))))
    products: Floats = np.sum([_lagged_products(each, lags) for each in weights], axis=0)
    powers = np.exp(np.arange(1, lags)[:, np.newaxis] * np.log(np.maximum(rho, np.finfo(float).tiny)))
    form: Floats = products[..., :1] + 2 * products[..., 1:] @ powers
    return np.maximum(form, 0.0)


def _lagged_products(weights: Floats, lags: int) -> Floats:
    """float64[..., lags]: the sum of a(t) a(t+k) for each lag k below `lags`; of many by the transform."""
    n = weights.shape[-1]
    if lags <= FEW_LAGS:
        rows, later = weights.reshape(-1, n), np.zeros(lags - 1)
        found = [np.correlate(np.concatenate([row, later]), row) for row in rows]
        return np.array(found).reshape(*weights.shape[:-1], lags)
    length = _fast_length(n + lags)  # in a circle of this length the lags that count do not meet themselves
    spectrum = np.fft.rfft(weights, length)
    products: Floats = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, length)[..., :lags]
    return products


def cross_forms(weights: Floats, rho: float) -> Floats:
    """float64[k, k]: a'R b of every two rows of `weights` float64[k, n], R the AR(1) correlation matrix."""
    length = _fast_length(2 * weights.shape[1])
    lags = np.arange(length)
    kernel = np.fft.rfft(rho ** np.minimum(lags, length - lags)).real
    smoothed = np.fft.irfft(np.fft.rfft(weights, length) * kernel, length)[:, : weights.shape[1]]
    forms: Floats = weights @ smoothed.T
    return forms


def _fast_length(least: int) -> int:
    """The smallest 2^k times 1, 9/8, 5/4 or 3/2 that is at least `least`: lengths that the transform is quick at."""
    power = 1 << max(3, (least - 1).bit_length() - 1)
    return next(
        length for length in (power, power * 9 // 8, power * 5 // 4, power * 3 // 2, power * 2) if length >= least
    )


def _half_widths(noise: Noise, scales: Floats, confidences: Sequence[float]) -> list[float]:
    """The half-widths that hold each of `confidences` of the mixture, which lie between those of its least and largest
    scale.

    By Halley's method in the log of the half-width, in which the probability is nearly a straight line.
    """
    dof, weight, log_scales, wanted = noise.dof, noise.weight, np.log(scales), np.array(confidences)
    single = np.log(stdtrit(dof, (1 + wanted) / 2))
    low, high = single + log_scales.min(), single + log_scales.max()
    peak = 2 * math.exp(math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2)) / math.sqrt(dof * math.pi)
    at = single + weight @ log_scales
    while True:
        t = np.exp(at[:, np.newaxis] - log_scales)
        squares = t**2 / dof
        rising = peak * t * (1 + squares) ** (-(dof + 1) / 2)
        bending = rising * (1 - (dof + 1) * squares / (1 + squares))
        missing = wanted - (2 * stdtr(dof, t) - 1) @ weight
        slope = rising @ weight
        step = missing / (slope + missing * (bending @ weight) / (2 * slope))
        low, high = np.where(missing > 0, at, low), np.where(missing > 0, high, at)
        arrived = np.abs(step) ** 3 <= PRECISION / 10  # a step leaves at most a few times its cube
        inside = (low < at + step) & (at + step < high)
        at = np.where(arrived | inside, at + step, (low + high) / 2)
        if np.all(arrived | (high - low <= PRECISION)):
            found: list[float] = np.exp(at).tolist()
            return found


def _dof_of_ratio(ratio: float, confidence: float, most: float) -> float:
    """The degrees of freedom at which the half-widths of Student's t at `confidence` and one sigma have `ratio`."""
    levels = np.array([(1 + confidence) / 2, (1 + ONE_SIGMA) / 2])

    def excess(inverse_dof: float) -> float:
        outer, inner = stdtrit(1 / inverse_dof, levels).tolist()
        return math.log(outer / inner / ratio)

    highest, lowest = min(most, HIGHEST_DOF), LOWEST_DOF
    if confidence <= ONE_SIGMA or excess(1 / highest) >= 0:
        return highest
    if excess(1 / lowest) <= 0:
        return lowest
    return 1 / root(excess, 1 / highest, 1 / lowest, PRECISION / highest)


def root(function: Callable[[float], float], low: float, high: float, precision: float) -> float:
    """Where `function`, which rises from below zero at `low` to above it at `high`, is zero: the Illinois method."""
    below, above, side = function(low), function(high), 0
    while high - low > precision:
        middle = (low * above - high * below) / (above - below) if above > below else (low + high) / 2
        if not low < middle < high:
            return middle
        value = function(middle)
        if value == 0:
            return middle
        if value < 0:
            low, below = middle, value
            above = above / 2 if side == -1 else above
            side = -1
        else:
            high, above = middle, value
            below = below / 2 if side == 1 else below
            side = 1
    return (low + high) / 2


def standard_error(noise: Noise, weights: Floats) -> float:
    """The root of the expected variance of a weighted sum of noise: quicker than `spread`, without its tails."""
    return float(standard_errors(noise, weights))


def standard_errors(noise: Noise, weights: Floats) -> Floats:
    """`standard_error` of each row of `weights` float64[..., n]."""
    errors: Floats = np.sqrt(quadratic_form([weights], np.maximum(noise.rho, 0.0)) @ (noise.weight * noise.variance))
    return errors


def two_sided_p(values: Floats, errors: Floats, dof: float) -> Floats:
    """Two-sided p of values over their standard errors by Student's t; 1 where both are zero, 0 where only the error
    is.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(np.abs(values / errors), nan=0.0, posinf=1e300)
    p: Floats = 2 * stdtr(dof, -t)
    return p


def expanded(error: Spread, confidence: float) -> float:
    """U of an error: Student's quantile at its degrees of freedom, times u."""
    return float(stdtrit(error.dof, (1 + confidence) / 2)) * error.u
