"""`retroproof api` as an operator uses it: real processes, a real database."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from api.config import load_settings
from ingest.database import connect
from ingest.migrate import migrate
from verification.errors import ConfigError
from verification.keys import parse_public

RETROPROOF = (sys.executable, "-m", "retroproof", "api")


def run(*arguments: str | Path, db: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RETROPROOF_DB": db}
    done = subprocess.run(
        [*RETROPROOF, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def config(tmp_path: Path, database: str) -> Path:
    """A configuration with its two keys beside it, and the tables that ingest owns."""
    with connect(database) as conn:
        migrate(conn)
    for name in ("log.key", "engine.key"):
        parse_public(run("keygen", "--out", tmp_path / name).stdout.strip())
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    file = tmp_path / "api.yaml"
    file.write_text(
        f"db: {database}\nlisten: 127.0.0.1:0\nlog_key: log.key\nengine_key: engine.key\nlog_origin: test.local/log\n"
    )
    return file


def test_serve_says_ready_when_it_answers_and_stops_on_sigterm(config: Path, database: str) -> None:
    server = subprocess.Popen([*RETROPROOF, "serve", "--config", str(config)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        word, url = server.stdout.readline().split()
        assert word == "ready"
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url + "ready").json() == {"status": "ok"}
        token = run("token", "add", "--role", "auditor", "--subject", "A. Auditor", db=database).stdout.strip()
        header = {"Authorization": f"Bearer {token}"}
        assert httpx.get(url + "api/v1/projects", headers=header).json() == []
        [row] = run("token", "list", db=database).stdout.splitlines()
        assert "A. Auditor" in row
        assert token not in row
        assert "revoked" in run("token", "revoke", row.split()[0], db=database).stdout
        assert httpx.get(url + "api/v1/projects", headers=header).status_code == 401
        assert "revoked" in run("token", "list", db=database).stdout
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        server.stdout.close() if server.stdout else None
    assert server.returncode in {0, -signal.SIGTERM}


def test_migrate_makes_the_tables_once(database: str) -> None:
    with connect(database) as conn:
        migrate(conn)
    assert "1 migrations applied" in run("migrate", db=database).stdout
    assert "up to date" in run("migrate", db=database).stdout


def test_commands_say_what_is_missing(database: str, tmp_path: Path) -> None:
    assert "retroproof api migrate" in run("token", "list", db=database, code=1).stderr
    assert "does not answer" in run("token", "list", db="postgresql://x@127.0.0.1:1/x", code=1).stderr
    enterprise = ("token", "add", "--role", "enterprise", "--subject", "x")
    assert "--enterprise NAME" in run(*enterprise, db=database, code=1).stderr
    run("keygen", "--out", tmp_path / "a.key")
    assert "already there" in run("keygen", "--out", tmp_path / "a.key", code=1).stderr
    run("token", "add", "--role", "king", "--subject", "x", db=database, code=64)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("log_orign: x", "did you mean 'log_origin'"),
        ("listen: 8080", "api.yaml"),
        ("listen: nowhere", "HOST:PORT"),
        ("listen: 127.0.0.1:65536", "HOST:PORT"),
        ("log_origin: has space", "log_origin must be"),
        ("engine_key: log.key", "the same key"),
        ("engine_key: missing.key", "missing.key"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(config: Path, line: str, said: str) -> None:
    key = line.split(":", maxsplit=1)[0]
    kept = [old for old in config.read_text().splitlines() if not old.startswith(f"{key}:")]
    config.write_text("\n".join([*kept, line, ""]))
    with pytest.raises(ConfigError, match=said):
        load_settings(config)


def test_the_settings_print_no_secret(config: Path, database: str) -> None:
    settings = load_settings(config)
    assert settings.db == database
    assert database not in repr(settings)


def test_an_address_that_is_taken_is_said_in_one_line(config: Path) -> None:
    import socket  # noqa: PLC0415 - used once

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        said = run("serve", "--config", config, code=1).stderr
    assert f"cannot listen on 127.0.0.1:{port}" in said
