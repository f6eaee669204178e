"""An adjustment that is told by a formula: its value, its uncertainty, and what contradicts it."""

from __future__ import annotations

import datetime as dt
import math

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.verification.lines import PLAN_BYTES, changed, codes, hengkang_plan, line, micros, only
from verification import keys
from verification.engine.result import MeasureResult, Result, parse_result
from verification.engine.verify import verify
from verification.fields import Text
from verification.model import PointKind
from verification.plan import Plan, Point, Window, parse_plan
from verification.plan.checks import check_plan
from verification.plan.shape import Adjustment, AdjustmentConstant, Meter
from verification.plan.signing import sign
from verification.report.explain import explain
from verification.report.text import render
from verification.series.columns import Series

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PLAN = hengkang_plan()
READINGS = line(PLAN)
DAYS = (PLAN.reporting.end - PLAN.reporting.start).days
FAN = Adjustment(
    id="new-fan", measure="energy", cause=Text("a new fan", "新风机"), owner="works engineer", unit="MWh",
    formula="hours(rated * load)",
    constants={
        "rated": AdjustmentConstant(500.0, "kW", 5.0, "name plate"), "load": AdjustmentConstant(80.0, "%", 3.0),
    },
)  # fmt: skip
FAN_KWH = 500 * 0.8 * 24 * DAYS


def with_adjustment(adjustment: Adjustment = FAN, plan: Plan = PLAN, **changes: object) -> Plan:
    """The plan with one adjustment, changed and then signed by its owner."""
    draft = msgspec.structs.replace(adjustment, **changes)
    plan = changed(plan, owners={"works engineer": keys.public_text(KEY)}, adjustments=[draft])
    check_plan(plan)
    return changed(plan, adjustments=[msgspec.structs.replace(draft, signature=sign(plan, draft.id, KEY))])


def judge(plan: Plan, readings: dict[str, Series] | None = None) -> Result:
    return verify(plan, "0" * 64, READINGS if readings is None else readings)


def measured(plan: Plan, readings: dict[str, Series] | None = None) -> MeasureResult:
    return only(judge(plan, readings))


def in_file(**fields: str) -> bytes:
    """The potline's plan file with an adjustment of these fields, its last line but one the value."""
    text = {
        "id": "new-fan",
        "measure": "energy",
        "cause": "{en: a fan, zh: 风机}",
        "owner": "x",
        "unit": "MWh",
        **fields,
    }
    lines = "\n".join(f"    {key}: {value}" for key, value in text.items())
    return PLAN_BYTES + f"adjustments:\n  -\n{lines}\n".encode()


def test_it_counts_by_its_formula_and_each_constant_s_uncertainty():
    plain, measure = measured(PLAN), measured(with_adjustment())
    [row] = measure.adjustments
    assert float(row.value) == pytest.approx(FAN_KWH, rel=1e-9)
    u = FAN_KWH * math.hypot(5 / 500, 3 / 80)
    assert float(row.standard_uncertainty) == pytest.approx(u, rel=1e-6)
    output = float(plain.reporting.denominator)
    assert float(measure.effect.delta) - float(plain.effect.delta) == pytest.approx(-FAN_KWH / output, abs=2e-4)
    [of_budget] = [each for each in measure.budget if each.source == "adjustment:new-fan"]
    assert float(of_budget.standard_uncertainty) == pytest.approx(u / output, abs=1e-4)
    assert (of_budget.type, of_budget.dof) == ("B", None)


@pytest.mark.parametrize("method", ["backcast", "normalised"])
def test_it_moves_the_change_alike_by_every_method(method: str):
    plan = changed(PLAN, method=method)
    plain, adjusted = measured(plan), measured(with_adjustment(plan=plan))
    moved = float(adjusted.effect.delta) - float(plain.effect.delta)
    assert moved == pytest.approx(-FAN_KWH / float(plain.reporting.denominator), abs=2e-4)


@pytest.mark.parametrize("method", ["avoided", "backcast", "normalised"])
def test_what_is_held_against_the_change_is_adjusted_alike(method: str):
    """Like load, months left out, other models and generalised least squares: each beside the change that it checks."""
    plan = changed(PLAN, method=method)
    large = with_adjustment(plan=plan, formula="20 * hours(rated * load)")
    plain, adjusted = measured(plan), measured(large)
    moved = float(adjusted.effect.delta) - float(plain.effect.delta)
    assert moved < -10 * float(plain.effect.expanded_uncertainty)
    for rows, key in (("panel", "model"), ("sensitivity", "case"), ("cross_checks", "name")):
        before, after = (
            {getattr(row, key): float(row.delta) for row in getattr(measure, rows) if row.delta is not None}
            for measure in (plain, adjusted)
        )
        both = [after[name] - before[name] for name in before if name in after]
        assert both == pytest.approx([moved] * len(both), abs=1.0), rows
    assert "MATCHED_LOAD_DIFFERS" not in codes(judge(large))


