"""The search for heating and cooling change points: 3P, 4P and 5P models (ASHRAE Guideline 14, RP-1050).

Deterministic: every candidate of a grid between two quantiles of the temperature is tried, then a finer grid around the
best, all weighed at once by what each explains of y once the other columns are taken out; from there Newton's
steps lead to the least squares themselves (Muggeo 2003). A searched point costs a degree of freedom. In order of the
temperature all that a hinge multiplies to is a difference of running sums, so that a candidate costs a look-up.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import operator
from typing import NamedTuple, Self

import numpy as np

from verification.engine.models.design import Hinge
from verification.engine.models.linear import ZERO_RESIDUALS
from verification.engine.models.sample import Booleans, Floats, Sample

CANDIDATES = 41
FINE_CANDIDATES = 21
SEARCHED_INTERVALS = 2000  # of a longer series every second, third, ... is searched, and all are fitted
EDGE_QUANTILE = 0.05  # a change point needs at least this share of the intervals on either side
STEPS, HALVINGS = 10, 6  # of the last approach, and of a step that leads away
ARRIVED = 1e-9  # of the searched range: a step so small changes no digit
ALIKE = 1e-9  # sums of squares that differ by less: the last step must not hang on how a machine rounds them
ROUNDING = 1e-13  # of the squares before: what running sums cannot tell of those that are left
DEPENDENT = 1e-9  # of its squares: a column of which others leave less is one of theirs
POINT_DIGITS = 8  # of the searched range: finer than any thermometer, and alike on every machine
SHAPES = (("heating",), ("cooling",), ("both",), ("heating", "cooling"))  # 3P heating, 3P cooling, 4P, 5P
Shape = tuple[str, ...]


def search(sample: Sample, temperature: str, others: Floats) -> tuple[Hinge, ...]:
    """The hinges of the shape with the smallest Bayesian information criterion, searched points counted; none where
    the temperature does not vary. `others` float64[n, k] are the model's other columns, without the intercept.
    """
    every = slice(None, None, math.ceil(len(sample) / SEARCHED_INTERVALS))
    searched, others = sample.take(every), others[every]
    degrees, y, n = searched.column(temperature), searched.y, len(searched)
    low, high = (float(value) for value in np.quantile(degrees, [EDGE_QUANTILE, 1 - EDGE_QUANTILE]))
    if not high > low:
        return ()
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n), others - others.mean(axis=0)]))
    remainder = _without(y, basis)
    ends = _Ends.of(degrees, low, high, remainder, basis)
    grid = np.linspace(low, high, CANDIDATES)
    step = float(grid[1] - grid[0])
    coarse = _Candidates(ends, grid, grid)
    places = POINT_DIGITS - math.ceil(math.log10(high - low))
    rounding = max(n * (ZERO_RESIDUALS * float(np.linalg.norm(y))) ** 2, np.finfo(float).tiny)
    best: tuple[float, tuple[Hinge, ...]] | None = None
    for shape in SHAPES:
        around = [
            np.clip(np.linspace(point - step, point + step, FINE_CANDIDATES), low, high) for point in coarse.best(shape)
        ]
        start = _Candidates(ends, around[0], around[-1]).best(shape)
        points = [round(point, places) for point in _approached(shape, start, ends)]
        hinges = _hinges(shape, points, temperature)
        terms = np.array([hinge.values(searched) for hinge in hinges]).T
        left = _without(remainder - terms @ _Bend.at(shape, points, ends).slopes, basis)
        criterion = n * math.log(max(float(left @ left), rounding)) + (len(points) + len(hinges)) * math.log(n)
        if best is None or criterion < best[0]:
            best = criterion, hinges
    return best[1] if best else ()


def searched_points(hinges: tuple[Hinge, ...]) -> int:
    """How many points the search chose: two hinges at one point count once."""
    return len({hinge.point for hinge in hinges})


def _hinges(shape: Shape, points: list[float], temperature: str) -> tuple[Hinge, ...]:
    each = zip(_kinds(shape), itertools.cycle(points), strict=False)
    return tuple(Hinge(temperature, point, below=kind == "heating") for kind, point in each)


def _kinds(shape: Shape) -> Shape:
    return ("heating", "cooling") if shape == ("both",) else shape


def _without(values: Floats, basis: Floats) -> Floats:
    """`values` less their projection on `basis`."""
    rest: Floats = values - basis @ (basis.T @ values)
    return rest


@dataclasses.dataclass(frozen=True, eq=False)
class _End:
    """The intervals from one end of the temperature on: `degrees` float64[n], in order, are beyond the `middle`, and
    from the warm end counted downwards (`sign`). `sums` float64[n+1, 3+k] are running sums of ones, degrees, the
    remainder and the basis of the other columns, and `moments` the same, each times its degrees.
    """

    sign: int
    middle: float
    degrees: Floats
    sums: Floats
    moments: Floats

    @classmethod
    def of(cls, sign: int, middle: float, degrees: Floats, rows: Floats) -> Self:
        """The running sums; `rows` float64[n, 1+k] are the remainder and the basis."""
        table = np.column_stack([np.ones(len(rows)), degrees, rows])
        sums, moments = np.zeros((2, len(table) + 1, table.shape[1]))
        np.cumsum(table, axis=0, out=sums[1:])
        np.cumsum(table * degrees[:, np.newaxis], axis=0, out=moments[1:])
        return cls(sign, middle, degrees, sums, moments)

    def hinge(self, point: float) -> tuple[float, list[float], list[float]]:
        """`hinges` at one point, in numbers so few that lists are quicker than arrays."""
        ahead = self.sign * (point - self.middle)
        first = int(self.degrees.searchsorted(ahead))
        growth = self.sums[first].tolist()
        hinge = [ahead * sum_ - moment for sum_, moment in zip(growth, self.moments[first].tolist(), strict=True)]
        return ahead * hinge[0] - hinge[1], hinge, growth

    def hinges(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Of hinges at `points` float64[...]: their squares, and the products, float64[..., 3+k], of each of the rows
        with a hinge, and with what it grows by where its point moves away from the end: one, as far as the point.
        """
        ahead = self.sign * (points - self.middle)
        first = self.degrees.searchsorted(ahead)
        growth: Floats = self.sums[first]
        hinge: Floats = ahead[..., np.newaxis] * growth - self.moments[first]
        return ahead * hinge[..., 0] - hinge[..., 1], hinge, growth


