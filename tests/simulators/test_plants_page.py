"""docs/reference/plants.md says what the plants are, and the plants are what the public documents claim.

The figures below are copied from the documents by hand, so that neither the plants nor their plans can move them.
"""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
import yaml

from simulators.description import plants_page
from simulators.plans import plan_text
from simulators.plants import KINDS
from simulators.plants.base import Effect
from simulators.scenarios import scenario
from simulators.timeline import Timeline

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "plants.md"
TIMELINE = Timeline(date(2026, 1, 5))


def truth(name: str, measure: str) -> Effect:
    return scenario(name).plant(1, TIMELINE).truth()[measure]


def after(effect: Effect) -> float:
    return effect.before + effect.value


def test_page_is_what_the_plants_say():
    assert PAGE.read_text(encoding="utf-8") == plants_page(), (
        "run `retroproof simulate page > docs/reference/plants.md`"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_measure_of_a_plant_has_its_source_and_its_noise(kind: str):
    made = KINDS[kind].plant(KINDS[kind].parameters(), 1, TIMELINE)
    parameters = {field.name for field in dataclasses.fields(made.parameters)}
    assert made.claims.keys() == made.truth().keys()
    for claim in made.claims.values():
        assert claim.source
        assert claim.noise
        assert set(claim.noise) <= parameters


@pytest.mark.parametrize(
    ("name", "measure", "percent"),
    [
        ("hengkang", "energy", -1.9),
        ("yangshao", "rate", 900.0),
        ("yangshao", "staff", -67.0),
        ("hongxin", "record_errors", -82.0),
        ("hongxin", "rate", 37.0),
        ("hongxin", "labour_cost", -15.0),
        ("yongtai", "first_pass_yield", 20.0),
        ("yongtai", "staff", -30.0),
    ],
)
def test_true_effect_is_what_the_documents_claim(name: str, measure: str, percent: float):
    assert truth(name, measure).percent == pytest.approx(percent, abs=0.05)


def test_true_levels_are_those_that_the_documents_name():
    assert truth("hengkang", "energy").value == pytest.approx(-260)
    assert truth("hengkang", "energy").before == pytest.approx(13_500, rel=0.001)
    assert truth("hengkang", "so2").before > 100
    assert 25 <= after(truth("hengkang", "so2")) <= 30
    assert after(truth("yangshao", "rate")) == 1800
    assert after(truth("juntong", "rate")) > 3 * truth("juntong", "rate").before
    assert after(truth("hongxin", "auto_capture")) > 90


@pytest.mark.parametrize(
    ("name", "metrics"),
    [
        ("hengkang", {"energy_per_ton", "emission_concentration"}),
        ("yangshao", {"piece_rate", "heads_per_shift", "labour_productivity_pieces"}),
        ("juntong", {"pieces_per_shift", "heads_per_shift"}),
        ("hongxin", {"automatic_capture_share", "record_error_rate", "output_rate", "cost_per_day"}),
        ("yongtai", {"first_pass_yield", "heads_per_shift"}),
        ("jinrong", {"energy_per_ton"}),
        ("huaxin", {"energy_per_ton"}),
    ],
)
def test_plan_judges_each_metric_that_is_claimed_and_knows_its_truth(name: str, metrics: set[str]):
    plan = yaml.safe_load(plan_text(scenario(name).plan, name, TIMELINE, {}))
    judged = {measure["metric"] for measure in plan["measures"].values() if isinstance(measure["metric"], str)}
    assert judged == metrics
    assert plan["measures"].keys() <= scenario(name).plant(1, TIMELINE).truth().keys()
