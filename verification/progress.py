"""How far long work has come, told by a call after each of its steps: the engine and the readers know no terminal."""

from __future__ import annotations

from collections.abc import Callable

Advance = Callable[[], None]


def untold() -> None:
    """Nobody watches."""
