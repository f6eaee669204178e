"""One measured figure, and the table and file in which figures are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """`value` in `unit`, and its ratio to what was measured beside it: `against` says what that is."""

    name: str
    value: float
    unit: str
    against: str
    ratio: float


def table(figures: Sequence[Figure]) -> str:
    """The figures for people."""
    lines = [f"{'figure':<30} {'value':>12} {'unit':<8} {'ratio':>6}  against"]
    lines += [f"{one.name:<30} {one.value:>12,.0f} {one.unit:<8} {one.ratio:>6.2f}  {one.against}" for one in figures]
    return "\n".join(lines)


def write(figures: Sequence[Figure], path: Path) -> None:
    """The figures for programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(one) for one in figures], indent=1) + "\n", encoding="utf-8")
