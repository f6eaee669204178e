"""Many tags and many values a second from node-opcua: all of them arrive, once.

`make soak` runs the second for ten minutes and holds the agent's memory to its bound.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.edge_agent.support import AgentProcess, NodeOpcUa, ticking_points, wait_for

SOAK = bool(os.environ.get("RETROPROOF_SOAK"))
MOST_RSS_BYTES = 120 * 1024 * 1024
MOST_GROWTH = 1.1  # of the second half of the run over the first
MEMORY_SAMPLES, MEMORY_SAMPLE_S = (60, 10.0) if SOAK else (6, 1.0)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeOpcUa]:
    server = NodeOpcUa(tmp_path).start()
    yield server
    server.kill()


def source(node: NodeOpcUa, tags: int, publishing_ms: float) -> dict[str, object]:
    common = {"opcua": node.url, "security": "None", "sampling_ms": 0, "publishing_ms": publishing_ms}
    return {"line": common | {"points": ticking_points(tags, 1)}}


def rows_taken(agent: AgentProcess) -> list[int]:
    return [point.rows for point in agent.status().sources["line"].points.values()]


def assert_whole(agent: AgentProcess, tags: int, count: int) -> int:
    """Each tag's values are all there once, from the first that arrived up to the last counted; returns how many."""
    found = Counter((name, int(value)) for name, _, value in agent.ingest.rows())
    firsts: dict[str, int] = {}
    for name, value in found:
        firsts[name] = min(value, firsts.get(name, value))
    assert len(firsts) == tags
    expected = {(name, value) for name, first in firsts.items() for value in range(first, count + 1)}
    lost, besides = expected - found.keys(), found.keys() - expected
    assert (sorted(lost)[:5], sorted(besides)[:5]) == ([], [])
    assert set(found.values()) == {1}
    assert agent.ingest.problems == []
    assert agent.ingest.gaps() == []
    return len(expected)


@pytest.mark.parametrize(
    ("tags", "interval_ms", "publishing_ms", "seconds"), [(3_000, 1_000, 1_000, 4), (1_000, 100, 500, 4)]
)
def test_every_value_of_many_tags_arrives_once(make_agent, node, tags, interval_ms, publishing_ms, seconds):
    node.tell(tick={"count": tags, "interval_ms": interval_ms})
    agent = make_agent(sources=source(node, tags, publishing_ms))
    agent.ingest.start()
    agent.start()
    wait_for(lambda: min(rows_taken(agent), default=0) >= 1, "all tags are read")
    time.sleep(seconds)
    count = node.tell(stop=True)["counted"]
    wanted = {(f"t{number}", float(count)) for number in range(tags)}
    wait_for(lambda: wanted <= {(name, value) for name, _, value in agent.ingest.rows()}, "the last values")
    found = assert_whole(agent, tags, count)
    assert found > seconds * tags * 1_000 / interval_ms
    shown = agent.status().sources["line"].points["t0"]
    assert (shown.asked_queue, shown.revised_queue, shown.revised_sampling_ms) == (1_000, 1_000, 0)


@pytest.mark.timeout(1_200)
def test_the_agent_s_memory_stays_flat_at_ten_thousand_values_a_second(make_agent, node):
    node.tell(tick={"count": 1_000, "interval_ms": 100})
    agent = make_agent(sources=source(node, 1_000, 500))
    agent.ingest.start()
    agent.start()
    wait_for(lambda: min(rows_taken(agent), default=0) >= 10, "all tags are read")
    process = psutil.Process(agent.pid)
    sizes = []
    for _ in range(MEMORY_SAMPLES):
        time.sleep(MEMORY_SAMPLE_S)
        sizes.append(process.memory_info().rss)
    half = MEMORY_SAMPLES // 2
    rows = sum(rows_taken(agent))
    print(f"RSS in MiB while {rows:,} values came: {[round(size / 2**20) for size in sizes]}")
    assert max(sizes) < MOST_RSS_BYTES
    assert max(sizes[half:]) < MOST_GROWTH * max(sizes[:half])
    assert rows > 5_000 * MEMORY_SAMPLES * MEMORY_SAMPLE_S, "the load was there"
