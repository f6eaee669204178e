"""The figures of a cell, the limits that they must keep to, and the page that shows them.

A limit on a probability is tested against the number of runs: it is broken where a line that just keeps to it would
come out worse once in a thousand.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import median

from scipy.stats import binom

from tests.coverage.grid import EFFECT, LIMIT, Cell, Outcome

MOST_WRONG = 0.05  # conclusive, and U95 misses the truth
LEAST_COVERAGE, MOST_COVERAGE = 0.93, 0.97  # where nearly every run is conclusive
NEARLY_ALL = 0.99
MOST_CERTIFIED = 0.025  # of lines without any effect
CHANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Tally:
    """The counts of one cell."""

    cell: Cell
    runs: int
    conclusive: int
    wrong: int
    decided: int
    certified: int
    width: float

    @property
    def coverage(self) -> float:
        """The share of conclusive runs whose interval holds the truth."""
        return 1 - self.wrong / self.conclusive if self.conclusive else math.nan

    @property
    def line(self) -> str:
        """The cell as one row of the table."""
        cell, percent = self.cell, 100 / self.runs
        shown = [
            cell.method, f"{cell.rho:g}", f"{cell.n}", cell.load, cell.meters,
            f"{self.conclusive * percent:.1f}", f"{100 * self.coverage:.1f}", f"{self.wrong * percent:.1f}",
            f"{self.certified * percent:.1f}",
            f"{100 - self.conclusive * percent:.1f}", f"{100 - self.decided * percent:.1f}", f"{self.width:.0f}",
        ]  # fmt: skip
        return f"| {' | '.join(shown)} |"

    def broken(self) -> list[str]:
        """The limits that this cell breaks by more than chance."""
        found = []
        if self.wrong > most(self.runs, MOST_WRONG):
            found.append(f"{self.line}: conclusive and wrong in {self.wrong} of {self.runs}")
        if self.certified > most(self.runs, MOST_CERTIFIED):
            found.append(f"{self.line}: certified for nothing in {self.certified} of {self.runs}")
        if self.conclusive >= NEARLY_ALL * self.runs:
            covered = self.conclusive - self.wrong
            if not least(self.conclusive, LEAST_COVERAGE) <= covered <= most(self.conclusive, MOST_COVERAGE):
                found.append(f"{self.line}: covered in {covered} of {self.conclusive}")
        if self.cell.rho <= 0.6 and self.cell.n >= 90 and self.conclusive < self.runs:
            found.append(f"{self.line}: needlessly inconclusive in {self.runs - self.conclusive} of {self.runs}")
        return found


def most(runs: int, probability: float) -> int:
    """The most that `probability` explains in `runs`, but for once in a thousand."""
    return int(binom.ppf(1 - CHANCE, runs, probability))


def least(runs: int, probability: float) -> int:
    """The least that `probability` explains in `runs`, but for once in a thousand."""
    return int(binom.ppf(CHANCE, runs, probability))


def tally(cell: Cell, outcomes: Sequence[Outcome]) -> Tally:
    """The counts of the runs of a cell."""
    conclusive = [outcome for outcome in outcomes if outcome.conclusive]
    return Tally(
        cell=cell,
        runs=len(outcomes),
        conclusive=len(conclusive),
        wrong=sum(not outcome.covers for outcome in conclusive),
        decided=sum(outcome.decided for outcome in conclusive),
        certified=sum(outcome.certified for outcome in outcomes),
        width=median(outcome.width for outcome in conclusive) if conclusive else math.nan,
    )


def page(tallies: Sequence[Tally]) -> str:
    """docs/reference/coverage.md."""
    runs = tallies[0].runs
    error = 100 * math.sqrt(MOST_WRONG * (1 - MOST_WRONG) / runs)
    broken = [reason for each in tallies for reason in each.broken()]
    head = f"""# How often the interval holds the truth

Made by `make coverage`: {runs:,} simulated lines in each of {len(tallies)} cells, judged by the engine's own numerics
with every check that can turn a verdict: the whole panel, each month and the heaviest interval left out. Standard
error of a percentage near 5: {error:.1f}. A smaller grid runs in `make test` (`tests/coverage/test_coverage.py`), with
limits that follow from its own number of runs.

A line uses 150,000 kWh + 13,270 kWh/t and truly saves {-EFFECT:.0f} kWh/t; its day-to-day noise is 44,000 kWh (0.5 %),
AR(1) with `rho`; each window has `n` intervals. The load is flat, rises through all windows by two of its standard
deviations, or is mixed (two products, a month each). Both meters, of energy and of
output, have errors drawn from their class limit; where swapped, anew for the reporting period. The limit is at most
{LIMIT:.0f} kWh/t. A chain has an intermediate window, in which the line saves half; a normalised change is for the
conditions of both windows.

The table is of `ols`. A `ratio` or a `mean` has the noise of both windows
([methods](../explanation/methods.md#5-change-and-uncertainty)): `tests/verification/engine/test_levels.py` simulates
one whose noise scales with its level, and reporting periods of two to four days;
`tests/verification/test_plants_coverage.py` judges seven plants, 40 seeds each.

- **conclusive**: an interval is stated and no finding forbids a conclusion (%). **inconclusive** is the rest.
- **covered**: of the conclusive, how many intervals hold the truth (%). Where 99 % or more are conclusive it must be
  93 to 97.
- **wrong**: conclusive, and the interval misses the truth (% of all). At most 5, and simulation error on top.
- **for nothing**: a line without any effect is certified to save (limit 0; % of all). At most 2.5.
- **astride**: inconclusive, or conclusive with an interval astride the limit (% of all): what a longer period or a
  better meter would resolve.
- **width**: median of 2 U [kWh/t] of the conclusive.

| method | rho | n | load | meters | conclusive | covered | wrong | for nothing | inconclusive | astride | width |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""
    verdict = "\n".join(f"- {reason}" for reason in broken) if broken else "Every limit is kept in every cell."
    return head + "\n".join(each.line for each in tallies) + f"\n\n{verdict}\n"
