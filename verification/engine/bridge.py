"""The bridge: from the plain difference of ratios, which anyone can compute, to the verified change.

A plain difference counts as saving what a change of load or of another driver did. Each step is computed from its
own formula, none as a remainder, and the steps must close on the verified change; only then are they rounded, so
that they add up as shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from verification.engine.models.family import BaselineModel
from verification.engine.models.sample import Sample

LOAD = "load"


def bridge_steps(
    before: BaselineModel,
    after: BaselineModel,
    baseline: Sample,
    reporting: Sample,
    standard: Sample,
    output: str | None,
) -> list[tuple[str, float]]:
    """The steps, per unit of denominator, before the verified change: plain, load, then one for each driver.

    A term x with coefficients b before and c after, its sum over a window's denominator being x_b, x_r and, in standard
    conditions, x_s: c*(x_s - x_r) - b*(x_s - x_b). The intercept is the load: it is spread over more or less output.
    An avoided change has the reporting period for its standard, so that -b*(x_r - x_b) remains; a backcast has the
    baseline. The denominator's own term, `output`, weighs the same in every window.
    """
    plain = reporting.total_y / reporting.total_w - baseline.total_y / baseline.total_w
    steps = {"plain": plain, LOAD: 0.0}
    for model, own, sign in ((after, reporting, 1.0), (before, baseline, -1.0)):
        standing, met = _terms(model, standard), _terms(model, own)
        for term, value in standing.items():
            steps[term] = steps.get(term, 0.0) + sign * (value - met[term])
    cancels = (
        f"driver:{output}" if output in before.design.drivers else None
    )  # along a line; a bent one does not cancel
    return [(step, value) for step, value in steps.items() if step != cancels]


def _terms(model: BaselineModel, window: Sample) -> Mapping[str, float]:
    """What each group of terms adds to the ratio of a window."""
    terms: dict[str, float] = {}
    for name, coefficient, column in model.terms(window):
        terms[name] = terms.get(name, 0.0) + coefficient * float(column.sum()) / window.total_w
    return terms
