"""Every finding reads in both languages and carries the numbers that its text names."""

from __future__ import annotations

import string

import pytest

from verification.finding_catalogue import CATALOGUE, Entry
from verification.findings import Finding, alike_together, fields_of


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", CATALOGUE)
def test_both_languages_say_the_same_numbers(code: str):
    entry = CATALOGUE[code]
    assert names(entry.text_en) == names(entry.text_zh)
    assert names(entry.resolve_en) == names(entry.resolve_zh)
    assert bool(entry.resolve_en) == bool(entry.resolve_zh)


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_renders_with_the_data_that_it_demands(code: str):
    finding = Finding.of(code, **dict.fromkeys(fields_of(CATALOGUE[code]), 7))
    for language in ("en", "zh"):
        assert "{" not in finding.text(language)
        assert finding.text(language)
    assert code == code.upper()


@pytest.mark.parametrize("code", CATALOGUE)
def test_what_forces_a_verdict_is_an_error_and_says_what_would_resolve_it(code: str):
    entry: Entry = CATALOGUE[code]
    assert (entry.severity == "error") == (entry.blocks is not None)
    assert entry.severity == "info" or entry.resolve_en


def test_a_finding_without_its_numbers_is_refused():
    with pytest.raises(KeyError, match="count"):
        Finding.of("RAGGED_ROWS", line=3)


def test_words_among_the_data_are_translated():
    finding = Finding.of("WINDOW_OUTSIDE_DATA", point="ac_energy", window="baseline", start="a", end="b")
    assert "baseline" in finding.text("en")
    assert "基准期" in finding.text("zh")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="'de'"):
        Finding.of("RESIDUALS_ZERO").text("de")


def test_a_code_of_a_newer_version_still_shows():
    assert Finding("FROM_THE_FUTURE", "info").text("zh") == "FROM_THE_FUTURE"
    assert Finding("FROM_THE_FUTURE", "info").blocks is None


def test_a_finding_that_lost_its_numbers_still_shows():
    assert Finding("RAGGED_ROWS", "warning").text("en").startswith("? rows have another number of cells")


def test_findings_of_one_kind_stand_together_and_keep_their_order():
    def at(point: str) -> Finding:
        return Finding.of("WINDOW_OUTSIDE_DATA", point=point, window="baseline", start="a", end="b")

    lone = Finding.of("RESIDUALS_ZERO")
    assert alike_together([at("a"), lone, at("b")]) == [[at("a"), at("b")], [lone]]
