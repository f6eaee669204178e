"""What autocorrelated residuals are worth: the AR(1) noise of a fit, and the interval of any weighted sum of it.

Successive intervals of a line err alike, so n of them carry less than n independent ones would, and the correlation
itself is only estimated. Instead of one estimate, every rho is weighed by its restricted likelihood (REML), so that
a correlation that the data cannot tell widens the interval. Arrays are float64; nothing here knows units.
Not handled: correlation beyond lag one (the placebo dates and the Durbin-Watson figure show it), and sub-daily
patterns, which a model has to carry.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, stdtr, stdtrit

from verification.engine.models.linear import gram

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

NODES = 41  # of rho, over six standard deviations of its posterior on either side of the mode
REACH_SDS = 6.0
Z_LOWEST, Z_HIGHEST = -1.0, 4.15  # atanh of rho: -0.76 to 0.9995; beyond it a series is a random walk
# The mode is searched in these steps of atanh of rho: anywhere, then about the best.
STEPS = (
    np.arctanh([-0.5, -0.25, 0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.98, 0.99, 0.997]),
    np.linspace(-0.25, 0.25, 9),
    np.linspace(-0.05, 0.05, 9),
)
ONE_SIGMA = 0.682689492137086  # the two-sided level of one standard deviation of a normal distribution
LOWEST_DOF, HIGHEST_DOF = 0.5, 1e6
PRECISION = 1e-11  # of a half-width and of degrees of freedom, relative
NEGLIGIBLE = 1e-12  # a power of rho below this no longer counts
FEW_COLUMNS = 16  # of a fit: with more it gains nothing beside others, whose matrices would take much room
FEW_LAGS = 96  # so many are multiplied out; of more the transform is quicker


@dataclasses.dataclass(frozen=True, eq=False)
class Noise:
    """The residuals of a fit as an AR(1) process.

    `rho`, `weight`, `variance` are float64[k]: nodes of the correlation, their posterior weights (sum 1), and at each
    the marginal variance of one observation. `rho_mean` is the posterior mean of the correlation, `effective`
    n' = n(1-rho)/(1+rho) at that mean, `dof` the degrees of freedom n-p. `days` is the noise of the days' sums, where
    observations are shorter than a day and the days are enough.
    """

    rho: Floats
    weight: Floats
    variance: Floats
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


@dataclasses.dataclass(frozen=True, eq=False)
class Unexplained:
    """What a fit leaves: `residuals` float64[n], while its columns span `basis` float64[n, p] (orthonormal); follows[i]
    says that observation i+1 is of the interval after observation i. `searched` parameters were found by a search
    outside the basis and cost a degree of freedom each.
    """

    basis: Floats
    residuals: Floats
    follows: Booleans
    searched: int = 0

    @property
    def dof(self) -> float:
        """The degrees of freedom n-p."""
        n, p = self.basis.shape
        return float(n - p - self.searched)

    @functools.cached_property
    def size(self) -> float:
        """The root of the mean square of the residuals."""
        return math.sqrt(float(self.residuals @ self.residuals) / len(self.residuals))


def noise_of(basis: Floats, residuals: Floats, follows: Booleans, searched: int = 0) -> Noise:
    """The noise behind one fit, by what it leaves (`Unexplained`)."""
    return noises_of([Unexplained(basis, residuals, follows, searched)])[0]


def noises_of(fits: Sequence[Unexplained]) -> list[Noise]:
    """The noise behind each of some fits; those with as many columns, and few, are weighed side by side, which costs
    little more than one.

    Restricted likelihood (Harville 1977), Jeffreys' prior 1/sqrt(1-rho^2). Observations on two sides of a gap count as
    independent.
    """
    alike: dict[tuple[int, int], list[int]] = {}
    for index, fit in enumerate(fits):
        columns = fit.basis.shape[1]
        alike.setdefault((columns, 0 if columns <= FEW_COLUMNS else index), []).append(index)
    found: dict[int, Noise] = {}
    for indices in alike.values():
        found.update(zip(indices, _noises_of_alike([fits[index] for index in indices]), strict=True))
    return [found[index] for index in range(len(fits))]


def _noises_of_alike(fits: Sequence[Unexplained]) -> list[Noise]:
    """The noise behind each of some fits with as many columns."""
    erring = [fit for fit in fits if fit.size > 0]
    try:
        noises = iter(_weighed(erring) if erring else [])
    except np.linalg.LinAlgError:  # the residuals of one lie among its columns: they are rounding
        if len(fits) == 1:
            return [_no_noise(fits[0])]
        return [noise for fit in fits for noise in _noises_of_alike([fit])]
    return [next(noises) if fit.size > 0 else _no_noise(fit) for fit in fits]


def _weighed(fits: Sequence[Unexplained]) -> list[Noise]:
    """The noise behind each of some fits with as many columns and residuals that are not zero."""
    nodes, density, variances = _posteriors(_Moments.of(fits), np.array([len(fit.residuals) for fit in fits]))
    weights = np.exp(density - density.max(axis=1, keepdims=True))
    weights[:, [0, -1]] /= 2  # trapezoidal rule
    weights /= weights.sum(axis=1, keepdims=True)
    found = []
    for fit, rho, weight, variance in zip(fits, np.tanh(nodes), weights, variances, strict=True):
        mean = float(np.maximum(rho, 0.0) @ weight)
        effective = len(fit.residuals) * (1 - mean) / (1 + mean)
        found.append(Noise(rho, weight, variance * fit.size**2, mean, effective, fit.dof))
    return found


def _no_noise(fit: Unexplained) -> Noise:
    return Noise(np.zeros(1), np.ones(1), np.zeros(1), 0.0, float(len(fit.residuals)), fit.dof)


def _posteriors(moments: _Moments, n: Integers) -> tuple[Floats, Floats, Floats]:
    """float64[k, nodes] each: nodes of atanh(rho) about the mode of each of k fits, and the log-density and the
    variance at each; `n` int64[k] are the numbers of observations.
    """
    mode = np.zeros(len(n))
    for steps in STEPS:
        mode = mode + steps[np.argmax(moments.log_density(np.add.outer(mode, steps))[0], axis=1)]
    mode = np.clip(mode, Z_LOWEST, Z_HIGHEST)
    reach = REACH_SDS * np.cosh(mode) / np.sqrt(n)  # the sd of atanh(rho) is 1/sqrt(n(1-rho^2))
    low, high = np.maximum(mode - reach, Z_LOWEST), np.minimum(mode + reach, Z_HIGHEST)
    nodes = low[:, np.newaxis] + np.multiply.outer(high - low, np.linspace(0, 1, NODES))
    return nodes, *moments.log_density(nodes)


class WeightedSum(NamedTuple):
    """A sum of noise: weights[w][i] times that of interval i of window w (0 where it is not used), where windows count
    as independent of each other.
    """

    noise: Noise
    weights: Sequence[Floats]

    def scales(self) -> Floats:
        """float64[nodes]: the standard deviation at each rho; a negative one is not let to narrow it. Zero where no
        interval counts: of a relative change from something to nothing, the baseline's.
        """
        counting = [each for each in self.weights if each.any()] if self.noise.variance.any() else []
        if not counting:
            return np.zeros_like(self.noise.rho)
        return np.sqrt(self.noise.variance * quadratic_form(counting, np.maximum(self.noise.rho, 0.0)))


def spread(noise: Noise, weights: Sequence[Floats], confidence: float) -> Spread:
    """The spread of one `WeightedSum`."""
    return spreads([WeightedSum(noise, weights)], confidence)[0]


def spreads(sums: Sequence[WeightedSum], confidence: float) -> list[Spread]:
    """The spread of each of some sums, whose noises have as many nodes.

    The distribution is a mixture of Student's t over rho. It is stated as the one scaled t that has the mixture's
    half-widths at one sigma and at `confidence`.
    """
    scales = [each.scales() for each in sums]
    counting = [index for index, each in enumerate(scales) if each.any()]
    found = [Spread(0.0, each.noise.dof) for each in sums]
    if not counting:
        return found
    noises = [sums[index].noise for index in counting]
    widths = _half_widths(noises, np.array([scales[index] for index in counting]), (ONE_SIGMA, confidence))
    for index, (inner, outer) in zip(counting, widths.tolist(), strict=True):
        dof = _dof_of_ratio(outer / inner, confidence, sums[index].noise.dof)
        found[index] = Spread(outer / float(stdtrit(dof, (1 + confidence) / 2)), dof)
    return found


class _Moments(NamedTuple):
    """What the likelihoods take of k fits with p columns each: their degrees of freedom `dof` float64[k], how many
    `pairs` int64[k] of observations follow each other, and `products` float64[k, 3, p+1, p+1] of Z, the columns and the
    residuals (over their size) side by side: Z'Z, the same over the neighbours of the observations, and Z'(S+S')Z over
    the pairs, S the shift by one.

    The inverse of an AR(1) correlation matrix is tridiagonal: (1-rho^2) R^-1 = I + rho^2 (number of neighbours - 1) -
    rho (S+S'), where an observation without neighbours has 1 in R^-1.
    """

    dof: Floats
    pairs: Integers
    products: Floats

    @classmethod
    def of(cls, fits: Sequence[Unexplained]) -> Self:
        """The moments of fits with as many columns."""
        return cls(
            np.array([fit.dof for fit in fits]),
            np.array([np.count_nonzero(fit.follows) for fit in fits]),
            np.array([_products(np.vstack([fit.basis.T, fit.residuals / fit.size]), fit.follows) for fit in fits]),
        )

    def log_density(self, z: Floats) -> tuple[Floats, Floats]:
        """float64[k, m] each: the log of the posterior density of z = atanh(rho) float64[k, m], up to a constant, and
        the marginal variance at each z.
        """
        rho, dof = np.tanh(z), self.dof[:, np.newaxis]
        gap = 1 - rho**2
        # Each pair (i, j) adds (rho^2 (z_i^2 + z_j^2) - 2 rho z_i z_j)/(1 - rho^2) to the identity.
        factors = np.stack([np.ones_like(rho), rho**2 / gap, -rho / gap], axis=-1)
        size = self.products.shape[-1]
        weighed = (factors @ self.products.reshape(len(z), 3, -1)).reshape(*z.shape, size, size)
        # Its Cholesky factor holds both: the root of the determinant of the columns, and, last, that of the squares
        # that they leave. No |rho| < 1 makes it singular, as the columns are orthonormal and the residuals not zero.
        root = np.diagonal(np.linalg.cholesky(weighed), axis1=-2, axis2=-1)
        logs = np.log(root)
        # d rho = (1 - rho^2) dz, so Jeffreys' prior is sqrt(1 - rho^2) in z.
        prior = 0.5 * (1 - self.pairs[:, np.newaxis]) * np.log(gap)
        return prior - logs[..., :-1].sum(axis=-1) - dof * logs[..., -1], root[..., -1] ** 2 / dof


def _products(rows: Floats, follows: Booleans) -> Floats:
    """float64[3, p+1, p+1]: the products of a Z whose columns are `rows` float64[p+1, n]."""
    plain, crossed = gram(rows), rows[:, :-1] @ rows[:, 1:].T
    breaks = np.flatnonzero(~follows)
    before, after = rows[:, breaks], rows[:, breaks + 1]
    crossed -= before @ after.T
    ends = np.concatenate([rows[:, :1], before, after, rows[:, -1:]], axis=1)  # each has a neighbour less than two
    return np.array([plain, 2 * plain - ends @ ends.T, crossed + crossed.T])


def quadratic_form(weights: Sequence[Floats], rho: Floats) -> Floats:
    """float64[..., rho]: a'R a for the rows a of `weights` float64[..., n], whose windows are independent and add up, R
    the AR(1) correlation matrix of each rho: the sum over lags of rho^lag times the autocorrelation of a, taken block
    by block of lags, so that few powers serve all.
    """
    n, largest = max(each.shape[-1] for each in weights), float(rho.max())
    lags = n if largest >= 1 else min(n, 2 + int(math.log(NEGLIGIBLE) / math.log(max(largest, 1e-3))))
    width = math.isqrt(lags - 1) + 1
    products = np.zeros((*weights[0].shape[:-1], width * width))
    products[..., :lags] = _lagged_products(weights, lags)
    products[..., 1:] *= 2  # before and after
    inner, outer = (np.vander(each, width, increasing=True).T for each in (rho, rho**width))
    form: Floats = np.sum(products.reshape(*products.shape[:-1], width, width) @ inner * outer, axis=-2)
    return np.maximum(form, 0.0)


def _lagged_products(weights: Sequence[Floats], lags: int) -> Floats:
    """float64[..., lags]: the sum over windows of a(t) a(t+k) for each lag k below `lags`; of many by the transform."""
    if lags <= FEW_LAGS:
        return sum((_few_products(each, lags) for each in weights), start=np.zeros(lags))
    # In a circle of this length the lags that count do not meet themselves.
    length = _fast_length(max(each.shape[-1] for each in weights) + lags)
    spectra = (np.fft.rfft(each, length) for each in weights)
    power = sum((each.real**2 + each.imag**2 for each in spectra), start=np.zeros(1))
    products: Floats = np.fft.irfft(power, length)[..., :lags]
    return products


def _few_products(weights: Floats, lags: int) -> Floats:
    """The same of one window, multiplied out."""
    n, later = weights.shape[-1], np.zeros(lags - 1)
    found = [np.correlate(np.concatenate([row, later]), row) for row in weights.reshape(-1, n)]
    return np.array(found).reshape(*weights.shape[:-1], lags)


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


def _half_widths(noises: Sequence[Noise], scales: Floats, confidences: Sequence[float]) -> Floats:
    """float64[k, confidences]: the half-widths that hold each of `confidences` of k mixtures, which have `scales`
    float64[k, nodes]; they lie between those of the least and the largest scale.

    By Halley's method in the log of the half-width, in which the probability is nearly a straight line.
    """
    dof = np.array([[[noise.dof]] for noise in noises])
    weight = np.array([noise.weight for noise in noises])[..., np.newaxis]
    log_scales, wanted = np.log(scales)[:, np.newaxis], np.array(confidences)
    quantile = stdtrit(dof[..., 0], (1 + wanted) / 2)
    single, mean = np.log(quantile), log_scales @ weight
    low, high = single + log_scales.min(axis=-1), single + log_scales.max(axis=-1)
    peak = 2 * np.exp(gammaln((dof + 1) / 2) - gammaln(dof / 2)) / np.sqrt(dof * math.pi)
    # Where the probability bends, scales that vary move the half-width from that of their mean.
    bent = 1 - (dof[..., 0] + 1) * quantile**2 / (dof[..., 0] + quantile**2)
    at = np.clip(single + mean[..., 0] - bent * ((log_scales - mean) ** 2 @ weight)[..., 0] / 2, low, high)
    found = np.zeros(at.shape, dtype=bool)
    while not found.all():
        t = np.exp(at[..., np.newaxis] - log_scales)
        squares = t**2 / dof
        rising = peak * t * (1 + squares) ** (-(dof + 1) / 2)
        bending = rising * (1 - (dof + 1) * squares / (1 + squares))
        inside, slope, bend = (((each @ weight)[..., 0]) for each in (2 * stdtr(dof, t) - 1, rising, bending))
        missing = wanted - inside
        step = missing / (slope + missing * bend / (2 * slope))
        low, high = np.where(missing > 0, at, low), np.where(missing > 0, high, at)
        arrived = np.abs(step) ** 3 <= PRECISION / 10  # a step leaves at most a few times its cube
        straight = arrived | ((low < at + step) & (at + step < high))
        at = np.where(found, at, np.where(straight, at + step, (low + high) / 2))
        found |= arrived | (high - low <= PRECISION)
    widths: Floats = np.exp(at)
    return widths


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
