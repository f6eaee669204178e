"""Many tags and many values a second from node-opcua: all of them arrive, once, and the agent's memory stays flat.

`make soak` runs this for ten minutes each and shows the figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.edge_agent.support import AgentProcess, NodeOpcUa, ticking_points, wait_for

SOAK = bool(os.environ.get("RETROPROOF_SOAK"))
MOST_RSS_BYTES = 120_000_000
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


def fewest_rows(agent: AgentProcess) -> int:
    """Of all tags, how many readings of one have been taken at least."""
    return min((point.rows for point in agent.status().sources["line"].points.values()), default=0)


def is_through(agent: AgentProcess, count: int) -> bool:
    """Whether every tag has been read up to this count, and all of it has been acknowledged."""
    shown = agent.status()
    read = all(point.last_value == count for point in shown.sources["line"].points.values())
    return read and shown.spool is not None and shown.spool.batches + shown.spool.open_rows == 0


def assert_whole(agent: AgentProcess, tags: int, count: int) -> int:
    """Each tag's values are all there once, from the first that arrived up to the last counted; returns how many."""
    times = {f"t{number}": bytearray(count + 1) for number in range(tags)}
    for name, _, value, _ in agent.ingest.each_row():
        times[name][int(value)] += 1
    seen = {name: bytes(counts).lstrip(b"\0") for name, counts in times.items()}
    assert [name for name, counts in seen.items() if not counts] == []
    assert [name for name, counts in seen.items() if set(counts) != {1}] == [], "lost or doubled"
    assert agent.ingest.problems == []
    assert agent.ingest.gaps() == []
    return sum(map(len, seen.values()))


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("tags", "interval_ms", "publishing_ms"), [(3_000, 1_000, 1_000), (1_000, 100, 500)])
def test_every_value_of_many_tags_arrives_once_and_the_memory_stays_flat(
    make_agent, node, tags, interval_ms, publishing_ms
):
    node.tell(tick={"count": tags, "interval_ms": interval_ms})
    agent = make_agent(sources=source(node, tags, publishing_ms))
    agent.ingest.start()
    agent.start()
    wait_for(lambda: fewest_rows(agent) >= 1, "all tags are read")
    process = psutil.Process(agent.pid)
    spent, sizes = process.cpu_times(), []
    for _ in range(MEMORY_SAMPLES):
        time.sleep(MEMORY_SAMPLE_S)
        sizes.append(process.memory_info().rss)
    cpu_s = sum(process.cpu_times()[:2]) - sum(spent[:2])
    count = node.tell(stop=True)["counted"]
    wait_for(lambda: is_through(agent, count), "the last values")
    values = assert_whole(agent, tags, count)
    half = MEMORY_SAMPLES // 2
    seconds = MEMORY_SAMPLES * MEMORY_SAMPLE_S
    growth = max(sizes[half:]) / max(sizes[:half])
    print(
        f"{tags:,} tags each {interval_ms} ms for {seconds:.0f} s: {values:,} values, none lost, none doubled; "
        f"RSS at most {max(sizes) / 1e6:.0f} MB, growth {growth:.2f}; CPU {cpu_s / seconds:.1%} of a core"
    )
    assert values > seconds * tags * 1_000 / interval_ms
    assert max(sizes) < MOST_RSS_BYTES
    assert growth < MOST_GROWTH
    shown = agent.status().sources["line"].points["t0"]
    assert (shown.asked_queue, shown.revised_queue, shown.revised_sampling_ms) == (1_000, 1_000, 0)
