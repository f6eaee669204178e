"""A page of docs/reference whose table is made by simulation, row by row."""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

WORKERS = 2
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


class TableRow(Protocol):
    """What a row shows, and whether it keeps to what was promised."""

    @property
    def line(self) -> str:
        """The row as the page shows it."""

    @property
    def is_within_limits(self) -> bool:
        """Whether it breaks no limit by more than chance."""


class Page(NamedTuple):
    """How a page is made: a `tally` of so many `runs` for each of `cells`, and all of them as the `text` of `file`."""

    file: Path
    cells: Iterable[Any]
    runs: int
    tally: Callable[..., Any]
    text: Callable[[list[Any]], str]


def make(page: Page, module: str, about: str) -> int:
    """`python -m module`: run, show each row, write the page; 1 where a limit is broken."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--runs", type=int, default=page.runs, help=f"for each figure (default {page.runs})")
    parser.add_argument("--write", type=Path, default=page.file, help=f"the page to write (default {page.file.name})")
    options = parser.parse_args()
    tallies: list[TableRow] = []
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        for each in pool.map(functools.partial(page.tally, runs=options.runs), page.cells):
            tallies.append(each)
            print(each.line, flush=True)
    options.write.write_text(page.text(tallies), encoding="utf-8")
    broken = [each.line for each in tallies if not each.is_within_limits]
    print("\n".join([f"wrote {options.write}", *broken]))
    return 1 if broken else 0
