"""Least squares, with as many right digits as the data hold.

QR on columns that are centred and scaled by powers of two (so that scaling changes no digit), then refinement of
solution and residuals together (Bjorck 1967) with products and sums in twice the working precision. Columns that
depend on each other so nearly that input rounding alone would spoil the coefficients are refused. Arrays are float64;
nothing here knows units.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgeqrf, dorgqr, dpotrf, dtrtri, dtrtrs
from scipy.special import fdtrc, stdtr

from verification.findings import Finding

Floats = NDArray[np.float64]

MAX_CONDITION = 1e6  # of the centred, scaled columns: beyond it fewer than about nine digits of a coefficient are left
CONSTANT_SPREAD = 1e-9  # a column whose spread is a smaller share of its size than this varies by rounding only
ZERO_RESIDUALS = 1e-14  # residuals that are a smaller share of the largest y are rounding, not measurement
CENTRE_STEPS = 2.0**16  # the centre has few bits, so that subtracting it loses none: 2^-16 of the spread is near enough
REFINED_FROM_CONDITION = 30.0  # a better-conditioned solution has all its digits after one plain step
REFINEMENT_STEPS = 4
BLOCK = 32  # columns at a time in a QR: what LAPACK asks for
LEAST_LEFT = 0.05  # of the squares that determine a parameter: a part that holds less of them is fitted by itself


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """A fitted linear model: n observations, p parameters, the intercept (where there is one) first.

    `basis` float64[n, p] is orthonormal and `triangle` float64[p, p] is R, so that (X'X)^-1 is never formed; columns
    are taken less `centre` and over `scale`. `searched` counts parameters that a search outside this fit chose (change
    points): they cost degrees of freedom.
    """

    names: tuple[str, ...]
    intercept: bool
    coefficients: Floats
    residuals: Floats
    y: Floats
    centre: Floats
    scale: Floats
    basis: Floats
    triangle: Floats
    solution: Floats
    searched: int = 0

    @property
    def n(self) -> int:
        """The number of observations."""
        return len(self.residuals)

    @property
    def p(self) -> int:
        """The number of parameters, with the intercept and whatever was searched."""
        return len(self.coefficients) + self.searched

    @functools.cached_property
    def mean(self) -> float:
        """The mean of y."""
        level = _level(self.y)
        return level + float(np.mean(self.y - level))

    @functools.cached_property
    def total_squares(self) -> float:
        """SST, about the mean, or about zero for a model without intercept."""
        above = self.y - _level(self.y)
        return float(np.sum((above - np.mean(above)) ** 2 if self.intercept else self.y**2))

    @functools.cached_property
    def condition(self) -> float:
        """The condition number of the centred, scaled columns."""
        return float(np.linalg.cond(self.triangle))

    @functools.cached_property
    def squares(self) -> float:
        """SSE, the sum of the squared residuals."""
        return float(np.sum(self.residuals**2))

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
        """1 - SSE/SST; 0 where y does not vary."""
        return 1 - self.squares / self.total_squares if self.total_squares > 0 else 0.0

    @property
    def adjusted_r_squared(self) -> float:
        """1 - (1-R^2)(n-i)/(n-p), i = 1 with an intercept and 0 without."""
        return 1 - (1 - self.r_squared) * (self.n - self.intercept) / (self.n - self.p)

    @property
    def f_statistic(self) -> float:
        """(SST-SSE)/(p-i) over SSE/(n-p): nan without a column, infinite without residuals."""
        numerator_dof = self.p - self.intercept
        if numerator_dof == 0:
            return math.nan
        explained = max(self.total_squares - self.squares, 0.0) / numerator_dof
        return explained / (self.squares / (self.n - self.p)) if self.squares else math.inf

    @property
    def f_p_value(self) -> float:
        """The upper tail of F with p-i and n-p degrees of freedom, taking the residuals as independent."""
        f = self.f_statistic
        return 1.0 if math.isnan(f) else float(fdtrc(self.p - self.intercept, self.n - self.p, min(f, 1e300)))

    @functools.cached_property
    def inverse_root(self) -> Floats:
        """float64[p, p] whose product with its transpose is (X'X)^-1 in the units of the data."""
        root = np.linalg.inv(self.triangle)
        slopes = root[int(self.intercept) :] / self.scale[:, np.newaxis]
        if not self.intercept:
            return slopes
        return np.vstack([root[0] - self.centre @ slopes, slopes])

    @property
    def unit_errors(self) -> Floats:
        """The root of the diagonal of (X'X)^-1: standard errors per unit of residual standard deviation."""
        errors: Floats = np.sqrt(np.sum(self.inverse_root**2, axis=1))
        return errors

    @property
    def standard_errors(self) -> Floats:
        """Of each coefficient, taking the residuals as independent."""
        return self.residual_sd * self.unit_errors

    @property
    def covariance(self) -> Floats:
        """float64[p, p]: s^2 (X'X)^-1, the residuals independent (GUM H.3.2)."""
        covariance: Floats = self.residual_sd**2 * (self.inverse_root @ self.inverse_root.T)
        return covariance

    @property
    def t_values(self) -> Floats:
        """Each coefficient over its standard error; 0 where both are zero."""
        errors = self.standard_errors
        with np.errstate(divide="ignore", invalid="ignore"):
            t = self.coefficients / errors
        return np.nan_to_num(t, nan=0.0, posinf=1e300, neginf=-1e300)

    @property
    def p_values(self) -> Floats:
        """Two-sided p of each coefficient with n-p degrees of freedom, taking the residuals as independent."""
        values: Floats = np.where(self.t_values == 0, 1.0, 2 * stdtr(self.n - self.p, -np.abs(self.t_values)))
        return values

    @functools.cached_property
    def vif(self) -> Floats:
        """The variance inflation of each slope by the other columns, 1/(1-R_j^2); about zero without intercept."""
        first = int(self.intercept)  # its row of R holds the means of the columns, the others their squares about these
        root, triangle = np.linalg.inv(self.triangle)[first:], self.triangle[first:, first:]
        inflation: Floats = np.sum(root**2, axis=1) * np.sum(triangle**2, axis=0)
        return inflation

    @property
    def residuals_are_zero(self) -> bool:
        """Whether the model gives every observation but for the rounding of the arithmetic."""
        return not self.residuals.any()

    def of_part(self, kept: slice | NDArray[np.int64], y: Floats) -> Fit | None:
        """The fit to the observations `kept` alone, whose y are `y`, in a third of the time of a new one; None where
        they determine some combination of the parameters far worse than all observations do.

        With the rows Q of the basis and Q'Q = C C', the orthonormal basis of what is left is Q C'^-1, its triangle
        C'R, and the solution moves by R^-1 (Q'Q)^-1 Q'e (Belsley, Kuh and Welsch 1980, of many observations).
        """
        rows, residuals = self.basis.T, self.residuals[kept]  # a row of a column's neighbours is picked soonest
        basis = (rows[:, kept] if isinstance(kept, slice) else np.take(rows, kept, axis=1)).T
        if self.condition > REFINED_FROM_CONDITION or len(y) <= self.p:
            return None
        root, failed = dpotrf(gram(basis.T), lower=True)
        inverse, _ = dtrtri(root, lower=True)
        if failed or np.max(np.sum(inverse**2, axis=0)) > 1 / LEAST_LEFT:
            return None
        moved = inverse.T @ (inverse @ (basis.T @ residuals))
        solution: Floats = self.solution + _back(self.triangle, moved)
        return dataclasses.replace(
            self,
            coefficients=_coefficients(solution, self.centre, self.scale, intercept=self.intercept),
            residuals=without_rounding(residuals - basis @ moved, y),
            y=y,
            basis=(inverse @ basis.T).T,
            triangle=root.T @ self.triangle,
            solution=solution,
        )

    def moves_without_each(self, starts: NDArray[np.int64]) -> Floats:
        """float64[parts, p]: how far the solution moves, in the basis, without each part of the observations, the first
        of which are `starts`; nan where the rest determines some combination of the parameters far worse than all do.

        Without the rows Q of the basis, whose residuals are e, it moves by -(I - Q'Q)^-1 Q'e (Cook and Weisberg 1982).
        """
        parts = np.split(np.vstack([self.basis.T, self.residuals]), starts[1:], axis=1)
        sums = np.array([part[:-1] @ part.T for part in parts])
        left = np.eye(sums.shape[1]) - sums[:, :, :-1]
        lengths = np.diff(starts, append=self.n)
        unsure = np.linalg.eigvalsh(left)[:, 0] < LEAST_LEFT
        unsure |= (self.n - lengths <= self.p) | (self.condition > REFINED_FROM_CONDITION)
        left[unsure] = np.nan
        moved: Floats = np.linalg.solve(left, -sums[:, :, -1:])[:, :, 0]
        return moved

    def predict(self, columns: Floats) -> Floats:
        """The model's y for `columns` float64[m, k], computed about the centre, where it is most accurate."""
        predicted: Floats = self.design_matrix(columns) @ self.solution
        return predicted

    def predict_sum(self, columns: Floats) -> float:
        """The sum of the predictions for `columns` float64[m, k]."""
        return float(self._total(columns) @ self.solution)

    def sum_weights(self, columns: Floats) -> Floats:
        """float64[n]: how much each observation of y moves the sum of the predictions for `columns` float64[m, k]."""
        weights: Floats = self.basis @ self.total_in_basis(columns)
        return weights

    def total_in_basis(self, columns: Floats) -> Floats:
        """float64[p]: the sum of what `rows_in_basis` gives for `columns` float64[m, k]."""
        return _back(self.triangle, self._total(columns), transposed=True)

    def rows_in_basis(self, columns: Floats) -> Floats:
        """float64[m, p]: the rows that `columns` float64[m, k] would add to the basis; those of the fit are its own."""
        rows: Floats = _back(self.triangle, self.design_matrix(columns).T, transposed=True).T
        return rows

    def _total(self, columns: Floats) -> Floats:
        """The sum of the rows of the design matrix."""
        slopes = (np.sum(columns, axis=0) - len(columns) * self.centre) / self.scale
        total: Floats = np.append(float(len(columns)), slopes) if self.intercept else slopes
        return total

    def design_matrix(self, columns: Floats) -> Floats:
        """float64[m, p]: the columns about the centre, in units of the scale, with the intercept; times `solution` it
        is the prediction.
        """
        return _design(columns, self.centre, self.scale, intercept=self.intercept)


def fit_linear(columns: Floats, y: Floats, names: Sequence[str], *, intercept: bool = True) -> Fit | Finding:
    """Fit y float64[n] on columns float64[n, k] (finite; names[k]), or say why no coefficient can be trusted."""
    n, k = columns.shape
    p = k + intercept
    if n <= p:
        return Finding.of("MODEL_TOO_LARGE", n=n, p=p)
    centre = np.mean(columns, axis=0) if intercept else np.zeros(k)
    spread = np.sqrt([column @ column / n for column in (columns - centre).T])
    for name, width, middle in zip(names, spread.tolist(), centre.tolist(), strict=True):
        if width <= CONSTANT_SPREAD * (width + abs(middle)):
            return Finding.of("DRIVER_CONSTANT", driver=name)
    scale = np.exp2(np.rint(np.log2(spread)))
    centre = np.rint(centre / scale * CENTRE_STEPS) * scale / CENTRE_STEPS
    design = _design(columns, centre, scale, intercept=intercept)
    basis, triangle = _qr(design)
    condition = float(np.linalg.cond(triangle))
    if not condition <= MAX_CONDITION:
        return Finding.of("ILL_CONDITIONED", condition=f"{condition:.1e}")
    level = _level(y) if intercept else 0.0
    above = y - level
    solution, residuals = _solve(design, basis, triangle, above, condition)
    residuals = without_rounding(residuals, y)
    coefficients = _coefficients(solution, centre, scale, intercept=intercept, level=level)
    if intercept:
        solution[0] += level
    if not residuals.any():  # a term of which nothing is seen in y is rounding, too
        sizes = np.max(np.abs(columns), axis=0, initial=0.0)
        sizes = np.append(1.0, sizes) if intercept else sizes
        coefficients[np.abs(coefficients) * sizes <= ZERO_RESIDUALS * largest(y)] = 0.0
    return Fit(
        names=tuple(names),
        intercept=intercept,
        coefficients=coefficients,
        residuals=residuals,
        y=y,
        centre=centre,
        scale=scale,
        basis=basis,
        triangle=triangle,
        solution=solution,
    )


def without_rounding(differences: Floats, y: Floats) -> Floats:
    """What is left of y float64[n]: zero where all of it is no more than the rounding of the arithmetic, which is no
    noise.
    """
    return np.zeros_like(differences) if largest(differences) <= ZERO_RESIDUALS * largest(y) else differences


def largest(values: Floats) -> float:
    """The largest of some values without their signs; 0 of none."""
    return max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))


