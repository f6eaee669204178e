"""How far this machine's clock is from ingest's, from the times that ingest puts into its acknowledgements. Pure.

An acknowledgement of a batch says a moment of ingest's clock between the batch's sending and the acknowledgement's
arrival. So the offset lies within half of that round trip around its middle (as in RFC 5905, section 8, with one server
time instead of two). Of the round trips of the last minutes the fastest counts; one that contradicts it shows that a
clock was set, and then the old ones are forgotten.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEEP_S = 900.0
MAX_SAMPLES = 64
MAX_DRIFT = 200e-6  # seconds a second by which two clocks may part between samples: twice what a poor crystal does


@dataclass(frozen=True, slots=True)
class Offset:
    """This machine's clock minus ingest's is offset_us, give or take error_us (both in microseconds)."""

    offset_us: int
    error_us: int
    at_s: float

    def contradicts(self, later: Offset) -> bool:
        """Whether both cannot be right, drift allowed for."""
        drift_us = (later.at_s - self.at_s) * MAX_DRIFT * 1e6
        return abs(self.offset_us - later.offset_us) > self.error_us + later.error_us + drift_us


class OffsetMeter:
    """Takes round trips, gives the best estimate."""

    def __init__(self) -> None:
        self._samples: deque[Offset] = deque(maxlen=MAX_SAMPLES)

    def add(self, ingest_us: int, *, sent_s: float, now_s: float, now_us: int) -> None:
        """One round trip: sent at `sent_s`, answered now (`now_s` monotonic, `now_us` this machine's clock)."""
        half_us = round((now_s - sent_s) * 1e6 / 2)
        sample = Offset(now_us - half_us - ingest_us, half_us, now_s)
        if any(held.contradicts(sample) for held in self._samples):
            self._samples.clear()
        self._samples.append(sample)

    def best(self, now_s: float) -> Offset | None:
        """The estimate of the fastest round trip of the last 15 minutes; None without any."""
        recent = [sample for sample in self._samples if now_s - sample.at_s <= KEEP_S]
        return min(recent, key=lambda sample: sample.error_us, default=None)
