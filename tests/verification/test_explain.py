"""The explanation: eight numbered steps whose figures are the result's, and sums that a reader can repeat."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import get_args

import msgspec
import numpy as np
import pytest

from tests.verification.lines import PLAN_BYTES, hengkang_plan, line, only
from verification.engine.result import ConstantInfo, CrossCheck, PanelRow, Placebo, Result, SensitivityRow
from verification.engine.verify import verify
from verification.finding_catalogue import CATALOGUE
from verification.findings import Language
from verification.plan import parse_plan
from verification.report.explain import explain, step_of
from verification.report.explain_words import STEPS
from verification.report.text import render
from verification.series.columns import Series

PLAN = hengkang_plan()
RESULT = verify(PLAN, "0" * 64, line(PLAN))


def with_robustness() -> Result:
    """The result as if a panel had been run: what is shown is what it says."""
    measure = msgspec.structs.replace(
        only(RESULT),
        panel=[
            PanelRow("ols(metal_tapped)", True, [], "-235.1030", "14.1624", "met", True),  # noqa: FBT003
            PanelRow("ratio", False, ["rejected"], None, None, None, False),  # noqa: FBT003
            PanelRow("mean", True, [], "-180.5000", "20.0000", "inconclusive", False),  # noqa: FBT003
        ],
        placebo=Placebo(20, 1, "0.05", "4.2", "0.187"),
        cross_checks=[CrossCheck("ar1_gls", "kWh/t", "-234.9000", "14.5000")],
        sensitivity=[SensitivityRow("without:reporting:2026-08", "-236.2000", None)],
    )
    return msgspec.structs.replace(RESULT, measures=[measure])


@pytest.mark.parametrize("language", get_args(Language))
def test_the_steps_are_numbered_one_to_eight_and_named(language: Language):
    heads = re.findall(r"^(\d)\. (.+)$", explain(RESULT, language), re.MULTILINE)
    assert [int(number) for number, _ in heads] == list(range(1, 9))
    assert [name for _, name in heads] == [getattr(step, language) for step in STEPS]


def test_the_change_follows_from_the_sums_that_are_shown():
    text = explain(RESULT)
    metered, modelled, change = re.search(r"metered (\S+) kWh less modelled (\S+) kWh = (\S+) kWh", text).groups()
    assert Decimal(metered) - Decimal(modelled) == Decimal(change)
    tons = Decimal(re.search(r"divided by (\S+) t", text)[1])
    effect = only(RESULT).effect
    assert float(Decimal(change) / tons) == pytest.approx(float(effect.delta), abs=1e-3)
    assert f"the change is {effect.delta} kWh/t" in text


def test_the_combined_uncertainty_is_the_root_of_the_rows_that_are_shown():
    text = explain(RESULT)
    rows = [Decimal(value) for value in re.findall(r"^ +u\([^)]+\) = (\S+), type", text, re.MULTILINE)]
    shown = Decimal(re.search(r"u_c = root of the sum of squares = (\S+) kWh/t", text)[1])
    assert len(rows) == len(only(RESULT).budget)
    assert float(sum(row**2 for row in rows).sqrt()) == pytest.approx(float(shown), abs=1e-4)
    assert float(shown) == pytest.approx(float(only(RESULT).effect.standard_uncertainty), abs=2e-4)


def test_every_finding_appears_once_for_each_measure_in_the_step_that_makes_it():
    text = explain(RESULT)
    for finding in RESULT.all_findings:
        assert text.count(finding.text()) == 1, finding.code
    steps = re.split(r"^\d\. ", text, flags=re.MULTILINE)
    assert "PLAN_NOT_LOGGED" in steps[1]
    assert "COUNTER_ROLLOVER" in steps[2]
    assert "TARGET_MET" in steps[8]


def test_every_kind_of_finding_has_a_step():
    assert {step_of(code) for code in CATALOGUE} <= set(range(1, 9))
    known = {"PLAN_NOT_LOGGED": 1, "SPIKES": 2, "EXTRAPOLATION_MEAN": 3, "ILL_CONDITIONED": 4, "ADJUSTMENT_UNSIGNED": 5}
    known |= {"PANEL_FLIPS": 6, "BALANCE_OPEN": 7, "TARGET_MET": 8}
    assert {code: step_of(code) for code in known} == known


def test_panel_placebo_checks_and_sensitivity_are_told():
    text = explain(with_robustness())
    assert "* ols(metal_tapped): -235.1030 ± 14.1624, MET" in text
    assert "ratio: not admissible (a further term matters)" in text
    assert "at 20 dates inside the baseline (worth 4.2 independent ones): a change claimed at 1, rate 0.05" in text
    assert "so many on a steady line 0.187" in text
    assert "AR(1) generalised least squares: -234.9000 ± 14.5000 kWh/t" in text
    assert "Without 2026-08 of the reporting period: -236.2000" in text
    short = render(with_robustness())
    assert "Admissible models: 2 of 3, from -235.1 to -180.5 kWh/t" in short
    assert "a change is claimed at 1 of 20 dates (worth 4.2 independent ones)" in short


def test_a_mean_is_divided_by_its_intervals_and_a_share_changes_by_percentage_points():
    text = PLAN_BYTES.decode()
    head, _ = text.split("measures:", 1)
    plan = parse_plan(
        f"""{head}measures:
  metal:
    metric: {{numerator: metal_tapped, better: higher, decimals: 3}}
    unit: t
    boundary: {{en: metal a day, zh: 日产铝量}}
    model: {{kind: mean}}
    target: {{at_least: -50, unit: t}}
  share:
    metric: {{numerator: line_state, better: higher, decimals: 3}}
    unit: "%"
    boundary: {{en: share of time in which the line runs, zh: 运行时间占比}}
    model: {{kind: mean}}
    target: {{at_least: -1, unit: "%"}}
""".encode()
    )
    readings = line(PLAN)
    state = readings["line_state"]
    stopped = np.where(np.arange(len(state)) % 97 == 0, 0.0, state.value)
    result = verify(plan, "0" * 64, {**readings, "line_state": Series.of(state.time_us, stopped)})
    told = explain(result)
    assert "divided by 120 intervals = " in told
    assert re.search(r"Change: \S+ ± \S+ percentage points", render(result))
    assert "个百分点" in render(result, "zh")
    assert "at least -1 %" in told


def test_the_constants_of_a_formula_are_told_with_their_edition():
    constant = ConstantInfo("electricity_equivalent", "0.1229", "kgce/kWh", "GB/T 2589-2020")
    metric = msgspec.structs.replace(only(RESULT).metric, constants=[constant])
    measure = msgspec.structs.replace(only(RESULT), metric=metric)
    text = explain(msgspec.structs.replace(RESULT, measures=[measure]))
    assert "electricity_equivalent = 0.1229 kgce/kWh (GB/T 2589-2020)" in text


def test_without_a_number_the_explanation_says_so():
    readings = {name: series.take(series.time_us < series.time_us[100]) for name, series in line(PLAN).items()}
    text = explain(verify(PLAN, "0" * 64, readings))
    assert "No figure is given" in text
    assert "no model was fitted" in text
