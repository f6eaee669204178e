"""How often a test does what it does is chosen by its caller, but never as nothing."""

from __future__ import annotations

import pytest

from tests.support.counts import count_from

VARIABLE = "RETROPROOF_SEEDS_OF_THIS_TEST"


def test_a_count_is_the_default_or_what_the_caller_says(monkeypatch: pytest.MonkeyPatch):
    assert count_from(VARIABLE, 5) == 5
    monkeypatch.setenv(VARIABLE, "40")
    assert count_from(VARIABLE, 5) == 40


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_count_that_would_judge_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, count: str):
    monkeypatch.setenv(VARIABLE, count)
    with pytest.raises(ValueError, match=count):
        count_from(VARIABLE, 5)
