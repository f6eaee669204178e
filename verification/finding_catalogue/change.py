"""Findings about the figure of a change: its adjustments and what it is stated for."""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "TOLD_FROM_INTERVALS": Entry(
        "error", "inconclusive",
        "The intervals are shorter than a day and cover {days} {days:day|days}, too few to tell how the line drifts "
        "from day to day ({required} are enough to begin): the uncertainty stands on single intervals and is too small "
        "to conclude from.",
        "时段短于一天，仅覆盖 {days} 天，不足以判断逐日漂移（至少需要 {required} 天）："
        "不确定度仅按单个时段计算，偏小，不能据以得出结论。",
        "Choose longer windows.",
        "延长各期间。",
    ),
    "CHAIN_LOADS_ALIKE": Entry(
        "warning", None,
        "The chain of {measure} was planned as if all its windows met the baseline's loads; the further apart its ends "
        "are, the more its model costs, and the less it can prove.",
        "规划 {measure} 的链接法时，假定各期负荷均与基准期相同；两端负荷相差越大，模型的不确定度越大，"
        "能证明的变化就越少。",
        "Say by how much the output will differ in the reporting period: --output-change PERCENT (0 if it will not).",
        "写明报告期产量将与基准期相差多少：--output-change 百分数（不变则写 0）。",
    ),
    "NO_OUTPUT_TO_CHANGE": Entry(
        "info", None,
        "The metric of {measure} has no output as a denominator that could be larger or smaller; it was planned "
        "without --output-change.",
        "{measure} 的指标没有作为分母的产量，规划时未考虑 --output-change。",
    ),
    "NOISE_GREW": Entry(
        "info", None,
        "About a model of its own, {where} scatters {times} times as much as the window that the model was fitted to; "
        "it brings its own noise, so that the uncertainty is larger.",
        "{where}围绕自身模型的波动是模型拟合期间的 {times} 倍；不确定度按其自身波动计算，因而更大。",
        "Find out what made the line less steady.",
        "查明产线波动加大的原因。",
    ),
    "ADJUSTMENT_APPLIED": Entry(
        "info", None,
        "The non-routine adjustment {id} of {value} {unit} was applied; {owner} answers for it.",
        "已应用非常规调整 {id}（{value} {unit}），责任人 {owner}。",
    ),
    "ADJUSTMENT_UNSIGNED": Entry(
        "warning", None,
        "The non-routine adjustment {id} of {value} {unit} was not applied: {owner} has not signed it.",
        "非常规调整 {id}（{value} {unit}）未应用：{owner} 尚未签名。",
        "Have it signed by its owner: retroproof plan sign-adjustment.",
        "由责任人签名：retroproof plan sign-adjustment。",
    ),
    "ADJUSTMENT_OWNER_UNKNOWN": Entry(
        "warning", None,
        "The non-routine adjustment {id} of {value} {unit} was not applied: the plan has no public key of {owner}, so "
        "that nobody can tell who signed it.",
        "非常规调整 {id}（{value} {unit}）未应用：方案中没有 {owner} 的公钥，无法确认由谁签名。",
        "Name the owner with a public key under owners in the plan.",
        "在方案的 owners 中写明责任人及其公钥。",
    ),
    "ADJUSTMENT_SIGNATURE_WRONG": Entry(
        "warning", None,
        "The non-routine adjustment {id} of {value} {unit} was not applied: its signature is not one of {owner} over "
        "what the plan says.",
        "非常规调整 {id}（{value} {unit}）未应用：其签名不是 {owner} 对方案所述内容的签名。",
        "Whatever was changed after signing, have the owner sign it again: retroproof plan sign-adjustment.",
        "签名之后内容如有改动，请责任人重新签名：retroproof plan sign-adjustment。",
    ),
    "ADJUSTMENT_MISMATCH": Entry(
        "error", "invalid_data",
        "The non-routine adjustment {id} states {stated} {unit}, but its formula gives {value} {unit} over the "
        "reporting period.",
        "非常规调整 {id} 写明 {stated} {unit}，但其公式在报告期内的结果为 {value} {unit}。",
        "Correct the value or the formula, or leave the value out, and have the owner sign it again.",
        "更正数值或公式，或删去数值，并请责任人重新签名。",
    ),
    "ADJUSTMENT_UNDEFINED": Entry(
        "warning", None,
        "In {count} {count:{interval}} of the reporting period, first {first}, the formula of the non-routine "
        "adjustment {id} has no value; {count:it is|they are} not used.",
        "报告期内有 {count} {interval}（首个为 {first}）非常规调整 {id} 的公式没有数值，不予采用。",
        "Recover the readings of its points, or limit the adjustment to a window that has them.",
        "补齐其测点的读数，或将该调整限定在有读数的期间。",
    ),
    "RELATIVE_UNDEFINED": Entry(
        "error", "inconclusive",
        "The model says that without the retrofit there would have been nothing, so that a relative change has no "
        "meaning.",
        "模型显示未改造时数值不大于零，相对变化没有意义。",
        "State the target as a change in the metric's unit.",
        "以指标单位的变化量表述目标。",
    ),
    "LEVEL_UNDEFINED": Entry(
        "error", "inconclusive",
        "The reporting period has one usable interval alone, so that nobody can tell how far its level scatters.",
        "报告期仅有一个可用时段，无法判断其水平的波动。",
        "Take a longer reporting period or shorter intervals, or state the target as a change.",
        "延长报告期或缩短时段，或将目标表述为变化量。",
    ),
    "CHANGE_OUT_OF_RANGE": Entry(
        "error", "invalid_data",
        "The model comes to {size} {unit}, more than any line can make or use: the drivers of the windows are orders "
        "of magnitude apart.",
        "模型得出 {size} {unit}，超出任何产线的可能：各期间的自变量相差若干数量级。",
        "Check the units of the readings behind the drivers in each window.",
        "核对各期间自变量读数的单位。",
    ),
    "METER_ERROR_UNBOUNDED": Entry(
        "error", "inconclusive",
        "With an error of meter {meter} that its class allows, the model cannot be fitted at all: its drivers tell "
        "themselves apart by rounding alone.",
        "仪表 {meter} 若有其等级允许的误差，模型便无法拟合：各自变量仅因舍入才有区别。",
        "Leave one of the dependent drivers out of the model.",
        "从模型中去除其中一个相关的自变量。",
    ),
    "ANNUAL_ON_CAPACITY": Entry(
        "warning", None,
        "The figures for a year are stated for the capacity of {output} {unit}, not for a metered or planned output.",
        "年度数值按产能 {output} {unit} 计算，而非实测或计划产量。",
        "State the output that the line really has in a year.",
        "应采用产线实际的年产量。",
    ),
}  # fmt: skip
