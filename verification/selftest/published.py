"""Worked examples that publications print to a few digits: the GUM's thermometer, end gauge and t quantiles, and the
break in the flow of the Nile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from verification.engine.budget import Contribution, combine, coverage_factor
from verification.engine.models.linear import fit_linear
from verification.engine.robustness.change_points import change_points
from verification.findings import Finding
from verification.selftest.check import Check
from verification.selftest.data import numbers, read_data


def gum() -> Iterator[Check]:
    """GUM H.3 (fit, correlation, prediction), H.1 (combined u and Welch-Satterthwaite) and table G.2 (Student's t)."""
    stored = read_data("published.json")
    yield from _thermometer(stored["gum_h3"])
    gauge = stored["gum_h1"]
    rows = [Contribution("model", "A", float(u), float(dof)) for u, dof in gauge["contributions_nm"]]
    budget = combine(rows, 0.99)
    yield Check(gauge["source"], "u_c [nm]", gauge["combined_nm"], budget.combined, rounded=True)
    yield Check(gauge["source"], "effective dof, cut", gauge["effective_dof_cut"], math.floor(budget.dof), rounded=True)
    for level, dof, expected in stored["student"]["quantiles"]:
        got = coverage_factor(float(level), float(dof))
        yield Check(stored["student"]["source"], f"t({level}, {dof})", expected, got, rounded=True)


def _thermometer(stored: dict[str, Any]) -> Iterator[Check]:
    """The correction as a line over the temperature less 20 C, and what it predicts at 30 C."""
    source, reference = stored["source"], float(stored["reference_c"])
    columns = (numbers(stored["temperature_c"]) - reference)[:, np.newaxis]
    fit = fit_linear(columns, numbers(stored["correction_c"]), ["t - 20 C"])
    if isinstance(fit, Finding):
        yield Check(source, "y1", stored["intercept"], None, refusal=fit.text())
        return
    at = np.array([1.0, float(stored["at_c"]) - reference])
    errors, covariance = fit.standard_errors, fit.covariance
    rows = [
        ("y1 [C]", "intercept", fit.coefficients[0]),
        ("y2", "slope", fit.coefficients[1]),
        ("s(y1) [C]", "u_intercept", errors[0]),
        ("s(y2)", "u_slope", errors[1]),
        ("r(y1, y2)", "correlation", covariance[0, 1] / (errors[0] * errors[1])),
        ("s [C]", "residual_sd", fit.residual_sd),
        ("b(30 C) [C]", "predicted", fit.predict(at[np.newaxis, 1:])[0]),
        ("s(b(30 C)) [C]", "u_predicted", math.sqrt(at @ covariance @ at)),
    ]
    for quantity, key, got in rows:
        yield Check(source, quantity, stored[key], float(got), rounded=True)


def nile() -> Iterator[Check]:
    """The last year before the one break that is found in a hundred years of flow, taken as independent."""
    stored = read_data("published.json")["nile"]
    flow = numbers(stored["flow"])
    found = change_points(flow, effective=len(flow))
    last = str(stored["last_year_before_break"])
    if len(found) != 1:
        yield Check(stored["source"], "last year before", last, None, refusal=f"{len(found)} breaks were found")
        return
    yield Check(stored["source"], "last year before", last, float(stored["first_year"] + found[0] - 1), rounded=True)
