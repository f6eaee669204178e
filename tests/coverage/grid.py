"""Simulated lines with a known effect, judged by the engine's own numerics: steps 4 to 6, meters included.

A line uses 150,000 kWh + 13,270 kWh/t and, after the retrofit, 260 kWh/t less; its noise is AR(1). The temperature is
metered but moves nothing, so that the panel has needless models to be misled by. One meter reads the energy, one the
output, each with an error drawn from its class limit, anew after a swap. Seeds are fixed: a cell is the same on every
run.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import zlib
from typing import Literal

import numpy as np
from scipy.signal import lfilter

from verification.engine.assess import Primary, primary_with_noise, turning
from verification.engine.budget import Continuity, Contribution, combine, meter_effect
from verification.engine.case import Case
from verification.engine.models.family import ModelSpec, refit
from verification.engine.models.linear import Fit
from verification.engine.models.sample import Sample
from verification.engine.robustness.assumptions import assumptions
from verification.engine.robustness.judge import Naming, Standing, assumption_findings, judge
from verification.findings import Finding

EFFECT, LIMIT = -260.0, -200.0  # kWh/t
BASE_KWH, SLOPE_KWH_T, NOISE_KWH = 150_000.0, 13_270.0, 44_000.0
MEAN_T, SPREAD_T = 656.0, 26.0
WORKS = 10  # intervals between the windows
CONFIDENCE = 0.95
Load = Literal["flat", "rising", "mixed"]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One line: correlation, intervals a window, load, class of both meters in percent, and whether they are
    swapped.
    """

    rho: float
    n: int
    load: Load
    class_percent: float
    swapped: bool

    @property
    def meters(self) -> str:
        """The meters as the table names them."""
        return f"class {self.class_percent:g}, {'swapped' if self.swapped else 'kept'}"


