"""Published cases by the way that a user has: a plan and a table in, a result out. What needs no plan is in the
self-test.
"""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtr

from retroproof import main
from tests.verification.lines import only
from tests.verification.published import START, verified
from verification.engine.budget import Contribution, combine
from verification.engine.crosschecks import monte_carlo
from verification.engine.result import MeasureResult
from verification.selftest.data import read_data
from verification.units import scale_factor


@pytest.mark.parametrize("author", ["Ezekiel", "Woods", "Henderson"])
def test_a_plan_and_a_table_give_what_is_printed(tmp_path: Path, author: str):
    stored = next(each for each in read_data("published.json")["regressions"] if each["source"].startswith(author))
    columns = {f"x{index}": text for index, text in enumerate(stored["columns"].values())}
    series = {
        name: [float(text) for text in each.split()] for name, each in {"y": stored["response"], **columns}.items()
    }
    # Backwards, because a copy of the baseline is refused.
    points = {name: ("kWh" if name == "y" else "h", values + values[::-1]) for name, values in series.items()}
    points["output"] = ("t", [1.0] * len(points["y"][1]))
    measure = f"""    metric: energy_per_ton
    unit: kWh/t
    inputs: {{energy: y, output: output}}
    model: {{kind: ols, drivers: [{", ".join(columns)}]}}
    target: {{at_most: 0, unit: kWh/t}}"""
    model = only(verified(tmp_path, points, measure)).model
    printed = zip(
        [*stored["coefficients"], *stored["standard_errors"], *stored["t"], *stored.get("vif", [])],
        [
            *(each.value for each in model.coefficients),
            *(each.standard_error for each in model.coefficients),
            *(each.t for each in model.coefficients),
            *(each.vif for each in model.coefficients[1:] if "vif" in stored),
        ],
        strict=True,
    )
    single = {"residual_sd": model.residual_sd, "r_squared": model.r_squared, "adjusted": model.adjusted_r_squared}
    single |= {"f": model.f, "durbin_watson": model.durbin_watson}
    for expected, got in [*printed, *((stored[key], got) for key, got in single.items() if key in stored)]:
        assert f"{float(got):.{len(expected.partition('.')[2])}f}" == expected


TONS = [600.0 + index * 37 % 101 + index * 13 % 10 / 10 for index in range(240)]
METHODS = ("avoided", "normalised", "backcast")


def noiseless(
    folder: Path, change: float, *, fixed: float, model: str, target: str, unit: str = "kWh"
) -> MeasureResult:
    """The result of a line that needs `fixed` kWh a day and 13,000 kWh/t, and `change` kWh/t more after 120 days."""
    energy = [fixed + (13_000 + change * (index >= 120)) * tons for index, tons in enumerate(TONS)]
    points = {"energy": (unit, [each * scale_factor("kWh", unit) for each in energy]), "output": ("t", TONS)}
    measure = f"""    metric: energy_per_ton
    unit: kWh/t
    inputs: {{energy: energy, output: output}}
    {model}
    target: {{{target}, unit: kWh/t}}"""
    return only(verified(folder, points, measure))


@pytest.mark.parametrize("unit", ["kWh", "MWh", "GJ"])
@pytest.mark.parametrize("method", METHODS)
def test_a_change_without_noise_is_exact_by_every_method_and_unit(tmp_path: Path, method: str, unit: str):
    model = f"model: {{kind: ols, drivers: [output]}}\n    method: {method}"
    result = noiseless(tmp_path, -260, fixed=500_000, unit=unit, model=model, target="at_most: -200")
    assert (result.effect.delta, result.effect.expanded_uncertainty) == ("-260.0000", "0.0000")
    assert result.verdict.state == "met"
    over = {"avoided": TONS[120:], "normalised": TONS, "backcast": TONS[:120]}[method]
    assert float(result.effect.numerator_change) == pytest.approx(-260 * math.fsum(over), rel=1e-9)


