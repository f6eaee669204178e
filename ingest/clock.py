"""The worker's clock. It never runs back: a batch is judged by the moment of its arrival, and a machine whose clock was
set back would take every agent for one from the future, and refuse what is right. A clock that had run ahead and was
then mended is taken over when the process starts again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

STEP_US = 1_000_000  # a smaller correction is waited out without a word

log = logging.getLogger(__name__)


class SteadyClock:
    """Follows the wall clock forward; after a step back it goes on by the monotonic clock until the wall catches up."""

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._last_us = wall_ns() // 1000
        self._at_us = monotonic_ns() // 1000
        self._behind = False

    def now_us(self) -> int:
        """Microseconds since 1970 UTC, never fewer than the last time plus what has passed since."""
        wall_us, monotonic_us = self._wall_ns() // 1000, self._monotonic_ns() // 1000
        steady_us = self._last_us + monotonic_us - self._at_us
        behind = wall_us < steady_us - STEP_US
        if behind and not self._behind:
            back_s = (steady_us - wall_us) / 1e6
            log.error("the machine's clock was set back by %.1f s; going on without it; check its time service", back_s)
        elif self._behind and not behind:
            log.info("the machine's clock is right again")
        self._behind = behind
        self._last_us, self._at_us = max(wall_us, steady_us), monotonic_us
        return self._last_us
