"""Findings about the plan: what it may not mean, when it was fixed, which run this is, how its readings are trusted."""

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
