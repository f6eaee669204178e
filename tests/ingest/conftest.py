"""A migrated database on each tier, and what the tests ask of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.postgres import PostgresServer
from ingest import register
from ingest.admission import Arrival
from ingest.database import Connection, connect
from ingest.migrate import migrate
from ingest.tier import equip
from ingest.writer import Outcome, write_group
from tests.ingest.builders import Device, now_us
from tests.ingest.site import Site

_numbers = itertools.count(1)


@pytest.fixture(params=["timescale", "plain"])
def tier_database(request: pytest.FixtureRequest) -> str:
    """An empty database, once with TimescaleDB to hand and once without."""
    return request.getfixturevalue("database" if request.param == "timescale" else "plain_database")


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest) -> Callable[[str], tuple[PostgresServer, str]]:
    """By tier, its server and a migrated database there to be cloned, which is faster than to migrate anew."""
    made: dict[str, tuple[PostgresServer, str]] = {}

    def of(tier: str) -> tuple[PostgresServer, str]:
        if tier not in made:
            server = request.getfixturevalue("postgres" if tier == "timescale" else "plain_postgres")
            with connect(server.create_database("ingest_template")) as conn:
                migrate(conn)
                equip(conn)
            made[tier] = server, "ingest_template"
        return made[tier]

    return of


@pytest.fixture(params=["timescale", "plain"])
def migrated(request: pytest.FixtureRequest, template: Callable[[str], tuple[PostgresServer, str]]) -> Iterator[str]:
    """A migrated database of its own for each test, on each tier."""
    server, name = template(request.param)
    clone = f"ingest_{next(_numbers)}"
    yield server.create_database(clone, template=name)
    server.drop_database(clone)


@pytest.fixture
def db(migrated: str) -> Iterator[Connection]:
    with connect(migrated) as conn:
        yield conn


@pytest.fixture
def device(db: Connection) -> Device:
    """An enrolled device."""
    made = Device()
    register.enroll(db, made.name, made.public_key, "hengkang")
    return made


Deliver = Callable[..., Outcome]


@pytest.fixture
def deliver(db: Connection) -> Deliver:
    """Write batches as one group, as if they came on the topic of `topic_device`."""

    def write(*batches: bytes, topic_device: str = "potline-1", **options: object) -> Outcome:
        options = {"received_at_us": now_us(), **options}
        return write_group(db, [Arrival.of(topic_device, data) for data in batches], **options)

    return write


@pytest.fixture
def new_site(uplink_broker: MosquittoBroker, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes the site of a database; its workers end with the test, also with one that fails."""
    made: list[Site] = []

    def make(url: str, **options: str) -> Site:
        made.append(Site(tmp_path, url, uplink_broker, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop_workers()


@pytest.fixture
def site(database: str, new_site: Callable[..., Site]) -> Site:
    """A site with an empty database that has its tables."""
    with connect(database) as conn:
        migrate(conn)
    return new_site(database)
