"""The worker on a real broker and a real database: what was acknowledged is committed, whoever is killed when."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from ingest import rebuild
from ingest.database import connect
from ingest.migrate import migrate
from tests.ingest.builders import DEADLINE_S, POINTS, START_US, Device, compared, until
from tests.ingest.site import Agent, Site, stored
from verification import ack
from verification.batch import Catalogue


def test_the_acknowledgement_comes_after_the_commit_and_says_how_far(site):
    device = Device("service-a")
    site.start_worker()
    with site.agent(device) as agent:
        sent = device.chain(4)
        said = site.until_settled(agent, sent, through=3)
    assert (said.device, said.epoch, said.sha256) == (device.name, START_US, device.header.previous)
    assert stored(site, device) == sent
    assert rebuild.compare(site.url).readings == 30


def test_an_agent_that_asks_is_told_how_far_its_chain_is_settled(site):
    device = Device("service-b")
    site.start_worker()
    with site.agent(device) as agent:
        agent.ask()
        assert site.opened(agent.heard.get(timeout=DEADLINE_S)).through == ack.NOTHING_SETTLED
        site.until_settled(agent, device.chain(2), through=1)
        agent.ask()
        assert site.opened(agent.heard.get(timeout=DEADLINE_S)).through == 1


def test_a_sync_that_is_not_eight_bytes_and_an_unknown_device_are_not_answered(site):
    device, stranger = Device("service-c"), Agent(site.broker, "service-stranger")
    site.start_worker()
    with site.agent(device) as agent:
        stranger.ask()
        agent.send(b"1234567", what="sync")
        agent.ask(epoch=5)
        assert site.opened(agent.heard.get(timeout=DEADLINE_S)).epoch == 5
        assert agent.heard.empty()
        assert stranger.heard.empty()
    stranger.close()


def test_one_device_cannot_send_as_another(site):
    victim, thief = Device("service-victim"), Device("service-thief", seed=2)
    site.start_worker()
    with site.agent(victim), site.agent(thief) as agent:
        agent.send(victim.seal(Catalogue(POINTS)), device=victim.name)  # the broker's ACL drops it
        agent.send(victim.seal(Catalogue(POINTS)))  # on its own topic, where ingest sees whose it is
        said = site.opened(agent.heard.get(timeout=DEADLINE_S))
        assert [refusal.code for refusal in said.refused] == ["device_mismatch"]
    assert stored(site, victim) == []


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_stops_in_the_middle_loses_and_doubles_nothing(site, stop):
    device = Device("service-kill")
    worker = site.start_worker()
    with site.agent(device) as agent:
        sent = device.chain(60, rows_each=2000)
        for data in sent:
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        agent.heard.get(timeout=DEADLINE_S)  # it is in the midst of it
        worker.send_signal(stop)
        assert worker.wait(DEADLINE_S) == (-signal.SIGKILL if stop == signal.SIGKILL else 0)
        site.start_worker()
        site.until_settled(agent, sent, through=59)
    assert stored(site, device) == sent
    assert compared(site.url) == (59, 59 * 2000, None)


def test_two_workers_on_one_device_store_each_batch_once(site):
    device = Device("service-two")
    site.start_worker()
    site.start_worker()
    with site.agent(device) as agent:
        sent = device.chain(60, rows_each=200)
        for data in [*sent, *sent]:
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        site.until_settled(agent, sent, through=59)
    assert stored(site, device) == sent
    assert compared(site.url) == (59, 59 * 200, None)


def test_a_database_killed_and_started_again_loses_nothing(
    postgres: PostgresServer, supervisor: Supervisor, new_site: Callable[[str], Site]
):
    url = postgres.create_database("killed_under_ingest")
    with connect(url) as conn:
        migrate(conn)
    site, device = new_site(url), Device("service-database")
    worker = site.start_worker()
    with site.agent(device) as agent:
        sent = device.chain(40, rows_each=2000)
        for data in sent[:30]:
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        agent.heard.get(timeout=DEADLINE_S)
        postgres.kill()
        for data in sent[30:]:  # whatever was committed by now, these cannot be
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        until(lambda: site.said("database") > 1)
        postgres.start(supervisor)
        site.until_settled(agent, sent, through=39)
    worker.terminate()
    assert worker.wait(DEADLINE_S) == 0
    assert stored(site, device) == sent
    assert compared(url) == (39, 39 * 2000, None)
    postgres.drop_database("killed_under_ingest")


def test_a_worker_refuses_a_database_without_its_tables(database, new_site):
    site = new_site(database)
    worker = site.start_worker(wait=False)
    assert worker.wait(DEADLINE_S) != 0
    assert site.said("retroproof db migrate") == 1


def test_a_broker_that_is_killed_loses_nothing_that_was_acknowledged(
    site: Site, uplink_broker: MosquittoBroker, supervisor: Supervisor
):
    device = Device("service-broker")
    site.start_worker()
    with site.agent(device) as agent:
        sent = device.chain(30, rows_each=200)
        for data in sent:
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        agent.heard.get(timeout=DEADLINE_S)
        ready = site.said("ready")
        uplink_broker.kill()
        uplink_broker.start(supervisor)
        until(lambda: site.said("ready") > ready)
        until(agent.client.is_connected)  # paho refuses to wait for what was published before
        site.until_settled(agent, sent, through=29)
    assert stored(site, device) == sent


def test_a_worker_does_not_begin_on_the_tables_of_another_release(database, new_site):
    site = new_site(database)
    assert site.start_worker(wait=False).wait(DEADLINE_S) == 1
    assert site.said("make them with: retroproof db migrate") == 1
    with connect(database) as conn:
        migrate(conn)
        conn.execute("INSERT INTO telemetry.schema_migration (version, name, sha256) VALUES (9999, 'of_tomorrow', '')")
    assert site.start_worker(wait=False).wait(DEADLINE_S) == 1
    assert site.said("install the newer release") == 1
