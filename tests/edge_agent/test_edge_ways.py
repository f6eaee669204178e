"""The ways to ingest: HTTPS has the same meaning as MQTT, and when one way fails the next is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.state import free_port
from deploy.pki.authority import Authority
from edge_agent.clock import ClockState, clock_state, now_us
from edge_agent.spool_model import Limits
from edge_agent.spool_recovery import open_spool
from tests.edge_agent.http_ingest import HttpIngest
from tests.edge_agent.support import AgentProcess, StandInIngest, wait_for
from verification import batch, keys
from verification.batch import Heartbeat
from verification.model import Point, PointKind, Rows

ROWS = 200
AHEAD_US = 600_000_000  # so far that no slow machine hides it


@pytest.fixture
def agent(make_agent: Callable[..., AgentProcess]) -> AgentProcess:
    """Finds 200 readings in its spool, in 21 batches with the catalogue."""
    nobody = f"opc.tcp://127.0.0.1:{free_port()}/nobody"
    points = {"a": {"node": "ns=2;s=a", "unit": "kWh", "kind": "counter"}}
    made = make_agent(sources={"line": {"opcua": nobody, "security": "None", "points": points}})
    spool = open_spool(made.folder / "spool.sqlite", made.device, made.key, Limits(max_rows=10))
    spool.catalogue([Point("a", "ns=2;s=a", "kWh", PointKind.COUNTER)])
    columns = Rows.empty()
    start = now_us() - 3_600_000_000
    for i in range(ROWS):
        columns.append(0, start + i * 1_000_000, float(i))
    spool.append(columns)
    spool.seal_due(ClockState("unknown"), everything=True)
    spool.close()
    return made


@pytest.fixture
def front(agent: AgentProcess, authority: Authority) -> Iterator[HttpIngest]:
    """Ingest over HTTPS, which asks for a client certificate; the agent's only way to it."""
    made = HttpIngest(agent.ingest, authority).start()
    agent.config["uplink"] = way(agent, made, authority)
    yield made
    made.stop()


def way(agent: AgentProcess, front: HttpIngest, authority: Authority) -> dict[str, object]:
    return {"https": front.url} | tls(authority, agent.device)


def tls(authority: Authority, name: str) -> dict[str, str]:
    """The files by which `name` is known, made where they are missing."""
    certificate = authority.folder / f"{name}.pem"
    if not certificate.exists():
        authority.client(name)
    files = {"cert_file": certificate, "key_file": certificate.with_suffix(".key")}
    return {"ca_file": str(authority.folder / "ca.pem"), **{key: str(path) for key, path in files.items()}}


def batches_left(agent: AgentProcess) -> int:
    return agent.status().spool.batches


def assert_all_arrived_once(agent: AgentProcess) -> None:
    wait_for(lambda: batches_left(agent) == 0, "an empty spool")
    values = [value for _, _, value in agent.ingest.rows()]
    assert Counter(values) == Counter(float(i) for i in range(ROWS))
    assert agent.ingest.problems == []


def test_over_https_batches_go_once_and_in_order_and_the_client_certificate_is_shown(agent, front):
    agent.start()
    assert_all_arrived_once(agent)
    assert agent.ingest.arrivals == len(agent.ingest.batches)
    assert set(front.clients) == {agent.device}
    assert front.requests[0] == "/ingest/v1/sync"


def test_over_mtls_the_broker_knows_the_device_by_its_certificate(agent, mtls_broker: MosquittoBroker, authority):
    """As in production: the certificate's common name is the user, and the access list goes by it."""
    ingest_files = tls(authority, "ingest")
    public_key = agent.key.public_key()
    agent.ingest = StandInIngest(mtls_broker, agent.device, public_key, certificate=Path(ingest_files["cert_file"]))
    agent.config["ingest_key"] = keys.public_text(agent.ingest.key)
    agent.config["uplink"] = {"mqtt": f"mqtts://127.0.0.1:{mtls_broker.port}"} | tls(authority, agent.device)
    agent.ingest.start()
    agent.start()
    assert_all_arrived_once(agent)


@pytest.mark.usefixtures("front")
def test_a_lost_response_is_made_good_by_asking_again(agent):
    """Ingest had committed everything when the agent died: it asks first, and sends nothing twice."""
    agent.start()
    assert_all_arrived_once(agent)
    agent.kill()
    arrivals = agent.ingest.arrivals
    spool = open_spool(agent.folder / "spool.sqlite", agent.device, agent.key, Limits())
    for (epoch, sequence), data in agent.ingest.batches.items():  # as before the acknowledgements came
        values = {"epoch": epoch, "sequence": sequence, "sealed_us": now_us(), "data": data}
        spool._run("insert_batch", **values, sha256=batch.open_batch(data).sha256)
    spool.close()
    agent.start()
    wait_for(lambda: agent.status().uplink.settled >= 21, "the old batches are settled again")
    assert agent.ingest.arrivals == arrivals


def test_a_busy_ingest_is_waited_for_and_says_so(agent, front):
    front.refusal = (503, {"code": "busy", "detail": "the database is behind", "next": "wait"})
    agent.start()
    wait_for(lambda: "the database is behind" in agent.status().uplink.message, "the reason shows")
    assert batches_left(agent) == 1 + ROWS // 10
    front.refusal = None
    assert_all_arrived_once(agent)


