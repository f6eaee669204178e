"""Reads one MQTT payload as a reading: plain numbers, or JSON with a path to value, time and quality. Pure.

A path is field names and list positions joined by dots, such as `d.0.value`. Times are RFC 3339 with an offset; a naive
time is refused, since no one can say later which clock was meant.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from verification.errors import RetroProofError
from verification.model import MAX_TIME_US, NULL_TIME_US

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_SHOWN = 80
MAX_STATUS = 2**32 - 1
# OPC UA status codes of the same severity (Part 4, 7.39), so that one column serves all sources.
QUALITIES = {"good": 0x00000000, "uncertain": 0x40000000, "bad": 0x80000000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PayloadError(RetroProofError):
    """A payload that is not what the configuration says; the message names the point's path and what was found."""


class Paths(Protocol):
    """Where value, time and quality stand in a payload; empty: it is the value itself, has no time, is always good."""

    @property
    def value(self) -> str: ...

    @property
    def time(self) -> str: ...

    @property
    def quality(self) -> str: ...


class PayloadReading(NamedTuple):
    """What one payload says about one point."""

    time_us: int
    value: float
    status: int


def decode(payload: bytes) -> object:
    """The JSON value of a payload. Raises PayloadError."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are read")
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise PayloadError(f"not JSON and not a number: {payload[:MAX_SHOWN]!r}") from err


def reading(body: object, paths: Paths, arrived_us: int) -> PayloadReading:
    """The reading at `paths` in a decoded payload; without a time in it, the time of arrival. Raises PayloadError."""
    value = _number(_at(body, paths.value), paths.value or "payload")
    time_us = _time_us(_at(body, paths.time)) if paths.time else arrived_us
    status = _status(_at(body, paths.quality)) if paths.quality else QUALITIES["good"]
    return PayloadReading(time_us, value, status)


def _at(body: object, path: str) -> object:
    for step in path.split(".") if path else ():
        match body:
            case dict() if step in body:
                body = body[step]
            case list() if step.isdecimal() and int(step) < len(body):
                body = body[int(step)]
            case _:
                raise PayloadError(f"nothing stands at {path}")
    return body


def _number(found: object, path: str) -> float:
    if isinstance(found, bool | int | float):
        number = _as_double(found)
        if math.isfinite(number):
            return number
    raise PayloadError(f"{path} is not a number: {str(found)[:MAX_SHOWN]!r}")


def _as_double(found: float) -> float:
    try:
        return float(found)
    except OverflowError:
        return math.inf


def _time_us(found: object) -> int:
    try:
        moment = datetime.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise PayloadError(f"not a time with an offset, such as 2026-03-01T08:00:00+08:00: {str(found)[:MAX_SHOWN]!r}")
    time_us = (moment - _EPOCH) // timedelta(microseconds=1)
    if not NULL_TIME_US <= time_us <= MAX_TIME_US:
        raise PayloadError(f"a time outside the years 1601 to 2200: {found!r}")
    return time_us


def _status(found: object) -> int:
    if isinstance(found, str) and found.lower() in QUALITIES:
        return QUALITIES[found.lower()]
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MAX_STATUS:
        return found
    raise PayloadError(f"not a quality (good, uncertain, bad, or an OPC UA status code): {str(found)[:MAX_SHOWN]!r}")
