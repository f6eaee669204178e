"""The truth table as a page for people: clean plants, faults and frauds, each with what it proves. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.truth.outcome import Outcome, table

HEAD = """# Plants against the truth, end to end

Made by `make truth-table`, never by hand: {count} scenarios (seed {seed}), each through a simulated plant, the edge
agent, the broker, ingest, the database and the engine; {right} came out right. The plants' own ledgers list
{produced:,} readings; {lost:,} were lost and {doubled:,} doubled. See [the how-to](../how-to/simulate.md).

`true` is what the works really changed, computed from the plant's physics; `measured` and `U95` are the platform's.
A single interval that misses the truth (covered: NO) is no mistake of a clean plant, since one in twenty does.
"""

GROUPS = {
    "plants": (
        "Clean plants",
        "Nothing is wrong: the verdict is what the figures deserve, and nothing warns but what a plant stands for.",
    ),
    "faults": (
        "Faults",
        "Something breaks, and nobody means harm: the finding that names it appears, and no verdict is a clean `met`.",
    ),
    "frauds": (
        "Frauds",
        "Somebody means to be paid for what did not happen: the finding that gives it away appears.",
    ),
}


def page(outcomes: Sequence[Outcome]) -> str:
    """The page in Markdown: for each group what it proves, what each scenario tells, and the truth table."""
    tallies = [one.tally for one in outcomes]
    head = HEAD.format(
        count=len(outcomes),
        seed=", ".join(str(seed) for seed in sorted({one.truth.seed for one in outcomes})),
        right=sum(not one.misses for one in outcomes),
        produced=sum(tally.produced for tally in tallies),
        lost=sum(tally.lost for tally in tallies),
        doubled=sum(tally.doubled for tally in tallies),
    )
    return head + "".join(_group(group, [one for one in outcomes if one.truth.group == group]) for group in GROUPS)


def _group(group: str, outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return ""
    title, proves = GROUPS[group]
    tales = "\n".join(f"- **{one.truth.name}**: {one.truth.title}" for one in outcomes)
    return f"\n## {title}\n\n{proves}\n\n{tales}\n\n{table(outcomes)}\n"
