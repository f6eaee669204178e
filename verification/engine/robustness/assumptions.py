"""What a before-and-after comparison takes for granted, as far as the data can contradict it.

Drift: there is no trend but the retrofit's step (an interrupted time series with one slope for all windows, Wagner et
al. 2002, or for one of them), and no season but what the drivers carry (the reporting period beside the same season of
the baseline). Curvature: the drivers act along lines (Ramsey's RESET, 1969). Dilution: a driver is known without random
error, which would flatten its slope (Frisch's bounds). Each is told as what it would do to the change. Pure numerics,
in the metric's kernel unit. Not handled: what each means for the verdict (`judge.py`).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from verification.engine.autocorrelation import (
    ONE_SIGMA,
    Noise,
    Spread,
    Unexplained,
    WeightedSum,
    noises_of,
    spread,
    spreads,
    standard_error,
    two_sided_p,
)
from verification.engine.case import Case
from verification.engine.days import sums_by_day
from verification.engine.models.family import LEVELS, BaselineModel
from verification.engine.models.sample import Booleans, Floats, Sample
from verification.engine.savings import Estimate, Share
from verification.plan.shape import WindowName

NEGLIGIBLE = 1e-9  # of the largest: a column that depends on the others
YEAR_DAYS = 365.25
WHOLE_YEAR_DAYS = 330.0  # a window as long as this holds every season
SAME_SEASON_DAYS = 45.0
HISTORY_DAYS = 3 * YEAR_DAYS  # in which whoever files a plan may have looked for a baseline
FEWEST_STRETCHES = 2
LEAST_OF_SEASON = 0.5  # of the reporting period's length: so much of its season the baseline must hold to tell of it


@dataclasses.dataclass(frozen=True)
class Drift:
    """What a course that is not the retrofit's (a steady drift, a season) comes to from the baseline's mean to the
    reporting period's, and the change without it, each with its standard uncertainty; the degrees of freedom and the
    `p` of the course. `erring` weighs the change, whose uncertainty is asked for only where the course is sure.
    """

    shift: float
    u_shift: float
    delta: float
    dof: float
    p: float
    erring: Callable[[], float]

    @functools.cached_property
    def u_delta(self) -> float:
        """The standard uncertainty of the change without the course."""
        return self.erring()


@dataclasses.dataclass(frozen=True)
class Bias:
    """What a doubt about the form of the model would do to the change, and the p of the doubt; `driver` is the one in
    doubt, empty for all of them together.
    """

    shift: float
    p: float
    driver: str = ""


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a baseline could gain by being chosen: by how much the worst of so many stretches of its length errs by
    chance.
    """

    stretches: int
    bias: float


@dataclasses.dataclass(frozen=True)
class Assumptions:
    """What the data say against each; None where they cannot say anything. `one_sided` are drifts that stop at the
    works or begin with them, by the window that has them. `baseline_days` is the length of a baseline that leaves out
    seasons which the reporting period may have, else None; `days_apart` how far apart in the year the middles of such
    windows lie where that is nearly half a year, else None.
    """

    drift: Drift | None
    one_sided: Mapping[WindowName, Drift]
    season: Drift | None
    curvature: Bias | None
    dilution: list[Bias]
    baseline_days: int | None
    days_apart: int | None
    choice: Choice | None


def assumptions(
    model: BaselineModel, noise: Noise, estimate: Estimate, case: Case, days: Sequence[Floats]
) -> Assumptions:
    """What the data say; `estimate` is what the model says of the case, `days` float64[m] when each interval of a
    window begins, by window in order of time.
    """
    lengths = [window_length(days, each) for each in range(len(days))]
    same_season = _same_season(days, lengths)
    weather = set(model.spec.drivers) & set(case.temperatures)
    uncovered = not (same_season or weather or lengths[0] >= WHOLE_YEAR_DAYS)
    found = Assumptions(
        drift=None,
        one_sided={},
        season=None,
        curvature=None,
        dilution=[],
        baseline_days=round(lengths[0]) if uncovered else None,
        days_apart=_opposed(days, lengths) if uncovered else None,
        choice=None,
    )
    if model.fit.residuals_are_zero:  # computed figures, of which another finding tells
        return found
    courses = _courses(case, days, lengths, trends=not same_season)
    drifts = dict(zip(courses, _Step.of(model, case).beside(list(courses.values())), strict=True))
    sides: tuple[WindowName, ...] = ("baseline", "reporting")
    return dataclasses.replace(
        found,
        drift=drifts.get("whole"),
        one_sided={side: drift for side in sides if (drift := drifts.get(side)) is not None},
        season=drifts.get("season"),
        curvature=curvature(model, noise, case),
        dilution=dilution(model, case),
        choice=choice(estimate, case, lengths[0]),
    )


