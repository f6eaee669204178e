"""The HTTP side on a real server and a real database: the broker's way with another door; nobody gets in unproven."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

import cbor2
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import read, rebuild, register
from ingest.config import Broker, IngestConfig, Listen
from ingest.database import connect
from ingest.health import Health
from ingest.http import door, prompt
from ingest.http.serve import MAX_CONNECTIONS, serving
from ingest.intake import Asked, Intake
from ingest.service import Worker
from tests.ingest.builders import (
    DEADLINE_S,
    POINTS,
    START_US,
    Device,
    compared,
    now_us,
    rows,
    until,
    waiting_for_a_lock,
)
from verification import ack, keys, sync
from verification.batch import MAX_BATCH_BYTES, Catalogue

INGEST_KEY = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"i")


@dataclass
class Served:
    """An ingest process's HTTP side: clients for the plants' address and for the watched one."""

    plants: httpx.Client
    watch: httpx.Client
    intake: Intake
    health: Health

    def hand_in(self, data: bytes) -> httpx.Response:
        return self.plants.post("/ingest/v1/batches", content=data)

    def settle(self, data: bytes) -> ack.Ack:
        said = self.hand_in(data)
        assert said.status_code == 200, said.text
        assert said.headers["content-type"].startswith("application/cose")
        return ack.open_signed(said.content, INGEST_KEY.public_key())

    def ask(self, data: bytes) -> httpx.Response:
        return self.plants.post("/ingest/v1/sync", content=data)

    def figure(self, line: str) -> float:
        found = [one.split()[-1] for one in self.watch.get("/metrics").text.splitlines() if one.startswith(line)]
        return float(found[0])


@contextmanager
def served_by(url: str, intake: Intake | None = None, broker: Broker | None = None) -> Iterator[Served]:
    anywhere = Listen("127.0.0.1", 0)
    config = IngestConfig(url, INGEST_KEY, broker=broker, http=anywhere, watch=anywhere)
    stop, intake, health = threading.Event(), Intake() if intake is None else intake, Health()
    worker = threading.Thread(target=Worker(config, stop, intake, health).run)
    with serving(config, intake, health) as (plants, watch):
        worker.start()
        with httpx.Client(base_url=plants, timeout=60) as one, httpx.Client(base_url=watch) as other:
            yield Served(one, other, intake, health)
            stop.set()
            worker.join(DEADLINE_S)


@pytest.fixture
def served(migrated: str) -> Iterator[Served]:
    with served_by(migrated) as running:
        until(lambda: running.plants.get("/readyz").status_code == 200)
        yield running


def problem(said: httpx.Response, status: int) -> str:
    """The code of a refusal, which also says what is wrong and what to do next."""
    assert said.status_code == status, said.text
    assert said.headers["content-type"] == "application/problem+json"
    body = said.json()
    assert body["detail"]
    assert body["next"]
    return body["code"]


def test_the_response_is_the_acknowledgement_after_the_commit(served, migrated, db, device):
    sent = device.chain(4)
    said = [served.settle(data) for data in sent]
    assert [one.through for one in said] == [0, 1, 2, 3]
    assert said[-1].sha256 == device.header.previous
    assert [one.data for one in read.batches(db, device.name)] == sent
    assert compared(migrated) == (3, 30, None)


def test_a_batch_that_comes_again_is_acknowledged_again_and_stored_once(served, migrated, device):
    sent = device.chain(2)
    for data in sent:
        served.settle(data)
    assert [served.settle(data).through for data in sent] == [1, 1]
    assert rebuild.compare(migrated).readings == 10


def test_many_requests_at_once_are_committed_together(served, migrated, device):
    sent = device.chain(40)
    served.settle(sent[0])
    senders = [threading.Thread(target=served.settle, args=(data,)) for data in sent[1:]]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert served.settle(sent[-1]).through == 39
    assert compared(migrated) == (39, 390, None)


def test_a_refused_batch_of_a_proven_device_is_kept_and_named(served, db, device):
    served.settle(device.seal(Catalogue(POINTS)))
    said = served.settle(device.seal(rows(points=3)))
    assert (said.through, [one.code for one in said.refused]) == (1, ["unknown_point"])
    assert db.execute("SELECT code, batch_id IS NOT NULL FROM telemetry.quarantine").fetchall() == [
        ("unknown_point", True)
    ]


def test_a_fork_is_kept_with_its_bytes(served, db, device):
    served.settle(device.seal(Catalogue(POINTS)))
    other = device.fork().seal(rows(4))
    served.settle(device.seal(rows()))
    assert [one.code for one in served.settle(other).refused] == ["conflict"]
    assert db.execute("SELECT bytes FROM telemetry.quarantine").fetchall() == [(other,)]


def test_what_nothing_proves_is_refused_and_leaves_nothing_behind(served, db, device):
    register.enroll(db, "other", Device("other", seed=3).public_key, "hengkang")
    sent = device.seal(Catalogue(POINTS))
    changed = sent[:-1] + bytes([sent[-1] ^ 1])
    assert problem(served.hand_in(b"junk"), 400) == "undecodable"
    assert problem(served.hand_in(bytes(MAX_BATCH_BYTES + 1)), 413) == "bound_exceeded"
    assert problem(served.hand_in(changed), 403) == "bad_signature"
    assert problem(served.hand_in(Device("stranger").seal(Catalogue(POINTS))), 403) == "unknown_device"
    assert problem(served.hand_in(Device("other").seal(Catalogue(POINTS))), 403) == "unknown_key"
    register.revoke_device(db, "other")
    assert problem(served.hand_in(Device("other", seed=3).seal(Catalogue(POINTS))), 403) == "revoked_device"
    counted = "SELECT (SELECT count(*) FROM telemetry.batch), (SELECT count(*) FROM telemetry.quarantine)"
    assert db.execute(counted).fetchone() == (0, 0)
    served.settle(sent)


def test_an_agent_that_asks_with_its_key_is_told_how_far_it_got(served, device):
    for data in device.chain(3):
        served.settle(data)
    said = served.ask(sync.sign(device.name, [START_US, 5], now_us(), device.key))
    told = [ack.open_signed(one, INGEST_KEY.public_key()) for one in sync.open_answer(said.content)]
    assert [(one.epoch, one.through) for one in told] == [(START_US, 2), (5, ack.NOTHING_SETTLED)]
    assert sync.open_answer(served.ask(sync.sign(device.name, [], now_us(), device.key)).content) == ()


@pytest.mark.parametrize(
    ("changes", "ahead_us", "code"),
    [
        ({"device": "stranger"}, 0, "unknown_device"),
        ({"key": Device(seed=9).key}, 0, "unknown_key"),
        ({}, -2 * sync.FRESH_US, "clock_implausible"),
        ({}, 2 * sync.FRESH_US, "clock_implausible"),
    ],
)
def test_a_question_that_is_not_proven_is_not_answered(served, device, changes, ahead_us, code):
    signed_at_us = now_us() + ahead_us
    asked = {"device": device.name, "epochs": [START_US], "signed_at_us": signed_at_us, "key": device.key, **changes}
    assert problem(served.ask(sync.sign(**asked)), 403) == code


def test_a_question_with_a_changed_byte_or_of_no_form_is_not_answered(served, device):
    asked = sync.sign(device.name, [START_US], now_us(), device.key)
    assert problem(served.ask(asked[:-1] + bytes([asked[-1] ^ 1])), 403) == "bad_signature"
    assert problem(served.ask(asked[:-1]), 400) == "undecodable"
    assert problem(served.ask(sync.sign(device.name, range(65), now_us(), device.key)), 413) == "bound_exceeded"
    assert problem(served.ask(bytes(sync.MAX_QUESTION_BYTES + 1)), 413) == "bound_exceeded"


def test_without_a_database_the_sender_is_told_to_come_again_and_a_supervisor_what_is_missing(plain_postgres):
    url = plain_postgres.url("nowhere")
    with served_by(url) as served:
        assert served.plants.get("/healthz").status_code == 200
        ready = served.plants.get("/readyz")
        assert (ready.status_code, ready.json()["lacking"]) == (503, ["database"])
        said = served.hand_in(Device().seal(Catalogue(POINTS)))
        assert problem(said, 503) == "busy"
        assert int(said.headers["retry-after"]) > 0


def test_a_broker_that_is_away_does_not_close_the_other_way_in(migrated, device):
    """It is what agents turn to then."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = Broker("127.0.0.1", nobody.getsockname()[1], tls=False, user=None, password=None)
        with served_by(migrated, broker=away) as served:
            until(lambda: served.health.database)
            ready = served.plants.get("/readyz")
            assert (ready.status_code, ready.json()["lacking"]) == (503, ["broker"])
            assert served.settle(device.seal(Catalogue(POINTS))).through == 0


