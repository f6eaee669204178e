"""Decodes publish responses and pages of history (Part 6, 5.2; Part 4, 5.14.5; Part 11, 6.6.2) by columns, at a
fraction of the library's cost.

A plant's values are almost all alike: one number, a status, two times. Records of one layout lie at equal distances, so
that a whole run of them is unpacked at once. Whatever is not alike (strings, arrays, null values, events, diagnostics)
goes to the library's own decoder, message by message; both give the same readings, and a test holds them to it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_from_binary

from edge_agent.sources.opcua.values import SEVERITY, Values, values_of
from verification.errors import RetroProofError
from verification.model import MAX_TIME_US, NULL_TIME_US

# A FourByte NodeId of namespace 0: what a body is (Part 6, 5.2.2.9).
PUBLISH_RESPONSE = b"\x01\x00" + struct.pack("<H", ObjectIds.PublishResponse_Encoding_DefaultBinary)
HISTORY_RESPONSE = b"\x01\x00" + struct.pack("<H", ObjectIds.HistoryReadResponse_Encoding_DefaultBinary)
HISTORY_DATA = b"\x01\x00" + struct.pack("<H", ObjectIds.HistoryData_Encoding_DefaultBinary)
DATA_CHANGE = b"\x01\x00" + struct.pack("<H", ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
# TypeId, timestamp, request handle, service result, diagnostics mask, string table, additional header, subscription
# id, number of available sequence numbers.
_HEAD = struct.Struct("<4sqIIBi3sIi")
# The same up to the additional header; number of results, the first one's status, length of its continuation point.
_RESULT = struct.Struct("<4sqIIBi3siIi")
_MESSAGE = struct.Struct("<?Iqi")  # more notifications, sequence number, publish time, number of notifications
_EXTENSION = struct.Struct("<4sBii")  # type, encoding, length, number of monitored items or of values
_NO_HEADER = b"\x00\x00\x00"
_BINARY_BODY = 1
_LEAST_BODY_BYTES = 8  # the number of items and that of diagnostics; with less a message could lead back to itself

# Built-in numeric types of a Variant (Part 6, table 1) as struct has them.
_NUMBERS = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
# Bits of a DataValue's mask (Part 6, 5.2.2.17).
_VALUE, _STATUS, _SOURCE, _SERVER, _SOURCE_PICO, _SERVER_PICO = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_HANDLE_BYTES = 4
_TICKS_PER_US = 10


class UndecodableError(RetroProofError):
    """A publish response that breaks the encoding; the server must send it again."""


@dataclass(slots=True)
class Publication:
    """What one publish response says. A keep-alive has no values, and the number that the next message will have."""

    subscription: int
    sequence: int
    keep_alive: bool
    values: Values = field(default_factory=Values)
    ended: str = ""  # the status with which the server ends the subscription


class _Unusual(Exception):  # noqa: N818 - a way out of the fast decoder, no error
    """Something that the library's decoder must read."""


class _Layout:
    """How a record with this mask and type lies in the message, and where its columns are; history has no handles."""

    def __init__(self, mask: int, number: str, *, handle: bool) -> None:
        parts = [("I", "handle")] if handle else []
        parts += [("B", ""), ("B", ""), (number, "value")]
        parts += [("I", "status")] if mask & _STATUS else []
        parts += [("q", "source")] if mask & _SOURCE else []
        parts += [("H", "")] if mask & _SOURCE_PICO else []
        parts += [("q", "server")] if mask & _SERVER else []
        parts += [("H", "")] if mask & _SERVER_PICO else []
        self.record = struct.Struct("<" + "".join(code for code, _ in parts))
        names = [name for _, name in parts]
        self.value = names.index("value")
        self.handle, self.status, self.source, self.server = (
            names.index(name) if name in names else None for name in ("handle", "status", "source", "server")
        )


class _Records:
    """The layout of a record by its mask and type; what stands `before` them is the handle, if there is one [bytes]."""

    def __init__(self, *, handle: bool) -> None:
        self.before = _HANDLE_BYTES if handle else 0
        self.layouts = {
            bytes((mask, number)): _Layout(mask, code, handle=handle)
            for mask in range(0x40)
            if mask & _VALUE
            for number, code in _NUMBERS.items()
        }


_NOTIFIED, _HISTORIC = _Records(handle=True), _Records(handle=False)


def publication(data: bytes, now_us: int, elements: Mapping[int, int]) -> Publication:
    """Decode the body of a publish response. Raises UndecodableError.

    `now_us` stands for times that the server did not give; `elements` has, for handles that stand for an element of an
    array, its index.
    """
    try:
        return _fast(data, now_us, elements)
    except (_Unusual, struct.error):
        pass
    try:
        response = struct_from_binary(ua.PublishResponse, Buffer(data))
    except Exception as err:
        # The library raises what its parts raise: struct.error, KeyError, ValueError, its own errors.
        raise UndecodableError(f"a publish response cannot be read: {type(err).__name__}: {err}") from err
    found = response.Parameters
    return from_message(found.SubscriptionId, found.NotificationMessage, now_us, elements)


