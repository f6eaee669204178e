"""Waits until no process of an earlier run still works in a data folder.

After a kill -9 of us or of a server, its processes need a moment to notice and go. Starting over them would be refused,
or worse. What a server works in shows in /proc: its working folder is its data folder.
"""

from __future__ import annotations

import time
from pathlib import Path

from deploy.local.errors import DeployError

POLL_S = 0.05


def wait_until_unused(folder: Path, name: str, *, deadline_s: float) -> None:
    """Return once nothing works in `folder`. Raises DeployError naming the process if it stays."""
    late = time.monotonic() + deadline_s
    while pids := processes_in(folder):
        if time.monotonic() > late:
            raise DeployError(
                f"{name} already runs on {folder} (process {pids[0]}). Stop that stack first, or set RETROPROOF_HOME."
            )
        time.sleep(POLL_S)


def processes_in(folder: Path) -> list[int]:
    """The processes whose working folder is `folder`; those of other users are invisible unless we are root."""
    real = folder.resolve()
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == real:
                pids.append(int(entry.name))
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
    return sorted(pids)
