"""One measure as the project page shows it: target, claim, verdict, figure, bridge, budget, robustness, drawings.

Numbers shown as text are the result's own decimal strings. Not handled: what belongs to the whole project (`pages.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from verification.engine.result import MeasureResult, Result
from verification.engine.rounding import short, significant
from verification.findings import Finding
from verification.plan import Plan
from verification.plan.measure import MeasureSpec
from verification.plan.resolve import measure_spec
from verification.plan.shape import Target
from verification.report.numbers import number
from verification.report.plots import drawings, gauges
from verification.report.read import bridge_amounts, change_unit, check_name, metric_title, source_name
from verification.report.subject import Amount
from verification.report.svg import Drawing
from verification.report.text import chain_lines, robustness_lines, target_text, worth_lines
from verification.report.words import REPORT, Words

SEVERITY_ORDER = {"error": 0, "warning": 1, "info": 2}
PERCENT = 100
SHOWN_DIGITS = 3
FIRST_PLOT = "series"
MORE_PLOTS = ("scatter", "residuals", "cusum", "coverage")


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a table with a bar. `share` is the bar's length in percent of the longest."""

    label: str
    value: str
    share: str
    good: bool | None
    total: bool


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One row of the uncertainty budget."""

    source: str
    type: str
    u: str
    dof: str | None
    share_percent: str


@dataclass(frozen=True, slots=True)
class MeasureView:
    """A measure of the plan in force, and what its newest result says of it; `state` is the measure's own verdict."""

    name: str
    title: str
    boundary: str
    unit: str
    target: str
    claim: str | None
    state: str
    result: MeasureResult | None
    gauges: list[Drawing]
    chart: list[Drawing]
    more_plots: dict[str, list[Drawing]]
    bridge: list[Bar]
    chain: list[str]
    budget: list[BudgetLine]
    worth: list[str]
    robustness: list[str]
    check_names: list[str]
    findings: list[Finding]


def measure_views(plan: Plan, result: Result | None, state: str, t: Words) -> list[MeasureView]:
    """Every measure of the plan; `state` is the project's, for a plan without a result."""
    judged = {measure.name: measure for measure in result.measures} if result else {}
    return [_view(measure_spec(plan, name), judged.get(name), state, t) for name in plan.measures]


def _view(spec: MeasureSpec, judged: MeasureResult | None, state: str, t: Words) -> MeasureView:
    claim = spec.measure.claim
    words = Words(t.language, REPORT)
    drawn = drawings(judged, words) if judged else {}
    return MeasureView(
        name=spec.name,
        title=metric_title(spec.metric_id, spec.name, t),
        boundary=t.pick(spec.boundary.en, spec.boundary.zh),
        unit=change_unit(judged, words) if judged else spec.unit,
        target=target_in_words(spec.measure.target, t),
        claim=f"{number(trimmed(claim.value))} {claim.unit}" if claim else None,
        state=judged.verdict.state if judged else state,
        result=judged,
        gauges=gauges(judged, words) if judged else [],
        chart=drawn.get(FIRST_PLOT, []),
        more_plots={name: drawn[name] for name in MORE_PLOTS if name in drawn},
        bridge=_bars(bridge_amounts(judged, words)) if judged else [],
        chain=list(chain_lines(judged, words)) if judged else [],
        budget=_budget(judged, words) if judged else [],
        worth=list(worth_lines(judged, words)) if judged else [],
        robustness=list(robustness_lines(judged, words)) if judged else [],
        check_names=[check_name(check, judged, words) for check in judged.cross_checks] if judged else [],
        findings=by_severity(_others(judged)) if judged else [],
    )


def _others(judged: MeasureResult) -> list[Finding]:
    """The measure's findings that are not already its verdict's reasons."""
    return [finding for finding in judged.findings if finding not in judged.verdict.reasons]


def _bars(amounts: Sequence[Amount]) -> list[Bar]:
    longest = max((abs(amount.value) for amount in amounts), default=0.0) or 1.0
    return [
        Bar(
            label=amount.name,
            value=amount.text,
            share=f"{abs(amount.value) / longest * PERCENT:.1f}",
            good=amount.good,
            total=amount.total,
        )
        for amount in amounts
    ]


def _budget(judged: MeasureResult, words: Words) -> list[BudgetLine]:
    return [
        BudgetLine(
            source=source_name(row, words),
            type=row.type,
            u=number(three_digits(row.standard_uncertainty)),
            dof=number(three_digits(row.dof)) if row.dof else None,
            share_percent=row.share_percent,
        )
        for row in judged.budget
    ]


def by_severity(found: Sequence[Finding]) -> list[Finding]:
    """The gravest first."""
    return sorted(found, key=lambda finding: SEVERITY_ORDER[finding.severity])


def target_in_words(target: Target, t: Words) -> str:
    """A limit with the quantity that has to keep to it: the change, or the level afterwards."""
    return target_text(target.of, target.side, number(trimmed(target.value)), target.unit, Words(t.language, REPORT))


def trimmed(value: float) -> str:
    """A number of the plan without zeros at its end."""
    return short(Decimal(str(value)))


def three_digits(value: str) -> str:
    """As much of an uncertainty or a factor as a person can use; the result itself has all of it."""
    return significant(float(value), SHOWN_DIGITS)
