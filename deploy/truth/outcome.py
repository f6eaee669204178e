"""What came of one scenario: measured against true, found against expected, stored against produced.

Pure: a judgement of what was collected elsewhere. A scenario that is not `clean` must show the findings that it stands
for, and never passes for a clean `met`; a clean one shows nothing else above the level of information.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.tally import Tally

CLEAN = "plants"
# In compressed time every reading comes from the source's history, and a verdict rightly says so. It says nothing about
# the scenario, so that one warning is left out of the judgement.
OF_COMPRESSED_TIME = {"BACKFILLED_SHARE"}


@dataclass(frozen=True)
class Truth:
    """What `retroproof simulate truth-of` says of a scenario: what is true, and what an honest judge would say."""

    name: str
    title: str
    group: str
    tale: str
    seed: int
    verdicts: tuple[str, ...]
    findings: tuple[str, ...]
    effects: Mapping[str, tuple[float, str]]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Truth:
        """From the command's JSON."""
        effects = {name: (float(effect["value"]), str(effect["unit"])) for name, effect in said["true_effects"].items()}
        return cls(
            name=said["scenario"],
            title=said["title_en"],
            group=said["group"],
            tale=said["tale"],
            seed=said["seed"],
            verdicts=tuple(said["verdicts"]),
            findings=tuple(said["findings"]),
            effects=effects,
        )


@dataclass(frozen=True)
class Measured:
    """One measure of the plan: the true change, the measured one with its U95 (None: no figure), in `unit`."""

    name: str
    true: float
    delta: float | None
    expanded: float | None
    unit: str

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds the truth; None where there is no figure."""
        if self.delta is None or self.expanded is None:
            return None
        return abs(self.delta - self.true) <= self.expanded

    @property
    def far_off(self) -> bool:
        """Whether the truth lies beyond twice U. An honest 95 % interval misses one truth in twenty, so that a single
        miss says nothing; how often it does is judged over 40 seeds of each plant, without the network.
        """
        if self.delta is None or self.expanded is None:
            return False
        return abs(self.delta - self.true) > 2 * self.expanded


@dataclass(frozen=True)
class Outcome:
    """One scenario. `found` are code and severity of every finding; `tally` counts the plant's ledger against the
    database.
    """

    truth: Truth
    measures: tuple[Measured, ...]
    verdict: str
    found: tuple[tuple[str, str], ...]
    tally: Tally
    seconds: float

    @property
    def misses(self) -> list[str]:
        """Everything that is not as it must be; empty for a scenario that came out right."""
        codes = {code for code, _ in self.found}
        missed = [f"{code} was not found" for code in self.truth.findings if code not in codes]
        if self.verdict not in self.truth.verdicts:
            missed.append(f"the verdict is {self.verdict}, not {' or '.join(self.truth.verdicts)}")
        if not self.tally.exact:
            missed.append(f"readings: {self.tally}")
        if self.truth.group == CLEAN:
            excused = OF_COMPRESSED_TIME | set(self.truth.findings)
            seen = [one for one in dict.fromkeys(self.found) if one[0] not in excused]
            missed += [f"{code} ({severity})" for code, severity in seen if severity != "info"]
            missed += [f"{one.name}: the truth is far outside the interval" for one in self.measures if one.far_off]
        elif not self.truth.findings:
            missed.append("the scenario stands for no finding")
        return missed


def measured(truth: Truth, result: Mapping[str, Any]) -> tuple[Measured, ...]:
    """The measures of a result beside their true effects; a measure without a true effect is left out."""
    rows = []
    for measure in result["measures"]:
        if measure["name"] not in truth.effects:
            continue
        true, unit = truth.effects[measure["name"]]
        effect = measure["effect"]
        delta, expanded = (effect["delta"], effect["expanded_uncertainty"]) if effect else (None, None)
        figures = [None if figure is None else float(figure) for figure in (delta, expanded)]
        rows.append(Measured(measure["name"], true, figures[0], figures[1], unit))
    return tuple(rows)


def table(outcomes: Sequence[Outcome]) -> str:
    """The truth table, in Markdown: a row for each measure of each scenario."""
    head = (
        "scenario", "measure", "true", "measured", "U95", "covered", "verdict", "verdict expected",
        "findings expected", "findings found", "produced", "stored", "lost", "doubled", "right",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    rows = ((outcome, one) for outcome in outcomes for one in outcome.measures or (None,))
    lines += ["| " + " | ".join(_cells(outcome, one)) + " |" for outcome, one in rows]
    return "\n".join(lines)


def _cells(outcome: Outcome, one: Measured | None) -> list[str]:
    truth, tally = outcome.truth, outcome.tally
    covered = {True: "yes", False: "NO", None: "-"}
    unsaid = OF_COMPRESSED_TIME - set(truth.findings)
    warned = {code for code, severity in outcome.found if severity != "info" or code in truth.findings}
    found = sorted(warned - unsaid)
    return [
        f"{truth.name} (seed {truth.seed})",
        one.name if one else "-",
        f"{one.true:+.5g} {one.unit}" if one else "-",
        f"{one.delta:+.5g}" if one and one.delta is not None else "-",
        f"{one.expanded:.2g}" if one and one.expanded is not None else "-",
        covered[one.covered if one else None],
        outcome.verdict,
        " or ".join(truth.verdicts),
        ", ".join(truth.findings) or "none",
        ", ".join(found) or "none",
        f"{tally.produced:,}",
        f"{tally.stored:,}",
        f"{tally.lost:,}",
        f"{tally.doubled:,}",
        "NO: " + "; ".join(outcome.misses) if outcome.misses else "yes",
    ]
