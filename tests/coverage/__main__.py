"""`make coverage`: run the whole grid and write docs/reference/coverage.md.

python -m tests.coverage [--runs 2000] [--workers 2] [--write FILE]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.coverage.command import REFERENCE, WORKERS
from tests.coverage.grid import CELLS, Cell, Outcome, run
from tests.coverage.table import Tally, page, tally

PAGE = REFERENCE / "coverage.md"
BATCH = 50


def main() -> int:
    """Run, show progress, write the page; 1 where a limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000, help="runs of each cell (default 2000)")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"processes (default {WORKERS})")
    parser.add_argument("--write", type=Path, default=PAGE, help=f"the page to write (default {PAGE.name})")
    options = parser.parse_args()
    start, tallies = time.monotonic(), []
    with concurrent.futures.ProcessPoolExecutor(options.workers) as pool:
        for cell in CELLS:
            tallies.append(tally(cell, list(outcomes(pool, cell, options.runs))))
            done, spent = len(tallies), time.monotonic() - start
            left = spent / done * (len(CELLS) - done)
            print(f"{done:3} of {len(CELLS)} cells, {left / 60:4.1f} min to go: {tallies[-1].line}", flush=True)
    options.write.write_text(page(tallies), encoding="utf-8")
    broken = [reason for each in tallies for reason in each.broken()]
    print("\n".join([f"wrote {options.write}", *broken]))
    return 1 if broken else 0


def outcomes(pool: concurrent.futures.Executor, cell: Cell, runs: int) -> Iterator[Outcome]:
    """The runs of a cell, in batches."""
    batches = [(cell, first, min(first + BATCH, runs)) for first in range(0, runs, BATCH)]
    for batch in pool.map(_batch, batches):
        yield from batch


def _batch(job: tuple[Cell, int, int]) -> list[Outcome]:
    cell, first, end = job
    return [run(cell, index) for index in range(first, end)]


def tallies_of(cells: list[Cell], runs: int) -> list[Tally]:
    """The same in this process, for the test."""
    return [tally(cell, _batch((cell, 0, runs))) for cell in cells]


if __name__ == "__main__":
    sys.exit(main())
