"""Numbers and times as people read them: a true minus sign, thousands grouped, the plant's own time zone.

Takes the decimal strings of a result as they are: nothing is rounded here, so a page never says more or less
than the evidence.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

MINUS = "\N{MINUS SIGN}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
GROUP_FROM_DIGITS = 5  # ISO 80000-1, 7.3.1: four digits may stand together
GROUP = 3


def number(value: str | int, *, signed: bool = False) -> str:
    """A decimal number with its digits grouped: `-13254.5` as `−13 254.5`; with `signed` a plus sign where it
    is positive.
    """
    text = str(value)
    negative = text.startswith("-")
    whole, point, fraction = text.lstrip("+-").partition(".")
    if len(whole) >= GROUP_FROM_DIGITS:
        head = len(whole) % GROUP
        groups = [whole[:head]] if head else []
        groups += [whole[i : i + GROUP] for i in range(head, len(whole), GROUP)]
        whole = THIN_SPACE.join(groups)
    sign = MINUS if negative else "+" if signed and text.strip("+0.") else ""
    return sign + whole + point + fraction


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
