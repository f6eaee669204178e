"""The catalogue of findings: code -> severity, the verdict it forces, and its texts in English and Chinese.

A code is never renamed or reused once released: packages on file carry it. Texts say what was seen; `resolve` says
what a person could do. `WORDS` translates the few data values that are words rather than numbers or names.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["en", "zh"]
Severity = Literal["info", "warning", "error"]
Outcome = Literal["invalid_data", "not_verifiable", "inconclusive"]


class Entry(NamedTuple):
    """One kind of finding. `blocks` is the verdict that it forces whatever the numbers say."""

    severity: Severity
    blocks: Outcome | None
    text_en: str
    text_zh: str
    resolve_en: str = ""
    resolve_zh: str = ""


WORDS: dict[str, dict[str, str]] = {
    "en": {"transport": "authenticated transport only", "manual": "manual upload"},
    "zh": {
        "baseline": "基准期",
        "reporting": "报告期",
        "signed": "边缘端签名",
        "transport": "仅传输层认证",
        "manual": "人工上传",
        "plan": "方案",
    },
}

_PLAN_LOCK = {
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
    "TRUST_GRADE_LOW": Entry(
        "warning", None,
        "The readings of {point} are not signed at the edge: {grade}.",
        "测点 {point} 的读数未在边缘端签名：{grade}。",
        "Read this point by an edge agent that signs.",
        "改由带签名的边缘代理采集该测点。",
    ),
}  # fmt: skip

_TABLE = {
    "MIXED_TIME_ZONES": Entry(
        "error", "invalid_data",
        "Times carry different UTC offsets ({offsets}) that the plan's time zone {timezone} does not explain; "
        "the first is on line {line}.",
        "时间带有不同的 UTC 偏移（{offsets}），与方案时区 {timezone} 不符；首次出现在第 {line} 行。",
        "Find out which clock is right and write all times in one zone.",
        "查明哪个时钟正确，并将全部时间统一为一个时区。",
    ),
    "NAIVE_TIMES": Entry(
        "error", "invalid_data",
        "{count} times carry no UTC offset, first on line {line}: {example}. They were not used.",
        "{count} 个时间没有 UTC 偏移，首个在第 {line} 行：{example}。这些读数未被使用。",
        "Write times as in 2026-03-01T00:00:00+08:00.",
        "时间应写作 2026-03-01T00:00:00+08:00 的形式。",
    ),
    "UNREADABLE_TIMES": Entry(
        "warning", None,
        "{count} times cannot be read, first on line {line}: {example}. They were not used.",
        "{count} 个时间无法识别，首个在第 {line} 行：{example}。这些读数未被使用。",
        "Write times as in 2026-03-01T00:00:00+08:00 (RFC 3339).",
        "时间应写作 2026-03-01T00:00:00+08:00 的形式（RFC 3339）。",
    ),
    "NON_NUMERIC_CELLS": Entry(
        "warning", None,
        "{count} values are not numbers, first on line {line}: {example}. They were not used.",
        "{count} 个值不是数字，首个在第 {line} 行：{example}。这些读数未被使用。",
        "Leave missing values empty; write numbers without thousands separators and units.",
        "缺失值请留空；数字不要带千位分隔符和单位。",
    ),
    "RAGGED_ROWS": Entry(
        "warning", None,
        "{count} rows have another number of cells than the header, first on line {line}. They were not used.",
        "{count} 行的单元格数与表头不一致，首个在第 {line} 行。这些行未被使用。",
        "Export the table again.",
        "请重新导出表格。",
    ),
    "POINTS_IGNORED": Entry(
        "info", None,
        "{count} points of the table are not in the plan and were ignored: {names}.",
        "表中有 {count} 个测点不在方案中，已忽略：{names}。",
    ),
}  # fmt: skip

_READINGS = {
    "WINDOW_OUTSIDE_DATA": Entry(
        "error", "invalid_data",
        "There is no reading of {point} in the {window} window, {start} to {end}.",
        "测点 {point} 在{window}（{start} 至 {end}）内没有读数。",
        "Give readings that reach the window, or correct the window or the point's name in the plan.",
        "提供覆盖该期间的读数，或更正方案中的期间或测点名称。",
    ),
    "TOO_FEW_DAYS": Entry(
        "error", "invalid_data",
        "Only {used} of {expected} days of the {window} window are usable ({percent} %; at least {required} % "
        "are needed).",
        "{window}的 {expected} 天中仅 {used} 天可用（{percent} %，至少需要 {required} %）。",
        "Recover the missing readings, choose a window that is covered, or correct cadence_s in the plan.",
        "补齐缺失读数，选择数据完整的期间，或更正方案中的 cadence_s。",
    ),
    "DAYS_MISSING": Entry(
        "warning", None,
        "{count} days of the {window} window have no usable value of {point}, first {first}.",
        "{window}内有 {count} 天没有 {point} 的可用值，首个为 {first}。",
        "Recover the missing readings from the meter or its gateway.",
        "从仪表或网关补齐缺失读数。",
    ),
    "DUPLICATES_REMOVED": Entry(
        "info", None,
        "{count} exact duplicate readings of {point} were removed.",
        "已去除测点 {point} 的 {count} 个完全重复读数。",
    ),
    "CONFLICTING_READINGS": Entry(
        "warning", None,
        "{count} readings of {point} share a time with another reading that says something else; none of them "
        "was used.",
        "测点 {point} 有 {count} 个读数与同一时刻的其他读数矛盾，均未使用。",
        "Find out which source is right.",
        "查明哪个数据来源正确。",
    ),
    "DISORDER_SORTED": Entry(
        "info", None,
        "{count} readings of {point} came out of order and were sorted by time.",
        "测点 {point} 有 {count} 个读数次序颠倒，已按时间排序。",
    ),
    "BAD_STATUS_EXCLUDED": Entry(
        "warning", None,
        "{count} readings of {point} carry a bad or uncertain status and were not used.",
        "测点 {point} 有 {count} 个读数状态为坏或不确定，未使用。",
        "Mend the sensor or its connection.",
        "检修传感器或其通信。",
    ),
    "NON_FINITE_EXCLUDED": Entry(
        "warning", None,
        "{count} readings of {point} are not finite numbers and were not used.",
        "测点 {point} 有 {count} 个读数不是有限数值，未使用。",
        "Mend the source that writes them.",
        "修正产生这些数值的数据来源。",
    ),
    "COUNTER_ROLLOVER": Entry(
        "info", None,
        "The register of {point} rolled over in the {window} window ({count}×); the totals account for it.",
        "{window}内测点 {point} 的计数器翻转 {count} 次，合计值已计入。",
    ),
    "COUNTER_RESET": Entry(
        "warning", None,
        "The register of {point} went back {count} times in the {window} window in a way that a rollover does "
        "not explain, first on {first}. "
        "Those days were not used.",
        "{window}内测点 {point} 的计数器有 {count} 次回退，无法用翻转解释，首次在 {first}。相关日期未使用。",
        "Enter the meter change with its final and first reading.",
        "登记换表及其末次和首次读数。",
    ),
    "COUNTER_JUMP": Entry(
        "warning", None,
        "The register of {point} rose faster than {max_rate_per_hour} per hour {count} times in the {window} "
        "window, first on {first}. "
        "Those days were not used.",
        "{window}内测点 {point} 的计数器有 {count} 次上升超过每小时 {max_rate_per_hour}，首次在 {first}。"
        "相关日期未使用。",
        "Check the meter, or correct max_rate_per_hour in the plan.",
        "检查仪表，或更正方案中的 max_rate_per_hour。",
    ),
    "COUNTER_AMBIGUOUS": Entry(
        "warning", None,
        "{count} gaps of {point} in the {window} window are so long that its register may have turned over more "
        "than once, first on "
        "{first}. Those days were not used.",
        "{window}内测点 {point} 有 {count} 处缺口过长，计数器可能翻转多次，首次在 {first}。相关日期未使用。",
        "Recover the missing readings, or correct register_modulus and max_rate_per_hour in the plan.",
        "补齐缺失读数，或更正方案中的 register_modulus 和 max_rate_per_hour。",
    ),
    "COUNTER_GAP": Entry(
        "info", None,
        "The counter {point} has {count} gaps inside days of the {window} window, {hours} hours in all; it "
        "counted on, so the totals are exact.",
        "{window}内计数器 {point} 有 {count} 处日内缺口，共 {hours} 小时；计数未中断，日合计仍然准确。",
    ),
    "TOTALS_SCALED": Entry(
        "warning", None,
        "{count} days of {point} in the {window} window miss part of their interval totals and were scaled up by "
        "coverage.",
        "{window}内测点 {point} 有 {count} 天缺少部分区间量，已按覆盖率放大。",
        "Recover the missing intervals.",
        "补齐缺失的区间量。",
    ),
    "NEGATIVE_TOTALS": Entry(
        "warning", None,
        "{point} has a negative total on {count} days of the {window} window, first {first}. Those days were not used.",
        "{window}内测点 {point} 有 {count} 天合计为负，首个为 {first}。这些日期未使用。",
        "Check the sign and the wiring of the meter.",
        "检查仪表的方向和接线。",
    ),
    "STUCK_VALUES": Entry(
        "warning", None,
        "{point} did not change during {count} days of the {window} window on which the line produced, first {first}. "
        "Where it is the metric's energy, those days were not used.",
        "{window}内有生产的日期中，测点 {point} 有 {count} 天数值不变，首个为 {first}。若该测点为指标电量，"
        "这些日期未使用。",
        "Check the sensor and its connection.",
        "检查传感器及其通信。",
    ),
    "ZERO_OUTPUT_WHILE_RUNNING": Entry(
        "warning", None,
        "{point} shows no output on {count} days of the {window} window on which {state} says that the line ran, "
        "first {first}. "
        "Those days were not used.",
        "{window}内 {state} 显示生产线运行的 {count} 天中，{point} 没有产量，首个为 {first}。这些日期未使用。",
        "Find out which of the two is right.",
        "查明两者中哪个正确。",
    ),
    "BASELINE_IDLE": Entry(
        "error", "not_verifiable",
        "The line produced on {days} of {expected} baseline days: there is no baseline to compare with.",
        "基准期 {expected} 天中生产线仅有 {days} 天有产量：没有可比的基准。",
        "Nothing can recover a baseline that was never metered; a comparison with a like line that ran needs a "
        "plan of its own.",
        "未计量的基准无法补回；可另立方案，与同类在产生产线比较。",
    ),
    "REPORTING_IDLE": Entry(
        "error", "not_verifiable",
        "The line produced on {days} of {expected} days of the reporting period: there is nothing to verify yet.",
        "报告期 {expected} 天中生产线仅有 {days} 天有产量：尚无可核验的内容。",
        "Run the line, then verify a reporting period in which it produced.",
        "恢复生产后，再核验有产量的报告期。",
    ),
    "METER_CHANGED": Entry(
        "warning", None,
        "Meter {meter} of {point} was replaced or recalibrated between the start of the baseline and the end of "
        "the reporting period "
        "({date}): its error does not cancel.",
        "测点 {point} 的仪表 {meter} 在基准期开始与报告期结束之间更换或重新校准（{date}）：其误差不能抵消。",
        "Run the old and the new meter side by side for some weeks.",
        "让新旧仪表并行运行数周。",
    ),
    "METER_NOT_NAMED": Entry(
        "warning", None,
        "The plan names no meter for {point}: its error is not in the uncertainty.",
        "方案未指明测点 {point} 的仪表：其误差未计入不确定度。",
        "Enter the meter and its class in the plan.",
        "在方案中登记仪表及其准确度等级。",
    ),
    "METER_INSTALLED_LATE": Entry(
        "error", "invalid_data",
        "Meter {meter} of {point} was installed on {date}, after the baseline began.",
        "测点 {point} 的仪表 {meter} 于 {date} 安装，晚于基准期开始。",
        "Enter the meter that stood there before, or correct the date.",
        "登记此前的仪表，或更正日期。",
    ),
}  # fmt: skip

_MODEL = {
    "DRIVER_CONSTANT": Entry(
        "error", "inconclusive",
        "Driver {driver} did not vary in the baseline, so its influence cannot be estimated.",
        "驱动量 {driver} 在基准期内没有变化，无法估计其影响。",
        "Choose a baseline over which it varies, or leave it out of the model.",
        "选择其有变化的基准期，或从模型中去除。",
    ),
    "ILL_CONDITIONED": Entry(
        "error", "inconclusive",
        "The drivers are so nearly dependent on each other (condition number {condition}) that no coefficient "
        "can be trusted.",
        "各驱动量之间几乎线性相关（条件数 {condition}），系数不可信。",
        "Leave one of the dependent drivers out of the model.",
        "从模型中去除其中一个相关的驱动量。",
    ),
    "TOO_FEW_EFFECTIVE": Entry(
        "error", "inconclusive",
        "The {n} baseline days are worth {effective} independent ones (lag-1 autocorrelation {rho}); {required} "
        "are needed.",
        "基准期 {n} 天仅相当于 {effective} 个独立观测（一阶自相关 {rho}），至少需要 {required} 个。",
        "Take a longer baseline.",
        "延长基准期。",
    ),
    "CV_RMSE_HIGH": Entry(
        "warning", None,
        "The model leaves {percent} % of the mean unexplained (CV(RMSE); below {limit} % is usual).",
        "模型的 CV(RMSE) 为 {percent} %（通常低于 {limit} %）。",
        "Add the driver that explains the rest.",
        "加入能解释其余变化的驱动量。",
    ),
    "R_SQUARED_LOW": Entry(
        "warning", None,
        "The model explains {r_squared} of the variation (R2; at least {limit} is usual).",
        "模型的 R² 为 {r_squared}（通常不低于 {limit}）。",
        "Add the driver that explains the rest, or a baseline over which the drivers vary more.",
        "加入能解释其余变化的驱动量，或选择驱动量变化更大的基准期。",
    ),
    "DRIVER_NOT_SIGNIFICANT": Entry(
        "warning", None,
        "Driver {driver} shows no significant influence (p = {p_value}; below {limit} is usual).",
        "驱动量 {driver} 的影响不显著（p = {p_value}，通常低于 {limit}）。",
        "Check the driver, or choose a baseline over which it varies more.",
        "检查该驱动量，或选择其变化更大的基准期。",
    ),
    "RESIDUALS_ZERO": Entry(
        "warning", None,
        "The baseline follows the model exactly: such readings are computed, not metered.",
        "基准期数据与模型完全一致：此类读数疑为计算所得，而非实测。",
        "Find out how the readings came about.",
        "查明读数的来源。",
    ),
    "OUTLIER_DAYS": Entry(
        "warning", None,
        "{count} days of the {window} window lie beyond {limit} interquartile ranges from the model, first "
        "{first}. They were used.",
        "{window}内有 {count} 天偏离模型超过 {limit} 倍四分位距，首个为 {first}。这些日期已计入。",
        "Find out what happened on those days; an exclusion needs a cause and an owner.",
        "查明这些日期的情况；剔除须有原因和责任人。",
    ),
    "EXTRAPOLATION_DAYS": Entry(
        "warning", None,
        "On {count} days of the reporting period {driver} lies outside the baseline's range by more than {limit} "
        "% of it.",
        "报告期内有 {count} 天 {driver} 超出基准期范围的 {limit} % 以上。",
        "Take a baseline that covers those conditions.",
        "选择覆盖这些工况的基准期。",
    ),
    "EXTRAPOLATION_MEAN": Entry(
        "error", "inconclusive",
        "The reporting period's mean of {driver} ({mean}) lies outside the baseline's range ({low} to {high}) by "
        "more than {limit} % of it.",
        "报告期 {driver} 的均值（{mean}）超出基准期范围（{low} 至 {high}）的 {limit} % 以上。",
        "Take a baseline, or a reporting period, with like conditions.",
        "选择工况相近的基准期或报告期。",
    ),
}  # fmt: skip

_VERDICT = {
    "TARGET_MET": Entry(
        "info", None,
        "The change of {delta} ± {uncertainty} {unit} lies with its whole interval at or below the limit of "
        "{limit} {unit}.",
        "变化量 {delta} ± {uncertainty} {unit} 的整个区间不高于限值 {limit} {unit}。",
    ),
    "TARGET_NOT_MET": Entry(
        "info", None,
        "The change of {delta} ± {uncertainty} {unit} lies with its whole interval above the limit of {limit} {unit}.",
        "变化量 {delta} ± {uncertainty} {unit} 的整个区间高于限值 {limit} {unit}。",
        "A larger effect is needed; more data would not change this.",
        "需要更大的改造效果；增加数据不会改变结论。",
    ),
    "INTERVAL_STRADDLES_TARGET": Entry(
        "info", None,
        "The limit of {limit} {unit} lies inside the interval of the change, {delta} ± {uncertainty} {unit}.",
        "限值 {limit} {unit} 落在变化量 {delta} ± {uncertainty} {unit} 的区间之内。",
        "Bring the expanded uncertainty below {needed} {unit}: a longer period, a steadier process or a better meter.",
        "将扩展不确定度降至 {needed} {unit} 以下：延长期间、稳定工艺或改用更好的仪表。",
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

CATALOGUE: dict[str, Entry] = {**_PLAN_LOCK, **_TABLE, **_READINGS, **_MODEL, **_VERDICT}
