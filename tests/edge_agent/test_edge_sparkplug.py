"""The Sparkplug source against a real Mosquitto and npm's sparkplug-client as the edge node."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.mosquitto import MosquittoBroker
from edge_agent.config.sparkplug import SparkplugPointConfig, SparkplugSourceConfig
from edge_agent.sources.broker import Wiring
from edge_agent.sources.sparkplug import SparkplugSource
from edge_agent.spool import Spool
from edge_agent.spool_thread import SpoolThread
from edge_agent.status import PointStatus, SourceStatus
from tests.edge_agent.spools import Clock, open_at
from tests.edge_agent.support import AgentProcess, wait_for
from tests.support.peers import Peer
from verification.model import Point, PointKind, Rows
from verification.sparkplug_node import Outcome, Sample

_numbers = itertools.count(1)


class Gateway(Peer):
    """sparkplug-client as an edge node of its own name, with one device, `meter`."""

    def __init__(self, agent: AgentProcess, broker: MosquittoBroker) -> None:
        self.name = f"node{next(_numbers)}-{agent.device}"
        login = {"user": "gateway", "password": broker.password("gateway"), "url": f"mqtt://127.0.0.1:{broker.port}"}
        super().__init__("sparkplug_node.js", login | {"group": "hall", "node": self.name}, agent.folder / "node.log")

    def begin(self, energy: float, at_ms: int) -> None:
        """State what all births say; energy has an alias."""
        self.tell(
            birth={
                "node": [{"name": "State", "type": "UInt8", "value": 1, "timestamp": at_ms}],
                "devices": {
                    "meter": [
                        {"name": "Energy/Total", "alias": 5, "type": "Double", "value": energy, "timestamp": at_ms}
                    ]
                },
            }
        )

    def measure(self, energy: float, at_ms: int, **options: object) -> None:
        data = [{"alias": 5, "type": "Double", "value": energy, "timestamp": at_ms}]
        self.tell(device="meter", data=data, options=options)


@pytest.fixture
def gateway(make_agent: Callable[..., AgentProcess], plant_broker: MosquittoBroker) -> Iterator[Gateway]:
    """Connected, not born yet; `gateway.agent` is configured for it and not started."""
    agent = make_agent()
    made = Gateway(agent, plant_broker)
    made.agent = agent
    password = agent.folder / "plant.password"
    password.write_text(plant_broker.password("edge"))
    password.chmod(0o600)
    node = f"hall/{made.name}"
    points = {
        "energy": {"edge_node": node, "device": "meter", "metric": "Energy/Total", "unit": "kWh", "kind": "counter"},
        "state": {"edge_node": node, "metric": "State", "unit": "1", "kind": "state"},
    }
    agent.config["sources"] = {
        "hall": {
            "sparkplug": f"mqtt://edge@127.0.0.1:{plant_broker.port}",
            "password_file": "plant.password",
            "points": points,
        }
    }
    agent.ingest.start()
    made.start()
    yield made
    made.kill()


def hall(agent: AgentProcess) -> SourceStatus:
    return agent.status().sources["hall"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def energies(agent: AgentProcess) -> list[tuple[int, float]]:
    return [(time_us, value) for name, time_us, value in agent.ingest.rows() if name == "energy"]


def test_an_agent_that_comes_later_asks_for_the_birth_and_then_reads_every_value_once(gateway):
    agent, start = gateway.agent, now_ms()
    gateway.begin(100.0, start)
    agent.start()
    wait_for(lambda: energies(agent) == [(start * 1_000, 100.0)], "the value of the birth")
    assert gateway.tell(births=True)["asked"] >= 1
    expected = [(start * 1_000, 100.0)]
    for i in range(1, 301):
        gateway.measure(100.0 + i, start + i, **({"compress": True} if i % 3 == 0 else {}))
        expected.append(((start + i) * 1_000, 100.0 + i))
    wait_for(lambda: len(energies(agent)) >= len(expected), "every value")
    assert energies(agent) == expected
    assert agent.ingest.gaps() == []
    wait_for(lambda: {point.state for point in hall(agent).points.values()} == {"live"}, "both points live")


def test_a_missing_sequence_number_is_a_signed_gap_and_a_rebirth_and_no_double(gateway):
    agent, start = gateway.agent, now_ms()
    agent.start()
    wait_for(lambda: hall(agent).state == "connected", "the source is connected")
    gateway.begin(1.0, start)
    gateway.measure(2.0, start + 1)
    wait_for(lambda: len(energies(agent)) == 2, "two values")
    gateway.tell(skip=3)
    gateway.measure(3.0, start + 9)
    wait_for(lambda: len(agent.ingest.gaps()) >= 2, "a gap for each point")
    wait_for(lambda: hall(agent).doubles >= 1, "the births repeat the last values, which is no reading")
    assert {gap.reason for gap in agent.ingest.gaps()} == {"sparkplug_sequence"}
    gateway.measure(4.0, start + 10)
    wait_for(lambda: len(energies(agent)) == 4, "the value after it")
    assert Counter(energies(agent)) == Counter(
        [((start + i) * 1_000, v) for i, v in ((0, 1.0), (1, 2.0), (9, 3.0), (10, 4.0))]
    )


def test_a_node_that_dies_is_in_the_dark_until_it_is_born_again(gateway):
    agent, start = gateway.agent, now_ms()
    agent.start()
    wait_for(lambda: hall(agent).state == "connected", "the source is connected")
    gateway.begin(1.0, start)
    wait_for(lambda: len(energies(agent)) == 1, "the value of the birth")
    gateway.kill()  # the broker publishes its will
    gateway.start()
    gateway.begin(7.0, start + 5_000)
    wait_for(lambda: len(energies(agent)) == 2, "the value of the second birth")
    wait_for(lambda: len(agent.ingest.gaps()) == 2, "a gap for each point")
    assert {gap.reason for gap in agent.ingest.gaps()} == {"sparkplug_offline"}


def test_a_killed_agent_admits_what_it_may_have_missed(gateway):
    agent, start = gateway.agent, now_ms()
    gateway.begin(1.0, start)
    agent.start()
    wait_for(lambda: len(energies(agent)) == 1, "the value of the birth")
    agent.kill()
    gateway.measure(2.0, start + 1)
    gateway.measure(3.0, start + 2)
    agent.start()
    wait_for(lambda: len(energies(agent)) == 2, "the value that is current")
    assert energies(agent) == [(start * 1_000, 1.0), ((start + 2) * 1_000, 3.0)]
    spans = [(gap.start_us, gap.end_us) for gap in agent.ingest.gaps()]
    assert len(spans) == 2
    assert all(begin <= (start + 1) * 1_000 <= end for begin, end in spans)


def test_nonsense_on_a_node_s_topics_is_counted_and_the_next_message_is_read(gateway, plant_broker):
    agent, start = gateway.agent, now_ms()
    gateway.begin(1.0, start)
    agent.start()
    wait_for(lambda: len(energies(agent)) == 1, "the value of the birth")
    stranger = Client(CallbackAPIVersion.VERSION2)
    stranger.username_pw_set("gateway", plant_broker.password("gateway"))
    stranger.connect("127.0.0.1", plant_broker.port)
    stranger.loop_start()
    for nonsense in (b"\xff" * 50, b'{"value": 1}', b"\x12\xff\xff\xff\xff\x0f", bytes(400_000)):
        stranger.publish(f"spBv1.0/hall/DDATA/{gateway.name}/meter", nonsense, qos=1).wait_for_publish(10)
    stranger.disconnect()
    stranger.loop_stop()
    wait_for(lambda: hall(agent).bad >= 4, "the nonsense is counted")
    gateway.measure(2.0, start + 1)
    wait_for(lambda: len(energies(agent)) == 2, "the next value")
    assert agent.log.count("cannot be read") == 4


def test_a_metric_that_is_no_number_is_named_at_the_first_birth(gateway):
    agent, start = gateway.agent, now_ms()
    agent.config["sources"]["hall"]["points"]["text"] = {
        "edge_node": f"hall/{gateway.name}",
        "metric": "Serial",
        "unit": "1",
        "kind": "gauge",
    }
    gateway.tell(
        birth={
            "node": [
                {"name": "Serial", "type": "String", "value": "A-7"},
                {"name": "State", "type": "UInt8", "value": 1},
            ],
            "devices": {},
        }
    )
    agent.start()
    wait_for(lambda: hall(agent).points["text"].state == "error", "the point's error")
    assert "'A-7' is not a number" in hall(agent).points["text"].message
    wait_for(lambda: hall(agent).points["state"].rows == 1, "the other point is read")
    assert start


def test_a_reading_that_a_full_spool_refused_is_kept_when_a_birth_repeats_it(tmp_path):
    point = SparkplugPointConfig(edge_node="hall/press", metric="Energy", unit="kWh", kind="counter")
    config = SparkplugSourceConfig(sparkplug="mqtt://127.0.0.1", points={"energy": point})
    shown = SourceStatus("sparkplug", "", {"energy": PointStatus("")})
    born = Outcome(samples=[Sample("energy", 1_000, 7.0, 0, historical=False, birth=True)])
    spool = SpoolThread(lambda: open_at(tmp_path / "spool.sqlite", Clock()))

    async def run() -> int:
        indices = await spool.call(Spool.catalogue, [Point("energy", "", "kWh", PointKind.COUNTER)])
        source = SparkplugSource(Wiring("hall", "edge", indices, spool, shown), config)
        for full in ("it is full", "", ""):
            await spool.call(lambda held, full=full: setattr(held, "full_reason", lambda: full))
            rows = Rows.empty()
            source._keep(("hall", "press"), born, rows)
            await source._append(rows)
        return (await spool.call(lambda held: held._open_rows)) if shown.dropped == 1 else -1

    assert asyncio.run(run()) == 1
    spool.close()
