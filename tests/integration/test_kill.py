"""kill -9 of each part in turn while readings flow: the database ends up with just what the plant produced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.stack import Stack
from tests.integration.conftest import produced, settle, stored, wait_for

LIVE_READINGS = 150  # how many more must arrive before a part dies, and again before the count


def _flow(stack: Stack) -> None:
    """Live readings at 5 Hz, and wait until they flow into the database."""
    stack.start_plant("now", "--rate-hz", "5")
    stack.start_agent()
    history = produced(stack)
    wait_for(lambda: stored(stack) > history + LIVE_READINGS, stack, "live readings to flow")


def _flow_again(stack: Stack) -> None:
    before = produced(stack)
    wait_for(lambda: stored(stack) > before + LIVE_READINGS, stack, "readings to flow after the restart")


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


@pytest.mark.parametrize("kill", [_agent, _ingest, _uplink_broker, _plant_broker, _database])
def test_a_part_killed_while_readings_flow_loses_and_doubles_nothing(stack, kill):
    _flow(stack)
    start_again = kill(stack)
    during = produced(stack)
    wait_for(lambda: produced(stack) > during + LIVE_READINGS, stack, "the plant to go on while the part is down")
    start_again()
    _flow_again(stack)
    settle(stack)


def test_the_agent_killed_in_the_middle_of_the_history_goes_on_where_it_stopped(stack):
    stack.start_plant("reporting")
    stack.start_agent()
    wait_for(lambda: stored(stack) > 0, stack, "the first readings of the history")
    stack.kill("agent")
    stack.start_agent()
    wait_for(lambda: stored(stack) >= produced(stack), stack, "the whole history")
    settle(stack)


def test_everything_killed_at_once_loses_and_doubles_nothing(stack):
    _flow(stack)
    restarts = [kill(stack) for kill in (_agent, _uplink_broker, _ingest, _database, _plant_broker)]
    for start_again in reversed(restarts):
        start_again()
    _flow_again(stack)
    settle(stack)
