"""The texts of plots and reports in English and in Chinese, under one key; a key that lacks a language cannot be
written here. Texts of findings are not here: they belong to the finding catalogue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from verification.findings import Language
from verification.texts import fill

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Text(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str


PLOTS: dict[str, Text] = {
    "axis_note": Text("axis does not begin at zero", "纵轴不从零起"),
    "window_baseline": Text("Baseline", "基准期"),
    "window_intermediate": Text("Intermediate window", "中间期"),
    "window_reporting": Text("Reporting period", "报告期"),
    "works": Text("retrofit", "改造"),
    "plain_ratio": Text("plain ratio {value}", "简单比值 {value}"),
    "plain_mean": Text("mean {value}", "均值 {value}"),
    "metered_baseline": Text("Baseline, metered", "基准期实测"),
    "metered_intermediate": Text("Intermediate window, metered", "中间期实测"),
    "metered_reporting": Text("Reporting period, metered", "报告期实测"),
    "expected": Text("Expected by the model", "模型推算"),
    "band": Text("Expected spread of single intervals", "单个时段的预期范围"),
    "series_title": Text(
        "{title}: metered before and after the retrofit, against the model's projection",
        "{title}：改造前后实测值与模型推算值",
    ),
    "metered": Text("metered", "实测"),
    "modelled": Text("modelled", "推算"),
    "residual": Text("metered less modelled", "实测减推算"),
    "spread": Text("Expected spread of single intervals", "单个时段的预期范围"),
    "residuals_title": Text("{title}: metered less modelled", "{title}：实测减推算"),
    "cusum_axis": Text("running sum of metered less modelled", "实测减推算的累计值"),
    "cusum_line": Text("Running sum (CUSUM)", "累计值（CUSUM）"),
    "cusum_title": Text("{title}: running sum of metered less modelled", "{title}：实测减推算的累计值"),
    "fit_line": Text("Model", "模型"),
    "fit_beyond": Text("Model beyond the range it was fitted to", "超出拟合范围的外推"),
    "thinned": Text("one interval in {count} is drawn", "每 {count} 个时段绘 1 个"),
    "scatter_title": Text("{title}: the model and its data", "{title}：模型与数据"),
    "bridge_axis": Text("plain difference to verified change", "从简单差值到核定变化量"),
    "bridge_title": Text(
        "{title}: from the plain difference to the verified change", "{title}：从简单差值到核定变化量"
    ),
    "bridge_plain": Text("Plain difference, after minus before", "简单差值（后减前）"),
    "bridge_load": Text("Load", "负荷影响"),
    "bridge_verified": Text("Verified change", "核定变化量"),
    "bridge_driver": Text("Change of", "自变量变化"),
    "bridge_adjustment": Text("Adjustment", "非常规调整"),
    "source_model": Text("Model", "模型"),
    "source_model_baseline": Text("Noise of the baseline", "基准期波动"),
    "source_model_intermediate": Text("Model of the intermediate window", "中间期模型"),
    "source_model_reporting": Text("Noise of the reporting period", "报告期波动"),
    "bridge_adjustments": Text("Non-routine adjustments", "非常规调整"),
    "bridge_category": Text("Change of", "类别变化"),
    "bridge_time_of_week": Text("Time of week", "周内时段"),
    "source_meter": Text("Meter", "仪表"),
    "source_numerator_meter": Text("Meters of the numerator", "分子计量"),
    "source_denominator_meter": Text("Meters of the denominator", "分母计量"),
    "source_adjustment": Text("Adjustment", "非常规调整"),
    "budget_axis": Text("standard uncertainty", "标准不确定度"),
    "budget_title": Text("{title}: uncertainty budget", "{title}：不确定度分量"),
    "budget_combined": Text("Combined", "合成"),
    "coverage_title": Text(
        "{title}: how much of each day was metered, and which days were used", "{title}：逐日数据覆盖与采用情况"
    ),
    "coverage_part": Text("Partly metered", "部分缺失"),
    "coverage_some": Text("Partly used", "部分采用"),
    "coverage_unused": Text("Not used", "未采用"),
    "plot_verdict": Text("Verdict", "结论"),
    "plot_series": Text("Before and after", "改造前后对比"),
    "plot_scatter": Text("The model and its data", "模型与数据"),
    "plot_residuals": Text("Metered less modelled", "实测减推算"),
    "plot_cusum": Text("Running sum of metered less modelled (CUSUM)", "实测减推算的累计值（CUSUM）"),
    "plot_bridge": Text("From the plain difference to the verified change", "从简单差值到核定变化量"),
    "plot_budget": Text("Uncertainty budget", "不确定度分量"),
    "plot_coverage": Text("Coverage of the readings", "数据覆盖"),
    "gauge_title": Text(
        "{figure} {value} ± {uncertainty} {unit}; target {target}",
        "{figure} {value} ± {uncertainty} {unit}；目标 {target}",
    ),
    "gauge_before": Text("before", "改造前"),
    "gauge_accepts": Text("target reached", "达到目标"),
    "gauge_limit": Text("target", "目标"),
    "gauge_claim": Text("claim", "申报"),
    "gauge_zero": Text("no change", "无变化"),
}

REPORT: dict[str, Text] = {
    "rolling": Text(
        "{title} ({name}), part by part of the reporting period [{unit}]; interim, without non-routine adjustments:",
        "{title}（{name}），报告期分段结果 [{unit}]；均为中期结果，不含非常规调整：",
    ),
    "rolling_none": Text("no number", "无数值"),
    **PLOTS,
    "met": Text("MET", "达标"),
    "not_met": Text("NOT MET", "未达标"),
    "inconclusive": Text("INCONCLUSIVE", "尚无定论"),
    "invalid_data": Text("INVALID DATA", "数据无效"),
    "not_verifiable": Text("NOT VERIFIABLE", "无法核证"),
    "verdict": Text("Verdict", "结论"),
    "overall": Text("Overall verdict", "总体结论"),
    "of_change": Text("change", "变化量"),
    "of_relative": Text("relative change", "相对变化"),
    "of_level": Text("level afterwards", "改造后水平"),
    "at_most": Text("at most", "不高于"),
    "at_least": Text("at least", "不低于"),
    "change": Text("Change", "变化量"),
    "points": Text("percentage points", "个百分点"),
    "confidence": Text("confidence {confidence}, k = {k}", "置信水平 {confidence}，k = {k}"),
    "sign_lower": Text("after minus before, so a saving is negative", "改造后减改造前，负值为节约"),
    "sign_higher": Text("after minus before, so a gain is positive", "改造后减改造前，正值为提高"),
    "relative": Text(
        "{percent} % against the unchanged line; metered over modelled (SEnPI) {senpi}",
        "相对未改造产线 {percent} %；实测与推算之比（SEnPI）{senpi}",
    ),
    "annual": Text(
        "per year: {value} ± {uncertainty} {unit} at an output of {output} {output_unit} ({basis})",
        "全年：{value} ± {uncertainty} {unit}，按产量 {output} {output_unit}（{basis}）",
    ),
    "basis_metered": Text("metered", "实测"),
    "basis_planned": Text("planned", "计划"),
    "basis_capacity": Text("capacity, not output", "产能，非产量"),
    "money": Text("money", "金额"),
    "carbon": Text("carbon", "碳排放"),
    "factor": Text("factor", "系数"),
    "no_number": Text("No figure is given, for the reasons below.", "不给出数值，原因如下。"),
    "baseline": Text("Baseline", "基准期"),
    "intermediate": Text("Intermediate", "中间期"),
    "reporting": Text("Reporting", "报告期"),
    "in_baseline": Text("baseline", "基准期"),
    "in_intermediate": Text("intermediate window", "中间期"),
    "chain": Text(
        "Links of the change, with their standard uncertainty by noise alone",
        "变化量的两段及其仅由波动引起的标准不确定度",
    ),
    "chain_link": Text("{start} to {end}: {delta} (u = {u}) {unit}", "{start}至{end}：{delta}（u = {u}）{unit}"),
    "in_reporting": Text("reporting period", "报告期"),
    "window": Text(
        "{start} to {end} (end excluded), {used} of {intervals} {intervals:interval|intervals}: {totals}",
        "{start} 至 {end}（不含结束日），{intervals} 个时段中可用 {used} 个：{totals}",
    ),
    "mean": Text("mean {mean}", "均值 {mean}"),
    "bridge": Text("From the plain difference to the verified change", "从简单差值到核定变化量"),
    "budget": Text("Uncertainty budget (standard uncertainty, share)", "不确定度分量表（标准不确定度，占比）"),
    "adjustment_line": Text(
        "adjustment {id}: {formula}{value} {unit}, u = {u} {unit}; {cause}; {owner} answers for it",
        "非常规调整 {id}：{formula}{value} {unit}，u = {u} {unit}；{cause}；责任人 {owner}",
    ),
    "panel_line": Text(
        "Admissible models: {count} of {tried}, from {low} to {high} {unit}",
        "可用模型：{tried} 个中 {count} 个，结果 {low} 至 {high} {unit}",
    ),
    "panel_one": Text(
        "Admissible models: {count} of {tried}, {low} {unit}", "可用模型：{tried} 个中 {count} 个，结果 {low} {unit}"
    ),
    "without_months": Text(
        "Without any one month: {low} to {high} {unit}",
        "逐月剔除后：{low} 至 {high} {unit}",
    ),
    "case_without": Text("Without {what} of the {window}", "剔除{window}的 {what}"),
    "case_most_influential": Text(
        "Without {what} of the {window}, the interval that matters most", "剔除影响最大的时段（{window} {what}）"
    ),
    "case_with": Text("With what was left out of the {window} ({what})", "计入{window}中被剔除的时段（{what}）"),
    "case_with_one": Text(
        "With one interval alone of what was left out of the {window}, the one that matters most ({what})",
        "仅计入{window}中被剔除的一个影响最大的时段（{what}）",
    ),
    "in_all": Text("windows", "各期间"),
    "left_out_events": Text("all events", "全部事件"),
    "left_out_stops": Text("stops", "停机"),
    "left_out_impossible": Text("impossible values", "不可能的数值"),
    "left_out_event": Text("event", "事件"),
    "case_matched_load": Text("Among intervals of like load", "负荷相近的时段之间"),
    "change_point_line": Text(
        "The distance from the model shifts by {shift} {unit} in the {window}, from {start}",
        "{window}自 {start} 起与模型的偏差变化 {shift} {unit}",
    ),
    "of_year": Text("a year", "全年"),
    "of_reporting_period": Text("the reporting period", "报告期"),
    "level_line": Text("level afterwards {level} ± {uncertainty} {unit}", "改造后水平 {level} ± {uncertainty} {unit}"),
    "why_refused": Text("cannot be fitted", "无法拟合"),
    "why_support": Text("it is asked beyond the drivers that it was fitted to", "超出拟合所用自变量的范围"),
    "why_size": Text("too few effective intervals", "有效样本量不足"),
    "why_terms": Text("a term does not matter", "有项不显著"),
    "why_rejected": Text("a further term matters", "缺少显著项"),
    "check_ar1_gls": Text("AR(1) generalised least squares", "AR(1) 广义最小二乘"),
    "check_monte_carlo": Text("Monte Carlo (GUM supplement 1)", "蒙特卡洛法（GUM 补充件 1）"),
    "check_ashrae_fsu": Text("ASHRAE Guideline 14", "ASHRAE 导则 14"),
    "placebo_line": Text(
        "Pretended retrofits inside the model's own window: a change is claimed at {claims} of {dates} "
        "{dates:date|dates} (worth {independent} independent {independent:one|ones}); chance on a steady line {chance}",
        "模型拟合期内的虚拟改造日：{dates} 个（相当于 {independent} 个独立日期）中有 {claims} 个误报变化；"
        "平稳生产线上的偶然概率 {chance}",
    ),
    "claim": Text("Claim", "申报值"),
    "consistent": Text("consistent with the data", "与数据一致"),
    "overstated": Text("overstated", "申报偏高"),
    "understated": Text("understated", "申报偏低"),
    "findings": Text("Findings", "发现"),
    "info": Text("note", "提示"),
    "warning": Text("warning", "警告"),
    "error": Text("ERROR", "错误"),
    "engine": Text(
        "engine {version}, plan {plan}, readings {readings}", "引擎 {version}，方案 {plan}，读数 {readings}"
    ),
}


class Words:
    """The texts in one language: `t("key", name=value)`."""

    def __init__(self, language: Language, texts: Mapping[str, Text] = PLOTS) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """The text under `key` with its values filled in. Raises KeyError where there is none."""
        text: str = getattr(self._texts[key], self.language)
        return fill(text, values) if values else text

    def or_same(self, key: str, fallback: str) -> str:
        """The text under `key`, or `fallback`, for a name that a newer result may bring."""
        return self(key) if key in self._texts else fallback

    def said(self, label: str, text: str) -> str:
        """A label and what it says, with the colon of the language."""
        return self.pick(f"{label}: {text}", f"{label}：{text}")

    def aside(self, text: str, note: str) -> str:
        """A text and a note in parentheses of the language."""
        return self.pick(f"{text} ({note})", f"{text}（{note}）")

    def pick(self, en: str, zh: str) -> str:
        """The one of two given texts that is in this language."""
        return zh if self.language == "zh" else en

    @property
    def other(self) -> Language:
        """The language to switch to."""
        return "en" if self.language == "zh" else "zh"

    def month(self, day: dt.date) -> str:
        """`Mar` or `3月`; the year only where it begins, or the months would crowd."""
        if day.month == 1:
            return str(day.year)
        return self.pick(MONTHS[day.month - 1], f"{day.month}月")

    def day(self, day: dt.date) -> str:
        """`1 Mar` or `3月1日`."""
        return self.pick(f"{day.day} {MONTHS[day.month - 1]}", f"{day.month}月{day.day}日")
