"""Which times of readings are stored without an operator's word.

The bound is on tables, not on truth: a week is a chunk of the hypertable, and whoever may date readings from 1601 to
2200, as the format does, may have 31,000 tables made, which no server has locks for. Within the bound every clock is
taken, also one that began anew at 1970 or 2000, because it would take the honest readings of its batch with it.
"""

from __future__ import annotations

import datetime as dt

DAY_US = 86_400_000_000
EARLIEST_US = 0  # 1970-01-01 UTC, where a clock without a battery begins
MAX_LEAD_US = 366 * DAY_US  # what is planned, such as a roster, is dated ahead, but not by years

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def implausible(first_us: int, last_us: int, said_at_us: int) -> str:
    """Why readings from `first_us` to `last_us`, microseconds since 1970, cannot have been said then, or nothing."""
    if first_us < EARLIEST_US:
        return f"readings dated {_moment(first_us)}, before 1970"
    if last_us > said_at_us + MAX_LEAD_US:
        return f"readings dated {_moment(last_us)}, more than a year ahead of {_moment(said_at_us)}"
    return ""


def _moment(time_us: int) -> str:
    return f"{_EPOCH + dt.timedelta(microseconds=time_us):%Y-%m-%d %H:%M} UTC"
