"""Builders for the agent's tests, each with an orderly end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.local.mosquitto import MosquittoBroker
from edge_agent.spool import Spool
from tests.edge_agent.commissioning import gate, hall, office, write_config
from tests.edge_agent.spools import POINTS, Clock, open_at
from tests.edge_agent.support import AgentProcess, Line, OpcUaProcess

__all__ = ["gate", "hall", "office", "write_config"]  # fixtures from elsewhere

_numbers = itertools.count(1)


@pytest.fixture
def make_agent(tmp_path: Path, uplink_broker: MosquittoBroker) -> Iterator[Callable[..., AgentProcess]]:
    """Makes agents, each a device of its own, not started yet, with a stand-in for ingest, not started either."""
    with ExitStack() as stack:

        def make(**changes: object) -> AgentProcess:
            device = f"edge-{next(_numbers)}"
            agent = AgentProcess(tmp_path / device, device, uplink_broker, **changes)
            stack.callback(agent.close)
            return agent

        yield make


@pytest.fixture(scope="session")
def shared_opcua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpcUaProcess]:
    """One OPC UA server for all tests that do not kill it: starting one takes two seconds."""
    server = OpcUaProcess(tmp_path_factory.mktemp("opcua")).start()
    yield server
    server.close()


@pytest.fixture
def make_opcua(shared_opcua: OpcUaProcess) -> Callable[..., Line]:
    """Makes a line of nodes that no other test knows, on the shared server."""
    return lambda **options: Line(shared_opcua, f"line{next(_numbers)}.", **options)


@pytest.fixture
def own_opcua(tmp_path: Path) -> Iterator[Line]:
    """A line with the point `a` on a server of the test's own, which it may kill."""
    server = OpcUaProcess(tmp_path).start()
    yield Line(server, "", points=["a"])
    server.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still unless it is turned."""
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    """A spool of two points."""
    made = open_at(tmp_path / "spool.sqlite", clock)
    made.catalogue(POINTS)
    yield made
    made.close()
