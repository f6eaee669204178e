"""Findings about the readings of a point and the intervals that they make."""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "WINDOW_OUTSIDE_DATA": Entry(
        "error", "invalid_data",
        "There is no reading of {point} in the {window} window, {start} to {end}.",
        "测点 {point} 在{window}（{start} 至 {end}）内没有读数。",
        "Give readings that reach the window, or correct the window or the point's name in the plan.",
        "提供覆盖该期间的读数，或更正方案中的期间或测点名称。",
    ),
    "TOO_FEW_INTERVALS": Entry(
        "error", "invalid_data",
        "Only {used} of {expected} {expected:{interval}} of the {window} window {used:is|are} usable ({percent} %; at "
        "least {required} % are needed).",
        "{window}应有 {expected} {interval}，仅 {used} {interval}可用（{percent} %，至少需要 {required} %）。",
        "Recover the missing readings, choose a window that is covered, or correct cadence_s in the plan.",
        "补齐缺失读数，选择数据完整的期间，或更正方案中的 cadence_s。",
    ),
    "INTERVALS_MISSING": Entry(
        "warning", None,
        "{count} {count:{interval}} of the {window} window {count:has|have} no usable value of {point}, first "
        "{first}.",
        "{window}内有 {count} {interval}没有 {point} 的可用值，首个为 {first}。",
        "Recover the missing readings from the meter or its gateway.",
        "从仪表或网关补齐缺失读数。",
    ),
    "VALUES_TOO_LARGE": Entry(
        "error", "invalid_data",
        "{point} is so large in {count} {count:interval|intervals} of the {window} window, first {first}, that it "
        "cannot be counted.",
        "{window}内有 {count} 个时段的 {point} 数值过大，无法计数，首个为 {first}。",
        "Correct the unit or the readings of the points behind it.",
        "更正相关测点的单位或读数。",
    ),
    "DUPLICATES_REMOVED": Entry(
        "info", None,
        "{count} exact duplicate {count:reading|readings} of {point} {count:was|were} removed.",
        "已去除测点 {point} 的 {count} 个完全重复读数。",
    ),
    "CONFLICTING_READINGS": Entry(
        "warning", None,
        "{count} {count:reading|readings} of {point} {count:shares|share} a time with another reading that says "
        "something else; {count:it was not|none of them was} used.",
        "测点 {point} 有 {count} 个读数与同一时刻的其他读数矛盾，均未使用。",
        "Find out which source is right.",
        "查明哪个数据来源正确。",
    ),
    "DISORDER_SORTED": Entry(
        "info", None,
        "{count} {count:reading|readings} of {point} came out of order and {count:was|were} sorted by time.",
        "测点 {point} 有 {count} 个读数次序颠倒，已按时间排序。",
    ),
    "BAD_STATUS_EXCLUDED": Entry(
        "warning", None,
        "{count} {count:reading|readings} of {point} {count:carries|carry} a bad or uncertain status and "
        "{count:was|were} not used.",
        "测点 {point} 有 {count} 个读数状态为坏或不确定，未使用。",
        "Mend the sensor or its connection.",
        "检修传感器或其通信。",
    ),
    "NON_FINITE_EXCLUDED": Entry(
        "warning", None,
        "{count} {count:reading|readings} of {point} {count:is not a finite number|are not finite numbers} and "
        "{count:was|were} not used.",
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
        "The register of {point} went back {count} {count:time|times} in the {window} window in a way that a rollover "
        "does not explain, first on {first}. {count:That interval was|Those intervals were} not used.",
        "{window}内测点 {point} 的计数器有 {count} 次回退，无法用翻转解释，首次在 {first}。相关时段未使用。",
        "Enter the meter change with its final and first reading.",
        "登记换表及其末次和首次读数。",
    ),
    "COUNTER_JUMP": Entry(
        "warning", None,
        "The register of {point} rose faster than {max_rate_per_hour} per hour {count} {count:time|times} in the "
        "{window} window, first on {first}. {count:That interval was|Those intervals were} not used.",
        "{window}内测点 {point} 的计数器有 {count} 次上升超过每小时 {max_rate_per_hour}，首次在 {first}。"
        "相关时段未使用。",
        "Check the meter, or correct max_rate_per_hour in the plan.",
        "检查仪表，或更正方案中的 max_rate_per_hour。",
    ),
    "COUNTER_AMBIGUOUS": Entry(
        "warning", None,
        "{count} {count:gap|gaps} of {point} in the {window} window {count:is|are} so long that its register may have "
        "turned over more than once, first on {first}. {count:That interval was|Those intervals were} not used.",
        "{window}内测点 {point} 有 {count} 处缺口过长，计数器可能翻转多次，首次在 {first}。相关时段未使用。",
        "Recover the missing readings, or correct register_modulus and max_rate_per_hour in the plan.",
        "补齐缺失读数，或更正方案中的 register_modulus 和 max_rate_per_hour。",
    ),
    "COUNTER_GAP": Entry(
        "info", None,
        "The counter {point} has {count} {count:gap inside an interval|gaps inside intervals} of the {window} window, "
        "{hours} {hours:hour|hours} in all; it counted on, so the totals are exact.",
        "{window}内计数器 {point} 有 {count} 处时段内缺口，共 {hours} 小时；计数未中断，合计仍然准确。",
    ),
    "TOTALS_SCALED": Entry(
        "warning", None,
        "{count} {count:interval|intervals} of {point} in the {window} window {count:misses part of its|miss part of "
        "their} interval totals and {count:was|were} scaled up by coverage.",
        "{window}内测点 {point} 有 {count} 个时段缺少部分分段量，已按覆盖率放大。",
        "Recover the missing intervals.",
        "补齐缺失的时段量。",
    ),
    "TOTALS_ASTRIDE": Entry(
        "warning", None,
        "Of the time that the totals of {point} in the {window} window stand for, {percent} % lies in the interval "
        "after the one in which they begin and for which they count (at most {limit} % is usual), first {first}.",
        "{window}内测点 {point} 的分段量所覆盖的时间有 {percent} % 落在其起始时段之后的时段，却计入起始时段"
        "（通常不超过 {limit} %），首个为 {first}。",
        "Date totals by when they begin, in the plan's time zone; a production day that begins with a shift is an "
        "interval of shifts. Or correct cadence_s in the plan.",
        "分段量应以其起始时刻并按方案时区标注；以班次起始的生产日应按班次设定时段。或更正方案中的 cadence_s。",
    ),
    "NEGATIVE_TOTALS": Entry(
        "warning", None,
        "{point} has a negative total in {count} {count:interval|intervals} of the {window} window, first {first}. "
        "{count:That interval was|Those intervals were} not used.",
        "{window}内测点 {point} 有 {count} 个时段合计为负，首个为 {first}。这些时段未使用。",
        "Check the sign and the wiring of the meter.",
        "检查仪表的方向和接线。",
    ),
    "SHARE_ABOVE_WHOLE": Entry(
        "error", "invalid_data",
        "In the {window} window the share comes to {percent} %: its part is more than its whole (up to {limit} % may "
        "come of the time between the two counts).",
        "{window}内该占比为 {percent} %：部分大于整体（{limit} % 以内可归因于两项计数的时间差）。",
        "Check which points the plan takes for the part and for the whole, and whether anything is counted twice.",
        "检查方案中部分与整体所对应的测点，以及是否重复计数。",
    ),
    "SHARE_ABOVE_IDEAL": Entry(
        "warning", None,
        "In the {window} window the line comes to {percent} % by {parameter}: it cannot be faster than its ideal (up "
        "to {limit} % may come of the time between the two counts).",
        "{window}内按 {parameter} 计算为 {percent} %：产线不可能快于理论值（{limit} % 以内可归因于两项计数的时间差）。",
        "Correct the parameter in the plan, or the readings of the pieces.",
        "更正方案中的参数，或更正件数读数。",
    ),
    "STUCK_VALUES": Entry(
        "warning", None,
        "{point} did not change during {count} {count:interval|intervals} of the {window} window in which the line "
        "produced, first {first}. Where it is what the line cannot produce without (energy, people) and it stood at "
        "zero, {count:that interval was|those intervals were} not used.",
        "{window}内有生产的时段中，{point} 有 {count} 个时段数值不变，首个为 {first}。"
        "若其为生产必需的量（能耗、人员）且为零，这些时段未使用。",
        "Check the sensor and its connection.",
        "检查传感器及其通信。",
    ),
    "ZERO_OUTPUT_WHILE_RUNNING": Entry(
        "warning", None,
        "{point} shows no output in {count} {count:interval|intervals} of the {window} window in which {state} says "
        "that the line ran, first {first}. {count:That interval was|Those intervals were} not used.",
        "{window}内 {state} 显示生产线运行的 {count} 个时段中，{point} 没有产量，首个为 {first}。这些时段未使用。",
        "Find out which of the two is right.",
        "查明两者中哪个正确。",
    ),
    "BASELINE_IDLE": Entry(
        "error", "not_verifiable",
        "The line produced on {days} of {expected} baseline {expected:day|days}: there is no baseline to compare "
        "with.",
        "基准期 {expected} 天中生产线仅有 {days} 天有产量：没有可比的基准。",
        "Nothing can recover a baseline that was never metered; a comparison with a like line that ran needs a "
        "plan of its own.",
        "未计量的基准无法补回；可另立方案，与同类在产生产线比较。",
    ),
    "INTERMEDIATE_IDLE": Entry(
        "error", "not_verifiable",
        "The line produced on {days} of {expected} {expected:day|days} of the intermediate window: nothing links the "
        "baseline to the reporting period.",
        "中间期 {expected} 天中生产线仅有 {days} 天有产量：基准期与报告期之间没有可用的链接。",
        "File a plan with an intermediate window in which the line produces.",
        "另立方案，选择生产线有产量的中间期。",
    ),
    "REPORTING_IDLE": Entry(
        "error", "not_verifiable",
        "The line produced on {days} of {expected} {expected:day|days} of the reporting period: there is nothing to "
        "verify yet.",
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
