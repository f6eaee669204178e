"""Whether the kernel believes that this machine's clock is kept in step with true time. Reads only; needs no root.

Evidence carries the time at which it was signed, so a clock that nobody keeps is worth a warning. See ntp_adjtime(3).
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

TIME_ERROR = 5
STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    """The head of the kernel's `struct timex`; the tail that we do not read is only space."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


@dataclass(frozen=True)
class ClockState:
    """Whether the clock is kept, and by how much it may be wrong at most, as the kernel bounds it."""

    synchronised: bool
    max_error_s: float


def read_clock() -> ClockState:
    """Ask the kernel. Raises OSError where it refuses, as some containers do."""
    timex = _Timex(modes=0)  # no mode bit set: nothing is changed
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    kept = answer != TIME_ERROR and not timex.status & STA_UNSYNC
    return ClockState(synchronised=kept, max_error_s=timex.maxerror / 1e6)