def history(data: bytes, now_us: int) -> tuple[bytes, Values] | None:
    """The continuation point and the values of the one node that was asked for; None if the library must decode them.

    `now_us` as for `publication`; the handles are none.
    """
    try:
        return _fast_history(data, now_us)
    except (_Unusual, struct.error):
        return None


def from_message(
    subscription: int, message: ua.NotificationMessage, now_us: int, elements: Mapping[int, int]
) -> Publication:
    """The same from a message that the library has decoded."""
    notifications = message.NotificationData or []
    found = Publication(subscription, message.SequenceNumber, keep_alive=not notifications)
    changes: list[ua.MonitoredItemNotification] = []
    for notification in notifications:
        match notification:
            case ua.DataChangeNotification():
                changes += notification.MonitoredItems or []
            case ua.StatusChangeNotification():
                found.ended = str(notification.Status.name)
    found.values = values_of(changes, now_us, elements)
    return found


def _fast(data: bytes, now_us: int, elements: Mapping[int, int]) -> Publication:
    kind, _, _, result, diagnostics, strings, header, subscription, available = _HEAD.unpack_from(data)
    if kind != PUBLISH_RESPONSE or result or diagnostics or strings > 0 or header != _NO_HEADER:
        raise _Unusual
    at = _HEAD.size + 4 * max(0, available)
    _, sequence, _, notifications = _MESSAGE.unpack_from(data, at)
    at += _MESSAGE.size
    values = Values()
    for _ in range(notifications):
        kind, encoding, length, count = _EXTENSION.unpack_from(data, at)
        if kind != DATA_CHANGE or encoding != _BINARY_BODY or length < _LEAST_BODY_BYTES:
            raise _Unusual
        _decode(data, at + _EXTENSION.size, count, now_us, values, _NOTIFIED)
        at += _EXTENSION.size - 4 + length  # the length counts the number of items too
    if elements and not elements.keys().isdisjoint(values.handle):
        raise _Unusual
    return Publication(subscription, sequence, keep_alive=notifications <= 0, values=values)


def _fast_history(data: bytes, now_us: int) -> tuple[bytes, Values]:
    kind, _, _, result, diagnostics, strings, header, results, status, length = _RESULT.unpack_from(data)
    if kind != HISTORY_RESPONSE or result or diagnostics or strings > 0 or header != _NO_HEADER:
        raise _Unusual
    if results != 1 or status & SEVERITY:
        raise _Unusual
    at = _RESULT.size + max(0, length)
    kind, encoding, _, count = _EXTENSION.unpack_from(data, at)
    if kind != HISTORY_DATA or encoding != _BINARY_BODY:
        raise _Unusual
    values = Values()
    _decode(data, at + _EXTENSION.size, count, now_us, values, _HISTORIC)
    return data[_RESULT.size : at], values


def _decode(data: bytes, at: int, count: int, now_us: int, values: Values, records: _Records) -> None:
    """Decode `count` records, run by run of those that are alike."""
    while count > 0:
        place = at + records.before
        mask, number = data[place : place + 1], data[place + 1 : place + 2]
        layout = records.layouts.get(mask + number)
        if layout is None:
            raise _Unusual
        size = layout.record.size
        end = at + count * size
        # If the first n records have this mask and type where they belong, all n are of this layout: each tells by
        # them where the next one begins.
        masks = data[place:end:size]
        numbers = data[place + 1 : end : size]
        run = min(_leading(masks, mask), _leading(numbers, number))
        end = at + run * size
        if end > len(data):
            raise _Unusual
        columns = list(zip(*layout.record.iter_unpack(data[at:end]), strict=True))
        _extend(values, layout, columns, now_us)
        at, count = end, count - run


def _leading(column: bytes, value: bytes) -> int:
    """How many bytes at the beginning have this value."""
    return len(column) - len(column.lstrip(value))


def _extend(values: Values, layout: _Layout, columns: list[tuple[int, ...]], now_us: int) -> None:
    count = len(columns[layout.value])
    nothing: list[Any] = [None] * count
    source = nothing if layout.source is None else _times(columns[layout.source])
    server = nothing if layout.server is None else _times(columns[layout.server])
    time_us = _with(_with(source, server), [now_us] * count)
    server_time_us = _with(server, time_us)
    for column in (time_us, server_time_us):
        if min(column) < NULL_TIME_US or max(column) > MAX_TIME_US:
            raise _Unusual
    values.handle += (0,) * count if layout.handle is None else columns[layout.handle]
    values.time_us += time_us
    values.value += map(float, columns[layout.value])
    values.status += (0,) * count if layout.status is None else columns[layout.status]
    values.server_time_us += server_time_us


def _times(ticks: tuple[int, ...]) -> list[Any]:
    """Microseconds since 1970 of 100 ns since 1601 (Part 6, 5.2.2.5), where 0 is no time: None."""
    times = [tick // _TICKS_PER_US + NULL_TIME_US for tick in ticks]
    return [None if time == NULL_TIME_US else time for time in times] if NULL_TIME_US in times else times


def _with(times: list[Any], others: list[Any]) -> list[Any]:
    """Times, with the others where there are none."""
    if None not in times:
        return times
    return [other if time is None else time for time, other in zip(times, others, strict=True)]