def _level(y: Floats) -> float:
    """The mean of y float64[n] where no y is further from it than half of it: subtracting it then loses no digit
    (Sterbenz), and small differences between large values keep theirs. Else 0.
    """
    mean = float(np.mean(y))
    furthest = max(float(np.max(y)) - mean, mean - float(np.min(y)))
    return mean if furthest <= abs(mean) / 2 else 0.0


def gram(rows: Floats) -> Floats:
    """float64[k, k]: the products of every two of k rows. Of few long ones a general product makes them in a third of
    the time that the symmetric one takes, which numpy turns to for a matrix and its own transpose.
    """
    return np.vstack([rows[:1] @ rows.T, rows[1:] @ rows.T])


def _design(columns: Floats, centre: Floats, scale: Floats, *, intercept: bool) -> Floats:
    design = np.empty((len(columns), columns.shape[1] + intercept), order="F")
    if intercept:
        design[:, 0] = 1.0
    slopes = design[:, int(intercept) :]
    np.subtract(columns, centre, out=slopes)
    slopes /= scale
    return design


def _qr(design: Floats) -> tuple[Floats, Floats]:
    """Q float64[n, p] and R of a matrix that lies in memory by the column."""
    p = design.shape[1]
    reflectors, factors, _, _ = dgeqrf(design, lwork=BLOCK * p)
    triangle = np.triu(reflectors[:p])
    basis, _, _ = dorgqr(reflectors, factors, lwork=BLOCK * p, overwrite_a=True)
    return basis, triangle