@dataclasses.dataclass(frozen=True, eq=False)
class _Ends:
    """The cold end, from which hinges of heating stand, and the warm one, for cooling; the points between which change
    points are sought, and the sum of the squares that they are to explain.
    """

    cold: _End
    warm: _End
    low: float
    high: float
    squares: float

    @classmethod
    def of(cls, degrees: Floats, low: float, high: float, remainder: Floats, basis: Floats) -> Self:
        """The ends of `degrees` float64[n], with what hinges are multiplied with: `remainder` and `basis`."""
        order, middle = np.argsort(degrees, kind="stable"), (low + high) / 2
        ahead, rows = degrees[order] - middle, np.column_stack([remainder, basis])[order]
        return cls(
            _End.of(1, middle, ahead, rows),
            _End.of(-1, middle, -ahead[::-1], rows[::-1]),
            low,
            high,
            float(remainder @ remainder),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class _Candidates:
    """Points for a heating and for a cooling hinge, float64[m] each, and what is left of these hinges once the other
    columns are taken out: made when the first shape asks for it.
    """

    ends: _Ends
    heating: Floats
    cooling: Floats

    @functools.cached_property
    def _below(self) -> tuple[Floats, Floats, Floats]:
        return _less_others(self.ends.cold, self.heating)

    @functools.cached_property
    def _above(self) -> tuple[Floats, Floats, Floats]:
        return _less_others(self.ends.warm, self.cooling)

    @functools.cached_property
    def _pairs(self) -> Floats:
        """What each pair of a heating and a cooling hinge explains, by the two normal equations."""
        (a, u, taken), (b, v, taken_above) = self._below, self._above
        a, u, c = a[:, np.newaxis], u[:, np.newaxis], -taken @ taken_above.T  # no interval is beyond both points
        determinant = a * b - c**2
        return _ratio(b * u**2 - 2 * c * u * v + a * v**2, determinant, determinant > DEPENDENT * a * b)

    def best(self, shape: Shape) -> list[float]:
        """The point, or pair of points (heating below cooling), that explains most of the remainder's squares."""
        if shape == ("heating",):
            return [float(self.heating[np.argmax(_one(*self._below[:2]))])]
        if shape == ("cooling",):
            return [float(self.cooling[np.argmax(_one(*self._above[:2]))])]
        if shape == ("both",):
            return [float(self.heating[np.argmax(np.diag(self._pairs))])]
        explained = np.where(self.heating[:, np.newaxis] < self.cooling, self._pairs, -np.inf)
        row, column = np.unravel_index(int(np.argmax(explained)), explained.shape)
        return [float(self.heating[row]), float(self.cooling[column])]


def _less_others(end: _End, points: Floats) -> tuple[Floats, Floats, Floats]:
    """Of hinges at `points` float64[m], less the other columns: their squares (zero where nothing is left), products
    with the remainder, and what was taken out, float64[m, k] in units of the basis.
    """
    squares, hinge, _ = end.hinges(points)
    taken = hinge[:, 3:]
    left = squares - np.sum(taken**2, axis=1)
    return np.where(left > DEPENDENT * squares, left, 0.0), hinge[:, 2], taken


def _one(squares: Floats, products: Floats) -> Floats:
    """What each hinge explains of the remainder's sum of squares."""
    return _ratio(products**2, squares, squares > 0)


def _ratio(numerator: Floats, denominator: Floats, where: Booleans) -> Floats:
    ratio: Floats = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=where)
    return ratio


