"""`retroproof ingest` and `retroproof db` as an operator types them, and the mistakes they name."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from click.testing import CliRunner

from ingest import cli, database, db_cli
from ingest.config import load_config
from ingest.database import connect
from ingest.migrate import PACKAGE, migrations
from tests.ingest.builders import POINTS, Device, rows
from verification import batch, keys
from verification.batch import INT63_MAX
from verification.errors import ConfigError
from verification.model import Point, PointKind

KNOWN = len(migrations(PACKAGE))


def run(*arguments: str, url: str = "", code: int = 0) -> str:
    group = {"ingest": cli.ingest, "db": db_cli.db}[arguments[0]]
    done = CliRunner().invoke(group, arguments[1:], env={"RETROPROOF_DB": url} if url else {})
    assert done.exit_code == code, done.output
    return done.output


def enroll(url: str, device: Device, *, code: int = 0, enterprise: str = "hengkang") -> str:
    options = ["--device", device.name, "--key", device.public_key, "--enterprise", enterprise]
    return run("ingest", "enroll", *options, url=url, code=code)


def test_a_key_is_made_once_and_shown(tmp_path):
    path = tmp_path / "ingest.key"
    shown = run("ingest", "keygen", "--out", str(path)).strip()
    assert shown == keys.public_text(keys.load_private(path))
    assert "already there" in run("ingest", "keygen", "--out", str(path), code=1)


def test_migrate_can_be_said_twice(tier_database):
    assert f"{KNOWN} applied" in run("db", "migrate", url=tier_database)
    assert "0 applied" in run("db", "migrate", url=tier_database)


def test_status_says_what_the_server_offers_and_what_is_stored(tier_database, request):
    assert "run: retroproof db migrate" in run("db", "status", url=tier_database)
    run("db", "migrate", url=tier_database)
    said = dict(line.split(maxsplit=1) for line in run("db", "status", url=tier_database).splitlines())
    timescale = "timescale" in request.node.name
    assert said["tier"] in ({"apache", "community"} if timescale else {"plain"})
    assert ("TimescaleDB" in said["server"]) is timescale
    assert (said["schema"], said["readings"], said["quarantined"]) == (f"{KNOWN} of {KNOWN}", "0", "0")


def test_without_tables_the_mend_is_named(plain_database):
    assert "retroproof db migrate" in enroll(plain_database, Device(), code=1)


def test_enrolment_can_be_repeated_and_takes_a_second_key(migrated):
    assert "enrolled" in enroll(migrated, Device())
    assert "before" in enroll(migrated, Device())
    assert "before" not in enroll(migrated, Device(seed=2))


def test_a_device_keeps_its_owner_and_stays_revoked(migrated):
    enroll(migrated, Device())
    assert "belongs to 'hengkang'" in enroll(migrated, Device(), enterprise="other", code=1)
    run("ingest", "revoke", "--device", "potline-1", url=migrated)
    assert "was revoked" in enroll(migrated, Device(seed=2), code=1)
    assert "revoked before" in run("ingest", "revoke", "--device", "potline-1", url=migrated, code=1)


def test_an_ended_key_counts_for_what_it_signed_before(migrated, deliver):
    device = Device()
    enroll(migrated, device)
    key_id = keys.key_id(device.key).hex()
    run("ingest", "revoke", "--device", device.name, "--key-id", key_id, url=migrated)
    signed_before = device.seal(batch.Catalogue(POINTS))
    signed_after = device.seal(batch.Catalogue(POINTS, 2), signed_at_us=device.header.signed_at_us + 60_000_000)
    codes = [str(decision.code) for decision in deliver(signed_before, signed_after).decisions]
    assert codes == ["accepted", "key_not_valid_at_signing"]
    assert "no key" in run("ingest", "revoke", "--device", device.name, "--key-id", key_id, url=migrated, code=1)


@pytest.mark.parametrize("device", ["Potline", "../etc", "a" * 64, ""])
def test_a_device_id_that_no_topic_can_hold_is_refused(migrated, device):
    options = ["--device", device, "--key", Device().public_key, "--enterprise", "hengkang"]
    assert "not a device id" in run("ingest", "enroll", *options, url=migrated, code=1)


def test_no_device_may_have_the_name_that_ingest_has_at_the_broker(migrated):
    options = ["--device", "ingest", "--enterprise", "hengkang"]
    for command in (("enroll", "--key", Device().public_key), ("enrolment", "token")):
        assert "reads what all send; use another id" in run("ingest", *command, *options, url=migrated, code=1)


def test_quarantine_is_listed_and_shown_byte_for_byte(migrated, device, deliver):
    deliver(b"junk")
    deliver(bad := device.seal(batch.Catalogue(POINTS), previous=bytes(31) + b"x"))
    newest, oldest = run("ingest", "quarantine", "list", url=migrated).splitlines()
    assert "chain_break" in newest
    assert "undecodable" in oldest
    for line, data in ((newest, bad), (oldest, b"junk")):
        done = CliRunner().invoke(
            cli.ingest, ["quarantine", "show", line.split("\t")[0]], env={"RETROPROOF_DB": migrated}
        )
        assert done.stdout_bytes == data
    assert "no entry 99" in run("ingest", "quarantine", "show", "99", url=migrated, code=1)


def test_readings_are_exported_and_times_need_a_zone(migrated, device, deliver, tmp_path):
    deliver(*device.chain(2))
    options = ["--device", device.name, "--point", "ac_energy", "--start", "2026-01-01T08:15:00+08:00"]
    run("db", "readings", *options, "--out", str(tmp_path / "readings.csv"), url=migrated)
    assert len((tmp_path / "readings.csv").read_text().splitlines()) == 1 + 4
    naive = ["--device", device.name, "--start", "2026-01-01T08:15:00"]
    assert "no time zone" in run("db", "readings", *naive, url=migrated, code=2)


def test_what_a_device_calls_its_points_stays_within_its_field(migrated, device, deliver):
    """Also its epoch may be any number, not only a moment that a calendar knows."""
    name = 'flow, "east"\n2026-01-01,x'
    device.header = replace(device.header, epoch=INT63_MAX)
    deliver(device.seal(batch.Catalogue((Point(name, "", "kWh", PointKind.GAUGE),))), device.seal(rows(4, points=1)))
    span = ["--device", device.name, "--start", "2026-01-01T00:00:00Z", "--end", "2026-01-02T00:00:00Z"]
    header, *days = csv.reader(io.StringIO(run("db", "coverage", *span, url=migrated)))
    assert (header[0], days) == ("point", [[name, "2026-01-01", "4", "2", "2"]])
    header, *points = csv.reader(io.StringIO(run("db", "points", "--device", device.name, url=migrated)))
    assert [(row[0], row[1]) for row in points] == [(name, "")]


def test_rebuild_proves_and_mends(migrated, db, device, deliver):
    deliver(*device.chain(3))
    assert "20 readings equal their 2 batches, sha256" in run("db", "rebuild", url=migrated)
    db.execute("DELETE FROM telemetry.reading WHERE row = 1")
    assert "differ" in run("db", "rebuild", "--check", url=migrated, code=1)
    run("db", "rebuild", "--write", url=migrated)
    run("db", "rebuild", "--check", url=migrated)


GOOD = {
    "db": "postgresql://u@127.0.0.1/d",
    "mqtt": "mqtt://ingest@127.0.0.1:1884",
    "password_file": "password",
    "signing_key": "key",
}


@pytest.fixture
def config(tmp_path):
    """Writes a configuration with changes to the good one, and reads it."""
    keys.generate(tmp_path / "key")
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)

    def load(**changes: str | None):
        lines = [f"{name}: {value}" for name, value in (GOOD | changes).items() if value is not None]
        path = tmp_path / "ingest.yaml"
        path.write_text("\n".join(lines))
        return load_config(path)

    return load


def test_a_lock_that_somebody_holds_is_named_with_what_to_do(migrated, monkeypatch):
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 1)
    with connect(migrated) as reader, reader.transaction():
        reader.execute("SELECT FROM telemetry.reading")
        said = run("db", "rebuild", "--write", url=migrated, code=1)
    assert "pg_stat_activity" in said
    run("db", "rebuild", "--write", url=migrated)


def test_a_configuration_is_read_with_its_secrets(config):
    broker = config().broker
    assert (broker.host, broker.port, broker.tls) == ("127.0.0.1", 1884, False)
    assert (broker.user, broker.password) == ("ingest", "secret")
    assert config(mqtt="mqtts://broker.example", ca_file="key").broker.port == 8883


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mqqt": "x"}, "did you mean 'mqtt'"),
        ({"db": "mysql://x"}, "postgresql://"),
        ({"mqtt": "http://x"}, "mqtt://"),
        ({"mqtt": "mqtt://"}, "mqtt://"),
        ({"mqtt": "mqtt://h:99999"}, "mqtt:"),
        ({"mqtt": "mqtt://u:secret@h"}, "password_file"),
        ({"ca_file": "key"}, "mqtts://"),
        ({"mqtt": "mqtts://h", "ca_file": "none"}, "no such file"),
        ({"mqtt": "mqtts://h", "cert_file": "key"}, "belong together"),
        ({"password_file": "none"}, "cannot be read"),
        ({"signing_key": "none"}, "private key"),
        ({"signing_key": None}, "signing_key"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(config, changes, said):
    with pytest.raises(ConfigError, match=said):
        config(**changes)


def test_a_password_that_others_can_read_is_refused(config, tmp_path):
    (tmp_path / "password").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        config()


def test_a_command_without_a_database_names_the_variable_that_may_hold_it(monkeypatch):
    monkeypatch.delenv("RETROPROOF_DB", raising=False)
    assert "Missing option '--db' (env var: 'RETROPROOF_DB')" in run("ingest", "enrolment", "list", code=2)