def _solve(design: Floats, basis: Floats, triangle: Floats, y: Floats, condition: float) -> tuple[Floats, Floats]:
    """Solution and residuals of min |y - X b|. One plain step of refinement where that gives all digits; else Bjorck's
    refinement of the augmented system r + X b = y, X'r = 0, whose right-hand sides are computed in twice the
    precision.
    """
    solution = _back(triangle, basis.T @ y)
    if condition <= REFINED_FROM_CONDITION:
        solution = solution + _back(triangle, basis.T @ (y - design @ solution))
        return solution, y - design @ solution
    low: Floats = np.zeros_like(solution)  # the part of the solution below its last digit
    residuals: Floats = y - design @ solution
    for _ in range(REFINEMENT_STEPS):
        first = _residual(y, residuals, design, solution, low)
        second = -_dots(design, residuals)
        orthogonal = _back(triangle, second, transposed=True)
        inside = basis.T @ first
        solution, error = _two_sum(solution, _back(triangle, inside - orthogonal))
        np.add(low, error, out=low)
        np.add(residuals, first - basis @ (inside - orthogonal), out=residuals)
    return solution, residuals


def _back(triangle: Floats, right: Floats, *, transposed: bool = False) -> Floats:
    """The solution of the system of an upper triangle, or of its transpose."""
    solution: Floats = dtrtrs(triangle, right, trans=int(transposed))[0]
    return solution


