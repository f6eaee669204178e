"""The verdict: guarded acceptance of a limit (JCGM 106, 8.3.2), after every finding that forbids a number has had
its say.

met: the whole interval keeps to the limit. not_met: none of it does. Between the two: inconclusive. A limit is on the
change, on the relative change or on the level after the retrofit, at most or at least.
Decided on the decimals that the result states, so that a reader can repeat the comparison by hand. Light: no numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, get_args

from verification.engine.result import Assessment, ClaimAssessment, Effect, Limit, OverallVerdict, State, Verdict
from verification.engine.rounding import fixed, reported, short, significant
from verification.findings import Finding, Outcome, unit_of_change
from verification.metrics.catalogue import Better
from verification.plan.measure import MeasureSpec
from verification.units import scale_factor

CHANGE_AT_MOST = {"met": "TARGET_MET", "not_met": "TARGET_NOT_MET", "inconclusive": "INTERVAL_STRADDLES_TARGET"}
OTHER_LIMITS = {"met": "LIMIT_KEPT", "not_met": "LIMIT_BROKEN", "inconclusive": "LIMIT_INSIDE"}
PERCENT_DECIMALS = 4  # of a relative change
WORST_FIRST: tuple[State, ...] = ("invalid_data", "not_verifiable", "not_met", "inconclusive", "met")


def in_metric_unit(spec: MeasureSpec, value: float, unit: str) -> Decimal:
    """`value` in `unit`, stated in the metric's unit at the metric's precision."""
    return Decimal(fixed(value * scale_factor(unit, spec.unit), spec.decimals))


def stated_limit(spec: MeasureSpec) -> Limit:
    """The plan's limit as the verdict judges it."""
    target = spec.measure.target
    if target.of == "relative":
        percent = target.value * scale_factor(target.unit, "%")
        return Limit(target.of, target.side, fixed(percent, PERCENT_DECIMALS), "%")
    return Limit(target.of, target.side, f"{in_metric_unit(spec, target.value, target.unit):f}", spec.unit)


def decide(effect: Effect | None, limit: Limit, findings: Sequence[Finding]) -> Verdict:
    """The verdict on `effect` against `limit`. Without an effect, a finding must say why there is none."""
    blocking = [finding for finding in findings if finding.blocks is not None]
    for outcome in get_args(Outcome):  # in order of precedence: bad data forbid any statement about the line
        if any(finding.blocks == outcome for finding in blocking):
            return Verdict(outcome, limit, [finding for finding in blocking if finding.blocks == outcome])
    if effect is None:
        raise ValueError("there is neither a change to judge nor a finding that says why")
    return against(effect, limit)


def against(effect: Effect, limit: Limit) -> Verdict:
    """The interval of the figure that the limit is about against the limit (JCGM 106, 8.3.2), whatever else was
    found.
    """
    value, expanded = figure(effect, limit.of)
    low, high, bound = value - expanded, value + expanded, Decimal(limit.value)
    keeps, breaks = (high <= bound, low > bound) if limit.side == "at_most" else (low >= bound, high < bound)
    state: State = "met" if keeps else "not_met" if breaks else "inconclusive"
    shown_value, shown_expanded = reported(value, expanded)
    shown = {"limit": short(bound), "delta": shown_value, "uncertainty": shown_expanded}
    shown["unit"] = unit_of_change(limit.unit, limit.of)
    if state == "inconclusive":
        shown["needed"] = significant(float(abs(bound - value)), 2)
    if (limit.of, limit.side) == ("change", "at_most"):
        return Verdict(state, limit, [Finding.of(CHANGE_AT_MOST[state], **shown)])
    return Verdict(state, limit, [Finding.of(OTHER_LIMITS[state], figure=limit.of, side=limit.side, **shown)])


def rounding_decides(effect: Effect, limit: Limit) -> list[Finding]:
    """Whether the figure is so small for the decimals that it is stated in that they decide on the verdict: its U has
    less than the two digits of GUM 7.2.6, and an end of its interval lies within one step of the limit.
    """
    try:
        value, expanded = figure(effect, limit.of)
    except ValueError:
        return []
    step = Decimal(1).scaleb(int(expanded.as_tuple().exponent))
    if expanded >= 10 * step or abs(abs(value - Decimal(limit.value)) - expanded) > step:
        return []
    unit = unit_of_change(limit.unit, limit.of)
    return [Finding.of("ROUNDING_DECIDES", figure=limit.of, step=f"{step:f}", unit=unit)]


def beyond_the_level(effect: Effect, limit: Limit) -> list[Finding]:
    """Whether a limit on a change asks a figure that falls to fall by more than all of it: wrong units look like that,
    and the verdict alone would ask for a larger effect.
    """
    if limit.of != "change" or limit.side != "at_most" or effect.level is None:
        return []
    before = Decimal(effect.level) - Decimal(effect.delta)
    if not 0 < before < -Decimal(limit.value):
        return []
    shown = {"limit": short(Decimal(limit.value)), "before": significant(float(before), 4)}
    return [Finding.of("LIMIT_BEYOND_LEVEL", unit=limit.unit, **shown)]


def figure(effect: Effect, of: Literal["change", "relative", "level"]) -> tuple[Decimal, Decimal]:
    """The figure that a limit is about, and its expanded uncertainty."""
    value, expanded = {
        "change": (effect.delta, effect.expanded_uncertainty),
        "relative": (effect.relative_percent, effect.relative_expanded_uncertainty),
        "level": (effect.level, effect.level_expanded_uncertainty),
    }[of]
    if value is None or expanded is None:
        raise ValueError(f"the result has no {of}, and no finding says why")
    return Decimal(value), Decimal(expanded)


def overall(verdicts: Sequence[Verdict]) -> OverallVerdict:
    """The verdict over all measures: the worst of them, with its reasons; met only where all are met."""
    state = min((verdict.state for verdict in verdicts), key=WORST_FIRST.index)
    reasons: list[Finding] = []
    for verdict in verdicts:
        if verdict.state == state:
            reasons += [reason for reason in verdict.reasons if reason not in reasons]
    return OverallVerdict(state, reasons)


def assess_claim(claim: Decimal, effect: Effect, unit: str, better: Better) -> tuple[ClaimAssessment, list[Finding]]:
    """Whether the interval bears the claim out. A claim on its better side promises more than was shown."""
    low, high = _interval(effect)
    assessment: Assessment = "consistent"
    if not low <= claim <= high:
        assessment = "overstated" if (claim < low) == (better == "lower") else "understated"
    findings = []
    if assessment != "consistent":
        findings.append(Finding.of(f"CLAIM_{assessment.upper()}", claim=short(claim), **_shown(effect, unit)))
    return ClaimAssessment(f"{claim:f}", assessment), findings


def _interval(effect: Effect) -> tuple[Decimal, Decimal]:
    delta, expanded = Decimal(effect.delta), Decimal(effect.expanded_uncertainty)
    return delta - expanded, delta + expanded


def _shown(effect: Effect, unit: str) -> dict[str, str]:
    """The change as a report states it."""
    shown = {"delta": effect.reported_delta, "uncertainty": effect.reported_uncertainty}
    return {**shown, "unit": unit_of_change(unit)}
