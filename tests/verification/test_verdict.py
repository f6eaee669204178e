"""Guarded acceptance: the whole interval decides, on the decimals that the result states; findings come first."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from verification.engine.budget import coverage_factor
from verification.engine.result import Effect, Limit
from verification.engine.verdict import assess_claim, beyond_the_level, decide
from verification.findings import Finding

LIMIT = Limit("change", "at_most", "-200.0000", "kWh/t")
INVALID = Finding.of("NAIVE_TIMES", count=1, line=2, example="x")
UNVERIFIABLE = Finding.of("BASELINE_IDLE", days=0, expected=120)
INCONCLUSIVE = Finding.of("DRIVER_CONSTANT", driver="metal_tapped")
WARNING = Finding.of("RESIDUALS_ZERO", fitted="in_baseline")


def effect(delta: str, expanded: str) -> Effect:
    return Effect(
        delta=delta,
        expanded_uncertainty=expanded,
        standard_uncertainty="1.0000",
        coverage_factor="2.0000",
        dof=None,
        confidence="0.95",
        reported_delta=delta,
        reported_uncertainty=expanded,
        relative_percent="-5.0000",
        relative_expanded_uncertainty="1.0000",
        level="25.0000",
        level_expanded_uncertainty="5.0000",
        senpi=None,
        numerator_change="0",
        annual=None,
        money=None,
        carbon=None,
        decimals=4,
    )


@pytest.mark.parametrize(
    ("delta", "expanded", "state", "reason"),
    [
        ("-230.0000", "30.0000", "met", "TARGET_MET"),
        ("-229.9999", "30.0000", "inconclusive", "INTERVAL_STRADDLES_TARGET"),
        ("-170.0000", "30.0000", "inconclusive", "INTERVAL_STRADDLES_TARGET"),
        ("-169.9999", "30.0000", "not_met", "TARGET_NOT_MET"),
        ("-200.0000", "0.0000", "met", "TARGET_MET"),
        ("-199.9999", "0.0000", "not_met", "TARGET_NOT_MET"),
    ],
)
def test_both_sides_of_the_limit(delta: str, expanded: str, state: str, reason: str):
    verdict = decide(effect(delta, expanded), LIMIT, [WARNING])
    assert verdict.state == state
    assert [finding.code for finding in verdict.reasons] == [reason]


def test_zero_effect_never_meets_a_saving():
    assert decide(effect("0.0000", "25.0000"), LIMIT, []).state == "not_met"


def test_an_open_verdict_says_how_small_the_uncertainty_must_become():
    reason = decide(effect("-212.5000", "30.0000"), LIMIT, []).reasons[0]
    assert "below 12 kWh/t" in reason.resolve("en") or "below 13 kWh/t" in reason.resolve("en")
    assert "kWh/t 以下" in reason.resolve("zh")


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ([INCONCLUSIVE, UNVERIFIABLE, INVALID], "invalid_data"),
        ([INCONCLUSIVE, UNVERIFIABLE], "not_verifiable"),
        ([WARNING, INCONCLUSIVE], "inconclusive"),
    ],
)
def test_bad_data_forbid_any_statement_and_an_idle_line_any_number(findings: list[Finding], state: str):
    verdict = decide(effect("-300.0000", "1.0000"), LIMIT, findings)
    assert verdict.state == state
    assert all(finding.blocks == state for finding in verdict.reasons)
    assert len(verdict.reasons) == 1


def test_a_missing_number_must_have_a_reason():
    with pytest.raises(ValueError, match="neither"):
        decide(None, LIMIT, [WARNING])
    assert decide(None, LIMIT, [INCONCLUSIVE]).state == "inconclusive"


@pytest.mark.parametrize(
    ("claim", "better", "assessment"),
    [
        ("-260.0000", "lower", "consistent"),
        ("-260.0001", "lower", "overstated"),
        ("-200.0000", "lower", "consistent"),
        ("-199.9999", "lower", "understated"),
        ("-260.0001", "higher", "understated"),
        ("-199.9999", "higher", "overstated"),
    ],
)
def test_a_claim_is_held_against_the_interval(claim: str, better: str, assessment: str):
    stated, findings = assess_claim(Decimal(claim), effect("-230.0000", "30.0000"), "kWh/t", better)
    assert stated.assessment == assessment
    assert [finding.code for finding in findings] == (
        [] if assessment == "consistent" else [f"CLAIM_{assessment.upper()}"]
    )


@pytest.mark.parametrize(
    ("of", "side", "bound", "state", "reason"),
    [
        ("relative", "at_most", "-4.0000", "met", "LIMIT_KEPT"),
        ("relative", "at_most", "-4.0001", "inconclusive", "LIMIT_INSIDE"),
        ("relative", "at_most", "-6.0001", "not_met", "LIMIT_BROKEN"),
        ("relative", "at_least", "-6.0000", "met", "LIMIT_KEPT"),
        ("relative", "at_least", "-4.0000", "inconclusive", "LIMIT_INSIDE"),
        ("relative", "at_least", "-3.9999", "not_met", "LIMIT_BROKEN"),
        ("level", "at_most", "30.0000", "met", "LIMIT_KEPT"),
        ("level", "at_most", "29.9999", "inconclusive", "LIMIT_INSIDE"),
        ("change", "at_least", "-230.0000", "met", "LIMIT_KEPT"),
    ],
)
def test_a_limit_may_be_on_any_figure_and_on_either_side(of, side, bound, state, reason):
    verdict = decide(effect("-200.0000", "30.0000"), Limit(of, side, bound, "%"), [])
    assert (verdict.state, [finding.code for finding in verdict.reasons]) == (state, [reason])
    for language in ("en", "zh"):
        assert "?" not in verdict.reasons[0].text(language)
    assert {"at_most": "不高于", "at_least": "不低于"}[side] in verdict.reasons[0].text("zh")


def test_a_figure_that_the_result_does_not_have_is_no_verdict():
    without = msgspec.structs.replace(effect("-200.0000", "30.0000"), relative_percent=None)
    with pytest.raises(ValueError, match="no relative"):
        decide(without, Limit("relative", "at_most", "-4.0000", "%"), [])


@pytest.mark.parametrize(("speed", "state"), [(107, "not_met"), (106, "inconclusive"), (93, "met")])
def test_a_speed_is_above_its_limit_from_where_jcgm_106_says(speed: int, state: str):
    """JCGM 106:2012, 8.3.3: the limit is 100 km/h, u is 2 % of the speed, and 99.9 % are wanted before a driver is
    fined: from 107 km/h.
    """
    expanded = coverage_factor(2 * 0.999 - 1, math.inf) * 0.02 * speed
    measured = msgspec.structs.replace(
        effect("0.0000", "0.0000"), level=f"{speed:.4f}", level_expanded_uncertainty=f"{expanded:.4f}"
    )
    assert decide(measured, Limit("level", "at_most", "100", "km/h"), []).state == state


@pytest.mark.parametrize(
    ("limit", "delta", "named"),
    [("-200.0000", "-1.0000", True), ("-20.0000", "-1.0000", False), ("-200", "-180", False)],
)
def test_a_limit_that_asks_for_more_than_all_of_it_is_named(limit: str, delta: str, *, named: bool):
    """25 afterwards: readings in MWh under a plan in kWh look like that."""
    found = beyond_the_level(effect(delta, "0.1"), Limit("change", "at_most", limit, "kWh/t"))
    assert [finding.code for finding in found] == ["LIMIT_BEYOND_LEVEL"] * named
    assert beyond_the_level(effect(delta, "0.1"), Limit("level", "at_most", limit, "kWh/t")) == []
