"""Whether this machine's clock is disciplined, as the kernel says; it goes into the header of every batch.

Linux only (ntp_adjtime in read mode, which needs no privilege); elsewhere the state is 'unknown', which is the truth.
"""

from __future__ import annotations

import ctypes
import sys
import time
from dataclasses import dataclass

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised to a reliable server
STA_PLL = 0x0001  # the kernel itself steers by an offset; without it (chrony) the field says nothing
STA_NANO = 0x2000  # the offset is in nanoseconds


@dataclass(frozen=True, slots=True)
class ClockState:
    """`state` as in a batch header; `offset_us` is this clock minus its reference, None where nobody measures it.

    The reference is the kernel's where the kernel says it, and ingest's clock in a batch.
    """

    state: str
    offset_us: int | None = None


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2) up to the fields read here; the rest is room that the kernel fills."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def unmeasured() -> ClockState:
    """As the kernel disciplines the clock, where its distance from ingest's clock is not known."""
    return ClockState(clock_state().state)


def now_us() -> int:
    """Microseconds since 1970 UTC by this machine's clock."""
    return time.time_ns() // 1_000


def clock_state() -> ClockState:
    """Ask the kernel."""
    if not sys.platform.startswith("linux"):
        return ClockState("unknown")
    timex = _Timex()
    try:
        result = ctypes.CDLL(None, use_errno=True).ntp_adjtime(ctypes.byref(timex))
    except (OSError, AttributeError):
        return ClockState("unknown")
    if result < 0:
        return ClockState("unknown")
    if result == TIME_ERROR:
        return ClockState("unsynchronised")
    if not timex.status & STA_PLL:
        return ClockState("synchronised")
    # The kernel's offset is what it still has to add, hence reference minus clock.
    return ClockState("synchronised", -timex.offset // 1_000 if timex.status & STA_NANO else -timex.offset)
