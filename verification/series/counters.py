"""Registers to totals: rollover, replacement, reset, jump and gap of a counter.

A total is either right or missing: it is the difference of the register at two edges, each read within a minute, and
whatever lies between does no harm as long as the register can be followed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np

from verification.findings import Finding
from verification.plan.shape import EDGE_TOLERANCE_US, Meter
from verification.series.calendar import Calendar
from verification.series.columns import Booleans, Floats, Integers, Series, median

HOUR_US = 3_600_000_000
ROBUST_RATE_MARGIN = 10  # an undeclared maximum rate is taken as this many times the median rate of the running meter
GAP_CADENCES = 1.5  # two readings further apart than this have at least one missing between them


@dataclasses.dataclass(frozen=True, eq=False)
class _Steps:
    """Every step of a register from one reading to the next: how it is to be read.

    `offset` is what must be added to the difference of the two readings: the modulus at a rollover, the final less
    the first reading at a replacement.
    """

    offset: Floats
    rollover: Booleans
    replaced: Booleans
    reset: Booleans
    jump: Booleans
    ambiguous: Booleans
    max_rate_per_hour: float

    @property
    def broken(self) -> Booleans:
        """Steps across which nobody can say what was counted."""
        return self.reset | self.jump | self.ambiguous


def counter_totals(
    point: str, series: Series, calendar: Calendar, cadence_us: int, meter: Meter | None
) -> tuple[Floats, list[Finding]]:
    """Register differences between the edges, float64[n]: exact across gaps inside an interval, nan where an edge is
    unread.
    """
    if len(series) == 0:
        return np.full(len(calendar), np.nan), []
    steps = _classify(series, calendar, cadence_us, meter)
    at_edge, read = _nearest(series.time_us, calendar.edges_us)
    offset = np.append(0.0, np.cumsum(steps.offset))[at_edge]
    broken = np.append(0, np.cumsum(steps.broken))[at_edge]
    usable = read[1:] & read[:-1] & (np.diff(broken) == 0)
    with np.errstate(over="ignore", invalid="ignore"):
        value = np.where(usable, np.diff(series.value[at_edge]) + np.diff(offset), np.nan)
    return value, _findings(point, series, calendar, steps, _gaps(series, at_edge, usable, cadence_us))


def _nearest(time_us: Integers, edges_us: Integers) -> tuple[Integers, Booleans]:
    """The reading nearest to each edge (the earlier one of two as near), and whether it is near enough."""
    after = np.clip(np.searchsorted(time_us, edges_us), 0, len(time_us) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(time_us[before] - edges_us) <= np.abs(time_us[after] - edges_us), before, after)
    return nearest, np.abs(time_us[nearest] - edges_us) <= EDGE_TOLERANCE_US


def _classify(series: Series, calendar: Calendar, cadence_us: int, meter: Meter | None) -> _Steps:
    """Tell rollover, replacement, reset and jump apart by the most that the meter can count between two readings.

    A drop is a rollover where the register's modulus explains it at a plausible rate, and only where the time
    between the two readings is too short for a whole turn of the register: after a longer gap nobody knows how
    often it turned.
    """
    max_rate = meter.max_rate_per_hour if meter is not None else None
    if max_rate is None:
        max_rate = _robust_max_rate_per_hour(series, cadence_us)
    with np.errstate(over="ignore", invalid="ignore"):
        rise = np.diff(series.value)
    # A batch process moves its counter in bursts, so a step shorter than the cadence may carry a whole cadence's worth.
    possible = max_rate * np.maximum(np.diff(series.time_us), cadence_us) / HOUR_US
    offset = np.zeros(len(rise))
    replaced = _replacements(series, calendar, meter, rise, possible, offset)
    modulus = meter.register_modulus if meter is not None else None
    rollover, ambiguous = np.zeros(len(rise), dtype=bool), np.zeros(len(rise), dtype=bool)
    if modulus is not None:
        ambiguous = (possible >= modulus) & ~replaced
        rollover = (rise < 0) & (rise + modulus >= 0) & (rise + modulus <= possible) & ~ambiguous & ~replaced
        offset[rollover] = modulus
    followed = rollover | replaced
    return _Steps(
        offset=offset,
        rollover=rollover,
        replaced=replaced,
        reset=(rise < 0) & ~followed & ~ambiguous,
        jump=(rise > possible) & ~replaced,
        ambiguous=ambiguous,
        max_rate_per_hour=max_rate,
    )


def _replacements(
    series: Series, calendar: Calendar, meter: Meter | None, rise: Floats, possible: Floats, offset: Floats
) -> Booleans:
    """The step at which each registered replacement happened, with `offset` set to carry the total across.

    It is the step around or on the day of the change after which the old register's final and the new one's first
    reading explain both values at a plausible rate.
    """
    replaced = np.zeros(len(rise), dtype=bool)
    for change in meter.changes if meter is not None else []:
        if change.final_reading is None or change.first_reading is None:
            continue
        midnight = dt.datetime.combine(change.date, dt.time(0), tzinfo=calendar.zone)
        start_us = round(midnight.timestamp()) * 1_000_000
        end_us = round((midnight + dt.timedelta(days=1)).timestamp()) * 1_000_000
        across = (series.time_us[1:] >= start_us) & (series.time_us[:-1] < end_us)
        before = change.final_reading - series.value[:-1]
        after = series.value[1:] - change.first_reading
        explained = across & (before >= 0) & (after >= 0) & (before + after <= possible)
        # Where the new register begins near the old one's end, many steps fit: the one that leaves least unexplained.
        unexplained = np.where(explained & ((rise < 0) | (rise > possible)), before + after, np.inf)
        if np.isfinite(unexplained).any():
            index = int(np.argmin(unexplained))
            replaced[index] = True
            offset[index] = change.final_reading - change.first_reading
    return replaced


def _robust_max_rate_per_hour(series: Series, cadence_us: int) -> float:
    """Ten times the median rate at which the counter rises, seen at its cadence; 0 for one that never rises."""
    _, first = np.unique(series.time_us // cadence_us, return_index=True)
    thinned = series.take(first)
    rise, step_us = np.diff(thinned.value), np.diff(thinned.time_us)
    rising = rise > 0
    if not rising.any():
        return 0.0
    return ROBUST_RATE_MARGIN * median(rise[rising] * HOUR_US / np.maximum(step_us[rising], cadence_us))


def _gaps(series: Series, at_edge: Integers, usable: Booleans, cadence_us: int) -> Integers:
    """The lengths [us] of the steps inside usable intervals that skip at least one due reading."""
    step_us = np.diff(series.time_us)
    opened = np.zeros(len(step_us) + 1, dtype=np.int64)
    np.add.at(opened, at_edge[:-1][usable], 1)
    np.add.at(opened, at_edge[1:][usable], -1)
    inside = np.cumsum(opened)[:-1] > 0
    gaps: Integers = step_us[inside & (step_us > GAP_CADENCES * cadence_us)]
    return gaps


def _findings(point: str, series: Series, calendar: Calendar, steps: _Steps, gaps_us: Integers) -> list[Finding]:
    where: dict[str, str | int] = {"point": point, "window": calendar.label}
    findings = []
    if steps.rollover.any():
        findings.append(Finding.of("COUNTER_ROLLOVER", **where, count=int(steps.rollover.sum())))
    if steps.replaced.any():
        findings.append(Finding.of("COUNTER_REPLACED", **where, count=int(steps.replaced.sum())))
    for code, marks in (
        ("COUNTER_RESET", steps.reset),
        ("COUNTER_JUMP", steps.jump),
        ("COUNTER_AMBIGUOUS", steps.ambiguous),
    ):
        if marks.any():
            findings.append(
                Finding.of(
                    code,
                    **where,
                    count=int(marks.sum()),
                    first=calendar.name_at(int(series.time_us[1:][marks][0])),
                    max_rate_per_hour=f"{steps.max_rate_per_hour:.6g}",
                )
            )
    if len(gaps_us):
        hours = f"{gaps_us.sum() / HOUR_US:.2f}"
        findings.append(Finding.of("COUNTER_GAP", **where, count=len(gaps_us), hours=hours))
    return findings
