"""Findings that only packages of earlier releases hold; their texts stay readable.

`ENTRIES` are codes that no engine makes any more. `EARLIER` are texts of codes that are still made, for findings whose
data lack what the present text shows.
"""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "PLACEBO_CLAIMS": Entry(
        "warning", None,
        "At {claims} of {dates} pretended {dates:date|dates} inside the baseline the method claims a change where "
        "there was none.",
        "在基准期内的 {dates} 个虚拟日期中，该方法有 {claims} 次误报变化。",
        "Look for what changed within the baseline.",
        "查找基准期内的变化。",
    ),
    "NOISE_BY_DAYS": Entry(
        "info", None,
        "Told from whole days the uncertainty of the model is {times} times as large as told from the single "
        "intervals; "
        "the larger one counts.",
        "按整日计算的模型不确定度是按单个时段计算的 {times} 倍，取较大者。",
    ),
    "TOO_FEW_DAYS": Entry(
        "error", "invalid_data",
        "Only {used} of {expected} {expected:day|days} of the {window} window {used:is|are} usable ({percent} %; at "
        "least {required} % are needed).",
        "{window}的 {expected} 天中仅 {used} 天可用（{percent} %，至少需要 {required} %）。",
        "Recover the missing readings, choose a window that is covered, or correct cadence_s in the plan.",
        "补齐缺失读数，选择数据完整的期间，或更正方案中的 cadence_s。",
    ),
    "DAYS_MISSING": Entry(
        "warning", None,
        "{count} {count:day|days} of the {window} window {count:has|have} no usable value of {point}, first {first}.",
        "{window}内有 {count} 天没有 {point} 的可用值，首个为 {first}。",
        "Recover the missing readings from the meter or its gateway.",
        "从仪表或网关补齐缺失读数。",
    ),
    "OUTLIER_DAYS": Entry(
        "warning", None,
        "{count} {count:day|days} of the {window} window {count:lies|lie} beyond {limit} interquartile ranges from "
        "the model, first {first}. {count:It was|They were} used.",
        "{window}内有 {count} 天偏离模型超过 {limit} 倍四分位距，首个为 {first}。这些日期已计入。",
        "Find out what happened on those days; an exclusion needs a cause and an owner.",
        "查明这些日期的情况；剔除须有原因和责任人。",
    ),
    "EXTRAPOLATION_DAYS": Entry(
        "warning", None,
        "On {count} {count:day|days} of the reporting period {driver} lies outside the baseline's range by more than "
        "{limit} % of it.",
        "报告期内有 {count} 天 {driver} 超出基准期范围的 {limit} % 以上。",
        "Take a baseline that covers those conditions.",
        "选择覆盖这些工况的基准期。",
    ),
}  # fmt: skip

