"""Metrics of published examples and of standards, by a plan and a table."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.verification.lines import only
from tests.verification.published import verified
from verification.engine.result import MeasureResult


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
    ("minutes", "pieces", "cycle", "printed"),
    [
        # Calculating OEE (Vorne Industries): 47 minutes of stops, a piece a second, 423 of them rejected.
        pytest.param((420, 373), (19_271, 423), 1.0, (88.81, 86.11, 97.80, 74.79), id="Vorne"),
        # Nakajima (1988): 60 minutes down, half a minute a piece, two in a hundred defective.
        pytest.param((460, 400), (400, 8), 30.0, (86.96, 50.00, 98.00, 42.61), id="Nakajima"),
        # Mobley, An Introduction to Predictive Maintenance, table 18-2: fifteen turns, a fifteenth of it here.
        pytest.param((6950 / 15, 417), (54_516 / 15, 545 / 15), 6.54, (90.00, 95.00, 99.00, 84.65), id="Mobley"),
    ],
)
def test_overall_equipment_effectiveness_is_that_of_the_textbooks(
    tmp_path: Path, minutes: tuple[float, float], pieces: tuple[float, float], cycle: float, printed: Sequence[float]
):
    """Availability, performance, quality and their product, of planned and running time and all and rejected pieces."""
    (made, rejected), days = pieces, 60
    points = {"pieces": ("piece", [made] * days), "good": ("piece", [made - rejected] * days)}
    points |= {name: ("h", [minute / 60] * days) for name, minute in zip(("planned", "running"), minutes, strict=True)}
    shown = []
    for metric, inputs, parameters in (
        ("oee_availability", "running: running / hours(1), planned: planned / hours(1)", ""),
        ("oee_performance", "pieces: pieces, running: running / hours(1)", f"{{ideal_cycle_time: {cycle}}}"),
        ("oee_quality", "good: good, pieces: pieces", ""),
        ("oee", "good: good, planned: planned / hours(1)", f"{{ideal_cycle_time: {cycle}}}"),
    ):
        measure = f"""    metric: {metric}
    unit: "%"
    inputs: {{{inputs}}}
    model: {{kind: ratio}}
    target: {{at_least: 0, unit: "%"}}
    {f"parameters: {parameters}" if parameters else ""}"""
        shown.append(float(only(verified(tmp_path, points, measure)).effect.level))
    assert shown == pytest.approx(printed, abs=0.005 + 1e-4)


@pytest.mark.parametrize(
    ("carrier", "amount", "unit", "tce"),
    [
        ("electricity", 10_000, "kWh", 1.229),
        ("natural_gas", 10_000, "Nm3", 13.300),
        ("raw_coal", 1, "t", 0.7143),
        ("heat", 100, "GJ", 3.412),
        ("diesel", 1, "t", 1.4571),
        ("petrol", 1, "t", 1.4714),
    ],
)
def test_an_amount_of_each_carrier_is_worth_the_coal_that_gb_t_2589_says(
    tmp_path: Path, carrier: str, amount: float, unit: str, tce: float
):
    measure = f"""    metric: comprehensive_energy
    unit: tce/d
    inputs: {{{carrier}: metered}}
    model: {{kind: ratio}}
    target: {{of: level, at_most: 100, unit: tce/d}}"""
    assert float(only(verified(tmp_path, {"metered": (unit, [amount] * 60)}, measure)).effect.level) == tce


@pytest.mark.parametrize(
    ("carrier", "unit", "kcal"),
    [
        ("coke", "kg", 6800), ("crude_oil", "kg", 10_000), ("fuel_oil", "kg", 10_000), ("kerosene", "kg", 10_300),
        ("diesel", "kg", 10_200), ("petrol", "kg", 10_300), ("lpg", "kg", 12_000), ("lng", "kg", 12_300),
        ("refinery_gas", "kg", 11_000), ("raw_coal", "kg", 5000), ("blast_furnace_gas", "Nm3", 900),
        ("natural_gas", "Nm3", 9310),
    ],
)  # fmt: skip
def test_a_fuel_is_worth_its_heat_over_that_of_standard_coal(tmp_path: Path, carrier: str, unit: str, kcal: float):
    """GB/T 2589-2020, annex A: each fuel's lower heating value over 7000 kcal/kgce, by a plan's own metric."""
    measure = f"""    metric: {{numerator: metered * {carrier}_equivalent, better: lower}}
    unit: kgce
    model: {{kind: mean}}
    target: {{of: level, at_most: 100, unit: kgce}}"""
    level = float(only(verified(tmp_path, {"metered": (unit, [1.0] * 60)}, measure)).effect.level)
    assert level == pytest.approx(kcal / 7000, abs=1e-4)


@pytest.mark.parametrize(
    ("reference", "measured", "factor"),
    [
        # GB 13223 and GB 13271: the excess air 21/(21 - reference) of coal, oil and gas, and boilers of coal.
        (6, 0, 1 / 1.4), (3.5, 0, 1 / 1.2), (9, 0, 1 / 1.75), (15, 0, 1 / 3.5), (6, 6, 1), (6, 8, 15 / 13),
    ],
)  # fmt: skip
def test_a_concentration_is_stated_at_the_excess_air_of_the_standard(
    tmp_path: Path, reference: float, measured: float, factor: float
):
    measure = f"""    metric: emission_concentration_at_oxygen
    unit: mg/m3
    inputs: {{concentration: so2, oxygen: oxygen}}
    parameters: {{oxygen_reference: {reference}}}
    model: {{kind: mean}}
    target: {{of: level, at_most: 200, unit: mg/m3}}"""
    points = {"so2": ("mg/m3", [100.0] * 60), "oxygen": ("%", [measured] * 60)}
    result = only(verified(tmp_path, points, measure, kinds=dict.fromkeys(points, "gauge")))
    assert float(result.effect.level) == pytest.approx(100 * factor, abs=5e-5)


def test_a_year_s_value_by_its_people_is_the_labour_productivity_of_the_statistics(tmp_path: Path):
    """全员劳动生产率: 100 million yuan of value added by 500 people on average are 200,000 yuan a head and year."""
    points = {"value": ("CNY", [1e8 / 365] * 730), "staff": ("head", [500.0] * 730)}
    measure = """    metric: labour_productivity_value
    unit: wan_yuan/(head*year)
    inputs: {value_added: value, staff: staff}
    model: {kind: ratio}
    target: {of: level, at_least: 20, unit: wan_yuan/(head*year)}"""
    result = only(verified(tmp_path, points, measure, kinds={"staff": "gauge"}))
    assert (result.effect.level, result.verdict.state) == ("20.0000", "met")


NOISE = random.Random(75)
HOURS = [index % 24 for index in range(60 * 24)]
AFTER = slice(30 * 24, None)
SO2 = [100.0 + 10 * hour + NOISE.uniform(0, 9) for hour in HOURS]
OXYGEN = [(6.0 if hour < 12 else 18.0) + NOISE.uniform(0, 1) for hour in HOURS]
FLOW = [50_000.0 + 1000 * hour + NOISE.uniform(0, 900) for hour in HOURS]
AT_OXYGEN = """    metric: emission_concentration_at_oxygen
    unit: mg/m3
    inputs: {concentration: so2, oxygen: oxygen}
    parameters: {oxygen_reference: 6}
    model: {kind: mean}
    target: {of: level, at_most: 2000, unit: mg/m3}"""


def of_flue_gas(
    folder: Path,
    measure: str,
    *,
    after: dt.timedelta = dt.timedelta(),
    meters: Mapping[str, str] = MappingProxyType({}),
) -> MeasureResult:
    """The result of 60 days of hourly readings: fires by day, and much air by night."""
    points = {"so2": ("mg/m3", SO2), "oxygen": ("%", OXYGEN), "gas": ("m3", FLOW), "output": ("t", [10.0] * len(HOURS))}
    kinds = dict.fromkeys(("so2", "oxygen"), "gauge")
    return only(verified(folder, points, measure, kinds=kinds, a_day=24, after=after, meters=meters))


def test_a_day_s_concentration_is_the_mean_of_its_hours_each_at_the_reference_oxygen(tmp_path: Path):
    """HJ 75-2017: an hour's concentration is converted with the oxygen of that hour, and a day's is the mean of them.
    The day's means alone would give (6 + 18) / 2 = 12 % of oxygen and little more than half of it.
    """
    result = of_flue_gas(tmp_path, AT_OXYGEN)
    converted = [c * 15 / (21 - o) for c, o in zip(SO2[AFTER], OXYGEN[AFTER], strict=True)]
    assert float(result.effect.level) == pytest.approx(sum(converted) / len(converted), abs=5e-5)
    assert "MEANS_COMBINED" not in {finding.code for finding in result.findings}


def test_hours_in_which_the_line_stands_have_no_part_in_a_day_s_concentration(tmp_path: Path):
    """HJ 75-2017 counts the hours of operation; at night the stack draws air, and what is next to nothing times 15/0.2
    would be most of the mean.
    """
    runs = [1.0 if hour < 14 else 0.0 for hour in HOURS]
    oxygen = [o if run else 20.8 for o, run in zip(OXYGEN, runs, strict=True)]
    points = {"so2": ("mg/m3", SO2), "oxygen": ("%", oxygen), "line": ("1", runs)}
    plan = AT_OXYGEN + "\nrun_state: {point: line, at_least: 0.5, gate: true}"
    kinds = {"so2": "gauge", "oxygen": "gauge", "line": "state"}
    result = only(verified(tmp_path, points, plan, kinds=kinds, a_day=24))
    by_hour = zip(SO2[AFTER], oxygen[AFTER], runs[AFTER], strict=True)
    converted = [c * 15 / (21 - o) for c, o, run in by_hour if run]
    assert float(result.effect.level) == pytest.approx(sum(converted) / len(converted), abs=5e-5)


def test_a_day_s_emission_is_the_sum_of_its_hours(tmp_path: Path):
    """HJ 75-2017: an hour's emission is its concentration times its flue gas, and a day's is the sum of them."""
    measure = """    metric: emission_per_ton
    unit: kg/t
    inputs: {concentration: so2, flow: gas, output: output}
    model: {kind: ratio}
    target: {of: level, at_most: 100, unit: kg/t}"""
    result = of_flue_gas(tmp_path, measure)
    emitted = [c * q / 1e6 for c, q in zip(SO2[AFTER], FLOW[AFTER], strict=True)]  # kg
    assert float(result.effect.level) == pytest.approx(sum(emitted) / (10 * len(emitted)), abs=5e-7)


def test_readings_that_tell_no_hour_are_taken_by_the_day_with_a_warning(tmp_path: Path):
    """A quarter of an hour before each full hour, so that none of them says what most of an hour was."""
    result = of_flue_gas(tmp_path, AT_OXYGEN, after=dt.timedelta(minutes=45))
    assert result.effect.level is not None
    found = [finding.data for finding in result.findings if finding.code == "MEANS_COMBINED"]
    assert [each["window"] for each in found] == ["baseline", "reporting"]
    assert [each["count"] for each in found] == [30, 30]
    assert found[0]["term"] == "at_oxygen(concentration, oxygen, oxygen_reference)"


def test_a_meter_that_errs_errs_in_the_hours(tmp_path: Path):
    """An analyser of class 2: 2 % of the level over the root of 3, where it was changed in between."""
    plan = (
        AT_OXYGEN
        + """
