"""`retroproof simulate truth`."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.truth.run import run_truth


@click.command()
@click.argument("scenarios", nargs=-1)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Which random plants.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the table here, too.")
def truth(scenarios: tuple[str, ...], *, seed: int, out: Path | None) -> None:
    """Run SCENARIOS (all of them: none named) end to end and hold what was measured against what is true.

    Plant, agent, broker, ingest, database and engine are real; time is compressed. Ends non-zero on any miss.
    """
    run_truth(scenarios, seed=seed, out=out)
