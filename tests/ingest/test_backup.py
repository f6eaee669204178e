"""Backup and restore on real servers: what comes back is what was there, or the restore says that it is not."""

from __future__ import annotations

import itertools
import json

import pytest
from click.testing import CliRunner
from psycopg import conninfo

from ingest import rebuild, register, tier
from ingest.admission import Arrival
from ingest.backup import _run, backup, describe, restore
from ingest.database import connect
from ingest.db_cli import db as db_command
from ingest.errors import IngestError
from ingest.migrate import migrate
from ingest.tier import Tier
from ingest.writer import write_group
from tests.ingest.builders import Device, compared, now_us, rows
from verification import batch

_numbers = itertools.count(1)


@pytest.fixture
def pg_bin(servers):
    """pg_dump and pg_restore of the servers' own version."""
    return servers.postgres_bin_dir


@pytest.fixture
def empty(request, postgres, plain_postgres):
    """An empty database on the server of the test's own tier."""
    server = postgres if "timescale" in request.node.name else plain_postgres
    name = f"restored_{next(_numbers)}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture
def filled(db, device, deliver):
    """Readings, a gap, something in quarantine; on the Community tier compressed and aggregated."""
    deliver(*device.chain(4), device.seal(batch.Gaps((batch.Gap((0,), 1, 2, "spool full"),))), b"junk")
    if tier.detect(db) is Tier.COMMUNITY:
        db.execute("CALL refresh_continuous_aggregate('telemetry.reading_15min', NULL, now())")
        db.execute("SELECT compress_chunk(c) FROM show_chunks('telemetry.reading') AS c")
    return device


def test_what_is_restored_is_what_was_there_and_goes_on(db, migrated, filled, empty, pg_bin, tmp_path, deliver):
    made = backup(migrated, tmp_path / "backup", pg_bin=pg_bin)
    assert {path.name for path in (tmp_path / "backup").iterdir()} == {"database.dump", "manifest.json"}
    deliver(filled.seal(rows(2)))  # after the backup
    assert restore(empty, tmp_path / "backup", pg_bin=pg_bin) == made
    with connect(empty) as restored:
        assert describe(restored) == made
        assert made.tables["telemetry.reading"].rows == 30
        assert tier.detect(restored) is tier.detect(db)
        assert tier.storage(restored)["reading_15min"] == tier.storage(db)["reading_15min"]
        # It is a database to work with: rows go in, ids go on, buckets are there.
        restored.execute(
            "INSERT INTO telemetry.point (device, name, address, unit, kind, meter) VALUES"
            " ('potline-1', 'new', '', 'kWh', 'counter', '')"
        )
        assert restored.execute("SELECT count(*) FROM telemetry.reading_15min").fetchone() == (30,)
    assert rebuild.compare(empty).first_difference is None
    rebuild.rebuild(empty)
    assert rebuild.compare(empty).readings == 30


@pytest.mark.usefixtures("filled")
def test_a_password_in_a_file_and_a_demand_for_tls_reach_the_programs(migrated, empty, pg_bin, tmp_path):
    """As the units of deploy/server name the database: what an address says beside the host counts for pg_dump too."""
    password_file = tmp_path / "pgpass"

    def without_password(url):
        settings = conninfo.conninfo_to_dict(url)
        password_file.write_text(f"*:*:*:*:{settings.pop('password')}\n")
        password_file.chmod(0o600)
        host = f"{settings['user']}@{settings['host']}:{settings['port']}"
        return f"postgresql://{host}/{settings['dbname']}?passfile={password_file}"

    made = backup(without_password(migrated), tmp_path / "backup", pg_bin=pg_bin)
    assert restore(without_password(empty), tmp_path / "backup", pg_bin=pg_bin) == made
    with pytest.raises(IngestError, match="server does not support SSL"):
        _run(f"{migrated}?sslmode=require", pg_bin / "pg_dump", ["--schema-only"])


