"""Bills as people have them: one row a month with its total, and one a week."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.verification.lines import codes, only
from verification.engine.verify import verify
from verification.errors import ConfigError
from verification.plan import Plan, parse_plan
from verification.plan.edges import interval_edges_us
from verification.series.columns import Series

PLAN = """
retroproof_plan: 2
project: bills
title: {en: Bills, zh: 账单}
points:
  kwh: {kind: interval_total, unit: kWh, cadence_s: 2678400}
  tons: {kind: interval_total, unit: t, cadence_s: 2678400}
timezone: Europe/Berlin
interval: month
baseline: {start: 2020-01-01, end: 2024-01-01}
reporting: {start: 2024-01-01, end: 2026-01-01}
measures:
  energy:
    metric: energy_per_ton
    unit: kWh/t
    boundary: {en: works, zh: 全厂}
    inputs: {energy: kwh, output: tons}
    model: {kind: ols, drivers: [tons]}
    target: {at_most: -200, unit: kWh/t}
"""


def billed(plan: Plan, seed: int = 1) -> dict[str, Series]:
    """One reading at the beginning of each interval of both windows."""
    starts = np.array([edge for window in plan.windows.values() for edge in interval_edges_us(plan, window)[:-1]])
    rng = np.random.default_rng(seed)
    tons = np.round(20_000 + 2_000 * np.sin(np.arange(len(starts)) / 2) + rng.normal(0, 500, len(starts)), 2)
    after = starts >= interval_edges_us(plan, plan.reporting)[0]
    kwh = np.round(2.5e7 + 12_500 * tons - 400 * tons * after + rng.normal(0, 2e6, len(starts)))
    return {"kwh": Series.of(starts, kwh), "tons": Series.of(starts, tons)}


def test_monthly_totals_are_taken_as_they_are_whatever_the_month_s_length():
    plan = parse_plan(PLAN.encode())
    readings = billed(plan)
    result = verify(plan, "0" * 64, readings)
    assert codes(result) - {"EXTRAPOLATION_FEW"} == {"NO_STATIC_FACTORS", "PLAN_NOT_LOGGED", "METER_NOT_NAMED"}
    assert result.verdict.state == "met"
    kwh, tons = (readings[name].value for name in ("kwh", "tons"))
    measure = only(result)
    assert (measure.baseline.used, measure.reporting.used) == (48, 24)
    assert Fraction(measure.baseline.numerator) == int(kwh[:48].sum())
    design = np.column_stack([np.ones(48), tons[:48]])
    intercept, slope = np.linalg.lstsq(design, kwh[:48], rcond=None)[0]
    change = float(np.sum(kwh[48:] - intercept - slope * tons[48:]) / np.sum(tons[48:]))
    assert float(measure.effect.delta) == pytest.approx(change, abs=1e-3)


def weekly(cadence_s: int) -> bytes:
    """The plan by weeks, two years of them before and after."""
    text = PLAN.replace("2678400", str(cadence_s)).replace("interval: month", "interval: week")
    return text.replace("2020-01-01", "2022-01-03").replace("2026-01-01", "2025-12-29").encode()


def test_weekly_totals_likewise():
    plan = parse_plan(weekly(604800))
    result = verify(plan, "0" * 64, billed(plan))
    assert codes(result) - {"EXTRAPOLATION_FEW"} == {"NO_STATIC_FACTORS", "PLAN_NOT_LOGGED", "METER_NOT_NAMED"}
    assert result.verdict.state == "met"
    assert {row.coverage_percent for row in only(result).rows} == {99, 100}  # one week a year has an hour more


def test_a_reading_is_due_at_least_once_in_an_interval():
    with pytest.raises(ConfigError, match="cannot tell intervals of 604800 s apart"):
        parse_plan(weekly(604801))
