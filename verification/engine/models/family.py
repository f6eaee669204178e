"""The kinds of model: ratio of means, mean, least squares, change points, time of week and temperature.

Each ends in one `Fit` and one `Design`, so that everything after it (uncertainty, robustness) treats all kinds alike.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from verification.engine.models.change_point import search, searched_points
from verification.engine.models.design import Design, levels_of
from verification.engine.models.linear import Fit, fit_linear, without_rounding
from verification.engine.models.sample import Floats, Integers, Sample
from verification.findings import Finding

Kind = Literal["ols", "ratio", "mean", "change_point", "towt"]
LEVELS: frozenset[Kind] = frozenset({"ratio", "mean"})  # they compare two levels: no driver explains a difference
TEMPERATURE_SEGMENTS = 6  # Mathieu et al. 2011, the LBNL model


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which model: its kind, drivers and categories by name, and the driver that is a temperature."""

    kind: Kind
    drivers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    temperature: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class BaselineModel:
    """A fitted model of one window."""

    spec: ModelSpec
    fit: Fit
    design: Design

    def predict(self, sample: Sample) -> Floats:
        """The modelled y of each interval."""
        return self.fit.predict(self._columns(sample))

    def misses(self, sample: Sample) -> Floats:
        """y less the modelled y of each interval; zero where that is all rounding."""
        return without_rounding(sample.y - self.predict(sample), sample.y)

    def predict_sum(self, sample: Sample) -> float:
        """The sum of the modelled y."""
        return self.fit.predict_sum(self._columns(sample))

    def sum_weights(self, sample: Sample) -> Floats:
        """float64[n]: how much each y that was fitted moves the sum of the predictions for `sample`."""
        return self.fit.sum_weights(self._columns(sample))

    def moved_by_each(self, added: Sample, sample: Sample) -> Floats:
        """float64[k]: how far each interval of `added`, fitted beside those of the model, would move the sum of the
        predictions for `sample`.

        With one more observation the coefficients move by (X'X)^-1 x e / (1 + h), h = x'(X'X)^-1 x (Plackett 1950); a
        ratio of means by e / (W + w).
        """
        misses = added.y - self.predict(added)
        if self.spec.kind == "ratio":
            fitted_w = float(self.fit.triangle[0, 0]) * math.sqrt(self.fit.n)
            return misses * sample.total_w / (fitted_w + added.w)
        rows = self.fit.rows_in_basis(self._columns(added))
        moved: Floats = rows @ self.fit.total_in_basis(self._columns(sample))
        moved *= misses / (1 + np.sum(rows**2, axis=1))
        return moved

    def moved_without_each(self, starts: Integers, sample: Sample) -> Floats:
        """float64[parts]: how far the sum of the predictions for `sample` would move without each part of the fitted
        intervals, the first of which are `starts`; nan where what is left would have to be fitted anew.
        """
        return self.moves_without_each(starts) @ self.fit.total_in_basis(self._columns(sample))

    def moves_without_each(self, starts: Integers) -> Floats:
        """float64[parts, p]: the same of the solution in the basis."""
        if self.spec.kind == "ratio":
            return np.full((len(starts), 1), np.nan)
        return self.fit.moves_without_each(starts)

    def design_matrix(self, sample: Sample) -> Floats:
        """float64[m, p]: the rows whose product with the fit's solution is the prediction."""
        return self.fit.design_matrix(self._columns(sample))

    def terms(self, sample: Sample) -> Iterator[tuple[str, float, Floats]]:
        """Group, coefficient and column of each term; the intercept is the group `load`. A ratio has no term that could
        weigh differently in another window.
        """
        if self.spec.kind == "ratio":
            return
        yield "load", float(self.fit.coefficients[0]), np.ones(len(sample))
        columns = self._columns(sample).T
        for group, coefficient, column in zip(self.design.groups(), self.fit.coefficients[1:], columns, strict=True):
            yield group, float(coefficient), column

    @property
    def is_searched(self) -> bool:
        """Whether the terms themselves were chosen by the data that it was fitted to."""
        return bool(self.design.hinges or self.design.knots)

    def _columns(self, sample: Sample) -> Floats:
        return sample.w[:, np.newaxis] if self.spec.kind == "ratio" else self.design.columns(sample)