def test_a_refusal_deletes_nothing_and_shows_what_to_do(agent, front):
    front.refusal = (403, {"code": "unknown_device", "detail": "not enrolled", "next": "run: retroproof edge enroll"})
    agent.start()
    wait_for(lambda: "run: retroproof edge enroll" in agent.status().uplink.message, "the reason shows")
    assert batches_left(agent) == 1 + ROWS // 10
    front.refusal = None
    assert_all_arrived_once(agent)


def test_a_server_of_another_authority_is_sent_nothing(agent, front, tmp_path):
    other = Authority.create(tmp_path / "other", "Another authority")
    agent.config["uplink"] |= {"ca_file": str(other.folder / "ca.pem")}
    agent.start()
    wait_for(lambda: "is not the authority that signed it" in agent.status().uplink.message, "the reason shows")
    assert front.requests == []
    assert batches_left(agent) == 1 + ROWS // 10


@pytest.mark.usefixtures("front")
def test_a_server_that_answers_nonsense_is_an_alarm_and_deletes_nothing(agent):
    agent.ingest.acknowledgement = lambda _: b"<html>Welcome</html>"
    agent.start()
    wait_for(lambda: "not believed" in agent.status().uplink.alarm, "the alarm")
    assert batches_left(agent) == 1 + ROWS // 10


def test_when_the_first_way_is_dead_the_next_is_used_and_the_first_again_once_it_lives(agent, authority):
    front = HttpIngest(agent.ingest, authority)
    first_port = free_port()
    agent.config["uplink"] |= {
        "mqtt": f"mqtt://{agent.device}@127.0.0.1:{first_port}",
        "fallbacks": [way(agent, front.start(), authority)],
        "return_after_s": 1,
    }
    agent.start()
    assert_all_arrived_once(agent)
    assert agent.status().uplink.endpoint == front.url
    front.stop()


def test_the_first_way_is_used_again_once_it_can_be_reached(agent, authority):
    back = HttpIngest(agent.ingest, authority).start()
    first_port = free_port()
    first = way(agent, back, authority) | {"https": f"https://127.0.0.1:{first_port}"}
    agent.config["uplink"] = first | {"fallbacks": [way(agent, back, authority)], "return_after_s": 1}
    agent.start()
    wait_for(lambda: batches_left(agent) == 0, "an empty spool")
    revived = HttpIngest(agent.ingest, authority, port=first_port).start()
    wait_for(lambda: agent.status().uplink.endpoint == revived.url and revived.requests, "back on the first way")
    assert_all_arrived_once(agent)
    for one in (revived, back):
        one.stop()


def test_a_way_on_which_nobody_answers_is_left_for_the_next(agent, authority):
    """The broker is there, ingest behind it is not."""
    front = HttpIngest(agent.ingest, authority).start()
    agent.config["uplink"] |= {"fallbacks": [way(agent, front, authority)], "silence_s": 1}
    agent.start()
    assert_all_arrived_once(agent)
    assert "no acknowledgement for 1 s" in agent.log
    front.stop()


@pytest.mark.usefixtures("front")
def test_the_clock_is_measured_against_ingest_and_goes_into_the_next_batch(agent):
    agent.ingest.clock_ahead_us = AHEAD_US
    agent.config["uplink"] |= {"heartbeat_s": 1}
    agent.start()
    wait_for(lambda: agent.status().clock.offset_us is not None, "a measured offset")
    shown = agent.status().clock
    assert abs(shown.offset_us + AHEAD_US) <= shown.error_us
    assert shown.error_us < AHEAD_US // 10
    wait_for(lambda: offsets(agent), "a batch with the offset")
    assert all(abs(offset + AHEAD_US) < AHEAD_US // 10 for offset in offsets(agent))


@pytest.mark.usefixtures("front")
def test_every_batch_says_whether_the_clock_was_disciplined(agent):
    """Also those that bring no readings: the catalogue and the signs of life."""
    agent.config["uplink"] |= {"heartbeat_s": 1}
    for file in agent.folder.glob("spool.sqlite*"):
        file.unlink()  # what the fixture has filled in says nothing of the clock
    agent.start()
    wait_for(lambda: len(agent.ingest.batches) >= 3, "a catalogue and heartbeats")
    states = {batch.open_batch(data).header.clock_state for data in list(agent.ingest.batches.values())}
    assert states == {clock_state().state}


def offsets(agent: AgentProcess) -> list[int]:
    headers = [batch.open_batch(data).header for data in list(agent.ingest.batches.values())]
    return [header.clock_offset_us for header in headers if header.clock_offset_us is not None]


@pytest.mark.usefixtures("front")
def test_a_silent_agent_says_that_it_lives(agent):
    agent.config["uplink"] |= {"heartbeat_s": 1}
    agent.start()

    def heartbeats() -> list[Heartbeat]:
        return [payload for payload in agent.ingest.payloads() if isinstance(payload, Heartbeat)]

    wait_for(lambda: len(heartbeats()) >= 2, "two heartbeats")
    said = heartbeats()[-1]
    assert said.agent
    assert [(source.name, source.kind) for source in said.sources] == [("line", "opcua")]
    assert said.started_us <= now_us()
