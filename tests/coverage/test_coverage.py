"""The small grid: every limit of the coverage table, at what its own number of runs allows."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from tests.coverage.__main__ import tallies_of
from tests.coverage.grid import CELLS, Cell
from tests.coverage.table import Tally, least, most, page
from verification.plan.shape import Method

RUNS = 60
SMALL = [cell for cell in CELLS if cell.n == 90 or (cell.load == "mixed" and cell.swapped)]


@pytest.mark.parametrize("cell", SMALL, ids=lambda cell: f"{cell.method}-{cell.rho}-{cell.n}-{cell.load}-{cell.meters}")
def test_every_cell_of_the_grid_keeps_its_limits(cell: Cell):
    (found,) = tallies_of([cell], RUNS)
    assert found.broken() == []


def counts(**changes) -> Tally:
    """A cell of 2,000 runs that keeps every limit."""
    good = Tally(CELLS[0], runs=2000, conclusive=2000, wrong=90, decided=2000, certified=20, width=30.0)
    return dataclasses.replace(good, **changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wrong": most(2000, 0.05) + 1}, "wrong"),
        ({"wrong": 2000 - most(2000, 0.97) - 1}, "covered"),
        ({"certified": most(2000, 0.025) + 1}, "certified"),
        ({"conclusive": 1999}, "needlessly"),
    ],
)
def test_a_broken_limit_is_named(changes: dict[str, int], reason: str):
    assert counts().broken() == []
    (broken,) = counts(**changes).broken()
    assert reason in broken
    assert broken in page([counts(**changes)])


def test_the_limits_follow_from_the_number_of_runs():
    assert (most(60, 0.05), most(2000, 0.05)) == (9, 131)
    assert (least(2000, 0.93), most(2000, 0.97)) == (1824, 1962)


def test_the_grid_has_every_cell_that_the_page_promises():
    assert len(CELLS) >= 24
    assert {cell.method for cell in CELLS} == set(get_args(Method))
    assert {cell.rho for cell in CELLS} == {0.0, 0.6, 0.9}
    assert {cell.n for cell in CELLS} == {90, 365}
    assert {cell.load for cell in CELLS} == {"flat", "rising", "mixed"}
    assert len({cell.meters for cell in CELLS}) >= 2
