"""What is typed on the command line of `retroproof simulate`: which plant is meant, and what befalls it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import cast, get_args
from zoneinfo import ZoneInfo

import click

from simulators.errors import SimulatorError
from simulators.faults import KINDS as FAULT_KINDS
from simulators.faults import Fault, Faults
from simulators.link import Disturbance, Trouble
from simulators.plants import KINDS, Plant
from simulators.scenarios import Scenario, scenario, with_parameters
from simulators.timeline import TIME_ZONE, Timeline

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


def _parameter(chosen: Scenario, change: str) -> tuple[str, object]:
    """`NAME=VALUE` as typed; a switch of the plant takes true or false, a parameter of several numbers as many."""
    name, _, text = change.partition("=")
    usual = getattr(type(chosen.parameters)(), name, 0.0)
    try:
        if isinstance(usual, tuple):
            return name, tuple(_number(part, each) for part, each in zip(text.split(","), usual, strict=True))
        return name, {"true": True, "false": False}[text] if isinstance(usual, bool) else _number(text, usual)
    except (KeyError, ValueError) as err:
        raise SimulatorError(
            f"--set {change}: write NAME=NUMBER, a whole one for a count, NAME=true for a switch, NAME=A,B for "
            f"several; usual is {usual}"
        ) from err


def _number(text: str, usual: float) -> float:
    """A finite number, whole where the usual one is."""
    number = int(text) if isinstance(usual, int) else float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _fault(chosen: Scenario, text: str) -> Fault:
    """`KIND[:POINT[:SIZE[:FIRST_DAY[:DAYS]]]]` as typed; what is left out has a default."""
    kind, *rest = text.split(":")
    point, size, first_day, days, *more = (*rest, "", "", "", "")
    points = KINDS[chosen.kind].plant.points
    if kind not in FAULT_KINDS:
        raise SimulatorError(f"--fault {text}: no fault is called {kind!r}; there are: {', '.join(FAULT_KINDS)}")
    how = SimulatorError(f"--fault {text}: write KIND:POINT:SIZE:FIRST_DAY:DAYS, the last three as numbers")
    if any(more):
        raise how
    try:
        fault = Fault(
            kind,
            point or next(iter(points)),
            float(size) if size else FAULT_KINDS[kind].default_size,
            int(first_day) if first_day else Fault.first_day,
            int(days) if days else None,
        )
    except ValueError as err:
        raise how from err
    fault.refuse_elsewhere(points)
    return fault


def disturbance(text: str) -> Disturbance:
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


def renaming(made: Plant, text: str) -> tuple[str, str]:
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
        except OSError as err:
            if err.filename is None:
                raise
            raise click.ClickException(f"{err.filename}: {err.strerror}; choose another place") from err

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
