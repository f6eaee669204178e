"""The verdict: guarded acceptance of a limit (JCGM 106, 8.3.2), after every finding that forbids a number has had
its say.

met: the whole interval lies at or below the limit. not_met: all of it lies above. Between the two: inconclusive.
Decided on the decimals that the result states, so that a reader can repeat the comparison by hand. Light: no numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import get_args

from verification.engine.result import Assessment, ClaimAssessment, Effect, Limit, OverallVerdict, State, Verdict
from verification.engine.rounding import short, significant
from verification.findings import Finding, Outcome

WORST_FIRST: tuple[State, ...] = ("invalid_data", "not_verifiable", "not_met", "inconclusive", "met")


def decide(effect: Effect | None, limit: Limit, findings: Sequence[Finding]) -> Verdict:
    """The verdict on `effect` against `limit`, both in one unit. Without an effect, a finding must say why there is
    none.
    """
    blocking = [finding for finding in findings if finding.blocks is not None]
    for outcome in get_args(Outcome):  # in order of precedence: bad data forbid any statement about the line
        if any(finding.blocks == outcome for finding in blocking):
            return Verdict(outcome, limit, [finding for finding in blocking if finding.blocks == outcome])
    if effect is None:
        raise ValueError("there is neither a change to judge nor a finding that says why")
    state, reason = _against(effect, Decimal(limit.value), limit.unit)
    return Verdict(state, limit, [reason])


def overall(verdicts: Sequence[Verdict]) -> OverallVerdict:
    """The verdict over all measures: the worst of them, with its reasons; met only where all are met."""
    state = min((verdict.state for verdict in verdicts), key=WORST_FIRST.index)
    reasons: list[Finding] = []
    for verdict in verdicts:
        if verdict.state == state:
            reasons += [reason for reason in verdict.reasons if reason not in reasons]
    return OverallVerdict(state, reasons)


def assess_claim(claim: Decimal, effect: Effect, unit: str) -> tuple[ClaimAssessment, list[Finding]]:
    """Whether the interval bears the claim out. A claim below the interval promises a larger saving than was shown."""
    low, high = _interval(effect)
    assessment: Assessment = "overstated" if claim < low else "understated" if claim > high else "consistent"
    findings = []
    if assessment != "consistent":
        findings.append(Finding.of(f"CLAIM_{assessment.upper()}", claim=short(claim), **_shown(effect, unit)))
    return ClaimAssessment(f"{claim:f}", assessment), findings


def _interval(effect: Effect) -> tuple[Decimal, Decimal]:
    delta, expanded = Decimal(effect.delta), Decimal(effect.expanded_uncertainty)
    return delta - expanded, delta + expanded


def _against(effect: Effect, limit: Decimal, unit: str) -> tuple[State, Finding]:
    low, high = _interval(effect)
    shown = {"limit": short(limit), **_shown(effect, unit)}
    if high <= limit:
        return "met", Finding.of("TARGET_MET", **shown)
    if low > limit:
        return "not_met", Finding.of("TARGET_NOT_MET", **shown)
    needed = abs(limit - Decimal(effect.delta))
    return "inconclusive", Finding.of("INTERVAL_STRADDLES_TARGET", needed=significant(float(needed), 2), **shown)


def _shown(effect: Effect, unit: str) -> dict[str, str]:
    """The change as a report states it."""
    return {"delta": effect.reported_delta, "uncertainty": effect.reported_uncertainty, "unit": unit}
