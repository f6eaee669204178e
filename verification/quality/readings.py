"""What is suspicious about the readings of one point, whatever they are used for: gaps, spikes, clock steps, a change
of unit, copied periods, how they came to us.

Each check compares with a limit that stands beside it. Findings name the first place; nothing is corrected, and only
impossible values are left out. Not handled: what a total by interval contradicts (`gate.py`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from verification.findings import Finding
from verification.metrics.formula import AIR_OXYGEN_PERCENT, Quantity
from verification.model import PointKind, RowFlag
from verification.plan.resolve import measure_spec
from verification.plan.shape import Plan, Point
from verification.quality.copied import copied_from
from verification.series.calendar import Calendar
from verification.series.columns import Booleans, Floats, Integers, Series, median
from verification.units import same_dimension, scale_factor

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
GAP_CADENCES = 1.5  # two readings further apart than this have at least one missing between them
GAP_PERCENT = 1  # of a window's time: fewer gaps of a gauge are not worth a word
BACKFILLED_PERCENT = 10
STUCK_READINGS, STUCK_US, STUCK_CADENCES = 24, 6 * HOUR_US, 3  # a run of one value as long as all of these
HEIGHT_QUANTILE = 0.95  # of interval totals: where they lie at the height of production
RESTLESS_SHARE = 0.9  # of the steps beside such runs: where so many change, no 24 totals in turn are alike by chance
SPIKE_SIGMAS, SPIKE_IQRS = 10, 3  # a single reading this far from its neighbours' median; CalTRACK flags 3 IQR
SPIKE_WINDOW = 5
SPIKE_TIMES = 2  # of the height of production: more than any start or double batch of a running line brings
JUMP_TIMES, JUMP_READINGS = 10, 3  # fewer than three readings apart from the others are spikes
CLOCK_TOLERANCE_US, CLOCK_SHARE, CLOCK_SPAN = 60_000_000, 0.05, 5
SKEW_S_A_DAY, SKEW_SHARE = 10, 0.01  # a crystal errs by a second or two a day; steps that are steady to this share
UNIT_FACTORS = (1e3, 1e6, 3600.0, 3.6e6)  # Wh, kWh, MWh, GWh; kg, t; kJ and kWh; J and kWh
UNIT_TOLERANCE, UNIT_DAYS, UNIT_READINGS = 0.3, 3, 4  # a level drifts, and few digits may be left of it
JOULES, JOULES_TOLERANCE = 3.6, 0.1  # MJ in a kWh; what the retrofit saves moves the level a little besides
MAX_VALUE = 1e18  # beyond it no meter counts, and sums of squares would overflow
LEAST_VALUE = 1e-18  # nearer to nothing than any sensor tells: what arithmetic leaves of a zero
ROBUST_SIGMA = 1.4826  # standard deviations in a median absolute deviation of normal noise

_Windows = Sequence[tuple[Calendar, Series]]


def plausible(name: str, plan: Plan, series: Series) -> tuple[Series, list[Finding]]:
    """The readings that can be: within the point's limits and, for interval totals, its meter's largest rate. What is
    all but nothing is nothing.
    """
    point = plan.points[name]
    low, high = _limits(plan, name)
    nothing = (series.value < LEAST_VALUE) & (series.value > -LEAST_VALUE)
    if series.value[nothing].any():
        series = dataclasses.replace(series, value=np.where(nothing, 0.0, series.value))
    possible = (series.value >= low) & (series.value <= high)
    if possible.all():
        return series, []
    out = series.value[~possible]
    shown = {"low": f"{low:.6g}", "high": f"{high:.6g}", "example": f"{float(out[0]):.6g}", "unit": point.unit}
    return series.take(possible), [Finding.of("IMPOSSIBLE_VALUES", point=name, count=len(out), **shown)]


def _limits(plan: Plan, name: str) -> tuple[float, float]:
    point, meter = plan.points[name], plan.meter_of(name)
    low, high = -MAX_VALUE, MAX_VALUE
    if point.kind is PointKind.GAUGE and (same_dimension(point.unit, "mg/m3") or same_dimension(point.unit, "head")):
        low = 0.0  # neither a concentration nor a number of people is below nothing
    if point.kind is PointKind.STATE and _is_amount(plan, name):
        low = 0.0
    if point.kind is PointKind.GAUGE and same_dimension(point.unit, "%") and name in oxygen_points(plan):
        low, high = 0.0, AIR_OXYGEN_PERCENT * scale_factor("%", point.unit)
    if point.kind is PointKind.INTERVAL_TOTAL and meter is not None and meter.max_rate_per_hour is not None:
        high = meter.max_rate_per_hour * point.cadence_s / 3600
    return (
        low if point.minimum is None else point.minimum,
        high if point.maximum is None else point.maximum,
    )


def _is_amount(plan: Plan, name: str) -> bool:
    """Whether a formula takes a state for a share of time or a count, as `hours(running)` does; others may be codes."""
    return any(name in formula.points for formula in _formulas(plan))


def oxygen_points(plan: Plan) -> frozenset[str]:
    """The points that a formula takes for the oxygen content of flue gas."""
    return frozenset[str]().union(*(formula.oxygen for formula in _formulas(plan)))


def _formulas(plan: Plan) -> list[Quantity]:
    """What the measures and their models are computed by."""
    specs = [measure_spec(plan, measure) for measure in plan.measures]
    parts = [part for spec in specs for part in (spec.numerator, spec.denominator, *spec.drivers, *spec.alternatives)]
    return [part.formula for part in parts if part is not None]


def check_readings(name: str, point: Point, windows: _Windows, *, only_checks: bool = False) -> list[Finding]:
    """Everything that is suspicious about the cleaned readings of a point in the plan's windows. `only_checks`: no
    figure stands on the point, others are held against it.
    """
    findings: list[Finding] = []
    for calendar, series in windows:
        punctual = bool((np.diff(series.time_us) == point.cadence_s * 1_000_000).all())  # and so without gap and shift
        findings += [] if punctual else _gaps(name, point, calendar, series)
        findings += _spikes(name, point, calendar, series)
        findings += _level_jump(name, point, calendar, series)
        findings += [] if punctual else _clock_steps(name, point, calendar, series)
        findings += [] if punctual else _clock_skew(name, point, calendar, series)
        findings += _sources(name, calendar, series, "MANUAL_CROSS_CHECK" if only_checks else "MANUAL_SHARE")
    findings += [*_unit_changes(name, point, windows), *_joules(name, point, windows)]
    return [*findings, *_copies(name, point, windows)]


def stuck(point: Point, series: Series) -> Booleans:
    """Readings of a gauge or of interval totals that are part of a long run of one and the same value, bool[n].

    A value with decimals that does not move for a quarter of a day is a sensor that hangs; a count (people, pots) may
    well stand. So may a total, of a machine at a fixed rate or of a line that stands: it hangs where all others change
    from reading to reading, and at the height of production.
    """
    runs = np.zeros(len(series), dtype=bool)
    is_total = point.kind is PointKind.INTERVAL_TOTAL
    if not (is_total or point.kind is PointKind.GAUGE) or bool((series.value == np.rint(series.value)).all()):
        return runs
    moved = np.diff(series.value) != 0
    starts = np.flatnonzero(np.concatenate([[True], moved]))
    ends = np.append(starts[1:], len(series)) - 1
    lasting_us = max(STUCK_US, STUCK_CADENCES * point.cadence_s * 1_000_000)  # a laboratory's value stands for a shift
    long = (ends - starts + 1 >= STUCK_READINGS) & (series.time_us[ends] - series.time_us[starts] >= lasting_us)
    if is_total and long.any():
        long &= series.value[starts] >= float(np.quantile(series.value, HEIGHT_QUANTILE)) / 2
        still = int((ends - starts)[long].sum())
        long &= bool(moved.sum() >= RESTLESS_SHARE * (len(moved) - still))
    for start, end in zip(starts[long], ends[long], strict=True):
        runs[start : end + 1] = True
    return runs


def _gaps(name: str, point: Point, calendar: Calendar, series: Series) -> list[Finding]:
    """Time in which no reading stands, beyond GAP_PERCENT of the window. Counters count on, events may be silent."""
    if point.kind in (PointKind.COUNTER, PointKind.EVENT) or not len(series):
        return []
    cadence_us = point.cadence_s * 1_000_000
    step_us = np.diff(series.time_us)
    gaps = step_us[step_us > GAP_CADENCES * cadence_us] - cadence_us
    if int(gaps.sum()) * 100 <= GAP_PERCENT * int(calendar.edges_us[-1] - calendar.edges_us[0]):
        return []
    first = int(series.time_us[:-1][step_us > GAP_CADENCES * cadence_us][0])
    hours, longest = f"{gaps.sum() / HOUR_US:.2f}", f"{gaps.max() / HOUR_US:.2f}"
    where = {"point": name, "window": calendar.label, "first": calendar.name_at(first)}
    return [Finding.of("READING_GAPS", count=len(gaps), hours=hours, longest=longest, limit=GAP_PERCENT, **where)]


def _spikes(name: str, point: Point, calendar: Calendar, series: Series) -> list[Finding]:
    """Single readings of a gauge far from the median of their neighbours and from all the others; of interval totals
    only those far above, since a short stop is none, nor is a start.
    """
    is_total = point.kind is PointKind.INTERVAL_TOTAL
    if not (is_total or point.kind is PointKind.GAUGE) or len(series) < STUCK_READINGS:
        return []
    value = series.value
    middle = slice(SPIKE_WINDOW // 2, -(SPIKE_WINDOW // 2))
    distance = np.abs(value[middle] - _medians_of_five(value))
    moving = distance[distance > 0]
    if not len(moving):
        return []
    limit = SPIKE_SIGMAS * ROBUST_SIGMA * median(moving)
    if moving.max() > limit:  # else the range of all the others, which takes longer to find, can spare no reading
        lower, upper = np.quantile(value, [0.25, 0.75])
        limit = max(limit, SPIKE_IQRS * float(upper - lower))
    marked = distance > limit
    if is_total and marked.any():
        marked &= value[middle] > SPIKE_TIMES * float(np.quantile(value, HEIGHT_QUANTILE))
    if not marked.any():
        return []
    first = int(series.time_us[middle][marked][0])
    example = f"{float(value[middle][marked][0]):.6g}"
    where = {"point": name, "window": calendar.label, "first": calendar.name_at(first)}
    return [Finding.of("SPIKES", count=int(marked.sum()), example=example, **where)]


def _medians_of_five(value: Floats) -> Floats:
    """The median of each five values that follow each other, by comparing columns: sorting each five takes ten times
    as long.
    """
    first, second, third, fourth, fifth = (value[at : len(value) - SPIKE_WINDOW + 1 + at] for at in range(SPIKE_WINDOW))
    low = np.maximum(np.minimum(first, second), np.minimum(fourth, fifth))
    high = np.minimum(np.maximum(first, second), np.maximum(fourth, fifth))
    medians: Floats = np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), third))
    return medians


def _level_jump(name: str, point: Point, calendar: Calendar, series: Series) -> list[Finding]:
    """One step inside a window that sets all readings before it apart from all after it, by JUMP_TIMES what either side
    spans and what the lower side comes to: another scale, source or place. A line that stands reads zeros, and a change
    that goes on between the windows is the retrofit's.
    """
    if point.kind not in (PointKind.GAUGE, PointKind.INTERVAL_TOTAL) or len(series) < 2 * JUMP_READINGS:
        return []
    at = int(np.argmax(np.abs(np.diff(series.value)))) + 1
    sides = series.value[:at], series.value[at:]
    if min(map(len, sides)) < JUMP_READINGS:
        return []
    (low, low_end), (high_start, high) = sorted((float(side.min()), float(side.max())) for side in sides)
    size = min(float(np.abs(side).max()) for side in sides)
    if size == 0 or high_start - low_end <= JUMP_TIMES * max(low_end - low, high - high_start, size):
        return []
    before, after = (f"{median(side):.6g}" for side in sides)
    where = {"point": name, "window": calendar.label, "first": calendar.name_at(int(series.time_us[at]))}
    return [Finding.of("LEVEL_JUMP", before=before, after=after, limit=JUMP_TIMES, unit=point.unit, **where)]


def _clock_steps(name: str, point: Point, calendar: Calendar, series: Series) -> list[Finding]:
    """Where the rhythm of the readings is shifted and stays so: the clock was set, or another device took over. One
    reading a day by the clock on the wall is in rhythm, daylight saving or not.
    """
    cadence_us = point.cadence_s * 1_000_000
    step_us = np.diff(series.time_us)
    if not _has_rhythm(point) or len(step_us) < 4 * CLOCK_SPAN:
        return []
    odd = np.flatnonzero(np.abs(_centred(step_us, cadence_us)) > CLOCK_TOLERANCE_US)
    if not len(odd) or len(odd) > CLOCK_SHARE * len(step_us):  # readings that come when they come have no rhythm
        return []
    phase = _centred(series.time_us - series.time_us[0], cadence_us)
    steps = []
    for index in odd:
        before, after = phase[max(index + 1 - CLOCK_SPAN, 0) : index + 1], phase[index + 1 : index + 1 + CLOCK_SPAN]
        shift = int(_centred(np.array([int(np.median(after)) - int(np.median(before))]), cadence_us)[0])
        steady = np.abs(_centred(np.concatenate([before - before[-1], after - after[0]]), cadence_us)).max()
        since_us, until_us = int(series.time_us[index]), int(series.time_us[index + 1])
        by_the_wall = shift + calendar.offset_us(until_us) - calendar.offset_us(since_us)
        stepped = min(abs(shift), abs(by_the_wall)) > CLOCK_TOLERANCE_US >= steady
        if stepped and min(len(before), len(after)) == CLOCK_SPAN:
            steps.append((until_us, shift))
    if not steps:
        return []
    where = {"point": name, "window": calendar.label, "first": calendar.name_at(steps[0][0])}
    return [Finding.of("CLOCK_STEPS", count=len(steps), seconds=round(steps[0][1] / 1e6), **where)]


def _clock_skew(name: str, point: Point, calendar: Calendar, series: Series) -> list[Finding]:
    """A rhythm that is steady and yet not the cadence: the source's clock gains or loses with every day."""
    cadence_us = point.cadence_s * 1_000_000
    step_us = np.diff(series.time_us)
    steady = step_us[np.abs(step_us - cadence_us) <= SKEW_SHARE * cadence_us]
    if not _has_rhythm(point) or len(steady) < max(4 * CLOCK_SPAN, (1 - CLOCK_SHARE) * len(step_us)):
        return []
    gain_s = (median(steady.astype(np.float64)) / cadence_us - 1) * DAY_US / 1e6
    if abs(gain_s) <= SKEW_S_A_DAY:
        return []
    where = {"point": name, "window": calendar.label}
    return [Finding.of("CLOCK_SKEW", seconds_a_day=f"{gain_s:.1f}", limit=SKEW_S_A_DAY, **where)]


