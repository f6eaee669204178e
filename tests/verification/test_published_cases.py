"""Published cases by the way that a user has: a plan and a table in, a result out. What needs no plan is in the
self-test.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from retroproof import main
from tests.verification.lines import only
from verification.engine.budget import Contribution, combine
from verification.engine.crosschecks import monte_carlo
from verification.engine.result import Result, parse_result
from verification.selftest.data import read_data

START = dt.date(2026, 1, 1)


def verified(folder: Path, points: dict[str, tuple[str, Sequence[float]]], measure: str) -> Result:
    """The result of daily totals `points` (unit, values): half of the days are the baseline."""
    days = len(next(iter(points.values()))[1])
    middle, end = (START + dt.timedelta(days=count) for count in (days // 2, days))
    about = "\n".join(
        f"  {name}: {{kind: interval_total, unit: {unit}, cadence_s: 86400}}" for name, (unit, _) in points.items()
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
    for day in range(days):
        cells = (repr(values[day]) for _, values in points.values())
        rows.append(f"{START + dt.timedelta(days=day)}T00:00:00+08:00,{','.join(cells)}")
    table.write_text("\n".join(rows), encoding="utf-8")
    out = folder / "result.json"
    with pytest.raises(SystemExit):
        main(["verify", str(plan), "--readings", str(table), "--json", str(out)])
    return parse_result(out.read_bytes())


def test_a_plan_and_a_table_give_what_r_prints(tmp_path: Path):
    stored = read_data("published.json")["cars"]
    speed, dist = ([float(text) for text in stored[name].split()] for name in ("speed", "dist"))
    # Backwards, because a copy of the baseline is refused.
    points = {"energy": ("kWh", dist + dist[::-1]), "output": ("t", speed + speed[::-1])}
    measure = """    metric: energy_per_ton
    unit: kWh/t
    inputs: {energy: energy, output: output}
    model: {kind: ols, drivers: [output]}
    target: {at_most: 0, unit: kWh/t}"""
    model = only(verified(tmp_path, points, measure)).model
    intercept, slope = model.coefficients
    printed = {
        "intercept": intercept.value,
        "u_intercept": intercept.standard_error,
        "slope": slope.value,
        "u_slope": slope.standard_error,
        "t_slope": slope.t,
        "residual_sd": model.residual_sd,
        "r_squared": model.r_squared,
        "adjusted": model.adjusted_r_squared,
        "f": model.f,
        "durbin_watson": model.durbin_watson,
    }
    for key, got in printed.items():
        places = len(stored[key].partition(".")[2])
        assert f"{float(got):.{places}f}" == stored[key], key


def test_a_saving_per_unit_of_product_is_that_of_gb_t_13234(tmp_path: Path):
    """E = (e_r - e_b) M_r with GB/T 2589's coefficients: 1000 and then 900 kWh, 10 kg of raw coal, for 10 t a day."""
    days = 60
    points = {
        "power": ("kWh", [1000.0] * days + [900.0] * days),
        "coal": ("kg", [10.0] * 2 * days),
        "output": ("t", [10.0] * 2 * days),
    }
    measure = """    metric: comprehensive_energy_per_ton
    unit: kgce/t
    inputs: {electricity: power, raw_coal: coal, output: output}
    model: {kind: ratio}
    target: {at_most: -1, unit: kgce/t}"""
    result = only(verified(tmp_path, points, measure))
    assert float(result.baseline.ratio) == pytest.approx((1000 * 0.1229 + 10 * 0.7143) / 10, abs=5e-5)
    assert float(result.effect.delta) == pytest.approx(-1.229, abs=5e-5)
    assert float(result.effect.numerator_change) == pytest.approx(-1.229 * 10 * days, abs=1e-3)


@pytest.mark.parametrize(
    ("largest", "framework", "printed", "tolerance"),
    [(1.0, "3.92", 3.88, 0.05), (10.0, "19.9", 17.0, 0.5)],
)
def test_four_rectangular_errors_add_up_as_in_the_gum_s_supplement_1(
    largest: float, framework: str, printed: float, tolerance: float
):
    """JCGM 101:2008, 9.2.3 and 9.2.4, to the numerical tolerance of two digits (7.9.2): U at 95 % of four rectangular
    errors, by the GUM's framework and by propagation of the distributions.
    """
    sizes = [largest, 1.0, 1.0, 1.0]
    budget = combine([Contribution(f"meter:{index}", "B", u, math.inf) for index, u in enumerate(sizes)], 0.95)
    assert f"{budget.expanded:.{len(framework.partition('.')[2])}f}" == framework
    check = monte_carlo("change", 0.0, budget, [u * math.sqrt(3) for u in sizes], 0.95)
    assert abs(check.expanded - printed) < tolerance