meters:
  ANALYSER: {class_percent: 2, unit: mg/m3, changes: [{date: 2026-01-31, kind: replaced}]}"""
    )
    result = of_flue_gas(tmp_path, plan, meters={"so2": "ANALYSER"})
    [row] = [row for row in result.budget if row.source == "meter:ANALYSER"]
    before, after = (float(result.effect.level) - shift for shift in (float(result.effect.delta), 0.0))
    assert float(row.standard_uncertainty) == pytest.approx(0.02 / math.sqrt(3) * math.hypot(before, after), rel=1e-6)


def test_a_balance_of_volts_and_amperes_is_struck_by_the_hour(tmp_path: Path):
    """The energy meter closes with both, although the voltage falls when the current rises."""
    current = [100_000.0 + 5000 * hour + NOISE.uniform(0, 900) for hour in HOURS]
    voltage = [5.0 - 0.1 * hour + NOISE.uniform(0, 0.05) for hour in HOURS]
    energy = [volts * amperes / 1000 for volts, amperes in zip(voltage, current, strict=True)]
    points = {"energy": ("kWh", energy), "volts": ("V", voltage), "amperes": ("A", current)}
    points["output"] = ("t", [1.0] * len(HOURS))
    measure = """    metric: energy_per_ton
    unit: kWh/t
    inputs: {energy: energy, output: output}
    model: {kind: ratio}
    target: {of: level, at_most: 1000, unit: kWh/t}
