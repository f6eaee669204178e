"""`retroproof simulate`: run a simulated plant, write its history as a table, or tell the truth behind it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast, get_args
from zoneinfo import ZoneInfo

import click

from simulators.badge_gate import Broker, topic
from simulators.errors import SimulatorError
from simulators.faults import KINDS as FAULT_KINDS
from simulators.faults import Fault, Faults
from simulators.ledger import Ledger, read_plant
from simulators.link import Disturbance, Trouble
from simulators.opcua_server import PlantServer, node_name
from simulators.plans import plan_text
from simulators.plant import Settings, gate_name, now_us, produced, rows_of, run_plant
from simulators.plants import KINDS, Plant
from simulators.scenarios import Scenario, scenario, scenarios, with_parameters
from simulators.timeline import TIME_ZONE, Timeline, from_micros, micros

Command = Callable[..., None]
DATE = click.DateTime(formats=["%Y-%m-%d"])


@dataclass(frozen=True)
class PlantOptions:
    """Which plant is meant, as typed on the command line."""

    name: str
    seed: int
    changes: tuple[str, ...]
    befalling: tuple[str, ...]
    only: str | None
    first_day: datetime | None
    baseline_days: int | None
    works_days: int | None
    reporting_days: int | None

    def faults(self) -> Faults:
        """The scenario's faults and those of the command line, on the plant's first point where none is named."""
        chosen = self.scenario()
        return Faults((*chosen.faults, *(_fault(chosen, text) for text in self.befalling)), self.seed)

    def scenario(self) -> Scenario:
        """The scenario with the parameters that were set on the command line."""
        chosen = scenario(self.name)
        return with_parameters(chosen, **dict(_parameter(chosen, change) for change in self.changes))

    def plant(self, *, noted_first_day: date | None = None) -> Plant:
        """The plant; without --first-day, the day that its ledger noted, else its reporting period ended yesterday."""
        asked = (self.baseline_days, self.works_days, self.reporting_days)
        before, works, after = (given or usual for given, usual in zip(asked, self.scenario().days, strict=True))
        yesterday_ended_it = datetime.now(ZoneInfo(TIME_ZONE)).date() - timedelta(days=before + works + after)
        first_day = self.first_day.date() if self.first_day else noted_first_day or yesterday_ended_it
        timeline = Timeline(first_day, before, works, after)
        made = self.scenario().plant(self.seed, timeline)
        if self.only:
            made.narrow(self.only.split(","))
        return made


def _parameter(chosen: Scenario, change: str) -> tuple[str, float | bool]:
    """`NAME=VALUE` as typed; a switch of the plant takes true or false."""
    name, _, text = change.partition("=")
    usual = getattr(chosen.parameters, name, None)
    try:
        value = {"true": True, "false": False}[text] if isinstance(usual, bool) else float(text)
    except (KeyError, ValueError) as err:
        raise SimulatorError(f"--set {change}: write NAME=NUMBER, or NAME=true for a switch") from err
    return name, value


def _fault(chosen: Scenario, text: str) -> Fault:
    """`KIND[:POINT[:SIZE[:FIRST_DAY[:DAYS]]]]` as typed; what is left out has a default."""
    kind, *rest = text.split(":")
    point, size, first_day, days = (*rest, "", "", "", "")[:4]
    points = KINDS[chosen.kind].plant.points
    if point and point not in points:
        raise SimulatorError(f"--fault {text}: {chosen.name} has no point {point!r}; there are: {', '.join(points)}")
    if kind not in FAULT_KINDS:
        raise SimulatorError(f"--fault {text}: no fault is called {kind!r}; there are: {', '.join(FAULT_KINDS)}")
    try:
        return Fault(
            kind,
            point or next(iter(points)),
            float(size) if size else FAULT_KINDS[kind].default_size,
            int(first_day) if first_day else Fault.first_day,
            int(days) if days else None,
        )
    except ValueError as err:
        raise SimulatorError(
            f"--fault {text}: write KIND:POINT:SIZE:FIRST_DAY:DAYS, the last three as numbers"
        ) from err


def _disturbance(text: str) -> Disturbance:
    """`KIND:EVERY_S:FOR_S` as typed."""
    kind, _, rest = text.partition(":")
    every, _, lasting = rest.partition(":")
    try:
        if kind in get_args(Trouble):
            return Disturbance(cast("Trouble", kind), float(every), float(lasting))
    except ValueError:
        pass
    raise SimulatorError(
        f"--link {text}: write cut, black_hole or slow, then seconds between and seconds long: cut:20:3"
    )


def _renaming(made: Plant, text: str) -> tuple[str, str]:
    """`POINT=TAG` as typed."""
    point, _, tag = text.partition("=")
    points = made.point_names("opcua")
    if point not in points or not tag or tag in made.points:
        raise SimulatorError(f"--rename {text}: write POINT=TAG, a tag of no other point; points: {', '.join(points)}")
    return point, tag


def of_a_plant(command: Command) -> Command:
    """Add the options that say which plant; hand them over as one object, and show a refusal in one line."""

    @functools.wraps(command)
    def wrapped(**given: object) -> None:
        chosen = {field.name: given.pop(field.name) for field in fields(PlantOptions)}
        try:
            command(PlantOptions(**chosen), **given)  # type: ignore[arg-type]  # click has converted them
        except SimulatorError as err:
            raise click.ClickException(str(err)) from err

    decorated: Command = wrapped
    for decorate in (
        click.option("--reporting-days", type=click.IntRange(1, 3650), help="Default: the scenario's."),
        click.option("--works-days", type=click.IntRange(1, 3650), help="Default: the scenario's."),
        click.option("--baseline-days", type=click.IntRange(1, 3650), help="Default: the scenario's."),
        click.option(
            "--first-day", type=DATE, help="First baseline day. Default: the reporting period ended yesterday."
        ),
        click.option(
            "--set",
            "changes",
            metavar="NAME=VALUE",
            multiple=True,
            help="Another parameter, for example effect_share=0: works that changed nothing. See `simulate show`.",
        ),
        click.option(
            "--fault",
            "befalling",
            metavar="KIND[:POINT[:SIZE[:FIRST_DAY[:DAYS]]]]",
            multiple=True,
            help="Something that goes wrong, for example stuck:so2. See `simulate faults`.",
        ),
        click.option("--points", "only", metavar="A,B,...", help="Have devices for these points only."),
        click.option("--seed", type=click.IntRange(0), default=1, show_default=True),
        click.argument("name", metavar="SCENARIO"),
    ):
        decorated = decorate(decorated)
    return decorated


@click.group()
def simulate() -> None:
    """Run a simulated plant with a known true effect."""


@simulate.command("list")
def list_scenarios() -> None:
    """List the plants that can be run."""
    for known in scenarios().values():
        click.echo(f"{known.group:<7} {known.name:<22} {' or '.join(known.verdicts):<28} {known.title_en}")


@simulate.command("names")
def names() -> None:
    """Print the names of all scenarios, one a line."""
    click.echo("\n".join(scenarios()))


@simulate.command("faults")
def list_faults() -> None:
    """List what can go wrong with a point, for --fault."""
    for name, kind in FAULT_KINDS.items():
        click.echo(f"{name:<15} size: {kind.size_means}, {kind.default_size:g} unless given")


@simulate.command("show")
@of_a_plant
def show(plant: PlantOptions) -> None:
    """Show what SCENARIO is made of: its relations, points, parameters and true effects."""
    made = plant.plant()
    click.echo(str(sys.modules[type(made).__module__].__doc__).strip())
    click.echo("\nPoints")
    for point in made.points.values():
        click.echo(f"  {point.name:<20} {point.kind.value:<8} {point.unit:<8} over {point.protocol}")
    click.echo("\nParameters (--set NAME=VALUE)")
    for field in dataclasses.fields(made.parameters):
        click.echo(f"  {field.name:<30} {getattr(made.parameters, field.name)}")
    click.echo("\nTrue effects, after minus before")
    for measure, effect in made.truth().items():
        click.echo(f"  {measure:<20} {effect.value:+.6g} {effect.unit}")


@simulate.command("run")
@of_a_plant
@click.option(
    "--until",
    type=click.Choice(["start", "baseline", "reporting", "ledger", "now"]),
    required=True,
    help="The plant's present: its first instant, the end of that period or of its ledger, or now (then live).",
)
@click.option("--ledger", "ledger_path", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--opcua-port", type=click.IntRange(0, 65535), default=4840, show_default=True, help="0: any free port.")
@click.option("--mqtt", envvar="RETROPROOF_SIMULATE_MQTT", help="mqtt://user:password@host:port of the plant's broker.")
@click.option("--gate", help="Name in the badge gate's topic. Default: the line's.")
@click.option("--rate-hz", type=float, default=1.0, show_default=True, help="Live OPC UA readings a second.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    default=0.0,
    help="From --until on, time runs this many times as fast as the clock, to the end of the reporting period.",
)
@click.option(
    "--link", metavar="KIND:EVERY_S:FOR_S", help="Trouble on the network: cut, black_hole or slow; cut:20:3, say."
)
@click.option(
    "--rename",
    "renames",
    metavar="POINT=TAG",
    multiple=True,
    help="Serve POINT under the name TAG, as nobody was told.",
)
def run(
    plant: PlantOptions,
    *,
    until: str,
    ledger_path: Path,
    opcua_port: int,
    mqtt: str | None,
    gate: str | None,
    rate_hz: float,
    speed: float,
    link: str | None,
    renames: tuple[str, ...],
) -> None:
    """Serve SCENARIO until SIGTERM or Ctrl-C; prints one line of JSON when it is ready.

    A ledger that exists goes on where it stopped; without --first-day it keeps its own.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # asyncua warns at each start that a server without security has none; that is this server's stated contract.
    logging.getLogger("asyncua.server.server").setLevel(logging.ERROR)
    noted = read_plant(ledger_path)
    made = plant.plant(noted_first_day=date.fromisoformat(str(noted["first_day"])) if noted else None)
    present_us = _end_us(until, made) if until in {"start", "baseline", "reporting"} else None
    settings = Settings(
        opcua_port=opcua_port,
        broker=Broker.from_url(mqtt) if mqtt else None,
        gate=gate,
        present_us=present_us,
        rate_hz=rate_hz,
        speed=speed,
        faults=plant.faults(),
        link=_disturbance(link) if link else plant.scenario().link,
        renamed=dict(_renaming(made, text) for text in renames),
    )
    with Ledger(ledger_path, _identity(plant, made)) as ledger:
        if until == "ledger":
            settings = replace(settings, present_us=_newest_us(ledger))
        asyncio.run(_serve(made, ledger, settings))


