"""kill -9 of each part in turn while readings flow: the database ends up with just what the plant produced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.line import Line
from tests.integration.conftest import LIVE_READINGS, flow, flow_on, produced, settle, stored, wait_for


def _agent(line: Line) -> Callable[[], None]:
    line.kill("agent")
    return line.start_agent


def _ingest(line: Line) -> Callable[[], None]:
    line.stack.kill("ingest")
    return line.stack.start_ingest


def _uplink_broker(line: Line) -> Callable[[], None]:
    line.stack.uplink.kill()
    return lambda: line.stack.uplink.start(line.supervisor)


def _plant_broker(line: Line) -> Callable[[], None]:
    line.stack.plant_broker.kill()
    return lambda: line.stack.plant_broker.start(line.supervisor)


def _database(line: Line) -> Callable[[], None]:
    line.stack.postgres.kill()
    return lambda: line.stack.postgres.start(line.supervisor)


def test_the_agent_killed_in_the_middle_of_the_history_goes_on_where_it_stopped(line):
    wait_for(lambda: stored(line) > 0, line, "the first readings of the history")
    line.kill("agent")
    line.start_agent()
    settle(line)


@pytest.mark.parametrize("kill", [_agent, _ingest, _uplink_broker, _plant_broker, _database])
def test_a_part_killed_while_readings_flow_loses_and_doubles_nothing(line, kill):
    flow(line)
    start_again = kill(line)
    during = produced(line)
    wait_for(lambda: produced(line) > during + LIVE_READINGS, line, "the plant to go on while the part is down")
    start_again()
    flow_on(line)
    settle(line)


def test_everything_killed_at_once_loses_and_doubles_nothing(line):
    flow(line)
    kills = (_database, _uplink_broker, _plant_broker, _ingest, _agent)
    restarts = [kill(line) for kill in kills]
    for start_again in restarts:
        start_again()
    flow_on(line)
    settle(line)
