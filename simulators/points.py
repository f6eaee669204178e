"""Measuring points as a plant's devices show them: what kind of number, which unit, how fine, over which protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
Protocol = Literal["opcua", "mqtt", "roster"]


class Kind(Enum):
    """How a point behaves between two readings: counters and gauges interpolate, a state holds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    STATE = "state"


class Integer(NamedTuple):
    """An integer type of OPC UA, and the least and the greatest number of it that a float holds."""

    name: str
    least: float
    greatest: float


INT32 = Integer("Int32", -(2.0**31), 2.0**31 - 1)
UINT32 = Integer("UInt32", 0.0, 2.0**32 - 1)
UINT64 = Integer("UInt64", 0.0, float(np.nextafter(2.0**64, 0)))


@dataclass(frozen=True)
class Point:
    """One measuring point: its unit, what kind of number it is, the decimals its device shows, its protocol.

    A point of protocol `roster` is what the leader of `team` writes down for each shift.

    `modulus` is where a counter's register rolls over to 0; None for a register that never does in a plant's life.
    `meter` is the instrument's name in the plan's register.
    """

    name: str
    unit: str
    kind: Kind
    decimals: int
    protocol: Protocol = "opcua"
    modulus: float | None = None
    meter: str = ""
    team: str = ""

    @property
    def integer(self) -> Integer | None:
        """What the device sends of a count or a state without decimals. A gauge's reading is a float: None."""
        if self.decimals or self.kind is Kind.GAUGE:
            return None
        if self.kind is Kind.STATE:
            return INT32
        return UINT32 if self.modulus is not None and self.modulus <= UINT32.greatest + 1 else UINT64

    def sent(self, value: Floats) -> Floats:
        """The numbers that the device can send of these: whole ones where it sends integers, each within its
        register's digits and without a sign where it has such a register, else within the integer's range.
        """
        whole = value if self.integer is None else np.rint(value)
        if self.modulus is not None:
            return np.mod(whole, self.modulus)
        return whole if self.integer is None else np.clip(whole, self.integer.least, self.integer.greatest)

    def shown(self, times_us: Instants, grid_us: Floats, raw: Floats) -> Floats:
        """What the device shows at `times_us`: interpolated or held between the grid's values, then cut to its
        resolution and its modulus.
        """
        if self.kind is Kind.STATE:
            return raw[np.searchsorted(grid_us, times_us, side="right") - 1]
        exact = np.interp(times_us.astype(np.float64), grid_us, raw)
        if self.kind is Kind.GAUGE:
            return np.round(exact, self.decimals)
        steps: Floats = np.floor(exact * 10**self.decimals) / 10**self.decimals  # a register shows whole steps only
        return steps if self.modulus is None else np.mod(steps, self.modulus)


def by_name(*points: Point) -> dict[str, Point]:
    """The points under their names."""
    return {point.name: point for point in points}