EARLIER = {
    "EXTRAPOLATION_FEW": Entry(
        "info", None,
        "In {count} {count:interval|intervals} of the reporting period, at most a tenth of them, {driver} lies outside "
        "the baseline's range by more than {limit} % of it.",
        "报告期内有 {count} 个时段（不超过十分之一）的 {driver} 超出基准期取值范围，且超出幅度大于该范围的 {limit} %。",
        "Nothing needs to be done.",
        "无需处理。",
    ),
    "EXTRAPOLATION": Entry(
        "warning", None,
        "In {count} {count:interval|intervals} of the reporting period {driver} lies outside the baseline's range by "
        "more than {limit} % of it.",
        "报告期内有 {count} 个时段的 {driver} 超出基准期取值范围，且超出幅度大于该范围的 {limit} %。",
        "Take a baseline that covers those conditions.",
        "选择覆盖这些工况的基准期。",
    ),
    "EXTRAPOLATION_MEAN": Entry(
        "error", "inconclusive",
        "The mean of {driver} in the reporting period ({mean}) lies outside the baseline's range ({low} to {high}) by "
        "more than {limit} % of it.",
        "{driver} 在报告期的均值（{mean}）超出基准期取值范围（{low} 至 {high}），且超出幅度大于该范围的 {limit} %。",
        "Take a baseline, or a reporting period, with like conditions.",
        "选择工况相近的基准期或报告期。",
    ),
    "BILL_DISAGREES": Entry(
        "error", "inconclusive",
        "The bill {bill} says {billed} {unit}, {point} {metered} {unit}: {percent} % apart (at most {limit} %). One of "
        "the two is wrong, so no figure that stands on {point} is certain.",
        "账单 {bill} 为 {billed} {unit}，测点 {point} 为 {metered} {unit}：相差 {percent} %（应不超过 {limit} %）。"
        "两者必有一错，凡依据 {point} 的数值均不确定。",
        "Find out what else the bill covers, or which meter errs; then verify with readings that agree with the bill.",
        "查明账单是否包含其他用量，或哪块仪表有误；再以与账单一致的读数核验。",
    ),
    "BILL_NOT_COMPARABLE": Entry(
        "warning", None,
        "The bill {bill} cannot be compared with {point}: its period is not one of whole, metered intervals.",
        "账单 {bill} 无法与测点 {point} 比较：其期间不是完整且有读数的时段。",
        "Recover the missing readings, or give a bill whose period ends with an interval.",
        "补齐缺失读数，或提供与时段边界一致的账单。",
    ),
    "NOISE_GREW": Entry(
        "info", None,
        "The window that the model is projected on scatters {times} times as much about a model of its own as the "
        "window that it was fitted to; it brings its own noise, so that the uncertainty is larger.",
        "模型推算所用期间围绕自身模型的波动是拟合期间的 {times} 倍；不确定度按其自身波动计算，因而更大。",
        "Find out what made the line less steady.",
        "查明产线波动加大的原因。",
    ),
    "TOO_FEW_EFFECTIVE": Entry(
        "error", "inconclusive",
        "The {n} {n:interval|intervals} that the model is fitted to {n:is|are} worth {effective} independent "
        "{effective:one|ones} (lag-1 autocorrelation {rho}); {required} are needed.",
        "模型拟合期的 {n} 个时段仅相当于 {effective} 个独立观测（一阶自相关 {rho}），至少需要 {required} 个。",
        "Take a longer window for the model.",
        "延长模型的拟合期。",
    ),
    "COLLINEAR": Entry(
        "warning", None,
        "Driver {driver} varies so much like the others that the variance of its coefficient is {vif} times as large "
        "(VIF; below {limit} is usual).",
        "自变量 {driver} 与其他自变量高度相关，其系数方差膨胀因子为 {vif}（通常低于 {limit}）。",
        "Leave one of the drivers that vary together out of the model.",
        "从模型中去除共同变化的自变量之一。",
    ),
    "NMBE_HIGH": Entry(
        "warning", None,
        "Predicting each fifth of the model's own window from the rest misses its total by {percent} % (NMBE out of "
        "sample; below {limit} % is usual).",
        "用其余部分预测模型拟合期的每五分之一，总量偏差为 {percent} %（样本外 NMBE，通常低于 {limit} %）。",
        "Look for what changed within that window, or add the driver that explains it.",
        "查找该期间内的变化，或加入能解释它的自变量。",
    ),
    "CV_RMSE_HIGH": Entry(
        "warning", None,
        "The model leaves {percent} % of the mean unexplained (CV(RMSE); below {limit} % is usual).",
        "模型的 CV(RMSE) 为 {percent} %（通常低于 {limit} %）。",
        "Add the driver that explains the rest.",
        "加入能解释其余变化的自变量。",
    ),
    "R_SQUARED_LOW": Entry(
        "warning", None,
        "The model explains {r_squared} of the variation (R2; at least {limit} is usual).",
        "模型的 R² 为 {r_squared}（通常不低于 {limit}）。",
        "Add the driver that explains the rest, or a baseline over which the drivers vary more.",
        "加入能解释其余变化的自变量，或选择自变量变化更大的基准期。",
    ),
    "DRIVER_NOT_SIGNIFICANT": Entry(
        "warning", None,
        "Driver {driver} shows no significant influence (p = {p_value}; below {limit} is usual).",
        "自变量 {driver} 的影响不显著（p = {p_value}，通常低于 {limit}）。",
        "Check the driver, or choose a baseline over which it varies more.",
        "检查该自变量，或选择其变化更大的基准期。",
    ),
    "RESIDUALS_ZERO": Entry(
        "warning", None,
        "The readings follow the model exactly: such readings are computed, not metered.",
        "读数与模型完全一致：此类读数疑为计算所得，而非实测。",
        "Find out how the readings came about.",
        "查明读数的来源。",
    ),
    "OUTLIERS": Entry(
        "warning", None,
        "{count} {count:interval|intervals} of the {window} window {count:lies|lie} beyond {limit} interquartile "
        "ranges from the model, first {first}. {count:It was|They were} used.",
        "{window}内有 {count} 个时段偏离模型超过 {limit} 倍四分位距，首个为 {first}。这些时段已计入。",
        "Find out what happened then; an exclusion needs a cause and an owner.",
        "查明当时的情况；剔除须有原因和责任人。",
    ),
    "OUTLIERS_FEW": Entry(
        "info", None,
        "{count} {count:interval|intervals} of the {window} window {count:lies|lie} beyond {limit} interquartile "
        "ranges from the model, first {first}; a stop or a start explains so few. {count:It was|They were} used.",
        "{window}内有 {count} 个时段偏离模型超过 {limit} 倍四分位距，首个为 {first}；"
        "数量很少，启停即可解释。这些时段已计入。",
        "Nothing needs to be done.",
        "无需处理。",
    ),
}  # fmt: skip