@pytest.mark.parametrize("change", [0, -200])
@pytest.mark.parametrize("model", ["kind: ols, drivers: [output]", "kind: ratio"])
def test_a_change_that_is_the_limit_itself_keeps_to_it(tmp_path: Path, change: int, model: str):
    """Nothing that is left out can turn it, because without noise it makes no difference, and neither can rounding."""
    limits = [f"at_most: {change}", f"at_least: {change}"]
    found = [noiseless(tmp_path, change, fixed=0, model=f"model: {{{model}}}", target=limit) for limit in limits]
    assert [result.verdict.state for result in found] == ["met", "met"]
    assert {float(result.effect.numerator_change) for result in found} == {round(change * math.fsum(TONS[120:]), 1)}
    warned = {finding.code for result in found for finding in result.findings}
    assert warned.isdisjoint({"PRIMARY_REJECTED", "PANEL_DIFFERS", "PLACEBO_EXCESS", "CHANGE_POINT"})
    statistics = found[0].model
    assert (statistics.residual_sd, statistics.f, statistics.durbin_watson) == ("0", None, "2.0000")


@pytest.mark.parametrize("kind", ["ratio", "mean"])
@pytest.mark.parametrize("days", [9, 14, 30, 45])
def test_a_line_that_always_does_the_same_has_an_answer(tmp_path: Path, kind: str, days: int):
    points = {"energy": ("kWh", [75_795.4] * days + [61_556.879] * days), "output": ("t", [868.92] * 2 * days)}
    measure = f"""    metric: energy_per_ton
    unit: kWh/t
    inputs: {{energy: energy, output: output}}
    model: {{kind: {kind}}}
    target: {{at_most: 0, unit: kWh/t}}"""
    result = only(verified(tmp_path, points, measure))
    assert (result.effect.delta, result.effect.expanded_uncertainty) == ("-16.3865", "0.0000")
    assert result.verdict.state == "met"


def test_energy_too_small_for_the_steps_that_it_is_counted_in_is_named(tmp_path: Path):
    """0.11019 and 0.11010 kWh a day are both 0.110 where energy is counted by the watt-hour."""
    points = {"energy": ("kWh", [0.11019] * 30 + [0.11010] * 30), "output": ("t", [0.001] * 60)}
    measure = """    metric: energy_per_ton
    unit: kWh/t
    inputs: {energy: energy, output: output}
    model: {kind: ratio}
    target: {at_most: 0, unit: kWh/t}"""
    result = only(verified(tmp_path, points, measure))
    [found, _] = [finding for finding in result.findings if finding.code == "TOTALS_ROUNDED"]
    assert found.data == {"point": "energy", "window": "baseline", "step": "0.001 kWh", "percent": "0.172"}
    larger = points | {"energy": ("MWh", points["energy"][1])}
    assert all(finding.code != "TOTALS_ROUNDED" for finding in only(verified(tmp_path, larger, measure)).findings)


@pytest.mark.parametrize(
    ("decimals", "limit", "reason"),
    [(4, 0, "ROUNDING_DECIDES"), (12, 0, "INTERVAL_STRADDLES_TARGET"), (4, -200, "TARGET_NOT_MET")],
)
def test_a_figure_too_small_for_its_decimals_keeps_to_no_limit_by_rounding(
    tmp_path: Path, decimals: int, limit: int, reason: str
):
    """About 3e-9 kWh/t before and after, which is 0.0000 ± 0.0000 kWh/t in four decimals."""
    points = {"energy": ("kWh", [3.0, 3.1, 3.2] * 19 + [3.0, 3.1, 4.0]), "output": ("t", [1e9] * 60)}
    measure = f"""    metric: {{numerator: energy, denominator: output, better: lower, decimals: {decimals}}}
    unit: kWh/t
    inputs: {{energy: energy, output: output}}
    model: {{kind: ratio}}
    target: {{at_most: {limit}, unit: kWh/t}}"""
    result = only(verified(tmp_path, points, measure))
    assert [each.code for each in result.verdict.reasons] == [reason]


