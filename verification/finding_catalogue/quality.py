"""Findings about how believable readings are, and what the plan itself leaves out."""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "COUNTER_REPLACED": Entry(
        "info", None,
        "The register of {point} was replaced in the {window} window ({count}×), as the meter register says; final and "
        "first reading carry the total across.",
        "{window}内测点 {point} 的计数器按计量器具台账更换 {count} 次，合计值由末次和首次读数衔接。",
    ),
    "READING_GAPS": Entry(
        "warning", None,
        "{point} has {count} {count:gap|gaps} in the {window} window, {hours} {hours:hour|hours} in all and {longest} "
        "at most, first {first}: more than {limit} % of it.",
        "{window}内测点 {point} 有 {count} 处缺口，共 {hours} 小时，最长 {longest} 小时，首个为 {first}，"
        "超过该期间的 {limit} %。",
        "Recover the missing readings, or correct cadence_s in the plan.",
        "补齐缺失读数，或更正方案中的 cadence_s。",
    ),
    "SPIKES": Entry(
        "warning", None,
        "{count} single {count:reading|readings} of {point} in the {window} window {count:stands far from its|stand "
        "far from their} neighbours, first {first} ({example}). {count:It was|They were} used.",
        "{window}内测点 {point} 有 {count} 个读数与相邻读数相差悬殊，首个为 {first}（{example}）。这些读数已计入。",
        "Check the sensor; give the point's minimum and maximum in the plan to leave impossible values out.",
        "检查传感器；可在方案中给出该测点的 minimum 和 maximum 以排除不可能的值。",
    ),
    "LEVEL_JUMP": Entry(
        "warning", None,
        "In the {window} window {point} jumps from {before} to {after} {unit} at {first} and stays there: more than "
        "{limit} times as far as its readings vary before or after. They were used.",
        "{window}内测点 {point} 在 {first} 由 {before} 跳至 {after} {unit} 且不再恢复："
        "超过其前后读数变化范围的 {limit} 倍。这些读数已计入。",
        "Find out what changed: the sensor, its scale or where it is mounted. Give the two parts names of their own, "
        "or give the point's minimum and maximum in the plan to leave impossible values out.",
        "查明发生了什么变化：传感器、量程或安装位置。可将两段数据分为不同测点，"
        "或在方案中给出该测点的 minimum 和 maximum 以排除不可能的值。",
    ),
    "CLOCK_STEPS": Entry(
        "warning", None,
        "The rhythm of {point} is shifted {count} {count:time|times} in the {window} window, first {first} by "
        "{seconds} s: a clock was set, or another device took over.",
        "{window}内测点 {point} 的采集节奏有 {count} 次偏移，首次在 {first}，偏移 {seconds} 秒："
        "时钟被调整或更换了设备。",
        "Find out which clock was right, and keep clocks by NTP.",
        "查明哪个时钟正确，并用 NTP 校时。",
    ),
    "CLOCK_SKEW": Entry(
        "warning", None,
        "The readings of {point} in the {window} window come {seconds_a_day} s a day off their cadence, steadily (at "
        "most {limit} s is usual): the source's clock gains or loses.",
        "{window}内测点 {point} 的读数每天稳定偏离采集周期 {seconds_a_day} 秒"
        "（通常不超过 {limit} 秒）：数据源时钟走快或走慢。",
        "Keep the source's clock by NTP.",
        "用 NTP 为数据源校时。",
    ),
    "UNIT_DOUBTFUL": Entry(
        "warning", None,
        "In the {window} window {point} lies at {factor} times its level of the window before, as MJ do that are taken "
        "for kWh, or kWh for MJ.",
        "{window}内测点 {point} 为前一期间水平的 {factor} 倍，与 MJ 和 kWh 混用的结果相符。",
        "Check the unit of the readings in both windows; where it is one, nothing needs to be done.",
        "核对两个期间读数的单位；若一致，则无需处理。",
    ),
    "UNIT_CHANGED": Entry(
        "error", "invalid_data",
        "On {count} {count:day|days}, from {first}, {point} lies at {factor} times its usual level: its unit or its "
        "scale seems to have changed.",
        "自 {first} 起有 {count} 天，测点 {point} 为其通常水平的 {factor} 倍：单位或量程疑似改变。",
        "Convert the readings to one unit, or give the two parts names of their own.",
        "将读数换算为同一单位，或将两段数据分为不同测点。",
    ),
    "COPIED_PERIOD": Entry(
        "error", "invalid_data",
        "{count} {count:reading|readings} of {point} from {first} {count:repeats that|repeat those} from {source} to "
        "the last digit: {count:it is|they are} copied, not metered.",
        "测点 {point} 自 {first} 起有 {count} 个读数与自 {source} 起的读数完全相同：系复制而非实测。",
        "Remove the copied readings; the gap is then named as one.",
        "删除复制的读数，缺口将如实列出。",
    ),
    "EVENTS_UNCHECKED": Entry(
        "warning", None,
        "{point} reports events, and a lost event leaves no trace: nothing in the plan checks that all of them came.",
        "测点 {point} 上报事件，丢失的事件不留痕迹：方案中没有任何核对能表明事件齐全。",
        "Add a bill or a balance of it against a counter to the plan.",
        "在方案中加入其与计数器的账单核对或平衡核对。",
    ),
    "BACKFILLED_SHARE": Entry(
        "warning", None,
        "{percent} % of the readings of {point} in the {window} window ({count}) were fetched from the source's "
        "history after the fact (more than {limit} %).",
        "{window}内测点 {point} 有 {percent} %（{count} 个）的读数是事后从数据源历史补采的（超过 {limit} %）。",
        "Mend the connection, so that readings are signed as they arise.",
        "修复通信，使读数在产生时即被签名。",
    ),
    "MANUAL_SHARE": Entry(
        "warning", None,
        "{percent} % of the readings of {point} in the {window} window ({count}) were written by a person.",
        "{window}内测点 {point} 有 {percent} %（{count} 个）的读数为人工填报。",
        "Read this point by an edge agent.",
        "改由边缘代理采集该测点。",
    ),
    "MANUAL_CROSS_CHECK": Entry(
        "info", None,
        "{percent} % of the readings of {point} in the {window} window ({count}) were written by a person. No figure "
        "stands on them: they only check other points.",
        "{window}内测点 {point} 有 {percent} %（{count} 个）的读数为人工填报，仅用于核对其他测点，不参与任何数值计算。",
    ),
    "IMPOSSIBLE_VALUES": Entry(
        "warning", None,
        "{count} {count:reading|readings} of {point} {count:lies|lie} outside {low} to {high} {unit}, first "
        "{example}, and {count:was|were} not used.",
        "测点 {point} 有 {count} 个读数超出 {low} 至 {high} {unit}，首个为 {example}，未使用。",
        "Mend the sensor, or correct the point's limits or its meter's largest rate in the plan.",
        "检修传感器，或更正方案中该测点的限值或仪表的最大速率。",
    ),
    "TOTALS_ROUNDED": Entry(
        "warning", None,
        "{point} is so small in each interval of the {window} window that counting it in steps of {step} moves its "
        "total by {percent} %.",
        "{window}内 {point} 每个时段的数值过小，按 {step} 的步长计数使其合计改变 {percent} %。",
        "Take longer intervals, or a metric of the plan's own whose numerator_unit or denominator_unit is smaller.",
        "采用更长的时段，或在方案中自定义指标，选用更小的 numerator_unit 或 denominator_unit。",
    ),
    "MEANS_COMBINED": Entry(
        "warning", None,
        "In {count} {count:interval|intervals} of the {window} window, first {first}, {term} is computed of means and "
        "totals of the whole interval, since its points are not known by the hour. Where both sides change within an "
        "interval, that is not what it is on average.",
        "{window}内有 {count} 个时段（首个为 {first}）因测点无逐时数据，{term} 按整段的均值和合计计算；"
        "若两侧在时段内都有变化，结果不等于其平均值。",
        "Give readings at least every hour, on the hour where they are that rare, as HJ 75 computes by the hour.",
        "请提供至少每小时一次的读数（每小时仅一次时应在整点），HJ 75 要求按小时计算。",
    ),
    "FORMULA_UNDEFINED": Entry(
        "warning", None,
        "In {count} {count:interval|intervals} of the {window} window, first {first}, the formula of {measure} has no "
        "value though its points do. {count:It was|They were} not used.",
        "{window}内有 {count} 个时段（首个为 {first}）测点有值而 {measure} 的公式无值。这些时段未使用。",
        "Look for a division by zero, for example an oxygen content of 21 %.",
        "检查是否除以零，例如氧含量为 21 %。",
    ),
    "EVENT_EXCLUDED": Entry(
        "info", None,
        "{count} {count:interval|intervals} of the {window} window, first {first}, {count:was|were} left out for the "
        "plan's event {event}.",
        "{window}内有 {count} 个时段（首个为 {first}）因方案所列事件 {event} 未计入。",
    ),
    "STOPS_LEFT_OUT": Entry(
        "info", None,
        "{count} {count:interval|intervals} of the {window} window, first {first}, in which {state} says that the "
        "line stood, {count:was|were} left out as the plan asks.",
        "{window}内有 {count} 个时段（首个为 {first}）{state} 显示停产，按方案未计入。",
    ),
    "BILL_DISAGREES": Entry(
        "error", "inconclusive",
        "The bill {bill} says {billed} {unit}, {point} {metered} {unit} (from {count} of {expected} "
        "{expected:{interval}}): {percent} % apart (at most {limit} %). One of the two is wrong, so no figure that "
        "stands on {point} is certain.",
        "账单 {bill} 为 {billed} {unit}，测点 {point} 为 {metered} {unit}"
        "（按 {expected} {interval}中的 {count} {interval}推算）：相差 {percent} %（应不超过 {limit} %）。"
        "两者必有一错，凡依据 {point} 的数值均不确定。",
        "Find out what else the bill covers, or which meter errs; then verify with readings that agree with the bill.",
        "查明账单是否包含其他用量，或哪块仪表有误；再以与账单一致的读数核验。",
    ),
    "BILL_NOT_COMPARABLE": Entry(
        "warning", None,
        "The bill {bill} cannot be compared: {point} is known in only {count} of its {expected} {expected:{interval}} "
        "(at least {required} % are needed).",
        "账单 {bill} 无法比较：其 {expected} {interval}中测点 {point} 仅 {count} {interval}有值"
        "（至少需要 {required} %）。",
        "Recover the missing readings.",
        "补齐缺失读数。",
    ),
    "BILLS_NOT_COMPARABLE": Entry(
        "error", "inconclusive",
        "{point} is known in only {count} of the {expected} {expected:{interval}} of the {window} window that its "
        "bills cover (at least {required} % are needed): the check that the plan promises cannot be made.",
        "{window}内账单覆盖的 {expected} {interval}中，测点 {point} 仅 {count} {interval}有值"
        "（至少需要 {required} %）：方案承诺的核对无法进行。",
        "Recover the missing readings, or add bills for months that were metered.",
        "补齐缺失读数，或补充有读数月份的账单。",
    ),
    "BALANCE_OPEN": Entry(
        "error", "inconclusive",
        "The balance {balance} does not close in the {window} window: {left} against {right} {unit}, {percent} % apart "
        "(at most {limit} %). One side is wrong, so no figure that stands on one of its points is certain.",
        "{window}内平衡 {balance} 不闭合：{left} 与 {right} {unit}，相差 {percent} %（应不超过 {limit} %）。"
        "必有一方有误，凡依据其中任一测点的数值均不确定。",
        "Find the stream, the meter or the record that is missing or wrong, and have it put right or adjusted for.",
        "查找遗漏或有误的物料流、仪表或记录，予以更正或办理调整。",
    ),
    "BALANCE_NOT_COMPARABLE": Entry(
        "error", "inconclusive",
        "Both sides of the balance {balance} are known in only {count} of {expected} {expected:{interval}} of the "
        "{window} window (at least {required} % are needed): the check that the plan promises cannot be made.",
        "{window}应有 {expected} {interval}，平衡 {balance} 的两侧仅 {count} {interval}均有值"
        "（至少需要 {required} %）：方案承诺的核对无法进行。",
        "Recover the missing readings of the balance's points.",
        "补齐该平衡所涉测点的缺失读数。",
    ),
}  # fmt: skip
