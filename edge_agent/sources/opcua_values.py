"""Turns an OPC UA DataValue into a reading, or says why it cannot be one. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from asyncua import ua

from verification.errors import RetroProofError
from verification.model import MAX_TIME_US, NULL_TIME_US

# Built-in types (Part 6, 5.1.2) whose values are no numbers; a node of one of these is refused by name.
NOT_NUMERIC = {
    12: "String",
    13: "DateTime",
    14: "Guid",
    15: "ByteString",
    16: "XmlElement",
    17: "NodeId",
    18: "ExpandedNodeId",
    19: "StatusCode",
    20: "QualifiedName",
    21: "LocalizedText",
    22: "Structure",
}
# Part 4, 7.39.1: InfoType DataValue (bits 10-11 = 01) with the Overflow bit: the server's queue dropped values.
OVERFLOW = 0x0480
SEVERITY = 0xC0000000
MAX_SHOWN = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def reading(data: ua.DataValue, now_us: int) -> Reading:
    """The reading in a DataValue. Without a source time its server time counts, without either `now_us`.

    A null value, which servers send with a bad status, becomes NaN with that status. Raises ValueRefusedError.
    """
    status = int(data.StatusCode.value) if data.StatusCode is not None else 0
    server_time_us = to_us(data.ServerTimestamp)
    time_us = to_us(data.SourceTimestamp)
    if time_us is None:
        time_us = now_us if server_time_us is None else server_time_us
    found = data.Value.Value if data.Value is not None else None
    if found is None:
        if not status & SEVERITY:
            raise ValueRefusedError("a null value with a good status")
        value = math.nan
    elif isinstance(found, bool | int | float):
        value = float(found)
    else:
        raise ValueRefusedError(f"not one number but {type(found).__name__} {str(found)[:MAX_SHOWN]!r}")
    times = (time_us, time_us if server_time_us is None else server_time_us)
    if not all(NULL_TIME_US <= moment <= MAX_TIME_US for moment in times):
        raise ValueRefusedError("a time outside the years 1601 to 2200")
    return Reading(times[0], value, status, times[1])


def to_datetime(time_us: int) -> datetime:
    """Microseconds since 1970 as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def refused_type(data_type: object) -> str:
    """The name of a built-in type that holds no numbers; empty for every other type."""
    if isinstance(data_type, ua.NodeId) and data_type.NamespaceIndex == 0 and isinstance(data_type.Identifier, int):
        return NOT_NUMERIC.get(data_type.Identifier, "")
    return ""


def to_us(moment: datetime | None) -> int | None:
    """Microseconds since 1970; None for OPC UA's null time, 1601-01-01 (Part 6, 5.2.2.5)."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # OPC UA has no other zone
    time_us = (moment - _EPOCH) // timedelta(microseconds=1)
    return None if time_us == NULL_TIME_US else time_us
