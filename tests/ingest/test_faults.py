"""What goes wrong around ingest: nothing is lost, the log says plainly what it is, and it works again by itself."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from psycopg import sql

from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.local.servers import Servers
from ingest.admission import MAX_CLOCK_LEAD_US
from ingest.clock import STEP_US, SteadyClock
from ingest.config import load_config
from ingest.database import connect
from ingest.health import Health
from ingest.inbox import MAX_UNACKNOWLEDGED
from ingest.intake import MAX_ITEMS, Asked, Intake
from ingest.migrate import migrate
from ingest.service import Worker
from tests.bench.load import ROWS, seal_batches
from tests.ingest.builders import DEADLINE_S, Device, compared, now_us, until
from tests.ingest.site import Site, stored
from tests.support.proxy import Proxy

# A file of the server may not grow past this: above a segment of its log (16 MiB), below what the test stores.
FULL_BYTES = str(17 << 20)
UNLIMITED = "unlimited"


@pytest.fixture
def own_postgres(servers: Servers, session_folder: Path, supervisor: Supervisor) -> Iterator[PostgresServer]:
    """A server that a test may starve."""
    server = PostgresServer(servers, session_folder / "starved", fast=True)
    server.start(supervisor)
    yield server
    server.stop()


def made(server: PostgresServer, name: str) -> str:
    url = server.create_database(name)
    with connect(url) as conn:
        migrate(conn)
    return url


def through(url: str, proxy: Proxy) -> str:
    return re.sub(r":\d+/", f":{proxy.port}/", url)


def test_a_full_disk_holds_everything_up_and_loses_nothing(own_postgres: PostgresServer, new_site: Callable[..., Site]):
    """Full for the server is a file that cannot grow: PostgreSQL takes the two for the same, on purpose."""
    site = new_site(made(own_postgres, "full"))
    device = Device("faults-full")
    with site.agent(device) as agent, connect(site.url) as conn:
        sent = seal_batches(conn, device.name, 60, key=device.key)
        limit(own_postgres, FULL_BYTES)
        site.start_worker()
        for data in sent:
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        until(lambda: site.said("could not extend file") > 0)
        assert len(stored(site, device)) < len(sent)
        limit(own_postgres, UNLIMITED)
        site.until_settled(agent, sent, through=len(sent) - 1)
    assert stored(site, device) == sent
    assert compared(site.url) == (60, 60 * ROWS, None)


def limit(server: PostgresServer, most_bytes: str) -> None:
    """Let no file grow past `most_bytes` through a connection that the server takes from now on."""
    command = ["prlimit", "--pid", str(server.pid), f"--fsize={most_bytes}:unlimited"]
    # By the server's own account: not every root may set the limits of another's processes.
    subprocess.run(command, check=True, **server._account.drop())


def test_a_database_that_is_not_there_yet_is_waited_for(
    own_postgres: PostgresServer, supervisor: Supervisor, new_site: Callable[..., Site]
):
    site, device = new_site(made(own_postgres, "late")), Device("faults-late")
    with site.agent(device) as agent:
        own_postgres.stop()
        site.start_worker(wait=False)
        until(lambda: site.said("database not reachable") > 0)
        own_postgres.start(supervisor)
        until(lambda: site.said("ready") > 0)
        sent = device.chain(3)
        site.until_settled(agent, sent, through=2)
    assert stored(site, device) == sent


def test_a_server_that_is_restarted_in_good_order_loses_nothing(
    own_postgres: PostgresServer, supervisor: Supervisor, new_site: Callable[..., Site]
):
    site, device = new_site(made(own_postgres, "restarted")), Device("faults-restarted")
    site.start_worker()
    with site.agent(device) as agent:
        sent = device.chain(60, rows_each=2000)
        for data in sent:
            agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
        agent.heard.get(timeout=30)
        own_postgres.stop()
        until(lambda: site.said("ERROR") > 0)
        own_postgres.start(supervisor)
        site.until_settled(agent, sent, through=59)
    assert stored(site, device) == sent
    assert compared(site.url) == (59, 59 * 2000, None)


def test_a_slow_database_is_fed_at_its_own_pace(database, postgres: PostgresServer, new_site: Callable[..., Site]):
    """The broker holds what the worker cannot take: it is never told more than the receive maximum."""
    with connect(database) as conn:
        migrate(conn)
    device = Device("faults-slow")
    with Proxy(postgres.port).running() as proxy:
        proxy.delay_s = 0.01
        site = new_site(database, worker_url=through(database, proxy))
        site.start_worker()
        with site.agent(device) as agent:
            sent = device.chain(20, rows_each=2000)
            site.until_settled(agent, sent, through=19)
        site.stop_workers()
    assert stored(site, device) == sent
    assert compared(site.url) == (19, 19 * 2000, None)


def test_a_worker_that_cannot_write_holds_no_more_than_it_may(database, new_site: Callable[..., Site]):
    """The rest waits at the broker; once the database takes rows again, all of it comes."""
    with connect(database) as conn:
        migrate(conn)
    site, device = new_site(database, more="watch: 127.0.0.1:0"), Device("faults-held")
    site.start_worker()
    (address,) = re.findall(r"listening: (http://\S+)", site.log.read_text())
    with site.agent(device) as agent:
        sent = device.chain(2 * MAX_UNACKNOWLEDGED)
        with connect(database) as other, other.transaction():
            other.execute("LOCK TABLE telemetry.reading IN ACCESS EXCLUSIVE MODE")
            for data in sent:
                agent.send(data)  # returns when the broker has it
            held = figure(address, "retroproof_ingest_waiting")
            assert 0 < held <= MAX_UNACKNOWLEDGED
            assert httpx.get(f"{address}/healthz").status_code == 200
        site.until_settled(agent, sent, through=len(sent) - 1)
    assert stored(site, device) == sent


def test_what_devices_send_at_qos_0_leaves_room_for_what_the_broker_waits_to_hear_of(
    database, new_site: Callable[..., Site]
):
    """A batch that is dropped comes again, but only when its agent has waited long enough."""
    with connect(database) as conn:
        migrate(conn)
    site, device, loud = new_site(database), Device("faults-room"), Device("faults-loud", seed=2)
    site.start_worker()
    with site.agent(device) as agent, site.agent(loud) as flood:
        sent = device.chain(MAX_UNACKNOWLEDGED + 20)
        with connect(database) as other, other.transaction():
            other.execute("LOCK TABLE telemetry.device IN ACCESS EXCLUSIVE MODE")
            for n in range(2 * MAX_ITEMS):
                flood.client.publish(f"plant/{loud.name}/batch", b"%d" % n, qos=0).wait_for_publish(DEADLINE_S)
            until(lambda: site.said("queue full") > 0)
            for data in sent:
                agent.send(data)
        site.until_settled(agent, sent[:1], through=len(sent) - 1)
    assert stored(site, device) == sent


def test_a_worker_that_had_to_drop_batches_hears_them_when_they_come_again(
    database, new_site: Callable[..., Site], caplog
):
    with connect(database) as conn:
        migrate(conn)
    site, device, stop = new_site(database), Device("faults-dropped"), threading.Event()
    health, intake = Health(), Intake(max_items=MAX_UNACKNOWLEDGED)
    worker = threading.Thread(target=Worker(load_config(site.config), stop, intake, health).run, daemon=True)
    worker.start()
    until(lambda: health.broker)
    with site.agent(device) as agent:
        sent = device.chain(2 * MAX_UNACKNOWLEDGED)
        with connect(database) as other, other.transaction():
            other.execute("LOCK TABLE telemetry.device IN ACCESS EXCLUSIVE MODE")
            asked = Asked("nobody", (0,), None, lambda _: None)
            intake.offer(asked)
            until(lambda: len(intake) == 0)  # it is in the worker's hand, and all that follows waits
            while intake.offer(asked):
                pass
            for data in sent:
                agent.send(data)
            until(lambda: caplog.text.count("queue full") >= MAX_UNACKNOWLEDGED)
        site.until_settled(agent, sent, through=len(sent) - 1)
    stop.set()
    worker.join(DEADLINE_S)
    assert stored(site, device) == sent


def figure(address: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{address}/metrics").text, re.MULTILINE)
    return float(found[1])


def test_a_statement_that_takes_too_long_fails_and_its_group_is_tried_again(database, new_site: Callable[..., Site]):
    with connect(database) as conn:
        migrate(conn)
    site, device = new_site(database, more="statement_timeout_s: 1"), Device("faults-timeout")
    site.start_worker()
    with site.agent(device) as agent:
        sent = device.chain(3)
        with connect(database) as other, other.transaction():
            other.execute("LOCK TABLE telemetry.reading IN ACCESS EXCLUSIVE MODE")
            for data in sent:
                agent.send(data)
            until(lambda: site.said("canceling statement due to") > 1)
        site.until_settled(agent, sent, through=2)
    assert stored(site, device) == sent
    assert compared(site.url) == (2, 20, None)


def test_a_database_that_became_a_standby_is_waited_for_until_one_takes_writes_again(site):
    device = Device("faults-standby")
    site.start_worker()
    with site.agent(device) as agent, connect(site.url) as conn:
        sent = device.chain(3)
        name = sql.Identifier(conn.info.dbname)
        conn.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for data in sent:
            agent.send(data)
        until(lambda: site.said("in a read-only transaction") > 1)
        conn.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
        site.until_settled(agent, sent, through=2)
    assert stored(site, device) == sent
    assert compared(site.url) == (2, 20, None)


def test_a_connection_that_is_cut_in_the_middle_loses_and_doubles_nothing(
    database, postgres: PostgresServer, new_site: Callable[..., Site]
):
    with connect(database) as conn:
        migrate(conn)
    device = Device("faults-cut")
    with Proxy(postgres.port).running() as proxy:
        site = new_site(database, worker_url=through(database, proxy))
        site.start_worker()
        with site.agent(device) as agent:
            sent = device.chain(40, rows_each=2000)
            for round_number in range(1, 4):
                proxy.delay_s = 0.01
                for data in sent:
                    agent.client.publish(f"plant/{device.name}/batch", data, qos=1)
                agent.heard.get(timeout=30)
                proxy.cut()
                until(lambda least=round_number: site.said("the group of") >= least)
            proxy.delay_s = 0
            site.until_settled(agent, sent, through=39)
        site.stop_workers()
    assert stored(site, device) == sent
    assert compared(site.url) == (39, 39 * 2000, None)


def test_a_worker_whose_clock_is_behind_waits_for_it_instead_of_refusing_everyone(
    database, new_site: Callable[..., Site], caplog
):
    """As a machine that started without a time service: to it every agent seems to write from the future."""
    with connect(database) as conn:
        migrate(conn)
    site, device, stop = new_site(database), Device("faults-behind"), threading.Event()
    health, behind_us = Health(), [2 * MAX_CLOCK_LEAD_US]
    worker = Worker(load_config(site.config), stop, Intake(), health, lambda: now_us() - behind_us[0])
    running = threading.Thread(target=worker.run, daemon=True)
    running.start()
    until(lambda: health.broker)
    with site.agent(device) as agent:
        sent = device.chain(3)
        for data in sent:
            agent.send(data)
        until(lambda: "48.0 h behind the database's" in caplog.text)
        assert health.lacking == ["database"]
        assert stored(site, device) == []
        behind_us[0] = 0
        assert site.until_settled(agent, sent, through=2).refused == ()
    stop.set()
    running.join(DEADLINE_S)
    assert compared(site.url) == (2, 20, None)


class Clocks:
    """A wall clock that someone sets, and a monotonic one that only runs."""

    def __init__(self) -> None:
        self.wall_us, self.monotonic_us = 1_000_000_000_000, 5_000_000
        self.steady = SteadyClock(lambda: self.wall_us * 1000, lambda: self.monotonic_us * 1000)

    def run(self, microseconds: int) -> None:
        self.wall_us += microseconds
        self.monotonic_us += microseconds


def test_a_clock_that_is_set_back_does_not_take_the_worker_with_it(caplog):
    clocks = Clocks()
    begin_us = clocks.steady.now_us()
    clocks.run(10)
    clocks.wall_us -= 2 * MAX_CLOCK_LEAD_US
    assert clocks.steady.now_us() == begin_us + 10
    clocks.run(7)
    assert clocks.steady.now_us() == begin_us + 17
    assert [record.message for record in caplog.records] == [
        "the machine's clock was set back by 172800.0 s; going on without it; check its time service"
    ]
    clocks.wall_us += 2 * MAX_CLOCK_LEAD_US
    assert clocks.steady.now_us() == begin_us + 17


def test_a_clock_that_is_set_forward_is_followed_and_a_small_correction_waited_out(caplog):
    clocks = Clocks()
    begin_us = clocks.steady.now_us()
    clocks.wall_us += 500
    assert clocks.steady.now_us() == begin_us + 500
    clocks.wall_us -= STEP_US // 2
    assert clocks.steady.now_us() == begin_us + 500
    assert not caplog.records
