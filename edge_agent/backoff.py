"""Waiting times between attempts: each twice the last up to a bound, jittered so that a fleet spreads out."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from `first_s` to `most_s`; `reset` after a success."""

    def __init__(self, first_s: float = 0.5, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def next_s(self) -> float:
        """The seconds to wait before the next attempt, between half and all of the current step."""
        step_s, self._next_s = self._next_s, min(self._next_s * 2, self._most_s)
        return step_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards no secret

    def reset(self) -> None:
        """Begin again with the first step."""
        self._next_s = self._first_s
