"""`retroproof simulate truth`."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.local.home import home_folder
from deploy.local.progress import Progress
from deploy.local.servers import ensure_servers
from deploy.truth.outcome import table
from deploy.truth.page import page
from deploy.truth.run import Course, conclude, platform, run_all


@click.command()
@click.argument("scenarios", nargs=-1)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Which random plants.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep every scenario's plots and papers here. Default: of those that miss only, in .retroproof/truth-papers.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the page for people there, too: docs/reference/truth.md is made so.",
)
def truth(scenarios: tuple[str, ...], *, seed: int, keep: Path | None, write: Path | None) -> None:
    """Run SCENARIOS (all of them: none named) end to end and hold what was measured against what is true.

    A scenario is a name of `retroproof simulate list`, or a YAML file like those in simulators/scenarios. Plant, agent,
    broker, ingest, database and engine are real; time is compressed. Ends non-zero on any miss.
    """
    progress, home = Progress(), home_folder()
    with platform(home / "truth", ensure_servers(home, progress), progress) as stack:
        names = scenarios or tuple(stack.command("simulate", "names").split())
        course = Course(stack, seed, keep or home / "truth-papers", keep_all=keep is not None)
        ended = run_all(course, names, progress)
    outcomes = list(ended.outcomes.values())
    click.echo(table(outcomes))
    if write is not None:
        write.write_text(page(outcomes), encoding="utf-8")
    conclude(ended, course, names, progress)
