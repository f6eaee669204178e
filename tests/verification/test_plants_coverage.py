"""The seven simulated plants, 40 fixed seeds each: how often U covers the truth of every claimed measure, and whether
the verdict is the expected one.

The simulators import nothing of ours, so they are an independent oracle. Of 40 honest 95 % intervals fewer than 34
cover four times in a thousand. The table shows with `pytest -s`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from simulators.scenarios import scenario, scenarios
from tests.verification.scenarios import judged

SEEDS = range(1, 41)
FEWEST_COVERED, FEWEST_EXPECTED, FEWEST_QUIET = 34, 38, 36
DESERVED = {"hengkang-idle": {"BASELINE_IDLE"}, "hengkang-unchanged": {"CLAIM_OVERSTATED"}}
POOLED_PERCENT = (92.0, 98.5)
CLEAN = sorted(name for name, each in scenarios().items() if each.group == "plants")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quiet() -> Counter[str]:
    """By scenario: of how many seeds nothing above info is said but what the plant or a missed truth deserves."""
    return Counter()


@pytest.fixture(scope="module")
def table(quiet: Counter[str]) -> dict[str, tuple[Counter[str], Counter[str], Counter[str]]]:
    """By scenario: how many intervals were stated for each measure, how many covered, and the verdicts."""
    rows = {}
    for name in CLEAN:
        stated, covered, verdicts, alarms = (Counter[str]() for _ in range(4))
        for seed in SEEDS:
            result, truth = judged(name, seed)
            verdicts[result.verdict.state] += 1
            loud = {found.code for found in result.all_findings if found.severity != "info"} - DESERVED.get(name, set())
            for measure in result.measures:
                if measure.effect is not None and measure.name in truth:
                    miss = abs(float(measure.effect.delta) - truth[measure.name])
                    covers = miss <= float(measure.effect.expanded_uncertainty)
                    stated[measure.name] += 1
                    covered[measure.name] += covers
                    # An interval that misses the truth finds the true claim overstated: it is counted as the miss.
                    loud -= set() if covers else {"CLAIM_OVERSTATED"}
            alarms.update(loud)
            quiet[name] += not loud
        shown = ", ".join(f"{measure} {covered[measure]}/{stated[measure]}" for measure in stated)
        print(f"\n{name:20} {shown or 'no figure':60} {dict(verdicts)} {dict(alarms)}", end="")
        rows[name] = stated, covered, verdicts
    return rows


def test_every_claimed_measure_of_a_plant_covers_its_truth(table):
    short = {
        (name, measure): covered[measure]
        for name, (stated, covered, _) in table.items()
        for measure in stated
        if stated[measure] < FEWEST_EXPECTED or covered[measure] < FEWEST_COVERED
    }
    assert short == {}
    assert not table["hengkang-idle"][0], "a line that never ran has no figure"


def test_all_measures_together_cover_as_often_as_they_say(table):
    stated = sum(stated.total() for stated, _, _ in table.values())
    percent = 100 * sum(covered.total() for _, covered, _ in table.values()) / stated
    print(f"\npooled: {percent:.1f} % of {stated}")
    assert POOLED_PERCENT[0] <= percent <= POOLED_PERCENT[1]


def test_every_plant_gets_the_verdict_that_it_deserves(table):
    for name, (_, _, verdicts) in table.items():
        assert sum(verdicts[state] for state in scenario(name).verdicts) >= FEWEST_EXPECTED, (name, verdicts)


def test_an_honest_plant_is_hardly_ever_suspected(table, quiet):
    """Each check is tuned to a false alarm in about a hundred measures; a plant has up to four, and each ten checks."""
    assert {name: quiet[name] for name in table if quiet[name] < FEWEST_QUIET} == {}