def test_a_drift_is_said_beside_the_adjusted_change():
    time = np.arange(len(READINGS["ac_energy"]))
    energy = READINGS["ac_energy"]
    steps = np.diff(energy.value, prepend=energy.value[0]) % 1e9
    drifting = np.cumsum(steps * (1 - 0.02 * time / len(time))) % 1e9
    readings = {**READINGS, "ac_energy": Series.of(energy.time_us, np.round(drifting))}
    said = []
    for plan in (PLAN, with_adjustment(formula="20 * hours(rated * load)")):
        found = [one for one in measured(plan, readings).findings if one.code.startswith("DRIFT")]
        said += [float(one.data["delta"]) for one in found if "delta" in one.data]
    without, adjusted = said
    assert adjusted - without == pytest.approx(-20 * FAN_KWH / float(measured(PLAN).reporting.denominator), abs=1.0)


def test_its_own_uncertainty_comes_on_top_of_its_constants():
    [row] = measured(with_adjustment(uncertainty=30.0)).adjustments
    assert float(row.standard_uncertainty) == pytest.approx(
        math.hypot(FAN_KWH * 5 / 500, FAN_KWH * 3 / 80, 30_000), rel=1e-6
    )


def test_a_window_limits_it_to_its_days():
    window = Window(PLAN.reporting.start, PLAN.reporting.start + dt.timedelta(days=10))
    [row] = measured(with_adjustment(window=window)).adjustments
    assert float(row.value) == pytest.approx(FAN_KWH * 10 / DAYS, rel=1e-9)


def test_a_formula_of_constants_alone_counts_once():
    spill = {"spill": AdjustmentConstant(2.5, "t", 0.1), "heat": AdjustmentConstant(400.0, "kWh/t")}
    [row] = measured(with_adjustment(formula="-spill * heat", constants=spill)).adjustments
    assert (float(row.value), float(row.standard_uncertainty)) == pytest.approx((-1000.0, 40.0), rel=1e-9)


def test_a_point_s_meter_errs_in_the_figure_and_in_the_adjustment_together():
    """One hundredth of the energy itself: what its meter does to the change is d * (delta + 0.01 * E/P) and not the
    root of a sum of squares, because one error moves both.
    """
    share = {"share": AdjustmentConstant(0.01, "1")}
    plain, adjusted = measured(PLAN), measured(with_adjustment(formula="share * ac_energy", constants=share))
    [row] = [each for each in adjusted.budget if each.source == "meter:M-AC-01"]
    d = PLAN.meters["M-AC-01"].class_percent / 100 / math.sqrt(3)
    assert float(row.standard_uncertainty) == pytest.approx(d * abs(float(adjusted.effect.delta)), rel=1e-3)
    assert abs(float(adjusted.effect.delta)) > abs(float(plain.effect.delta)) + 100


def with_fan_meter() -> tuple[Plan, dict[str, Series]]:
    """A meter of its own for the fan, from the first day of the reporting period on: 9,600 kWh a day."""
    points = PLAN.points | {"fan": Point(PointKind.INTERVAL_TOTAL, "kWh", meter="M-FAN", cadence_s=3600)}
    meters = PLAN.meters | {"M-FAN": Meter(class_percent=1.0, unit="kWh", installed=PLAN.reporting.start)}
    start = micros(PLAN, PLAN.reporting.start)
    hours = start + np.arange(24 * DAYS) * 3_600_000_000
    fan = Series.of(hours, np.full(len(hours), 400.0))
    return changed(PLAN, points=points, meters=meters), {**READINGS, "fan": fan}


def test_a_meter_that_only_an_adjustment_reads_has_its_row_and_may_be_new():
    plan, readings = with_fan_meter()
    result = judge(with_adjustment(plan=plan, formula="fan", constants={}), readings)
    measure = only(result)
    [row] = [each for each in measure.budget if each.source == "meter:M-FAN"]
    expected = 0.01 / math.sqrt(3) * FAN_KWH / float(measure.reporting.denominator)
    assert float(row.standard_uncertainty) == pytest.approx(expected, abs=1e-4)
    assert float(measure.adjustments[0].value) == pytest.approx(FAN_KWH, rel=1e-9)
    assert not codes(result) & {"METER_INSTALLED_LATE", "METER_NOT_NAMED", "WINDOW_OUTSIDE_DATA"}
    assert measure.verdict.state == "met"


