"""Findings about a plain table of readings."""

from verification.finding_catalogue.entry import Entry

ENTRIES = {
    "TABLE_IN_GBK": Entry(
        "info", None,
        "The table is not UTF-8 text; it was read as GBK (GB 18030).",
        "表格不是 UTF-8 编码，已按 GBK（GB 18030）读取。",
        "If names in it look wrong, save it as 'CSV UTF-8'.",
        "如名称显示异常，请另存为“CSV UTF-8”。",
    ),
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
        "{count} {count:time carries|times carry} no UTC offset, first on line {line}: {example}. {count:It was|They "
        "were} not used.",
        "{count} 个时间没有 UTC 偏移，首个在第 {line} 行：{example}。这些读数未被使用。",
        'Write times as in 2026-03-01T00:00:00+08:00; in a spreadsheet: =TEXT(A2,"yyyy-mm-dd hh:mm:ss")&"+08:00".',
        "时间应写作 2026-03-01T00:00:00+08:00 的形式；在电子表格中可用公式 "
        '=TEXT(A2,"yyyy-mm-dd hh:mm:ss")&"+08:00"。',
    ),
    "UNREADABLE_TIMES": Entry(
        "warning", None,
        "{count} {count:time|times} cannot be read, first on line {line}: {example}. {count:It was|They were} not "
        "used.",
        "{count} 个时间无法识别，首个在第 {line} 行：{example}。这些读数未被使用。",
        "Write times as in 2026-03-01T00:00:00+08:00 (RFC 3339); in a spreadsheet: "
        '=TEXT(A2,"yyyy-mm-dd hh:mm:ss")&"+08:00".',
        "时间应写作 2026-03-01T00:00:00+08:00 的形式（RFC 3339）；在电子表格中可用公式 "
        '=TEXT(A2,"yyyy-mm-dd hh:mm:ss")&"+08:00"。',
    ),
    "NON_NUMERIC_CELLS": Entry(
        "warning", None,
        "{count} {count:value is not a number|values are not numbers}, first on line {line}: {example}. {count:It "
        "was|They were} not used.",
        "{count} 个值不是数字，首个在第 {line} 行：{example}。这些读数未被使用。",
        "Leave missing values empty; write numbers with a decimal point, without thousands separators and units.",
        "缺失值请留空；数字用小数点书写，不要带千位分隔符和单位。",
    ),
    "RAGGED_ROWS": Entry(
        "warning", None,
        "{count} {count:row has|rows have} another number of cells than the header, first on line {line}. {count:It "
        "was|They were} not used.",
        "{count} 行的单元格数与表头不一致，首个在第 {line} 行。这些行未被使用。",
        "Export the table again.",
        "请重新导出表格。",
    ),
    "KIND_DIFFERS": Entry(
        "error", "invalid_data",
        "The table says that {point} is a {found}; the plan says {planned}.",
        "表中测点 {point} 的类型为 {found}，方案中为 {planned}。",
        "Correct the table or the plan.",
        "更正表格或方案。",
    ),
    "UNIT_DIFFERS": Entry(
        "error", "invalid_data",
        "The table says that {point} is in {found}, which cannot be converted to the plan's {planned}.",
        "表中测点 {point} 的单位为 {found}，无法换算为方案中的 {planned}。",
        "Correct the table or the plan.",
        "更正表格或方案。",
    ),
    "UNIT_CONVERTED": Entry(
        "info", None,
        "The values of {point} were converted from {found} to {planned}.",
        "测点 {point} 的数值已由 {found} 换算为 {planned}。",
    ),
    "POINTS_IGNORED": Entry(
        "info", None,
        "{count} {count:point|points} of the table {count:is|are} not in the plan and {count:was|were} ignored: "
        "{names}.",
        "表中有 {count} 个测点不在方案中，已忽略：{names}。",
    ),
}  # fmt: skip
