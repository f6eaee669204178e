"""Looks at this machine and says what is here, what is missing, and the exact command that mends it.

Each check is one function that returns one `Check`; none changes anything or uses the network. `missing` means that
`make demo` cannot run, `warn` that it can but that something should be known.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.local import debian, servers
from deploy.local.account import can_enter, outside_path, service_account
from deploy.local.clock import read_clock
from deploy.local.errors import DeployError
from deploy.local.state import free_port

Status = Literal["ok", "warn", "missing"]

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
LEAST_DISK_GB, GOOD_DISK_GB = 1.0, 5.0  # the servers take 0.2 GB, a demonstration about as much again
LEAST_MEMORY_GB = 2.0
CLOCK_ERROR_WARN_S = 1.0  # a batch is signed every 1 to 5 s
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<own>\[)?.*;\s*extra\s*==\s*['\"](?P<extra>\w+)['\"]")
LICENCE_TEXT = {
    "apache": "Apache licence: hypertables, without compression and continuous aggregates",
    "community": "Community licence: hypertables, compression, continuous aggregates, retention",
}


@dataclass(frozen=True)
class Check:
    """One line of the report; `mend` is a command or an instruction, empty if there is nothing to mend."""

    name: str
    status: Status
    found: str
    mend: str = ""


def examine(home: Path) -> list[Check]:
    """Every check, in the order in which a person would mend things."""
    return [
        check_python(sys.version_info[:3]),
        check_extras(),
        check_tools(),
        *check_servers(home),
        check_ports(),
        check_disk(home),
        check_memory(),
        check_clock(),
        check_data(home),
    ]


def check_python(version: tuple[int, int, int]) -> Check:
    """A Python that our packages are made for."""
    text = f"{'.'.join(map(str, version))} ({sys.executable})"
    if OLDEST_PYTHON <= version[:2] <= NEWEST_PYTHON:
        return Check("Python", "ok", text)
    return Check("Python", "missing", f"{text}; 3.11 to 3.13 is needed", "apt-get install python3 python3-venv")


def check_extras() -> Check:
    """The packages of each extra of ours; the demonstration needs them all."""
    wanted: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("retroproof") or []:
        match = REQUIREMENT.match(requirement)
        if match and not match["own"]:
            wanted.setdefault(match["extra"], []).append(match["name"])
    absent = {name for names in wanted.values() for name in names if not _installed(name)}
    whole = [extra for extra, names in wanted.items() if not absent.intersection(names)]
    if not absent:
        return Check("Packages", "ok", f"extras {', '.join(sorted(whole))}")
    found = f"without {', '.join(sorted(absent))}; whole extras: {', '.join(sorted(whole)) or 'none'}"
    return Check("Packages", "missing", found, f"{sys.executable} -m pip install 'retroproof[all]', or: make setup")


def check_tools() -> Check:
    """The one program of the host that starting a server needs."""
    found = shutil.which("setpriv")
    if found:
        return Check("Tools", "ok", f"setpriv ({found})")
    return Check("Tools", "missing", "no setpriv, which ties servers to us", "apt-get install util-linux")


def check_servers(home: Path) -> Iterator[Check]:
    """PostgreSQL, TimescaleDB and Mosquitto: here, to be fetched, or missing."""
    try:
        found = servers.find_servers(home)
    except DeployError as err:
        yield Check("PostgreSQL", "missing", err.message, f"rm -r {home / 'servers'}, then: make demo")
        return
    if found:
        yield from _found_servers(found)
        return
    broker = servers.installed_mosquitto()
    reason = debian.why_not_possible()
    if reason is None:
        fetch = f"not here; `make demo` will fetch Debian {debian.SUITE}'s packages"
        yield Check("PostgreSQL", "warn", fetch, "retroproof doctor --fetch")
        yield Check("TimescaleDB", "warn", fetch, "retroproof doctor --fetch")
    else:
        postgres = servers.installed_postgres(timescale=False)
        fetch = f"not here; `make demo` will fetch the wheel {servers.WHEEL}"
        yield Check("PostgreSQL", "ok", postgres.version) if postgres else Check("PostgreSQL", "warn", fetch)
        yield _no_timescaledb(reason)
    if broker:
        yield Check("Mosquitto", "ok", f"{broker.version} ({broker.program})")
    elif reason is None:
        yield Check("Mosquitto", "warn", fetch, "retroproof doctor --fetch")
    else:
        yield Check("Mosquitto", "missing", f"not here and not to be fetched: {reason}", servers.MEND_MOSQUITTO)


def check_ports() -> Check:
    """Whether a server could listen on loopback."""
    try:
        return Check("Ports", "ok", f"free on loopback, such as {free_port()}")
    except DeployError as err:
        return Check("Ports", "missing", err.message, "ss -ltn")


def check_disk(home: Path) -> Check:
    """Space where the data will lie."""
    free_gb = shutil.disk_usage(_existing(home)).free / 1e9
    found = f"{free_gb:.1f} GB free for {home}"
    if free_gb >= GOOD_DISK_GB:
        return Check("Disk", "ok", found)
    status: Status = "warn" if free_gb >= LEAST_DISK_GB else "missing"
    return Check("Disk", status, found, "free some space, or: export RETROPROOF_HOME=/a/larger/disk")


def check_memory() -> Check:
    """Cores and memory that are ours to use."""
    cores = len(os.sched_getaffinity(0))
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = f"{cores} cores, {memory_gb:.1f} GB memory"
    if memory_gb >= LEAST_MEMORY_GB:
        return Check("Machine", "ok", found)
    return Check("Machine", "warn", f"{found}; at least {LEAST_MEMORY_GB:.0f} GB is advised", "add memory or swap")


def check_clock() -> Check:
    """Whether somebody keeps the clock, since evidence carries the time of its signing."""
    try:
        state = read_clock()
    except OSError as err:
        return Check("Clock", "warn", f"the kernel does not say whether it is kept: {err.strerror}")
    if not state.synchronised:
        return Check("Clock", "warn", "nobody keeps it, as far as the kernel knows", "apt-get install chrony")
    status: Status = "ok" if state.max_error_s < CLOCK_ERROR_WARN_S else "warn"
    found = f"synchronised, wrong by at most {state.max_error_s * 1000:.0f} ms"
    return Check("Clock", status, found, "" if status == "ok" else "chronyc makestep, or: timedatectl set-ntp true")


def check_data(home: Path) -> Check:
    """Where everything lies, who the servers run as, and whether they can get there."""
    account = service_account()
    nearest = _existing(home)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        return Check("Data", "missing", f"{home} is not writable", "export RETROPROOF_HOME=~/retroproof")
    found = f"{home}; servers run as {account.name}"
    if not can_enter(home / "servers", account):
        found += f", who cannot enter it, so their folders lie in {outside_path(home).parent}"
    return Check("Data", "ok", found)


def _found_servers(found: servers.Servers) -> Iterator[Check]:
    """What is here, with the licence tier."""
    origin = {"installed": "installed", "debian": "fetched from Debian", "wheel": "fetched wheel"}[found.source]
    yield Check("PostgreSQL", "ok", f"{found.postgres_version}, {origin} ({found.postgres_bin_dir})")
    if found.timescaledb_version and found.timescaledb_licence:
        text = f"{found.timescaledb_version}, {LICENCE_TEXT[found.timescaledb_licence]}"
        yield Check("TimescaleDB", "ok", text)
    else:
        yield _no_timescaledb(debian.why_not_possible() or "this PostgreSQL has none")
    yield Check("Mosquitto", "ok", f"{found.mosquitto_version} ({found.mosquitto})")


def _no_timescaledb(reason: str) -> Check:
    """The plain tier runs, and says that it is the plain tier."""
    mend = "install TimescaleDB for your PostgreSQL (Debian 13: apt-get install postgresql-17-timescaledb)"
    return Check("TimescaleDB", "warn", f"none ({reason}); plain PostgreSQL, for small sites", mend)


def _installed(distribution: str) -> bool:
    """Whether a distribution is installed; reads its metadata, imports nothing."""
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