def _courses(
    case: Case, days: Sequence[Floats], lengths: Sequence[float], *, trends: bool
) -> dict[str, Sequence[Floats]]:
    """The courses to weigh, float64[m] by window: of trends the `whole` one, that which the `baseline` has and that
    stops at its end, and that which begins with the `reporting` period; and the `season`.
    """
    until, since = float(days[0][-1]), float(days[-1][0])
    courses: dict[str, Sequence[Floats]] = {}
    if trends:
        courses["whole"] = days
        courses["baseline"] = [np.minimum(each, until) for each in days]
        courses["reporting"] = [np.maximum(each, since) for each in days]
    season = _season(case, days, lengths)
    return courses if season is None else {**courses, "season": season}


def window_length(days: Sequence[Floats], window: int) -> float:
    """How many days a window covers; `days` float64[n] is when the intervals of each begin. One interval is as long as
    those of the window that has most, of which a model needs several.
    """
    begins = days[window]
    own = begins if len(begins) > 1 else max(days, key=len)
    return float(np.ptp(begins) + np.median(np.diff(own)))


def _same_season(days: Sequence[Floats], lengths: Sequence[float]) -> bool:
    """Whether baseline and reporting period, shorter than a year, lie whole years apart: a trend in both is then the
    season's, and cancels.
    """
    short = min(lengths[0], lengths[-1]) < WHOLE_YEAR_DAYS
    apart, years = _apart(days)
    return short and years > 0 and apart < SAME_SEASON_DAYS


def _opposed(days: Sequence[Floats], lengths: Sequence[float]) -> int | None:
    """How many days apart in the year the middles of two windows lie, where both are shorter than a year and the
    seasons are nearly opposite.
    """
    apart, _ = _apart(days)
    short = max(lengths[0], lengths[-1]) < WHOLE_YEAR_DAYS
    return round(apart) if short and apart > YEAR_DAYS / 2 - SAME_SEASON_DAYS else None


def _apart(days: Sequence[Floats]) -> tuple[float, int]:
    """How far the middles of baseline and reporting period lie from whole years apart, and from how many years."""
    distance = float(np.mean(days[-1])) - float(np.mean(days[0]))
    years = round(distance / YEAR_DAYS)
    return abs(distance - years * YEAR_DAYS), years


def _season(case: Case, days: Sequence[Floats], lengths: Sequence[float]) -> list[Floats] | None:
    """What sets the reporting period's season apart from the rest of the baseline; None where the reporting period has
    every season, or the baseline holds too little of its.
    """
    if lengths[-1] >= WHOLE_YEAR_DAYS or case.intermediate is not None:
        return None
    begin, length = float(days[-1][0]), float(np.ptp(days[-1]))
    inside = ((days[0] - begin) % YEAR_DAYS <= length).astype(np.float64)
    held = float(np.mean(inside)) * lengths[0]
    if held < LEAST_OF_SEASON * length or inside.all():
        return None
    return [inside, np.ones(len(days[-1]))]


class _Seen(NamedTuple):
    """A course beside the steps between the windows: how far it goes from the baseline's mean to the reporting
    period's, how each y moves the step and the course's slope (`of_level`, `of_slope`), and what the fit leaves.
    """

    distance: float
    of_level: Floats
    of_slope: Floats
    left: Unexplained


