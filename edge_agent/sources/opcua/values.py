"""Turns OPC UA DataValues into readings, or says why they cannot be. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from asyncua import ua

from verification.errors import RetroProofError
from verification.model import MAX_TIME_US, NULL_TIME_US

# Part 4, 7.39.1: InfoType DataValue (bits 10-11 = 01) with the Overflow bit: the server's queue dropped values.
OVERFLOW = 0x0480
SEVERITY = 0xC0000000
MAX_SHOWN = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_PER_DAY = 86_400


class ValueRefusedError(RetroProofError):
    """A value that is not one number at one time."""


class Reading(NamedTuple):
    """One DataValue as it goes into a row."""

    time_us: int
    value: float
    status: int
    server_time_us: int

    @property
    def overflowed(self) -> bool:
        """Whether the server says that it dropped values before this one."""
        return self.status & OVERFLOW == OVERFLOW


@dataclass(slots=True)
class Values:
    """Readings as equally long columns, with the client handle of each; `refused` are handles and why.

    handle: the point's index; time_us, server_time_us: microseconds since 1970 UTC; status: the full code.
    """

    handle: list[int] = field(default_factory=list)
    time_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    server_time_us: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.handle)

    def add(self, handle: int, one: Reading) -> None:
        """Append one reading."""
        self.handle.append(handle)
        self.time_us.append(one.time_us)
        self.value.append(one.value)
        self.status.append(one.status)
        self.server_time_us.append(one.server_time_us)

    def readings(self) -> Iterable[tuple[int, Reading]]:
        """Row by row, with its handle."""
        rows = zip(self.time_us, self.value, self.status, self.server_time_us, strict=True)
        return zip(self.handle, map(Reading._make, rows), strict=True)


def values_of(
    notifications: Iterable[ua.MonitoredItemNotification], now_us: int, elements: Mapping[int, int]
) -> Values:
    """The readings in the library's own notifications; `elements` has the array index that a handle stands for."""
    found = Values()
    for notification in notifications:
        handle = notification.ClientHandle
        try:
            found.add(handle, reading(notification.Value, now_us, elements.get(handle)))
        except ValueRefusedError as err:
            found.refused.append((handle, str(err)))
    return found


def reading(data: ua.DataValue, now_us: int, element: int | None = None) -> Reading:
    """The reading in a DataValue. Without a source time its server time counts, without either `now_us`.

    A server time that cannot be is none. A null value, which servers send with a bad status, becomes NaN with that
    status. Raises ValueRefusedError.
    """
    status = int(data.StatusCode.value) if data.StatusCode is not None else 0
    server_time_us = to_us(data.ServerTimestamp)
    if data.SourcePicoseconds is not None or not NULL_TIME_US <= (server_time_us or 0) <= MAX_TIME_US:
        # asyncua (2.1) takes the source's picoseconds for a part of the server's time (Part 6, 5.2.2.17 has another
        # order), so that time is not to be believed.
        server_time_us = None
    time_us = to_us(data.SourceTimestamp)
    if time_us is None:
        time_us = now_us if server_time_us is None else server_time_us
    found = data.Value.Value if data.Value is not None else None
    if element is not None and found is not None:
        found = _element(found, element)
    if found is None:
        if not status & SEVERITY:
            raise ValueRefusedError("a null value with a good status")
        value = math.nan
    elif isinstance(found, bool | int | float):
        value = float(found)
    else:
        raise ValueRefusedError(f"not one number but {type(found).__name__} {_shown(found)}")
    if not NULL_TIME_US <= time_us <= MAX_TIME_US:
        raise ValueRefusedError("a time outside the years 1601 to 2200")
    return Reading(time_us, value, status, time_us if server_time_us is None else server_time_us)


def _element(found: object, element: int) -> object:
    """One element of an array. A server that knows index ranges sends just that one, others send the whole array."""
    if not isinstance(found, list):
        raise ValueRefusedError(f"element {element} of what is no array but {type(found).__name__} {_shown(found)}")
    if len(found) == 1:
        return found[0]
    if element >= len(found):
        raise ValueRefusedError(f"element {element} of an array with {len(found)}; the first is element 0")
    return found[element]


def _shown(found: object) -> str:
    """The beginning of a value, without writing out all of a megabyte first."""
    if isinstance(found, str | bytes | list):
        found = found[:MAX_SHOWN]
    return repr(str(found)[:MAX_SHOWN])


def to_datetime(time_us: int) -> datetime:
    """Microseconds since 1970 as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def to_us(moment: datetime | None) -> int | None:
    """Microseconds since 1970; None for OPC UA's null time, 1601-01-01 (Part 6, 5.2.2.5)."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # OPC UA has no other zone
    since = moment - _EPOCH
    time_us = (since.days * _SECONDS_PER_DAY + since.seconds) * 1_000_000 + since.microseconds
    return None if time_us == NULL_TIME_US else time_us