balances:
  - {id: joule, left: energy, right: hours(volts * amperes), tolerance_percent: 1}"""
    result = only(verified(tmp_path, points, measure, kinds=dict.fromkeys(("volts", "amperes"), "gauge"), a_day=24))
    assert result.verdict.state == "met"
    means = [sum(series) / len(series) for series in (voltage, current)]
    assert means[0] * means[1] / 1000 > 1.01 * sum(energy) / len(energy)  # what the days' means would have said


@pytest.mark.parametrize(("good", "code"), [(600.0, "SHARE_ABOVE_WHOLE"), (505.0, None), (490.0, None)])
def test_a_part_that_is_more_than_its_whole_bears_no_figure(tmp_path: Path, good: float, code: str | None):
    days = 60
    pieces = [500.0 + index % 7 for index in range(days)]
    passed = [490.0 + index % 5 for index in range(30)] + [good + index % 7 for index in range(30)]
    measure = """    metric: oee_quality
    unit: "%"
    inputs: {good: good, pieces: pieces}
    model: {kind: ratio}
    target: {at_least: 0, unit: "%"}"""
    result = only(verified(tmp_path, {"good": ("piece", passed), "pieces": ("piece", pieces)}, measure))
    assert (code in {finding.code for finding in result.findings}) == bool(code)
    assert (result.verdict.state == "invalid_data") == bool(code)


def test_a_line_that_beats_its_ideal_time_is_warned_of(tmp_path: Path):
    pieces = [500.0 + index % 7 for index in range(60)]
    measure = """    metric: oee
    unit: "%"
    inputs: {good: good}
    parameters: {ideal_cycle_time: 200}
    model: {kind: ratio}
    target: {at_least: 0, unit: "%"}"""
    result = only(verified(tmp_path, {"good": ("piece", pieces)}, measure))
    assert float(result.effect.level) > 110
    beaten = [finding.data for finding in result.findings if finding.code == "SHARE_ABOVE_IDEAL"]
    assert [(data["parameter"], data["percent"]) for data in beaten] == [("ideal_cycle_time", "116.4")] * 2


@pytest.mark.parametrize("reading", [-5.0, 25.0])
def test_oxygen_that_flue_gas_cannot_have_is_an_impossible_value(tmp_path: Path, reading: float):
    hours = 24 * 60
    points = {
        "so2": ("mg/m3", [60.0 + index * 7 % 13 for index in range(hours)]),
        "oxygen": ("%", [reading if index % 10 == 0 else 5.0 + index * 3 % 7 / 10 for index in range(hours)]),
    }
    result = verified(tmp_path, points, AT_OXYGEN, kinds={"so2": "gauge", "oxygen": "gauge"}, a_day=24)
    [finding] = [finding for finding in result.findings if finding.code == "IMPOSSIBLE_VALUES"]
    assert (finding.data["point"], finding.data["count"]) == ("oxygen", hours / 10)
    assert (finding.data["low"], finding.data["high"]) == ("0", "21")


@pytest.mark.parametrize(
    ("energy", "output"), [("grid - 2 * sold", "tons"), ("-1 * grid", "tons"), ("grid", "tons - 2 * scrap")]
)
def test_a_formula_that_comes_out_below_nothing_is_not_used(tmp_path: Path, energy: str, output: str):
    grid = [5_000.0 + index * 7 % 113 for index in range(60)]
    points = {
        "grid": ("kWh", grid),
        "sold": ("kWh", [100.0 if index % 5 else 2_600.0 for index in range(60)]),
        "tons": ("t", [10.0 + index * 3 % 11 / 10 for index in range(60)]),
        "scrap": ("t", [0.1 if index % 5 else 6.0 for index in range(60)]),
    }
    measure = f"""    metric: energy_per_ton
    unit: kWh/t
    inputs: {{energy: "{energy}", output: "{output}"}}
    model: {{kind: ratio}}
    target: {{at_most: 0, unit: kWh/t}}"""
    result = only(verified(tmp_path, points, measure))
    below = [finding for finding in result.findings if finding.code == "NEGATIVE_TOTALS"]
    assert {finding.data["point"] for finding in below} == {energy if energy != "grid" else output}
    assert result.verdict.state == "invalid_data"


@pytest.mark.parametrize(("model", "times"), [("ratio", 1.0), ("ratio", 1.2), ("ratio", 0.8), ("ols", 1.0)])
def test_a_ratio_at_a_load_that_its_baseline_never_met_is_warned_of(tmp_path: Path, model: str, times: float):
    """A furnace is kept warm by 50,000 kWh a day, and nothing was changed: at a higher load a ton takes less."""
    tons = [(1000 + index * 7 % 31) * (times if index >= 30 else 1.0) for index in range(60)]
    points = {
        "grid": ("kWh", [50_000 + 100 * each + index % 5 for index, each in enumerate(tons)]),
        "tons": ("t", tons),
    }
    measure = f"""    metric: energy_per_ton
    unit: kWh/t
    inputs: {{energy: grid, output: tons}}
    model: {{kind: {model}{", drivers: [tons]" if model == "ols" else ""}}}
    target: {{at_most: -1, unit: kWh/t}}"""
    result = only(verified(tmp_path, points, measure))
    assert ("RATIO_LOAD_UNSEEN" in {finding.code for finding in result.findings}) == (times != 1.0)
    assert (result.verdict.state == "met") == (times > 1)


def test_a_share_of_more_pieces_is_no_ratio_at_an_unseen_load(tmp_path: Path):
    pieces = [(500.0 + index % 7) * (2 if index >= 30 else 1) for index in range(60)]
    points = {"good": ("piece", [round(each * 0.95) for each in pieces]), "pieces": ("piece", pieces)}
    measure = """    metric: oee_quality
    unit: "%"
    inputs: {good: good, pieces: pieces}
    model: {kind: ratio}
    target: {at_least: 0, unit: "%"}"""
    result = only(verified(tmp_path, points, measure))
    assert "RATIO_LOAD_UNSEEN" not in {finding.code for finding in result.findings}
