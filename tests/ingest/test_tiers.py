"""The same answers on every tier: the same batches into a database of each, and everything that can be asked of it.

The server with TimescaleDB is the one that the session runs on, so with RETROPROOF_TEST_POSTGRES (docs/reference/
database.md) this compares the Community tier, its compressed chunks and its continuous aggregate with plain tables.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import random
import re

import pytest

from ingest import read, rebuild, register, tier
from ingest.admission import Arrival
from ingest.buckets import BUCKET_US, counter_deltas, coverage_by_day
from ingest.database import Connection, connect
from ingest.export import Format, export
from ingest.gateway.config import GatewayFile, PointFile
from ingest.gateway.messages import Kept, Reading
from ingest.gateway.read import load_window
from ingest.gateway.store import register as register_gateways
from ingest.gateway.store import store
from ingest.tier import Tier
from ingest.writer import write_group
from tests.ingest.builders import POINTS, START_US, Device, now_us
from verification import batch
from verification.model import PointKind, Rows

DAYS = 40
WINDOW = START_US, START_US + DAYS * 96 * BUCKET_US
LAST = 30  # batches that come when the rest has been compressed and aggregated


def batches(seed: int) -> list[bytes]:
    """40 days of two points: a counter with resets and a gauge, at irregular times, with ties and bad readings."""
    generator = random.Random(seed)
    device = Device()
    sealed = [device.seal(batch.Catalogue(POINTS))]
    value = 0.0
    for n in range(300):
        made = Rows.empty()
        for _ in range(40):
            time_us = START_US + (n * 40 + generator.randrange(60)) * DAYS * 86_400_000_000 // 12_100
            value = 0.0 if generator.random() < 0.005 else value + generator.choice([0, 1, 2.5])
            status = generator.choice([0, 0, 0, 0x80000000])
            made.append(0, time_us, value, status=status)
            made.append(1, time_us, generator.gauss(100, 5), flags=generator.randrange(3))
        sealed.append(device.seal(made))
    readings = sealed[1:]
    generator.shuffle(readings)
    return [sealed[0], *readings]


def fill(conn: Connection, sealed: list[bytes]) -> None:
    """Write the batches; on the Community tier aggregate and compress before the last ones come."""
    register.enroll(conn, Device().name, Device().public_key, "hengkang")
    write_group(conn, [Arrival.of(Device().name, data) for data in sealed[:-LAST]], received_at_us=now_us())
    if tier.detect(conn) is Tier.COMMUNITY:
        conn.execute("CALL refresh_continuous_aggregate('telemetry.reading_15min', NULL, now())")
        conn.execute("SELECT compress_chunk(c) FROM show_chunks('telemetry.reading') AS c")
    write_group(conn, [Arrival.of(Device().name, data) for data in sealed[-LAST:]], received_at_us=now_us())


def answers(url: str) -> dict[str, object]:
    """Everything that can be asked, as plain values."""
    device, names = Device().name, [point.name for point in POINTS]
    with connect(url) as conn:
        window = read.load_window(conn, device, names, *WINDOW)
        deltas = counter_deltas(conn, device, names[0], *WINDOW)
        exported = io.BytesIO()
        export(conn, exported, Format.CSV, device)
        return {
            "window": {
                name: [getattr(c, f.name).tolist() for f in dataclasses.fields(c)] for name, c in window.items()
            },
            "deltas": [getattr(deltas, field.name).tolist() for field in dataclasses.fields(deltas)],
            "days": coverage_by_day(conn, device, *WINDOW, "Asia/Shanghai"),
            "coverage": read.coverage(conn, device),
            "heads": read.heads(conn, device),
            "batches": [one.sha256 for one in read.batches(conn, device, end_us=WINDOW[0] + BUCKET_US)],
            "export": exported.getvalue(),
            "reading_15min": conn.execute("SELECT * FROM telemetry.reading_15min ORDER BY point_id, bucket").fetchall(),
            "rebuild": rebuild.compare(url),
        }


def test_every_tier_gives_the_same_answers(template, request):
    sealed = batches(seed=7)
    found = {}
    for kind in ("timescale", "plain"):
        server, name = template(kind)
        url = server.create_database(f"tiers_{kind}", template=name)
        request.addfinalizer(lambda server=server, kind=kind: server.drop_database(f"tiers_{kind}"))
        with connect(url) as conn:
            fill(conn, sealed)
            kept, compresses = tier.storage(conn)["compression"], tier.detect(conn) is Tier.COMMUNITY
        assert re.search(r"\d+ chunks in 1/\d+\.\d of their room" if compresses else "not offered", kept)
        found[kind] = answers(url)
    for question, answer in found["timescale"].items():
        assert answer == found["plain"][question], question
    assert found["plain"]["rebuild"].readings == 300 * 80
    assert len(found["plain"]["reading_15min"]) > 1000


def test_what_gateways_repeat_after_a_chunk_was_compressed_is_stored_once_on_every_tier(db):
    """QoS 1 may repeat a message weeks later; compressed chunks must know what they hold."""
    point = PointFile("kW", PointKind.GAUGE, topic="p")
    ids = register_gateways(db, {"gw": GatewayFile("hengkang", {"p": point})})
    received_at = dt.datetime.now(dt.UTC)
    sent = [Reading("gw", "p", START_US + n * BUCKET_US, n / 4, 0) for n in range(3_000)]
    assert store(db, Kept(readings=sent), ids, received_at) == 3_000
    if tier.detect(db) is Tier.COMMUNITY:
        assert db.execute(
            "SELECT count(compress_chunk(c)) FROM show_chunks('telemetry.transport_reading') AS c"
        ).fetchone() == (5,)
    late = Reading("gw", "p", START_US + 1, 7.0, 0)
    other_value = Reading("gw", "p", START_US, -1.0, 0)
    assert store(db, Kept(readings=[*sent[::100], late, other_value]), ids, received_at) == 2
    columns = load_window(db, "gw", ["p"])["p"]
    wanted = sorted((one.time_us, one.value) for one in [*sent, late, other_value])
    assert list(zip(columns.time_us.tolist(), columns.value.tolist(), strict=True)) == wanted


@pytest.mark.parametrize("kind", ["timescale", "plain"])
def test_status_says_how_the_readings_are_kept(template, kind):
    server, name = template(kind)
    with connect(server.url(name)) as conn:
        kept = tier.storage(conn)
        expected = {Tier.COMMUNITY: "continuous aggregate", Tier.APACHE: "view", Tier.PLAIN: "view"}
        assert kept["reading_15min"] == expected[tier.detect(conn)]
        assert ("hypertable" in kept["readings table"]) is (kind == "timescale")
