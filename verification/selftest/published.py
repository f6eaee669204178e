"""Worked examples that publications print to a few digits: the GUM's annex H and t quantiles, textbook regressions, and
the break in the flow of the Nile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from verification.engine.autocorrelation import lag1_autocorrelation
from verification.engine.budget import Contribution, combine, coverage_factor
from verification.engine.models.linear import Floats, fit_linear
from verification.engine.models.statistics import durbin_watson
from verification.engine.robustness.change_points import change_points
from verification.findings import Finding
from verification.selftest.check import Check
from verification.selftest.data import numbers, read_data


def gum() -> Iterator[Check]:
    """GUM H.3 (fit, correlation, prediction), H.2 and H.5 (means), H.1 and G.4.1 (combined u and Welch-Satterthwaite),
    table G.2 (Student's t).
    """
    stored = read_data("published.json")
    yield from _thermometer(stored["gum_h3"])
    yield from _impedance(stored["gum_h2"])
    zener = stored["gum_h5"]
    yield from _mean(zener["source"], "mean [uV]", numbers(zener["microvolt"]), zener["means"]["mean [uV]"])
    yield from _product(stored["gum_g4"])
    gauge = stored["gum_h1"]
    # Two degrees of freedom of its largest row are a judgement (G.4.2) and not those of a sample.
    rows = [Contribution("gauge", "B", float(u), float(dof)) for u, dof in gauge["contributions_nm"]]
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


def _impedance(stored: dict[str, Any]) -> Iterator[Check]:
    """Each quantity from its five sets of observations (GUM H.2.4, approach 2, for the three that are computed)."""
    volt, ampere, angle = numbers(stored["volt"]), numbers(stored["milliampere"]) / 1000, numbers(stored["radian"])
    impedance = volt / ampere
    observed = (volt, ampere * 1000, angle, impedance * np.cos(angle), impedance * np.sin(angle), impedance)
    for (quantity, printed), values in zip(stored["means"].items(), observed, strict=True):
        yield from _mean(stored["source"], quantity, values, printed)


def _mean(source: str, quantity: str, values: Floats, printed: Sequence[str]) -> Iterator[Check]:
    """A mean and its standard deviation."""
    fit = fit_linear(np.empty((len(values), 0)), values, [])
    if isinstance(fit, Finding):
        yield Check(source, quantity, printed[0], None, refusal=fit.text())
        return
    yield Check(source, quantity, printed[0], fit.mean, rounded=True)
    yield Check(source, f"s({quantity})", printed[1], float(fit.standard_errors[0]), rounded=True)


def _product(stored: dict[str, Any]) -> Iterator[Check]:
    """The relative uncertainty of a product of three, and U at 95 % with fractional degrees of freedom."""
    rows = [Contribution("model", "A", float(u), float(dof)) for u, dof in stored["contributions"]]
    budget = combine(rows, 0.95)
    for quantity, key, got in (
        ("u_c [%]", "combined", budget.combined),
        ("effective dof", "effective_dof", budget.dof),
        ("U95 [%]", "expanded", budget.expanded),
    ):
        yield Check(stored["source"], quantity, stored[key], got, rounded=True)


def regressions() -> Iterator[Check]:
    """Textbook regressions with what is printed of each."""
    for stored in read_data("published.json")["regressions"]:
        yield from _regression(stored)


def _regression(stored: dict[str, Any]) -> Iterator[Check]:
    source, names = stored["source"], [*stored["columns"]]
    columns = np.column_stack([numbers(text) for text in stored["columns"].values()])
    fit = fit_linear(columns, numbers(stored["response"]), names)
    if isinstance(fit, Finding):
        yield Check(source, "all", stored["r_squared"], None, refusal=fit.text())
        return
    follows = np.ones(fit.n - 1, dtype=bool)
    terms = ["intercept", *names]
    for shown, key, of, values in (
        ("", "coefficients", terms, fit.coefficients),
        ("s of ", "standard_errors", terms, fit.standard_errors),
        ("t of ", "t", terms, fit.t_values),
        ("VIF of ", "vif", names, fit.vif),
    ):
        if key in stored:
            for name, expected, got in zip(of, stored[key], values, strict=True):
                yield Check(source, f"{shown}{name}", expected, float(got), rounded=True)
    for key, got in {
        "residual_sd": fit.residual_sd,
        "r_squared": fit.r_squared,
        "adjusted": fit.adjusted_r_squared,
        "f": fit.f_statistic,
        "durbin_watson": durbin_watson(fit.residuals, follows),
        "lag1": lag1_autocorrelation(fit.residuals, follows),
    }.items():
        if key in stored:
            yield Check(source, key, stored[key], got, rounded=True)


def nile() -> Iterator[Check]:
    """The last year before the one break that is found in a hundred years of flow."""
    stored = read_data("published.json")["nile"]
    flow = numbers(stored["flow"])
    found = change_points(flow, np.ones(len(flow) - 1, dtype=bool))
    last = str(stored["last_year_before_break"])
    if len(found) != 1:
        yield Check(stored["source"], "last year before", last, None, refusal=f"{len(found)} breaks were found")
        return
    yield Check(stored["source"], "last year before", last, float(stored["first_year"] + found[0] - 1), rounded=True)