def _residual(y: Floats, residuals: Floats, design: Floats, solution: Floats, low: Floats) -> Floats:
    """y - r - X (b + low) in twice the precision."""
    total, rest = _two_sum(y, -residuals)
    for column, value in zip(design.T, solution, strict=True):
        product, error = _two_product(column, -value)
        total, carry = _two_sum(total, product)
        rest += carry + error
    result: Floats = total + (rest - design @ low)
    return result


def _dots(design: Floats, vector: Floats) -> Floats:
    """X'v with each product split exactly and the sums rounded once."""
    sums = []
    for column in design.T:
        product, error = _two_product(column, vector)
        sums.append(math.fsum([*product, *error]))
    return np.array(sums)


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Knuth: a + b as a rounded sum and its exact error."""
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)


def _two_product(a: Floats, b: Floats | float) -> tuple[Floats, Floats]:
    """Dekker: a * b as a rounded product and its exact error."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(value: Floats | float) -> tuple[Floats, Floats]:
    """Veltkamp: the upper 26 bits and the rest."""
    scaled = np.asarray(value) * 134217729.0  # 2^27 + 1
    high = scaled - (scaled - value)
    return high, value - high


def _coefficients(solution: Floats, centre: Floats, scale: Floats, *, intercept: bool, level: float = 0.0) -> Floats:
    """The solution in the units of the data, of y less `level`."""
    slopes: Floats = solution[int(intercept) :] / scale
    return np.append(_intercept(solution[0], level, slopes, centre), slopes) if intercept else slopes


def _intercept(at_centre: float, level: float, slopes: Floats, centre: Floats) -> float:
    """The intercept at zero, from the value at the centre: one sum, rounded once."""
    product, error = _two_product(-slopes, centre)
    return math.fsum([at_centre, level, *product, *error])
