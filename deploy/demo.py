"""`retroproof demo`: the whole story once, on real servers, in a fresh folder; ends non-zero if any stage fails."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import click

from deploy.local.errors import DeployError
from deploy.local.home import home_folder
from deploy.local.lock import only_one
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import Servers, ensure_servers
from deploy.stack import RETROPROOF, Stack
from deploy.story import (
    Narrator,
    compare_with_truth,
    count_exactly,
    demonstration_line,
    fetch_package,
    judge,
    meter_before_and_after,
    stand_still,
)

STAGES = 10
LIVE_SECONDS = 3.0
VERIFIED, REFUTED = 0, 1


def run_demo(plant: Sequence[str]) -> None:
    """Tell the story; raises DeployError at the first stage that does not come about."""
    begun = time.monotonic()
    progress = Progress()
    narrator = Narrator(STAGES, progress)
    home = home_folder()
    with narrator.stage("Servers", "服务器就绪"):
        servers = ensure_servers(home, progress)
        _say_servers(narrator, servers)
    folder = home / "demo"
    with only_one(folder), Supervisor() as supervisor:
        remove(folder)
        stack = Stack(folder, servers, supervisor, progress)
        line = demonstration_line(stack, plant)
        with narrator.stage("Platform: tables, keys, enrolled device, ingest, API", "平台启动"):
            stack.start_servers()
            stack.start_platform()
            line.enrol()
        meter_before_and_after(line, narrator)
        with narrator.stage("Live for a moment, then every reading counted", "实时采集、逐条清点"):
            time.sleep(LIVE_SECONDS)
            stand_still(line, narrator)
            counted = count_exactly(line)
            narrator.say(f"readings: {counted}")
            if not counted.exact:
                raise DeployError(f"Readings were lost or doubled: {counted}")
        with narrator.stage("Verdict", "核证结论"):
            run = judge(stack, narrator)
        with narrator.stage("Against the truth", "与真值对照"):
            compare_with_truth(line, narrator, run)
        package = fetch_package(stack, run)
        with narrator.stage("Offline check of the evidence package", "离线复核证据包"):
            narrator.say(f"package: {package}")
            _check(narrator, package, stack.trust_file, expected=VERIFIED)
        with narrator.stage("One byte changed, checked again", "改动一个字节再复核"):
            changed = _change_one_byte(package, folder / "package-changed")
            narrator.say(f"changed one byte of {changed}")
            said = _check(narrator, folder / "package-changed", stack.trust_file, expected=REFUTED)
            if changed not in said:
                raise DeployError(f"The check refuted the package but did not name {changed}")
    progress.step(click.style(f"The whole story in {time.monotonic() - begun:.0f} s. 全程完成。", bold=True))
    progress.step(f"Check it yourself:  .venv/bin/retroproof check {package} --recompute")


def remove(folder: Path) -> None:
    """Remove what the last demonstration left; a server's folder may be a link to where its account can reach it."""
    if folder.is_dir():
        for link in (path for path in folder.iterdir() if path.is_symlink()):
            shutil.rmtree(link.resolve(), ignore_errors=True)
        shutil.rmtree(folder)


def _say_servers(narrator: Narrator, servers: Servers) -> None:
    timescale = f"TimescaleDB {servers.timescaledb_version} ({servers.timescaledb_licence} licence)"
    database = timescale if servers.timescaledb_version else "WITHOUT TimescaleDB: plain tables"
    narrator.say(f"PostgreSQL {servers.postgres_version}, {database}, Mosquitto {servers.mosquitto_version}")


def _check(narrator: Narrator, package: Path, trust: Path, *, expected: int) -> str:
    """Run the offline check as its own process, show what it says, and hold it to the expected exit code."""
    command = [*RETROPROOF, "check", str(package), "--trust", str(trust), "--recompute"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        narrator.say(line)
    if done.returncode != expected:
        raise DeployError(f"The check ended with {done.returncode}, not {expected}. {done.stderr.strip()}")
    return done.stdout


def _change_one_byte(package: Path, copy: Path) -> str:
    """Copy the package and change one digit in the middle of its readings; returns the changed file's name."""
    shutil.copytree(package, copy)
    name = "readings.csv"
    content = bytearray((copy / name).read_bytes())
    middle = next(n for n in range(len(content) // 2, len(content)) if chr(content[n]).isdigit())
    content[middle] = ord("1") if content[middle] != ord("1") else ord("2")
    (copy / name).write_bytes(bytes(content))
    return name
