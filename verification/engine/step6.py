"""How a measure stands up to other models, other dates and fewer data, as findings and as rows of a result: step 6 of
the methods.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from verification.engine.analysis import CHANGE, FIGURES, LEVEL, RELATIVE, Analysis, Windows
from verification.engine.budget import Contribution, combine, coverage_factor
from verification.engine.result import (
    ChangePoint,
    CrossCheck,
    Effect,
    Limit,
    PanelRow,
    Placebo,
    SensitivityRow,
    State,
)
from verification.engine.robustness.judge import (
    DECIDES_NOTHING,
    Naming,
    Standing,
    assumption_findings,
    judge,
    placebo_findings,
)
from verification.engine.robustness.panel import Entry, label
from verification.engine.rounding import fixed, significant
from verification.engine.verdict import PERCENT_DECIMALS, against, in_metric_unit
from verification.findings import Finding, unit_of_change
from verification.plan.measure import MeasureSpec
from verification.plan.shape import WindowName
from verification.quality.window import WindowData

SHOWN_DIGITS = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Step6:
    """One measure's robustness, ready to be stated. `foreseen`: the plan was filed before its baseline began, which so
    nobody could choose for what it turned out to be.
    """

    spec: MeasureSpec
    windows: Windows
    analysis: Analysis
    limit: Limit
    confidence: float
    foreseen: bool

    def findings(self, effect: Effect) -> list[Finding]:
        """What the checks found, and which of them forbid a conclusion."""
        naming = Naming(self._unit, self.spec.unit_scale, self._name)
        found = self.analysis.robustness
        assumed = dataclasses.replace(found.assumptions, choice=None) if self.foreseen else found.assumptions
        return [
            *judge(found.turning, self._standing(effect), naming, self.analysis.case.output),
            *self._level_findings(effect),
            *placebo_findings(found.placebo),
            *self._change_findings(),
            *self._matched_findings(),
            *self._carried_findings(),
            *assumption_findings(
                assumed,
                self._standing(effect),
                naming,
                self.analysis.delta,
                self.analysis.budget.expanded,
            ),
        ]

    def panel(self) -> list[PanelRow]:
        """Every model of the panel, with its own verdict on noise and meters."""
        return [self._panel_row(entry) for entry in self.analysis.robustness.turning.panel]

    def placebo(self) -> Placebo | None:
        """How often the method claimed a change where there was none."""
        found = self.analysis.robustness.placebo
        if found is None:
            return None
        return Placebo(
            dates=len(found.dates),
            false_claims=found.claims,
            rate=fixed(found.claims / len(found.dates), 3),
            independent=fixed(found.independent, 1),
            chance=fixed(found.chance, 3),
        )

    def change_points(self) -> list[ChangePoint]:
        """Where the distance from the model shifts, in each window."""
        return [
            ChangePoint(start=self._data(window).calendar.start(position), window=window, shift=self._figure(shift))
            for window, position, shift in self._shifts
        ]

    def sensitivity(self) -> list[SensitivityRow]:
        """The change without each month, without the interval that matters most, with what was excluded
        and with the one interval of it that matters most, at like load.
        """
        found = self.analysis.robustness
        rows = [
            SensitivityRow(f"without:{each.window}:{each.year}-{each.month:02}", self._figure(each.delta), None)
            for each in found.turning.months
        ]
        rows += [
            SensitivityRow(
                f"without:{each.window}:{self._name(each.window, each.position)}",
                self._figure(self.analysis.delta + each.change),
                None,
            )
            for each in found.turning.influence
        ]
        rows += [
            SensitivityRow(f"with:{each.window}:{each.reason}", self._figure(each.delta), None)
            for each in found.turning.put_back
        ]
        rows += [
            SensitivityRow(
                f"with_one:{each.window}:{each.reason}:{self._name(each.window, each.position)}",
                self._figure(each.delta),
                None,
            )
            for each in found.turning.one_back
        ]
        if found.matched is not None:
            expanded = coverage_factor(self.confidence, math.inf) * found.matched.u
            rows.append(SensitivityRow("matched_load", self._figure(found.matched.delta), self._figure(expanded)))
        return rows

    def cross_checks(self) -> list[CrossCheck]:
        """The same figure by other roads; by Monte Carlo it is the one that the limit is about.

        A road that leads nowhere (a window that stood at zero has no noise to weigh) is left out.
        """
        return [
            CrossCheck(
                name=check.name,
                unit="%" if check.of == "relative" else self.spec.unit,
                delta=self._of_target(check.delta, check.of),
                expanded_uncertainty=self._of_target(check.expanded, check.of),
            )
            for check in self.analysis.cross_checks
            if math.isfinite(check.delta) and math.isfinite(check.expanded)
        ]

    def _standing(self, effect: Effect) -> Standing | None:
        """The verdict that could be turned; a level is metered, and no model can turn it."""
        state = against(effect, self.limit).state
        if state not in ("met", "not_met") or self.limit.of == FIGURES[LEVEL]:
            return None
        delta = self.analysis.delta
        return Standing(
            delta=delta,
            met=state == "met",
            significant_sign=abs(delta) > self.analysis.budget.expanded,
            passes=lambda other: self._passes(other * self._scale),
            others=math.sqrt(math.fsum(row.u**2 for row in self.analysis.budget.rows if row.type == "B")),
            confidence=self.confidence,
            limit=f"{Decimal(self.limit.value).normalize():f}",
            limit_unit=unit_of_change(self.limit.unit, self.limit.of),
        )

    @property
    def _unit(self) -> str:
        """Of a change, in a finding."""
        return unit_of_change(self.spec.unit)

    @property
    def _scale(self) -> float:
        """What a change in the kernel unit is multiplied by to be the figure that the limit is about."""
        estimate = self.analysis.primary.estimate
        return self.spec.unit_scale if self.limit.of == FIGURES[CHANGE] else 100 * estimate.output / estimate.before

    def _passes(self, value: float) -> bool:
        """Whether a figure keeps to the limit on the decimals that a result states, as the verdict itself."""
        decimals = PERCENT_DECIMALS if self.limit.of == FIGURES[RELATIVE] else self.spec.decimals
        bound, half = float(self.limit.value), 0.5 * 10.0**-decimals
        return value <= bound + half if self.limit.side == "at_most" else value >= bound - half

    def _panel_row(self, entry: Entry) -> PanelRow:
        delta = expanded = None
        verdict: State | None = None
        if entry.estimate is not None and entry.spread is not None:
            rows = [row for row in self.analysis.budget.rows if row.type == "B"]
            noise = Contribution("model", "A", entry.spread.u, entry.spread.dof)
            half_width = combine([noise, *rows], self.confidence).expanded
            delta, expanded = self._figure(entry.estimate.delta), self._figure(half_width)
            if entry.admissible and self.limit.of != FIGURES[LEVEL]:
                verdict = self._verdict_on(entry.estimate.delta, half_width)
        return PanelRow(
            model=label(entry.spec),
            admissible=entry.admissible,
            why_not=list(entry.why_not),
            delta=delta,
            expanded_uncertainty=expanded,
            verdict=verdict,
            primary=entry.primary,
        )

    def _verdict_on(self, delta: float, half_width: float) -> State:
        ends = {self._passes((delta + sign * half_width) * self._scale) for sign in (-1, 1)}
        return "inconclusive" if len(ends) > 1 else "met" if ends.pop() else "not_met"

    @functools.cached_property
    def _shifts(self) -> list[tuple[WindowName, int, float]]:
        """Window, interval and size [kernel unit] of each shift of level."""
        found, case, model = self.analysis.robustness, self.analysis.case, self.analysis.primary.model
        shifts = []
        for window, indices in found.changes.items():
            sample = case.window(window)
            misses, output = model.misses(sample), float(np.mean(sample.w))
            edges: Sequence[int] = [0, *indices, len(misses)]
            for before, at, after in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
                shift = float(np.mean(misses[at:after]) - np.mean(misses[before:at]))
                shifts.append((window, int(sample.position[at]), shift / output))
        return shifts

    def _level_findings(self, effect: Effect) -> Iterator[Finding]:
        """What was left out of the reporting period and turns a verdict on its level: that is metered, so that no model
        has to answer for what is put back.
        """
        state = against(effect, self.limit).state
        if self.limit.of != FIGURES[LEVEL] or state == "inconclusive":
            return
        for each in self.analysis.case.put_back:
            sample = each.windows.get("reporting")
            if sample is None or each.reason in DECIDES_NOTHING or sample.total_w <= 0:
                continue
            level = sample.total_y / sample.total_w * self.spec.unit_scale
            if self._passes(level) != (state == "met"):
                shown = f"{in_metric_unit(self.spec, level, self.spec.unit):f}"
                yield Finding.of("EXCLUSION_FLIPS_LEVEL", reason=each.reason, level=shown, unit=self.spec.unit)

    def _change_findings(self) -> Iterator[Finding]:
        for window, position, shift in self._shifts:
            if abs(shift) <= self.analysis.budget.expanded:
                continue  # the interval of the change bears as much already
            shown = significant(shift * self.spec.unit_scale, SHOWN_DIGITS)
            first = self._name(window, position)
            yield Finding.of("CHANGE_POINT", window=window, first=first, shift=shown, unit=self._unit)

    def _carried_findings(self) -> Iterator[Finding]:
        """Drivers other than the load and the weather to which more of the plain difference is put down than U."""
        case, expanded = self.analysis.case, self.analysis.budget.expanded
        weather = {f"driver:{name}" for name in (case.output, *case.temperatures)}
        for step, value in self.analysis.steps:
            if step.startswith("driver:") and step not in weather and abs(value) > expanded:
                shown = significant(value * self.spec.unit_scale, SHOWN_DIGITS)
                driver = step.removeprefix("driver:")
                yield Finding.of("DRIVER_CARRIES", driver=driver, step=shown, unit=self._unit)

    def _matched_findings(self) -> Iterator[Finding]:
        matched, budget = self.analysis.robustness.matched, self.analysis.budget
        if matched is None:
            return
        reach = budget.expanded + coverage_factor(self.confidence, math.inf) * matched.u
        if abs(matched.delta - self.analysis.delta) > reach:
            shown = significant(matched.delta * self.spec.unit_scale, SHOWN_DIGITS)
            yield Finding.of("MATCHED_LOAD_DIFFERS", delta=shown, unit=self._unit)

    def _figure(self, value: float) -> str:
        return f"{in_metric_unit(self.spec, value, self.spec.kernel_unit):f}"

    def _of_target(self, value: float, of: str) -> str:
        return fixed(100 * value, 4) if of == "relative" else self._figure(value)

    def _name(self, window: WindowName, position: int) -> str:
        return self._data(window).calendar.name(position)

    def _data(self, window: WindowName) -> WindowData:
        return self.windows.data[window]