@dataclasses.dataclass(frozen=True, eq=False)
class _Step:
    """What a course is weighed beside, n rows: what the model misses, the step to the reporting period, and an
    orthonormal basis of the model's own columns; by whole days where intervals are shorter. `per` is one over the mean
    of the denominators, `weight` float64[m] what each interval weighs by its own.
    """

    case: Case
    per: float
    weight: Floats
    missed: Floats
    step: Floats
    others: Floats

    @classmethod
    def of(cls, model: BaselineModel, case: Case) -> _Step:
        """The step of a case, as `model` sees it."""
        windows = [*case.windows.values()]
        w = np.concatenate([window.w for window in windows])
        number = np.repeat(np.arange(len(windows)), [len(window) for window in windows])
        if model.spec.kind in LEVELS:  # what is left of a ratio has the constant for its column
            columns, weight = np.ones((1, len(w))), np.ones(len(w))
        else:
            columns, weight = np.concatenate([model.design_matrix(window) for window in windows]).T, w / np.mean(w)
        if case.intermediate is not None:  # it has a level of its own
            columns = np.vstack([columns, (number == 1) * weight])
        missed = np.concatenate([model.misses(window) for window in windows])
        step = (number == len(windows) - 1) * weight
        table = _by_day(windows, np.vstack([missed, step, columns]))
        left, sizes, _ = np.linalg.svd(table[2:].T, full_matrices=False)
        return cls(case, 1 / float(np.mean(w)), weight, table[0], table[1], left[:, sizes > NEGLIGIBLE * sizes[0]])

    @property
    def windows(self) -> list[Sample]:
        """The windows in order of time."""
        return [*self.case.windows.values()]

    @functools.cached_property
    def follows(self) -> Booleans:
        """Which of the rows follow each other; those of different windows do not."""
        inside = (
            window.follows if window.day_starts is None else np.ones(len(window.day_starts) - 1, dtype=bool)
            for window in self.windows
        )
        return np.concatenate([np.append(each, [False]) for each in inside])[:-1]

    def beside(self, courses: Sequence[Sequence[Floats]]) -> list[Drift | None]:
        """What each of some courses (float64[m] by window) moves beside the steps between the windows; None where the
        drivers leave nothing of it to be seen. What is told is the step from the baseline to the reporting period.
        """
        seen = [self._seen(course) for course in courses]
        telling = [each for each in seen if each is not None]
        noises = noises_of([each.left for each in telling])
        errors = spreads(
            [WeightedSum(noise, self._laid_out(each.of_slope)) for each, noise in zip(telling, noises, strict=True)],
            ONE_SIGMA,
        )
        drifts = (self._drift(*each) for each in zip(telling, noises, errors, strict=True))
        return [None if each is None else next(drifts) for each in seen]

    def _seen(self, course: Sequence[Floats]) -> _Seen | None:
        others, time = self.others, np.concatenate(course)
        width = float(np.ptp(time))
        if not width or len(others) <= others.shape[1] + 2:  # a single interval, or too few to tell from their noise
            return None
        distance = float(np.mean(course[-1]) - np.mean(course[0])) / width
        time = (time - np.mean(time)) / width
        table = np.column_stack([self.step, _by_day(self.windows, time * self.weight)])
        own = table - others @ (others.T @ table)
        basis, triangle = np.linalg.qr(own)
        if np.min(np.abs(np.diag(triangle))) <= NEGLIGIBLE * np.linalg.norm(table):
            return None
        of_level, of_slope = np.linalg.solve(triangle, basis.T)
        basis = np.column_stack([others, basis])
        left = Unexplained(basis, self.missed - basis @ (basis.T @ self.missed), self.follows)
        return _Seen(distance, of_level, of_slope, left)

    def _drift(self, seen: _Seen, noise: Noise, error: Spread) -> Drift:
        slope, per = float(seen.of_slope @ self.missed), self.per
        return Drift(
            shift=slope * seen.distance * per,
            u_shift=error.u * seen.distance * per,
            delta=float(seen.of_level @ self.missed) * per - self.case.adjustment,
            dof=error.dof,
            p=float(two_sided_p(np.array([slope]), np.array([error.u]), error.dof)[0]),
            erring=lambda: spread(noise, self._laid_out(seen.of_level), ONE_SIGMA).u * per,
        )

    def _laid_out(self, weights: Floats) -> list[Floats]:
        """Weights of the rows by window, in order of time."""
        lengths = [len(window if window.day_starts is None else window.day_starts) for window in self.windows]
        parts = np.split(weights, np.cumsum(lengths)[:-1])
        return [
            window.in_calendar(part) if window.day_starts is None else part
            for window, part in zip(self.windows, parts, strict=True)
        ]


