"""The time, always with its zone, and as the integer that goes into signed entries."""

from __future__ import annotations

import datetime as dt

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def utc_now() -> dt.datetime:
    """Now, in UTC."""
    return dt.datetime.now(dt.UTC)


def microseconds(time: dt.datetime) -> int:
    """Microseconds since 1970, exactly; a float timestamp would lose the last digit."""
    return (time - EPOCH) // dt.timedelta(microseconds=1)


def from_microseconds(time_us: int) -> dt.datetime:
    """The inverse of `microseconds`."""
    return EPOCH + dt.timedelta(microseconds=time_us)
