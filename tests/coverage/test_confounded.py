"""What else may pass for a saving is withheld or said, and a steady line left alone, as the number of runs allows."""

from __future__ import annotations

import dataclasses

import pytest

from tests.coverage.confounded import COURSES, PAGE, ROWS, RUNS, STEADY, Row, Tally, page, tally

FEW = 40


@pytest.mark.parametrize("row", [row for row in ROWS if row.name == STEADY], ids=lambda row: str(row.before))
def test_a_steady_line_is_hardly_ever_warned_of(row: Row):
    found = tally(row, FEW)
    assert found.met == FEW
    assert found.is_within_limits


@pytest.mark.parametrize(
    "row",
    [
        Row("drift in both windows", 90, 90),
        Row("drift in the reporting period", 90, 90),
        Row("season", 90, 90, 0.5, 92),
        Row("season", 365, 60),
        Row("chosen baseline", 90, 90),
    ],
    ids=lambda row: f"{row.name}-{row.before}-{row.after}",
)
def test_what_is_certified_in_error_is_not_certified_in_silence(row: Row):
    found = tally(row, FEW)
    assert found.met + found.withheld > 0
    assert found.met - found.warned - found.said <= 0.1 * FEW


def test_the_page_has_every_row_and_names_a_broken_limit():
    text = PAGE.read_text(encoding="utf-8")
    shown = [line for line in text.splitlines() if line.startswith(tuple(f"| {name} |" for name in COURSES))]
    assert len(shown) == len(ROWS)
    steady = Tally(ROWS[0], RUNS, met=RUNS, withheld=0, warned=0, said=0)
    assert steady.is_within_limits
    assert not dataclasses.replace(steady, warned=RUNS // 5).is_within_limits
    assert text.startswith(page([steady]).partition("\n| steady")[0])
