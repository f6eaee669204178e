"""Builders of a metered line with a known effect, for the tests of the engine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np

from verification.engine.result import MeasureResult, Result
from verification.model import PointKind
from verification.plan import Model, Plan, Point, Window, WindowName, parse_plan
from verification.plan.resolve import measure_spec
from verification.quality.window import WindowData
from verification.series.calendar import Calendar
from verification.series.columns import Series

PLAN_FILE = Path(__file__).parent / "data" / "hengkang.yaml"
PLAN_BYTES = PLAN_FILE.read_bytes()
HOUR_S = 3600


def hengkang_plan(**changes) -> Plan:
    """The potline's plan: 120 days, 10 days of works, 120 days; `changes` replace its fields or its measure's."""
    return changed(parse_plan(PLAN_BYTES), **changes)


def changed(plan: Plan, **changes) -> Plan:
    """`plan` with some of its own fields, or those of its one measure, replaced."""
    [(name, measure)] = plan.measures.items()
    of_measure = {field: changes.pop(field) for field in list(changes) if field in measure.__struct_fields__}
    measures = {name: msgspec.structs.replace(measure, **of_measure)}
    return msgspec.structs.replace(plan, **{"measures": measures, **changes})


def only(result: Result) -> MeasureResult:
    """The result's one measure."""
    [measure] = result.measures
    return measure


def short_plan(days: int = 30, **changes) -> Plan:
    """`days` of baseline, two of works, `days` of reporting, read every hour."""
    start = dt.date(2026, 3, 1)
    plan = hengkang_plan(
        baseline=Window(start, start + dt.timedelta(days=days)),
        reporting=Window(start + dt.timedelta(days=days + 2), start + dt.timedelta(days=2 * days + 2)),
    )
    points = {name: msgspec.structs.replace(point, cadence_s=HOUR_S) for name, point in plan.points.items()}
    return changed(plan, points=points, **changes)


def hourly_plan() -> Plan:
    """Ninety days before and after, of readings each hour."""
    plan = hengkang_plan(
        baseline=Window(dt.date(2026, 3, 1), dt.date(2026, 5, 30)),
        reporting=Window(dt.date(2026, 6, 1), dt.date(2026, 8, 30)),
    )
    for name in ("ac_energy", "metal_tapped", "line_state"):
        plan = with_point(plan, name, cadence_s=HOUR_S)
    return plan


def with_meter(plan: Plan, name: str, **changes) -> Plan:
    """`plan` with one meter changed."""
    return msgspec.structs.replace(
        plan, meters={**plan.meters, name: msgspec.structs.replace(plan.meters[name], **changes)}
    )


def with_point(plan: Plan, name: str, **changes) -> Plan:
    """`plan` with one point changed."""
    return msgspec.structs.replace(
        plan, points={**plan.points, name: msgspec.structs.replace(plan.points[name], **changes)}
    )


def micros(plan: Plan, day: dt.date) -> int:
    """Local midnight of `day`."""
    return round(dt.datetime(day.year, day.month, day.day, tzinfo=plan.zone).timestamp()) * 1_000_000


def daily_noise(rng: np.random.Generator, days: int, rho: float, sd: float) -> np.ndarray:
    """A stationary AR(1) series."""
    shocks = rng.standard_normal(days) * sd
    noise = np.empty(days)
    noise[0] = shocks[0]
    for day in range(1, days):
        noise[day] = rho * noise[day - 1] + np.sqrt(1 - rho**2) * shocks[day]
    return noise


def line(
    plan: Plan,
    *,
    seed: int = 1,
    effect: float = -260.0,
    rho: float = 0.5,
    noise_sd: float = 0.004,
    output_t=None,
) -> dict[str, Series]:
    """Readings from the first to the last edge of `plan`: kWh = 150,000 + 13,270 kWh/t, and `effect` kWh/t after
    the baseline.

    `output_t` gives the tons of each day, the works included; without it they vary by up to 7 %.
    """
    rng = np.random.default_rng(seed)
    first, last = plan.baseline.start, plan.reporting.end
    days = (last - first).days
    cadence_s = plan.points["ac_energy"].cadence_s
    per_day = 86_400 // cadence_s
    start = micros(plan, first)
    time_us = start + np.arange(days * per_day + 1, dtype=np.int64) * cadence_s * 1_000_000
    varied_t = 656 * (1 + rng.uniform(-0.07, 0.07, days))
    tons = varied_t if output_t is None else np.asarray(output_t, dtype=float)
    energy_kwh = (150_000 + 13_270 * tons) * (1 + daily_noise(rng, days, rho, noise_sd))
    energy_kwh[(plan.baseline.end - first).days :] += effect * tons[(plan.baseline.end - first).days :]

    def register(per_day_total: np.ndarray, offset: float, digits: int) -> np.ndarray:
        steps = np.repeat(per_day_total / per_day, per_day)
        return np.round(offset + np.concatenate([[0.0], np.cumsum(steps)]), digits)

    return {
        "ac_energy": Series.of(time_us, register(energy_kwh, 9.5e8, 0) % 1e9),
        "metal_tapped": Series.of(time_us, register(tons, 1000.0, 2)),
        "line_state": Series.of(time_us, np.append(np.repeat((tons > 0).astype(float), per_day), 1.0)),
    }


def window_data(label: WindowName, energy_kwh, tons, drivers) -> WindowData:
    """Days of the potline's measure, all of them used: kWh, t, and a column for each driver."""
    n = len(energy_kwh)
    window = Window(dt.date(2026, 3, 1), dt.date(2026, 3, 1) + dt.timedelta(days=n))
    names = [f"x{index}" for index in range(1, len(drivers))]
    gauges = {name: Point(PointKind.GAUGE, "1") for name in names}
    plan = hengkang_plan()
    plan = changed(
        plan,
        points=plan.points | gauges,
        baseline=window,
        reporting=window,
        model=Model("ols", ["metal_tapped", *names]),
    )
    return WindowData(
        spec=measure_spec(plan, "energy"),
        calendar=Calendar.of(plan, label),
        numerator=np.round(np.array(energy_kwh) * 1000).astype(np.int64),
        denominator=np.round(np.array(tons) * 1e6).astype(np.int64),
        drivers=np.column_stack(drivers).astype(float),
        known=np.ones(n, dtype=bool),
        used=np.ones(n, dtype=bool),
        coverage_percent=np.full(n, 100),
    )


def drop(series: Series, start_us: int, end_us: int) -> Series:
    """`series` without the readings in [start_us, end_us)."""
    return series.take((series.time_us < start_us) | (series.time_us >= end_us))


def codes(result) -> set[str]:
    """The codes of a result's findings."""
    return {finding.code for finding in result.all_findings}
