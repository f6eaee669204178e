"""The catalogue: every metric resolves in its units, and the figures by hand come out."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from verification.fields import Text
from verification.metrics.catalogue import catalogue, coefficients, limits
from verification.metrics.formula import Intervals
from verification.model import PointKind
from verification.plan.checks import _check_limit
from verification.plan.measure import MeasureSpec, PlanError
from verification.plan.resolve import measure_spec
from verification.plan.shape import InlineMetric, Measure, Model, Plan, Point, Target, Window
from verification.units import same_dimension

KINDS = {"total": PointKind.COUNTER, "mean": PointKind.GAUGE}
METRICS = catalogue().metrics


def plan_of(measure: Measure, points: dict[str, Point]) -> Plan:
    return Plan(
        retroproof_plan=2,
        project="any",
        title=Text("any", "任意"),
        timezone="Asia/Shanghai",
        interval="day",
        baseline=Window(dt.date(2026, 1, 1), dt.date(2026, 3, 1)),
        reporting=Window(dt.date(2026, 3, 1), dt.date(2026, 5, 1)),
        points=points,
        measures={"m": measure},
    )


def resolved(metric: str, inputs: list[str] | None = None, **changes) -> MeasureSpec:
    """The metric with a point of its own behind each role (or the roles named)."""
    definition = METRICS[metric]
    roles = list(definition.roles) if inputs is None else inputs
    measure = Measure(
        metric=metric,
        unit=changes.pop("unit", definition.unit),
        boundary=Text("line", "产线"),
        model=Model("mean"),
        target=Target(unit=definition.unit, at_most=0),
        inputs=changes.pop("given", {role: role for role in roles}),
        **changes,
    )
    points = {role: Point(KINDS[wanted.kind], wanted.unit) for role, wanted in definition.roles.items()}
    return measure_spec(plan_of(measure, points), "m")


def figure(spec: MeasureSpec, hours: float = 24.0, **values: float) -> float:
    """The metric of one interval in its own unit."""
    on = Intervals({name: np.array([v]) for name, v in values.items()}, {}, np.array([hours]))
    total = float(np.asarray(spec.numerator.formula.evaluate(on)).ravel()[0])
    by = 1.0 if spec.denominator is None else float(np.asarray(spec.denominator.formula.evaluate(on)).ravel()[0])
    return total / by * spec.unit_scale


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric_resolves_and_its_unit_is_that_of_its_parts(metric: str):
    parameters = {name: 0.3 for name, about in METRICS[metric].parameters.items() if about.value is None}
    spec = resolved(metric, parameters=parameters)
    assert same_dimension(spec.kernel_unit, spec.unit)
    assert spec.decimals == METRICS[metric].decimals
    assert spec.title.en
    assert spec.title.zh
    assert spec.numerator.formula.points


@pytest.mark.parametrize(
    ("metric", "parameters", "values", "expected"),
    [
        ("energy_per_ton", {}, {"energy": 13_500.0, "output": 1.0}, 13_500.0),
        ("energy_per_piece", {}, {"energy": 90.0, "pieces": 450.0}, 0.2),
        # 62.4 GWh are 7,669 tce at 0.1229 kgce/kWh (programme): over one day, and per ton of 240,000.
        ("comprehensive_energy", {}, {"electricity": 62.4e6}, 7668.96),
        ("comprehensive_energy_equal_value", {"electricity_equal_value": 0.30}, {"electricity": 62.4e6}, 18_720.0),
        ("comprehensive_energy_per_ton", {}, {"electricity": 62.4e6, "output": 240_000.0}, 31.954),
        (
            "comprehensive_energy_per_ton_equal_value",
            {"electricity_equal_value": 0.30},
            {"electricity": 62.4e6, "output": 240_000.0},
            78.0,
        ),
        ("energy_per_10k_yuan", {}, {"natural_gas": 1000.0, "output_value": 1e6}, 13.3),
        ("output_rate", {}, {"output": 48.0, "running": 0.5}, 4.0),
        ("piece_rate", {}, {"pieces": 24 * 1800.0, "running": 1.0}, 1800.0),
        ("pieces_per_shift", {}, {"pieces": 48.0}, 16.0),
        ("heads_per_shift", {}, {"staff": 23.5}, 23.5),
        ("person_hours_per_ton", {}, {"staff": 10.0, "output": 60.0}, 4.0),
        ("person_hours_per_piece", {}, {"staff": 10.0, "pieces": 480.0}, 0.5),
        ("labour_productivity", {}, {"output": 60.0, "staff": 10.0}, 0.25),
        ("labour_productivity_pieces", {}, {"pieces": 480.0, "staff": 10.0}, 2.0),
        ("labour_productivity_value", {}, {"value_added": 24_000.0, "staff": 10.0}, 87.60),
        ("emission_concentration", {}, {"concentration": 28.0}, 28.0),
        ("emission_concentration_at_oxygen", {"oxygen_reference": 9.0}, {"concentration": 30.0, "oxygen": 12.0}, 40.0),
        ("emission_per_ton", {}, {"concentration": 50.0, "flow": 2e6, "output": 100.0}, 1.0),
        ("first_pass_yield", {}, {"passed": 90.0, "inspected": 100.0}, 90.0),
        ("automatic_capture_share", {}, {"automatic": 57.0, "records": 60.0}, 95.0),
        ("record_error_rate", {}, {"errors": 45.0, "records": 1000.0}, 4.5),
        ("oee_availability", {}, {"running": 0.6, "planned": 0.8}, 75.0),
        ("oee_performance", {"ideal_cycle_time": 2.0}, {"pieces": 17_280.0, "running": 0.5}, 80.0),
        ("oee_quality", {}, {"good": 95.0, "pieces": 100.0}, 95.0),
        ("oee", {"ideal_cycle_time": 2.0}, {"good": 17_280.0, "planned": 0.8}, 50.0),
        ("cost_per_ton", {}, {"cost": 1000.0, "output": 4.0}, 250.0),
        ("cost_per_piece", {}, {"cost": 100.0, "pieces": 400.0}, 0.25),
        ("cost_per_day", {}, {"cost": 32_300.0}, 32_300.0),
    ],
)
def test_a_figure_by_hand(metric: str, parameters: dict, values: dict, expected: float):
    spec = resolved(metric, list(values), parameters=parameters)
    assert figure(spec, **values) == pytest.approx(expected)


def test_every_metric_of_the_catalogue_has_a_figure_by_hand():
    covered = test_a_figure_by_hand.pytestmark[0].args[1]
    assert {case[0] for case in covered} == set(METRICS)


def test_oee_is_the_product_of_its_three_parts():
    values = {"running": 0.6, "planned": 0.8, "pieces": 18_000.0, "good": 17_100.0}
    parameters = {"oee_performance": {"ideal_cycle_time": 2.0}, "oee": {"ideal_cycle_time": 2.0}}
    parts = [
        figure(resolved(metric, parameters=parameters.get(metric, {})), **values) / 100
        for metric in ("oee_availability", "oee_performance", "oee_quality", "oee")
    ]
    assert parts[0] * parts[1] * parts[2] == pytest.approx(parts[3])


def test_the_coefficients_carry_their_edition_into_the_result():
    spec = resolved("comprehensive_energy_per_ton", ["electricity", "output"])
    used = {constant.name: (constant.value, constant.unit, constant.version) for constant in spec.constants}
    assert used["electricity_equivalent"] == ("0.1229", "kgce/kWh", "gbt2589-2020")


def test_equal_value_needs_its_coefficient_because_the_standard_has_none():
    with pytest.raises(PlanError, match="needs the parameter electricity_equal_value, in kgce/kWh"):
        resolved("comprehensive_energy_equal_value", ["electricity"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"given": {"energy": "energy"}}, "needs the input output, a total in t"),
        ({"given": {"energy": "energy", "output": "output", "heat": "energy"}}, "has no input heat"),
        ({"given": {"energy": "energy", "output": "energy"}}, "'kWh' and 't' do not measure"),
        ({"given": {"energy": "energy + output", "output": "output"}}, "energy is in kWh and output in t"),
        ({"given": {"energy": "enrgy", "output": "output"}}, "did you mean 'energy'"),
        ({"unit": "kWh"}, "do not measure the same kind"),
        ({"parameters": {"x": 1.0}}, "is not a parameter of the metric"),
        ({"coefficients": "gbt2589-1990"}, "is not one of gbt2589-2020"),
    ],
)
def test_a_measure_that_does_not_fit_is_refused_by_name(change: dict, message: str):
    with pytest.raises(PlanError) as caught:
        resolved("energy_per_ton", **change)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "roles", "name"),
    [("oee", ["good"], "ideal_cycle_time"), ("pieces_per_shift", ["pieces"], "shift_length")],
)
@pytest.mark.parametrize("value", [0.0, -8.0])
def test_a_parameter_of_nothing_is_refused(metric: str, roles: list[str], name: str, value: float):
    with pytest.raises(PlanError, match=rf"is {value:g}; it must be above 0"):
        resolved(metric, roles, parameters={name: value})


def test_no_input_at_all_is_refused():
    with pytest.raises(PlanError, match="reads no point"):
        resolved("comprehensive_energy", [])


def inline(numerator: str, denominator: str | None = None, unit: str = "kgce/t", **fields) -> MeasureSpec:
    points = {
        "grid": Point(PointKind.COUNTER, "kWh"),
        "gas": Point(PointKind.COUNTER, "Nm3"),
        "kiln-1": Point(PointKind.COUNTER, "t"),
        "power": Point(PointKind.GAUGE, "kW"),
    }
    metric = InlineMetric(numerator=numerator, denominator=denominator, better="lower")
    measure = Measure(
        metric=metric,
        unit=unit,
        boundary=Text("line", "产线"),
        model=Model("mean"),
        target=Target(unit=unit, at_most=0),
        **fields,
    )
    return measure_spec(plan_of(measure, points), "m")


def test_a_metric_of_the_plan_s_own_takes_its_units_from_its_formulas():
    spec = inline("grid * electricity_equivalent + gas * natural_gas_equivalent", "output", inputs={"output": "kiln-1"})
    assert (spec.numerator.unit, spec.denominator.unit, spec.unit_scale) == ("kgce", "t", 1.0)
    assert spec.points == ("gas", "grid", "kiln-1")
    assert {constant.name for constant in spec.constants} == {"electricity_equivalent", "natural_gas_equivalent"}


@pytest.mark.parametrize(
    ("numerator", "denominator", "unit", "message"),
    [
        ("grid + gas", None, "kWh", "grid is in kWh and gas in Nm3"),
        ("grid", "gas", "kWh/t", "do not measure the same kind"),
        ("grid + power", None, "kWh", "different kinds"),
        ("1 + 1", None, "1", "reads no point"),
    ],
)
def test_a_metric_of_the_plan_s_own_is_checked(numerator: str, denominator: str | None, unit: str, message: str):
    with pytest.raises(PlanError) as caught:
        inline(numerator, denominator, unit)
    assert message in str(caught.value)


def test_data_files_name_their_source():
    edition = coefficients("gbt2589-2020")
    assert edition.version == "gbt2589-2020"
    assert "GB/T 2589-2020" in edition.source
    assert all(limit.source for limit in limits().limits.values())
    assert coefficients("none") is None


# Emission limits.

AT_OXYGEN = "emission_concentration_at_oxygen"


def limited(limit: str, metric: str = AT_OXYGEN, at_most: float = 200.0, **changes) -> MeasureSpec:
    """A concentration whose level afterwards must keep to a limit; only what concerns the limit is checked here."""
    roles = METRICS[metric].roles
    measure = Measure(
        metric=metric,
        unit="mg/m3",
        boundary=Text("stack", "烟囱"),
        model=Model("mean"),
        target=Target(unit="mg/m3", at_most=at_most, of="level"),
        inputs={role: role for role in roles},
        limit=limit,
        **changes,
    )
    plan = plan_of(measure, {role: Point(PointKind.GAUGE, wanted.unit) for role, wanted in roles.items()})
    spec = measure_spec(plan, "m")
    _check_limit(measure, spec)
    return spec


def test_a_limit_brings_its_reference_oxygen_content():
    spec = limited("gb13271-2014-gas-boiler-nox")
    assert {(c.name, c.value, c.version) for c in spec.constants} == {("oxygen_reference", "3.5", "limits-1")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": "gb13271-2014-gas-boiler-nx"}, "did you mean 'gb13271-2014-gas-boiler-nox'"),
        ({"limit": "gb13271-2014-gas-boiler-nox", "parameters": {"oxygen_reference": 9.0}}, "holds at 3.5 % oxygen"),
        ({"limit": "gb13271-2014-gas-boiler-nox", "metric": "emission_concentration"}, "holds at 3.5 % oxygen"),
        ({"limit": "gb13271-2014-gas-boiler-nox", "at_most": 200.1}, "is above the limit of 200 mg/m3"),
    ],
)
def test_a_limit_that_does_not_fit_is_refused(change: dict, message: str):
    with pytest.raises(PlanError) as caught:
        limited(**change)
    assert message in str(caught.value)


def test_a_limit_without_a_reference_is_for_the_concentration_as_measured():
    assert limited("gb25465-2010-electrolysis-so2", "emission_concentration").constants == ()
