"""Runs every known answer and says how it went.

Owns the order of the groups and the table. A group is a function that yields `Check`s, made by the engine's own code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from verification.findings import Language
from verification.selftest import nist, published, worked
from verification.selftest.check import Check

GROUPS = (
    nist.linear,
    nist.univariate,
    nist.variance,
    published.gum,
    worked.budgets,
    worked.samples,
    worked.prediction,
    published.regressions,
    published.nile,
)

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "quantity": "quantity",
        "expected": "expected",
        "got": "got",
        "digits": "digits",
        "refused": "refused",
        "miss": "  MISS",
        "all": "All {count} known answers are right on this machine.",
        "some": "{missed} of {count} known answers are WRONG on this machine: do not trust its figures.",
    },
    "zh": {
        "quantity": "量",
        "expected": "标准值",
        "got": "计算值",
        "digits": "有效位数",
        "refused": "拒绝计算",
        "miss": "  不符",
        "all": "本机 {count} 个已知答案全部正确。",
        "some": "本机 {count} 个已知答案中有 {missed} 个不正确：其计算结果不可信。",
    },
}


def all_checks() -> Iterator[Check]:
    """Every known answer, group by group."""
    for group in GROUPS:
        yield from group()


def table(checks: Sequence[Check], language: Language = "en") -> Iterator[str]:
    """The checks as lines of text, by source, and whether all are right."""
    words = _WORDS[language]
    for source, rows in groupby(checks, key=lambda check: check.source):
        yield source
        yield _line(words["quantity"], words["expected"], words["got"], words["digits"])
        yield from (_row(row, words) for row in rows)
        yield ""
    missed = sum(not check.passed for check in checks)
    yield words["some" if missed else "all"].format(count=len(checks), missed=missed)


def _row(check: Check, words: dict[str, str]) -> str:
    miss = "" if check.passed else words["miss"]
    if check.got is None:
        return f"  {check.quantity:<24} {words['refused']}: {check.refusal}{miss}"
    return _line(check.quantity, check.expected, f"{check.got:.15g}", f"{check.digits:.1f}") + miss


def _line(quantity: str, expected: str, got: str, digits: str) -> str:
    return f"  {quantity:<24} {expected:>24} {got:>24} {digits:>7}"
