"""The panel: every admissible model's answer beside that of the primary model.

A model is admissible where it could have been chosen in good faith: it can be fitted, the reporting period lies
inside its support, its terms matter (LBNL EnPI Lite: every term p < 0.2, one p < 0.10), and no model of the panel
that contains it shows a further term to matter (p < 0.05). Another model flips the verdict where it is admissible,
its answer lies on the other side of the limit, and the two answers differ by more than chance explains: of two
models of the same data the difference has a standard error of its own, far smaller than either interval.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from verification.engine.autocorrelation import Noise, Spread
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, ModelSpec, beside_a_line
from verification.engine.models.sample import Sample
from verification.engine.models.statistics import term_p_values
from verification.engine.savings import SAME_TOTALS, Estimate, noise_of_intervals, spread_of_each
from verification.findings import Finding

WhyNot = Literal["refused", "support", "size", "terms", "rejected"]
Answer = tuple[BaselineModel, Noise, Estimate]

MAX_MODELS = 16
ALL_SUBSETS_UP_TO = 3  # drivers; of more, only neighbours of the primary's set are tried
INTERCEPT = "1"
WEAK_TERM_P, STRONG_TERM_P = 0.2, 0.10  # LBNL EnPI Lite
REJECTION_P = 0.05
SURE_REJECTION_P = 0.001  # what the primary model is told of: it stays, so that chance must not say so
SEARCHED_PLACES = 10  # at as many places a search may find a bend that is none: on straight lines ten times as often
DIFFERENCE_SDS = 4.0  # a difference that chance exceeds once in many thousand lines
EXTRAPOLATION_SHARE = 0.10  # CalTRACK: of the driver's range


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One model of the panel: what it says, and why it is not admissible, if it is not.

    `terms` is the p of each of its terms, the intercept `1` included; `bends` the same of a change-point model that
    keeps the temperature's straight line, so that its hinges are weighed by what they add to that; empty for others.
    """

    spec: ModelSpec
    primary: bool
    why_not: tuple[WhyNot, ...]
    estimate: Estimate | None = None
    spread: Spread | None = None
    terms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    bends: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def admissible(self) -> bool:
        """Whether it could have been chosen in good faith."""
        return not self.why_not


def label(spec: ModelSpec) -> str:
    """A model as a report names it: ols(output, temperature)."""
    terms = [*spec.drivers, *spec.categories]
    return f"{spec.kind}({', '.join(terms)})" if terms else spec.kind


def candidates(
    primary: ModelSpec, names: Sequence[str], *, ratio: bool, temperatures: Sequence[str] = ()
) -> list[ModelSpec]:
    """The primary first, then the others, without repetition; `names` are the drivers at hand, `ratio` says whether
    the metric has a denominator that varies.
    """
    found = [primary]
    if primary.kind != "ratio":  # the mean of intervals of unlike weight is not the ratio that the metric is
        found.append(ModelSpec("mean", categories=primary.categories))
    if ratio:
        found.append(ModelSpec("ratio"))
    found += [ModelSpec("ols", drivers, primary.categories) for drivers in _driver_sets(primary, names)]
    if primary.categories:
        found.append(dataclasses.replace(primary, categories=()))
    for temperature in temperatures:
        drivers = tuple(dict.fromkeys([*primary.drivers, temperature]))
        found.append(ModelSpec("change_point", drivers, primary.categories, temperature))
    return list(dict.fromkeys(found))[:MAX_MODELS]