def _has_rhythm(point: Point) -> bool:
    """Whether a clock could be told from the readings: events come when they come, and months are not equally long."""
    return point.kind is not PointKind.EVENT and point.cadence_s * 1_000_000 <= DAY_US


def _centred(time_us: Integers, cadence_us: int) -> Integers:
    """Times modulo the cadence, between minus and plus a half of it."""
    half = cadence_us // 2
    centred: Integers = (time_us + half) % cadence_us - half
    return centred


def _sources(name: str, calendar: Calendar, series: Series, manual: str) -> list[Finding]:
    """The share of readings that were fetched after the fact or written by a person."""
    if not series.flags.any():
        return []
    findings = []
    for code, flag, limit in (
        ("BACKFILLED_SHARE", RowFlag.BACKFILLED, BACKFILLED_PERCENT),
        (manual, RowFlag.MANUAL, 0),
    ):
        count = int((series.flags & np.uint8(flag) != 0).sum())
        if count * 100 > limit * len(series):
            percent = f"{count * 100 / len(series):.1f}"
            where = {"point": name, "window": calendar.label}
            findings.append(Finding.of(code, count=count, percent=percent, limit=limit, **where))
    return findings


def _unit_changes(name: str, point: Point, windows: _Windows) -> list[Finding]:
    """What is wrong between and in the windows that every measure reads; else what is with the intermediate one, which
    speaks against the measures alone that read it.
    """
    if point.kind in (PointKind.STATE, PointKind.EVENT):
        return []
    of_all = [each for each in windows if each[0].label != "intermediate"]
    found = _unit_change(name, point, of_all)
    if found or len(of_all) == len(windows):
        return found
    return [
        Finding.of(each.code, **(each.data | {"window": "intermediate"})) for each in _unit_change(name, point, windows)
    ]


