"""The uplink against a real Mosquitto: a batch is deleted on ingest's signed word, and on nothing else."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.process import Supervisor
from deploy.local.state import free_port
from edge_agent.clock import ClockState, now_us
from edge_agent.mqtt_link import Published
from edge_agent.spool_model import Limits
from edge_agent.spool_recovery import open_spool
from tests.edge_agent.spools import held
from tests.edge_agent.support import AgentProcess, wait_for
from verification import ack, batch
from verification.model import Point, PointKind, Rows

ROWS = 400


@pytest.fixture
def rows() -> list[tuple[str, int, float]]:
    start = now_us() - 3_600_000_000
    return [("a", start + i * 1_000_000, float(i)) for i in range(ROWS)]


@pytest.fixture
def agent(make_agent: Callable[..., AgentProcess], rows) -> AgentProcess:
    """Finds 400 readings in its spool, in 41 batches with the catalogue; ingest is there but says nothing yet."""
    nobody = f"opc.tcp://127.0.0.1:{free_port()}/nobody"
    points = {"a": {"node": "ns=2;s=a", "unit": "kWh", "kind": "counter"}}
    made = make_agent(sources={"line": {"opcua": nobody, "security": "None", "points": points}})
    made.ingest.mute = True
    fill_spool(made, rows, rows_per_batch=10)
    return made


def fill_spool(
    agent: AgentProcess, rows: list[tuple[str, int, float]], *, rows_per_batch: int, seal: bool = True
) -> None:
    limits = Limits(max_rows=rows_per_batch)
    before = now_us() - 600_000_000  # a backlog is old, which tells it from what is fresh
    spool = open_spool(agent.folder / "spool.sqlite", agent.device, agent.key, limits, now_us=lambda: before)
    spool.catalogue([Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER)])
    columns = Rows.empty()
    for _, time_us, value in rows:
        columns.append(0, time_us, value)
    spool.append(columns)
    if seal:
        spool.seal_due(ClockState("unknown"), everything=True)
    spool.close()


def spooled(agent: AgentProcess) -> int:
    return agent.status().spool.batches


def acknowledge_all(agent: AgentProcess) -> None:
    agent.ingest.mute = False
    for epoch in {epoch for epoch, _ in agent.ingest.batches}:
        agent.ingest.acknowledge(epoch)


def assert_all_arrive_once(agent: AgentProcess, rows: list[tuple[str, int, float]]) -> None:
    wait_for(lambda: len(agent.ingest.rows()) >= len(rows), "every reading")
    wait_for(lambda: spooled(agent) == 0, "an empty spool")
    assert Counter(agent.ingest.rows()) == Counter(rows)
    assert agent.ingest.problems == []


def test_no_more_than_a_window_is_under_way_and_nothing_goes_without_an_acknowledgement(agent, rows):
    agent.ingest.start()
    agent.start()
    wait_for(lambda: len(agent.ingest.batches) == 20, "a window of batches")
    assert spooled(agent) == 1 + ROWS // 10
    assert agent.ingest.arrivals == 20
    acknowledge_all(agent)
    assert_all_arrive_once(agent, rows)


def test_an_acknowledgement_signed_by_another_key_deletes_nothing(agent, rows):
    agent.ingest.start()
    agent.start()
    wait_for(lambda: len(agent.ingest.batches) == 20, "a window of batches")
    before = 1 + ROWS // 10
    agent.ingest.signing_key = Ed25519PrivateKey.generate()
    acknowledge_all(agent)
    wait_for(lambda: "bad_signature" in agent.status().uplink.alarm, "the alarm")
    assert spooled(agent) == before
    agent.ingest.signing_key = agent.ingest.key
    acknowledge_all(agent)
    assert_all_arrive_once(agent, rows)


@pytest.mark.parametrize(
    "lie",
    [
        lambda said: replace(said, sha256=bytes(32)),
        lambda said: replace(said, through=said.through + 1000),
        lambda said: replace(said, device="another"),
        lambda said: replace(said, refused=(ack.Refusal(said.through, bytes(32), "chain_break"),)),
    ],
    ids=["another hash", "batches never made", "another device", "a refusal of another batch"],
)
def test_an_acknowledgement_that_contradicts_us_raises_an_alarm_and_deletes_nothing(agent, lie):
    agent.ingest.start()
    agent.start()
    wait_for(lambda: len(agent.ingest.batches) == 20, "a window of batches")
    before = 1 + ROWS // 10
    agent.ingest.lie = lie
    acknowledge_all(agent)
    wait_for(lambda: agent.status().uplink.alarms, "the alarm")
    assert spooled(agent) == before


def test_a_refused_batch_is_kept_aside_and_does_not_hold_up_the_line(agent, rows):
    def refuse_third(said: ack.Ack) -> ack.Ack:
        if said.through < 3:
            return said
        third = agent.ingest.batches[said.epoch, 3]
        return replace(said, refused=(ack.Refusal(3, batch.open_batch(third).sha256, "unknown_key"),))

    agent.ingest.lie = refuse_third
    agent.ingest.mute = False
    agent.ingest.start()
    agent.start()
    assert_all_arrive_once(agent, rows)
    assert (agent.status().uplink.refused, agent.status().spool.refused) == (1, 1)
    assert agent.status().uplink.alarm == ""


def test_an_agent_killed_after_ingest_has_committed_asks_and_sends_nothing_twice(agent, rows):
    agent.ingest.start()
    agent.start()
    wait_for(lambda: len(agent.ingest.batches) == 20, "a window of batches")
    agent.kill()
    agent.ingest.mute = False
    agent.start()
    assert_all_arrive_once(agent, rows)
    assert len(agent.ingest.syncs) == 2
    # The answer to the question settles the window of 20, so that every batch has come exactly once.
    assert agent.ingest.arrivals == len(agent.ingest.batches)


def test_a_broker_killed_with_messages_under_way_loses_nothing(
    agent, rows, uplink_broker: MosquittoBroker, supervisor: Supervisor
):
    agent.ingest.start()
    agent.start()
    wait_for(lambda: len(agent.ingest.batches) >= 10, "batches under way")
    uplink_broker.kill()
    wait_for(lambda: agent.status().uplink.state == "disconnected", "the break is noticed")
    agent.ingest.mute = False
    uplink_broker.start(supervisor)
    assert_all_arrive_once(agent, rows)


def test_what_nobody_receives_stays_in_the_spool(agent, rows):
    """Ingest is not there: the broker says so, or takes the batches and forgets them; either way they stay."""
    agent.start()
    wait_for(lambda: agent.status().uplink.undelivered >= 20, "the broker says that nobody listens")
    assert spooled(agent) == 1 + ROWS // 10
    agent.ingest.mute = False
    agent.ingest.start()
    assert_all_arrive_once(agent, rows)


def test_a_publish_that_the_access_list_denies_deletes_nothing(agent, uplink_broker: MosquittoBroker):
    """The broker knows this user, but not as this device."""
    other = "another-device"
    (agent.folder / "uplink.password").write_text(uplink_broker.add_device(other))
    agent.config["uplink"] |= {"mqtt": f"mqtt://{other}@127.0.0.1:{uplink_broker.port}"}
    agent.ingest.mute = False
    agent.ingest.start()
    agent.start()
    wait_for(lambda: "Not authorized" in agent.status().uplink.message, "the broker's refusal shows")
    assert spooled(agent) == 1 + ROWS // 10
    assert agent.ingest.batches == {}


@pytest.mark.parametrize(
    ("code", "delivered"), [(0x00, True), (0x10, False), (0x80, False), (0x87, False), (0x97, False)]
)
def test_only_a_success_that_somebody_received_counts_as_delivered(code, delivered):
    assert Published(1, code, "").delivered is delivered


def test_a_broker_that_speaks_3_1_1_only_is_no_way_to_ingest(agent):
    """It would acknowledge what nobody receives. It refuses version 5 as its own standard says, with code 1."""
    old = socket.create_server(("127.0.0.1", 0))

    def refuse_once() -> None:
        connection, _ = old.accept()
        with connection:
            assert b"MQTT\x05" in connection.recv(4096)
            connection.sendall(bytes([0x20, 2, 0, 1]))

    broker = threading.Thread(target=refuse_once, daemon=True)
    broker.start()
    agent.config["uplink"] |= {"mqtt": f"mqtt://{agent.device}@127.0.0.1:{old.getsockname()[1]}"}
    agent.start()
    broker.join(40)
    wait_for(lambda: "needs a broker of version 5" in agent.status().uplink.message, "the reason shows with its mend")
    assert spooled(agent) == 1 + ROWS // 10
    old.close()


def test_what_ingest_can_never_take_behind_a_loss_leaves_the_way_free_for_what_comes_after(agent, rows, tmp_path):
    """Of a broken spool's epoch ingest has batch 0; the next three are lost, and a whole window of others is sent."""
    broken = open_spool(tmp_path / "broken.sqlite", agent.device, agent.key, Limits(), now_us=lambda: 1_000_000)
    points = [Point(f"p{number}", "x", "kWh", PointKind.COUNTER) for number in range(30)]
    for number in range(len(points)):
        broken.catalogue(points[: number + 1])
    saved = held(broken)
    broken.close()
    spool = sqlite3.connect(agent.folder / "spool.sqlite")
    with spool:
        spool.execute("INSERT INTO settled VALUES (?, 0, ?)", (saved[0].epoch, saved[0].sha256))
        for item in saved[4:]:
            spool.execute(
                "INSERT INTO batch VALUES (?, ?, 1, ?, ?)", (item.epoch, item.sequence, item.sha256, item.data)
            )
    spool.close()
    agent.ingest.take(saved[0].data)
    agent.ingest.start()
    agent.start()
    wait_for(lambda: len(agent.ingest.batches) > 20, "a window of what can never be settled")
    acknowledge_all(agent)
    wait_for(lambda: len(agent.ingest.rows()) >= len(rows), "every reading of the present epoch", deadline_s=20.0)
    wait_for(lambda: spooled(agent) == 0, "an empty spool")
    assert agent.status().spool.refused == len(saved) - 4


