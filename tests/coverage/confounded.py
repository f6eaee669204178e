"""How often something else than the retrofit is certified as its saving, and how often that is said; `make coverage`
runs it.

python -m tests.coverage.confounded [--runs 200] [--write FILE]

A line that the works left as it was moves by itself: it drifts, or has a season, or its baseline was chosen for being
bad, or its products changed with the works. The limit is any saving at all.
"""

from __future__ import annotations

import dataclasses
import sys
import zlib
from collections.abc import Callable

import numpy as np

from tests.coverage.command import REFERENCE, Page, make
from tests.coverage.grid import BASE_KWH, CONFIDENCE, MEAN_T, NAMING, NOISE_KWH, SLOPE_KWH_T, SPREAD_T, WORKS
from tests.coverage.table import most
from tests.verification.engine.samples import STANDING, ar1, sample
from verification.engine.assess import primary_with_noise, robustness
from verification.engine.autocorrelation import expanded
from verification.engine.case import Case
from verification.engine.models.family import ModelSpec
from verification.engine.robustness.judge import assumption_findings, judge, placebo_findings
from verification.findings import Finding

PAGE = REFERENCE / "confounded.md"
SIZE = 150.0  # kWh/t between the means of the windows: 1.1 %
HISTORY = 1_095  # days before the works among which a baseline is chosen
STEADY, STEADY_LIMIT = "steady", 100.0  # which it truly keeps: every warning is a false one
MOST_ALARMS = 0.06  # of steady lines
RUNS = 200
INTRODUCTION = """\
# What else may pass for a saving

Made by `make coverage` (this page alone: `python -m tests.coverage.confounded`): {runs} simulated lines in each row,
judged by the engine's own numerics with the checks of step 6 but the change points. A smaller table runs in `make test`
(`tests/coverage/test_confounded.py`).

The line is that of [coverage](coverage.md) with `rho`; the works do nothing to it, and the limit is a change of at most
0. What moves it instead comes to {size:.0f} kWh/t (1.1 %) between the means of the windows, but for a season, which
swings by that much, and for a chosen baseline. The steady line is judged against at most +{limit:.0f} kWh/t, which it
keeps: its warnings are false alarms.

- **met**: certified (%). **withheld**: a finding turned the verdict (%). The rest is astride the limit, or too strongly
  correlated.
- **warned**: of those that are certified, how many with a warning (%).
- **said**: likewise, without a warning but with the information that a drift which cannot be told from none, or the
  choice of the baseline, would turn the verdict (%).

| what moves the line | n before | n after | rho | met | withheld | warned | said |
|---|---|---|---|---|---|---|---|
"""
SAID = {"DRIFT_NOT_EXCLUDED", "BASELINE_CHOICE_MATTERS"}


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of line: what moves it, and its windows."""

    name: str
    before: int
    after: int
    rho: float = 0.5
    gap: int = WORKS

    def course(self, day: np.ndarray) -> np.ndarray:
        """kWh/t beside the level of the line, by the day since the baseline began."""
        return COURSES[self.name](self, day)

    @property
    def middles(self) -> float:
        """Days between the middles of the windows."""
        return self.gap + (self.before + self.after) / 2


def _season(row: Row, day: np.ndarray) -> np.ndarray:
    """Lowest in the middle of the reporting period."""
    return -SIZE / 2 * np.cos(2 * np.pi * (day - row.before / 2 - row.middles) / 365.25)


COURSES: dict[str, Callable[[Row, np.ndarray], np.ndarray]] = {
    STEADY: lambda _, day: 0.0 * day,
    "drift in both windows": lambda row, day: -SIZE * day / row.middles,
    "drift in the baseline, then level": lambda row, day: -2 * SIZE * np.minimum(day / row.before, 1),
    "drift in the last third of the baseline": lambda row, day: -1.2 * SIZE * np.clip(3 * day / row.before - 2, 0, 1),
    "drift from there on": lambda row, day: -SIZE * np.maximum(day / row.before - 2 / 3, 0) * row.before / row.middles,
    "drift in the reporting period": lambda row, day: -2 * SIZE * np.maximum(day - row.before - row.gap, 0) / row.after,
    "season": _season,
    "other products since the works": lambda row, day: np.where(day >= row.before + row.gap, -SIZE, 0.0),
    "chosen baseline": lambda _, day: 0.0 * day,
}
ROWS = [
    *(Row(name, n, n) for name in COURSES if name not in ("season", "chosen baseline") for n in (90, 365)),
    *(Row("season", *windows) for windows in ((90, 90, 0.5, 92), (365, 60))),
    *(Row("chosen baseline", n, n, rho) for n in (90, 365) for rho in (0.5, 0.9)),
]


@dataclasses.dataclass(frozen=True)
class Tally:
    """What came of `runs` lines of a row."""

    row: Row
    runs: int
    met: int
    withheld: int
    warned: int
    said: int

    @property
    def line(self) -> str:
        """The row of the table."""
        row = self.row
        shares = [f"{100 * count / self.runs:.0f}" for count in (self.met, self.withheld)]
        of_met = [f"{100 * count / self.met:.0f}" if self.met else "–" for count in (self.warned, self.said)]
        return f"| {' | '.join([row.name, str(row.before), str(row.after), f'{row.rho:g}', *shares, *of_met])} |"

    @property
    def is_within_limits(self) -> bool:
        """Whether no more steady lines are warned of than was promised and chance allows."""
        return self.row.name != STEADY or self.warned <= most(self.runs, MOST_ALARMS)


def tally(row: Row, runs: int) -> Tally:
    """One row of the table."""
    outcomes = [_outcome(row, index) for index in range(runs)]
    met = [findings for state, findings in outcomes if state == "met"]
    warned = [findings for findings in met if any(each.severity == "warning" for each in findings)]
    said = [findings for findings in met if findings not in warned and SAID & {each.code for each in findings}]
    withheld = sum(state == "withheld" for state, _ in outcomes)
    return Tally(row, runs, len(met), withheld, len(warned), len(said))


def _outcome(row: Row, index: int) -> tuple[str, list[Finding]]:
    """The verdict on one line (`met`, `withheld` or another) and what was found."""
    rng = np.random.default_rng([zlib.crc32(repr(dataclasses.astuple(row)).encode()), index])
    history = HISTORY if row.name == "chosen baseline" else row.before
    total = history + row.gap + row.after
    day, tons, noise = np.arange(total), rng.normal(MEAN_T, SPREAD_T, total), ar1(rng, total, row.rho, NOISE_KWH)
    energy = BASE_KWH + (SLOPE_KWH_T + row.course(day)) * tons + noise
    first = int(np.argmax(np.convolve(noise[:history], np.ones(row.before), "valid")))  # 0 where there is no choice
    windows = slice(first, first + row.before), slice(history + row.gap, None)
    case = Case(*(sample(energy[each], tons[each]) for each in windows), output="output")
    primary, case, _ = primary_with_noise(ModelSpec("ols", ("output",)), case)
    if isinstance(primary, Finding):
        return "inconclusive", [primary]
    reach, delta = expanded(primary.estimate.spread(CONFIDENCE), CONFIDENCE), primary.estimate.delta
    limit = STEADY_LIMIT if row.name == STEADY else 0.0
    if delta + reach > limit:
        return "astride", []
    standing = dataclasses.replace(
        STANDING,
        delta=delta,
        significant_sign=abs(delta) > reach,
        passes=lambda other: other <= limit,
        limit=f"{limit:g}",
    )
    found = robustness(primary, case, CONFIDENCE, [day[each].astype(float) for each in windows])
    findings = [
        *judge(found.turning, standing, NAMING, "output"),
        *placebo_findings(found.placebo),
        *assumption_findings(found.assumptions, standing, NAMING, delta, reach),
    ]
    return "withheld" if any(each.blocks for each in findings) else "met", findings


def page(tallies: list[Tally]) -> str:
    """docs/reference/confounded.md."""
    head = INTRODUCTION.format(runs=tallies[0].runs, size=SIZE, limit=STEADY_LIMIT)
    return head + "".join(f"{each.line}\n" for each in tallies)


if __name__ == "__main__":
    made = Page(PAGE, ROWS, RUNS, tally, page)
    sys.exit(make(made, "tests.coverage.confounded", __doc__.splitlines()[0]))
