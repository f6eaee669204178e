"""The edge agent's package: a folder that installs without a network, and a service that may do little."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.edge_agent.test_edge_cli import CONFIG
from verification import keys

REPOSITORY = Path(__file__).resolve().parents[2]
UNIT = REPOSITORY / "deploy" / "edge" / "retroproof-edge.service"
CLEAN = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def no_network() -> list[str]:
    """What to put before a command so that it has no network at all, where the system lets us."""
    prefix = ["unshare", "--map-root-user", "--net"]
    allowed = shutil.which("unshare") and subprocess.run([*prefix, "true"], check=False, capture_output=True)
    return prefix if allowed and allowed.returncode == 0 else []


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make edge-bundle` makes it."""
    out = tmp_path_factory.mktemp("bundle") / "edge-bundle"
    venv = REPOSITORY / ".venv"
    subprocess.run(["deploy/edge/bundle.sh", venv, out], check=True, cwd=REPOSITORY, capture_output=True)
    return out


def install(bundle: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*no_network(), bundle / "install.sh", folder]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=CLEAN)


def test_the_bundle_installs_without_a_network_and_without_anything_heavy(bundle, tmp_path):
    done = install(bundle, tmp_path / "agent")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("retroproof, version")
    look = "import importlib.util as u; print([n for n in ('numpy','pandas','psycopg','fastapi') if u.find_spec(n)])"
    found = subprocess.run(
        [tmp_path / "agent/bin/python", "-c", look], capture_output=True, text=True, check=True, cwd="/", env=CLEAN
    )
    assert found.stdout.strip() == "[]"
    keys.generate(tmp_path / "edge.key")
    (tmp_path / "edge.yaml").write_text(CONFIG.format(zeros="00" * 31))
    checked = subprocess.run(
        [tmp_path / "agent/bin/retroproof", "edge", "check-config", tmp_path / "edge.yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=CLEAN,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "the configuration can be used" in checked.stdout
    assert install(bundle, tmp_path / "agent").returncode == 0  # a newer bundle brings the same folder up to date


def test_the_pages_of_the_agent_lead_nowhere_outside_the_bundle(bundle):
    """Where there is no network, a link into the repository is a dead end."""
    pages = list((bundle / "docs").glob("*/edge*.md"))
    assert bundle / "docs" / "how-to" / "edge.md" in pages
    links = {page.parent / link for page in pages for link in re.findall(r"\]\(([^)#:]+)[)#]", page.read_text("utf-8"))}
    assert links
    assert [link for link in links if not link.exists()] == []


def test_a_bundle_that_was_damaged_on_its_way_is_not_installed(bundle, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    wheel = next((copy / "wheelhouse").glob("retroproof-*.whl"))
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    done = install(copy, tmp_path / "agent")
    assert done.returncode == 1
    assert "damaged on its way; copy it again" in done.stderr
    assert not (tmp_path / "agent").exists()


def test_another_python_than_the_bundles_is_refused_by_name(bundle, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "PYTHON").write_text("3.99\n")
    (copy / "SHA256SUMS").write_text("".join(f"{line}\n" for line in _sums(copy) if not line.endswith("PYTHON")))
    done = install(copy, tmp_path / "agent")
    assert done.returncode == 1
    assert "needs Python 3.99" in done.stderr


def _sums(folder: Path) -> list[str]:
    return (folder / "SHA256SUMS").read_text().splitlines()


def unit() -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str
    parsed.read_string(UNIT.read_text())
    return parsed


def test_the_service_starts_again_whenever_it_ends():
    found = unit()
    assert found["Service"]["Restart"] == "always"
    assert found["Unit"]["StartLimitIntervalSec"] == "0"


@pytest.mark.parametrize(
    ("key", "value"),
    {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateDevices": "yes",
        "CapabilityBoundingSet": "",
        "StateDirectory": "retroproof-edge",
        "StateDirectoryMode": "0700",
        "UMask": "0077",
        "User": "retroproof-edge",
        "MemoryDenyWriteExecute": "yes",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    }.items(),
)
def test_the_service_may_do_little_else(key, value):
    assert unit()["Service"][key] == value


def test_the_service_may_still_ask_whether_the_clock_is_synchronised():
    """Its calls are taken away with the privileged ones, so they must come last; ProtectClock would take them too."""
    filters = [line for line in UNIT.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    assert filters[-1] == "SystemCallFilter=adjtimex clock_adjtime"
    assert "ProtectClock" not in unit()["Service"]


def test_systemd_finds_nothing_wrong_with_the_service():
    if shutil.which("systemd-analyze") is None:  # a machine without systemd cannot say; the tests above still do
        return
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT],
        check=False,
        capture_output=True,
        text=True,
    )
    assert judged.returncode == 0, judged.stdout[-300:]
