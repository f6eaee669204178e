"""What a line, its meters and its windows can prove, before anyone builds.

From the baseline's own noise: a change D is proven where it is so far from the limit that its interval clears the limit
with the wanted power, `|D - limit| >= (k + t(power)) * u_c` (methods: F_min). The reporting period is taken to repeat
the baseline's intervals and what they miss the model by, at the same loads or as many times larger as is said, and the
intermediate window of a chain to go from the one to the other; meters err as the plan's register says. The plan's own
method answers for them. Pure numerics, in the metric's kernel unit.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

from verification.engine.assess import MIN_EFFECTIVE, Primary, primary_answer
from verification.engine.autocorrelation import Noise
from verification.engine.budget import Budget, Continuity, Contribution, combine, meter_effect
from verification.engine.case import Case
from verification.engine.models.family import BaselineModel, refit
from verification.engine.models.sample import Floats, Sample
from verification.engine.savings import Estimate
from verification.findings import Finding

MAX_INTERVALS = 3660  # ten years by day
CLASSES_PERCENT = (2.0, 1.5, 1.0, 0.5, 0.2, 0.1)  # as meters are sold (IEC 62053, OIML R 76 scales apart)
MAX_STEPS = 200  # a part that grows so slowly less than the change is no answer either
SETTLED = 1e-6  # relative: when the smallest provable change no longer moves


@dataclasses.dataclass(frozen=True)
class PlannedMeter:
    """A meter of the metric: which part it reads, and what the register will say of it."""

    name: str
    reads_numerator: bool
    continuity: Continuity


@dataclasses.dataclass(frozen=True, eq=False)
class Planner:
    """A fitted window, to be asked what it could prove: the baseline, or of a chain its intermediate window.

    `start` is what is to be compared, whose reporting period is yet to come; its output will be `times` as large there.
    """

    model: BaselineModel
    noise: Noise
    start: Case
    meters: Sequence[PlannedMeter]
    confidence: float
    power: float
    times: float = 1.0

    def budget(self, change: float, intervals: int) -> Budget:
        """The uncertainty budget of a true `change`, over a reporting period of so many intervals; without end where
        these are too few for an answer, or to tell a noise of their own.
        """
        primary = self.answer(change, intervals)
        if isinstance(primary, Finding) or not self._is_told(primary.estimate):
            return combine([Contribution("model", "A", np.inf, np.inf)], self.confidence)
        case, error = self.case(change, intervals), primary.estimate.spread(self.confidence)
        rows = [Contribution("model", "A", error.u, error.dof)]
        for meter in self.meters:
            effect = meter_effect(meter.continuity, functools.partial(self._erring, case, primary, meter))
            rows.append(Contribution(f"meter:{meter.name}", "B", float(effect.u[0]), np.inf))
        return combine(rows, self.confidence)

    def reach(self, change: float, intervals: int) -> float:
        """How far from the limit a change must be to be proven: (k + t(power)) * u_c; infinitely far where so many
        intervals of the baseline's make nothing.
        """
        if repeated(self.start.baseline, intervals).total_w <= 0:
            return math.inf
        budget = self.budget(change, intervals)
        power = float(ndtri(self.power) if np.isinf(budget.dof) else stdtrit(budget.dof, self.power))
        return (budget.coverage_factor + power) * budget.combined

    def smallest_change(self, intervals: int, sign: float) -> float:
        """The smallest change of `sign` that can be told from none. The meters' part grows with the change itself, so
        it is found by repetition; infinite where it grows as fast as the change.
        """
        change, moved = 0.0, math.inf
        for _ in range(MAX_STEPS):
            wider = sign * self.reach(change, intervals)
            if math.isinf(wider) or abs(wider - change) > moved:
                return sign * math.inf
            if abs(wider - change) <= SETTLED * abs(wider):
                return wider
            change, moved = wider, abs(wider - change)
        return sign * math.inf

    def proves(self, change: float, limit: float, intervals: int) -> bool:
        """Whether a true `change` would be proven against `limit`."""
        return abs(change - limit) >= self.reach(change, intervals)

    def intervals_needed(self, change: float, limit: float) -> int | None:
        """The fewest reporting intervals that prove `change` against `limit`; None where no number of them does,
        because the meters or the baseline itself leave too much.
        """
        low, high = 0, 7
        while not self.proves(change, limit, high):
            if high >= MAX_INTERVALS:
                return None
            low, high = high, min(2 * high, MAX_INTERVALS)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.proves(change, limit, middle) else (middle, high)
        return high

    def class_needed(self, change: float, limit: float, intervals: int) -> float | None:
        """The largest class [percent] with which all meters would prove `change`; None where not even the finest
        does.
        """
        for percent in CLASSES_PERCENT:
            u = percent / 100 / np.sqrt(3)
            meters = [
                dataclasses.replace(
                    meter, continuity=dataclasses.replace(meter.continuity, u=(u,) * len(meter.continuity.u))
                )
                for meter in self.meters
            ]
            if dataclasses.replace(self, meters=meters).proves(change, limit, intervals):
                return percent
        return None

    def case(self, change: float, intervals: int) -> Case:
        """What will be compared, with a reporting period of so many intervals, a true `change` per denominator away."""
        reporting = expected(self.model, self.start, intervals, self.times)
        return dataclasses.replace(
            self.start, reporting=dataclasses.replace(reporting, y=reporting.y + change * reporting.w)
        )

    def answer(self, change: float, intervals: int) -> Primary | Finding:
        """What the verification of that will say, or why it will have no answer."""
        case = self.case(change, intervals)
        if case.fitted_name == "reporting":
            return primary_answer(self.model.spec, case)
        estimate = case.answer(self.model, self.noise)
        return estimate if isinstance(estimate, Finding) else Primary(self.model, self.noise, estimate)

    def _is_told(self, estimate: Estimate) -> bool:
        """Whether each noise of the estimate stands on enough: a few days that happen to agree promise nothing."""
        noises = [share.noise for share in estimate.shares]
        by_days = self.noise.days is None or all(noise.days is not None for noise in noises)
        return by_days and all(noise.effective >= MIN_EFFECTIVE for noise in noises)

    def _erring(self, case: Case, primary: Primary, meter: PlannedMeter, *errors: float) -> Floats:
        """The change as it would come out with the meter's error in each window, in order of time."""
        erring = case
        for (name, window), error in zip(case.windows.items(), errors, strict=True):
            erring = erring.with_window(name, self._read(window, meter, error))
        model = refit(primary.model, erring.fitted)
        estimate = model if isinstance(model, Finding) else erring.answer(model, primary.noise)
        return np.array([np.nan if isinstance(estimate, Finding) else estimate.delta])

    def _read(self, sample: Sample, meter: PlannedMeter, error: float) -> Sample:
        if meter.reads_numerator:
            return dataclasses.replace(sample, y=sample.y * (1 + error))
        return with_output(sample, self.start.output, 1 + error)


def expected(model: BaselineModel, start: Case, intervals: int, times: float | Floats) -> Sample:
    """So many intervals as they may be expected: those of the baseline and what they miss the model by, at `times` the
    output.
    """
    same = repeated(start.baseline, intervals)
    met = with_output(same, start.output, times)
    return dataclasses.replace(met, y=model.predict(met) + same.y - model.predict(same))


def linking_window(model: BaselineModel, start: Case, intervals: int, times: float) -> Sample:
    """The intermediate window of a chain, whose output goes evenly from the baseline's to `times` as much."""
    return expected(model, start, intervals, np.linspace(1.0, times, intervals))


def repeated(window: Sample, intervals: int) -> Sample:
    """So many intervals that repeat those of `window`, one after the other."""
    again = window.take(np.arange(intervals) % len(window))
    return dataclasses.replace(again, position=np.arange(intervals, dtype=np.int64), order=None)


def with_output(sample: Sample, output: str | None, times: float | Floats) -> Sample:
    """The intervals with a denominator, and the driver that it is, `times` as large."""
    drivers = sample.drivers.copy()
    if output in sample.names:
        drivers[:, sample.names.index(output)] *= times
    return dataclasses.replace(sample, w=sample.w * times, drivers=drivers)
