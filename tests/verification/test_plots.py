"""The plots: everything that was used is drawn, inside the frame, in both languages, from the result alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import xml.etree.ElementTree as ET
from typing import get_args

import msgspec
import numpy as np
import pytest

from tests.verification.lines import changed, drop, hengkang_plan, line, micros, only
from verification.engine.result import Result
from verification.engine.verify import verify
from verification.fields import Text
from verification.findings import Language
from verification.model import PointKind
from verification.plan import Model, Point, Target
from verification.plan.shape import InlineMetric
from verification.report import gauge, words
from verification.report.axes import FRAMES
from verification.report.coverage import coverage as coverage_map
from verification.report.explain_words import EXPLAIN
from verification.report.numbers import MINUS, THIN_SPACE
from verification.report.plots import PLOTS, drawings, gauges, plot_files
from verification.report.read import subject_of
from verification.report.scatter import scatter
from verification.report.subject import MAX_MARKS, Interval, by_day
from verification.report.svg import element, fitted, text_width, ticks
from verification.report.words import REPORT, Words
from verification.series.columns import Series

SVG = "{http://www.w3.org/2000/svg}"
PLAN = hengkang_plan()
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def with_gap() -> Result:
    """Two days of the reporting period without energy readings, which are not used."""
    readings = line(PLAN)
    start = micros(PLAN, dt.date(2026, 8, 1))
    readings["ac_energy"] = drop(readings["ac_energy"], start + 1, start + 2 * 86_400_000_000)
    return verify(PLAN, "0" * 64, readings)


RESULT = with_gap()
MEASURE = only(RESULT)


def drawn(name: str, language: Language = "en", frame: int = 0) -> ET.Element:
    return ET.fromstring(drawings(MEASURE, Words(language, REPORT))[name][frame])  # noqa: S314 - our own


def number_of(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(THIN_SPACE, "").split(" ")[0])


def test_every_plot_is_drawn_for_a_judged_measure():
    assert set(drawings(MEASURE, Words("en", REPORT))) == set(PLOTS)
    assert len(gauges(MEASURE, Words("en", REPORT))) == 2


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("frame", [0, 1])
@pytest.mark.parametrize("name", PLOTS)
def test_no_text_leaves_the_drawing(name: str, frame: int, language: Language):
    picture = drawn(name, language, frame)
    width, height = (float(side) for side in picture.get("viewBox", "").split()[2:])
    groups = {child: group for group in picture.iter() for child in group}
    for text in picture.iter(f"{SVG}text"):
        moved = re.match(r"translate\(([\d.]+) ([\d.]+)\)", groups[text].get("transform", ""))
        x, y = float(text.get("x", "0")), float(text.get("y", "0"))
        if text.get("transform"):
            continue  # written upwards, inside the works
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2])
        reach = text_width(text.text or "")
        start = {"start": x, "middle": x - reach / 2, "end": x - reach}[text.get("text-anchor", "start")]
        assert start >= -1, text.text
        assert start + reach <= width + 1, text.text
        assert 0 < y <= height, text.text


def test_the_series_has_a_mark_for_every_interval_that_was_used():
    for frame in (0, 1):
        picture = drawn("series", frame=frame)
        before = picture.findall(f".//{SVG}g[@class='points baseline']/{SVG}circle")
        after = picture.findall(f".//{SVG}g[@class='points reporting']/{SVG}path")
        assert (len(before), len(after)) == (MEASURE.baseline.used, MEASURE.reporting.used) == (120, 118)


def test_the_projection_and_its_band_stop_at_a_gap():
    picture = drawn("series")
    assert len(picture.findall(f".//{SVG}polyline[@class='expected']")) == 3  # baseline, before the gap, after it
    assert len(picture.findall(f".//{SVG}polygon[@class='band']")) == 3


def test_the_band_holds_most_of_the_baseline_and_none_of_a_saving_beyond_it():
    subject = subject_of(MEASURE, Words("en", REPORT))
    assert subject.spread is not None
    inside = [abs(one.residual or 0) <= subject.spread for one in subject.used if one.window == "baseline"]
    assert 0.9 <= sum(inside) / len(inside) <= 1.0
    after = [one.residual or 0 for one in subject.used if one.window == "reporting"]
    assert np.mean(after) < -subject.spread


def test_the_running_sum_ends_where_the_result_says():
    subject = subject_of(MEASURE, Words("en", REPORT))
    total = sum(one.residual or 0 for one in subject.used if one.window == "reporting")
    assert MEASURE.effect is not None
    assert total == pytest.approx(float(MEASURE.effect.numerator_change), rel=1e-6)
    points = drawn("cusum").find(f".//{SVG}polyline[@class='cusum']").get("points").split()
    assert len(points) == 1 + MEASURE.baseline.used + MEASURE.reporting.used


def test_the_bars_of_the_bridge_add_up_as_shown_and_end_at_the_verified_change():
    texts = [text.text or "" for text in drawn("bridge").iter(f"{SVG}text") if text.get("class") == "bar-value"]
    *steps, verified = [number_of(text) for text in texts]
    assert sum(steps) == pytest.approx(verified, abs=1e-9)
    assert MEASURE.effect is not None
    assert round(verified) == round(float(MEASURE.effect.reported_delta))


def test_the_budget_shows_every_row_and_what_they_combine_to():
    bars = drawn("budget").findall(f".//{SVG}rect")
    assert len(bars) == len(MEASURE.budget) + 1
    widths = [float(bar.get("width", "0")) for bar in bars]
    assert widths[-1] == max(widths)


def test_the_coverage_map_has_a_square_for_every_day_and_crosses_out_what_was_not_used():
    picture = drawn("coverage")
    key = 5  # samples beside their words, two of them with a stroke
    assert len(picture.findall(f".//{SVG}rect")) == 240 + key
    assert len(picture.findall(f".//{SVG}line[@class='unused']")) == 2 + 2


def test_a_day_of_which_only_some_shifts_were_used_is_not_crossed_out_as_unused():
    def shift(hour: int, *, used: bool) -> Interval:
        start = dt.datetime(2026, 3, 2, hour)  # noqa: DTZ001 - a subject counts local wall time
        return Interval(start, start + dt.timedelta(hours=8), "baseline", used, 100, 1.0, 1.0, 1.0)

    day = dataclasses.replace(
        subject_of(MEASURE, Words("en", REPORT)), intervals=(shift(0, used=False), shift(8, used=True))
    )
    picture = coverage_map(day, Words("en", REPORT), FRAMES[0], "map")
    assert picture is not None
    *_, stroke = ET.fromstring(picture).iter(f"{SVG}line")  # noqa: S314 - our own
    rect = list(ET.fromstring(picture).iter(f"{SVG}rect"))[-1]  # noqa: S314 - our own
    width, left = float(rect.get("width", "")), float(rect.get("x", ""))
    assert float(stroke.get("x1", "")) == pytest.approx(left + width / 2, abs=0.02)


def test_a_model_of_one_driver_is_drawn_over_it_and_dashed_beyond_what_it_saw():
    picture = drawn("scatter")
    assert "metal_tapped [t]" in [text.text for text in picture.iter(f"{SVG}text")]
    assert len(picture.findall(f".//{SVG}line[@class='fit']")) == 1 + 1  # the model, and its sample in the legend
    assert MEASURE.model is not None


@pytest.mark.parametrize(
    ("method", "fitted"), [("avoided", "baseline"), ("backcast", "reporting"), ("normalised", "baseline")]
)
def test_the_line_is_solid_over_the_window_that_the_model_was_fitted_to(method: str, fitted: str):
    days = np.arange((PLAN.reporting.end - PLAN.baseline.start).days)
    narrow, wide = 656 + 10 * np.sin(1.7 * days), 656 + 60 * np.sin(1.7 * days)
    after = days >= (PLAN.baseline.end - PLAN.baseline.start).days
    tons = np.where(after == (fitted == "reporting"), narrow, wide)
    measure = only(verify(changed(PLAN, method=method), "0" * 64, line(PLAN, output_t=tons)))
    assert measure.model.fitted == fitted
    drawing = drawings(measure, Words("en", REPORT))["scatter"][0]
    fit, before, beyond = [
        (float(one.get("x1")), float(one.get("x2")))
        for one in ET.fromstring(drawing).iter(f"{SVG}line")  # noqa: S314 - our own
        if one.get("class") in ("fit", "expected") and one.get("x1") != "0"  # not the samples in the legend
    ]
    assert before[0] < before[1] == fit[0] < fit[1] == beyond[0] < beyond[1]
    assert (fit[1] - fit[0]) / (beyond[1] - before[0]) == pytest.approx(10 / 60, rel=0.02)


def test_a_result_without_a_figure_still_shows_its_coverage_and_no_bridge():
    readings = {
        name: series.take(series.time_us < micros(PLAN, PLAN.baseline.end)) for name, series in line(PLAN).items()
    }
    result = verify(PLAN, "0" * 64, readings)
    found = drawings(only(result), Words("en", REPORT))
    assert "coverage" in found
    assert not {"bridge", "budget", "series", "scatter", "cusum"} & set(found)
    assert gauges(only(result), Words("en", REPORT)) == []


def test_more_intervals_than_a_reader_can_see_are_added_up_to_days():
    start = dt.datetime(2026, 3, 1)  # noqa: DTZ001 - local wall time
    hours = [
        Interval(
            start + dt.timedelta(hours=n),
            start + dt.timedelta(hours=n + 1),
            "baseline",
            n >= 0,
            100 - n % 2,
            2.0,
            4.0,
            3.0,
            1.0,
        )
        for n in range(MAX_MARKS + 24)
    ]
    days = by_day(hours)
    assert len(days) == (MAX_MARKS + 24) // 24
    assert (days[0].numerator, days[0].per, days[0].expected, days[0].coverage_percent) == (48.0, 96.0, 72.0, 99)
    assert days[0].ratio == hours[0].ratio


def test_a_scatter_of_very_many_intervals_is_thinned_and_says_so():
    subject = subject_of(MEASURE, Words("en", REPORT))
    many = dataclasses.replace(subject, intervals=subject.intervals * 20)
    picture = ET.fromstring(scatter(many, Words("en", REPORT), FRAMES[0], "s") or "")  # noqa: S314 - our own
    drawn = len(picture.findall(f".//{SVG}g[@class='points baseline']/{SVG}circle"))
    drawn += len(picture.findall(f".//{SVG}g[@class='points reporting']/{SVG}path"))
    assert MAX_MARKS / 2 < drawn <= MAX_MARKS
    assert "one interval in 4 is drawn" in [text.text for text in picture.iter(f"{SVG}text")]


@pytest.mark.parametrize("language", get_args(Language))
def test_the_files_need_nothing_from_elsewhere_and_carry_no_inline_style(language: Language):
    files = dict(plot_files(RESULT, language))
    assert len(files) == 2 * (len(PLOTS) + 1) + 1
    for name, content in files.items():
        assert not re.search(r"<script|\sstyle=|\son\w+=|@import|url\(", content), name
        assert not re.search(r"(?:href|src)=", content), name
        if name.endswith(".svg"):
            ET.fromstring(content)  # noqa: S314 - our own
    assert ('lang="zh-CN"' in files["index.html"]) == (language == "zh")


def test_names_from_a_plan_are_escaped():
    boundary = msgspec.structs.replace(MEASURE.metric.boundary, en="<script>alert(1)</script>")
    metric = msgspec.structs.replace(MEASURE.metric, boundary=boundary)
    measure = msgspec.structs.replace(MEASURE, metric=metric)
    files = dict(plot_files(msgspec.structs.replace(RESULT, measures=[measure]), "en"))
    assert all("<script>" not in content for content in files.values())


@pytest.mark.parametrize("at_least", [False, True])
@pytest.mark.parametrize("delta", [-500.0, -60.0, 0.0, 70.0])
def test_the_gauge_shades_the_side_of_the_target_that_is_accepted(delta: float, *, at_least: bool):
    reading = gauge.Reading(delta, 20.0, -50.0, "-50", at_least, -60.0, 0.0, "no change", "t")
    picture = ET.fromstring(gauge.gauge(reading, Words("zh", REPORT), gauge.NARROW, "g"))  # noqa: S314 - our own
    shade = picture.find(f".//{SVG}rect[@class='accepts']")
    limit = picture.find(f".//{SVG}line[@class='limit']")
    left, width = float(shade.get("x")), float(shade.get("width"))
    assert (left if at_least else left + width) == pytest.approx(float(limit.get("x1")))


@pytest.mark.parametrize(
    ("target", "reference", "shown"),
    [
        (Target("kWh/t", at_most=-200.0), "no change", "change -2"),
        (Target("%", at_most=-1.0, of="relative"), "no change", "relative change -1.7"),
        (Target("kWh/t", at_most=13300.0, of="level"), "before", "level afterwards 13"),
    ],
)
def test_the_gauge_shows_the_figure_that_the_target_is_about(target: Target, reference: str, shown: str):
    plan = hengkang_plan(target=target)
    measure = only(verify(plan, "0" * 64, line(plan)))
    picture = ET.fromstring(gauges(measure, Words("en", REPORT))[0])  # noqa: S314 - our own
    texts = [text.text or "" for text in picture.iter()]
    assert reference in texts
    assert any(text.replace(MINUS, "-").replace(THIN_SPACE, "").startswith(shown) for text in texts)
    assert ("claim" in texts) == (target.of == "change")


@pytest.mark.parametrize("texts", [REPORT, EXPLAIN], ids=["report", "explain"])
def test_every_text_says_the_same_fields_in_both_languages_and_the_chinese_one_is_chinese(texts: dict[str, words.Text]):
    neutral = {"infinite"}
    for key, text in texts.items():
        assert set(re.findall(r"{(\w+)}", text.en)) == set(re.findall(r"{(\w+)}", text.zh)), key
        shown = re.sub(r"{\w+}", "", text.zh)
        assert key in neutral or CHINESE.search(shown) or not re.search(r"[a-z]{3}", shown), key
        assert not CHINESE.search(text.en), key


@pytest.mark.parametrize(("low", "high"), [(13000.0, 13700.0), (-300.0, 40.0), (0.0, 0.001), (1e6, 9e6)])
def test_ticks_are_round_and_inside(low: float, high: float):
    found = ticks(low, high, 5)
    assert 2 <= len(found) <= 7
    assert all(low <= tick <= high for tick in found)


def test_a_text_that_is_too_wide_is_cut():
    assert fitted("abc", 100) == "abc"
    cut = fitted("名称" * 40, 100)
    assert cut.endswith("…")
    assert text_width(cut) <= 100


def test_drawn_text_is_escaped():
    assert element("text", "a < b & c", class_='"x"') == '<text class="&quot;x&quot;">a &lt; b &amp; c</text>'


def test_there_is_a_drawing_for_a_page_and_one_for_a_telephone():
    assert [frame.name for frame in FRAMES] == ["wide", "narrow"]
    assert FRAMES[1].width <= 390


@pytest.mark.parametrize(("kind", "straight"), [("ols", True), ("change_point", False)])
def test_a_bent_model_of_one_driver_is_drawn_against_what_it_expects_and_not_as_a_line(kind: str, *, straight: bool):
    plan = changed(PLAN, model=Model(kind, ["outdoor"]))
    plan = msgspec.structs.replace(plan, points=plan.points | {"outdoor": Point(PointKind.GAUGE, "degC")})
    readings = line(PLAN)
    time_us = readings["ac_energy"].time_us
    degrees = 12 + 9 * np.cos(np.arange(len(time_us)) / 96 / 9) + np.random.default_rng(4).normal(0, 1, len(time_us))
    result = verify(plan, "0" * 64, {**readings, "outdoor": Series.of(time_us, degrees)})
    assert len(only(result).model.coefficients) == 2
    assert (subject_of(only(result), Words("en")).line is not None) == straight


def test_a_metric_that_divides_nothing_has_means_and_no_ratios():
    metric = InlineMetric(numerator="ac_energy", better="lower")
    target = Target(at_most=0, unit="kWh")
    plan = changed(
        PLAN, model=Model("mean"), metric=metric, unit="kWh", boundary=Text("line", "产线"), target=target, claim=None
    )
    subject = subject_of(only(verify(plan, "0" * 64, line(PLAN))), Words("en"))
    assert [span.mean_text.split()[0] for span in subject.spans] == ["mean", "mean"]
    assert [span.mean_text.split()[:2] for span in subject_of(MEASURE, Words("en")).spans] == [["plain", "ratio"]] * 2
