"""The room's commands: `retroproof verify` judges a plan on a plain table of readings, no platform needed;
`retroproof plan` checks and begins plans and is in `plan_command`, `retroproof check` checks an evidence package and is
in `check_command`, `retroproof selftest` runs the known answers and is in `selftest`.

What is heavy is imported inside the commands, so that checking an
evidence package needs no numpy.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from verification.check_command import check
from verification.command_files import (
    FILE,
    READ_STEPS,
    UnusableFileError,
    check_writable,
    make_folder,
    progress,
    read_plan,
    read_readings,
    write_file,
)
from verification.plan_command import plan
from verification.selftest.command import selftest

if TYPE_CHECKING:
    from verification.engine.result import Result
    from verification.findings import Finding
    from verification.plan import Plan

__all__ = ["check", "plan", "selftest", "verify"]

EXIT_OF_STATE = {"met": 0, "not_met": 1, "inconclusive": 2, "invalid_data": 3, "not_verifiable": 3}


@click.command()
@click.argument("plan_file", metavar="PLAN.yaml", type=FILE)
@click.option("--readings", "table_file", metavar="FILE", type=FILE, required=True, help="CSV or Parquet table.")
@click.option("--json", "json_file", metavar="OUT", type=FILE, help="Write the result here, as canonical JSON.")
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the report."
)
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="Interim: judge the reporting period up to this date, excluded."
)
@click.option(
    "--rolling",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also the change in each part of N days (weeks, months, where those are the plan's intervals).",
)
@click.option("--explain", "explained", is_flag=True, help="Print the numbered steps with their intermediate figures.")
@click.option("--plots", "plot_folder", metavar="DIR", type=FILE, help="Write the plots there, with an index.html.")
@click.pass_context
def verify(
    ctx: click.Context,
    plan_file: Path,
    table_file: Path,
    json_file: Path | None,
    lang: Literal["en", "zh"],
    plot_folder: Path | None,
    until: dt.datetime | None,
    rolling: int | None,
    *,
    explained: bool,
) -> None:
    """Judge PLAN.yaml on a table of readings, and print the verdict.

    The table is long (point,time,value[,status]) or wide (time and a column per point), its times RFC 3339 with UTC
    offset, its values in the units of the plan. Exit status: 0 met, 1 not met, 2 inconclusive, 3 invalid data or not
    verifiable, 64 usage (also a plan or a file that cannot be read). With --until it is that of the state so far.
    """
    from verification.engine.verify import Context, steps_of  # noqa: PLC0415 - see the module docstring
    from verification.engine.verify import verify as judge  # noqa: PLC0415
    from verification.report.explain import explain  # noqa: PLC0415
    from verification.report.rolling import render_rolling  # noqa: PLC0415
    from verification.report.text import render  # noqa: PLC0415

    filed, digest = read_plan(plan_file)
    if json_file is not None:
        check_writable(json_file)
    if plot_folder is not None:
        make_folder(plot_folder)
    judged, interim = _part(filed, until)
    plans = [judged, *(_parts(judged, rolling) if rolling is not None else [])]
    with progress(table_file, READ_STEPS + sum(map(steps_of, plans))) as advance:
        table = read_readings(table_file, filed, advance)
        context = Context(input_findings=[*table.findings, *interim])
        result, *parts = [judge(each, digest, table.readings, context, advance) for each in plans]
    click.echo(render(result, lang))
    if parts:
        click.echo()
        click.echo(render_rolling(parts, lang))
    if explained:
        click.echo()
        click.echo(explain(result, lang))
    if json_file is not None:
        write_file(json_file, result.to_json())
    if plot_folder is not None:
        _write_plots(plot_folder, result, lang)
    ctx.exit(EXIT_OF_STATE[result.verdict.state])


def _part(filed: Plan, until: dt.datetime | None) -> tuple[Plan, list[Finding]]:
    """The plan to judge, and that it is an interim one where it is."""
    from verification.engine.interim import interim_finding  # noqa: PLC0415
    from verification.engine.interim import until as judged_until  # noqa: PLC0415
    from verification.errors import ConfigError  # noqa: PLC0415

    if until is None:
        return filed, []
    try:
        part = judged_until(filed, until.date())
    except ConfigError as err:
        raise UnusableFileError(f"--until: {err}") from err
    return part, [interim_finding(filed, part)]


def _parts(judged: Plan, length: int) -> list[Plan]:
    """The plan for each part of `length` of its reporting period."""
    from verification.engine.interim import rolling  # noqa: PLC0415

    parts = rolling(judged, length)
    if not parts:
        raise UnusableFileError(f"--rolling: the reporting period is shorter than one part of {length}")
    return parts


def _write_plots(folder: Path, result: Result, lang: Literal["en", "zh"]) -> None:
    from verification.report.plots import plot_files  # noqa: PLC0415

    for name, content in plot_files(result, lang):
        write_file(folder / name, content.encode())
