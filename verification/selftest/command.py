"""The command `retroproof selftest`: the known answers, computed on the user's own machine."""

from __future__ import annotations

from typing import Literal

import click

EXIT_MISS = 1


@click.command()
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the table.")
@click.pass_context
def selftest(ctx: click.Context, lang: Literal["en", "zh"]) -> None:
    """Compute public known answers with the engine, and print expected, got and digits.

    NIST StRD linear and univariate sets and analyses of variance, the GUM's examples, worked budgets, textbook
    regressions, the Nile's break. Exit status: 0 all right, 1 a miss.
    """
    from verification.selftest.run import all_checks, table  # noqa: PLC0415 - heavy, and --help is quick without it

    checks = list(all_checks())
    for line in table(checks, lang):
        click.echo(line)
    if not all(check.passed for check in checks):
        ctx.exit(EXIT_MISS)
