"""The explanation: eight numbered steps whose figures are the result's, and sums that a reader can repeat."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import get_args

import msgspec
import numpy as np
import pytest

from tests.verification.lines import PLAN_BYTES, changed, hengkang_plan, line, only
from verification.engine.result import ConstantInfo, CrossCheck, PanelRow, Placebo, Result, SensitivityRow
from verification.engine.verify import verify
from verification.finding_catalogue import CATALOGUE
from verification.findings import Finding, Language
from verification.model import PointKind
from verification.plan import Model, Point, parse_plan
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
    assert (
        "at 20 dates inside the model's own window (worth 4.2 independent ones): a change claimed at 1, rate 0.05"
        in text
    )
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
    assert "change at least -1 percentage points" in told
    assert re.search(r"The change of \S+ ± \S+ percentage points keeps .* at least -1 percentage points\.", told)
    assert re.search(r"变化量 \S+ ± \S+ 个百分点", explain(result, "zh"))


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


def with_outdoor(model: Model, method: str = "avoided"):
    """The line with an outdoor temperature, judged by a model that has it."""
    plan = changed(PLAN, model=model, method=method)
    plan = msgspec.structs.replace(plan, points=plan.points | {"outdoor": Point(PointKind.GAUGE, "degC")})
    time_us = line(PLAN)["ac_energy"].time_us
    degrees = 12 + 9 * np.cos(np.arange(len(time_us)) / 96 / 9) + np.random.default_rng(4).normal(0, 1, len(time_us))
    return verify(plan, "0" * 64, {**line(PLAN), "outdoor": Series.of(time_us, degrees)})


@pytest.mark.parametrize("drivers", [["metal_tapped", "outdoor"], ["outdoor", "metal_tapped"]])
def test_the_range_of_a_driver_goes_by_its_own_name_whatever_the_terms_of_the_model(drivers: list[str]):
    told = explain(with_outdoor(Model("change_point", drivers)))
    assert re.search(r"^ +outdoor: baseline [23]\.\d+ to 2[01]\.", told, re.MULTILINE), told
    assert re.search(r"^ +metal_tapped: baseline [56]\d\d\.", told, re.MULTILINE)
    assert re.search(r"^ +outdoor[<>]\S+ = ", told, re.MULTILINE)


def test_a_backcast_is_repeated_from_the_rows_of_the_baseline():
    result = with_outdoor(Model("ols", ["metal_tapped"]), "backcast")
    told, effect = explain(result), only(result).effect
    modelled, metered, change = (
        Decimal(figure)
        for figure in re.search(
            r"of the baseline, modelled (\S+) kWh less metered (\S+) kWh = (\S+) kWh", told
        ).groups()
    )
    assert modelled - metered == change
    assert f"the change is {effect.delta} kWh/t" in told
    assert re.search(rf"divided by \S+ t = {effect.delta[:5]}", told)


def test_a_backcast_of_no_change_is_repeated_from_the_rows_of_the_baseline_too():
    """The rows of the reporting period, to which its model was fitted, add up to nothing as well."""
    told = explain(verify(changed(PLAN, method="backcast"), "0" * 64, line(PLAN, effect=0.0, noise_sd=0.0)))
    assert "of the baseline, modelled" in told
    assert "less modelled" not in told


def test_a_normalised_change_is_said_not_to_be_a_sum_of_the_rows():
    told = explain(with_outdoor(Model("ols", ["metal_tapped"]), "normalised"))
    assert "standard conditions" in told
    assert "less modelled" not in told


@pytest.mark.parametrize("language", get_args(Language))
def test_both_models_of_a_normalised_change_are_told_with_what_they_stand_on(language: Language):
    result = with_outdoor(Model("ols", ["metal_tapped"]), "normalised")
    told = explain(result, language)
    before, after = only(result).models
    heads = {"en": "model of the {}", "zh": "{}的模型"}[language]
    names = {"en": ("baseline", "reporting period"), "zh": ("基准期", "报告期")}[language]
    places = [told.index(heads.format(name)) for name in names]
    for text, model in zip((told[slice(*places)], told[places[1] :]), (before, after), strict=True):
        figures = [one.value for one in model.coefficients] + [
            model.n_effective,
            model.r_squared,
            model.rho_bias_corrected,
        ]
        assert not [figure for figure in figures if figure not in text]
    assert heads.format(names[0]) not in explain(RESULT, language)


def test_a_primary_model_that_is_not_admissible_is_still_marked():
    result = with_robustness()
    rows = [msgspec.structs.replace(row, admissible=not row.primary, why_not=["terms"]) for row in only(result).panel]
    measure = msgspec.structs.replace(only(result), panel=rows)
    told = explain(msgspec.structs.replace(result, measures=[measure]))
    assert re.search(r"^ +\* \S+: not admissible \(a term does not matter\)", told, re.MULTILINE)


def test_a_finding_of_one_measure_of_several_names_it():
    measure, found = only(RESULT), Finding.of("SEASON_NOT_COVERED", days=7)
    other = msgspec.structs.replace(measure, name="other", findings=[found])
    text = render(msgspec.structs.replace(RESULT, measures=[measure, other]))
    assert "SEASON_NOT_COVERED (other): The baseline covers 7 days" in text
    assert "PLAN_NOT_LOGGED: " in text
    assert "SEASON_NOT_COVERED: The baseline covers 7 days" in render(
        msgspec.structs.replace(RESULT, measures=[msgspec.structs.replace(measure, findings=[found])])
    )


def test_the_hours_of_a_week_are_one_line_of_the_model():
    told = explain(msgspec.structs.replace(RESULT, measures=[with_slots(3)]))
    assert "3 hours of the week against the first of Monday: -2.5 to 51 kWh" in told
    assert "slot=" not in told
    assert "metal_tapped = " in told


def with_slots(count: int):
    """The measure as if its model had so many hours of the week besides."""
    measure = only(RESULT)
    one = measure.model.coefficients[1]
    values = ["51", "-2.5", "7.25"][:count]
    slots = [
        msgspec.structs.replace(one, name=f"slot={i + 1}", value=value, unit="kWh") for i, value in enumerate(values)
    ]
    model = msgspec.structs.replace(measure.model, coefficients=[*measure.model.coefficients, *slots])
    return msgspec.structs.replace(measure, model=model)


def test_one_admissible_model_is_no_range():
    measure = only(with_robustness())
    alone = msgspec.structs.replace(RESULT, measures=[msgspec.structs.replace(measure, panel=measure.panel[:2])])
    assert "Admissible models: 1 of 2, -235.1 kWh/t" in render(alone)
    assert "可用模型：2 个中 1 个，结果 -235.1 kWh/t" in render(alone, "zh")


@pytest.mark.parametrize(
    ("language", "named"),
    [
        ("en", "Monte Carlo (GUM supplement 1), level afterwards: 27.0843"),
        ("zh", "蒙特卡洛法（GUM 补充件 1），改造后水平：27.0843"),
    ],
)
def test_a_cross_check_of_the_level_is_not_shown_as_one_of_the_change(language: Language, named: str):
    judged = only(with_robustness())
    of_level = msgspec.structs.replace(
        judged,
        cross_checks=[*judged.cross_checks, CrossCheck("monte_carlo", "kWh/t", "27.0843", "0.7477")],
        verdict=msgspec.structs.replace(
            judged.verdict, limit=msgspec.structs.replace(judged.verdict.limit, of="level")
        ),
    )
    text = explain(msgspec.structs.replace(RESULT, measures=[of_level]), language)
    assert named in text
    assert text.count("level afterwards:" if language == "en" else "改造后水平：") == 1
