"""What a check of a configuration against the plant found, point by point."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_agent.commission.engineering_units import Unit
from edge_agent.table import printable
from verification.units import same_dimension, scale_factor

NOTHING, NOT_SEEN = "-", "not seen"


@dataclass(slots=True)
class PointCheck:
    """One point as it was read once. `problems` keep it from being used as it stands, `notes` are worth knowing.

    skew: how far the server's clock is from ours; sampling, queue: what the server granted.
    """

    source: str
    point: str
    value: str = NOTHING
    unit: str = NOTHING
    status: str = NOTHING
    skew: str = NOTHING
    sampling: str = NOTHING
    queue: str = NOTHING
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """In a word: a point of which nothing was read is neither a problem nor known to be well."""
        if self.problems:
            return "PROBLEM"
        return NOT_SEEN if self.value == NOTHING else "ok"

    @property
    def cells(self) -> tuple[str, ...]:
        """A line of the table."""
        return (
            self.source,
            self.point,
            self.value,
            self.unit,
            self.status,
            self.skew,
            self.sampling,
            self.queue,
            self.verdict,
        )


def judge_unit(check: PointCheck, theirs: Unit) -> None:
    """Compare the unit that the plant shows with the one in the configuration; values are kept as they come."""
    if not theirs.ours:
        if theirs.shown:
            check.notes.append(f"the plant shows the unit {theirs.shown!r}, which is not known here; compare it")
    elif not same_dimension(theirs.ours, check.unit):
        check.problems.append(f"the plant says {theirs.ours}, the configuration {check.unit}: one of them is wrong")
    elif scale_factor(theirs.ours, check.unit) != 1.0:
        check.problems.append(
            f"the plant counts in {theirs.ours}; values are kept as they come, so write unit: {theirs.ours}"
        )


HEADS = ("SOURCE", "POINT", "VALUE", "UNIT", "STATUS", "SKEW", "SAMPLING", "QUEUE", "VERDICT")


def remarks(checks: list[PointCheck]) -> list[str]:
    """Every problem and note, those that many points share said once."""
    told: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        for kind, texts in (("PROBLEM", check.problems), ("note", check.notes)):
            for text in texts:
                told.setdefault((kind, printable(text)), []).append(f"{check.source}.{check.point}")
    ordered = sorted(told.items(), key=lambda item: item[0][0] != "PROBLEM")
    return [f"{kind}: {shortened(points)}: {text}" for (kind, text), points in ordered]


def shortened(points: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(points[:3])
    return shown if len(points) <= 3 else f"{shown} and {len(points) - 3} more"  # noqa: PLR2004 - as many as above
