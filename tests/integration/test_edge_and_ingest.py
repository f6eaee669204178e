"""The agent and ingest as they are run, on a real broker and a real database: nothing is deleted before it is stored.

RETROPROOF_ABSENT_S is how long ingest stays away (`make test`: a few seconds, a soak: 60).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.process import Supervisor
from deploy.local.state import free_port
from deploy.pki.authority import Authority
from edge_agent.clock import ClockState, now_us
from edge_agent.spool_model import Limits
from edge_agent.spool_recovery import open_spool
from ingest import register
from ingest.database import connect
from ingest.migrate import migrate
from tests.edge_agent.support import DEADLINE_S, AgentProcess, wait_for
from tests.ingest.site import Site
from verification import keys
from verification.model import Point, PointKind, Rows

ABSENT_S = float(os.environ.get("RETROPROOF_ABSENT_S", "3"))
BATCHES, ROWS_EACH = 100, 20
POINT = {"column": "n", "unit": "heads", "kind": "gauge"}

_numbers = itertools.count(1)


class Plant:
    """An enrolled agent whose readings are files in its folder `drop`, and what the database holds of them."""

    def __init__(self, site: Site, folder: Path, broker: MosquittoBroker) -> None:
        self.site = site
        self.expected: list[float] = []
        device = f"chain-{next(_numbers)}"
        office = {"files": "drop", "time": "t", "points": {"heads": POINT}}
        self.agent = AgentProcess(folder / device, device, broker, sources={"office": office})
        self.agent.config["ingest_key"] = keys.public_text(site.key)
        (self.agent.folder / "drop").mkdir()
        with connect(site.url) as conn:
            register.enroll(conn, device, keys.public_text(self.agent.key), "hengkang")

    def fill(self) -> Plant:
        """Readings that wait in the spool, in BATCHES batches, before the agent is started."""
        spool = open_spool(self.path, self.agent.device, self.agent.key, Limits(max_rows=ROWS_EACH))
        spool.catalogue([Point("heads", "n", "heads", PointKind.GAUGE)])
        rows = Rows.empty()
        for i in range(BATCHES * ROWS_EACH):
            rows.append(0, now_us(), float(i))
        spool.append(rows)
        spool.seal_due(ClockState("unknown"), everything=True)
        spool.close()
        self.expected += rows.value
        return self

    def drop(self, *values: float) -> None:
        """One more file."""
        lines = [f"2026-03-01T08:00:00+08:00,{value}" for value in values]
        name = f"{next(_numbers)}.csv"
        draft = self.agent.folder / name
        draft.write_text("\n".join(["t,n", *lines]))
        draft.replace(self.agent.folder / "drop" / name)
        self.expected += values

    @property
    def path(self) -> Path:
        return self.agent.folder / "spool.sqlite"

    def spooled(self) -> set[int]:
        """The sequences in the spool's file."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            return {sequence for (sequence,) in db.execute("SELECT sequence FROM batch")}

    def ask(self, query: str) -> list[tuple]:
        with connect(self.site.url) as conn:
            return conn.execute(query, {"device": self.agent.device}).fetchall()

    def ledger(self) -> set[int]:
        return {sequence for (sequence,) in self.ask("SELECT sequence FROM telemetry.batch WHERE device = %(device)s")}

    def stored(self) -> list[float]:
        query = """SELECT r.value FROM telemetry.reading AS r JOIN telemetry.batch AS b ON b.id = r.batch_id
                   WHERE b.device = %(device)s"""
        return sorted(value for (value,) in self.ask(query))

    def codes(self) -> set[str]:
        query = "SELECT code FROM telemetry.quarantine WHERE topic_device = %(device)s"
        return {code for (code,) in self.ask(query)}

    def assert_nothing_is_between(self) -> None:
        """Every batch that was made is in the spool, or was in the ledger by the time it had left the spool."""
        spooled = self.spooled()
        known = spooled | self.ledger()
        assert known == set(range(max(known) + 1))

    def assert_all_is_stored_once(self) -> None:
        wait_for(lambda: len(self.stored()) >= len(self.expected), "every reading in the database", 90)
        wait_for(lambda: not self.spooled(), "an empty spool")
        assert self.stored() == sorted(self.expected)
        assert self.codes() == set()


@pytest.fixture
def site(database: str, uplink_broker: MosquittoBroker, authority: Authority, tmp_path: Path) -> Iterator[Site]:
    """A migrated database; its worker, not started yet, listens to the broker, and to HTTPS for known clients only."""
    with connect(database) as conn:
        migrate(conn)
    listen, certs = f"127.0.0.1:{free_port()}", authority.folder
    tls = {"cert_file": certs / "server.pem", "key_file": certs / "server.key", "client_ca_file": certs / "ca.pem"}
    http = {"listen": listen, **{key: str(path) for key, path in tls.items()}}
    made = Site(tmp_path, database, uplink_broker, more=f"http: {json.dumps(http)}")
    made.https = f"https://{listen}"
    yield made
    made.stop_workers()


@pytest.fixture
def make_plant(site: Site, uplink_broker: MosquittoBroker, tmp_path: Path) -> Iterator[Callable[[], Plant]]:
    with ExitStack() as stack:

        def make() -> Plant:
            plant = Plant(site, tmp_path, uplink_broker)
            stack.callback(plant.agent.close)
            return plant

        yield make


@pytest.fixture
def plant(make_plant: Callable[[], Plant]) -> Plant:
    return make_plant()


def test_a_broker_killed_with_messages_under_way_loses_and_doubles_nothing(
    plant, site, uplink_broker: MosquittoBroker, supervisor: Supervisor
):
    site.start_worker()
    plant.fill().agent.start()
    for share in (0.2, 0.6):
        wait_for(lambda share=share: len(plant.ledger()) > share * BATCHES, "batches under way")
        uplink_broker.kill()
        plant.assert_nothing_is_between()
        plant.drop(share, -share)
        uplink_broker.start(supervisor)
    plant.assert_all_is_stored_once()


