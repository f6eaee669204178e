"""Whatever is planned and whatever is read ends in a result, and every figure of it is a number.

Of every seed all that is printed and drawn of it, in both languages. More seeds:
RETROPROOF_NONSENSE_SEEDS=5000 pytest tests/verification/test_nonsense.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.counts import count_from
from tests.verification.nonsense import nonsense
from verification.engine.power import powers
from verification.engine.result import Result
from verification.engine.verify import verify
from verification.findings import Language
from verification.plan import Plan
from verification.power_command import power_lines
from verification.report.explain import explain
from verification.report.plots import plot_files
from verification.report.text import finding_texts, render
from verification.series.columns import Series

SEEDS = count_from("RETROPROOF_NONSENSE_SEEDS", 120)
NO_NUMBER = re.compile(r"(?<![A-Za-z])(nan|inf|NaN|Infinity|None)(?![A-Za-z])")
PARTS, EVERY = 4, 4  # seeds whose texts are read: a result has most of its figures in its JSON


@pytest.mark.parametrize("part", range(PARTS))
def test_every_figure_of_nonsense_is_a_number(part: int):
    for seed in range(part, SEEDS, PARTS):
        plan, readings, what = nonsense(seed)
        result = verify(plan, "", readings)
        texts = [result.to_json().decode()]
        if seed // PARTS % EVERY == 0:
            texts += [*told(result), *planned(plan, readings)]
            assert shuffled(plan, readings, seed) == texts[0], f"seed {seed}: {what}"
        for text in texts:
            wrong = NO_NUMBER.search(text)
            assert wrong is None, f"seed {seed}: {what}: {text[max(wrong.start() - 80, 0) : wrong.end() + 40]}"


def told(result: Result) -> Iterator[str]:
    """All that is said and drawn of a result."""
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        yield render(result, language)
        yield explain(result, language)
        for name, content in plot_files(result, language):
            yield re.sub(r"<style>.*?</style>", "", content, flags=re.DOTALL) if name.endswith(".svg") else ""


def planned(plan: Plan, readings: dict[str, Series]) -> Iterator[str]:
    """What is said of what the plan can prove."""
    found, findings = powers(plan, readings, change=-100.0, power=0.8)
    for each in found:
        yield from power_lines(each, "en")
    yield from finding_texts(findings, "zh")


def shuffled(plan: Plan, readings: dict[str, Series], seed: int) -> str:
    """The result of the same readings in another order."""
    rng = np.random.default_rng(seed)
    mixed = {name: series.take(rng.permutation(len(series))) for name, series in readings.items()}
    return verify(plan, "", mixed).to_json().decode()
