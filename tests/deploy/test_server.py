"""What production starts from: prepare.sh, compose.yaml, the services; and prepared files at work on real servers."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.mosquitto import MosquittoBroker
from deploy.local.postgres import SETTINGS
from deploy.local.state import free_port
from deploy.pki.authority import Authority
from ingest import register
from ingest.config import load_config
from ingest.database import connect
from ingest.migrate import migrate
from tests.ingest.builders import POINTS, Device, rows, until
from verification import batch

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = REPOSITORY / "deploy" / "server"
RETROPROOF = [sys.executable, "-m", "retroproof"]
UNITS = sorted(SERVER.glob("*.service"))


def prepare(folder: Path, **environment: str) -> str:
    """Run prepare.sh as an operator would, with users that exist here."""
    command = folder.parent / "retroproof"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m retroproof "$@"\n')
    command.chmod(0o755)
    mine = {"RETROPROOF": str(command), "APP_USER": str(os.getuid()), "BROKER_USER": str(os.getuid())}
    done = subprocess.run(
        [SERVER / "prepare.sh", folder, "broker.example.cn", "192.0.2.7"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **mine, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_prepare_makes_everything_once_and_for_nobody_else_to_read(tmp_path):
    said = prepare(tmp_path / "etc")
    made = tree(tmp_path / "etc")
    assert re.search(r"Agents need: ed25519:[0-9a-f]{64}", said)
    assert prepare(tmp_path / "etc") == said
    assert tree(tmp_path / "etc") == made
    for path in (tmp_path / "etc").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert made["app/pgpass"].endswith(b":" + made["database.password"] + b"\n")
    assert not any(b"@DATABASE@" in data or b"@BROKER@" in data for data in made.values())


def test_compose_mounts_what_is_there_and_keeps_the_database_and_the_pages_inside(tmp_path):
    prepare(tmp_path / "etc")
    compose = yaml.safe_load((SERVER / "compose.yaml").read_text())
    services = compose["services"]
    for name, service in services.items():
        for mount in service["volumes"]:
            source = re.sub(r"\$\{RETROPROOF_ETC[^}]*\}", str(tmp_path / "etc"), mount).split(":")[0]
            assert source in compose["volumes"] or (SERVER / source).exists(), (name, mount)
        assert not service["image"].endswith("latest")
        assert re.search(r":\S+$", service["image"])
    assert services["database"]["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True
    assert "ports" not in services["database"]
    assert services["api"]["ports"] == ["127.0.0.1:8080:8080"]
    for name in ("ingest", "gateways", "api", "tables", "broker"):
        assert services[name]["cap_drop"] == ["ALL"], name


def test_the_database_of_production_writes_its_log_out_as_often_as_ours():
    delay = SETTINGS["wal_writer_delay"]
    services = yaml.safe_load((SERVER / "compose.yaml").read_text())["services"]
    assert services["database"]["command"] == ["postgres", "-c", f"wal_writer_delay={delay}"]
    assert f'"wal_writer_delay = {delay}"' in (REPOSITORY / "docs/how-to/deploy.md").read_text()


def test_the_image_dumps_with_the_databases_own_version_and_holds_all_packages():
    database = yaml.safe_load((SERVER / "compose.yaml").read_text())["services"]["database"]["image"]
    major = re.search(r"-pg(\d+)$", database)[1]
    assert f"postgresql-client-{major}" in (SERVER / "Dockerfile").read_text()
    kept = (SERVER / "Dockerfile.dockerignore").read_text().split()
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} - {"tests"}
    assert {f"!{package}" for package in packages} <= set(kept)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_service_may_do_little_and_systemd_agrees(unit):
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str
    parsed.read_string(unit.read_text())
    service = parsed["Service"]
    assert (service["NoNewPrivileges"], service["ProtectSystem"], service["User"]) == ("yes", "strict", "retroproof")
    assert service.get("Restart") == "always" or service["Type"] == "oneshot"
    # The subcommand exists, with these options.
    words = re.search(r"bin/retroproof ((?:[a-z]+ ?)+)", service["ExecStart"])[1].split()
    shown = subprocess.run([*RETROPROOF, *words, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(option in shown for option in re.findall(r"--[a-z-]+", service["ExecStart"]))
    if shutil.which("systemd-analyze"):  # a machine without systemd cannot say; what is above still holds
        judge = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
        assert subprocess.run(judge, check=False, capture_output=True).returncode == 0


def test_a_batch_goes_the_whole_way_through_the_prepared_files(servers, own_folder, supervisor, database, tmp_path):
    """The broker with the prepared certificates, worker and gateway host with theirs, a device with its own."""
    etc = tmp_path / "etc"
    prepare(etc, BROKER_HOST="127.0.0.1")
    broker = MosquittoBroker(servers, own_folder / "broker", "uplink", certificates=etc / "broker")
    broker.start(supervisor)
    with connect(database) as conn:
        migrate(conn)
        device = Device("line-7")
        register.enroll(conn, device.name, device.public_key, "hengkang")
    config, gateways = etc / "app" / "ingest.yaml", etc / "app" / "gateways.yaml"
    for path in (config, gateways):
        text = path.read_text().replace("127.0.0.1:8884", f"127.0.0.1:{broker.platform_port}")
        path.write_text(re.sub(r"^db: .*", f"db: {database}", text, flags=re.MULTILINE))
    text = config.read_text()
    text = text.replace("0.0.0.0:8443", f"127.0.0.1:{free_port()}").replace(
        "127.0.0.1:9464", f"127.0.0.1:{free_port()}"
    )
    config.write_text(text)
    assert load_config(config).broker.tls
    log = own_folder / "ingest.log"
    worker = supervisor.start("ingest", [*RETROPROOF, "ingest", "serve", "--config", config], log=log)
    worker.wait_ready(lambda: "ready" in log.read_text(), deadline_s=60)
    try:
        Authority(etc / "pki").client(device.name)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.tls_set(*(etc / "pki" / name for name in ("ca.pem", "line-7.pem", "line-7.key")))
        client.connect(broker.host, broker.port)
        client.loop_start()
        for sealed in (device.seal(batch.Catalogue(POINTS)), device.seal(rows(10))):
            client.publish(f"plant/{device.name}/batch", sealed, qos=1).wait_for_publish(30)
        with connect(database) as conn:
            until(lambda: conn.execute("SELECT count(*) FROM telemetry.reading").fetchone() == (10,))
        client.disconnect()
        client.loop_stop()
        host = supervisor.start(
            "gateways", [*RETROPROOF, "ingest", "gateway", "serve", "--config", gateways], log=own_folder / "host.log"
        )
        host.wait_ready(lambda: "ready: host retroproof" in (own_folder / "host.log").read_text(), deadline_s=60)
        host.stop()
        supervisor.forget(host)
    finally:
        worker.stop()
        supervisor.forget(worker)
        broker.stop()
