"""Where the one-machine stack keeps everything: one folder, ignored by git, safe to delete when nothing runs."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "RETROPROOF_HOME"


def home_folder() -> Path:
    """$RETROPROOF_HOME, or `.retroproof` in the checkout, or in the current folder if this is not a checkout."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    checkout = Path(__file__).resolve().parents[2]
    base = checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
    return base / ".retroproof"