def _driver_sets(primary: ModelSpec, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    if len(names) <= ALL_SUBSETS_UP_TO:
        for size in range(1, len(names) + 1):
            yield from itertools.combinations(names, size)
        return
    chosen = tuple(name for name in names if name in primary.drivers)
    yield from (tuple(name for name in chosen if name != left_out) for left_out in chosen if len(chosen) > 1)
    yield from (tuple(name for name in names if name in chosen or name == added) for added in names)
    yield tuple(names)


def panel(
    specs: Sequence[ModelSpec],
    answers: Sequence[Answer | Finding],
    case: Case,
    confidence: float,
    smallest_size: float,
) -> list[Entry]:
    """An entry for each of `specs`, the primary first; `answers` are what each says of the case, or why it cannot."""
    given = [answer for answer in answers if not isinstance(answer, Finding)]
    errors = iter(spread_of_each([estimate.shares for _, _, estimate in given], confidence))
    entries = [
        Entry(spec, index == 0, ("refused",))
        if isinstance(answer, Finding)
        else _entry(spec, answer, next(errors), case, smallest_size, primary=index == 0)
        for index, (spec, answer) in enumerate(zip(specs, answers, strict=True))
    ]
    return [
        dataclasses.replace(entry, why_not=(*entry.why_not, *_why_not_beside(entry, entries, case.output)))
        for entry in entries
    ]


def _why_not_beside(entry: Entry, entries: Sequence[Entry], output: str | None) -> Iterator[WhyNot]:
    """What the other models say against it: one contains it and has more to say, or it is one's straight line with
    points that add nothing.
    """
    if rejected_by(entry, entries, output):
        yield "rejected"
    lines = [other for other in entries if _is_line_of(other, entry) and other.estimate is not None]
    if "terms" not in entry.why_not and any(not _rejects(entry, line, output, REJECTION_P) for line in lines):
        yield "terms"


def _is_line_of(line: Entry, entry: Entry) -> bool:
    """Whether `line` is what is left of a change-point model without its points."""
    straight = line.spec.kind == "ols" and entry.spec.kind == "change_point"
    same_drivers = set(line.spec.drivers) == set(entry.spec.drivers)
    return straight and same_drivers and line.spec.categories == entry.spec.categories


def _entry(spec: ModelSpec, answer: Answer, error: Spread, case: Case, smallest_size: float, *, primary: bool) -> Entry:
    model, noise, estimate = answer
    why_not: list[WhyNot] = []
    if not all(is_supported(model, case.fitted, each.sample) for each in case.projections):
        why_not.append("support")
    if noise.effective < max(smallest_size, model.fit.p + 1):
        why_not.append("size")
    weighed = _p_by_term(model, noise)
    slopes = [p for term, p in weighed.items() if term != INTERCEPT]
    if slopes and not (max(slopes) < WEAK_TERM_P and min(slopes) < STRONG_TERM_P):
        why_not.append("terms")
    return Entry(
        spec,
        primary,
        tuple(why_not),
        estimate,
        error,
        terms=weighed,
        bends=_bends(model, case.fitted),
    )


def _p_by_term(model: BaselineModel, noise: Noise) -> dict[str, float]:
    names = (INTERCEPT, *model.fit.names) if model.fit.intercept else model.fit.names
    return dict(zip(names, term_p_values(model, noise).tolist(), strict=True))


def _bends(model: BaselineModel, fitted: Sample) -> dict[str, float]:
    if model.spec.kind != "change_point":
        return {}
    bent = beside_a_line(model, fitted)
    return {} if isinstance(bent, Finding) else _p_by_term(bent, noise_of_intervals(bent, fitted))


def is_supported(model: BaselineModel, fitted: Sample, projected: Sample) -> bool:
    """Does a projected window's mean of each driver lie in the fitted one's range, give or take a tenth of it?"""
    if not model.design.knows(projected).all():
        return False
    for name in model.spec.drivers:
        seen = fitted.column(name)
        low, high = float(seen.min()), float(seen.max())
        margin = EXTRAPOLATION_SHARE * (high - low)
        if not low - margin <= float(np.mean(projected.column(name))) <= high + margin:
            return False
    return True


def rejected_by(entry: Entry, entries: Sequence[Entry], output: str | None, level: float = REJECTION_P) -> list[Entry]:
    """The models that contain this one and whose further terms matter, p below `level`; `output` is the driver that is
    the denominator, which a ratio of means has as its only term.
    """
    return [other for other in entries if _rejects(other, entry, output, level)]


def _rejects(larger: Entry, smaller: Entry, output: str | None, level: float) -> bool:
    if larger.estimate is None or smaller.estimate is None or "refused" in larger.why_not:
        return False
    terms = {output or ""} if smaller.spec.kind == "ratio" else set(smaller.terms)
    weighed = larger.bends if larger.spec.temperature in terms else larger.terms
    if larger.spec.kind == "ratio" or not terms < weighed.keys():
        return False
    further = [p for term, p in weighed.items() if term not in terms]
    places = SEARCHED_PLACES if larger.spec.kind == "change_point" else 1
    return min(further) < level / len(further) / places  # one of k further terms matters by chance k times as often


def differs(primary: Entry, other: Entry) -> bool:
    """Whether two models of the same data differ by more than chance: both are weighted sums of the same noise, so
    the error of the difference is that of the difference of the weights.
    """
    if primary.estimate is None or other.estimate is None:
        return False
    shares = zip(primary.estimate.shares, other.estimate.shares, strict=True)
    error = math.hypot(*(mine.error_of_difference(theirs) for mine, theirs in shares))
    rounding = SAME_TOTALS * abs(primary.estimate.before) / primary.estimate.output
    return abs(other.estimate.delta - primary.estimate.delta) > max(DIFFERENCE_SDS * error, rounding)
