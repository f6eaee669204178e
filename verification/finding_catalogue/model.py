"""Findings about the baseline model and what it can bear."""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "DRIVER_CONSTANT": Entry(
        "error", "inconclusive",
        "Driver {driver} did not vary in the window that the model is fitted to, so its influence cannot be estimated.",
        "自变量 {driver} 在模型拟合期内没有变化，无法估计其影响。",
        "Choose a window over which it varies, or leave it out of the model.",
        "选择其有变化的期间，或从模型中去除。",
    ),
    "ILL_CONDITIONED": Entry(
        "error", "inconclusive",
        "The drivers are so nearly dependent on each other (condition number {condition}) that no coefficient "
        "can be trusted.",
        "各自变量之间几乎线性相关（条件数 {condition}），系数不可信。",
        "Leave one of the dependent drivers out of the model.",
        "从模型中去除其中一个相关的自变量。",
    ),
    "MODEL_TOO_LARGE": Entry(
        "error", "inconclusive",
        "{n} {n:interval is|intervals are} too few for a model with {p} {p:parameter|parameters}.",
        "{n} 个时段不足以拟合含 {p} 个参数的模型。",
        "Take a longer period, or a model with fewer terms.",
        "延长期间，或减少模型的项数。",
    ),
    "TOO_FEW_EFFECTIVE": Entry(
        "error", "inconclusive",
        "The {n} {n:interval|intervals} of {fitted} that a model is fitted to {n:is|are} worth {effective} independent "
        "{effective:one|ones} (lag-1 autocorrelation {rho}); {required} are needed.",
        "{fitted}中用于拟合模型的 {n} 个时段仅相当于 {effective} 个独立观测（一阶自相关 {rho}），"
        "至少需要 {required} 个。",
        "Take a longer window there; a line that drifts through it needs the driver that moves it.",
        "延长该期间；若产线在其间持续漂移，应加入引起漂移的自变量。",
    ),
    "COLLINEAR": Entry(
        "warning", None,
        "In {fitted}, to which a model is fitted, driver {driver} varies so much like the others that the variance of "
        "its coefficient is {vif} times as large (VIF; below {limit} is usual).",
        "在模型拟合期间（{fitted}），自变量 {driver} 与其他自变量高度相关，"
        "其系数方差膨胀因子为 {vif}（通常低于 {limit}）。",
        "Leave one of the drivers that vary together out of the model.",
        "从模型中去除共同变化的自变量之一。",
    ),
    "CATEGORY_UNSEEN": Entry(
        "error", "inconclusive",
        "The category {category} has values that the model never met: {labels}.",
        "类别 {category} 出现模型从未遇到的取值：{labels}。",
        "Compare windows in which all of them occur, or exclude these intervals by a filed event.",
        "选择这些取值均出现的期间，或通过备案事件排除这些时段。",
    ),
    "HOURS_UNSEEN": Entry(
        "error", "inconclusive",
        "{count} {count:interval|intervals} of {where} {count:lies|lie} in {hours} {hours:hour|hours} of the week at "
        "which the model never met the line working (the first: weekday {weekday}, {hour}; 1 is Monday).",
        "{where}有 {count} 个时段落在每周 {hours} 个小时内，而模型拟合期在这些小时从未遇到生产线运行"
        "（第一个：星期序号 {weekday}，{hour}；1 为星期一）。",
        "Compare windows with the same working week, take a model without the time of the week, or exclude these "
        "intervals by a filed event.",
        "选择工作周安排相同的期间，采用不含每周时刻的模型，或通过备案事件排除这些时段。",
    ),
    "NMBE_HIGH": Entry(
        "warning", None,
        "Predicting each fifth of {fitted} by the model of the rest misses its total by {percent} % (NMBE out of "
        "sample; below {limit} % is usual).",
        "用其余部分预测{fitted}的每五分之一，总量偏差为 {percent} %（样本外 NMBE，通常低于 {limit} %）。",
        "Look for what changed within it, or add the driver that explains it.",
        "查找该期间内的变化，或加入能解释它的自变量。",
    ),
    "CV_RMSE_HIGH": Entry(
        "warning", None,
        "The model of {fitted} leaves {percent} % of the mean unexplained (CV(RMSE); below {limit} % is usual).",
        "{fitted}模型的 CV(RMSE) 为 {percent} %（通常低于 {limit} %）。",
        "Add the driver that explains the rest.",
        "加入能解释其余变化的自变量。",
    ),
    "R_SQUARED_LOW": Entry(
        "warning", None,
        "The model of {fitted} explains {r_squared} of the variation (R2; at least {limit} is usual).",
        "{fitted}模型的 R² 为 {r_squared}（通常不低于 {limit}）。",
        "Add the driver that explains the rest, or choose a window over which the drivers vary more.",
        "加入能解释其余变化的自变量，或选择自变量变化更大的期间。",
    ),
    "DRIVER_NOT_SIGNIFICANT": Entry(
        "warning", None,
        "In the model of {fitted} driver {driver} shows no significant influence (p = {p_value}; below {limit} is "
        "usual).",
        "在{fitted}的模型中，自变量 {driver} 的影响不显著（p = {p_value}，通常低于 {limit}）。",
        "Check the driver, or choose a window over which it varies more.",
        "检查该自变量，或选择其变化更大的期间。",
    ),
    "RESIDUALS_ZERO": Entry(
        "warning", None,
        "The readings of {fitted} follow its model exactly, as no measurement does: they are computed, or count what "
        "never changed.",
        "{fitted}的读数与其模型完全一致，实测值不会如此：疑为计算所得，或为始终不变的计数。",
        "Find out how the readings came about.",
        "查明读数的来源。",
    ),
    "OUTLIERS": Entry(
        "warning", None,
        "{count} {count:interval|intervals} of the {window} window {count:lies|lie} beyond {limit} interquartile "
        "ranges from the model of {fitted}, first {first}. {count:It was|They were} used.",
        "{window}内有 {count} 个时段偏离{fitted}模型超过 {limit} 倍四分位距，首个为 {first}。这些时段已计入。",
        "Find out what happened then; an exclusion needs a cause and an owner.",
        "查明当时的情况；剔除须有原因和责任人。",
    ),
    "OUTLIERS_FEW": Entry(
        "info", None,
        "{count} {count:interval|intervals} of the {window} window {count:lies|lie} beyond {limit} interquartile "
        "ranges from the model of {fitted}, first {first}; a stop or a start explains so few. "
        "{count:It was|They were} used.",
        "{window}内有 {count} 个时段偏离{fitted}模型超过 {limit} 倍四分位距，首个为 {first}；"
        "数量很少，启停即可解释。这些时段已计入。",
        "Nothing needs to be done.",
        "无需处理。",
    ),
    "RATIO_LOAD_UNSEEN": Entry(
        "warning", None,
        "The mean of {driver} in the reporting period ({mean}) lies outside its range in the baseline ({low} to "
        "{high}): a ratio takes the numerator to rise with it in proportion, and what does not is part of the change.",
        "{driver} 在报告期的均值（{mean}）超出其基准期取值范围（{low} 至 {high}）：比值模型假定分子与之成正比，"
        "不随之变化的部分会被计入变化量。",
        "Take an ols model over the load, with windows that met the same loads.",
        "采用以负荷为自变量的 ols 模型，并选择负荷相近的期间。",
    ),
    "EXTRAPOLATION_FEW": Entry(
        "info", None,
        "In {count} {count:interval|intervals} of {where}, at most a tenth of them, {driver} lies outside its range in "
        "{fitted}, to which the model was fitted, by more than {limit} % of it.",
        "{where}有 {count} 个时段（不超过十分之一）的 {driver} 超出模型拟合期间（{fitted}）的取值范围，"
        "且超出幅度大于该范围的 {limit} %。",
        "Nothing needs to be done.",
        "无需处理。",
    ),
    "EXTRAPOLATION": Entry(
        "warning", None,
        "In {count} {count:interval|intervals} of {where} {driver} lies outside its range in {fitted}, to which the "
        "model was fitted, by more than {limit} % of it.",
        "{where}有 {count} 个时段的 {driver} 超出模型拟合期间（{fitted}）的取值范围，"
        "且超出幅度大于该范围的 {limit} %。",
        "Compare windows, or take standard conditions, in which the line met the same.",
        "选择工况相近的期间，或采用改造前后都出现过的标准条件。",
    ),
    "EXTRAPOLATION_MEAN": Entry(
        "error", "inconclusive",
        "The mean of {driver} in {where} ({mean}) lies outside its range in {fitted} ({low} to {high}), to which the "
        "model was fitted, by more than {limit} % of it.",
        "{driver} 在{where}的均值（{mean}）超出模型拟合期间（{fitted}）的取值范围（{low} 至 {high}），"
        "且超出幅度大于该范围的 {limit} %。",
        "Compare windows, or take standard conditions, in which the line met the same.",
        "选择工况相近的期间，或采用改造前后都出现过的标准条件。",
    ),
}  # fmt: skip