@pytest.mark.parametrize("lost", ["too small", "left out"])
def test_a_window_without_any_output_in_use_is_idle_whatever_became_of_it(tmp_path: Path, lost: str):
    output = [1e-9] * 60 if lost == "too small" else [10.0] * 35 + [0.0] * 25
    points = {"energy": ("kWh", [1000.0] * 60), "output": ("t", output)}
    measure = """    metric: energy_per_ton
    unit: kWh/t
    inputs: {energy: energy, output: output}
    model: {kind: ratio}
    target: {at_most: 0, unit: kWh/t}"""
    if lost == "left out":
        measure += f"""
events:
  - id: order
    start: {START + dt.timedelta(days=30)}
    end: {START + dt.timedelta(days=35)}
    cause: {{en: order, zh: 限产}}
    treat: exclude"""
    result = only(verified(tmp_path, points, measure))
    assert result.verdict.state == "not_verifiable"
    assert result.verdict.reasons[-1].code == "REPORTING_IDLE"


def test_a_baseline_without_noise_can_prove_any_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    measure = """    metric: energy_per_ton
    unit: kWh/t
    inputs: {energy: energy, output: output}
    model: {kind: ratio}
    target: {at_most: -5, unit: kWh/t}"""
    verified(tmp_path, {"energy": ("kWh", [1000.0] * 60), "output": ("t", [10.0] * 60)}, measure)
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_code:
        main(["plan", "power", str(tmp_path / "plan.yaml"), "--readings", str(tmp_path / "readings.csv")])
    assert exit_code.value.code == 0
    assert "over the planned 30 intervals: 0 kWh/t (0 %)" in capsys.readouterr().out


def test_an_exact_shape_has_no_errors_as_nist_certifies(tmp_path: Path):
    """Wampler1, y = 1 + x + ... + x^5: every standard error and the residual standard deviation are zero."""
    stored = next(each for each in read_data("nist_linear.json")["sets"] if each["name"] == "Wampler1")
    x, y = ([float(text) for text in texts.split()] for texts in (stored["x"][0], stored["y"]))
    points = {"energy": ("kWh", y + y[::-1]), "output": ("t", [1.0] * 42), "x": ("h", x + x[::-1])}
    powers = ", ".join(" * ".join(["x / hours(1)"] * power) for power in range(1, 6))
    measure = f"""    metric: energy_per_ton
    unit: kWh/t
    inputs: {{energy: energy, output: output}}
    model: {{kind: ols, drivers: [{powers}]}}
    target: {{at_most: 0, unit: kWh/t}}"""
    model = only(verified(tmp_path, points, measure)).model
    assert [each.standard_error for each in model.coefficients] == ["0"] * 6
    assert (model.residual_sd, model.f) == ("0", None)


def house(when: str) -> tuple[dict[str, Any], list[float], list[float]]:
    """Whiteside's house before or after its insulation: what R prints, the gas and the temperature of each week."""
    stored = next(
        each for each in read_data("published.json")["regressions"] if f"gas {when} insulation" in each["source"]
    )
    gas, temperature = (
        [float(text) for text in each.split()] for each in (stored["response"], stored["columns"]["temperature"])
    )
    return stored, gas, temperature


@pytest.mark.parametrize("degrees", [0, 5, 10])
def test_an_insulated_house_saves_what_its_two_published_lines_differ_by(tmp_path: Path, degrees: int):
    """Venables and Ripley: 26 weeks before and 30 after, the gas of each a line over the temperature outside."""
    (before, gas_before, cold), (after, gas_after, cold_after) = house("before"), house("after")
    gas, temperature = gas_before + gas_after, cold + cold_after
    points = {"gas": ("Nm3", [1000 * each for each in gas]), "outside": ("degC", temperature)}
    points["weeks"] = ("t", [1.0] * len(gas))
    measure = f"""    metric: {{numerator: gas, denominator: weeks, better: lower}}
    unit: Nm3/t
    model: {{kind: ols, drivers: [outside]}}
    method: normalised
    standard: {{drivers: {{outside: {degrees}, output: 1}}, intervals: 1}}
    target: {{at_most: 0, unit: Nm3/t}}"""
    result = only(verified(tmp_path, points, measure, baseline=len(gas_before), kinds={"outside": "gauge"}))
    for stored, model in zip((before, after), result.models, strict=True):
        assert [f"{float(each.value) / 1000:.5f}" for each in model.coefficients] == stored["coefficients"]
        assert [f"{float(each.standard_error) / 1000:.5f}" for each in model.coefficients] == stored["standard_errors"]
        assert f"{float(model.residual_sd) / 1000:.4f}" == stored["residual_sd"]
    steps = [float(b) - float(a) for a, b in zip(before["coefficients"], after["coefficients"], strict=True)]
    assert float(result.effect.delta) == pytest.approx(
        1000 * (steps[0] + steps[1] * degrees), abs=0.01 + 0.01 * degrees
    )
    assert result.verdict.state == "met"


