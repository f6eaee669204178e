"""Worked examples of uncertainty: budgets, the mean of a few readings, two samples, and what a model predicts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from verification.engine.budget import Contribution, combine, coverage_factor
from verification.engine.models.linear import Fit, fit_linear
from verification.findings import Finding
from verification.selftest.check import Check
from verification.selftest.data import numbers, read_data

NO_COLUMNS = ""
K2 = 0.9545  # the level at which a normal distribution has k = 2


def budgets() -> Iterator[Check]:
    """Budgets of EA-4/02: standard uncertainties; over the root of 3 the limits of rectangular errors and, in S2, the
    repeatability of a mean of three.
    """
    for stored in read_data("worked.json")["ea_4_02"]:
        standard = [float(u) for u in stored["standard"]]
        standard += [float(each) / math.sqrt(3) for each in stored["over_root_3"]]
        budget = combine([Contribution("budget", "B", u, math.inf) for u in standard], K2)
        yield Check(stored["source"], "u", stored["combined"], budget.combined, rounded=True)
        yield Check(stored["source"], "U", stored["expanded"], budget.expanded, rounded=True)


def samples() -> Iterator[Check]:
    """The mean of one sample, and the difference of two, each with noise of its own (Welch)."""
    stored = read_data("worked.json")
    yield from _mean(stored["ipmvp"])
    yield from _difference(stored["sleep"])


def _mean(stored: dict[str, Any]) -> Iterator[Check]:
    fit = _fit(NO_COLUMNS, stored["readings"])
    if isinstance(fit, Finding):
        yield Check(stored["source"], "mean", stored["mean"], None, refusal=fit.text())
        return
    factor = coverage_factor(float(stored["confidence"]), fit.n - fit.p)
    for quantity, key, got in (
        ("mean", "mean", fit.mean),
        ("standard error", "standard_error", float(fit.standard_errors[0])),
        ("t", "t", factor),
    ):
        yield Check(stored["source"], quantity, stored[key], got, rounded=True)


def _difference(stored: dict[str, Any]) -> Iterator[Check]:
    before, after = _fit(NO_COLUMNS, stored["before"]), _fit(NO_COLUMNS, stored["after"])
    if isinstance(before, Finding) or isinstance(after, Finding):
        refusal = "".join(fit.text() for fit in (before, after) if isinstance(fit, Finding))
        yield Check(stored["source"], "t", stored["t"], None, refusal=refusal)
        return
    parts = [Contribution("model", "A", float(fit.standard_errors[0]), fit.n - fit.p) for fit in (before, after)]
    budget, change = combine(parts, 0.95), after.mean - before.mean
    for quantity, key, got in (
        ("t", "t", change / budget.combined),
        ("effective dof", "effective_dof", budget.dof),
        ("change - U95", "low", change - budget.expanded),
        ("change + U95", "high", change + budget.expanded),
    ):
        yield Check(stored["source"], quantity, stored[key], got, rounded=True)


def prediction() -> Iterator[Check]:
    """The interval of one new observation: the noise of the coefficients and its own."""
    stored = read_data("worked.json")["toluca"]
    fit = _fit(stored["x"], stored["y"])
    if isinstance(fit, Finding):
        yield Check(stored["source"], "hours - U90", stored["low"], None, refusal=fit.text())
        return
    at = np.array([[float(stored["at"])]])
    predicted, weights = fit.predict_sum(at), fit.sum_weights(at)
    u = fit.residual_sd * math.sqrt(1 + float(weights @ weights))
    expanded = coverage_factor(float(stored["confidence"]), fit.n - fit.p) * u
    yield Check(stored["source"], "hours - U90", stored["low"], predicted - expanded, rounded=True)
    yield Check(stored["source"], "hours + U90", stored["high"], predicted + expanded, rounded=True)


def _fit(x: str, y: str) -> Fit | Finding:
    """The mean of y, or its line over x where there are any."""
    columns = numbers(x)[:, np.newaxis] if x else np.empty((len(y.split()), 0))
    return fit_linear(columns, numbers(y), ["x"] if x else [])