@pytest.mark.usefixtures("filled")
def test_a_restore_that_differs_says_where(migrated, empty, pg_bin, tmp_path):
    backup(migrated, tmp_path / "backup", pg_bin=pg_bin)
    manifest = tmp_path / "backup" / "manifest.json"
    stated = json.loads(manifest.read_text())
    stated["tables"]["telemetry.gap"]["checksum"] = "1"
    stated["tables"]["telemetry.epoch"]["rows"] += 1
    manifest.write_text(json.dumps(stated))
    with pytest.raises(IngestError, match=r"differs from the backup in telemetry.epoch, telemetry.gap"):
        restore(empty, tmp_path / "backup", pg_bin=pg_bin)


@pytest.mark.usefixtures("filled")
def test_only_an_empty_database_and_a_new_folder_are_taken(migrated, pg_bin, tmp_path):
    backup(migrated, tmp_path / "backup", pg_bin=pg_bin)
    with pytest.raises(IngestError, match="exists"):
        backup(migrated, tmp_path / "backup", pg_bin=pg_bin)
    with pytest.raises(IngestError, match="not empty"):
        restore(migrated, tmp_path / "backup", pg_bin=pg_bin)


def test_a_backup_of_hypertables_is_refused_by_a_server_without_them(template, plain_database, pg_bin, tmp_path):
    server, name = template("timescale")
    backup(server.url(name), tmp_path / "backup", pg_bin=pg_bin)
    with pytest.raises(IngestError, match="needs TimescaleDB"):
        restore(plain_database, tmp_path / "backup", pg_bin=pg_bin)


def change_manifest(folder, **changes):
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def holds_nothing(url):
    with connect(url) as conn:
        return conn.execute("SELECT to_regnamespace('telemetry') IS NULL").fetchone() == (True,)


@pytest.fixture
def of_hypertables(template, database, pg_bin, tmp_path):
    """A backup of the server with TimescaleDB, and an empty database there."""
    server, name = template("timescale")
    backup(server.url(name), tmp_path / "backup", pg_bin=pg_bin)
    return tmp_path / "backup", database


def test_a_backup_of_the_community_tier_is_refused_by_one_of_the_apache_licence(of_hypertables, pg_bin, monkeypatch):
    folder, empty = of_hypertables
    change_manifest(folder, tier="community")
    monkeypatch.setattr("ingest.backup.detect", lambda _conn: Tier.APACHE)
    with pytest.raises(IngestError, match=r"need TimescaleDB's Community licence; restore on such a server"):
        restore(empty, folder, pg_bin=pg_bin)
    assert holds_nothing(empty)


def test_a_backup_of_another_timescaledb_is_refused_with_the_version_to_install(of_hypertables, pg_bin):
    folder, empty = of_hypertables
    change_manifest(folder, timescaledb="9.9.9")
    with pytest.raises(IngestError, match=r"needs TimescaleDB 9\.9\.9, .* install that version"):
        restore(empty, folder, pg_bin=pg_bin)
    assert holds_nothing(empty)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (None, "No such file"),
        ("a photo", "malformed"),
        ("{}", "missing required field"),
        ('{"postgres": "17", "timescaledb": null, "tier": "gold", "tables": {}}', "Invalid enum value 'gold'"),
    ],
)
def test_a_folder_that_is_no_backup_is_refused_with_the_reason(plain_database, pg_bin, tmp_path, manifest, reason):
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(IngestError, match=rf"is no backup of ours: .*{reason}.*; name the folder that retroproof"):
        restore(plain_database, tmp_path, pg_bin=pg_bin)
    assert holds_nothing(plain_database)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("damage", ["cut off", "another file", "missing"])