def test_a_mean_is_counted_as_finely_as_its_figures_are_stated(tmp_path: Path):
    """NIST's AtmWtAg, in which the noise is in the fifth decimal place: F of two instruments is 15.9467335677930."""
    stored = next(each for each in read_data("nist_anova.json")["sets"] if each["name"] == "AtmWtAg")
    by_instrument = [[float(text) for text in values.split()] for values in stored["treatments"]]
    weights = [each for pair in zip(*by_instrument, strict=True) for each in pair]
    instruments = [0.0, 1.0] * len(by_instrument[0])
    points = {"weight": ("V", weights + weights[::-1]), "instrument": ("1", instruments + instruments[::-1])}
    measure = """    metric: {numerator: weight, better: lower, decimals: 9}
    unit: V
    model: {kind: mean, categories: [instrument]}
    target: {at_most: 0, unit: V}"""
    result = only(verified(tmp_path, points, measure, kinds={"weight": "gauge", "instrument": "state"}))
    assert result.model.f == f"{float(stored['f']):.4f}"


@pytest.mark.parametrize(
    ("largest", "framework", "printed", "tolerance"),
    [(1.0, "3.92", 3.88, 0.02), (10.0, "19.9", 17.0, 0.1)],
)
def test_four_rectangular_errors_add_up_as_in_the_gum_s_supplement_1(
    largest: float, framework: str, printed: float, tolerance: float
):
    """JCGM 101:2008, 9.2.3 and 9.2.4: U at 95 % of four rectangular errors, by the GUM's framework and by propagation
    of the distributions, to half of the numerical tolerance of two digits (7.9.2) and less.
    """
    sizes = [largest, 1.0, 1.0, 1.0]
    budget = combine([Contribution(f"meter:{index}", "B", u, math.inf) for index, u in enumerate(sizes)], 0.95)
    assert f"{budget.expanded:.{len(framework.partition('.')[2])}f}" == framework
    check = monte_carlo("change", 0.0, budget, [u * math.sqrt(3) for u in sizes], 0.95)
    assert abs(check.expanded - printed) < tolerance


def test_two_rectangular_errors_make_the_trapezoid_of_ea_4_02():
    """EA-4/02, example S10 (vernier caliper): limits of 50 and 25 um, of which U at 95 % is 0.06 mm with k = 1.83."""
    limits = [0.050, 0.025]
    budget = combine([Contribution("meter:caliper", "B", limit / math.sqrt(3), math.inf) for limit in limits], 0.95)
    check = monte_carlo("change", 0.0, budget, limits, 0.95)
    assert f"{check.expanded:.2f}" == "0.06"
    assert check.expanded / budget.combined == pytest.approx(1.83, abs=0.015)


@pytest.mark.parametrize("dof", [5.0, 20.0, 120.0])
def test_propagated_distributions_hold_what_they_say_they_hold(dof: float):
    """A Student's t with a rectangular error: P(|T + R| > U) by quadrature over R is 5 %, to 1 % of U."""
    rows = [Contribution("model", "A", 1.0, dof), Contribution("meter:scale", "B", 2 / math.sqrt(3), math.inf)]
    expanded = monte_carlo("change", 0.0, combine(rows, 0.95), [2.0], 0.95).expanded
    errors = (np.arange(2000) + 0.5) / 1000 * 2 - 2  # the midpoints of the rectangle

    def beyond(u: float) -> float:
        return float(np.mean(stdtr(dof, -(u - errors)) + stdtr(dof, -(u + errors))))

    assert beyond(expanded * 1.01) < 0.05 < beyond(expanded * 0.99)
