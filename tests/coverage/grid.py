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
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.signal import lfilter

from verification.engine.assess import Primary, primary_with_noise, turning
from verification.engine.budget import Continuity, Contribution, combine, meter_effect
from verification.engine.case import Case
from verification.engine.models.family import ModelSpec, refit
from verification.engine.models.sample import Sample
from verification.engine.robustness.assumptions import assumptions
from verification.engine.robustness.judge import Naming, Standing, assumption_findings, judge
from verification.findings import Finding
from verification.plan.shape import Method, WindowName

EFFECT, LIMIT = -260.0, -200.0  # kWh/t
BASE_KWH, SLOPE_KWH_T, NOISE_KWH = 150_000.0, 13_270.0, 44_000.0
MEAN_T, SPREAD_T = 656.0, 26.0
WORKS = 10  # intervals between the windows
CONFIDENCE = 0.95
Load = Literal["flat", "rising", "mixed"]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One line: correlation, intervals a window, load, class of both meters in percent, whether they are swapped, and
    by which method it is judged. A chained line has saved half of its effect in the intermediate window.
    """

    rho: float
    n: int
    load: Load
    class_percent: float
    swapped: bool
    method: Method = "avoided"

    @property
    def meters(self) -> str:
        """The meters as the table names them."""
        return f"class {self.class_percent:g}, {'swapped' if self.swapped else 'kept'}"

    @property
    def windows(self) -> tuple[WindowName, ...]:
        """The windows of its plan, in order of time."""
        return ("baseline", "intermediate", "reporting") if self.method == "chaining" else ("baseline", "reporting")

    @property
    def seed(self) -> int:
        """What its lines are drawn by: the lines that other methods judge are not those of `avoided`."""
        line = dataclasses.astuple(self)
        return zlib.crc32(repr(line if self.method != "avoided" else line[:-1]).encode())


CELLS = [
    Cell(rho, n, load, class_percent, swapped)
    for (class_percent, swapped), load, n, rho in itertools.product(
        [(0.2, False), (1.0, True)], ["flat", "rising", "mixed"], [90, 365], [0.0, 0.6, 0.9]
    )
]
OTHER_METHODS: list[Method] = ["normalised", "backcast", "chaining"]
CELLS += [
    Cell(rho, n, "rising", 0.2, swapped=False, method=method)
    for method, n, rho in itertools.product(OTHER_METHODS, [90, 365], [0.0, 0.6])
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
    rng = np.random.default_rng([cell.seed, index])
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
    """The true energies and tons of all windows and the errors of their meters."""

    def __init__(self, cell: Cell, rng: np.random.Generator) -> None:
        self.cell = cell
        self.count = len(cell.windows)
        days = self.count * (cell.n + WORKS) - WORKS
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
        errors = rng.uniform(-limit, limit, (2, self.count))
        self.errors = errors if cell.swapped else errors[:, [0] * self.count]

    def case(self, effect: float, energy_errors: Sequence[float] = (), output_errors: Sequence[float] = ()) -> Case:
        """The line as its meters read it, with a further error in each window if asked for."""
        errors = itertools.zip_longest(energy_errors, output_errors, range(self.count), fillvalue=0.0)
        read = [self._window(int(which), effect, energy, output) for energy, output, which in errors]
        between = read[1] if self.count > 2 else None
        return Case(read[0], read[-1], self.cell.method, output="output", intermediate=between)

    def days(self, which: int) -> np.ndarray:
        """When each interval of a window begins, in days."""
        return which * (self.cell.n + WORKS) + np.arange(self.cell.n, dtype=float)

    def _window(self, which: int, effect: float, energy_error: float, output_error: float) -> Sample:
        n = self.cell.n
        here = slice(which * (n + WORKS), which * (n + WORKS) + n)
        true_tons = self.tons[here]
        energy = self.energy[here] + effect * which / (self.count - 1) * true_tons
        energy = energy * (1 + self.errors[0, which]) * (1 + energy_error)
        tons = true_tons * (1 + self.errors[1, which]) * (1 + output_error)
        drivers = np.column_stack([tons, self.degrees[here]])
        month = self.at[here] // 30 + 12
        return Sample(energy, tons, drivers, ("output", "degrees"), np.arange(n), month)


def _judged(line: _Line, effect: float, limit: float) -> _Judged | None:
    """The engine's answer for the line with `effect`, against at most `limit`; None where it gives no number."""
    primary, case, _ = primary_with_noise(ModelSpec("ols", ("output",)), line.case(effect))
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
        doubts = assumptions(*primary, case, [line.days(which) for which in range(line.count)])
        findings = judge(turning(primary, case, CONFIDENCE), standing, NAMING, "output")
        findings += assumption_findings(doubts, standing, NAMING, delta, expanded)
    return _Judged(delta, expanded, decided and delta < limit, not any(finding.blocks for finding in findings))


NAMING = Naming("kWh/t", 1.0, lambda window, position: f"{window} {position}")


def _meter_rows(line: _Line, effect: float, primary: Primary) -> list[Contribution]:
    cell = line.cell
    u = cell.class_percent / 100 / np.sqrt(3)
    rows = []
    for which, name in enumerate(("energy", "output")):

        def figures(*errors: float, which: int = which) -> np.ndarray:
            case = line.case(effect, *((errors, ()) if which == 0 else ((), errors)))
            model = refit(primary.model, case.fitted)
            assert not isinstance(model, Finding)
            answer = case.answer(model, primary.noise)
            assert not isinstance(answer, Finding)
            return np.array([answer.delta])

        continuity = Continuity((u,) * line.count, (not cell.swapped,) * (line.count - 1))
        rows.append(Contribution(f"meter:{name}", "B", float(meter_effect(continuity, figures).u[0]), np.inf))
    return rows