@simulate.command("table")
@of_a_plant
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def table(plant: PlantOptions, out: Path) -> None:
    """Write the baseline, the works and the reporting period of SCENARIO as a CSV `point,time,value,status`."""
    made, faults = plant.plant(), plant.faults()
    timeline = made.timeline
    rows = 0
    with out.open("w", encoding="utf-8", newline="\n") as file:
        file.write("point,time,value,status\n")
        for point in made.points:
            lasting = rows_of(point, produced(made, point, faults), until_us=micros(timeline.reporting_end))
            rows += len(lasting)
            file.writelines(
                f"{point},{from_micros(row.time_us, timeline.tz).isoformat()},{row.value!r},{row.status}\n"
                for row in lasting
            )
    click.echo(f"{rows} readings of {len(made.points)} points in {out}", err=True)


@simulate.command("plan")
@of_a_plant
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file; printed otherwise.")
@click.option("--project", help="Name of the project in the plan. Default: the scenario's.")
def plan(plant: PlantOptions, out: Path | None, project: str | None) -> None:
    """Write the plan under which SCENARIO is judged, with the plant's own dates."""
    chosen = plant.scenario()
    text = plan_text(chosen.plan, project or chosen.name, plant.plant().timeline, chosen.amend)
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


@simulate.command("points")
@of_a_plant
@click.option("--gate", help="Name in the badge gate's topic. Default: the line's.")
def points(plant: PlantOptions, gate: str | None) -> None:
    """Print as JSON what SCENARIO serves: each point's address (NodeId or topic), unit, kind and meter."""
    made = plant.plant()
    listed = [
        {
            "name": point.name,
            "protocol": point.protocol,
            "address": topic(gate or gate_name(made)) if point.protocol == "mqtt" else node_name(made, point.name),
            "unit": point.unit,
            "kind": point.kind.value,
            "meter": point.meter,
        }
        for point in made.points.values()
    ]
    click.echo(json.dumps(listed, ensure_ascii=False))


