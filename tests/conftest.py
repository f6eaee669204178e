"""The real servers that the tests run against: one set per session, on free loopback ports, gone at the end.

Nothing starts until a test asks for it. `database` is a fresh empty database for one test; the migrations make the
extension and the tables.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.postgres import PostgresServer
from deploy.local.process import Supervisor
from deploy.local.servers import Servers
from deploy.pki.authority import Authority
from tests.support.chosen import chosen_servers
from tests.support.plain import without_timescaledb

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of the whole stack: they take longest, and the workers should end together."""
    items.sort(key=lambda item: "integration" not in item.path.parts)


@pytest.fixture(scope="session")
def servers() -> Servers:
    """PostgreSQL and Mosquitto as `make demo` would find or fetch them; must have TimescaleDB."""
    found = chosen_servers()
    assert found.tier == "timescale", "the storage tests need TimescaleDB; see: retroproof doctor"
    return found


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder that an unprivileged server can enter, unlike pytest's own; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="retroproof-tests-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def supervisor(session_folder: Path) -> Iterator[Supervisor]:  # noqa: ARG001 - servers stop before their folder goes
    """Runs the servers of the session and stops what is left of them at the end."""
    with Supervisor() as running:
        yield running


@pytest.fixture(scope="session")
def postgres(servers: Servers, session_folder: Path, supervisor: Supervisor) -> PostgresServer:
    """A cluster with TimescaleDB preloaded; fast, not durable. May be killed and started again by a test."""
    server = PostgresServer(servers, session_folder / "postgres", fast=True)
    server.start(supervisor)
    return server


@pytest.fixture(scope="session")
def plain_postgres(servers: Servers, session_folder: Path, supervisor: Supervisor) -> PostgresServer:
    """A cluster of a PostgreSQL that has no TimescaleDB to offer: the plain tier."""
    plain = without_timescaledb(servers, session_folder / "plain")
    server = PostgresServer(plain, session_folder / "plain-postgres", fast=True)
    server.start(supervisor)
    return server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database with TimescaleDB to hand, dropped after the test."""
    yield from _one_database(postgres)


@pytest.fixture
def plain_database(plain_postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database on the plain tier, dropped after the test."""
    yield from _one_database(plain_postgres)


@pytest.fixture(scope="session")
def uplink_broker(servers: Servers, session_folder: Path, supervisor: Supervisor) -> MosquittoBroker:
    """The broker between plants and platform: user `ingest`, and devices as a test adds them with `add_device`."""
    broker = MosquittoBroker(servers, session_folder / "uplink", "uplink")
    broker.start(supervisor)
    return broker


@pytest.fixture(scope="session")
def authority(session_folder: Path) -> Authority:
    """A certificate authority with a certificate for a server on loopback; make clients with `authority.client`."""
    made = Authority.create(session_folder / "pki", "Test authority")
    made.server("server", ["127.0.0.1", "localhost"])
    return made


@pytest.fixture(scope="session")
def platform(authority: Authority) -> Authority:
    """The authority of the platform's own certificates, with one for `ingest`, where the uplink looks for it."""
    made = Authority.create(authority.folder / "platform", "Test platform")
    made.client("ingest")
    return made


@pytest.fixture(scope="session")
def mtls_broker(
    servers: Servers,
    session_folder: Path,
    supervisor: Supervisor,
    authority: Authority,
    platform: Authority,  # noqa: ARG001 - the broker reads its files
) -> MosquittoBroker:
    """The uplink as in production: both sides show a certificate of `authority`; a client is who its own says.

    The platform comes by `platform_port`, with a certificate of `platform`.
    """
    broker = MosquittoBroker(servers, session_folder / "mtls", "uplink", certificates=authority.folder)
    broker.start(supervisor)
    return broker


@pytest.fixture(scope="session")
def plant_broker(servers: Servers, session_folder: Path, supervisor: Supervisor) -> MosquittoBroker:
    """The plant's own broker: users `gate` and `edge`."""
    broker = MosquittoBroker(servers, session_folder / "plant", "plant")
    broker.start(supervisor)
    return broker


def _one_database(server: PostgresServer) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield server.create_database(name)
    server.drop_database(name)
