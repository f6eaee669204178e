"""The subcommands of this room: `doctor` looks at the machine, `demo` and `up` run the whole product on it."""

from __future__ import annotations

import dataclasses
import json

import click

from deploy.demo import run_demo
from deploy.doctor import Check, examine
from deploy.local.home import home_folder
from deploy.local.progress import Progress
from deploy.local.servers import ensure_servers
from deploy.up import run_up

EXIT_CANNOT_RUN = 1
COLOURS = {"ok": "green", "warn": "yellow", "missing": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--fetch", is_flag=True, help="First fetch the servers that are missing.")
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool, fetch: bool) -> None:
    """Say what this machine has, what is missing and what mends it. Exits 0 if `make demo` can run, else 1."""
    home = home_folder()
    if fetch:
        ensure_servers(home, Progress())
    checks = examine(home)
    able = all(check.status != "missing" for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": able, "checks": [dataclasses.asdict(check) for check in checks]}, indent=1))
    else:
        _print(checks, able=able)
    if not able:
        ctx.exit(EXIT_CANNOT_RUN)


@click.command()
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Which random plant.")
@click.option("--effect", type=float, help="True effect in kWh/t; negative saves. Default: the scenario's.")
def demo(*, seed: int, effect: float | None) -> None:
    """Tell the whole story once, in a fresh folder. Exits non-zero if any stage fails."""
    run_demo(_plant(seed, effect))


@click.command()
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Which random plant.")
@click.option("--browser", is_flag=True, help="Open the page in a browser.")
def up(*, seed: int, browser: bool) -> None:
    """Run the whole stack with a live simulated plant until Ctrl-C; the next start goes on where this one stopped."""
    run_up(_plant(seed, None), browser=browser)


def _plant(seed: int, effect: float | None) -> list[str]:
    """The options that say which plant is meant, as `retroproof simulate` takes them."""
    return ["--seed", str(seed), *([] if effect is None else ["--set", f"effect_kwh_per_t={effect}"])]


def _print(checks: list[Check], *, able: bool) -> None:
    """One line per check, and below it the command that mends it."""
    for check in checks:
        status = click.style(f"{check.status:8}", fg=COLOURS[check.status])
        click.echo(f"{status} {check.name:12} {check.found}")
        if check.mend:
            click.echo(f"{'':21} -> {check.mend}")
    click.echo("`make demo` can run here." if able else "`make demo` cannot run here until what is missing is mended.")
