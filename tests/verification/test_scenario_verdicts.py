"""Every fault and every fraud whose readings can be made without the network: judged as an honest expert would.

Five seeds each, as others will run them, or as many as RETROPROOF_SEEDS says: 40 were counted. `pytest -s` prints how
often each expected finding appeared.
"""

from __future__ import annotations

from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
import yaml

from simulators.scenarios import scenario, scenarios
from tests.support.counts import count_from
from tests.verification.scenarios import judged, judged_from_a_table

FAR_OFF = 2.0  # in U: an honest 95 % interval misses one truth in twenty, but hardly ever by as much
SEEDS = range(1, 1 + count_from("RETROPROOF_SEEDS", 5))
IN_THE_READINGS = sorted(
    name for name, each in scenarios().items() if each.group != "plants" and each.tale == "honest" and each.link is None
)
IN_THEIR_ORDER = {"out-of-order"}  # a table keeps the order in which its readings came


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_THE_READINGS)
def test_every_seed_of_a_fault_or_fraud_shows_its_findings_and_deserves_its_verdict(name: str):
    case, found, verdicts = scenario(name), Counter[str](), Counter[str]()
    for seed in SEEDS:
        result, truth = (judged_from_a_table if name in IN_THEIR_ORDER else judged)(name, seed)
        found.update({finding.code for finding in result.all_findings} & set(case.findings))
        verdicts[result.verdict.state] += 1
        for measure in result.measures:
            if measure.verdict.state == "met":
                miss = abs(float(measure.effect.delta) - truth[measure.name])
                assert miss <= FAR_OFF * float(measure.effect.expanded_uncertainty), (seed, measure.name)
    counts = {code: found[code] for code in case.findings}
    print(f"\n{name:26} of {len(SEEDS)} seeds: {counts} {dict(verdicts)}", end="")
    assert counts == dict.fromkeys(case.findings, len(SEEDS))
    assert set(verdicts) <= set(case.verdicts)


@pytest.mark.parametrize(
    "name", ["scaled-meter", "unmetered-feeder", "inflated-output", "ct-ratio", "recalibrated", "drift"]
)
def test_fraud_on_one_meter_leaves_the_measures_of_other_meters_alone(name: str):
    result, _ = judged(name, seed=1)
    assert {measure.name: measure.verdict.state for measure in result.measures} == {
        "energy": "inconclusive",
        "so2": "met",
    }


HEADCOUNT_FRAUDS = ["roster-understated", "badge-avoided"]


@pytest.mark.parametrize("name", HEADCOUNT_FRAUDS)
def test_fraud_on_the_headcount_is_seen_by_the_other_count_and_leaves_the_rate_alone(name: str):
    result, _ = judged(name, seed=1)
    assert {measure.name: measure.verdict.state for measure in result.measures} == {
        "rate": "met",
        "staff": "inconclusive",
        "productivity": "inconclusive",
    }


@pytest.mark.parametrize("name", HEADCOUNT_FRAUDS)
def test_without_the_balance_of_badge_and_roster_the_headcount_would_pass(name: str, tmp_path: Path):
    """What the check is worth: an untrue saving of people, signed far from its truth."""
    said = yaml.safe_load((resources.files("simulators.scenarios") / f"frauds/{name}.yaml").read_text("utf-8"))
    said["amend"] = said.get("amend", {}) | {"balances": []}
    path = tmp_path / "frauds" / f"{name}.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(said, allow_unicode=True), encoding="utf-8")
    result, truth = judged(str(path), seed=1)
    staff = next(measure for measure in result.measures if measure.name == "staff")
    assert staff.verdict.state == "met"
    assert abs(float(staff.effect.delta) - truth["staff"]) > 10 * float(staff.effect.expanded_uncertainty)
    hall = scenario(name).parameters
    present_before = hall.heads_before * (1 - hall.absence_share)
    assert truth["staff"] > -0.6 * present_before, "in truth the limit of 60 % fewer is missed"
