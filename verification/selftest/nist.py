"""The NIST Statistical Reference Datasets: eleven linear regressions, nine univariate sets and eleven analyses of
variance with certified values.

The data are as NIST prints them, in decimals; every certified value was confirmed from them in exact rational
arithmetic. PiDigits is not stored: its 5,000 digits are computed, and one of them is set to what NIST's file prints,
since the certified values are those of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from verification.engine.autocorrelation import lag1_autocorrelation
from verification.engine.models.family import ModelSpec, fit_model
from verification.engine.models.linear import Floats, fit_linear
from verification.engine.models.sample import Sample
from verification.findings import Finding
from verification.selftest.check import Check
from verification.selftest.data import numbers, read_data


def linear() -> Iterator[Check]:
    """Coefficients, their standard errors, residual SD and R2 of each linear set."""
    stored = read_data("nist_linear.json")
    for one in stored["sets"]:
        yield from _linear_set(f"{stored['source']}: {one['name']}", one)


def _linear_set(source: str, one: dict[str, Any]) -> Iterator[Check]:
    powers = range(1, one["powers"] + 1)
    columns = np.column_stack([numbers(x) ** power for x in one["x"] for power in powers])
    names = [f"B{index}" for index in range(0 if one["intercept"] else 1, columns.shape[1] + 1)]
    fit = fit_linear(columns, numbers(one["y"]), names[-columns.shape[1] :], intercept=one["intercept"])
    if isinstance(fit, Finding):
        excused = bool(one.get("may_be_refused", False))
        yield Check(source, "all", one["coefficients"][0], None, refusal=fit.text(), may_be_refused=excused)
        return
    for name, got, expected in zip(names, fit.coefficients, one["coefficients"], strict=True):
        yield Check(source, name, expected, float(got))
    for name, got, expected in zip(names, fit.standard_errors, one["standard_errors"], strict=True):
        yield Check(source, f"s({name})", expected, float(got))
    yield Check(source, "residual SD", one["residual_sd"], fit.residual_sd)
    yield Check(source, "R2", one["r_squared"], fit.r_squared)


def univariate() -> Iterator[Check]:
    """Mean, standard deviation and lag-1 autocorrelation of each univariate set."""
    stored = read_data("nist_univariate.json")
    for one in stored["sets"]:
        source = f"{stored['source']}: {one['name']}"
        values, place = _whole_numbers(_values(one))
        fit = fit_linear(np.empty((len(values), 0)), values, [])
        if isinstance(fit, Finding):
            yield Check(source, "all", one["mean"], None, refusal=fit.text())
            continue
        follows = np.ones(len(values) - 1, dtype=bool)
        yield Check(source, "mean", one["mean"], fit.mean * place)
        yield Check(source, "SD", one["sd"], fit.residual_sd * place)
        yield Check(source, "lag-1 r", one["lag1"], lag1_autocorrelation(fit.residuals, follows))


def _values(one: dict[str, Any]) -> list[str]:
    if "pi_digits" not in one:
        return str(one["values"]).split() + str(one.get("then", "")).split() * int(one.get("times", 0))
    digits = list(pi_digits(one["pi_digits"]))
    for index, digit in one["printed_otherwise"].items():  # NIST's file has a 3 where pi has an 8
        digits[int(index)] = digit
    return digits


def variance() -> Iterator[Check]:
    """F of each one-way analysis of variance: the treatments are the levels of a category."""
    stored = read_data("nist_anova.json")
    for one in stored["sets"]:
        source = f"{stored['source']}: {one['name']}"
        treatments = one.get("treatments") or list(_made(stored["made_of_tenths"], one["leading"], one["replicates"]))
        model = fit_model(ModelSpec("mean", categories=("treatment",)), _by_treatment(treatments))
        if isinstance(model, Finding):
            yield Check(source, "F", one["f"], None, refusal=model.text())
            continue
        yield Check(source, "F", one["f"], model.fit.f_statistic)


def _made(tenths: list[int], leading: str, replicates: int) -> Iterator[str]:
    """The values of each treatment of a made set: its tenth, then by turns a tenth less and a tenth more."""
    for tenth in tenths:
        around = [tenth, *[tenth - 1, tenth + 1] * (replicates // 2)]
        yield " ".join(f"{leading}.{each}" for each in around)


def _by_treatment(treatments: list[str]) -> Sample:
    """The values of all treatments as intervals, one after the other, each with its treatment for a label."""
    counts = [len(values.split()) for values in treatments]
    values, _ = _whole_numbers(" ".join(treatments).split())
    n = len(values)
    labels = np.repeat([str(index) for index in range(len(counts))], counts)
    return Sample(
        y=values,
        w=np.ones(n),
        drivers=np.empty((n, 0)),
        names=(),
        position=np.arange(n),
        month=np.zeros(n, dtype=np.int64),
        categories={"treatment": labels},
    )


def pi_digits(count: int) -> str:
    """The first `count` decimal digits of pi, 3 first, by Machin's formula in integers with ten guard digits."""
    unit: int = 10 ** (count + 10)

    def arctan_of_inverse(x: int) -> int:
        term, total, divisor, sign = unit // x, unit // x, 1, 1
        while term:
            term //= x * x
            divisor, sign = divisor + 2, -sign
            total += sign * (term // divisor)
        return total

    pi = 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))
    return str(Decimal(pi))[:count]  # str(int) refuses numbers of more than 4,300 digits


def _whole_numbers(texts: list[str]) -> tuple[Floats, float]:
    """Decimals as whole numbers of their last place, and that place: the engine holds its totals so, exactly."""
    decimals = [Decimal(text) for text in texts]
    exponent = min(int(number.as_tuple().exponent) for number in decimals)
    return np.array([float(number.scaleb(-exponent)) for number in decimals]), 10.0**exponent
