"""A published case by the way that a user has: a plan and a table in, a result out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from retroproof import main
from verification.engine.result import Result, parse_result

START = dt.date(2026, 1, 1)


def verified(
    folder: Path,
    points: dict[str, tuple[str, Sequence[float]]],
    measure: str,
    *,
    baseline: int | None = None,
    kinds: Mapping[str, str] = MappingProxyType({}),
    a_day: int = 1,
    after: dt.timedelta = dt.timedelta(),
    meters: Mapping[str, str] = MappingProxyType({}),
) -> Result:
    """The result of `points` (unit, values), totals where `kinds` says nothing else, with so many readings `a_day`,
    each so long `after` its time, by the `meters` of its register: half of the days are the baseline, or as many as it
    says.
    """
    step = dt.timedelta(days=1) / a_day
    days = len(next(iter(points.values()))[1]) // a_day
    middle, end = (START + dt.timedelta(days=count) for count in (baseline or days // 2, days))
    about = "\n".join(
        f"  {name}: {{kind: {kinds.get(name, 'interval_total')}, unit: '{unit}', cadence_s: {step.seconds or 86400}"
        f"{f', meter: {meters[name]}' if name in meters else ''}}}"
        for name, (unit, _) in points.items()
    )
    plan = folder / "plan.yaml"
    plan.write_text(
        f"""retroproof_plan: 2
project: published
title: {{en: published, zh: 公开算例}}
timezone: Asia/Shanghai
interval: day
baseline: {{start: {START}, end: {middle}}}
reporting: {{start: {middle}, end: {end}}}
points:
{about}
measures:
  figure:
    boundary: {{en: all, zh: 全部}}
{measure}
""",
        encoding="utf-8",
    )
    table = folder / "readings.csv"
    rows = [f"time,{','.join(points)}"]
    first = dt.datetime.combine(START, dt.time()) + after
    for index in range(days * a_day):
        cells = (repr(values[index]) for _, values in points.values())
        rows.append(f"{(first + index * step).isoformat()}+08:00,{','.join(cells)}")
    table.write_text("\n".join(rows), encoding="utf-8")
    out = folder / "result.json"
    with pytest.raises(SystemExit):
        main(["verify", str(plan), "--readings", str(table), "--json", str(out)])
    return parse_result(out.read_bytes())
