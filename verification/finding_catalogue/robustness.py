"""Findings about how a change stands up to other models, other dates and fewer data."""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "PANEL_FLIPS": Entry(
        "error", "inconclusive",
        "The admissible model {model} says {delta} {unit}, which does not bear the verdict against the limit of "
        "{limit} "
        "{limit_unit} out; the two models differ by more than chance explains.",
        "可接受的模型 {model} 给出 {delta} {unit}，不支持相对限值 {limit} {limit_unit} "
        "的结论；两模型之差超出随机范围。",
        "Agree before the retrofit on the drivers that matter, and file a plan with the model that has them.",
        "在改造前商定起作用的自变量，并以含有这些自变量的模型报备方案。",
    ),
    "PANEL_FLIPS_SIGN": Entry(
        "error", "inconclusive",
        "The admissible model {model} says {delta} {unit}, a change in the other direction; the two models differ "
        "by more "
        "than chance explains.",
        "可接受的模型 {model} 给出 {delta} {unit}，方向相反；两模型之差超出随机范围。",
        "Agree before the retrofit on the drivers that matter, and file a plan with the model that has them.",
        "在改造前商定起作用的自变量，并以含有这些自变量的模型报备方案。",
    ),
    "PANEL_DIFFERS": Entry(
        "warning", None,
        "The admissible model {model} says {delta} {unit}; it differs from the primary model by more than chance "
        "explains, "
        "but not in its verdict.",
        "可接受的模型 {model} 给出 {delta} {unit}；与主模型之差超出随机范围，但结论相同。",
        "Agree before the retrofit on the drivers that matter.",
        "在改造前商定起作用的自变量。",
    ),
    "ALTERNATIVE_UNKNOWN": Entry(
        "warning", None,
        "The alternative driver {driver} lacks values, so that no other model with it was tried.",
        "备选自变量 {driver} 存在缺失值，未尝试含有它的其他模型。",
        "Recover its readings, or take it out of the plan's alternatives.",
        "补齐其读数，或从方案的备选自变量中删除。",
    ),
    "PRIMARY_REJECTED": Entry(
        "warning", None,
        "The data speak against the primary model: {model} has terms that matter and that it lacks.",
        "数据不支持主模型：{model} 含有主模型缺少的显著项。",
        "Add the missing driver to the model of the next plan.",
        "在下一份方案的模型中加入缺少的自变量。",
    ),
    "PLACEBO_EXCESS": Entry(
        "warning", None,
        "At {claims} of {dates} pretended {dates:date|dates} inside the model's own window (worth {independent} "
        "independent {independent:one|ones}) the method claims a change where there was none; on a steady line so many "
        "come by chance in {chance} % of cases.",
        "在模型拟合期内的 {dates} 个虚拟日期（相当于 {independent} 个独立日期）中，该方法有 {claims} 次误报变化；"
        "对平稳的生产线，偶然出现这么多次的概率为 {chance} %。",
        "Look for what changed within that window.",
        "查找该期间内的变化。",
    ),
    "CHANGE_POINT": Entry(
        "warning", None,
        "The level of the {window} window's distance from the model shifts with {first}, by {shift} {unit}.",
        "{window}与模型的偏差自 {first} 起发生水平变化，幅度 {shift} {unit}。",
        "Find the cause; an adjustment needs a cause, an owner and a signature.",
        "查明原因；调整须有原因、责任人和签名。",
    ),
    "MONTH_FLIPS": Entry(
        "error", "inconclusive",
        "Without {month} of the {window} window the change would be {delta} {unit}, on the other side of the limit.",
        "若不计{window}的 {month}，变化量为 {delta} {unit}，位于限值的另一侧。",
        "Take a longer period, so that no single month decides.",
        "延长期间，使任何单独月份都不能左右结论。",
    ),
    "INTERVAL_FLIPS": Entry(
        "error", "inconclusive",
        "Without {first} of the {window} window the change would be {delta} {unit}, on the other side of the limit.",
        "若不计{window}的 {first}，变化量为 {delta} {unit}，位于限值的另一侧。",
        "Find out what happened then; where it was no routine, file it as an event.",
        "查明当时的情况；若属非常规，作为事件报备。",
    ),
    "EXCLUSION_FLIPS": Entry(
        "error", "inconclusive",
        "With the intervals of the {window} window that were left out ({reason}) the change would be {delta} {unit}, "
        "on the other side of the limit.",
        "若计入{window}中被剔除的时段（{reason}），变化量为 {delta} {unit}，位于限值的另一侧。",
        "Show why they do not belong to the comparison, or file what happened as an adjustment with its owner.",
        "说明这些时段为何不应参与比较，或将其影响作为非常规调整报备并由责任人签名。",
    ),
    "EXCLUSIONS_FLIP": Entry(
        "error", "inconclusive",
        "With the intervals of all events, which were left out, the change would be {delta} {unit}, on the other side "
        "of the limit.",
        "若计入全部事件中被剔除的时段，变化量为 {delta} {unit}，位于限值的另一侧。",
        "Show why they do not belong to the comparison, or file what happened as an adjustment with its owner.",
        "说明这些时段为何不应参与比较，或将其影响作为非常规调整报备并由责任人签名。",
    ),
    "EXCLUSION_FLIPS_SIGN": Entry(
        "error", "inconclusive",
        "With the intervals of {where} that were left out ({reason}) the change would be {delta} {unit}, in the other "
        "direction.",
        "若计入{where}中被剔除的时段（{reason}），变化量为 {delta} {unit}，方向相反。",
        "Show why they do not belong to the comparison, or file what happened as an adjustment with its owner.",
        "说明这些时段为何不应参与比较，或将其影响作为非常规调整报备并由责任人签名。",
    ),
    "EXCLUSION_FLIPS_LEVEL": Entry(
        "error", "inconclusive",
        "With the intervals of the reporting period that were left out ({reason}) its level would be {level} {unit}, "
        "on the other side of the limit.",
        "若计入报告期中被剔除的时段（{reason}），改造后水平为 {level} {unit}，位于限值的另一侧。",
        "Show why they do not belong to the reporting period, or judge a period that needs no exclusion.",
        "说明这些时段为何不应计入报告期，或改用无需剔除时段的报告期。",
    ),
    "EXCLUDED_INTERVAL_MATTERS": Entry(
        "warning", None,
        "With {first} of the {window} window alone, one of the intervals that were left out ({reason}), the change "
        "would be {delta} {unit}, on the other side of the limit; with all of them it would not.",
        "若仅计入{window}中被剔除的时段（{reason}）之一 {first}，变化量为 {delta} {unit}，位于限值的另一侧；"
        "若全部计入则不会。",
        "Find out whether the event has the right first and last interval.",
        "核实该事件的起止时段是否正确。",
    ),
    "DRIFT": Entry(
        "warning", None,
        "Within its windows the line drifts, apart from the steps between them: from the middle of the baseline to "
        "that of the reporting period it comes to {shift} {unit}, and without it the change would be {delta} {unit}.",
        "除各期间之间的阶跃外，期间内有持续漂移：从基准期中点到报告期中点累计 {shift} {unit}；"
        "扣除漂移后变化量为 {delta} {unit}。",
        "Find what moves the line steadily, and name it as a driver; or compare windows that are each a year long.",
        "查明使产线持续变化的原因并将其列为自变量；或比较各满一年的期间。",
    ),
    "DRIFT_FLIPS": Entry(
        "error", "inconclusive",
        "Within its windows the line drifts, apart from the steps between them: from the middle of the baseline to "
        "that of the reporting period it comes to {shift} {unit}. Without it the change would be {delta} {unit}, which "
        "does not bear the verdict out.",
        "除各期间之间的阶跃外，期间内有持续漂移：从基准期中点到报告期中点累计 {shift} {unit}。"
        "扣除漂移后变化量为 {delta} {unit}，不支持该结论。",
        "Find what moves the line steadily, and name it as a driver; or compare windows that are each a year long.",
        "查明使产线持续变化的原因并将其列为自变量；或比较各满一年的期间。",
    ),
    "DRIFT_ONE_SIDED": Entry(
        "warning", None,
        "The line drifts within the {window} window, apart from the step between the windows: on the mean that comes "
        "to {shift} {unit}, and without it the change would be {delta} {unit}.",
        "除改造带来的阶跃外，{window}内有持续漂移：对两期均值之差的影响为 {shift} {unit}；扣除漂移后变化量为 "
        "{delta} {unit}。",
        "Find what moved the line in that window (wear, repair, run-in, another improvement), and name it as a driver "
        "or choose a window without it.",
        "查明该期间内使产线变化的原因（磨损、检修、磨合或其他改进），将其列为自变量，或选择不受其影响的期间。",
    ),
    "DRIFT_ONE_SIDED_FLIPS": Entry(
        "error", "inconclusive",
        "The line drifts within the {window} window, apart from the step between the windows: on the mean that comes "
        "to {shift} {unit}. Without it the change would be {delta} {unit}, which does not bear the verdict out.",
        "除改造带来的阶跃外，{window}内有持续漂移：对两期均值之差的影响为 {shift} {unit}。扣除漂移后变化量为 "
        "{delta} {unit}，不支持该结论。",
        "Find what moved the line in that window (wear, repair, run-in, another improvement), and name it as a driver "
        "or choose a window without it.",
        "查明该期间内使产线变化的原因（磨损、检修、磨合或其他改进），将其列为自变量，或选择不受其影响的期间。",
    ),
    "DRIFT_NOT_EXCLUDED": Entry(
        "info", None,
        "The verdict takes the line for steady apart from the retrofit. These windows cannot tell a drift of up to "
        "{bound} {unit} from the middle of the baseline to that of the reporting period from none, and it would turn "
        "the verdict.",
        "结论以产线除改造外保持稳定为前提。现有数据无法排除从基准期中点到报告期中点最大 {bound} {unit} 的漂移，"
        "而此漂移足以改变结论。",
        "Take longer windows, or windows a year apart, or a driver that carries what drifts (season, wear, feed).",
        "延长期间，或选择相隔一年的期间，或加入能反映漂移的自变量（季节、磨损、原料）。",
    ),
    "SEASON_NOT_COVERED": Entry(
        "info", None,
        "The baseline covers {days} {days:day|days} and not a year: what another season does to the line, or that the "
        "baseline was an unusual time, is not in the uncertainty.",
        "基准期为 {days} 天，不足一年：其他季节的影响，或基准期本身的异常，未计入不确定度。",
        "Take a baseline of a whole year, or windows a year apart, or a driver that carries the season.",
        "采用满一年的基准期，或相隔一年的期间，或加入能反映季节的自变量。",
    ),
    "SEASON_OPPOSED": Entry(
        "warning", None,
        "Baseline and reporting period are shorter than a year, and their middles lie {days} {days:day|days} apart in "
        "the year, nearly opposite seasons. No driver of the model carries the season: whatever it does to the line is "
        "counted as the retrofit's.",
        "基准期和报告期均不足一年，两期中点在一年中相隔 {days} 天，季节几乎相反。模型中没有反映季节的自变量："
        "季节对产线的影响会全部计入改造效果。",
        "Take a baseline of a whole year, or windows a year apart, or a driver that carries the season.",
        "采用满一年的基准期，或相隔一年的期间，或加入能反映季节的自变量。",
    ),
    "SEASON_SHIFTS": Entry(
        "warning", None,
        "In the season of the reporting period the baseline already differed from its other months: on the mean that "
        "comes to {shift} {unit}. Beside the same season of the baseline the change would be {delta} {unit}.",
        "基准期中与报告期同季节的时段本就不同于其他月份：对均值之差的影响为 {shift} {unit}。"
        "与基准期同季节相比，变化量为 {delta} {unit}。",
        "Report over a whole year, or compare the same season of two years, or name a driver that carries the season.",
        "报告期取满一年，或比较两个年份的同一季节，或加入能反映季节的自变量。",
    ),
    "SEASON_FLIPS": Entry(
        "error", "inconclusive",
        "In the season of the reporting period the baseline already differed from its other months: on the mean that "
        "comes to {shift} {unit}. Beside the same season of the baseline the change would be {delta} {unit}, which "
        "does not bear the verdict out.",
        "基准期中与报告期同季节的时段本就不同于其他月份：对均值之差的影响为 {shift} {unit}。"
        "与基准期同季节相比，变化量为 {delta} {unit}，不支持该结论。",
        "Report over a whole year, or compare the same season of two years, or name a driver that carries the season.",
        "报告期取满一年，或比较两个年份的同一季节，或加入能反映季节的自变量。",
    ),
    "BASELINE_CHOICE_MATTERS": Entry(
        "info", None,
        "The limit is met by less than the choice of the baseline can bring: of the {stretches} stretches of its "
        "length in three years the worst lies {bias} {unit} off by chance alone, and nothing here shows that this one "
        "was not chosen for it.",
        "达标的余量小于选取基准期所能带来的差异：三年中与其等长的 {stretches} 个时段，最差的一个仅因偶然就会偏离 "
        "{bias} {unit}，而没有材料表明基准期并非因此选定。",
        "File the plan before the baseline begins, take a longer baseline, or show the line's records of the years "
        "before.",
        "在基准期开始前报备方案，或延长基准期，或提供产线此前各年的记录。",
    ),
    "DRIVER_CARRIES": Entry(
        "info", None,
        "{step} {unit} of the plain difference is put down to {driver}, more than the uncertainty. If the retrofit "
        "itself moved {driver}, that belongs to the change.",
        "简单差值中有 {step} {unit} 归因于 {driver}，超过不确定度。若 {driver} 的变化由改造本身引起，则应计入变化量。",
        "Find out why {driver} moved; a driver that the retrofit acts on does not belong in the model.",
        "查明 {driver} 变化的原因；受改造影响的自变量不应放入模型。",
    ),
    "LOAD_CURVED": Entry(
        "warning", None,
        "The numerator does not follow the drivers along a straight line; with a bent one the change would be {delta} "
        "{unit}.",
        "分子与自变量之间不是直线关系；若用曲线，变化量为 {delta} {unit}。",
        "Plan with a driver or a model that has the bend, or compare periods of like load.",
        "在方案中采用能反映弯曲关系的自变量或模型，或比较负荷相近的期间。",
    ),
    "DRIVER_ERROR_MATTERS": Entry(
        "warning", None,
        "The mean of {driver} moved between the windows. If what the model leaves unexplained were random error in "
        "{driver}, its slope would be too flat and the change off by up to {bound} {unit}, more than the uncertainty.",
        "各期间的 {driver} 均值不同。若模型未解释的波动来自 {driver} 的随机误差，其斜率将偏小，变化量的偏差最大可达 "
        "{bound} {unit}，超过不确定度。",
        "Meter the driver better or over longer intervals, or compare periods of like load.",
        "提高该自变量的计量准确度或延长时段，或比较负荷相近的期间。",
    ),
    "MATCHED_LOAD_DIFFERS": Entry(
        "warning", None,
        "Among intervals of like load the change is {delta} {unit}, which the model's answer does not explain.",
        "在负荷相近的时段之间，变化量为 {delta} {unit}，模型结果无法解释。",
        "Check the form of the model: the load may act otherwise than along a line.",
        "检查模型形式：负荷的影响可能不是线性的。",
    ),
}  # fmt: skip
