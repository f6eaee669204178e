"""From windows of data to a change with its uncertainty budget and its robustness: steps 3 to 6 of
docs/explanation/methods.md.

All figures are in the units of the metric's parts and in its kernel unit. Not handled: the metric's own unit and the
precision of the result (`present.py`), and the verdict.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from verification.engine.adjustments import Adjusted, adjustments_of
from verification.engine.assess import Primary, Robustness, primary_with_noise, robustness
from verification.engine.autocorrelation import Noise, Spread, lag1_autocorrelation
from verification.engine.bridge import bridge_steps
from verification.engine.budget import Budget, Contribution, MeterEffect, combine, meter_effect
from verification.engine.case import Case
from verification.engine.crosschecks import Check, ar1_gls, ashrae_fsu, monte_carlo
from verification.engine.days import FEWEST_DAYS
from verification.engine.meters import MeterInUse
from verification.engine.model_checks import Met, check_fit, check_load, check_outliers, check_support
from verification.engine.models.family import LEVELS, BaselineModel, ModelSpec, refit
from verification.engine.models.sample import Sample
from verification.engine.models.statistics import durbin_watson, nmbe_out_of_sample, term_p_values
from verification.engine.savings import MODEL, Own, Share, spreads_of_each
from verification.engine.windows import (
    Columns,
    columns_of,
    columns_with,
    model_spec,
    output_driver,
    put_back,
    sample_of,
    standard_of,
    temperatures,
    usable_alternatives,
    with_factor,
)
from verification.findings import Finding
from verification.plan.measure import MeasureSpec
from verification.plan.shape import Plan, WindowName
from verification.quality.points import PointWindow
from verification.quality.window import WindowData
from verification.series.calendar import DAY_US
from verification.series.columns import Floats

FIGURES = ("change", "relative", "level")  # what a target may be about, in the order of their budgets
CHANGE, RELATIVE, LEVEL = range(3)
LARGEST_FIGURE = 1e24  # [numerator] over a window; a reading is at most 1e18, and squares of squares must stay finite
DOUBTFUL_SHARE = 0.05  # of the variance: from here on a rectangular error shows in the shape of the sum


@dataclasses.dataclass(frozen=True, eq=False)
class Windows:
    """One measure's windows by name, in order of time: their points, and their intervals."""

    points: Mapping[WindowName, PointWindow]
    data: Mapping[WindowName, WindowData]


