"""`retroproof simulate`: run a simulated plant, write its history as a table, or tell the truth behind it.

The servers of a plant are imported inside `run`: OPC UA takes longest by far to import, and only that command has any.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import logging
import signal
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulators import roster
from simulators.addresses import gate_name, node_name, topic
from simulators.description import described, plants_page
from simulators.errors import SimulatorError
from simulators.faults import KINDS as FAULT_KINDS
from simulators.history import now_us, produced, rows_of
from simulators.ledger import Ledger, read_plant
from simulators.options import PlantOptions, disturbance, of_a_plant, renaming
from simulators.plans import plan_text
from simulators.plants import Plant
from simulators.points import Point
from simulators.scenarios import scenarios
from simulators.timeline import from_micros, micros

if TYPE_CHECKING:
    from simulators.opcua_server import PlantServer
    from simulators.plant import Settings


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
    """Show what SCENARIO is made of: its relations, points, parameters, true effects, and what these rest on."""
    click.echo(described(plant.scenario(), plant.plant()))


@simulate.command("page")
def page() -> None:
    """Print docs/reference/plants.md: what is claimed of each plant, what is true, where it is measured."""
    click.echo(plants_page(), nl=False)


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
@click.option(
    "--rosters",
    type=click.Path(path_type=Path, file_okay=False),
    help="Drop the shift rosters into this folder, a CSV file a day. See `simulate points` for their columns.",
)
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
    rosters: Path | None,
    rate_hz: float,
    speed: float,
    link: str | None,
    renames: tuple[str, ...],
) -> None:
    """Serve SCENARIO until SIGTERM or Ctrl-C; prints one line of JSON when it is ready.

    A ledger that exists goes on where it stopped; without --first-day it keeps its own.
    """
    from simulators.badge_gate import Broker  # noqa: PLC0415 - see the module docstring
    from simulators.plant import Settings  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # asyncua warns at each start that a server without security has none; that is this server's stated contract.
    logging.getLogger("asyncua.server.server").setLevel(logging.ERROR)
    noted = read_plant(ledger_path)
    made = plant.plant(noted_first_day=date.fromisoformat(str(noted["first_day"])) if noted else None)
    identity = _identity(plant, made)
    settings = Settings(
        opcua_port=opcua_port,
        broker=Broker.from_url(mqtt) if mqtt else None,
        gate=gate,
        present_us=_present_us(until, made, ledger_path, identity),
        rate_hz=rate_hz,
        speed=speed,
        faults=plant.faults(),
        link=disturbance(link) if link else plant.scenario().link,
        renamed=dict(renaming(made, text) for text in renames),
        rosters=rosters,
    )
    with Ledger(ledger_path, identity) as ledger:
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
            lasting = rows_of(point, produced(made, point, faults).until(micros(timeline.reporting_end)))
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
    """Print as JSON what SCENARIO serves: each point's address (NodeId, topic, or column of a roster), unit, kind and
    meter; of a roster its layout, too.
    """
    made = plant.plant()
    listed = [
        {
            "name": point.name,
            "protocol": point.protocol,
            "address": _address(made, point, gate),
            "unit": point.unit,
            "kind": point.kind.value,
            "meter": point.meter,
        }
        | ({"layout": roster.layout(made)} if point.protocol == "roster" else {})
        for point in made.points.values()
    ]
    click.echo(json.dumps(listed, ensure_ascii=False))


def _address(made: Plant, point: Point, gate: str | None) -> object:
    """Where a client finds the point, in the terms of its protocol."""
    match point.protocol:
        case "opcua":
            return node_name(made, point.name)
        case "mqtt":
            return topic(gate or gate_name(made))
        case "roster":
            return roster.address(point)


@simulate.command("truth-of")
@of_a_plant
def truth_of(plant: PlantOptions) -> None:
    """Print the true effects of SCENARIO, free of noise, and its periods as JSON."""
    made = plant.plant()
    click.echo(json.dumps(_truth(plant, made), ensure_ascii=False))


def _present_us(until: str, plant: Plant, ledger_path: Path, identity: dict[str, object]) -> int | None:
    """Where the plant's history ends, None for one that lives; known before a ledger is made for what is refused."""
    if until == "now":
        return None
    if until == "ledger":
        with Ledger(ledger_path, identity) as ledger:
            return _newest_us(ledger)
    return _end_us(until, plant)


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
    from simulators.plant import run_plant  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    # The half a million objects of OPC UA's standard address space are made at the start and stay: a collection frees
    # none of them and takes a tenth of a second to look at them, again and again.
    gc.disable()

    def ready(server: PlantServer, url: str) -> None:
        gc.freeze()
        gc.enable()
        line = {
            "ready": True,
            "opcua": url,
            "nodes": server.node_ids,
            "mqtt": settings.broker is not None,
            "rosters": str(settings.rosters) if settings.rosters else None,
            "ledger": str(ledger.path),
            "produced": ledger.count(),
            "live": settings.present_us is None,
        }
        click.echo(json.dumps(line | plant.timeline.as_dict()))

    try:
        await run_plant(plant, ledger, settings, ready=ready, stop=stop)
    finally:
        gc.enable()
