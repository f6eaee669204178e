"""One stack folder, one process: a second `demo` or `up` there would pull the ground from under the first."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import DeployError


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process. Raises DeployError when another holds it; a killed process holds nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeployError(
                f"{folder} is in use: another demonstration or stack runs there. Stop it first, or set RETROPROOF_HOME "
                "to another folder."
            ) from None
        yield