def test_while_a_backlog_drains_a_fresh_batch_does_not_wait_behind_it(agent, rows):
    """The fresh one is a heartbeat, a second after the start; the backlog takes four."""
    agent.config["uplink"] |= {"window": 8, "heartbeat_s": 1}
    agent.ingest.mute = False
    agent.ingest.pace_s = 0.1
    agent.ingest.start()
    agent.start()
    backlog = range(1 + ROWS // 10)
    wait_for(lambda: backlog[-1] in agent.ingest.order, "the end of the backlog")
    wait_for(lambda: Counter(agent.ingest.rows()) == Counter(rows), "every reading once")
    first_fresh = next(place for place, sequence in enumerate(agent.ingest.order) if sequence not in backlog)
    assert agent.ingest.order.index(backlog[-1]) > first_fresh
    assert [sequence for sequence in agent.ingest.order if sequence in backlog] == list(backlog)


def test_sigterm_seals_and_sends_what_is_there_and_ends_with_0(agent, rows):
    agent.config["batch"] = {"max_rows": 8000, "max_seconds": 3600}
    for file in agent.folder.glob("spool.sqlite*"):
        file.unlink()
    fill_spool(agent, rows, rows_per_batch=8000, seal=False)
    agent.ingest.mute = False
    agent.ingest.start()
    agent.start()
    wait_for(lambda: agent.status().spool.open_rows == ROWS, "open rows")
    assert agent.ingest.rows() == []
    assert agent.stop() == 0
    assert Counter(agent.ingest.rows()) == Counter(rows)
    assert spooled(agent) == 0


def test_a_second_agent_on_the_same_spool_is_refused(agent):
    agent.start()
    agent.status()
    second = AgentProcess.__new__(AgentProcess)
    second.__dict__.update(agent.__dict__)
    second.start()
    wait_for(lambda: not second.running(), "the second one ends")
    assert "another agent is running" in agent.log
    assert agent.running()
