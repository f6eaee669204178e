"""Findings about the plan: what it may not mean or takes for granted, when it was fixed, which run this is, how its
readings are trusted.
"""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "LIMIT_ON_OTHER_SIDE": Entry(
        "warning", None,
        "The limit of {measure} is {side} {limit} {unit}, although {better} is better: the more the retrofit brings, "
        "the less the limit is kept.",
        "指标 {measure} 的限值为{side} {limit} {unit}，但该指标{better}：改造效果越大，越不符合限值。",
        "Change is after minus before, so a saving is negative: write at_most where lower is better, else at_least.",
        "变化量为改造后减改造前，节约为负值：越低越好的指标应写 at_most，越高越好的写 at_least。",
    ),
    "LIMIT_ALLOWS_WORSE": Entry(
        "warning", None,
        "The limit of {measure}, {side} {limit} {unit}, lets the figure get worse: to meet it shows no improvement.",
        "指标 {measure} 的限值（{side} {limit} {unit}）允许数值变差：达标并不表明有所改善。",
        "Change is after minus before, so a saving is negative; keep the limit only if no improvement is to be shown.",
        "变化量为改造后减改造前，节约为负值；仅当无需证明改善时才保留此限值。",
    ),
    "CLAIM_OF_WORSE": Entry(
        "warning", None,
        "The claim of {claim} {unit} for {measure} says that the figure got worse, as {better} is better.",
        "指标 {measure} {better}，所报 {claim} {unit} 意味着数值变差。",
        "Change is after minus before, so a saving is negative: check the sign of the claim.",
        "变化量为改造后减改造前，节约为负值：请核对所报数值的正负号。",
    ),
    "STATIC_FACTORS_ASSUMED": Entry(
        "info", None,
        "The figures take for granted that what no meter shows stayed as the plan states it ({factors}). The readings "
        "cannot tell: whatever else changed together with the retrofit, such as products or raw material, is part of "
        "the change.",
        "结果以未计量的条件保持方案所述状态为前提（{factors}）。读数无法核实这一点：与改造同时发生的其他变化"
        "（如产品结构、原料）会计入变化量。",
        "Ask the works to confirm that these still hold; file what did change as an adjustment with its owner.",
        "请企业确认上述条件依然成立；如有变化，作为非常规调整报备并由责任人签名。",
    ),
    "NO_STATIC_FACTORS": Entry(
        "info", None,
        "The plan names nothing that has to stay the same. The figures take for granted that products, raw material, "
        "recipe and working hours did, where no driver carries them: whatever changed together with the retrofit is "
        "part of the change, and the readings cannot tell.",
        "方案未列出须保持不变的条件。结果以自变量未反映的产品结构、原料、配方和工时等保持不变为前提：与改造同时发生的变化"
        "会计入变化量，读数无法核实。",
        "State under static_factors in the plan what the baseline takes for granted; meter what may change, and name "
        "it as a driver.",
        "在方案的 static_factors 中写明基准期所依据的条件；对可能变化的条件进行计量，并列为自变量。",
    ),
    "PLAN_NOT_LOGGED": Entry(
        "info", None,
        "Nothing here shows that the plan was fixed before the reporting period.",
        "没有材料表明方案在报告期之前已经固定。",
        "File the plan in the evidence log before the retrofit.",
        "在改造前将方案报备到存证日志。",
    ),
    "LOGGED_LATE": Entry(
        "warning", None,
        "The {item} was logged at {logged_at}, after the first reading of the reporting period ({first_reading_at}).",
        "{item}的存证时间 {logged_at} 晚于报告期首个读数（{first_reading_at}）。",
        "File the next plan and its baseline before the retrofit; this one cannot show that it was not fitted to "
        "the outcome.",
        "下次应在改造前报备方案和基准期数据；本次无法证明其未按结果调整。",
    ),
    "PRICES_COUNT": Entry(
        "info", None,
        "{measure} counts money: a change of prices moves it as the line does, and no reading tells the two apart.",
        "{measure} 以货币计量：价格变化与产线变化一样会使其变动，读数无法区分两者。",
        "Take values at constant prices, and say so among static_factors; or judge a quantity of the line as well.",
        "采用可比价（不变价）数值，并在 static_factors 中写明；或同时核算产线的实物量指标。",
    ),
    "COLLECTED_BEFORE_LOCK": Entry(
        "warning", None,
        "When plan and baseline were locked, readings of the reporting period (from {first_reading_at}) had already "
        "been collected, up to {collected_until}.",
        "锁定方案和基准期数据时，报告期（自 {first_reading_at} 起）的读数已经采集到 {collected_until}。",
        "File the next plan and its baseline before the retrofit; this one cannot show that it was not fitted to "
        "the outcome.",
        "下次应在改造前报备方案和基准期数据；本次无法证明其未按结果调整。",
    ),
    "DATED_BEFORE_LOCK": Entry(
        "info", None,
        "The {item} was logged at {logged_at}; readings of the reporting period are dated from {first_reading_at} but "
        "were collected after it. The log proves the order of collection; the dates are the source's word.",
        "{item}于 {logged_at} 存证；报告期读数的日期自 {first_reading_at} 起，但均在存证之后采集。"
        "日志证明采集的先后次序，日期则以数据源所述为准。",
    ),
    "RUN_REPEATED": Entry(
        "info", None,
        "This is run {run_number} of {run_count} against this plan.",
        "这是该方案的第 {run_number} 次核算，共 {run_count} 次。",
    ),
    "PLAN_REFILED": Entry(
        "warning", None,
        "This is version {version} of the project's plan; {runs} {runs:run was|runs were} made under earlier "
        "versions.",
        "这是该项目方案的第 {version} 版；此前各版方案下已核算 {runs} 次。",
        "Read the earlier plans and their runs, all of which are in the log, and ask why they were not kept to.",
        "查阅日志中此前的各版方案及其核算，并询问未予沿用的原因。",
    ),
    "TRUST_GRADE_LOW": Entry(
        "warning", None,
        "The readings of {point} are not signed at the edge: {grade}.",
        "测点 {point} 的读数未在边缘端签名：{grade}。",
        "Read this point by an edge agent that signs.",
        "改由带签名的边缘代理采集该测点。",
    ),
    "BATCHES_QUARANTINED": Entry(
        "warning", None,
        "{count} {count:batch|batches} of the device, or of someone who claimed to be it, {count:lies|lie} in "
        "quarantine: {codes}.",
        "该设备（或冒充该设备者）有 {count} 个批次处于隔离区：{codes}。",
        "Look with `retroproof ingest quarantine list`; what lies there was not used.",
        "用 `retroproof ingest quarantine list` 查看；这些批次未被使用。",
    ),
}  # fmt: skip
