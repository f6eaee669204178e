"""Measuring points as a plant's devices show them: what kind of number, which unit, how fine, over which protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

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
    def is_whole(self) -> bool:
        """Whether the device sends integers: a count or a state without decimals. A gauge's reading is a float."""
        return self.decimals == 0 and self.kind is not Kind.GAUGE

    def sent(self, value: Floats) -> Floats:
        """The numbers that the device can send of these: whole ones where it sends integers, each within its
        register's digits and without a sign where it has such a register.
        """
        whole = np.rint(value) if self.is_whole else value
        return whole if self.modulus is None else np.mod(whole, self.modulus)

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
