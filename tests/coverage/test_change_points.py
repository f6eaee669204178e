"""Change points suspect hardly any steady window and find what is there, at what the number of runs allows."""

from __future__ import annotations

import dataclasses

import pytest

from tests.coverage.change_points import LENGTHS, PAGE, RHOS, RISES, RUNS, SHIFTS, Tally, page, tally
from tests.coverage.table import least

FEW = 60


@pytest.mark.parametrize("rho", RHOS)
def test_steady_windows_are_hardly_ever_suspected_and_larger_shifts_found_more_often(rho: float):
    found = tally((rho, 90), FEW)
    assert found.is_within_limits, found.line
    assert list(found.found) == sorted(found.found), found.line
    if rho <= 0.6:
        assert found.found[-1] >= least(FEW, 0.85), found.line
        assert found.rises[-1] >= least(FEW, 0.98), found.line


def test_a_broken_limit_is_noticed():
    good = Tally(0.6, 90, runs=1000, suspected=20, found=(100, 600, 950), rises=(400, 990))
    assert good.is_within_limits
    assert not dataclasses.replace(good, suspected=40).is_within_limits


def test_the_page_is_the_one_that_its_command_makes():
    """Each figure by another run of the same seeds would be the same; here the shape and the promise are held."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| 0")]
    shown = [[float(cell) for cell in row.strip("| ").split(" | ")] for row in rows]
    counts = [tuple(round(RUNS * share / 100) for share in shares) for _, _, *shares in shown]
    tallies = [
        Tally(rho, round(n), RUNS, suspected, tuple(found[: len(SHIFTS)]), tuple(found[len(SHIFTS) :]))
        for (rho, n, *_), (suspected, *found) in zip(shown, counts, strict=True)
    ]
    assert {(each.rho, each.n) for each in tallies} == {(rho, n) for rho in RHOS for n in LENGTHS}
    assert all(each.is_within_limits and len(each.rises) == len(RISES) for each in tallies)
    assert page(tallies) == PAGE.read_text(encoding="utf-8")