def _by_day(windows: Sequence[Sample], rows: Floats) -> Floats:
    """Rows float64[..., m] of the windows, summed over each day where intervals are shorter than a day."""
    parts = np.split(rows, np.cumsum([len(window) for window in windows])[:-1], axis=-1)
    days = [
        part if window.day_starts is None else sums_by_day(part, window.day_starts)
        for window, part in zip(windows, parts, strict=True)
    ]
    return np.concatenate(days, axis=-1)


def curvature(model: BaselineModel, noise: Noise, case: Case) -> Bias | None:
    """What the square of the modelled value, as one more term, would change."""
    fitted = case.fitted
    modelled = model.predict(fitted)
    centre, size = float(np.mean(modelled)), float(np.std(modelled))
    if model.spec.kind in LEVELS or size == 0:
        return None
    square = ((modelled - centre) / size) ** 2
    basis = model.fit.basis
    own = square - basis @ (basis.T @ square)  # what the other terms do not carry already
    squares = float(own @ own)
    if squares <= NEGLIGIBLE * float(square @ square):
        return None
    weights = own / squares
    coefficient = float(weights @ model.fit.residuals)
    parts = Share(noise, fitted, weights, "before").parts
    error = math.hypot(*(standard_error(each, laid_out) for each, laid_out in parts))
    dof = max(noise.effective - model.fit.p - 1, 1.0)
    p = float(two_sided_p(np.array([coefficient]), np.array([error]), dof)[0])
    shift = 0.0
    for _, projected, sign in case.projections:
        ahead = ((model.predict(projected) - centre) / size) ** 2
        missed = float(np.sum(ahead)) - float(model.sum_weights(projected) @ square)
        shift += sign * coefficient * missed / projected.total_w
    return Bias(shift, p)


def dilution(model: BaselineModel, case: Case) -> list[Bias]:
    """For each driver of a straight line: how far off the change could be if all that the model leaves unexplained were
    error in the driver, whose slope would then be larger by 1/R^2, R^2 the driver's own share.
    """
    fit, fitted = model.fit, case.fitted
    if model.spec.kind != "ols":
        return []
    found = []
    for name, coefficient, t in zip(fit.names, fit.coefficients[1:], fit.t_values[1:], strict=True):
        if name not in model.spec.drivers or name in case.temperatures or t == 0:
            continue
        flatter = (fit.n - fit.p) / float(t) ** 2  # 1/R^2 - 1
        shift = 0.0
        for _, projected, sign in case.projections:
            moved = float(np.mean(projected.column(name))) - float(np.mean(fitted.column(name)))
            shift += sign * float(coefficient) * flatter * moved * len(projected) / projected.total_w
        found.append(Bias(shift, 1.0, name))
    return found


def choice(estimate: Estimate, case: Case, length: float) -> Choice | None:
    """What choosing the worst stretch of the years before could gain, by the baseline's own noise: the expected largest
    of so many normal errors (Blom 1958); None where there is nothing to choose from.
    """
    stretches = math.floor(HISTORY_DAYS / length)
    if stretches < FEWEST_STRETCHES:
        return None
    parts = [part for share in estimate.shares if share.window is case.baseline for part in share.parts]
    error = math.hypot(*(standard_error(each, weights) for each, weights in parts))
    return Choice(stretches, error * float(ndtri((stretches - 0.375) / (stretches + 0.25))))
