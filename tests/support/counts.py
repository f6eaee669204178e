"""How often a test does what it does, where its caller may choose: never not at all, which would pass unjudged."""

from __future__ import annotations

import os


def count_from(variable: str, default: int) -> int:
    """The number in an environment variable, or `default`. Raises ValueError where it is none or below 1."""
    count = int(os.environ.get(variable, default))
    if count < 1:
        raise ValueError(f"{variable}={count} would judge nothing; give a number of at least 1")
    return count
