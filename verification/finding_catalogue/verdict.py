"""Findings about the change against its limit and the claim."""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "INTERIM": Entry(
        "info", None,
        "This is an interim result, up to {until} (excluded) of a reporting period that ends on {end}: no final "
        "verdict. The plan's non-routine adjustments ({adjustments}) are for the whole period and are not in it.",
        "本结果为中期结果，截至 {until}（不含），报告期至 {end} 结束，不是最终结论。"
        "方案中的非常规调整（{adjustments} 项）针对整个报告期，未计入。",
        "Judge the plan again when its reporting period has ended.",
        "报告期结束后重新核定。",
    ),
    "TARGET_MET": Entry(
        "info", None,
        "The change of {delta} ± {uncertainty} {unit} lies with its whole interval at or below the limit of "
        "{limit} {unit}.",
        "变化量 {delta} ± {uncertainty} {unit} 的整个包含区间不高于限值 {limit} {unit}。",
    ),
    "TARGET_NOT_MET": Entry(
        "info", None,
        "The change of {delta} ± {uncertainty} {unit} lies with its whole interval above the limit of {limit} {unit}.",
        "变化量 {delta} ± {uncertainty} {unit} 的整个包含区间高于限值 {limit} {unit}。",
        "A larger effect is needed; more data would not change this.",
        "需要更大的改造效果；增加数据不会改变结论。",
    ),
    "INTERVAL_STRADDLES_TARGET": Entry(
        "info", None,
        "The limit of {limit} {unit} lies inside the interval of the change, {delta} ± {uncertainty} {unit}.",
        "限值 {limit} {unit} 落在变化量 {delta} ± {uncertainty} {unit} 的包含区间之内。",
        "Bring the expanded uncertainty below {needed} {unit}: a longer period, a steadier process or a better meter.",
        "将扩展不确定度降至 {needed} {unit} 以下：延长期间、稳定工艺或改用更好的仪表。",
    ),
    "LIMIT_KEPT": Entry(
        "info", None,
        "The {figure} of {delta} ± {uncertainty} {unit} keeps with its whole interval to the limit, {side} {limit} "
        "{unit}.",
        "{figure} {delta} ± {uncertainty} {unit} 的整个包含区间符合限值（{side} {limit} {unit}）。",
    ),
    "LIMIT_BROKEN": Entry(
        "info", None,
        "The {figure} of {delta} ± {uncertainty} {unit} lies with its whole interval beyond the limit, {side} {limit} "
        "{unit}.",
        "{figure} {delta} ± {uncertainty} {unit} 的整个包含区间不符合限值（{side} {limit} {unit}）。",
        "A larger effect is needed; more data would not change this.",
        "需要更大的改造效果；增加数据不会改变结论。",
    ),
    "LIMIT_INSIDE": Entry(
        "info", None,
        "The limit, {side} {limit} {unit}, lies inside the interval of the {figure}, {delta} ± {uncertainty} {unit}.",
        "限值（{side} {limit} {unit}）落在{figure} {delta} ± {uncertainty} {unit} 的包含区间之内。",
        "Bring the expanded uncertainty below {needed} {unit}: a longer period, a steadier process or a better meter.",
        "将扩展不确定度降至 {needed} {unit} 以下：延长期间、稳定工艺或改用更好的仪表。",
    ),
    "ROUNDING_DECIDES": Entry(
        "error", "inconclusive",
        "The {figure} is stated in steps of {step} {unit}, about as large as its expanded uncertainty: rounding to "
        "them would decide on which side of the limit it lies.",
        "{figure}以 {step} {unit} 为步长表示，与其扩展不确定度相当：位于限值哪一侧将仅取决于舍入。",
        "Check the units of the readings, or state the measure in a smaller unit or by a metric of the plan's own with "
        "more decimals.",
        "核对读数的单位，或改用更小的单位、小数位数更多的自定义指标。",
    ),
    "LIMIT_BEYOND_LEVEL": Entry(
        "warning", None,
        "The limit of {limit} {unit} takes away more than all that the line needed before ({before} {unit}): no "
        "retrofit can keep to it, unless the readings are in another unit than the plan says.",
        "限值 {limit} {unit} 超过改造前的全部水平（{before} {unit}）：除非读数单位与方案不符，否则任何改造都无法达到。",
        "Hold the units of the readings against those of the plan (kWh or MWh, kg or t); else correct the limit in the "
        "next plan.",
        "核对读数单位与方案是否一致（kWh 或 MWh、kg 或 t）；否则在下一方案中更正限值。",
    ),
    "CLAIM_OVERSTATED": Entry(
        "warning", None,
        "The claim of {claim} {unit} is more than the data support ({delta} ± {uncertainty} {unit}).",
        "所报 {claim} {unit} 超出数据支持的范围（{delta} ± {uncertainty} {unit}）。",
        "Correct the claim, or show the boundary under which it holds.",
        "更正所报数值，或说明其成立的边界。",
    ),
    "CLAIM_UNDERSTATED": Entry(
        "info", None,
        "The claim of {claim} {unit} is less than the data show ({delta} ± {uncertainty} {unit}).",
        "所报 {claim} {unit} 低于数据所示（{delta} ± {uncertainty} {unit}）。",
    ),
}  # fmt: skip