def fit_model(spec: ModelSpec, sample: Sample) -> BaselineModel | Finding:
    """Fit `spec` to a window, or say why no coefficient can be trusted."""
    if spec.kind == "ratio":
        ratio = fit_ratio(sample.w, sample.y)
        return ratio if isinstance(ratio, Finding) else BaselineModel(spec, ratio, Design())
    design = _design(spec, sample)
    if spec.kind in ("change_point", "towt") and not (design.hinges or design.knots[1:]):
        return Finding.of("DRIVER_CONSTANT", driver=_temperature(spec))
    fit = fit_linear(design.columns(sample), sample.y, design.names())
    if isinstance(fit, Finding):
        return fit
    if design.hinges:
        fit = dataclasses.replace(fit, searched=searched_points(design.hinges))
        if fit.n <= fit.p:
            return Finding.of("MODEL_TOO_LARGE", n=fit.n, p=fit.p)
    return BaselineModel(spec, fit, design)


def refit(model: BaselineModel, sample: Sample) -> BaselineModel | Finding:
    """The same model, with the same change points and levels, fitted to other intervals."""
    if model.spec.kind == "ratio":
        return fit_model(model.spec, sample)
    fit = fit_linear(model.design.columns(sample), sample.y, model.design.names())
    if isinstance(fit, Finding):
        return fit
    return BaselineModel(model.spec, dataclasses.replace(fit, searched=model.fit.searched), model.design)


def refit_part(model: BaselineModel, kept: slice | Integers, part: Sample) -> BaselineModel | Finding:
    """`refit` to `part`, which is the intervals `kept` of those that the model was fitted to."""
    fit = None if model.spec.kind == "ratio" else model.fit.of_part(kept, part.y)
    return refit(model, part) if fit is None else BaselineModel(model.spec, fit, model.design)


def beside_a_line(model: BaselineModel, sample: Sample) -> BaselineModel | Finding:
    """A change-point model with the temperature's straight line kept beside one hinge at each of its points: what the
    points add to the line.
    """
    one_each = {hinge.point: hinge for hinge in model.design.hinges}
    design = dataclasses.replace(
        model.design,
        drivers=(*model.design.drivers, _temperature(model.spec)),
        hinges=tuple(one_each.values()),
    )
    fit = fit_linear(design.columns(sample), sample.y, design.names())
    if isinstance(fit, Finding):
        return fit
    return BaselineModel(model.spec, dataclasses.replace(fit, searched=model.fit.searched), design)


def fit_ratio(w: Floats, y: Floats) -> Fit | Finding:
    """y = R*w + e with R = sum(y)/sum(w), the ratio of means.

    R is the estimator for which the residuals add up to zero, so its sum of weights is sum(w)/W for every observation:
    a fit whose basis is the constant and whose R factor is W/sqrt(n).
    """
    n, total = len(y), float(np.sum(w))
    if n <= 1:
        return Finding.of("MODEL_TOO_LARGE", n=n, p=1)
    if total <= 0:
        return Finding.of("DRIVER_CONSTANT", driver="denominator")
    ratio = float(np.sum(y)) / total
    return Fit(
        names=("denominator",),
        intercept=False,
        coefficients=np.array([ratio]),
        residuals=without_rounding(y - ratio * w, y),
        y=y,
        centre=np.zeros(1),
        scale=np.ones(1),
        basis=np.full((n, 1), 1 / math.sqrt(n)),
        triangle=np.array([[total / math.sqrt(n)]]),
        solution=np.array([ratio]),
    )


def _design(spec: ModelSpec, sample: Sample) -> Design:
    levels = levels_of(sample, spec.categories)
    plain = tuple(name for name in spec.drivers if name != spec.temperature)
    match spec.kind:
        case "mean":
            return Design(levels=levels)
        case "change_point":
            others = Design(drivers=plain, levels=levels)
            temperature = _temperature(spec)
            hinges = search(sample, temperature, others.columns(sample))
            return dataclasses.replace(others, hinges=hinges)
        case "towt":
            temperature = _temperature(spec)
            slots = () if sample.slot is None else tuple(sorted(set(sample.slot.tolist())))
            knots = _knots(sample.column(temperature))
            return Design(drivers=plain, levels=levels, slots=slots, knots=knots, temperature=temperature)
        case _:
            return Design(drivers=spec.drivers, levels=levels)


def _temperature(spec: ModelSpec) -> str:
    """The temperature that the plan names, else the last driver."""
    return spec.temperature or spec.drivers[-1]


def _knots(temperature: Floats) -> tuple[float, ...]:
    """The edges of up to six segments with equally many intervals in each."""
    edges = np.quantile(temperature, np.linspace(0, 1, TEMPERATURE_SEGMENTS + 1))
    return tuple(float(edge) for edge in np.unique(edges))
