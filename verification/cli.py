"""The room's commands: `retroproof verify` judges a plan on a plain table of readings, no platform needed;
`retroproof check` checks an evidence package and is in `check_command`, `retroproof selftest` runs the known answers
and is in `selftest`.

The only module of this room that writes files. What is heavy is imported inside the commands, so that checking an
evidence package needs no numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from verification.check_command import check
from verification.selftest.command import selftest

if TYPE_CHECKING:
    from verification.engine.result import Result
    from verification.plan import Plan
    from verification.table.read import Table

__all__ = ["check", "selftest", "verify"]

EXIT_USAGE = 64  # EX_USAGE of sysexits.h
EXIT_OF_STATE = {"met": 0, "not_met": 1, "inconclusive": 2, "invalid_data": 3, "not_verifiable": 3}

FILE = click.Path(path_type=Path)


class UnusableFileError(click.ClickException):
    """A plan that cannot be used, or a file that cannot be read or written."""

    exit_code = EXIT_USAGE


class UnusableTableError(click.ClickException):
    """A file that is there, but whose content is no table of readings: a fault of the data, not of the call."""

    exit_code = EXIT_OF_STATE["invalid_data"]


@click.command()
@click.argument("plan_file", metavar="PLAN.yaml", type=FILE)
@click.option("--readings", "table_file", metavar="FILE", type=FILE, required=True, help="CSV or Parquet table.")
@click.option("--json", "json_file", metavar="OUT", type=FILE, help="Write the result here, as canonical JSON.")
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the report."
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
    *,
    explained: bool,
) -> None:
    """Judge PLAN.yaml on a table of readings, and print the verdict.

    The table is long (point,time,value[,status]) or wide (time and a column per point), its times RFC 3339 with UTC
    offset, its values in the units of the plan. Exit status: 0 met, 1 not met, 2 inconclusive, 3 invalid data or not
    verifiable, 64 usage (also a plan or a file that cannot be read).
    """
    from verification.engine.verify import Context  # noqa: PLC0415 - see the module docstring
    from verification.engine.verify import verify as judge  # noqa: PLC0415
    from verification.report.explain import explain  # noqa: PLC0415
    from verification.report.text import render  # noqa: PLC0415

    plan, digest = _read_plan(plan_file)
    table = _read_table(table_file, plan)
    result = judge(plan, digest, table.readings, Context(input_findings=table.findings))
    click.echo(render(result, lang))
    if explained:
        click.echo()
        click.echo(explain(result, lang))
    if json_file is not None:
        _write(json_file, result.to_json())
    if plot_folder is not None:
        _write_plots(plot_folder, result, lang)
    ctx.exit(EXIT_OF_STATE[result.verdict.state])


def _write_plots(folder: Path, result: Result, lang: Literal["en", "zh"]) -> None:
    from verification.report.plots import plot_files  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise UnusableFileError(f"{folder}: cannot be made: {err.strerror or err}") from err
    for name, content in plot_files(result, lang):
        _write(folder / name, content.encode())


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as err:
        raise UnusableFileError(f"{path}: cannot be written: {err.strerror or err}") from err


def _read_plan(path: Path) -> tuple[Plan, str]:
    from verification.errors import ConfigError  # noqa: PLC0415
    from verification.plan import parse_plan, plan_digest  # noqa: PLC0415
    from verification.yamlfile import MAX_FILE_BYTES  # noqa: PLC0415

    data = _read_file(path, MAX_FILE_BYTES)
    try:
        return parse_plan(data, name=str(path)), plan_digest(data)
    except ConfigError as err:
        raise UnusableFileError(str(err)) from err


def _read_table(path: Path, plan: Plan) -> Table:
    from verification.errors import FormatError  # noqa: PLC0415
    from verification.table.read import MAX_TABLE_BYTES, read_table  # noqa: PLC0415

    data = _read_file(path, MAX_TABLE_BYTES)
    try:
        return read_table(data, plan, name=str(path))
    except FormatError as err:
        raise UnusableTableError(f"{err} [{err.code}]") from err


def _read_file(path: Path, limit: int) -> bytes:
    """The file's bytes, one past `limit` at most, so that the reader can refuse what is too long."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as err:
        raise UnusableFileError(f"{path}: cannot be read: {err.strerror or err}") from err
