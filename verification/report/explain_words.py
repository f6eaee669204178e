"""The texts of the numbered explanation, in English and in Chinese."""

from __future__ import annotations

from verification.report.words import REPORT, Text

STEPS = (
    Text("Plan lock", "方案锁定"),
    Text("Data gate", "数据准入"),
    Text("Support", "外推范围"),
    Text("Model", "模型"),
    Text("Change and its uncertainty", "变化量及其不确定度"),
    Text("Robustness", "稳健性"),
    Text("Physical plausibility", "物理合理性"),
    Text("Verdict", "结论"),
)

EXPLAIN: dict[str, Text] = {
    **REPORT,
    "measure_head": Text("{name}: {formula} [{unit}]", "{name}：{formula} [{unit}]"),
    "plan_digest": Text("SHA-256 of the plan as filed: {digest}", "方案文件 SHA-256：{digest}"),
    "logged": Text(
        "plan logged {plan}, baseline logged {baseline}, run {number} of {count}",
        "方案存证：{plan}，基准期存证：{baseline}，第 {number} 次核算，共 {count} 次",
    ),
    "never": Text("never", "未存证"),
    "window_line": Text(
        "{label}: {used} of {intervals} {intervals:interval|intervals} used, least coverage of those {coverage} %",
        "{label}：{intervals} 个时段中采用 {used} 个，所采用时段的最低覆盖率 {coverage} %",
    ),
    "window_totals": Text(
        "  numerator {numerator}, denominator {denominator}, ratio {ratio}",
        "  分子 {numerator}，分母 {denominator}，比值 {ratio}",
    ),
    "mean_totals": Text("  sum {numerator}, mean per interval {ratio}", "  合计 {numerator}，每时段均值 {ratio}"),
    "constant": Text("{name} = {value} {unit} ({version})", "{name} = {value} {unit}（{version}）"),
    "not_used": Text("  not used: {names}", "  未采用：{names}"),
    "more": Text(" and {count} more", " 等另外 {count} 个"),
    "driver_line": Text("{driver}: {ranges}, mean {mean}", "{driver}：{ranges}，均值 {mean}"),
    "driver_range": Text("{window} {low} to {high}", "{window} {low} 至 {high}"),
    "no_drivers": Text("the model has no drivers, so nothing is extrapolated", "模型没有自变量，不存在外推"),
    "no_model": Text("no model was fitted; the findings say why", "未拟合模型，原因见发现"),
    "model_of": Text(
        "model of the {window}, one of the two whose difference is the change:",
        "{window}的模型（两个模型之差即变化量）：",
    ),
    "model_line": Text(
        "{kind}: n = {n} {n:interval|intervals}, p = {p} {p:parameter|parameters}",
        "{kind}：n = {n} 个时段，p = {p} 个参数",
    ),
    "slots": Text(
        "  {count} {count:hour|hours} of the week against the first of Monday: {low} to {high} {unit} (all are in the "
        "result)",
        "  周内 {count} 个小时相对于周一零时：{low} 至 {high} {unit}（全部系数见结果文件）",
    ),
    "coefficient": Text(
        "  {name} = {value} {unit}, standard error {error} (t = {t}, p {p}, p in autocorrelated noise {noise}, "
        "VIF = {vif})",
        "  {name} = {value} {unit}，标准误差 {error}（t = {t}，p {p}，计入自相关 p {noise}，VIF = {vif}）",
    ),
    "fit_line": Text(
        "  s = {s}; R2 = {r2}, adjusted {adjusted}; CV(RMSE) = {cv} % [{convention}]",
        "  s = {s}；R2 = {r2}，调整后 {adjusted}；CV(RMSE) = {cv} % [{convention}]",
    ),
    "fit_tests": Text(
        "  F = {f} (p {fp}); NMBE out of sample = {nmbe} %; Durbin-Watson = {dw}; condition number {condition}",
        "  F = {f}（p {fp}）；样本外 NMBE = {nmbe} %；Durbin-Watson = {dw}；条件数 {condition}",
    ),
    "size_line": Text(
        "  lag-1 autocorrelation {lag1}, rho = {rho}: {n} {n:interval is|intervals are} worth n' = {effective}",
        "  一阶自相关 {lag1}，rho = {rho}：{n} 个时段相当于 n' = {effective} 个独立时段",
    ),
    "difference": Text(
        "metered {metered} less modelled {modelled} = {change}",
        "实测 {metered} 减推算 {modelled} = {change}",
    ),
    "difference_before": Text(
        "of the baseline, modelled {modelled} less metered {metered} = {change}",
        "基准期推算 {modelled} 减实测 {metered} = {change}",
    ),
    "divided": Text(
        "divided by {denominator} = {plain} {unit}: the change is {delta} {unit}",
        "除以 {denominator} = {plain} {unit}：变化量为 {delta} {unit}",
    ),
    "not_divided": Text(
        "by the plan's method and adjustments (standard conditions, or what was adjusted) the change is {delta} {unit}",
        "按方案规定的方法和调整（标准条件或非常规调整），变化量为 {delta} {unit}",
    ),
    "intervals": Text("intervals", "个时段"),
    "budget_line": Text(
        "u({source}) = {u}, type {type}, dof {dof}, {share} % of the variance",
        "u({source}) = {u}，{type} 类，自由度 {dof}，占方差 {share} %",
    ),
    "infinite": Text("infinite", "∞"),
    "combined": Text(
        "u_c = root of the sum of squares = {u} {unit}, dof {dof} (at most those of Welch-Satterthwaite)",
        "u_c = 平方和之根 = {u} {unit}，自由度 {dof}（不超过 Welch-Satterthwaite 值）",
    ),
    "expanded": Text(
        "U = k * u_c = {k} * {u} = {expanded} {unit} at confidence {confidence}; reported {delta} ± {shown} {unit}",
        "U = k * u_c = {k} * {u} = {expanded} {unit}，置信水平 {confidence}；报告值 {delta} ± {shown} {unit}",
    ),
    "cross_check": Text(
        "by another method, {name}: {delta} ± {expanded} {unit}", "另一方法 {name}：{delta} ± {expanded} {unit}"
    ),
    "panel_row": Text("{mark} {model}: {delta} ± {expanded}, {state}", "{mark} {model}：{delta} ± {expanded}，{state}"),
    "panel_refused": Text("{mark} {model}: not admissible ({why})", "{mark} {model}：不可用（{why}）"),
    "placebo": Text(
        "pretended retrofits at {dates} {dates:date|dates} inside the model's own window (worth {independent} "
        "independent {independent:one|ones}): a change claimed at {claims}, rate {rate}; chance of so many on a steady "
        "line {chance}",
        "模型拟合期内 {dates} 个虚拟改造日（相当于 {independent} 个独立日期）：误报变化 {claims} 个，比率 {rate}；"
        "平稳生产线上偶然出现这么多的概率 {chance}",
    ),
    "change_point": Text(
        "break in the {window} at {start}: shift {shift}", "{window}在 {start} 出现突变：偏移 {shift}"
    ),
    "nothing": Text("nothing to report", "无"),
    "decides": Text("what was found here decides the verdict: see step 8", "此处的发现决定结论，见第 8 步"),
    "comparison": Text(
        "{low} to {high} {unit} against {limit}: {state}",
        "{low} 至 {high} {unit}，对照 {limit}：{state}",
    ),
}