class _Bend(NamedTuple):
    """The least squares of one shape at given points: the `slopes` of its hinges, what they explain of the remainder's
    squares, and how far each point would have to move by the tangent there (Gauss and Newton). Of numbers so few that
    lists are quicker than arrays.
    """

    slopes: list[float]
    explained: float
    step: list[float]

    @classmethod
    def at(cls, shape: Shape, points: list[float], ends: _Ends) -> Self:
        """Solve the normal equations of the hinges of `shape`, and then of what they grow by with their points."""
        own = [ends.cold if kind == "heating" else ends.warm for kind in _kinds(shape)]
        found = [end.hinge(point) for end, point in zip(own, itertools.cycle(points), strict=False)]
        k = len(found)
        rows = [hinge for _, hinge, _ in found] + [growth for _, _, growth in found]
        sizes = [squares for squares, _, _ in found] + [row[0] for row in rows[k:]]
        others = [row[3:] for row in rows]
        equations = [[*[0.0] * len(rows), row[2]] for row in rows]
        for index, own_share in enumerate(others):
            for before in range(index + 1):
                equations[index][before] = equations[before][index] = -_dot(own_share, others[before])
        for index, size in enumerate(sizes):  # no interval is beyond the points of both ends
            equations[index][index] += size
            equations[index][(index + k) % (2 * k)] += rows[index % k][0]
        _eliminate(equations, sizes[:k])
        slopes = [equation[-1] for equation in equations[:k]]
        moving = [end.sign * slope for end, slope in zip(own, slopes, strict=True)]
        tangent = [
            [*(mine * value * other for value, other in zip(equation[k:-1], moving, strict=True)), mine * equation[-1]]
            for mine, equation in zip(moving, equations[k:], strict=True)
        ]
        sizes = [mine**2 * size for mine, size in zip(moving, sizes[k:], strict=True)]
        if len(points) == 1:  # which both hinges move with
            tangent, sizes = [[sum(sum(row[:-1]) for row in tangent), sum(row[-1] for row in tangent)]], [sum(sizes)]
        _eliminate(tangent, sizes)
        return cls(slopes, _dot(slopes, [row[2] for row in rows[:k]]), [row[-1] for row in tangent])


def _dot(a: list[float], b: list[float]) -> float:
    return math.fsum(map(operator.mul, a, b))


def _eliminate(equations: list[list[float]], sizes: list[float]) -> None:
    """Solve `equations` for the first of their unknowns (Gauss and Jordan), whose columns are of these `sizes`; nothing
    is asked of one of which others leave less than a share.
    """
    for index, size in enumerate(sizes):
        row, pivot = equations[index], equations[index][index]
        row = [value / pivot for value in row] if pivot > DEPENDENT * size else [0.0] * len(row)
        for other, equation in enumerate(equations):
            share = equation[index]
            equations[other] = [value - share * each for value, each in zip(equation, row, strict=True)]
        equations[index] = row


def _approached(shape: Shape, at: list[float], ends: _Ends) -> list[float]:
    """The points at which the sum of squares is least, sought from `at`."""
    bend = _Bend.at(shape, at, ends)
    for _ in range(STEPS):
        alike = ALIKE * (ends.squares - bend.explained) + ROUNDING * ends.squares
        for halving in range(HALVINGS):
            moves = zip(at, bend.step, strict=True)
            moved = [min(max(point + step / 2**halving, ends.low), ends.high) for point, step in moves]
            there = _Bend.at(shape, moved, ends)
            if there.explained >= bend.explained - alike and moved == sorted(set(moved)):
                break
        else:
            break
        arrived = max(abs(there - here) for there, here in zip(moved, at, strict=True))
        at, bend = moved, there
        if arrived <= ARRIVED * (ends.high - ends.low):
            break
    return at
