"""The commands of `retroproof edge` with which an engineer sets an agent up."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click

from edge_agent import config
from edge_agent.commission import check, draft, dry_run, pick, preview
from edge_agent.commission.browse import MAX_NODES, Variable, Walk, walk
from edge_agent.commission.findings import HEADS, NOT_SEEN, remarks, shortened
from edge_agent.commission.pick import Pick
from edge_agent.commission.session import connected
from edge_agent.config.edge import CERTIFICATES
from edge_agent.config.opcua import NO_SECURITY, OpcUaSourceConfig, source_problems
from edge_agent.table import printable, size, table
from verification import keys
from verification.errors import ConfigError, RetroProofError
from verification.model import PointKind
from verification.units import check_unit

COMMISSIONING = "commissioning"  # stands for the device in the agent's own certificate where none is named yet
Parsed = TypeVar("Parsed")

search_option = click.option("--search", default="", metavar="WORDS", help="Only what has all of these words.")
most_option = click.option(
    "--most", type=click.IntRange(1), default=MAX_NODES, show_default=True, help="Nodes to visit."
)


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """How the server is reached: address, protection, login; the command gets them as `server`."""

    @click.argument("url")
    @click.option("--security", default=NO_SECURITY, show_default=True, help="Such as Basic256Sha256/SignAndEncrypt.")
    @click.option("--user", default="", help="Who logs in.")
    @click.option("--password-file", default="", help="Its password, in a file that only you can read.")
    @click.option("--user-cert", default="", help="Instead: the certificate by which the server knows who logs in.")
    @click.option("--user-key", default="", help="The key of that certificate.")
    @wraps(command)
    def with_server(
        *, url: str, security: str, user: str, password_file: str, user_cert: str, user_key: str, **others: object
    ) -> None:
        server = OpcUaSourceConfig(
            opcua=url,
            points={},
            security=security,
            user=user,
            password_file=password_file,
            user_cert=user_cert,
            user_key=user_key,
        )
        command(server=server, **others)

    return with_server


@click.command()
@server_options
@search_option
@most_option
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each variable, for programs.")
def browse(*, server: OpcUaSourceConfig, search: str, most: int, as_json: bool) -> None:
    """Show the variables of the OPC UA server at URL: node, unit, type, value, history, access."""
    found = _walk(server, most, Path())
    shown = [variable for variable in found.variables if variable.matches(search.split())]
    if as_json:
        for variable in shown:
            click.echo(json.dumps(asdict(variable) | {"unit": variable.unit._asdict()}, ensure_ascii=False))
        return
    _show(shown)
    click.echo(f"{len(shown)} of {len(found.variables)} variables; {found.visited} nodes visited")
    if found.bounded:
        click.echo(f"NOTE: {found.bounded}")


@click.command("init")
@server_options
@click.option("--out", type=click.Path(path_type=Path), default="edge.yaml", show_default=True, help="The new file.")
@search_option
@most_option
@click.option("--pick", "nodes", multiple=True, metavar="NODE", help="Take this node; without --pick you are asked.")
@click.option("--all", "everything", is_flag=True, help="Take all that --search finds and that can be a point.")
@click.option("--source", default="line", show_default=True, help="What the server is called in the file.")
@click.option("--device", default="", help="The device's id; known already after an enrolment.")
@click.option("--ingest-key", default="", help="The public key of ingest; known already after an enrolment.")
@click.option("--uplink", default="", metavar="URL", help="mqtts://broker:8883 or https://ingest.example.")
def init(
    *,
    server: OpcUaSourceConfig,
    out: Path,
    search: str,
    most: int,
    nodes: tuple[str, ...],
    everything: bool,
    source: str,
    device: str,
    ingest_key: str,
    uplink: str,
) -> None:
    """Write a commented edge.yaml for points picked from the OPC UA server at URL."""
    if out.exists():
        raise ConfigError(f"{out} is there already; move it away, or name another file with --out")
    folder = out.absolute().parent
    known_device, known_key, has_certificate = draft.enrolled(folder)
    variables = _walk(server, most, folder).variables
    if nodes:
        picked = pick.picks(pick.named(variables, nodes))
    else:
        usable = [one for one in variables if not one.trouble and one.matches(search.split())]
        picked = pick.picks(usable) if everything else _ask(usable)
    if not picked:
        raise ConfigError("nothing was picked; see what there is with: retroproof edge browse " + server.opcua)
    made = draft.Draft(
        source,
        draft.seen_from(folder, server),
        picked,
        device or known_device,
        ingest_key or known_key,
        uplink,
        has_certificate=has_certificate,
    )
    draft.write(made, out)
    click.echo(f"{out}: {len(picked)} points")
    _say_what_is_left(out)


def _say_what_is_left(out: Path) -> None:
    looks = [line for line in out.read_text(encoding="utf-8").splitlines() if "# LOOK" in line]
    for line in looks:
        click.echo(f"  still to do: {line.strip()}")
    try:
        config.load(out)
    except ConfigError as err:
        click.echo(f"Not usable yet: {err}")
    click.echo(f"Next: retroproof edge check-config {out} --connect")


def _walk(server: OpcUaSourceConfig, most: int, folder: Path) -> Walk:
    """Every variable; `folder` is the agent's own, in which certificates lie."""

    async def run() -> Walk:
        async with connected(server, COMMISSIONING, folder / CERTIFICATES) as connection:
            return await walk(connection.session, most=most)

    for place, problem in source_problems("", server):
        raise ConfigError(f"{place}: {problem}".lstrip(".: "))
    return asyncio.run(run())


