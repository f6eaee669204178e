"""A migrated database on each tier, and what the tests ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ingest import register
from ingest.admission import Arrival
from ingest.database import Connection, connect
from ingest.migrate import migrate
from ingest.writer import Outcome, write_group
from tests.ingest.builders import Device, now_us


@pytest.fixture(params=["timescale", "plain"])
def tier_database(request: pytest.FixtureRequest) -> str:
    """An empty database, once with TimescaleDB to hand and once without."""
    return request.getfixturevalue("database" if request.param == "timescale" else "plain_database")


@pytest.fixture
def migrated(tier_database: str) -> str:
    with connect(tier_database) as conn:
        migrate(conn)
    return tier_database


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
