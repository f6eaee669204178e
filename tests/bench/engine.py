"""What the engine costs: against opendsm on the same series, for a fleet of dossiers, and as the rows grow.

A dossier is a line with output, energy and outdoor temperature in memory; a verification runs every panel and makes the
result's bytes. Nothing is drawn.
"""

from __future__ import annotations

import datetime as dt
import functools
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from tests.bench import opendsm_timing
from tests.bench.figure import Figure
from verification.engine.verify import verify
from verification.plan.read import parse_plan
from verification.plan.shape import Plan
from verification.series.columns import Series

FLEET = 1500
FLEET_LIMIT_S = 60.0
CORES = 2
ROUNDS = 5
DIGEST = "0" * 64
FIRST_DAY = dt.date(2024, 1, 1)
SECOND_US = 1_000_000
DAY_S, HOUR_S = 86_400, 3_600
UTC_OFFSET_S = 8 * HOUR_S  # the plan's time zone has no clock changes

PLAN = """\
retroproof_plan: 2
project: bench
title: {{en: Bench, zh: 基准}}
timezone: Asia/Shanghai
interval: {interval}
baseline: {{start: {start}, end: {middle}}}
reporting: {{start: {middle}, end: {end}}}
points:
  energy: {{kind: interval_total, unit: kWh, meter: M1, cadence_s: {cadence_s}}}
  output: {{kind: interval_total, unit: t, meter: S1, cadence_s: {cadence_s}}}
  outdoor: {{kind: gauge, unit: degC, cadence_s: {cadence_s}}}
meters:
  M1: {{class_percent: 0.5, unit: kWh}}
  S1: {{class_percent: 0.5, unit: t}}
measures:
  energy:
    metric: energy_per_ton
    unit: kWh/t
    boundary: {{en: the line, zh: 产线}}
    inputs: {{energy: energy, output: output}}
    model: {{kind: {model}}}
    target: {{at_most: -20, unit: kWh/t}}
"""
OLS = "ols, drivers: [output, outdoor]"


def dossier(days: int, cadence_s: int, interval: str, model: str, seed: int) -> tuple[Plan, dict[str, Series]]:
    """A plan with `days` before and as many after the retrofit, and its readings, one every `cadence_s`."""
    rng = np.random.default_rng(seed)
    middle, end = FIRST_DAY + dt.timedelta(days=days), FIRST_DAY + dt.timedelta(days=2 * days)
    text = PLAN.format(interval=interval, start=FIRST_DAY, middle=middle, end=end, cadence_s=cadence_s, model=model)
    count = 2 * days * DAY_S // cadence_s
    first_s = (FIRST_DAY - dt.date(1970, 1, 1)).days * DAY_S - UTC_OFFSET_S
    time_us = (first_s + cadence_s * np.arange(count + 1, dtype=np.int64)) * SECOND_US
    share = cadence_s / DAY_S
    phase = 2 * np.pi * np.arange(count + 1) * share
    outdoor = 15 - 14 * np.cos(phase / 365) - 4 * np.cos(phase) + rng.normal(0, 2, count + 1)
    output = np.round(rng.uniform(500, 700, count + 1) * share, 3)
    climate = 900 * np.maximum(16 - outdoor, 0) + 1500 * np.maximum(outdoor - 22, 0)
    energy = (120_000 + climate) * share + 400 * output + rng.normal(0, 2000 * share**0.5, count + 1)
    energy[count // 2 :] -= 40 * output[count // 2 :]
    readings = {
        "energy": Series.of(time_us[:-1], np.round(energy[:-1], 1)),
        "output": Series.of(time_us[:-1], output[:-1]),
        "outdoor": Series.of(time_us, np.round(outdoor, 1)),
    }
    return parse_plan(text.encode()), readings


def judge(plan: Plan, readings: dict[str, Series]) -> None:
    """One verification, to the result's bytes. Raises RuntimeError where it ends without a figure."""
    result = verify(plan, DIGEST, readings)
    if result.measures[0].effect is None:
        raise RuntimeError(f"the bench's line was not judged: {result.all_findings}")
    result.to_json()


def seconds(work: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> float:
    """The median time of `work` by a clock, after one round that does not count."""
    work()
    taken = []
    for _ in range(ROUNDS):
        begin = clock()
        work()
        taken.append(clock() - begin)
    return statistics.median(taken)


def verify_vs_opendsm() -> list[Figure]:
    """A whole verification, two years of days and every panel, against opendsm's fit of the baseline year alone."""
    plan, readings = dossier(365, DAY_S, "day", OLS, seed=1)
    theirs_s = opendsm_timing.fit_seconds(readings["energy"].value[:365], readings["outdoor"].value[:365])
    ours_s = seconds(lambda: judge(plan, readings))
    against = "opendsm 1.2.7, daily fit alone (at least 10)"
    return [Figure("verify_vs_opendsm", ours_s * 1000, "ms", against, theirs_s / ours_s)]


def cost_in_rows() -> list[Figure]:
    """Two years of hours over one: processor time must not grow faster than the rows, with a tenth for the clock."""
    one, two = (dossier(days, HOUR_S, "hour", OLS, seed=2) for days in (182, 364))
    one_s, two_s = (seconds(functools.partial(judge, *each), time.process_time) for each in (one, two))
    rows = sum(map(len, two[1].values()))
    return [Figure("cost_in_rows", rows / two_s, "rows/s", "two years of hours over one (at most 2.2)", two_s / one_s)]


def fleet_1500() -> list[Figure]:
    """1,500 dossiers of two years of hourly readings, judged by the day and by the hour, each fleet against the minute
    that it may take on two cores: by the clock, and by the processors' time, which other work on the machine does not
    lengthen.
    """
    return [*_fleet("day"), *_fleet("hour")]


def _fleet(interval: str) -> list[Figure]:
    begin, before_s = time.perf_counter(), _children_s()
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        for _ in pool.imap_unordered(functools.partial(_judge_seed, interval), range(FLEET), chunksize=10):
            pass
        pool.close()
        pool.join()
    taken_s, used_s = time.perf_counter() - begin, _children_s() - before_s
    name, limit_s = f"fleet_1500_by_{interval}", FLEET_LIMIT_S * CORES
    by_clock, by_cpu = f"{FLEET_LIMIT_S:.0f} s (at least 1)", f"{limit_s:.0f} core seconds (at least 1)"
    return [
        Figure(name, FLEET / taken_s, "dossiers/s", by_clock, FLEET_LIMIT_S / taken_s),
        Figure(f"{name}_cpu", 1000 * used_s / FLEET, "ms each", by_cpu, limit_s / used_s),
    ]


def _children_s() -> float:
    """The processor time of all processes that this one has started and that have ended [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _judge_seed(interval: str, seed: int) -> None:
    judge(*dossier(365, HOUR_S, interval, OLS, seed))
