"""Keeps a second agent off a spool, and tells whether an agent runs. The lock ends with the process, however it ends.

POSIX only; on other systems nothing guards against a second agent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verification.errors import ConfigError


@contextmanager
def exclusive(spool_path: Path) -> Iterator[None]:
    """Hold the spool for this process. Raises ConfigError while another one holds it."""
    path = spool_path.with_name(spool_path.name + ".lock")
    with path.open("ab") as file:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415 - not there on Windows

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise ConfigError(f"{spool_path}: another agent is running on this spool; stop it first") from err
        yield


def is_held(spool_path: Path) -> bool:
    """Whether an agent runs on this spool."""
    try:
        with exclusive(spool_path):
            return False
    except ConfigError:
        return True
    except OSError:
        return False  # no folder, no agent
