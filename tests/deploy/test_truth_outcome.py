"""What counts as right in the truth table: both sides of every rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from deploy.tally import Tally
from deploy.truth.outcome import Measured, Outcome, Truth, measured, table
from deploy.truth.page import page
from deploy.truth.run import FIRST_DAY
from simulators.scenarios import scenarios

EXACT = Tally(produced=10, stored=10, lost=0, doubled=0)
PLANT = Truth("hengkang", "the potline", "plants", "honest", 1, ("met",), (), {"energy": (-260.0, "kWh/t")})
FRAUD = replace(PLANT, name="scaled-meter", group="frauds", findings=("BALANCE_OPEN",))
COVERED = Measured("energy", -260.0, -255.0, 25.0, "kWh/t")


def outcome(truth: Truth = PLANT, **changes: object) -> Outcome:
    usual = {"measures": (COVERED,), "verdict": "met", "found": (), "tally": EXACT, "seconds": 1.0}
    return Outcome(truth=truth, **(usual | changes))


def test_clean_plant_that_comes_out_as_it_should_misses_nothing():
    assert outcome().misses == []
    assert outcome(found=(("COUNTER_ROLLOVER", "info"), ("BACKFILLED_SHARE", "warning"))).misses == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"found": (("SPIKES", "warning"), ("SPIKES", "warning"))}, "SPIKES (warning)"),
        ({"verdict": "inconclusive"}, "the verdict is inconclusive, not met"),
        ({"measures": (replace(COVERED, delta=-209.9),)}, "energy: the truth is far outside the interval"),
        (
            {"tally": Tally(produced=10, stored=9, lost=1, doubled=0)},
            "readings: 10 produced, 9 stored, 1 lost, 0 doubled",
        ),
        (
            {"tally": Tally(produced=10, stored=11, lost=0, doubled=1)},
            "readings: 10 produced, 11 stored, 0 lost, 1 doubled",
        ),
    ],
)
def test_clean_plant_must_be_met_covered_whole_and_without_a_warning(changes, said):
    assert outcome(**changes).misses == [said]


def test_single_interval_that_misses_a_little_is_shown_and_is_no_mistake():
    a_little = replace(COVERED, delta=-210.0)
    assert (a_little.covered, replace(COVERED, delta=-235.0).covered) == (False, True)
    assert outcome(measures=(a_little,)).misses == []
    assert "| NO |" in table([outcome(measures=(a_little,))])


def test_measure_without_a_figure_is_neither_covered_nor_missed():
    idle = replace(PLANT, verdicts=("not_verifiable",))
    assert outcome(idle, verdict="not_verifiable", measures=(replace(COVERED, delta=None, expanded=None),)).misses == []


def test_fraud_must_show_its_finding_whatever_the_verdict():
    assert outcome(FRAUD, found=(("BALANCE_OPEN", "warning"), ("SPIKES", "warning"))).misses == []
    assert outcome(FRAUD).misses == ["BALANCE_OPEN was not found"]


def test_scenario_that_stands_for_no_finding_is_no_fault_and_no_fraud():
    assert outcome(replace(FRAUD, findings=())).misses == ["the scenario stands for no finding"]


def test_figures_are_read_from_the_result_beside_their_truth():
    result = {
        "measures": [
            {"name": "energy", "effect": {"delta": "-254.9", "expanded_uncertainty": "24.6"}},
            {"name": "unknown", "effect": None},
        ]
    }
    assert measured(PLANT, result) == (Measured("energy", -260.0, -254.9, 24.6, "kWh/t"),)
    assert measured(PLANT, {"measures": [{"name": "energy", "effect": None}]})[0].covered is None


def test_table_has_a_row_for_each_measure_and_says_what_is_wrong():
    rows = table([outcome(measures=(COVERED, COVERED)), outcome(FRAUD, measures=())]).splitlines()
    assert len(rows) == 2 + 2 + 1
    assert "| yes |" in rows[2]
    assert "NO: BALANCE_OPEN was not found" in rows[4]


def test_expected_finding_is_shown_as_found_even_where_it_is_otherwise_left_out():
    cut = replace(FRAUD, group="faults", findings=("BACKFILLED_SHARE",))
    assert "| BACKFILLED_SHARE | BACKFILLED_SHARE |" in table([outcome(cut, found=(("BACKFILLED_SHARE", "warning"),))])
    assert "BACKFILLED_SHARE" not in table([outcome(found=(("BACKFILLED_SHARE", "warning"),))])


def test_page_groups_the_scenarios_and_counts_what_came_out_right():
    text = page([outcome(), outcome(FRAUD)])
    assert "2 scenarios (seed 1)" in text
    assert "; 1 came out right." in text
    assert "20 readings; 0 were lost" in text
    assert text.index("## Clean plants") < text.index("- **hengkang**: the potline") < text.index("## Frauds")
    assert "## Faults" not in text


def test_every_scenario_is_over_so_that_its_plant_has_all_readings():
    """All begin on one fixed day; a plant whose reporting period ends in the future refuses to run."""
    today, first = datetime.now(UTC).date(), date.fromisoformat(FIRST_DAY)
    ends = {name: first + timedelta(days=sum(each.days)) for name, each in scenarios().items()}
    assert {name: end for name, end in ends.items() if end > today} == {}
