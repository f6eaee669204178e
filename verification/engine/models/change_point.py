"""The search for heating and cooling change points: 3P, 4P and 5P models (ASHRAE Guideline 14, RP-1050).

Deterministic: every candidate of a grid between two quantiles of the temperature is tried, then a finer grid around the
best, all weighed at once by what each explains of y once the other columns are taken out; from there Newton's
steps lead to the least squares themselves (Muggeo 2003). A searched point costs a degree of freedom.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from verification.engine.models.design import Hinge
from verification.engine.models.linear import ZERO_RESIDUALS
from verification.engine.models.sample import Floats, Sample

CANDIDATES = 41
FINE_CANDIDATES = 21
SEARCHED_INTERVALS = 2000  # of a longer series every second, third, ... is searched, and all are fitted
EDGE_QUANTILE = 0.05  # a change point needs at least this share of the intervals on either side
STEPS, HALVINGS = 10, 6  # of the last approach, and of a step that leads away
ARRIVED = 1e-9  # of the searched range: a step so small changes no digit
ALIKE = 1e-9  # sums of squares that differ by less: the last step must not hang on how a machine rounds them
POINT_DIGITS = 8  # of the searched range: finer than any thermometer, and alike on every machine
SHAPES = (("heating",), ("cooling",), ("both",), ("heating", "cooling"))  # 3P heating, 3P cooling, 4P, 5P
Shape = tuple[str, ...]


def search(sample: Sample, temperature: str, others: Floats) -> tuple[Hinge, ...]:
    """The hinges of the shape with the smallest Bayesian information criterion, searched points counted; none where
    the temperature does not vary. `others` float64[n, k] are the model's other columns, without the intercept.
    """
    every = math.ceil(len(sample) / SEARCHED_INTERVALS)
    degrees, y, others = sample.column(temperature)[::every], sample.y[::every], others[::every]
    low, high = (float(value) for value in np.quantile(degrees, [EDGE_QUANTILE, 1 - EDGE_QUANTILE]))
    if not high > low:
        return ()
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(y)), others - others.mean(axis=0)]))
    remainder = _without(y, basis)
    grid = np.linspace(low, high, CANDIDATES)
    step = float(grid[1] - grid[0])
    coarse = _Candidates(degrees, basis, remainder, grid, grid)
    rounding = max(len(y) * (ZERO_RESIDUALS * float(np.linalg.norm(y))) ** 2, np.finfo(float).tiny)
    best: tuple[float, tuple[Hinge, ...]] | None = None
    for shape in SHAPES:
        around = [
            np.clip(np.linspace(point - step, point + step, FINE_CANDIDATES), low, high) for point in coarse.best(shape)
        ]
        points = dataclasses.replace(coarse, heating=around[0], cooling=around[-1]).best(shape)
        points = _approached(shape, points, degrees, basis, remainder, (low, high))
        squares = _Bend.at(shape, points, degrees, basis, remainder).squares
        n, parameters = len(y), 2 * len(shape) + (shape == ("both",))
        criterion = n * math.log(max(squares, rounding)) + parameters * math.log(n)
        if best is None or criterion < best[0]:
            best = criterion, tuple(_hinges(shape, points, temperature))
    return best[1] if best else ()


def _hinges(shape: Shape, points: tuple[float, ...], temperature: str) -> list[Hinge]:
    if shape == ("both",):
        return [Hinge(temperature, points[0], below=True), Hinge(temperature, points[0], below=False)]
    return [Hinge(temperature, point, below=kind == "heating") for kind, point in zip(shape, points, strict=True)]


@dataclasses.dataclass(frozen=True, eq=False)
class _Bend:
    """The least squares of one shape at given points: what is `left` of the remainder, float64[n]; the hinges' `terms`
    and by what each point's own move would change their sum, float64[n, k], less the other columns.
    """

    left: Floats
    terms: Floats
    moving: Floats

    @classmethod
    def at(cls, shape: Shape, points: Sequence[float], degrees: Floats, basis: Floats, remainder: Floats) -> Self:
        """Fit the hinges of `shape` to `remainder`, from which the other columns, spanned by `basis`, are taken."""
        hinges = _hinges(shape, tuple(points), "")
        below = np.array([hinge.below for hinge in hinges])
        distances = np.array([degrees - hinge.point for hinge in hinges]).T
        distances = np.where(below, -distances, distances)
        terms = _without(np.maximum(distances, 0.0), basis)
        slopes = np.linalg.lstsq(terms, remainder, rcond=None)[0]
        moving = np.where(distances > 0, np.where(below, slopes, -slopes), 0.0)  # by which a degree moves each hinge
        by_point = moving.sum(axis=1, keepdims=True) if shape == ("both",) else moving
        return cls(remainder - terms @ slopes, terms, _without(by_point, basis))

    @functools.cached_property
    def squares(self) -> float:
        """The sum of the squares left over."""
        return float(self.left @ self.left)

    @functools.cached_property
    def step(self) -> Floats:
        """How far each point would have to move by the tangent there (Gauss and Newton)."""
        tangent = np.column_stack([self.terms, self.moving])
        moves: Floats = np.linalg.lstsq(tangent, self.left, rcond=None)[0][self.terms.shape[1] :].astype(np.float64)
        return moves


def _approached(
    shape: Shape,
    points: tuple[float, ...],
    degrees: Floats,
    basis: Floats,
    remainder: Floats,
    bounds: tuple[float, float],
) -> tuple[float, ...]:
    """The points at which the sum of squares is least, sought from `points`."""
    low, high = bounds
    at, bend = np.array(points), _Bend.at(shape, points, degrees, basis, remainder)
    for _ in range(STEPS):
        for halving in range(HALVINGS):
            moved = np.clip(at + bend.step / 2**halving, low, high)
            there = _Bend.at(shape, moved.tolist(), degrees, basis, remainder)
            if there.squares <= (1 + ALIKE) * bend.squares and bool(np.all(np.diff(moved) > 0)):
                break
        else:
            break
        arrived = bool(np.max(np.abs(moved - at)) <= ARRIVED * (high - low))
        at, bend = moved, there
        if arrived:
            break
    places = POINT_DIGITS - math.ceil(math.log10(high - low))
    return tuple(round(point, places) for point in at.tolist())


@dataclasses.dataclass(frozen=True, eq=False)
class _Candidates:
    """Points for a heating and for a cooling term, and what is left of these terms, float64[n, points], once the other
    columns are taken out: made when the first shape asks for it.
    """

    degrees: Floats
    basis: Floats
    remainder: Floats
    heating: Floats
    cooling: Floats

    @functools.cached_property
    def _below(self) -> Floats:
        return _without(_terms(self.degrees, self.heating, below=True), self.basis)

    @functools.cached_property
    def _above(self) -> Floats:
        return _without(_terms(self.degrees, self.cooling, below=False), self.basis)

    @functools.cached_property
    def _pairs(self) -> Floats:
        return _two(self._below, self._above, self.remainder)

    def best(self, shape: Shape) -> tuple[float, ...]:
        """The point, or pair of points (heating below cooling), that explains most of the remainder's squares."""
        if shape == ("heating",):
            return (float(self.heating[np.argmax(_one(self._below, self.remainder))]),)
        if shape == ("cooling",):
            return (float(self.cooling[np.argmax(_one(self._above, self.remainder))]),)
        if shape == ("both",):
            return (float(self.heating[np.argmax(np.diag(self._pairs))]),)
        allowed: NDArray[np.bool_] = self.heating[:, np.newaxis] < self.cooling[np.newaxis, :]
        if not allowed.any():
            return float(self.heating[0]), float(self.cooling[-1])
        explained = np.where(allowed, self._pairs, -np.inf)
        row, column = np.unravel_index(int(np.argmax(explained)), explained.shape)
        return float(self.heating[row]), float(self.cooling[column])


