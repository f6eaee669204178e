"""Plans and readings as nobody would file them, from a seed: every metric, model, method, target and interval, over
windows from a day on, and over readings that are damaged or that mean nothing.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import numpy as np

from tests.verification.damage import damaged_readings
from verification.metrics.catalogue import catalogue
from verification.model import PointKind
from verification.plan import Plan
from verification.plan.checks import check_plan
from verification.plan.draft import EXAMPLE_PARAMETERS
from verification.plan.edges import interval_edges_us
from verification.plan.measure import PlanError
from verification.plan.shape import Interval, Window
from verification.series.columns import Series

ZONES = ("Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns")
STARTS = (dt.date(2026, 3, 1), dt.date(2026, 10, 1), dt.date(2011, 12, 1), dt.date(1970, 1, 1))
DAYS: dict[str, Sequence[int]] = {
    "15min": (1, 2, 5),
    "hour": (1, 2, 4, 14),
    "shift": (1, 4, 20),
    "day": (1, 2, 6, 13, 30, 60),
    "week": (7, 42, 182),
}
MONTHS = (1, 6, 12, 24)
TOTALS = ("counter", "interval_total", "event")
LIMITS = (0.0, -1.0, -200.0, 5.0, 1e6, -1e18, 1e-9)
MEANINGLESS = {
    "nothing": lambda value, _: value * 0,
    "one value": lambda value, _: np.full(len(value), 0.1),
    "tiny": lambda value, _: value * 1e-300,
    "denormal": lambda value, _: np.full(len(value), 5e-324),
    "huge": lambda value, _: value * 1e12,
    "a ramp": lambda value, _: np.arange(len(value), dtype=float),
    "to and fro": lambda value, _: np.arange(len(value)) % 2 * 1e6,
    "negative": lambda value, _: -value,
    "far off": lambda value, _: value + 1e16,
    "two levels": lambda value, _: value * np.where(np.arange(len(value)) < len(value) // 2, 1e-16, 1e16),
    "chance": lambda value, rng: rng.normal(0, 1, len(value)),
}


def nonsense(seed: int) -> tuple[Plan, dict[str, Series], str]:
    """A plan that is accepted, readings of its points, and what befell them."""
    rng = random.Random(seed)
    while True:
        plan = msgspec.convert(_plan(rng), Plan)
        try:
            check_plan(plan)
        except PlanError:
            continue
        readings, what = _spoilt(_readings(plan, np.random.default_rng(seed)), rng, seed)
        return plan, readings, what


def _plan(rng: random.Random) -> dict[str, Any]:
    interval = rng.choice(get_args(Interval))
    windows = _windows(rng, interval)
    cadence_s = {"15min": 900, "hour": 3600, "shift": 7200}.get(interval, 86_400)
    metric = rng.choice(sorted(catalogue().metrics))
    definition = catalogue().metrics[metric]
    roles = [name for name, role in definition.roles.items() if role.default is None or rng.random() < 0.3]
    kinds = {"total": TOTALS, "mean": ("gauge", "state")}
    points = {
        name: {"kind": rng.choice(kinds[role.kind]), "unit": role.unit, "cadence_s": cadence_s}
        for name, role in definition.roles.items()
        if name in roles
    }
    meters = {}
    for name, point in points.items():
        if rng.random() < 0.5:
            point["meter"], meters[f"M-{name}"] = f"M-{name}", _meter(rng, point["unit"], windows)
    points["outdoor"] = {"kind": "gauge", "unit": "degC", "cadence_s": cadence_s}
    points["line"] = {"kind": "state", "unit": "1", "cadence_s": cadence_s}
    of = rng.choice(["change", "change", "relative", "level"])
    measure = {
        "metric": metric,
        "unit": definition.unit,
        "boundary": {"en": "all", "zh": "全部"},
        "inputs": {name: name for name in roles},
        "parameters": {
            name: EXAMPLE_PARAMETERS.get(name, 1.0)
            for name, about in definition.parameters.items()
            if about.value is None
        },
        "model": _model(rng, definition.denominator if definition.denominator in roles else None),
        "target": {
            "of": of,
            rng.choice(["at_most", "at_least"]): rng.choice(LIMITS),
            "unit": "%" if of == "relative" else definition.unit,
        },
        "method": rng.choice(["chaining"] if "intermediate" in windows else ["avoided", "backcast", "normalised"]),
    }
    plan = {
        "retroproof_plan": 2,
        "project": "nonsense",
        "title": {"en": "nonsense", "zh": "无意义"},
        "timezone": rng.choice(ZONES),
        "interval": interval,
        "points": points,
        "meters": meters,
        "measures": {"figure": measure},
        "confidence": rng.choice([0.51, 0.9, 0.95, 0.9999]),
        **windows,
    }
    if interval == "shift":
        plan["shifts"] = [{"name": "early", "start": "02:30"}, {"name": "late", "start": "14:00"}]
    if rng.random() < 0.3:
        plan["run_state"] = {"point": "line", "gate": rng.random() < 0.7}
    return plan


def _windows(rng: random.Random, interval: str) -> dict[str, dict[str, str]]:
    """Baseline, often an intermediate window, and reporting period, one after the other with or without a gap."""
    names = ["baseline", "intermediate", "reporting"] if rng.random() < 0.25 else ["baseline", "reporting"]
    start, windows = rng.choice(STARTS), {}
    for name in names:
        if interval == "month":
            months = start.year * 12 + start.month - 1 + rng.choice(MONTHS)
            end = dt.date(months // 12, months % 12 + 1, 1)
        else:
            end = start + dt.timedelta(days=rng.choice(DAYS[interval]))
        windows[name] = {"start": start.isoformat(), "end": end.isoformat()}
        start = end if interval == "month" else end + dt.timedelta(days=rng.choice([0, 1, 30]))
    return windows


def _meter(rng: random.Random, unit: str, windows: dict[str, dict[str, str]]) -> dict[str, Any]:
    meter: dict[str, Any] = {"class_percent": rng.choice([0.0, 0.2, 1.0, 50.0]), "unit": unit}
    if rng.random() < 0.5:
        date = rng.choice([windows["baseline"]["end"], windows["reporting"]["start"]])
        meter["changes"] = [{"date": date, "kind": rng.choice(["replaced", "recalibrated"])}]
    return meter


def _model(rng: random.Random, output: str | None) -> dict[str, Any]:
    kind = rng.choice(["ols", "ratio", "mean", "change_point", "towt"])
    drivers = []
    if kind not in ("ratio", "mean"):
        drivers = ["outdoor"] if kind != "ols" or output is None or rng.random() < 0.4 else []
        drivers += [output] if output and (kind == "ols" or rng.random() < 0.5) else []
    model = {"kind": kind, "drivers": drivers}
    if rng.random() < 0.3:
        model["categories"] = [rng.choice(["weekday", "month", "line"])]
    if rng.random() < 0.3 and "outdoor" not in drivers:
        model["alternatives"] = ["outdoor"]
    return model


def _readings(plan: Plan, rng: np.random.Generator) -> dict[str, Series]:
    """A line that errs by a hundredth, read at its cadence and at every edge."""
    first, last = plan.baseline.start, plan.reporting.end
    edges_us = interval_edges_us(plan, Window(first, last)) if plan.interval != "month" else _months_us(plan)
    step_us = next(iter(plan.points.values())).cadence_s * 1_000_000
    time_us = np.union1d(np.arange(edges_us[0], edges_us[-1], step_us), edges_us)
    hours = np.diff(time_us, append=time_us[-1] + step_us) / 3.6e9
    pace = 1 + 0.05 * np.sin(np.arange(len(time_us))) + rng.normal(0, 0.01, len(time_us))
    found = {}
    for name, point in plan.points.items():
        match point.kind:
            case PointKind.COUNTER:
                value = np.round(1e5 + np.concatenate([[0.0], np.cumsum(100 * pace * hours)[:-1]]), 2)
            case PointKind.STATE:
                value = (rng.random(len(time_us)) < 0.9).astype(float)
            case PointKind.GAUGE:
                value = 15 + 8 * np.sin(np.arange(len(time_us)) / 9) + rng.normal(0, 1, len(time_us))
            case _:
                value = np.round(100 * pace * hours, 2)
        found[name] = Series.of(time_us, value)
    return found


def _months_us(plan: Plan) -> list[int]:
    return sorted({edge for window in plan.windows.values() for edge in interval_edges_us(plan, window)})


def _spoilt(readings: dict[str, Series], rng: random.Random, seed: int) -> tuple[dict[str, Series], str]:
    told = []
    for number in range(rng.choice([0, 1, 1, 2])):
        if rng.random() < 0.5:
            what, readings = damaged_readings(readings, seed + number)
        else:
            what, name = rng.choice(sorted(MEANINGLESS)), rng.choice(sorted(readings))
            series = readings[name]
            with np.errstate(all="ignore"):
                value = MEANINGLESS[what](series.value, np.random.default_rng(seed))
            readings = readings | {name: Series(series.time_us, value, series.status, series.flags)}
            what = f"{what} of {name}"
        told.append(what)
    return readings, ", ".join(told) or "nothing"
