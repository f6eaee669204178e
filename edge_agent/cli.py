"""`retroproof edge`: make a key, check a configuration, run the agent, ask how it fares.

What is slow to import, OPC UA above all, is imported by the commands that need it: the others answer at once, also on a
small box.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from edge_agent import config, lock, logs, status
from edge_agent.clock import now_us
from edge_agent.status import AgentStatus, PointStatus, SourceStatus
from edge_agent.table import figure, printable, size, table
from verification.errors import ConfigError, RetroProofError
from verification.lazy import LazyGroup

EXIT_USAGE = 64  # EX_USAGE of sysexits.h
LOG_LEVELS = ("debug", "info", "warning", "error")
MICROSECONDS = 1_000_000
RELOAD_WAIT_S = 30.0
POLL_S = 0.1
ELSEWHERE = {
    "browse": "edge_agent.commission.cli:browse",
    "check-config": "edge_agent.commission.cli:check_config",
    "dry-run": "edge_agent.commission.cli:try_out",
    "enroll": "edge_agent.identity.cli:enroll",
    "init": "edge_agent.commission.cli:init",
    "keygen": "edge_agent.identity.cli:keygen",
    "rotate-key": "edge_agent.identity.cli:rotate_key",
}


class _Refusal(click.ClickException):
    """An error that a person can mend."""

    exit_code = EXIT_USAGE


class _Edge(LazyGroup):
    """Every command ends a refusal in the same way."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except RetroProofError as err:
            raise _Refusal("\n".join(map(printable, str(err).splitlines()))) from err


@click.group(cls=_Edge, elsewhere=ELSEWHERE)
def edge() -> None:
    """Run and inspect the edge agent on the plant network."""
    # The library reports with tracebacks what the commands and the sources report in a line.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)


@edge.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="The agent's YAML file.")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True)
@click.option("--log-format", type=click.Choice(logs.FORMS), default="logfmt", show_default=True)
def run(file: Path, log_level: str, log_format: str) -> None:
    """Read, keep, sign and send until told to stop (SIGTERM, Ctrl-C)."""
    from edge_agent import agent  # noqa: PLC0415 - see the module docstring

    logs.configure(log_level, log_format)
    if log_level == "debug":
        logging.getLogger("asyncua").setLevel(logging.NOTSET)
    agent.run(config.load(file), lambda: config.load(file))


@edge.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="The agent's YAML file.")
def reload(file: Path) -> None:
    """Have the running agent take the changed FILE; what did not change in it goes on undisturbed."""
    found = config.load(file)
    before = status.read(found.status_path)
    if before is None or not lock.is_held(found.spool_path):
        raise ConfigError("the agent does not run; it takes the file when it starts")
    if sys.platform == "win32":
        raise ConfigError("Windows has no way to tell a running agent; restart the service, nothing is lost by it")
    os.kill(before.pid, signal.SIGHUP)
    deadline_s = time.monotonic() + RELOAD_WAIT_S
    while (after := status.read(found.status_path)) is None or after.reloads == before.reloads:
        if time.monotonic() > deadline_s:
            raise ConfigError("the agent has not answered yet; see its log, or: retroproof edge status")
        time.sleep(POLL_S)
    if after.reload_message:
        raise ConfigError(f"the agent goes on as before: {after.reload_message}")
    click.echo(f"taken: {sum(len(source.points) for source in after.sources.values())} points")


@edge.command("status")
@click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="The agent's YAML file.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, for programs.")
def show_status(file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes a flag like this
    """Say how the agent fares; exit 0 while it runs, 1 when it does not."""
    found = config.load(file)
    running = lock.is_held(found.spool_path)
    last = status.read(found.status_path)
    if as_json:
        body = json.loads(msgspec.json.encode(last)) if last is not None else None
        click.echo(json.dumps({"running": running, "status": body}, ensure_ascii=False, indent=1))
    elif last is None:
        click.echo(f"The agent {'has just started' if running else 'is not running and has left no status'}.")
    else:
        _show(last, running=running)
    sys.exit(0 if running else 1)


def _show(last: AgentStatus, *, running: bool) -> None:
    age = _age(last.written_us)
    click.echo(f"{last.device}: " + (f"running, pid {last.pid}" if running else f"NOT RUNNING, last seen {age} ago"))
    if last.spool is not None:
        depth = last.spool
        oldest = f", the oldest {_age(depth.oldest_us)} old" if depth.oldest_us is not None else ""
        click.echo(
            f"spool   {depth.batches} batches and {depth.open_rows} rows wait{oldest}; "
            f"{size(depth.used_bytes)} of {size(depth.max_bytes)}; epoch {depth.epoch}, next {depth.next_sequence}"
        )
        if depth.full:
            click.echo(f"        FULL: {depth.full}")
        if depth.refused:
            click.echo(
                f"        {depth.refused} batches were refused by ingest or lie behind a lost one, and are kept aside"
            )
    uplink = last.uplink
    acknowledged = f"last ack {_age(uplink.last_ack_us)} ago" if uplink.last_ack_us else "no ack yet"
    click.echo(
        f"uplink  {uplink.state}, {acknowledged}, {uplink.in_flight} under way, {uplink.sent} sent, "
        f"{uplink.resent} sent again, {uplink.settled} settled. {printable(uplink.message)}".rstrip()
    )
    if uplink.alarm:
        click.echo(f"        ALARM ({uplink.alarms}): {uplink.alarm}")
    if last.key_id:
        click.echo(f"key     {last.key_id}. {last.key_message}".rstrip(". ") + ("." if last.key_message else ""))
    offset = f", {last.clock.offset_us} us off" if last.clock.offset_us is not None else ""
    click.echo(f"clock   {last.clock.state}{offset}")
    if last.reload_message:
        click.echo(f"config  the last reload was refused: {last.reload_message}")
    for name, source in last.sources.items():
        _show_source(name, source)


def _show_source(name: str, source: SourceStatus) -> None:
    click.echo(
        f"source  {name}: {source.state}, {source.endpoint}, {source.connects} connects, {source.doubles} doubles "
        f"left out, {source.bad} unreadable, {source.dropped} lost. {printable(source.message)}".rstrip()
    )
    rows = [_point_row(point_name, point) for point_name, point in source.points.items()]
    _table(("POINT", "STATE", "LAST", "VALUE", "STATUS", "ROWS", "SAMPLING", "QUEUE", "REMARK"), rows)


def _point_row(name: str, point: PointStatus) -> tuple[str, ...]:
    value = "-" if point.last_value is None else figure(point.last_value)
    return (
        name,
        point.state,
        "-" if point.last_time_us is None else f"{_age(point.last_time_us)} ago",
        value,
        "-" if point.last_status is None else f"0x{point.last_status:08X}",
        str(point.rows),
        _asked(point.asked_sampling_ms, point.revised_sampling_ms, " ms"),
        _asked(point.asked_queue, point.revised_queue, ""),
        point.message or "-",
    )


def _asked(asked: float | None, revised: float | None, unit: str) -> str:
    """What the server granted, and what was asked for where that differs."""
    if revised is None:
        return "-"
    return f"{revised:g}{unit}" + (f" (asked {asked:g})" if asked is not None and asked != revised else "")


def _age(since_us: int) -> str:
    seconds = (now_us() - since_us) / MICROSECONDS
    for unit_s, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {name}"
    return f"{seconds:.0f} s"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    for line in table(heads, rows):
        click.echo("  " + line)