CELLS = [
    Cell(rho, n, load, class_percent, swapped)
    for (class_percent, swapped), load, n, rho in itertools.product(
        [(0.2, False), (1.0, True)], ["flat", "rising", "mixed"], [90, 365], [0.0, 0.6, 0.9]
    )
]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one run came to. `conclusive`: an interval is stated and no finding forbids a conclusion; `covers`: it holds
    the truth; `decided`: it lies on one side of the limit, too; `certified`: a line without any effect is certified to
    save.
    """

    conclusive: bool
    covers: bool
    decided: bool
    certified: bool
    width: float


def run(cell: Cell, index: int) -> Outcome:
    """The outcome of one simulated line."""
    seed = zlib.crc32(repr(dataclasses.astuple(cell)).encode())
    rng = np.random.default_rng([seed, index])
    line = _Line(cell, rng)
    outcome, zero = _judged(line, EFFECT, LIMIT), _judged(line, 0.0, 0.0)
    certified = zero is not None and zero.passes and zero.conclusive
    if outcome is None:
        return Outcome(conclusive=False, covers=False, decided=False, certified=certified, width=np.nan)
    covers = abs(outcome.delta - EFFECT) <= outcome.expanded
    decided = abs(outcome.delta - LIMIT) > outcome.expanded
    return Outcome(outcome.conclusive, covers, decided, certified, 2 * outcome.expanded)


@dataclasses.dataclass(frozen=True)
class _Judged:
    delta: float
    expanded: float
    passes: bool
    conclusive: bool


class _Line:
    """The true energies and tons of both windows and the errors of their meters."""

    def __init__(self, cell: Cell, rng: np.random.Generator) -> None:
        self.cell = cell
        days = 2 * cell.n + WORKS
        at = np.arange(days)
        shocks = rng.normal(0, NOISE_KWH * np.sqrt(1 - cell.rho**2), days)
        shocks[0] = rng.normal(0, NOISE_KWH)
        noise = lfilter([1.0], [1.0, -cell.rho], shocks)
        tons = rng.normal(MEAN_T, SPREAD_T, days)
        if cell.load == "rising":
            tons += SPREAD_T * (2 * at / days - 1)
        if cell.load == "mixed":  # a month of one product, a month of another, a third as much between them
            tons += 1.5 * SPREAD_T * np.sin(2 * np.pi * at / 60) + SPREAD_T / 3 * (at % 2)
        self.at, self.tons = at, tons
        self.energy = BASE_KWH + SLOPE_KWH_T * tons + noise
        self.degrees = 15 + 10 * np.sin(2 * np.pi * at / 365) + rng.normal(0, 3, days)
        limit = cell.class_percent / 100
        # An error for each meter (energy, output) and window.
        errors = rng.uniform(-limit, limit, (2, 2))
        self.errors = errors if cell.swapped else errors[:, [0, 0]]

    def window(self, which: int, effect: float, energy_error: float = 0.0, output_error: float = 0.0) -> Sample:
        """The baseline (0) or the reporting period (1) as its meters read it, with a further error if asked for."""
        n = self.cell.n
        here = slice(0, n) if which == 0 else slice(n + WORKS, None)
        true_tons = self.tons[here]
        energy = self.energy[here] + (effect * true_tons if which else 0.0)
        energy = energy * (1 + self.errors[0, which]) * (1 + energy_error)
        tons = true_tons * (1 + self.errors[1, which]) * (1 + output_error)
        drivers = np.column_stack([tons, self.degrees[here]])
        month = self.at[here] // 30 + 12
        return Sample(energy, tons, drivers, ("output", "degrees"), np.arange(n), month)


def _judged(line: _Line, effect: float, limit: float) -> _Judged | None:
    """The engine's answer for the line with `effect`, against at most `limit`; None where it gives no number."""
    windows = Case(line.window(0, effect), line.window(1, effect), output="output")
    primary, case, _ = primary_with_noise(ModelSpec("ols", ("output",)), windows)
    if isinstance(primary, Finding):
        return None
    error = primary.estimate.spread(CONFIDENCE)
    rows = [Contribution("model", "A", error.u, error.dof), *_meter_rows(line, effect, primary)]
    expanded, delta = combine(rows, CONFIDENCE).expanded, primary.estimate.delta
    decided = abs(delta - limit) > expanded
    standing = None
    if decided:
        standing = Standing(
            delta=delta,
            met=delta < limit,
            significant_sign=abs(delta) > expanded,
            passes=lambda other: other <= limit,
            others=math.sqrt(math.fsum(row.u**2 for row in rows[1:])),
            confidence=CONFIDENCE,
            limit=str(limit),
            limit_unit="kWh/t",
        )
    # Without a verdict nothing can be turned. The checks that inform only are left out.
    findings = []
    if standing:
        days = np.arange(line.cell.n, dtype=float), line.cell.n + WORKS + np.arange(line.cell.n, dtype=float)
        doubts = assumptions(primary.model, primary.noise, case, days)
        findings = judge(turning(primary, case, CONFIDENCE), standing, NAMING, "output")
        findings += assumption_findings(doubts, standing, NAMING, delta, expanded)
    return _Judged(delta, expanded, decided and delta < limit, not any(finding.blocks for finding in findings))


NAMING = Naming("kWh/t", 1.0, lambda window, position: f"{window} {position}")


def _meter_rows(line: _Line, effect: float, primary: Primary) -> list[Contribution]:
    cell = line.cell
    u = cell.class_percent / 100 / np.sqrt(3)
    rows = []
    for name, is_energy in (("energy", True), ("output", False)):

        def figures(before: float, after: float, *, is_energy: bool = is_energy) -> np.ndarray:
            errors = [{"energy_error" if is_energy else "output_error": error} for error in (before, after)]
            case = Case(line.window(0, effect, **errors[0]), line.window(1, effect, **errors[1]), output="output")
            model = refit(primary.model, case.baseline)
            assert not isinstance(model, Finding)
            assert isinstance(model.fit, Fit)
            return np.array([case.answer(model, primary.noise).delta])

        effect_on = meter_effect(Continuity((u, u), (not cell.swapped,)), figures)
        rows.append(Contribution(f"meter:{name}", "B", float(effect_on.u[0]), np.inf))
    return rows
