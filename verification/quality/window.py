"""One window of data as the engine takes it: numerator, denominator and drivers by interval, and which count."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from fractions import Fraction

from verification.plan.measure import MeasureSpec
from verification.plan.shape import WindowName
from verification.series.calendar import Calendar
from verification.series.columns import Booleans, Floats, Integers

LOW_BITS = 32


@dataclasses.dataclass(frozen=True, eq=False)
class WindowData:
    """One window of one measure, n intervals.

    numerator, denominator: int64[n], counted in the last decimal place of the spec's parts (energy in Wh, output in
    g), so that sums are exact and the meters' units leave no trace; they may be 0 for want of a value, and `known` says
    which are real. A metric without a denominator has 1 per interval. drivers: float64[n, k] in the drivers' units,
    nan where unknown. categories: for each of the model's, a text per interval. known, used: bool[n]; used intervals
    enter the result. coverage_percent: int64[n]. stopped: bool[n], the line did not work and the plan leaves that out.
    left_out: bool[n] by reason (`event:` and its id, `stops`, `impossible`) of what is known and not used for it.
    """

    spec: MeasureSpec
    calendar: Calendar
    numerator: Integers
    denominator: Integers
    drivers: Floats
    known: Booleans
    used: Booleans
    coverage_percent: Integers
    categories: dict[str, tuple[str, ...]] | None = None
    left_out: Mapping[str, Booleans] = dataclasses.field(default_factory=dict)
    stopped: Booleans | None = None

    @property
    def label(self) -> WindowName:
        """Which window this is."""
        return self.calendar.label

    @functools.cached_property
    def y(self) -> Floats:
        """The numerator in its unit, float64[n]."""
        values: Floats = self.numerator / 10**self.spec.numerator.decimals
        return values

    @functools.cached_property
    def w(self) -> Floats:
        """The denominator in its unit, float64[n]."""
        values: Floats = self.denominator / 10**self.denominator_decimals
        return values

    @property
    def denominator_decimals(self) -> int:
        """The decimal places that `denominator` counts in."""
        return self.spec.denominator.decimals if self.spec.denominator else 0

    @property
    def intervals_used(self) -> int:
        """How many intervals enter the result."""
        return int(self.used.sum())

    @functools.cached_property
    def total_numerator(self) -> Fraction:
        """The numerator over the intervals used, in its unit, exactly."""
        return Fraction(_exact_sum(self.numerator[self.used]), 10**self.spec.numerator.decimals)

    @functools.cached_property
    def total_denominator(self) -> Fraction:
        """The denominator over the intervals used, in its unit, exactly."""
        return Fraction(_exact_sum(self.denominator[self.used]), 10**self.denominator_decimals)

    @property
    def ratio(self) -> Fraction | None:
        """Numerator per denominator, in the kernel unit, exactly; None where there is no denominator to divide by."""
        return self.total_numerator / self.total_denominator if self.total_denominator > 0 else None


def _exact_sum(values: Integers) -> int:
    """The sum, exactly, though it may exceed 64 bits."""
    low: Integers = values & ((1 << LOW_BITS) - 1)
    return (int((values >> LOW_BITS).sum()) << LOW_BITS) + int(low.sum())
