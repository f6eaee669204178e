"""A change over a year of stated output, and in money and carbon by factors with a version."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from verification.engine.analysis import Analysis
from verification.engine.result import Annual, Worth
from verification.engine.rounding import significant
from verification.findings import Finding
from verification.plan.measure import MeasureSpec
from verification.units import scale_factor

FIGURE_DIGITS = 9


def annual(spec: MeasureSpec, analysis: Analysis) -> Annual | None:
    """The change per unit of output times the output that the plan states for a year."""
    stated = spec.measure.annual_output
    if stated is None or spec.denominator is None:
        return None
    output = stated.value * scale_factor(stated.unit, spec.denominator.unit)
    return Annual(
        numerator_change=significant(analysis.delta * output, FIGURE_DIGITS),
        expanded_uncertainty=significant(analysis.budget.expanded * output, FIGURE_DIGITS),
        output=significant(stated.value, FIGURE_DIGITS),
        output_unit=stated.unit,
        basis=stated.basis,
    )


def annual_findings(spec: MeasureSpec) -> list[Finding]:
    """A year at capacity is a year that no meter has seen."""
    stated = spec.measure.annual_output
    if stated is None or stated.basis != "capacity":
        return []
    return [Finding.of("ANNUAL_ON_CAPACITY", output=significant(stated.value, FIGURE_DIGITS), unit=stated.unit)]


def worth(
    spec: MeasureSpec, analysis: Analysis, of_a_year: Annual | None, kind: Literal["money", "carbon"]
) -> Worth | None:
    """The change of a year, else of the reporting period, by the plan's factor, whose unit is <worth>/<unit>."""
    factor = spec.measure.factors.get(kind)
    if factor is None:
        return None
    unit, _, per = factor.unit.partition("/")
    value = factor.value * scale_factor(spec.numerator.unit, per)
    if of_a_year is not None:
        change, expanded = (
            float(Decimal(each)) for each in (of_a_year.numerator_change, of_a_year.expanded_uncertainty)
        )
    else:
        output = analysis.primary.estimate.output
        change, expanded = analysis.delta * output, analysis.budget.expanded * output
    return Worth(
        of="year" if of_a_year else "reporting_period",
        value=significant(change * value, FIGURE_DIGITS),
        expanded_uncertainty=significant(expanded * value, FIGURE_DIGITS),
        unit=unit,
        factor=significant(factor.value, FIGURE_DIGITS),
        version=factor.version,
    )
