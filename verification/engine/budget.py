"""The uncertainty budget of a change: noise, meters, adjustments. Step 5 of the methods.

Owns how contributions combine, and the rule of meter continuity: one meter throughout errs alike before and after,
so most of its error cancels; a meter that was replaced or recalibrated does not. What a meter's error does to the
change is found by giving its readings that error and computing the change anew (GUM 5.1.3, note 2), so that the rule
holds for every metric and model.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from verification.engine.autocorrelation import Spread, root

Floats = NDArray[np.float64]

PRECISION = 1e-12  # relative: a half-width that is smaller by less is no narrower
STEP = 1e-3  # relative: half of the central difference by which a meter's effect is found


@dataclasses.dataclass(frozen=True)
class Contribution:
    """One row of the budget: standard uncertainty `u`, type A or B, degrees of freedom (inf for type B)."""

    source: str
    type: Literal["A", "B"]
    u: float
    dof: float


@dataclasses.dataclass(frozen=True)
class Budget:
    """The rows, and what they combine to (GUM 5.1.2 and G.4.1): u_c, its dof as of `sum_of`, k, U = k*u_c."""

    rows: tuple[Contribution, ...]
    combined: float
    dof: float
    coverage_factor: float
    expanded: float


@dataclasses.dataclass(frozen=True)
class Continuity:
    """Relative standard uncertainties `u` of a meter in each window, in order of time, and whether it is the `same`
    meter from each window to the next.
    """

    u: tuple[float, ...]
    same: tuple[bool, ...]

    @property
    def errors(self) -> list[tuple[float, tuple[bool, ...]]]:
        """The independent errors: the u of each, the largest of the windows that it is the same in, and which these
        are.
        """
        number = tuple(itertools.accumulate((not same for same in self.same), initial=0))
        groups = [tuple(each == one for each in number) for one in dict.fromkeys(number)]
        return [(max(itertools.compress(self.u, group)), group) for group in groups]


def combine(rows: Sequence[Contribution], confidence: float) -> Budget:
    """Combine independent contributions; `confidence` is the two-sided level, for example 0.95. U is no smaller than by
    any row of type A alone; the degrees of freedom of another say how sure somebody is of its u, and bound nothing.
    """
    sampled = [_half_width(row, confidence) for row in rows if row.type == "A"]
    total = _together(rows, confidence, max(sampled, default=0.0))
    factor = coverage_factor(confidence, total.dof)
    return Budget(tuple(rows), total.u, total.dof, factor, factor * total.u)


def sum_of(parts: Sequence[Spread], confidence: float) -> Spread:
    """Independent errors by noise: an error that is added never narrows the interval at `confidence`."""
    return parts[0] if len(parts) == 1 else _together(parts, confidence, max(_half_width(p, confidence) for p in parts))


def _together(parts: Sequence[Spread | Contribution], confidence: float, least: float) -> Spread:
    """The variances add, with degrees of freedom by Welch-Satterthwaite (GUM G.4.1), or as many fewer as make the
    half-width `least`.

    A sample of few degrees of freedom that scatters little by chance would otherwise be weighed by those of others.
    """
    u = math.sqrt(math.fsum(part.u**2 for part in parts))
    spread = math.fsum(part.u**4 / part.dof for part in parts)
    dof = u**4 / spread if spread > 0 else math.inf
    if not least > coverage_factor(confidence, dof) * u * (1 + PRECISION):
        return Spread(u, dof)
    fewest = min(part.dof for part in parts)
    inverse = root(lambda inverse: coverage_factor(confidence, 1 / inverse) * u - least, 1 / dof, 1 / fewest, PRECISION)
    return Spread(u, 1 / inverse)


def _half_width(part: Spread | Contribution, confidence: float) -> float:
    return coverage_factor(confidence, part.dof) * part.u


def coverage_factor(confidence: float, dof: float) -> float:
    """k of the two-sided level `confidence`: Student's quantile at (1 + confidence)/2, with fractional dof as they
    are.
    """
    upper_tail_probability = (1 + confidence) / 2
    return float(ndtri(upper_tail_probability) if math.isinf(dof) else stdtrit(dof, upper_tail_probability))


@dataclasses.dataclass(frozen=True, eq=False)
class MeterEffect:
    """What a meter does to each of some figures: u, and the limits of its rectangular errors (one where the meter
    stayed, one more for each change), float64[figures] each.
    """

    u: Floats
    limits: tuple[Floats, ...]


def meter_effect(meter: Continuity, figures: Callable[..., Floats]) -> MeterEffect:
    """The effect of one meter; `figures(b, r)` are the figures with its readings times 1+b in the first window, 1+r in
    the next, and so on.

    One meter throughout has one error: what it does to the windows is added with its sign. A meter that was changed
    has one for each side of the change, and these are independent.
    """

    def erring(group: tuple[bool, ...], step: float) -> Floats:
        return figures(*(step if errs else 0.0 for errs in group))

    parts = [u * np.abs(_slope(functools.partial(erring, group))) for u, group in meter.errors]
    u: Floats = np.sqrt(np.sum(np.square(parts), axis=0))
    return MeterEffect(u, tuple(part * math.sqrt(3) for part in parts))


def _slope(function: Callable[[float], Floats]) -> Floats:
    slope: Floats = (function(STEP) - function(-STEP)) / (2 * STEP)
    return slope
