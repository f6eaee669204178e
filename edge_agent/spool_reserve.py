"""Room on the disk that is held while there is some, and given up when there is none.

A full disk would leave a spool that can neither say what it refused nor forget what ingest has. So a file of real bytes
lies beside it; on a full disk it is deleted first, and made again once the disk has room to spare.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

RESERVE_BYTES = 8 << 20  # more than SQLite lets its log grow before it folds it into the file
SPARE = 2  # the disk must have so many times the reserve free before it is taken again


class Reserve:
    """The file at `path`. No method raises OSError: a reserve is a help, never a hindrance."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size

    def hold(self) -> bool:
        """Make the file if it is not there and the disk has room to spare; returns whether it is there."""
        with suppress(OSError):
            if self._path.exists():
                return True
            if shutil.disk_usage(self._path.parent).free < SPARE * self._size:
                return False
            draft = self._path.with_name(self._path.name + ".new")
            # Random bytes, so that no file system stores them as nothing.
            draft.write_bytes(os.urandom(self._size))
            draft.replace(self._path)
            return True
        return False

    def release(self) -> bool:
        """Give the room back; returns whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