def test_a_full_queue_holds_the_sender_back(migrated, db, device):
    intake = Intake(max_items=1)
    blocked = Asked("nobody", (), None, lambda _: None)
    with served_by(migrated, intake) as served:
        until(lambda: not served.health.lacking)
        sent = device.seal(Catalogue(POINTS))
        with connect(migrated) as conn, conn.transaction():
            conn.execute("LOCK TABLE telemetry.device IN ACCESS EXCLUSIVE MODE")
            waiting = threading.Thread(target=served.settle, args=(sent,))
            waiting.start()
            until(lambda: waiting_for_a_lock(db) == 1)  # the worker has the first in hand
            assert intake.offer(blocked)
            assert problem(served.hand_in(sent), 503) == "busy"
        waiting.join()
        until(lambda: len(intake) == 0)
        served.settle(sent)


def test_what_waits_behind_a_slow_database_stays_within_its_bound(migrated, db, device, monkeypatch):
    """A sender that gave up may come again, but what it left in the queue still counts."""
    monkeypatch.setattr(door, "MAX_INSIDE", 3)
    monkeypatch.setattr(door, "ANSWER_WAIT_S", 0.1)
    with served_by(migrated) as served:
        until(lambda: not served.health.lacking)
        sent = device.chain(2)
        with connect(migrated) as conn, conn.transaction():
            conn.execute("LOCK TABLE telemetry.device IN ACCESS EXCLUSIVE MODE")
            assert problem(served.hand_in(sent[0]), 503) == "busy"
            until(lambda: waiting_for_a_lock(db) == 1)
            for _ in range(5):
                assert problem(served.hand_in(sent[1]), 503) == "busy"
            assert len(served.intake) == 2
        monkeypatch.setattr(door, "ANSWER_WAIT_S", DEADLINE_S)
        until(lambda: served.hand_in(sent[1]).status_code == 200)


