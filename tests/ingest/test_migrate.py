"""Migrations: the tables are what the files say, on both tiers, and nothing is applied twice or edited unseen."""

from __future__ import annotations

import datetime as dt
import importlib
import shutil
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from ingest import migrations as migration_files
from ingest.database import Connection, connect
from ingest.errors import IngestError
from ingest.migrate import migrate, migrations, pending
from ingest.retention import horizon_of
from ingest.tier import Tier, detect

SNAPSHOT = Path(__file__).with_name("schema.txt")

# Everything that a query can meet: columns, constraints, indexes, views and functions, as PostgreSQL prints them.
# TimescaleDB adds a trigger and schemas of its own, none of which are part of what we promise; what makes reading_15min
# depends on the tier, its columns do not.
DESCRIBE = """
SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type
       || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END || coalesce(' DEFAULT ' || column_default, '')
FROM information_schema.columns WHERE table_schema = 'telemetry'
UNION ALL
SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'telemetry'::regnamespace AND contype <> 'n'
UNION ALL
SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'telemetry'
UNION ALL
SELECT 'view ' || viewname || ' ' || regexp_replace(definition, '\\s+', ' ', 'g')
FROM pg_views WHERE schemaname = 'telemetry' AND viewname <> 'reading_15min'
UNION ALL
SELECT 'function ' || oid::regprocedure || ' returns ' || pg_get_function_result(oid)
FROM pg_proc WHERE pronamespace = 'telemetry'::regnamespace
ORDER BY 1
"""


def describe(url: str) -> str:
    with connect(url) as conn:
        return "".join(f"{line}\n" for (line,) in conn.execute(DESCRIBE))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two migrations for the schema `other`, as another room would have it."""
    folder = tmp_path / "other_migrations"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "0001_one.sql").write_text("CREATE TABLE other.one (n integer);")
    (folder / "0002_two.sql").write_text("CREATE TABLE other.two (n integer); INSERT INTO other.two VALUES (2);")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("other_migrations", None)


def test_the_migrated_schema_is_the_one_on_record(migrated):
    """After a change of the schema: `python -m tests.ingest.record_schema URL` records it anew."""
    assert describe(migrated) == SNAPSHOT.read_text(encoding="utf-8")


def test_the_tier_is_found_and_used(database, plain_database):
    with connect(database) as conn, connect(plain_database) as plain:
        migrate(conn)
        migrate(plain)
        assert detect(conn) in {Tier.APACHE, Tier.COMMUNITY}
        assert detect(plain) is Tier.PLAIN
        found = conn.execute("SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1").fetchall()
        assert found == [("reading",), ("transport_reading",)]


@pytest.fixture
def migrate_to(tmp_path, monkeypatch):
    """Applies our own migrations up to a number, as an older release would."""
    older = tmp_path / "older_migrations"
    older.mkdir()
    (older / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def apply(conn: Connection, version: int) -> None:
        for file in Path(migration_files.__file__).parent.glob("0*.sql"):
            if int(file.name[:4]) <= version:
                shutil.copy(file, older)
        importlib.invalidate_caches()
        migrate(conn, "older_migrations")

    yield apply
    sys.modules.pop("older_migrations", None)


def test_readings_and_a_horizon_that_were_there_before_are_counted_and_kept(tier_database, migrate_to):
    with connect(tier_database) as conn:
        migrate_to(conn, 4)
        conn.execute(
            "INSERT INTO telemetry.device (id, enterprise) VALUES ('d', 'e');"
            "INSERT INTO telemetry.point (id, device, name, address, unit, kind, meter)"
            " SELECT n, 'd', 'p' || n, '', 'kW', 'gauge', '' FROM generate_series(1, 3) AS n;"
            "INSERT INTO telemetry.reading SELECT t, t, 1, 0, 1, p, 0, 0 FROM generate_series(1, 2) AS p,"
            " generate_series('2026-01-01Z'::timestamptz, '2026-01-31Z', '1 day') AS t;"
            "INSERT INTO telemetry.horizon (dropped_before) VALUES ('2025-12-25Z')"
        )
        assert migrate(conn)[0].name == "totals"
        totals = conn.execute("SELECT * FROM telemetry.point_total ORDER BY point_id").fetchall()
        first, last = (dt.datetime(2026, 1, day, tzinfo=dt.UTC) for day in (1, 31))
        assert totals == [(1, 31, first, last), (2, 31, first, last)]
        assert horizon_of(conn) == dt.datetime(2025, 12, 25, tzinfo=dt.UTC)


def test_new_chunks_get_the_index_of_this_release_and_old_ones_keep_theirs(tier_database, migrate_to):
    insert = "INSERT INTO telemetry.reading VALUES (%s, %s, 1, 0, 1, 1, 0, 0)"
    january, march = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (1, 3))
    with connect(tier_database) as conn:
        migrate_to(conn, 5)
        conn.execute(insert, (january, january))
        migrate(conn)
        conn.execute(insert, (march, march))
        found = conn.execute(
            "SELECT reloptions FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid WHERE indrelid IN"
            " (SELECT 'telemetry.reading'::regclass UNION SELECT tableoid FROM telemetry.reading)"
            " ORDER BY indrelid <> 'telemetry.reading'::regclass, pg_class.oid"
        ).fetchall()
        options = ["deduplicate_items=off", "fillfactor=100"]
        chunks = [] if detect(conn) is Tier.PLAIN else [(None,), (options,)]
        assert found == [(options,), *chunks]


def test_a_second_run_applies_nothing(migrated):
    with connect(migrated) as conn:
        assert migrate(conn) == pending(conn) == []


def test_many_at_once_apply_each_migration_once(tier_database):
    applied = []

    def run() -> None:
        with connect(tier_database) as conn:
            applied.extend(migrate(conn))

    runs = [threading.Thread(target=run) for _ in range(4)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert applied == migrations("ingest.migrations")


def test_another_room_has_its_own_schema_and_numbers(migrated, package):
    with connect(migrated) as conn:
        assert [one.version for one in migrate(conn, "other_migrations", "other")] == [1, 2]
        (package / "0003_three.sql").write_text("CREATE TABLE other.three (n integer);")
        assert [one.name for one in pending(conn, "other_migrations", "other")] == ["three"]
        assert [one.name for one in migrate(conn, "other_migrations", "other")] == ["three"]
        assert pending(conn) == []


def test_an_edited_migration_is_refused(plain_database, package):
    with connect(plain_database) as conn:
        migrate(conn, "other_migrations", "other")
        (package / "0001_one.sql").write_text("CREATE TABLE other.one (n bigint);")
        with pytest.raises(IngestError, match=r"0001 of other .* changed since"):
            migrate(conn, "other_migrations", "other")


def test_a_database_of_a_newer_release_is_refused(plain_database, package):
    with connect(plain_database) as conn:
        migrate(conn, "other_migrations", "other")
        (package / "0002_two.sql").unlink()
        with pytest.raises(IngestError, match="newer release"):
            pending(conn, "other_migrations", "other")


def test_a_migration_that_fails_leaves_nothing(plain_database, package):
    (package / "0002_two.sql").write_text("CREATE TABLE other.two (n integer); SELECT 1 / 0;")
    with connect(plain_database) as conn:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(conn, "other_migrations", "other")
        assert conn.execute("SELECT to_regnamespace('other')").fetchone() == (None,)


@pytest.mark.parametrize("name", ["0004_hole.sql", "0002_double.sql"])
def test_numbers_have_no_holes_and_no_doubles(package, name):
    (package / name).touch()
    with pytest.raises(IngestError, match="without a hole or a double"):
        migrations("other_migrations")