def test_a_dump_that_cannot_be_read_says_so_and_what_to_do(migrated, empty, pg_bin, tmp_path, damage):
    backup(migrated, tmp_path / "backup", pg_bin=pg_bin)
    dump = tmp_path / "backup" / "database.dump"
    if damage == "missing":
        dump.unlink()
    else:
        dump.write_bytes(dump.read_bytes()[:5000] if damage == "cut off" else b"a photo")
    with pytest.raises(IngestError, match=r"(?s)pg_restore ended with 1: .*restore into a new one \(createdb\)"):
        restore(empty, tmp_path / "backup", pg_bin=pg_bin)


def test_a_restore_without_its_program_touches_nothing(of_hypertables, tmp_path):
    folder, empty = of_hypertables
    with pytest.raises(IngestError, match="there is no pg_restore in"):
        restore(empty, folder, pg_bin=tmp_path)
    with connect(empty) as conn:
        assert tier.detect(conn) is Tier.PLAIN


def test_a_failed_backup_leaves_nothing_and_says_why(migrated, tmp_path):
    with pytest.raises(IngestError, match="no pg_dump in"):
        backup(migrated, tmp_path / "backup", pg_bin=tmp_path)
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho no disk left >&2\nexit 3\n")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(IngestError, match="ended with 3: no disk left"):
        backup(migrated, tmp_path / "backup", pg_bin=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pg_dump"]


@pytest.mark.usefixtures("filled")
def test_the_commands_say_what_they_did(migrated, empty, pg_bin, tmp_path):
    folder = str(tmp_path / "backup")

    def run(command, url):
        environment = {"RETROPROOF_DB": url, "RETROPROOF_PG_BIN": str(pg_bin)}
        return CliRunner().invoke(db_command, [command, folder], env=environment)

    assert f"in {folder}" in run("backup", migrated).output
    assert "each table as it was backed up" in run("restore", empty).output
    assert "not empty" in run("restore", empty).output


@pytest.fixture
def of_an_owner(postgres):
    """Makes databases whose owner is no superuser, as docs/how-to/deploy.md makes them, and gives its addresses."""
    names = []
    postgres.psql("CREATE ROLE plain_owner LOGIN PASSWORD 'secret'")

    def make(name):
        url = conninfo.conninfo_to_dict(postgres.create_database(name))
        names.append(name)
        postgres.psql(f"ALTER DATABASE {name} OWNER TO plain_owner")
        postgres.psql("CREATE EXTENSION IF NOT EXISTS timescaledb", database=name)
        return f"postgresql://plain_owner:secret@{url['host']}:{url['port']}/{name}"

    yield make
    for name in names:
        postgres.drop_database(name)
    postgres.psql("DROP ROLE plain_owner")


def test_an_owner_that_is_no_superuser_does_the_daily_work_and_restores_as_one(postgres, of_an_owner, pg_bin, tmp_path):
    url, empty = of_an_owner("owned"), of_an_owner("owned_too")
    device = Device()
    with connect(url) as conn:
        migrate(conn)
        tier.equip(conn)
        register.enroll(conn, device.name, device.public_key, "hengkang")
        write_group(conn, [Arrival.of(None, data) for data in device.chain(4)], received_at_us=now_us())
    rebuild.rebuild(url)
    made = backup(url, tmp_path / "backup", pg_bin=pg_bin)
    with pytest.raises(IngestError, match=r"only a superuser restores: .* ALTER ROLE plain_owner SUPERUSER"):
        restore(empty, tmp_path / "backup", pg_bin=pg_bin)
    assert holds_nothing(empty)
    postgres.psql("ALTER ROLE plain_owner SUPERUSER")
    assert restore(empty, tmp_path / "backup", pg_bin=pg_bin) == made
    postgres.psql("ALTER ROLE plain_owner NOSUPERUSER")
    with connect(empty) as conn:
        written = write_group(conn, [Arrival.of(None, device.seal(rows()))], received_at_us=now_us())
    assert [str(one.code) for one in written.decisions] == ["accepted"]
    assert compared(empty) == (4, 40, None)
