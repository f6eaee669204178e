"""Non-routine adjustments: what the baseline would have needed more, or less, for a cause outside the retrofit.

Each has a cause, an owner, a formula, an uncertainty and a signature. One whose signature does not hold is not applied,
and the result says so: nobody has answered for it. Light: no numpy.
"""

from __future__ import annotations

import dataclasses
import math

from verification.findings import Finding
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Plan
from verification.plan.signing import signature_doubt
from verification.units import scale_factor


@dataclasses.dataclass(frozen=True)
class Applied:
    """One adjustment in the numerator's unit: added to what would have been without the retrofit; `u` standard."""

    id: str
    value: float
    u: float


@dataclasses.dataclass(frozen=True)
class Adjusted:
    """The adjustments of a measure that count."""

    applied: tuple[Applied, ...]

    @property
    def total(self) -> float:
        """Their sum [numerator]."""
        return math.fsum(each.value for each in self.applied)


def adjustments_of(plan: Plan, spec: MeasureSpec) -> tuple[Adjusted, list[Finding]]:
    """The signed adjustments of a measure, and a finding for every one, applied or not."""
    applied, findings = [], []
    for each in plan.adjustments:
        if each.measure != spec.name:
            continue
        shown = {"id": each.id, "owner": each.owner, "value": f"{each.value:g}", "unit": each.unit}
        if doubt := signature_doubt(plan, each):
            findings.append(Finding.of(doubt, **shown))
            continue
        scale = scale_factor(each.unit, spec.numerator.unit)
        applied.append(Applied(each.id, each.value * scale, each.uncertainty * scale))
        findings.append(Finding.of("ADJUSTMENT_APPLIED", **shown))
    return Adjusted(tuple(applied)), findings
