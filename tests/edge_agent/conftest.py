"""Builders for the agent's tests, each with an orderly end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.local.mosquitto import MosquittoBroker
from tests.edge_agent.support import AgentProcess, OpcUaProcess

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


@pytest.fixture
def make_opcua(tmp_path: Path) -> Iterator[Callable[..., OpcUaProcess]]:
    """Makes OPC UA servers, started."""
    with ExitStack() as stack:

        def make(**options: object) -> OpcUaProcess:
            server = OpcUaProcess(tmp_path, **options)
            stack.callback(server.close)
            return server.start()

        yield make