def _terms(degrees: Floats, points: Floats, *, below: bool) -> Floats:
    distance = degrees[:, np.newaxis] - points
    terms: Floats = np.maximum(-distance if below else distance, 0.0)
    return terms


def _without(values: Floats, basis: Floats) -> Floats:
    """`values` less their projection on `basis`."""
    rest: Floats = values - basis @ (basis.T @ values)
    return rest


def _one(columns: Floats, remainder: Floats) -> Floats:
    """What each column explains of the remainder's sum of squares."""
    lengths = np.sum(columns**2, axis=0)
    products = columns.T @ remainder
    explained: Floats = np.divide(products**2, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return explained


def _two(first: Floats, second: Floats, remainder: Floats) -> Floats:
    """What each pair of a first and a second column explains, by the two normal equations."""
    a, b = np.sum(first**2, axis=0)[:, np.newaxis], np.sum(second**2, axis=0)[np.newaxis, :]
    c = first.T @ second
    u, v = (first.T @ remainder)[:, np.newaxis], (second.T @ remainder)[np.newaxis, :]
    determinant = a * b - c**2
    numerator = b * u**2 - 2 * c * u * v + a * v**2
    explained: Floats = np.divide(
        numerator, determinant, out=np.zeros_like(determinant), where=determinant > 1e-9 * a * b
    )
    return explained


def searched_points(hinges: tuple[Hinge, ...]) -> int:
    """How many points the search chose: two hinges at one point count once."""
    return len({hinge.point for hinge in hinges})