def _unit_change(name: str, point: Point, windows: _Windows) -> list[Finding]:
    """Days whose level is a factor of units away from the usual one of their window, several together; or a whole
    window that is so from the one before it that has days enough.
    """
    metered = [_above_zero(point, series) for _, series in windows]
    every = np.concatenate([value for value, _ in metered])
    if not len(every) or every.max() < min(UNIT_FACTORS) / 2 * every.min():  # whatever their days, no level is so far
        return []
    least = max(1, min(UNIT_READINGS, DAY_US // (point.cadence_s * 1_000_000)))  # where they come once a day, one
    levels = [_daily_levels(value, time_us, least) for value, time_us in metered]
    enough = [(days, level) for days, level in levels if len(level) >= 2 * UNIT_DAYS]
    compared = [(days, level / median(level)) for days, level in enough]
    for (_, before), (days, after) in itertools.pairwise(enough):
        compared.append((days, np.full(len(days), median(after) / median(before))))
    for days, ratio in compared:
        for factor in (*UNIT_FACTORS, *(1 / factor for factor in UNIT_FACTORS)):
            near = np.abs(ratio / factor - 1) <= UNIT_TOLERANCE
            if np.count_nonzero(near) >= UNIT_DAYS <= _longest_run(near):
                first_us = int(days[int(np.argmax(near))]) * DAY_US + DAY_US // 2
                calendar = _calendar_at(windows, first_us)
                where = {"point": name, "window": calendar.label, "first": calendar.name_at(first_us)}
                return [Finding.of("UNIT_CHANGED", count=int(near.sum()), factor=f"{factor:.6g}", **where)]
    return []


def _joules(name: str, point: Point, windows: _Windows) -> list[Finding]:
    """A window in which energy or power lies at 3.6 times its level of the window before, or at one part in 3.6: MJ and
    kWh, or what the works changed.
    """
    if not (same_dimension(point.unit, "kWh") or same_dimension(point.unit, "kW")):
        return []
    metered = [(calendar, _above_zero(point, series)[0]) for calendar, series in windows]
    levels = [(calendar, median(value)) for calendar, value in metered if len(value) >= 2 * UNIT_DAYS]
    return [
        Finding.of("UNIT_DOUBTFUL", point=name, window=calendar.label, factor=f"{after / before:.3g}")
        for (_, before), (calendar, after) in itertools.pairwise(levels)
        if abs(max(after / before, before / after) / JOULES - 1) <= JOULES_TOLERANCE
    ]


def _above_zero(point: Point, series: Series) -> tuple[Floats, Integers]:
    """What was metered above zero, and when."""
    value, time_us = _metered(point, series)
    return value[value > 0], time_us[value > 0]


def _daily_levels(value: Floats, time_us: Integers, least: int) -> tuple[Integers, Floats]:
    """The median of a day's values; days with fewer of them than `least` are left out."""
    found, start, count = np.unique(time_us // DAY_US, return_index=True, return_counts=True)
    level = np.zeros(len(found))
    for size in np.unique(count).tolist():  # days of one size are a table, which is sorted quicker than all at once
        alike = count == size
        table = value[start[alike][:, np.newaxis] + np.arange(size)]
        level[alike] = np.partition(table, size // 2, axis=1)[:, size // 2]
    enough = count >= least
    return found[enough], level[enough]


def _longest_run(marked: Booleans) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _copies(name: str, point: Point, windows: _Windows) -> list[Finding]:
    """Readings of each window that repeat earlier ones, of the same window or of another."""
    if point.kind in (PointKind.STATE, PointKind.EVENT):
        return []
    values, time_us = zip(*(_metered(point, series) for _, series in windows), strict=True)
    origin = copied_from(np.concatenate(values), point.cadence_s)
    parts = np.split(origin, np.cumsum([len(own_us) for own_us in time_us])[:-1])
    every_us, found = np.concatenate(time_us), []
    for (calendar, _), own_us, of in zip(windows, time_us, parts, strict=True):
        copied = np.flatnonzero(of >= 0)
        if len(copied):
            source_us = int(every_us[of[copied[0]]])
            source = _calendar_at(windows, source_us).name_at(source_us)
            where = {"point": name, "window": calendar.label, "first": calendar.name_at(int(own_us[copied[0]]))}
            found.append(Finding.of("COPIED_PERIOD", count=len(copied), source=source, **where))
    return found


def _calendar_at(windows: _Windows, time_us: int) -> Calendar:
    """The calendar of the window in which `time_us` lies."""
    inside = [calendar for calendar, _ in windows if time_us >= calendar.span_us[0]]
    return inside[-1] if inside else windows[0][0]


def _metered(point: Point, series: Series) -> tuple[Floats, Integers]:
    """The values and their times: a counter's increments, each at the reading that ends it."""
    if point.kind is PointKind.COUNTER:
        return np.diff(series.value), series.time_us[1:]
    return series.value, series.time_us
