"""Which user a server runs as, and folders that this user can reach.

PostgreSQL refuses to run as root, and a broker should not. Under root every server therefore drops to an unprivileged
account; run by anyone else, a server runs as that person and nothing here changes anything. A clone in /root or in a
0700 folder cannot be entered by the unprivileged account: such a folder moves to /var/tmp and leaves a symbolic link.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from deploy.local.errors import DeployError
from deploy.local.progress import Progress

PREFERRED_ACCOUNTS = ("postgres", "nobody")
OUTSIDE = Path("/var/tmp")  # noqa: S108 - the one place that survives a reboot and that every account can enter


class Drop(TypedDict, total=False):
    """The arguments that make `subprocess` run a program as the account; empty when there is nothing to drop."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """A user of this machine that a server runs as."""

    name: str
    uid: int
    gid: int

    def drop(self) -> Drop:
        """The arguments for `subprocess`; none if we are that user already."""
        if self.uid == os.getuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def service_account(folder: Path | None = None) -> Account:
    """Who runs the server of `folder`: under root its owner or an unprivileged user, else we ourselves."""
    if os.getuid() != 0:
        if folder and folder.exists() and folder.stat().st_uid != os.getuid():
            raise DeployError(
                f"{folder} belongs to user id {folder.stat().st_uid}. Run as that user or as root, "
                "or set RETROPROOF_HOME to a folder of your own."
            )
        me = pwd.getpwuid(os.getuid())
        return Account(me.pw_name, me.pw_uid, me.pw_gid)
    if folder and folder.exists() and folder.stat().st_uid != 0:
        owner = pwd.getpwuid(folder.stat().st_uid)
        return Account(owner.pw_name, owner.pw_uid, owner.pw_gid)
    for name in PREFERRED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise DeployError("There is no unprivileged user for the servers. Make one: useradd --system postgres")


def can_enter(folder: Path, account: Account) -> bool:
    """Whether `account` may walk through every folder above `folder`."""
    return all(_executable_by(parent.stat(), account) for parent in folder.absolute().parents if parent.exists())


def private_folder(folder: Path, account: Account, progress: Progress) -> Path:
    """Make `folder` of `account` and closed to others, moved to where it can be entered; returns the real path."""
    real = _reachable(folder, account, progress)
    real.mkdir(parents=True, exist_ok=True)
    os.chown(real, account.uid, account.gid)
    real.chmod(0o700)
    return real


def readable_folder(folder: Path, account: Account, progress: Progress) -> Path:
    """Make `folder` ours and readable by `account`, moved to where it can be entered; returns the real path."""
    real = _reachable(folder, account, progress)
    real.mkdir(parents=True, exist_ok=True)
    real.chmod(0o755)
    return real


def outside_path(folder: Path) -> Path:
    """Where `folder` moves to if its own place cannot be entered: the same every time, different for each folder."""
    digest = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    return OUTSIDE / f"retroproof-{digest}"


def _reachable(folder: Path, account: Account, progress: Progress) -> Path:
    """The real path of `folder`, after moving it out of a place that `account` cannot enter.

    Several processes may ask at once, as the workers of a test run do: one moves the folder, the others find it moved.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.move.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        return _moved(folder, account, progress)


def _moved(folder: Path, account: Account, progress: Progress) -> Path:
    if folder.is_symlink():
        real = folder.resolve()
        _refuse_foreign(real, account)
        return real
    if can_enter(folder.resolve(), account):
        return folder.resolve()
    target = outside_path(folder)
    _refuse_foreign(target, account)
    if target.exists():  # nothing links to it: it was left by a clone that was removed, or by `make clean`
        progress.step(f"{target} was left by a folder that is gone, and is removed")
        shutil.rmtree(target)
    if folder.exists():
        shutil.move(folder, target)
    else:
        target.mkdir(exist_ok=True)
    folder.symlink_to(target)
    progress.step(f"User {account.name} cannot enter {folder.parent}, so {folder.name}/ lies in {target}")
    return target


def _refuse_foreign(target: Path, account: Account) -> None:
    """Anyone may write to the outside place: someone else's folder or link in our place must not be used."""
    if not target.exists() and not target.is_symlink():
        return
    info = target.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in {os.getuid(), account.uid}:
        raise DeployError(f"{target} is not ours (user id {info.st_uid}). Remove it, or set RETROPROOF_HOME.")


def _executable_by(info: os.stat_result, account: Account) -> bool:
    """The x bit of a folder for this account, as the kernel picks it: owner, else group, else others."""
    if info.st_uid == account.uid:
        return bool(info.st_mode & stat.S_IXUSR)
    if info.st_gid == account.gid:
        return bool(info.st_mode & stat.S_IXGRP)
    return bool(info.st_mode & stat.S_IXOTH)