def test_the_figures_count_what_was_committed_and_are_not_for_the_plants(served, device):
    for data in device.chain(3):
        served.settle(data)
    served.hand_in(b"junk")
    assert served.figure("retroproof_ingest_rows_total") == 20
    assert served.figure('retroproof_ingest_batches_total{code="accepted"}') == 3
    assert served.figure('retroproof_ingest_batches_total{code="conflict"}') == 0
    assert served.figure('retroproof_ingest_http_refused_total{code="undecodable"}') == 1
    assert served.figure("retroproof_ingest_commit_seconds_count") >= 3
    assert served.figure('retroproof_ingest_up{to="database"}') == 1
    assert served.plants.get("/metrics").status_code == 404


HALF_A_REQUEST = b"POST /ingest/v1/batches HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"


@pytest.mark.parametrize(
    "said", [b"", HALF_A_REQUEST[:30], HALF_A_REQUEST], ids=["nothing", "half a head", "half a body"]
)
def test_those_who_send_nothing_or_half_a_request_shut_nobody_out(served, device, monkeypatch, said):
    monkeypatch.setattr(prompt, "REQUEST_S", 0.5)
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS - 1):
            one = stack.enter_context(
                socket.create_connection((served.plants.base_url.host, served.plants.base_url.port))
            )
            one.sendall(said)
        time.sleep(1)  # until all are accepted; by then they are late
        sent = device.seal(Catalogue(POINTS))
        until(lambda: served.hand_in(sent).status_code == 200)


def test_a_connection_may_rest_between_requests_and_a_slow_line_may_take_its_time(served, monkeypatch):
    monkeypatch.setattr(prompt, "REQUEST_S", 0.5)
    connection = HTTPConnection(served.plants.base_url.host, served.plants.base_url.port)

    def slowly() -> Iterator[bytes]:
        for piece in (b"ju", b"nk"):
            time.sleep(0.15)
            yield piece

    for _ in range(3):
        connection.request(
            "POST", "/ingest/v1/batches", slowly(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        said = connection.getresponse()
        assert (said.status, said.read()[:22]) == (400, b'{"code": "undecodable"')
        open_socket = connection.sock
        time.sleep(0.7)
        assert connection.sock is open_socket is not None
    connection.close()


def test_a_sender_that_goes_away_leaves_no_word_in_the_log(served, caplog):
    with socket.create_connection((served.plants.base_url.host, served.plants.base_url.port)) as one:
        one.sendall(HALF_A_REQUEST)
    until(lambda: 'http_refused_total{code="undecodable"} 1' in served.watch.get("/metrics").text)
    assert not caplog.records


def test_a_question_keeps_its_form():
    key = Ed25519PrivateKey.generate()
    asked = sync.open_question(sync.sign("potline-1", [1, 2], 3, key))
    assert (asked.device, asked.epochs, asked.signed_at_us) == ("potline-1", (1, 2), 3)
    assert asked.envelope.signed_by(key.public_key())
    assert asked.envelope.key_id == keys.key_id(key)
    assert sync.open_answer(cbor2.dumps([b"a", b"b"])) == (b"a", b"b")