@simulate.command("truth-of")
@of_a_plant
def truth_of(plant: PlantOptions) -> None:
    """Print the true effects of SCENARIO, free of noise, and its periods as JSON."""
    made = plant.plant()
    click.echo(json.dumps(_truth(plant, made), ensure_ascii=False))


def _end_us(period: str, plant: Plant) -> int:
    """The end of the period, which must be past: a plant has no readings of the future."""
    ends = {
        "start": plant.timeline.baseline_start,
        "baseline": plant.timeline.baseline_end,
        "reporting": plant.timeline.reporting_end,
    }
    end_us = micros(ends[period])
    if end_us > now_us():
        end = from_micros(end_us, plant.timeline.tz).date()
        raise SimulatorError(f"the {period} period ends on {end}, in the future; choose an earlier --first-day")
    return end_us


def _newest_us(ledger: Ledger) -> int:
    """The instant of the ledger's newest reading."""
    newest = [last_us for point in ledger.points() if (last_us := ledger.last_us(point)) is not None]
    if not newest:
        raise SimulatorError(f"{ledger.path} has no reading to stand still at; run with --until now first")
    return max(newest)


def _identity(options: PlantOptions, plant: Plant) -> dict[str, object]:
    """What a ledger notes about its plant: all that its values depend on."""
    timeline = plant.timeline
    return {
        "scenario": options.scenario().name,
        "seed": plant.seed,
        "changes": sorted(options.changes),
        "faults": list(options.befalling),
        "points": list(plant.points),
        "first_day": timeline.first_day.isoformat(),
        "baseline_days": timeline.baseline_days,
        "works_days": timeline.works_days,
        "reporting_days": timeline.reporting_days,
    }


def _truth(options: PlantOptions, plant: Plant) -> dict[str, object]:
    """The identity of the plant, the true effects, and the periods as instants."""
    truth = {measure: dataclasses.asdict(effect) for measure, effect in plant.truth().items()}
    chosen = options.scenario()
    expected = {name: getattr(chosen, name) for name in ("title_en", "group", "tale", "verdicts", "findings")}
    return _identity(options, plant) | {"true_effects": truth} | expected | plant.timeline.as_dict()


async def _serve(plant: Plant, ledger: Ledger, settings: Settings) -> None:
    """Run the plant until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready(server: PlantServer, url: str) -> None:
        line = {
            "ready": True,
            "opcua": url,
            "nodes": server.node_ids,
            "mqtt": settings.broker is not None,
            "ledger": str(ledger.path),
            "produced": ledger.count(),
            "live": settings.present_us is None,
        }
        click.echo(json.dumps(line | plant.timeline.as_dict()))

    await run_plant(plant, ledger, settings, ready=ready, stop=stop)
