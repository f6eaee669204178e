"""How often change points suspect a steady window, and how large a shift of level they find; `make coverage` runs it.

python -m tests.coverage.change_points [--runs 500] [--write FILE]

A window is the noise of a line about its model, AR(1) with marginal standard deviation one; its level shifts at an
interval drawn from the middle half of the window, or rises there and falls back a third of a window later.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys

import numpy as np

from tests.coverage.command import REFERENCE, Page, make
from tests.coverage.table import most
from tests.verification.engine.samples import ar1
from verification.engine.robustness.change_points import change_points

PAGE = REFERENCE / "change-points.md"
RHOS, LENGTHS, SHIFTS, RISES = (0.0, 0.3, 0.6, 0.9), (90, 365), (1.0, 2.0, 3.0), (3.0, 8.0)
MOST_SUSPECTED = 0.02  # of steady windows: what docs/explanation/methods.md promises
NEAR_SHARE = 20  # a change point within a twentieth of the window from the shift is that shift
RUNS = 500
INTRODUCTION = """\
# How often change points are found

Made by `make coverage` (this page alone: `python -m tests.coverage.change_points`): {runs} windows of simulated
noise for each figure, AR(1) with `rho`, `n` intervals long. The level shifts at an interval of the middle half of the
window, by so many standard deviations of the noise, or rises by so many and falls back a third of a window later.
Standard error of a percentage near 1: {error:.1f}. A smaller table runs in `make test`
(`tests/coverage/test_change_points.py`), with a limit that follows from its own number of runs.

- **suspected**: steady windows with a change point (%). At most {limit:g}, and simulation error on top.
- **1, 2, 3 sd**: shifts of that size of which a change point is found within a twentieth of the window (%).
- **3, 8 sd and back**: rises of that size of which both ends are found so (%).

| rho | n | suspected | 1 sd | 2 sd | 3 sd | 3 sd and back | 8 sd and back |
|---|---|---|---|---|---|---|---|
"""


@dataclasses.dataclass(frozen=True)
class Tally:
    """Of `runs` windows without and with each shift or rise: how many are suspected, and how many are found."""

    rho: float
    n: int
    runs: int
    suspected: int
    found: tuple[int, ...]
    rises: tuple[int, ...]

    @property
    def line(self) -> str:
        """One row of the table."""
        shares = [f"{100 * count / self.runs:.1f}" for count in (self.suspected, *self.found, *self.rises)]
        return f"| {' | '.join([f'{self.rho:g}', str(self.n), *shares])} |"

    @property
    def is_within_limits(self) -> bool:
        """Whether no more steady windows are suspected than the promise and chance allow."""
        return self.suspected <= most(self.runs, MOST_SUSPECTED)


def tally(cell: tuple[float, int], runs: int) -> Tally:
    """One row: `runs` windows for each of its figures."""
    rho, n = cell
    seeds = range(runs)
    suspected = sum(bool(points) for _, points in (_shifted(rho, n, 0.0, seed) for seed in seeds))
    found = [sum(_are_found(n, *_shifted(rho, n, shift, seed)) for seed in seeds) for shift in SHIFTS]
    rises = [sum(_are_found(n, *_raised(rho, n, rise, seed)) for seed in seeds) for rise in RISES]
    return Tally(rho, n, runs, suspected, tuple(found), tuple(rises))


def _are_found(n: int, shifts: list[int], points: list[int]) -> bool:
    return all(any(abs(point - at) * NEAR_SHARE <= n for point in points) for at in shifts)


def _shifted(rho: float, n: int, shift: float, seed: int) -> tuple[list[int], list[int]]:
    """Where the level of a window shifts, and what is found."""
    rng, series = _steady(rho, n, seed)
    at = int(rng.integers(n // 4, 3 * n // 4))
    series[at:] += shift
    return [at], change_points(series, np.ones(n - 1, dtype=bool))


def _raised(rho: float, n: int, rise: float, seed: int) -> tuple[list[int], list[int]]:
    """Where the level of a window rises and falls back, and what is found."""
    rng, series = _steady(rho, n, seed)
    start = int(rng.integers(n // 4, n // 2))
    end = start + n // 3
    series[start:end] += rise
    return [start, end], change_points(series, np.ones(n - 1, dtype=bool))


def _steady(rho: float, n: int, seed: int) -> tuple[np.random.Generator, np.ndarray]:
    rng = np.random.default_rng([seed, n, round(10 * rho)])
    return rng, ar1(rng, n, rho, 1.0)


def page(tallies: list[Tally]) -> str:
    """docs/reference/change-points.md."""
    runs = tallies[0].runs
    head = INTRODUCTION.format(runs=runs, error=100 * (0.01 * 0.99 / runs) ** 0.5, limit=100 * MOST_SUSPECTED)
    return head + "".join(f"{each.line}\n" for each in tallies)


if __name__ == "__main__":
    made = Page(PAGE, itertools.product(RHOS, LENGTHS), RUNS, tally, page)
    sys.exit(make(made, "tests.coverage.change_points", __doc__.splitlines()[0]))
