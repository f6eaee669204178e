"""kill -9 of each part in turn while readings flow: the database ends up with just what the plant produced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.stack import Stack
from tests.integration.conftest import LIVE_READINGS, flow, flow_on, produced, settle, stored, wait_for


def _agent(stack: Stack) -> Callable[[], None]:
    stack.kill("agent")
    return stack.start_agent


def _ingest(stack: Stack) -> Callable[[], None]:
    stack.kill("ingest")
    return stack.start_ingest


def _uplink_broker(stack: Stack) -> Callable[[], None]:
    stack.uplink.kill()
    return lambda: stack.uplink.start(stack.supervisor)


def _plant_broker(stack: Stack) -> Callable[[], None]:
    stack.plant_broker.kill()
    return lambda: stack.plant_broker.start(stack.supervisor)


def _database(stack: Stack) -> Callable[[], None]:
    stack.postgres.kill()
    return lambda: stack.postgres.start(stack.supervisor)


def test_the_agent_killed_in_the_middle_of_the_history_goes_on_where_it_stopped(stack):
    wait_for(lambda: stored(stack) > 0, stack, "the first readings of the history")
    stack.kill("agent")
    stack.start_agent()
    settle(stack)


@pytest.mark.parametrize("kill", [_agent, _ingest, _uplink_broker, _plant_broker, _database])
def test_a_part_killed_while_readings_flow_loses_and_doubles_nothing(stack, kill):
    flow(stack)
    start_again = kill(stack)
    during = produced(stack)
    wait_for(lambda: produced(stack) > during + LIVE_READINGS, stack, "the plant to go on while the part is down")
    start_again()
    flow_on(stack)
    settle(stack)


def test_everything_killed_at_once_loses_and_doubles_nothing(stack):
    flow(stack)
    kills = (_database, _uplink_broker, _plant_broker, _ingest, _agent)
    restarts = [kill(stack) for kill in kills]
    for start_again in restarts:
        start_again()
    flow_on(stack)
    settle(stack)
