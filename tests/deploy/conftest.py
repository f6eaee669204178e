"""What several tests of the one-machine stack need."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest


@pytest.fixture
def own_folder(session_folder: Path) -> Path:
    """A folder of this test's own, which an unprivileged server can enter."""
    folder = session_folder / f"own-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    return folder
