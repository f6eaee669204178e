"""Every text of the pages, in English and in Chinese, under one key; a key that lacks a language cannot be
written here.

Texts of findings and verdict reasons are not here: they belong to `verification`, which says the same thing
in a report.
"""

from __future__ import annotations

from typing import get_args

from verification.findings import Language
from verification.report.words import PLOTS, REPORT, Text, Words

LANGUAGES: tuple[Language, ...] = get_args(Language)


TEXTS: dict[str, Text] = {
    # Frame
    "brand_tagline": Text("Retrofit verification", "改造实证"),
    "skip": Text("Skip to the content", "跳到正文"),
    "projects": Text("Projects", "项目"),
    "api": Text("API", "接口文档"),
    "sign_out": Text("Sign out", "退出"),
    "other_language": Text("中文", "English"),
    "footer": Text(
        "Every figure of the verdict can be re-computed offline from the evidence package.",
        "结论中的所有数字均可凭证据包离线重新计算。",
    ),
    "role_enterprise": Text("Enterprise", "企业"),
    "role_expert": Text("Expert", "专家"),
    "role_auditor": Text("Auditor", "审计"),
    "role_operator": Text("Operator", "运维"),
    # Sign-in
    "sign_in": Text("Sign in", "登录"),
    "sign_in_lead": Text(
        "Metered before, metered after, and checkable by anyone.",
        "改造前有计量，改造后有计量，人人可以核验。",
    ),
    "token": Text("Access token", "访问令牌"),
    "token_hint": Text(
        "Your operator gives you one. It is kept in no cookie and written to no log.",
        "由运维人员发放。令牌不写入 Cookie，也不写入日志。",
    ),
    "token_wrong": Text(
        "This token is not valid: unknown, expired or revoked. Ask your operator for a new one.",
        "令牌无效：未知、已过期或已撤销。请向运维人员申请新令牌。",
    ),
    # Errors
    "error_title": Text("This did not work", "未能完成"),
    "error_back": Text("Back to the projects", "返回项目列表"),
    "error_not_found": Text("There is no such page, or none that you may see.", "没有该页面，或您无权查看。"),
    "error_forbidden": Text("Your role may not see this page.", "您的角色无权查看该页面。"),
    "error_other": Text("The request could not be answered: {message}", "请求未能处理：{message}"),
    # List of projects
    "projects_lead": Text(
        "One file per retrofit: its plan, its readings, its verdict and its evidence.",
        "一改一档：方案、读数、结论与证据。",
    ),
    "projects_none": Text(
        "No project yet. File one with POST /api/v1/projects.",
        "尚无项目。可通过 POST /api/v1/projects 建立。",
    ),
    "col_project": Text("Project", "项目"),
    "col_verdict": Text("Verdict", "结论"),
    "col_change": Text("Verified change", "核定变化量"),
    "col_target": Text("Target", "目标"),
    "col_readings": Text("Readings stored", "已存读数"),
    "col_latest": Text("Latest reading", "最新读数"),
    "readings_none": Text("none yet", "暂无"),
    # Verdicts
    "verdict_met": Text("Target met", "达到目标"),
    "verdict_not_met": Text("Target not met", "未达到目标"),
    "verdict_inconclusive": Text("Inconclusive", "尚无定论"),
    "verdict_invalid_data": Text("Data not valid", "数据无效"),
    "verdict_not_verifiable": Text("Not verifiable", "无法核证"),
    "verdict_no_plan": Text("No plan yet", "尚未报备方案"),
    "verdict_no_run": Text("Plan locked, not yet verified", "方案已锁定，尚未核算"),
    "lead_met": Text(
        "Even at the unfavourable end of its uncertainty, the result reaches the target.",
        "即使取不确定度的不利一侧，结果仍达到目标。",
    ),
    "lead_not_met": Text(
        "Even at the favourable end of its uncertainty, the result does not reach the target.",
        "即使取不确定度的有利一侧，结果也未达到目标。",
    ),
    "lead_inconclusive": Text(
        "The data do not decide whether the target is reached.",
        "现有数据不足以判定是否达到目标。",
    ),
    "lead_invalid_data": Text(
        "The readings do not support a verdict; the findings say why.",
        "读数不足以支持结论，原因见核查发现。",
    ),
    "lead_not_verifiable": Text(
        "There is no usable baseline to compare with, so no figure is certified.",
        "没有可用的基准期，因此不出具数值。",
    ),
    "lead_no_plan": Text(
        "File the plan before the retrofit: only then can nobody say that it was fitted to the outcome.",
        "请在改造前报备方案，以证明方案未按结果调整。",
    ),
    "lead_no_run": Text(
        "The plan and its baseline are in the log. An expert starts the verification "
        "when the reporting period is over.",
        "方案与基准期已存入存证日志。报告期结束后由专家启动核算。",
    ),
    # Project page
    "delta_note_lower": Text(
        "Verified change at {percent} % confidence, after minus before: a saving is negative.",
        "核定变化量（置信水平 {percent} %），改造后减改造前：节约为负值。",
    ),
    "delta_note_higher": Text(
        "Verified change at {percent} % confidence, after minus before: a gain is positive.",
        "核定变化量（置信水平 {percent} %），改造后减改造前：提高为正值。",
    ),
    "sign_note_lower": Text("After minus before: a saving is negative.", "改造后减改造前：节约为负值。"),
    "sign_note_higher": Text("After minus before: a gain is positive.", "改造后减改造前：提高为正值。"),
    "overall_note": Text(
        "The overall verdict is that of the weakest measure: met only where all are met.",
        "总体结论取各项指标中最弱的一项：全部达标方为达标。",
    ),
    "intervals_of": Text("{used} of {expected} {interval} used", "共 {expected} {interval}，采用 {used} {interval}"),
    "interval_15min": Text("quarter hours", "个 15 分钟时段"),
    "interval_hour": Text("hours", "小时"),
    "interval_shift": Text("shifts", "个班次"),
    "interval_day": Text("days", "天"),
    "interval_week": Text("weeks", "周"),
    "interval_month": Text("months", "个月"),
    "target": Text("Target", "目标"),
    "claim": Text("Enterprise's claim", "企业申报值"),
    "claim_none": Text("none made", "未申报"),
    "claim_consistent": Text("consistent with the data", "与数据相符"),
    "claim_overstated": Text("more than the data support", "超出数据支持范围"),
    "claim_understated": Text("less than the data show", "低于数据所示"),
    "baseline": Text("Baseline", "基准期"),
    "intermediate": Text("Intermediate window", "中间期"),
    "reporting": Text("Reporting period", "报告期"),
    "run": Text("Run", "核算次数"),
    "run_k": Text("run {k} against this plan", "该方案第 {k} 次核算"),
    "plan": Text("Plan", "方案"),
    "plan_version": Text("version {version}, locked {time}", "第 {version} 版，锁定于 {time}"),
    "to": Text("to", "至"),
    # Chart
    "before_after": Text("Before and after", "改造前后对比"),
    **{f"plot_{name}": PLOTS[f"plot_{name}"] for name in ("scatter", "residuals", "cusum", "coverage")},
    "chart_none": Text("There are too few valid intervals for a chart.", "有效时段不足，无法绘图。"),
    "chart_caption": Text(
        "Each mark is one interval. The dashed line is what the model expects of the unchanged line "
        "under the same conditions.",
        "每个点为一个时段。虚线为模型推算的未改造产线在相同条件下的水平。",
    ),
    # Bridge
    "bridge": Text("From the plain difference to the verified change", "从简单差值到核定变化量"),
    "bridge_lead": Text(
        "A plain before-and-after difference also moves with the load. "
        "What is not the retrofit's doing is taken out here.",
        "简单的前后差值会随负荷变化。此处逐项剔除与改造无关的影响。",
    ),
    # Budget
    "budget": Text("Uncertainty budget", "不确定度分量"),
    "budget_lead": Text(
        "Standard uncertainties, before the coverage factor {factor} is applied.",
        "标准不确定度（未乘包含因子 {factor}）。",
    ),
    "col_source": Text("Source", "来源"),
    "col_type": Text("Type", "类型"),
    "col_u": Text("u", "标准不确定度"),
    "col_dof": Text("Degrees of freedom", "自由度"),
    "col_share": Text("Share", "占比"),
    "infinite": Text("∞", "∞"),
    # Model
    "model": Text("Model", "模型"),
    "model_baseline": Text("Model of the baseline", "基准期模型"),
    "model_reporting": Text("Model of the reporting period", "报告期模型"),
    "model_fit": Text(
        "{model}: {n} {n:interval|intervals}, worth {n_effective} independent ones; R² {r_squared}; CV(RMSE) "
        "{cv_rmse} %.",
        "{model}：{n} 个时段，相当于 {n_effective} 个独立观测；R² {r_squared}；CV(RMSE) {cv_rmse} %。",
    ),
    # Findings
    # Robustness
    "robustness": Text("Would others have concluded the same?", "换一种方法，结论是否相同？"),
    "robustness_lead": Text(
        "The same readings judged by every other model that could have been chosen in good faith, and at dates on "
        "which nothing was retrofitted.",
        "用其他可合理选用的模型以及并无改造的日期，对同一数据重新核算。",
    ),
    "col_model": Text("Model", "模型"),
    "primary": Text("named by the plan", "方案指定"),
    "not_admissible": Text("not admissible", "不可用"),
    **{key: text for key, text in REPORT.items() if key.startswith(("why_", "check_"))},
    "findings_whole": Text("Findings about plan and readings", "方案与读数的核查发现"),
    "findings": Text("Findings", "核查发现"),
    "findings_none": Text("Nothing noteworthy was found.", "未发现需要说明的情况。"),
    "findings_locked": Text("Findings when the plan was locked", "方案锁定时的核查发现"),
    "reasons": Text("Why", "依据"),
    "alike": Text("and {count} more of this kind", "另有 {count} 项同类发现"),
    "resolve": Text("What would resolve it", "如何解决"),
    "severity_error": Text("Error", "错误"),
    "severity_warning": Text("Warning", "警告"),
    "severity_info": Text("Note", "说明"),
    # Evidence
    "evidence": Text("Evidence", "证据"),
    "evidence_lead": Text(
        "Entries of an append-only log in their order, and the start of the reporting period among them. "
        "Whoever keeps a checkpoint of the log notices any later change, even one by this platform.",
        "只可追加的存证日志条目，按先后排列，并标出报告期的开始。"
        "凡保存日志检查点者，均可发现此后的任何改动，包括本平台自己的改动。",
    ),
    "log_plan": Text("Plan locked", "方案锁定"),
    "log_baseline": Text("Baseline locked", "基准期数据锁定"),
    "log_first_reading": Text("Reporting period begins", "报告期开始"),
    "log_run": Text("Verified", "完成核算"),
    "collected_to": Text("readings up to {time}", "读数截至 {time}"),
    "log_entry": Text("log entry {index}", "日志条目 {index}"),
    "digest_plan": Text("SHA-256 of the plan as filed", "方案文件 SHA-256"),
    "digest_manifest": Text("SHA-256 of the package's manifest", "证据包清单 SHA-256"),
    "download": Text("Download the evidence package", "下载证据包"),
    "download_logged": Text("Reading it is itself entered in the log.", "下载行为本身会记入日志。"),
    "check_lead": Text(
        "Check it on any machine, without network and without trusting us:",
        "可在任何机器上离线核验，无需信任本平台：",
    ),
    "check_trust": Text(
        "trust.txt holds the public keys of the log, the engine and the devices. Get it once, from a source you trust.",
        "trust.txt 为日志、引擎和设备的公钥，请从可信来源获取一次。",
    ),
    "older": Text("All runs of this project", "本项目的全部核算"),
    "result_json": Text("Result (JSON)", "结果（JSON）"),
    # Readings
    "readings": Text("Readings", "读数"),
    "readings_lead": Text(
        "Stored as received from device {device}; each row belongs to a batch signed at the edge.",
        "按设备 {device} 发来的原样保存；每一行都属于一个在边缘端签名的批次。",
    ),
    "col_point": Text("Point", "测点"),
    "col_kind": Text("Kind", "类别"),
    "col_unit": Text("Unit", "单位"),
    "col_meter": Text("Meter", "仪表"),
    "col_count": Text("Readings", "读数个数"),
    "col_first": Text("First", "首个"),
    "col_last": Text("Last", "末个"),
    "kind_counter": Text("counter", "累计量"),
    "kind_interval_total": Text("interval total", "时段量"),
    "kind_gauge": Text("gauge", "瞬时量"),
    "kind_state": Text("state", "状态"),
    # API description
    "docs_lead": Text(
        "Every call needs an access token: Authorization: Bearer <token>. Errors have a code and say what to do next.",
        "每次调用都需要访问令牌：Authorization: Bearer <token>。错误带有代码并说明如何处理（英文）。",
    ),
    "docs_roles": Text("Allowed", "允许角色"),
    "docs_machine": Text("Machine-readable description (OpenAPI)", "机器可读描述（OpenAPI）"),
    "docs_parameters": Text("Parameters", "参数"),
    "docs_body": Text("Body", "请求体"),
    "docs_answers": Text("Answers", "响应"),
    "docs_refusals": Text("Refusals", "拒绝"),
    "docs_refusal_form": Text("with error (a code) and message", "返回 error（代码）与 message（说明）"),
}


def words(language: Language) -> Words:
    """The texts of the pages in one language."""
    return Words(language, TEXTS)


def choose(query: str | None, cookie: str | None, accept_language: str) -> Language:
    """The reader's language: asked for in the address, chosen before, preferred by the browser, else English."""
    for wish in (query, cookie):
        if wish in LANGUAGES:
            return wish
    ranked: list[tuple[float, str]] = []
    for part in accept_language.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), name.split("-")[0].lower()))
        except ValueError:
            continue
    for _, name in sorted(ranked, key=lambda item: item[0]):
        if name in LANGUAGES:
            return name
    return "en"
