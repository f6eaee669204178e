"""Sizes and times as people read them, in the plant's own time zone. Numbers are `verification.report.numbers`."""

from __future__ import annotations

import datetime as dt
import zoneinfo


def bytes_size(count: int) -> str:
    """A file size in the unit that a file manager would use."""
    for unit, size in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def moment(time: dt.datetime, zone: dt.tzinfo = dt.UTC) -> str:
    """A point in time to the second, with its offset from UTC, which evidence must never leave open."""
    local = time.astimezone(zone)
    offset = local.strftime("%z")
    hours = f"{offset[0]}{int(offset[1:3])}" + (f":{offset[3:5]}" if offset[3:5] != "00" else "")
    return local.strftime("%Y-%m-%d %H:%M:%S") + (" UTC" if offset == "+0000" else f" UTC{hours}")


def zone_of(name: str) -> dt.tzinfo:
    """The time zone called `name`, UTC where this machine does not know it."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return dt.UTC
