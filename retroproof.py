"""The one command, `retroproof`: finds the room that owns a subcommand and loads that room only.

Each room keeps its subcommands in its own `cli.py`. This module names them without importing them, so that an edge
box, which has neither numpy nor FastAPI installed, can still run `retroproof edge run` and print `retroproof --help`.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import IO, Any, NamedTuple

import click

from verification.errors import RetroProofError
from verification.lazy import LazyGroup, command_at

# Codes of sysexits.h. 1 to 3 are verdicts of `verify` and `check`, so nothing else may end with one of them there.
EXIT_USAGE = 64  # EX_USAGE: a wrong option, or a file that a person must mend
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE: a package is not installed
EXIT_SOFTWARE = 70  # EX_SOFTWARE: a defect of ours
EXIT_INTERRUPTED = 130  # what a shell reports after Ctrl-C
EXIT_READER_GONE = 141  # what a shell reports after SIGPIPE


class Subcommand(NamedTuple):
    """Where a subcommand lives, the extra that installs what it needs, and its one-line help."""

    place: str  # module:attribute
    extra: str
    help: str


SUBCOMMANDS = {
    "api": Subcommand("api.cli:api", "api", "Serve the API and the web pages; make access tokens."),
    "check": Subcommand("verification.cli:check", "", "Check an evidence package, offline."),
    "db": Subcommand("ingest.db_cli:db", "ingest", "Create, migrate, inspect and read the database."),
    "demo": Subcommand("deploy.cli:demo", "all", "Tell the whole story once, on this machine, on real servers."),
    "doctor": Subcommand("deploy.cli:doctor", "", "Say what this machine has, what is missing and what mends it."),
    "edge": Subcommand("edge_agent.cli:edge", "edge", "Run and inspect the edge agent on the plant network."),
    "ingest": Subcommand("ingest.cli:ingest", "ingest", "Enrol devices; take signed batches into the database."),
    "plan": Subcommand("verification.cli:plan", "", "Check a plan, begin one, list the metrics."),
    "pki": Subcommand("deploy.pki.cli:pki", "", "Make the certificates of brokers, servers and devices."),
    "selftest": Subcommand("verification.cli:selftest", "analysis", "Compute known answers on this machine."),
    "simulate": Subcommand("simulators.cli:simulate", "sim", "Run a simulated plant with a known true effect."),
    "up": Subcommand("deploy.cli:up", "all", "Run the whole stack with a live simulated plant until Ctrl-C."),
    "verify": Subcommand("verification.cli:verify", "analysis", "Judge a plan against a table of readings."),
}
# A subcommand of another room's group: the plants know nothing of the platform that `truth` runs them against.
GUESTS = {"simulate": {"truth": "deploy.truth.cli:truth"}}

# What packages are called where one installs them, if a program imports them by another name.
DISTRIBUTIONS = {"google": "protobuf", "multipart": "python-multipart", "paho": "paho-mqtt", "yaml": "pyyaml"}


class MissingPackageError(click.ClickException):
    """A subcommand needs a package that is not installed; the message says which extra brings it."""

    exit_code = EXIT_UNAVAILABLE

    def __init__(self, module: str, extra: str) -> None:
        wanted = f"retroproof[{extra}]" if extra else "retroproof"
        package = module.partition(".")[0]
        name = DISTRIBUTIONS.get(package, package)
        super().__init__(f"{name} is not installed. Install it with: pip install '{wanted}'")


class ReaderGoneError(click.ClickException):
    """Who reads the output has closed it, as `| head` does; there is nobody to tell."""

    exit_code = EXIT_READER_GONE

    def __init__(self) -> None:
        super().__init__("the output was closed before all of it was written")

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - click's signature
        """Say nothing, and let the last flush of the interpreter reach nobody instead of failing."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Rooms(click.Group):
    """The rooms' commands. Their help is known here, so that no room is imported to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every subcommand, in alphabetical order."""
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The subcommand, loaded from its room; a missing package is named together with the extra that has it."""
        sub = SUBCOMMANDS.get(cmd_name)
        if sub is None:
            return None
        try:
            command = command_at(sub.place)
        except ModuleNotFoundError as err:
            raise MissingPackageError(err.name or sub.place, sub.extra) from err
        guests = GUESTS.get(cmd_name)
        if guests and isinstance(command, click.Group):
            return LazyGroup(command.name, elsewhere=guests, commands=command.commands, help=command.help)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run it; a package that a subcommand misses only when it works is named in the same way. Where the output is
        closed, click would end with 1, and that is a verdict of `check`.
        """
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as err:
            sub = SUBCOMMANDS[str(ctx.invoked_subcommand)]
            raise MissingPackageError(err.name or sub.place, sub.extra) from err
        except BrokenPipeError as err:
            raise ReaderGoneError from err

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of subcommands for `--help`, made without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUBCOMMANDS[name].help) for name in sorted(SUBCOMMANDS)])


@click.group(cls=_Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retroproof")
def cli() -> None:
    """RetroProof (改造实证): meters a line before and after a retrofit, and proves what the retrofit did."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit; a usage error exits with 64, another refusal with its own code.

    The engine keeps its linear algebra to one thread (`verification.engine.threads`); here the others are not even
    made, unless the user has asked for them.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        code = cli.main(args=argv, prog_name="retroproof", standalone_mode=False)
    except click.exceptions.Exit as err:
        code = err.exit_code
    except click.UsageError as err:
        err.show()
        code = EXIT_USAGE
    except click.ClickException as err:
        err.show()
        code = err.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        code = EXIT_INTERRUPTED
    except RetroProofError as err:
        click.echo(f"Error: {err}", err=True)
        code = EXIT_USAGE
    except Exception:  # noqa: BLE001 - the last line of defence: a defect must not end with the code of a verdict
        traceback.print_exc()
        click.echo("This is a defect of retroproof, not a verdict. Please report it with the lines above.", err=True)
        code = EXIT_SOFTWARE
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
