"""The catalogue of findings: code -> severity, the verdict it forces, and its texts in English and Chinese.

A code is never renamed or reused once released: packages on file carry it; where its data grew, `EARLIER` has the
texts for findings that lack the new ones. Texts say what was seen; `resolve` says what a person could do. An English
text has both numbers of what it counts, `{count:value is|values are}` (`texts.py`).
`WORDS` translates the few data values that are words rather than numbers or names. A finding that no engine makes any
more stays here, under `retired`, for the packages that hold it.
"""

from __future__ import annotations

from verification.finding_catalogue import (
    change,
    model,
    plan_lock,
    quality,
    readings,
    retired,
    robustness,
    table,
    verdict,
)
from verification.finding_catalogue.entry import Entry, Language, Outcome, Severity
from verification.finding_catalogue.retired import EARLIER

__all__ = ["CATALOGUE", "EARLIER", "WORDS", "Entry", "Language", "Outcome", "Severity"]

WORD_FIELDS = frozenset(
    {"window", "where", "fitted", "grade", "item", "interval", "figure", "side", "better"}
)  # the data whose values are words
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "in_baseline": "the baseline",
        "in_intermediate": "the intermediate window",
        "in_reporting": "the reporting period",
        "in_standard": "the standard conditions",
        "in_all": "all windows",
        "transport": "authenticated transport only",
        "manual": "manual upload",
        "relative": "relative change",
        "level": "level after the retrofit",
        "at_most": "at most",
        "at_least": "at least",
        "15min": "quarter hour|quarter hours",
        "hour": "hour|hours",
        "shift": "shift|shifts",
        "day": "day|days",
        "week": "week|weeks",
        "month": "month|months",
    },
    "zh": {
        "baseline": "基准期",
        "intermediate": "中间期",
        "reporting": "报告期",
        "in_baseline": "基准期",
        "in_intermediate": "中间期",
        "in_reporting": "报告期",
        "in_standard": "标准条件",
        "in_all": "各期间",
        "signed": "边缘端签名",
        "transport": "仅传输层认证",
        "manual": "人工上传",
        "plan": "方案",
        "change": "变化量",
        "relative": "相对变化量",
        "level": "改造后水平",
        "at_most": "不高于",
        "at_least": "不低于",
        "percentage points": "个百分点",
        "lower": "越低越好",
        "higher": "越高越好",
        "15min": "个 15 分钟时段",
        "hour": "小时",
        "shift": "个班次",
        "day": "天",
        "week": "周",
        "month": "个月",
    },
}

CATALOGUE: dict[str, Entry] = {
    **plan_lock.ENTRIES,
    **table.ENTRIES,
    **readings.ENTRIES,
    **quality.ENTRIES,
    **model.ENTRIES,
    **change.ENTRIES,
    **robustness.ENTRIES,
    **verdict.ENTRIES,
    **retired.ENTRIES,
}
