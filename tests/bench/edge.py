"""`edge_cpu_vs_bare_client`: what a value costs the whole edge agent, against a client that only has asyncua decode it.

Both read 10,000 values a second from node-opcua, in turns. The agent's side is its whole process: reading, committing
to the spool, sealing, signing, and sending to a broker whose other end verifies and acknowledges.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from deploy.local.mosquitto import MosquittoBroker
from tests.bench.bare_opcua_client import PUBLISHING_MS
from tests.bench.figure import Figure
from tests.bench.ground import Ground
from tests.edge_agent.support import AgentProcess, NodeOpcUa, ticking_points, wait_for

TAGS = 1_000
INTERVAL_MS = 100
SECONDS = 8.0
ROUNDS = 3


class Cost(NamedTuple):
    """Values taken within a span, and processor seconds spent on them."""

    values: int
    cpu_s: float

    @property
    def us_per_value(self) -> float:
        return self.cpu_s / self.values * 1e6


def measure(ground: Ground) -> list[Figure]:
    """Bare client and agent in turns, each for SECONDS."""
    broker = MosquittoBroker(ground.servers, ground.folder / "edge-uplink", "uplink")
    broker.start(ground.supervisor)
    folder = ground.folder / "edge"
    folder.mkdir()
    node = NodeOpcUa(folder).start()
    try:
        node.tell(tick={"count": TAGS, "interval_ms": INTERVAL_MS})
        costs = [(_bare(node), _agent(node, broker, folder, number)) for number in range(ROUNDS)]
    finally:
        node.kill()
    agent_us = statistics.median(agent.us_per_value for _, agent in costs)
    ratio = statistics.median(agent.us_per_value / bare.us_per_value for bare, agent in costs)
    bare_us = statistics.median(bare.us_per_value for bare, _ in costs)
    rate = min(cost.values for pair in costs for cost in pair) / SECONDS
    against = f"a bare asyncua client's {bare_us:.1f} us CPU per value, at {rate:,.0f} values/s"
    return [Figure("edge_cpu_vs_bare_client", agent_us, "us", against, ratio)]


def _bare(node: NodeOpcUa) -> Cost:
    command = [sys.executable, "-m", "tests.bench.bare_opcua_client", node.url, str(TAGS), str(SECONDS)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Cost(said["values"], said["cpu_s"])


def _agent(node: NodeOpcUa, broker: MosquittoBroker, folder: Path, number: int) -> Cost:
    common = {"opcua": node.url, "security": "None", "sampling_ms": 0, "publishing_ms": PUBLISHING_MS}
    source = common | {"points": ticking_points(TAGS, 1)}
    device = f"edge-bench-{number}"
    agent = AgentProcess(folder / device, device, broker, sources={"line": source}, batch={"max_seconds": 1.0})
    agent.ingest.start()
    agent.start()
    try:
        wait_for(lambda: len(agent.ingest.batches) > 2 and _rows(agent) >= 2 * TAGS, "the agent reads and sends")
        process = psutil.Process(agent.pid)
        before = _now(agent, process)
        wait_for(lambda: _rows(agent) - before.values >= SECONDS * TAGS * 1_000 / INTERVAL_MS, "the agent's span")
        after = _now(agent, process)
        settled = agent.status().uplink.settled
    finally:
        agent.close()
    if not settled or agent.ingest.problems:
        raise RuntimeError("the agent's batches were not acknowledged; what was measured is not its whole work")
    return Cost(after.values - before.values, after.cpu_s - before.cpu_s)


def _now(agent: AgentProcess, process: psutil.Process) -> Cost:
    """Rows and processor time at the moment when the agent has just said how many rows there are."""
    written_us = agent.status().written_us
    wait_for(lambda: agent.status().written_us > written_us, "the agent's next word")
    spent = process.cpu_times()
    return Cost(_rows(agent), spent.user + spent.system)


def _rows(agent: AgentProcess) -> int:
    sources = agent.status().sources
    return sum(point.rows for point in sources["line"].points.values()) if "line" in sources else 0