def test_days_without_a_value_of_it_are_not_used_and_said():
    plan, readings = with_fan_meter()
    gone = readings["fan"].take(np.arange(24 * DAYS) >= 48)
    result = judge(with_adjustment(plan=plan, formula="fan", constants={}), {**readings, "fan": gone})
    [finding] = [each for each in only(result).findings if each.code == "ADJUSTMENT_UNDEFINED"]
    assert finding.data == {
        "id": "new-fan", "count": 2, "interval": "day", "first": PLAN.reporting.start.isoformat(),
    }  # fmt: skip
    assert only(result).reporting.used == DAYS - 2
    unsigned = changed(plan, adjustments=[msgspec.structs.replace(FAN, formula="fan", constants={})])
    assert measured(unsigned, {**readings, "fan": gone}).reporting.used == DAYS


def test_a_stated_value_that_its_readings_contradict_forbids_a_number_and_names_both():
    plan, readings = with_fan_meter()
    result = judge(with_adjustment(plan=plan, formula="fan", constants={}, value=1000.0), readings)
    [reason] = result.verdict.reasons
    assert (result.verdict.state, reason.code) == ("invalid_data", "ADJUSTMENT_MISMATCH")
    assert (reason.data["stated"], reason.data["value"], reason.data["unit"]) == ("1000", "1152", "MWh")
    assert only(result).effect is None
    assert judge(with_adjustment(plan=plan, formula="fan", constants={}, value=1150.0), readings).verdict.state == "met"


def test_the_unit_that_it_is_written_in_does_not_matter():
    in_mwh, in_gj = (measured(with_adjustment(unit=unit)) for unit in ("MWh", "GJ"))
    assert in_mwh.effect == in_gj.effect
    assert in_mwh.budget == in_gj.budget


def test_report_explanation_and_result_show_it():
    result = judge(with_adjustment())
    assert parse_result(result.to_json()) == result
    for text in (render(result), explain(result)):
        assert "adjustment new-fan: hours(rated * load) = 1152000 kWh, u = 44709.6 kWh; a new fan; works eng" in text
    assert "非常规调整 new-fan：hours(rated * load) = 1152000 kWh" in render(result, "zh")


@pytest.mark.parametrize(
    ("fields", "line_of", "message"),
    [
        ({"formula": "hours(p)", "constants": "{p: {value: 400, unit: kW}}", "value": "1000"}, "value: 1000",
         r"adjustments.0.value: new-fan states 1000 MWh, but its formula gives 1152 MWh; correct one"),
        ({"formula": "ac_energy + metal_tapped"}, "formula:", "ac_energy is in kWh and metal_tapped in t"),
        ({"formula": "p", "constants": "{p: {value: 400, unit: kW}}"}, "formula:", "p: .*kW.*MWh"),
        ({"formula": "hours(fan)"}, "formula:", "fan is neither one of its constants nor under points"),
        ({"formula": "line_state * p", "constants": "{p: {value: 4, unit: kWh}}"}, "formula:",
         "is a mean of each interval, and the metric's numerator is a total"),
        ({"formula": "ac_energy", "constants": "{p: {value: 4, unit: kWh}}"}, "constants:", "the formula does not use"),
        ({"formula": "ac_energy", "constants": "{ac_energy: {value: 4, unit: kWh}}"}, "constants:", "is a point, too"),
        ({"formula": "p / q", "constants": "{p: {value: 4, unit: kWh}, q: {value: 0, unit: '1'}}"}, "formula:",
         "divides by q, which is 0"),
        ({"value": "5"}, "id: new-fan", "needs a formula, or a value with its uncertainty"),
        ({"value": "5", "uncertainty": "1", "window": "{start: 2026-07-09, end: 2026-07-10}"}, "id: new-fan",
         "constants and window are those of a formula"),
        ({"formula": "ac_energy", "window": "{start: 2026-07-01, end: 2026-07-10}"}, "window:",
         "must be whole intervals of the reporting period, 2026-07-09 to 2026-11-06"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_an_error_with_its_line(fields: dict[str, str], line_of: str, message: str):
    file = in_file(**fields)
    number = next(
        n for n, text in enumerate(file.decode().split("\n"), 1) if n > 20 and text.strip().startswith(line_of)
    )
    with pytest.raises(Exception, match=rf"plan.yaml:{number}: .*{message}"):
        parse_plan(file)
