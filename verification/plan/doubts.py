"""What a plan says and may not mean: limits and claims that point away from what its metric calls better, and what it
takes for granted that no reading shows.

A plan that says so is valid, because a limit may also promise that a figure gets no worse than it is; so these are
findings.
"""

from __future__ import annotations

from verification.findings import Finding, unit_of_change
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Plan
from verification.units import same_dimension

USUAL_SIDE = {"lower": "at_most", "higher": "at_least"}


def doubts(spec: MeasureSpec) -> list[Finding]:
    """What stands out in the metric, the limit and the claim of one measure."""
    target, claim = spec.measure.target, spec.measure.claim
    findings = []
    parts = (spec.numerator, spec.denominator)
    if any(part is not None and same_dimension(part.unit, "CNY") for part in parts):
        findings.append(Finding.of("PRICES_COUNT", measure=spec.name))
    limit = {"side": target.side, "limit": f"{target.value:g}", "measure": spec.name}
    limit["unit"] = unit_of_change(target.unit, target.of)
    if target.side != USUAL_SIDE[spec.better]:
        findings.append(Finding.of("LIMIT_ON_OTHER_SIDE", better=spec.better, **limit))
    elif target.of != "level" and _worse(spec, target.value):
        findings.append(Finding.of("LIMIT_ALLOWS_WORSE", **limit))
    if claim is not None and _worse(spec, claim.value):
        about = {"claim": f"{claim.value:g}", "unit": unit_of_change(claim.unit), "measure": spec.name}
        findings.append(Finding.of("CLAIM_OF_WORSE", better=spec.better, **about))
    return findings


def taken_for_granted(plan: Plan) -> Finding:
    """What has to have stayed the same although no meter shows it: as the plan states it, or that it states nothing."""
    if not plan.static_factors:
        return Finding.of("NO_STATIC_FACTORS")
    factors = "; ".join(f"{factor.name}: {factor.value}" for factor in plan.static_factors)
    return Finding.of("STATIC_FACTORS_ASSUMED", factors=factors)


def _worse(spec: MeasureSpec, change: float) -> bool:
    return change > 0 if spec.better == "lower" else change < 0
