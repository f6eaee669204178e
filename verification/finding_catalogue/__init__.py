"""The catalogue of findings: code -> severity, the verdict it forces, and its texts in English and Chinese.

A code is never renamed or reused once released: packages on file carry it. Texts say what was seen; `resolve` says
what a person could do. `WORDS` translates the few data values that are words rather than numbers or names. A finding
that no engine makes any more stays here, under `retired`, for the packages that hold it.
"""

from __future__ import annotations

from verification.finding_catalogue import model, plan_lock, quality, readings, retired, table, verdict
from verification.finding_catalogue.entry import Entry, Language, Outcome, Severity

__all__ = ["CATALOGUE", "WORDS", "Entry", "Language", "Outcome", "Severity"]

WORD_FIELDS = frozenset({"window", "grade", "item", "interval"})  # the data whose values are words
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "transport": "authenticated transport only",
        "manual": "manual upload",
        "15min": "quarter hours",
        "hour": "hours",
        "shift": "shifts",
        "day": "days",
        "week": "weeks",
        "month": "months",
    },
    "zh": {
        "baseline": "基准期",
        "reporting": "报告期",
        "signed": "边缘端签名",
        "transport": "仅传输层认证",
        "manual": "人工上传",
        "plan": "方案",
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
    **verdict.ENTRIES,
    **retired.ENTRIES,
}
