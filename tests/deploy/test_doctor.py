"""`retroproof doctor` says what is here and what mends what is missing, and its exit code can be trusted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from deploy import doctor
from deploy.local import debian
from deploy.local import servers as servers_module
from deploy.local.clock import ClockState, read_clock
from deploy.local.home import home_folder


class Usage(NamedTuple):
    total: float
    used: float
    free: float


def run_doctor(*arguments, **environment):
    command = [sys.executable, "-m", "retroproof", "doctor", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def test_with_the_servers_here_it_names_their_versions_and_exits_0(servers):
    done = run_doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (servers.postgres_version, f"{servers.timescaledb_version}, ", servers.mosquitto_version, "licence"):
        assert text in done.stdout
    assert "`make demo` can run here" in done.stdout


def test_json_has_one_object_per_check_and_agrees_with_the_exit_code(servers):  # noqa: ARG001 - they must be here
    done = run_doctor("--json")
    report = json.loads(done.stdout)
    assert report["ok"] is (done.returncode == 0)
    names = [check["name"] for check in report["checks"]]
    assert names[:6] == ["Python", "Packages", "Tools", "PostgreSQL", "TimescaleDB", "Mosquitto"]
    assert len(set(names)) == len(names) == 11


def test_looking_at_an_empty_home_fetches_and_makes_nothing(tmp_path):
    done = run_doctor("--json", RETROPROOF_HOME=str(tmp_path / "home"))
    assert json.loads(done.stdout)["ok"] is True
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_made_is_missing_and_exits_1(tmp_path):
    (tmp_path / "file").write_text("a file is in the way")
    done = run_doctor(RETROPROOF_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert "RETROPROOF_HOME" in done.stdout
    assert "cannot run here" in done.stdout


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10, 9), "missing"), ((3, 11, 0), "ok"), ((3, 13, 9), "ok"), ((3, 14, 0), "missing")]
)
def test_python_3_11_to_3_13_will_do(version, status):
    assert doctor.check_python(version).status == status


@pytest.mark.parametrize(("free_gb", "status"), [(0.9, "missing"), (1.0, "warn"), (4.9, "warn"), (5.0, "ok")])
def test_disk_space_has_two_limits(free_gb, status, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10e9, 0, free_gb * 1e9))
    check = doctor.check_disk(tmp_path)
    assert check.status == status
    assert bool(check.mend) == (status != "ok")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ClockState(synchronised=True, max_error_s=0.999), "ok"),
        (ClockState(synchronised=True, max_error_s=1.0), "warn"),
        (ClockState(synchronised=False, max_error_s=0.0), "warn"),
    ],
)
def test_a_clock_that_is_not_kept_or_wrong_by_a_second_is_a_warning(state, status, monkeypatch):
    monkeypatch.setattr(doctor, "read_clock", lambda: state)
    assert doctor.check_clock().status == status


def test_the_kernel_bounds_the_error_of_its_clock():
    assert read_clock().max_error_s >= 0


def test_a_missing_package_is_named_with_the_command_that_mends_it(monkeypatch):
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "asyncua")
    check = doctor.check_extras()
    assert check.status == "missing"
    assert check.found.startswith("without asyncua; whole extras: analysis, api, ingest")
    assert "pip install 'retroproof[all]'" in check.mend


def bare_machine(monkeypatch, *, mosquitto):
    """A host without Debian's archive and without PostgreSQL."""
    monkeypatch.setattr(debian, "why_not_possible", lambda: "no Debian archive is set up")
    monkeypatch.setattr(servers_module, "installed_postgres", lambda **_: None)
    broker = servers_module.FoundMosquitto("/usr/sbin/mosquitto", "/usr/bin/mosquitto_passwd", "2.0.18")
    monkeypatch.setattr(servers_module, "installed_mosquitto", lambda: broker if mosquitto else None)


def test_without_debian_packages_the_plain_tier_is_a_warning_that_names_the_wheel(monkeypatch, tmp_path):
    bare_machine(monkeypatch, mosquitto=True)
    checks = {check.name: check for check in doctor.check_servers(tmp_path)}
    assert {name: check.status for name, check in checks.items()} == {
        "PostgreSQL": "warn",
        "TimescaleDB": "warn",
        "Mosquitto": "ok",
    }
    assert servers_module.WHEEL in checks["PostgreSQL"].found
    assert "plain PostgreSQL" in checks["TimescaleDB"].found


def test_without_debian_packages_a_missing_mosquitto_names_its_command(monkeypatch, tmp_path):
    bare_machine(monkeypatch, mosquitto=False)
    check = list(doctor.check_servers(tmp_path))[-1]
    assert (check.name, check.status) == ("Mosquitto", "missing")
    assert check.mend == "apt-get install --no-install-recommends mosquitto"


def test_the_home_is_what_the_variable_says_else_beside_the_code(monkeypatch, tmp_path):
    monkeypatch.setenv("RETROPROOF_HOME", str(tmp_path))
    assert home_folder() == tmp_path
    monkeypatch.delenv("RETROPROOF_HOME")
    assert home_folder().name == ".retroproof"
    assert (home_folder().parent / "pyproject.toml").is_file()