def test_while_ingest_is_away_everything_stays_and_then_everything_arrives(plant, site):
    plant.fill().agent.start()
    wait_for(lambda: plant.agent.status().uplink.undelivered, "the broker says that nobody listens")
    away_until = time.monotonic() + ABSENT_S
    while time.monotonic() < away_until:
        plant.drop(time.monotonic())
        plant.assert_nothing_is_between()
        time.sleep(0.5)  # the pace at which the plant measures
    assert plant.ledger() == set()
    site.start_worker()
    plant.assert_all_is_stored_once()


def test_what_the_access_list_denies_stays_until_it_is_allowed(plant, site, uplink_broker: MosquittoBroker):
    """The broker lets another device in; what it publishes as this one is acknowledged, and dropped."""
    site.start_worker()
    agent, other = plant.fill().agent, f"{plant.agent.device}-other"
    right = agent.config["uplink"]
    password = agent.folder / "other.password"
    password.write_text(uplink_broker.add_device(other))
    password.chmod(0o600)
    wrong = {"mqtt": f"mqtt://{other}@127.0.0.1:{uplink_broker.port}", "password_file": password.name}
    agent.config["uplink"] = right | wrong
    agent.start()
    wait_for(lambda: "does not let us read" in agent.log or "not delivered" in agent.log, "the refusal shows")
    assert plant.spooled() == set(range(BATCHES + 1))
    agent.kill()
    agent.config["uplink"] = right
    agent.start()
    plant.assert_all_is_stored_once()


def test_over_https_a_killed_ingest_loses_and_doubles_nothing(plant, site, authority: Authority):
    """Both sides show a certificate, as in production."""
    worker = site.start_worker()
    certificate = authority.client(plant.agent.device)
    files = {"ca_file": certificate.with_name("ca.pem"), "cert_file": certificate}
    files["key_file"] = certificate.with_suffix(".key")
    plant.agent.config["uplink"] = {"https": site.https, **{key: str(path) for key, path in files.items()}}
    plant.fill().agent.start()
    for share in (0.2, 0.6):
        wait_for(lambda share=share: len(plant.ledger()) > share * BATCHES, "batches under way")
        worker.kill()
        worker.wait()
        plant.assert_nothing_is_between()
        plant.drop(share, -share)
        worker = site.start_worker()
    plant.assert_all_is_stored_once()


def test_a_heartbeat_and_the_measured_clock_reach_the_ledger(plant, site):
    site.start_worker()
    plant.agent.config["uplink"] |= {"heartbeat_s": 1}
    plant.agent.start()
    query = """SELECT clock_offset_us FROM telemetry.batch
               WHERE device = %(device)s AND kind = 'heartbeat' AND clock_offset_us IS NOT NULL"""
    wait_for(lambda: plant.ask(query), "a heartbeat with an offset")
    ((offset_us, *_), *_) = plant.ask(query)
    assert abs(offset_us) < 1_000_000 * DEADLINE_S  # one clock on both sides; the error is half a round trip
    assert plant.codes() == set()


# ---- tampering, and how ingest calls it


def test_a_tampered_spool_is_told_as_a_bad_signature(plant, site):
    """Whoever changes a batch can mend the spool's own hash of it, but not the signature."""
    plant.fill()
    with closing(sqlite3.connect(plant.path)) as db, db:
        (data,) = db.execute("SELECT data FROM batch WHERE sequence = 3").fetchone()
        changed = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
        sha256 = hashlib.sha256(changed).digest()
        db.execute("UPDATE batch SET data = ?, sha256 = ? WHERE sequence = 3", (changed, sha256))
    site.start_worker()
    plant.agent.start()
    wait_for(lambda: plant.codes() == {"bad_signature"}, "the reason code")
    wait_for(lambda: "sequence=3 code=bad_signature" in plant.agent.log, "the agent says so")
    assert {3} <= plant.spooled()


def test_a_key_that_nobody_registered_is_told_as_unknown(plant, site):
    plant.agent.key = keys.generate(plant.agent.folder / "swapped.key")
    plant.agent.config["signing_key"] = "swapped.key"
    plant.fill()
    site.start_worker()
    plant.agent.start()
    wait_for(lambda: plant.codes() == {"unknown_key"}, "the reason code")
    wait_for(lambda: "unknown_key" in plant.agent.log, "the agent says so")
    assert plant.stored() == []
    assert plant.spooled() == set(range(BATCHES + 1))


def test_a_spool_copied_to_a_second_machine_is_told_as_a_conflict_and_the_second_agent_raises_the_alarm(
    plant, make_plant, site
):
    site.start_worker()
    plant.drop(1.0)
    plant.agent.start()
    wait_for(lambda: plant.stored() == [1.0] and not plant.spooled(), "the first reading")
    assert plant.agent.stop() == 0
    copy = make_plant()
    shutil.rmtree(copy.agent.folder)
    shutil.copytree(plant.agent.folder, copy.agent.folder)
    copy.agent.device, copy.agent.config = plant.agent.device, plant.agent.config
    plant.drop(2.0)
    plant.agent.start()
    wait_for(lambda: plant.stored() == [1.0, 2.0], "the first machine goes on")
    plant.agent.stop()
    copy.drop(3.0)
    copy.agent.start()
    wait_for(lambda: plant.codes() == {"conflict"}, "the reason code")
    wait_for(lambda: "a copied spool or key?" in copy.agent.status().uplink.alarm, "the second agent's alarm")
    assert plant.stored() == [1.0, 2.0]