@dataclasses.dataclass(frozen=True, eq=False)
class Weighed:
    """A model, the window that it was fitted to and its noise there, and how good the fit is: `term_p_values` weigh its
    terms with autocorrelated noise.
    """

    window: WindowName
    model: BaselineModel
    noise: Noise
    durbin_watson: float
    lag1: float
    nmbe_out_of_sample: float | None
    term_p_values: Floats

    @classmethod
    def of(cls, window: WindowName, model: BaselineModel, noise: Noise, sample: Sample) -> Weighed:
        """`model` weighed on the `sample` of its window."""
        return cls(
            window,
            model,
            noise,
            durbin_watson(model.fit.residuals, sample.follows),
            lag1_autocorrelation(model.fit.residuals, sample.follows),
            nmbe_out_of_sample(model, sample),
            term_p_values(model, noise),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Analysis:
    """A change and what it stands on.

    `figures` and `budgets` are the change [kernel unit], the relative change (a share) and the level after the retrofit
    [kernel unit]. `weighed` is the primary model, `weighed_after` the second one of a normalised change, `steps` the
    bridge; `predicted` are the model's values of each interval by window, nan where a driver is unknown.
    """

    primary: Primary
    case: Case
    figures: tuple[float, float, float]
    budgets: tuple[Budget, Budget, Budget]
    adjusted: Adjusted
    steps: list[tuple[str, float]]
    weighed: Weighed
    weighed_after: Weighed | None
    predicted: Mapping[WindowName, Floats]
    robustness: Robustness
    cross_checks: list[Check]

    @property
    def delta(self) -> float:
        """The change."""
        return self.figures[CHANGE]

    @property
    def budget(self) -> Budget:
        """Its uncertainty."""
        return self.budgets[CHANGE]


def analyse(
    plan: Plan, spec: MeasureSpec, windows: Windows, meters: Sequence[MeterInUse]
) -> tuple[Analysis | None, list[Finding]]:
    """Fit the primary model, let it answer, and weigh the answer; None where a finding says that no number can be
    given.
    """
    adjusted, findings = adjustments_of(plan, spec, windows.points["reporting"], windows.data["reporting"].used)
    if any(finding.blocks for finding in findings):
        return None, findings
    columns = {name: columns_of(data, windows.points[name]) for name, data in windows.data.items()}
    case, found = _case(spec, windows, columns, adjusted)
    findings += found
    primary, case, found = primary_with_noise(model_spec(spec), case)
    if isinstance(primary, Finding):
        return None, [*findings, primary]
    findings += found
    model = primary.model
    if beyond := _beyond_stating(spec, primary, case):
        return None, [*findings, *support(model, case), beyond]
    weighed, after = Weighed.of(case.fitted_name, model, primary.noise, case.fitted), _weighed_after(model, case)
    predicted = {name: _predicted(model, data, columns[name]) for name, data in windows.data.items()}
    findings += [*support(model, case), *_load_of_a_ratio(spec, model, case)]
    for each in (weighed, after) if after else (weighed,):
        findings += check_fit(each.model, each.window, each.term_p_values, each.nmbe_out_of_sample)
    for name, data in windows.data.items():
        of_its_own = after is not None and name == after.window
        told = after if after and of_its_own else weighed
        expected = _predicted(told.model, data, columns[name]) if of_its_own else predicted[name]
        findings += check_outliers(data, expected, told.window, of_ratio=model.spec.kind == "ratio")
    level = _level_shares(primary, case)
    findings += _told_from_intervals(spec, primary, level)
    effects = [_meter_effect(primary, case, windows, meter, adjusted) for meter in meters]
    for meter, effect in zip(meters, effects, strict=True):
        if math.isnan(effect.u[CHANGE]):
            return None, [*findings, Finding.of("METER_ERROR_UNBOUNDED", meter=meter.name)]
    figures = _figures(primary, case)
    budgets = _budgets(primary, case, level, meters, effects, adjusted, plan.confidence)
    target = FIGURES.index(spec.measure.target.of)
    return Analysis(
        primary=primary,
        case=case,
        figures=figures,
        budgets=budgets,
        adjusted=adjusted,
        steps=_steps(model, after.model if after else None, case),
        weighed=weighed,
        weighed_after=after,
        predicted=predicted,
        robustness=robustness(primary, case, plan.confidence, _days(windows, case)),
        cross_checks=_cross_checks(primary, case, budgets[target], figures[target], effects, target, plan.confidence),
    ), findings


def _case(
    spec: MeasureSpec, windows: Windows, columns: Mapping[WindowName, Columns], adjusted: Adjusted
) -> tuple[Case, list[Finding]]:
    """What the models are fitted to and answer for, and which drivers of other models are not known well enough."""
    alternatives = columns["reporting"].alternatives
    usable = set(alternatives).intersection(
        *(usable_alternatives(windows.data[name], columns[name]) for name in columns)
    )
    samples = {name: sample_of(data, columns[name], usable) for name, data in windows.data.items()}
    case = Case(
        baseline=samples["baseline"],
        intermediate=samples.get("intermediate"),
        reporting=samples["reporting"],
        method=spec.measure.method,
        adjustment=adjusted.total / samples["reporting"].total_w,
        output=output_driver(spec),
        temperatures=[name for name in temperatures(spec) if name in usable or name in model_spec(spec).drivers],
        put_back=put_back(windows.data, columns, usable),
    )
    unknown = [Finding.of("ALTERNATIVE_UNKNOWN", driver=name) for name in alternatives if name not in usable]
    return dataclasses.replace(case, standard=standard_of(spec, case.baseline)), unknown


def _beyond_stating(spec: MeasureSpec, primary: Primary, case: Case) -> Finding | None:
    """Why the figure that the target is about cannot be stated, or None where it can."""
    estimate, of = primary.estimate, spec.measure.target.of
    largest = max(abs(estimate.change), abs(estimate.before), key=lambda size: math.inf if math.isnan(size) else size)
    if not largest <= LARGEST_FIGURE:
        return Finding.of("CHANGE_OUT_OF_RANGE", size=f"{largest:.1e}", unit=spec.numerator.unit)
    if of == "relative" and estimate.before <= 0:
        return Finding.of("RELATIVE_UNDEFINED")
    if of == "level" and len(case.reporting) <= 1:
        return Finding.of("LEVEL_UNDEFINED")
    return None


def _told_from_intervals(spec: MeasureSpec, primary: Primary, level: tuple[Share, ...]) -> list[Finding]:
    """Whether noise of the figure that the target is about is that of single intervals, for want of days."""
    shares = primary.estimate.shares
    if spec.measure.target.of == "level":
        shares += level
    for share in shares:
        starts = share.window.day_starts
        if starts is not None and share.noise.days is None:
            required = max(FEWEST_DAYS, primary.model.fit.p + 2)
            return [Finding.of("TOLD_FROM_INTERVALS", days=len(starts), required=required)]
    return []


def support(model: BaselineModel, case: Case) -> list[Finding]:
    """Whether each model that answers has met the conditions that it answers for: a normalised change has two, a chain
    two that one model answers for.
    """
    fitted = Met(case.fitted, case.fitted_name)
    if case.method != "normalised":
        found = (check_support(model, fitted, Met(each.sample, each.window)) for each in case.projections)
        return [*itertools.chain.from_iterable(found)]
    stated = None
    if case.standard != "both":
        stated = Met(case.conditions, "standard" if isinstance(case.standard, Sample) else case.standard)
    [after] = case.projections
    other, own = Met(after.sample, after.window), case.own(model.spec, after.window)
    findings = check_support(model, fitted, stated or other)
    return findings if isinstance(own, Finding) else findings + check_support(own.model, other, stated or fitted)


def _load_of_a_ratio(spec: MeasureSpec, model: BaselineModel, case: Case) -> list[Finding]:
    """Whether a ratio is compared at a load that its baseline never met: what does not rise with the load (a furnace
    kept warm, a shift that is paid anyhow) then passes for a change. A share rises with its whole by nature.
    """
    if model.spec.kind != "ratio" or case.output is None or spec.is_share:
        return []
    return check_load(case.output, case.baseline.w, case.reporting.w)


def _days(windows: Windows, case: Case) -> list[Floats]:
    """When each interval used begins, by window, in days since the baseline began."""
    first = windows.data["baseline"].calendar.edges_us[0]
    return [
        (windows.data[name].calendar.edges_us[sample.position] - first) / DAY_US
        for name, sample in case.windows.items()
    ]


def _cross_checks(
    primary: Primary,
    case: Case,
    budget: Budget,
    figure: float,
    effects: Sequence[MeterEffect],
    target: int,
    confidence: float,
) -> list[Check]:
    """By generalised least squares and by ASHRAE where one model answers; by Monte Carlo where meters or a ratio make
    the linear combination doubtful, on the figure that the target is about.
    """
    checks = []
    model, noise, estimate = primary.model, primary.noise, primary.estimate
    if case.method == "avoided" and model.spec.kind not in LEVELS:
        checks.append(ar1_gls(model, noise, case, confidence))
    if case.method == "avoided":
        checks.append(ashrae_fsu(model, noise, case, estimate.before, estimate.delta, confidence))
    other = math.fsum(row.u**2 for row in budget.rows if row.type == "B")
    if target != CHANGE or other > DOUBTFUL_SHARE * budget.combined**2:
        limits = [float(limit[target]) for effect in effects for limit in effect.limits]
        checks.append(monte_carlo(FIGURES[target], figure, budget, limits, confidence))
    return checks


def _figures(primary: Primary, case: Case) -> tuple[float, float, float]:
    estimate, reporting = primary.estimate, case.reporting
    return estimate.delta, estimate.relative, reporting.total_y / reporting.total_w


def _level_shares(primary: Primary, case: Case) -> tuple[Share, ...]:
    """The noise of the level that the line holds after the retrofit, of which the reporting period is a sample: that of
    a ratio is in its change already.
    """
    reporting = case.reporting
    if primary.model.spec.kind == "ratio":
        return tuple(share for share in primary.estimate.shares if share.of == "after" and share.window is reporting)
    own = case.own(ModelSpec("ratio"), "reporting")
    if isinstance(own, Finding):
        return ()
    weights = np.full(len(reporting), 1 / reporting.total_w)
    return (Share(own.noise, reporting, weights, "after"),)


def _budgets(
    primary: Primary,
    case: Case,
    level: Sequence[Share],
    meters: Sequence[MeterInUse],
    effects: Sequence[MeterEffect],
    adjusted: Adjusted,
    confidence: float,
) -> tuple[Budget, Budget, Budget]:
    """The budgets of the change, of the relative change and of the level, whose noise the shares of `level` bring."""
    estimate = primary.estimate
    noises = spreads_of_each([estimate.shares, estimate.relative_shares, level], confidence)
    of_change, of_relative, of_level = (
        combine(_rows(figure, noise, meters, effects, adjusted, primary, case), confidence)
        for figure, noise in enumerate(noises)
    )
    return of_change, of_relative, of_level


def _rows(
    figure: int,
    noise: Mapping[str, Spread],
    meters: Sequence[MeterInUse],
    effects: Sequence[MeterEffect],
    adjusted: Adjusted,
    primary: Primary,
    case: Case,
) -> list[Contribution]:
    """The budget of one figure: noise, each meter, each adjustment."""
    rows = [Contribution(source, "A", part.u, part.dof) for source, part in noise.items()]
    rows = rows or [Contribution(MODEL, "A", math.nan, math.inf)]  # a figure that is not defined
    rows += [
        Contribution(f"meter:{meter.name}", "B", float(effect.u[figure]), math.inf)
        for meter, effect in zip(meters, effects, strict=True)
    ]
    estimate, per = primary.estimate, 1 / case.reporting.total_w
    relative = estimate.senpi * estimate.output / estimate.before * per if estimate.before else math.nan
    scale = (per, relative, 0.0)[figure]
    rows += [Contribution(f"adjustment:{each.id}", "B", each.u * scale, math.inf) for each in adjusted.applied]
    return rows


def _meter_effect(primary: Primary, case: Case, windows: Windows, meter: MeterInUse, adjusted: Adjusted) -> MeterEffect:
    """u of each figure by one meter: its points are read with the meter's error, and the change is computed anew."""

    def figures(*errors: float) -> Floats:
        erring, scaled = case, {}
        for (name, data), error in zip(windows.data.items(), errors, strict=True):
            scaled[name] = with_factor(windows.points[name], meter.points, 1 + error)
            if error:
                erring = erring.with_window(name, sample_of(data, columns_with(data, scaled[name], meter.points)))
        adjustment = adjusted.total_on(scaled["reporting"]) / erring.reporting.total_w
        erring = dataclasses.replace(erring, adjustment=adjustment)
        model = refit(primary.model, erring.fitted)
        estimate = model if isinstance(model, Finding) else erring.answer(model, primary.noise)
        if isinstance(model, Finding) or isinstance(estimate, Finding):
            return np.full(3, math.nan)
        return np.array(_figures(Primary(model, primary.noise, estimate), erring))

    if not any(meter.continuity.u):
        return MeterEffect(np.zeros(3), ())
    return meter_effect(meter.continuity, figures)


def _weighed_after(model: BaselineModel, case: Case) -> Weighed | None:
    """The reporting period's model of a normalised change."""
    after = case.own(model.spec, "reporting") if case.method == "normalised" else None
    if not isinstance(after, Own):  # without it a normalised change would have had no answer
        return None
    return Weighed.of("reporting", after.model, after.noise, case.reporting)


def _steps(model: BaselineModel, model_after: BaselineModel | None, case: Case) -> list[tuple[str, float]]:
    """The bridge, with the adjustments as its last step."""
    standard = case.projections[-1].sample if model_after is None else case.conditions
    steps = bridge_steps(model, model_after or model, case.baseline, case.reporting, standard, case.output)
    if case.adjustment:
        steps.append(("adjustments", -case.adjustment))
    return steps


def _predicted(model: BaselineModel, data: WindowData, columns: Columns) -> Floats:
    """The model's value of every interval of a window whose drivers are known, nan for the others."""
    everything = dataclasses.replace(data, used=data.known)
    predicted = np.full(len(data.known), np.nan)
    if data.known.any():
        predicted[data.known] = model.predict(sample_of(everything, columns))
    return predicted