def _show(variables: Sequence[Variable], *, numbered: bool = False) -> None:
    rows = [
        (
            *((str(number),) if numbered else ()),
            one.node,
            one.path,
            one.unit.ours or (f"? {one.unit.shown}" if one.unit.shown else "-"),
            one.type,
            one.value or "-",
            "yes" if one.historizing else "no",
            "r" * one.readable + "w" * one.writable or "-",
            one.trouble or "-",
        )
        for number, one in enumerate(variables, start=1)
    ]
    heads = ("NODE", "PATH", "UNIT", "TYPE", "VALUE", "HISTORY", "ACCESS", "REMARK")
    for line in table(("#", *heads) if numbered else heads, rows):
        click.echo(line)


def _ask(variables: Sequence[Variable]) -> list[Pick]:
    """Have a person choose, and correct what was guessed."""
    if not variables:
        return []
    _show(variables, numbered=True)
    places = click.prompt(
        "Which are to be points? (1,3-5 or all)", value_proc=_parser(lambda text: pick.chosen(text, len(variables)))
    )
    return [_correct(one) for one in pick.picks([variables[place] for place in places])]


def _correct(guessed: Pick) -> Pick:
    variable = guessed.variable
    click.echo(f"\n{printable(variable.path)} ({variable.type}, {printable(variable.value) or 'empty'})")
    kinds = [str(kind) for kind in PointKind]
    return replace(
        guessed,
        name=click.prompt("  name", default=guessed.name),
        unit=click.prompt("  unit", default=guessed.unit or None, value_proc=_parser(_checked_unit)),
        kind=PointKind(click.prompt("  kind", default=str(guessed.kind), type=click.Choice(kinds))),
        meter=click.prompt("  meter, as in the register", default="", show_default=False),
        guesses=(),
    )


def _checked_unit(text: str) -> str:
    check_unit(text)
    return text


def _parser(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed]:
    """A reader of answers whose refusals are asked again, as click does."""

    def read(text: str) -> Parsed:
        try:
            return parse(text)
        except RetroProofError as err:
            raise click.UsageError(str(err)) from err

    return read


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--connect", is_flag=True, help="Also read every point once, and try every way to ingest.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(1, 3600), default=10.0, show_default=True, help="For MQTT, in s."
)
def check_config(file: Path, connect: bool, wait_s: float) -> None:  # noqa: FBT001 - click passes a flag like this
    """Say what FILE would have the agent do, or what is wrong with it; exit 1 if --connect finds a problem."""
    found = config.load(file)
    click.echo(f"device {found.device}, signing key {keys.key_id(found.private_key()).hex()}")
    click.echo(f"uplink {found.uplink.address}, spool {found.spool_path} (at most {size(found.spool.max_bytes)})")
    for name, source in found.sources.items():
        click.echo(f"source {name}: {source.endpoint}")
    if not connect:
        rows = [
            (name, point_name, point.address, point.unit, str(point.kind), point.meter or "-")
            for name, source in found.sources.items()
            for point_name, point in source.points.items()
        ]
        for line in table(("SOURCE", "POINT", "ADDRESS", "UNIT", "KIND", "METER"), rows):
            click.echo("  " + line)
        click.echo(f"{len(rows)} points: the configuration can be used")
        return
    sys.exit(0 if _tried_out(found, wait_s) else 1)


def _tried_out(found: config.EdgeConfig, wait_s: float) -> bool:
    """Show the configuration against the plant; whether all is well."""
    checks = asyncio.run(check.check_points(found, wait_s))
    for line in table(HEADS, [one.cells for one in checks]):
        click.echo("  " + line)
    for line in remarks(checks):
        click.echo(line)
    ways = asyncio.run(check.check_ways(found))
    for address, problem in ways:
        click.echo(f"PROBLEM: uplink {address}: {problem}" if problem else f"uplink {address}: open")
    bad = [one for one in checks if one.problems]
    unseen = [one for one in checks if one.verdict == NOT_SEEN]
    lost = [address for address, problem in ways if problem]
    usable, open_ways = len(checks) - len(bad) - len(unseen), len(ways) - len(lost)
    also = f", {len(unseen)} were not seen" if unseen else ""
    click.echo(f"{usable} of {len(checks)} points can be used{also}; {open_ways} of {len(ways)} ways are open")
    return not bad and not lost


@click.command("dry-run")
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="The agent's YAML file.")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=10.0, show_default=True, help="How long to listen.")
@click.option("--rows", type=click.IntRange(0), default=10, show_default=True, help="Of each batch, show so many.")
def try_out(file: Path, seconds: float, rows: int) -> None:
    """Listen for a while and show the batches that the agent would send. Sends nothing and keeps nothing."""
    found = config.load(file)
    heard = asyncio.run(dry_run.listen(found, seconds))
    for line in preview.told(preview.sealed(found, heard), rows):
        click.echo(line)
    for trouble in heard.troubles:
        click.echo(f"PROBLEM: {printable(trouble)}")
    if silent := heard.silent(found):
        click.echo(f"note: nothing came of {shortened(silent)}")
    click.echo(f"{heard.readings} readings in {seconds:g} s; nothing was sent")
    sys.exit(1 if heard.troubles else 0)
