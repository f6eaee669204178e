"""Every fault and every fraud whose readings can be made without the network: judged as an honest expert would."""

from __future__ import annotations

import pytest

from simulators.scenarios import scenario, scenarios
from tests.verification.scenarios import judged

FAR_OFF = 2.0  # in U: an honest 95 % interval misses one truth in twenty, but never by as much
IN_THE_READINGS = sorted(
    name for name, each in scenarios().items() if each.group != "plants" and each.tale == "honest" and each.link is None
)


@pytest.mark.parametrize("name", IN_THE_READINGS)
def test_no_fault_and_no_fraud_is_signed_far_from_its_truth(name: str):
    result, truth = judged(name, seed=1)
    assert result.verdict.state in scenario(name).verdicts
    for measure in result.measures:
        if measure.verdict.state == "met":
            off = abs(float(measure.effect.delta) - truth[measure.name]) / float(measure.effect.expanded_uncertainty)
            assert off <= FAR_OFF, (measure.name, off)


@pytest.mark.parametrize(
    "name", ["scaled-meter", "unmetered-feeder", "inflated-output", "ct-ratio", "recalibrated", "drift"]
)
def test_fraud_on_one_meter_leaves_the_measures_of_other_meters_alone(name: str):
    result, _ = judged(name, seed=1)
    assert {measure.name: measure.verdict.state for measure in result.measures} == {
        "energy": "inconclusive",
        "so2": "met",
    }
