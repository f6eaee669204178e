"""Every finding reads in both languages and carries the numbers that its text names."""

from __future__ import annotations

import re

import pytest

from verification.finding_catalogue import CATALOGUE, Entry
from verification.findings import Finding, alike_together, fields_of
from verification.texts import fill, names_of

COUNTS = ("count", "n", "p", "days", "dates", "hours", "runs", "used", "expected")
# Texts whose number stands beside no word that has two forms: `(2×)`, `18 of 40 dates`.
COUNTED_ASIDE = {"COUNTER_ROLLOVER", "COUNTER_REPLACED", "BACKFILLED_SHARE", "MANUAL_SHARE", "MANUAL_CROSS_CHECK"}
PLURALS = (
    "days intervals readings times values rows points gaps hours runs dates batches parameters shifts weeks "
    "months are were have lie carry share miss stand they those ones"
).replace(" ", "|")


def names(text: str) -> set[str]:
    return set(names_of(text))


def counting(code: str, number: int, interval: str) -> str:
    """The finding `code` with `number` of everything that it counts."""
    data: dict[str, int | str] = dict.fromkeys(fields_of(CATALOGUE[code]), "x")
    data |= {name: number for name in COUNTS if name in data} | {"interval": interval}
    return Finding.of(code, **data).text("en")


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


@pytest.mark.parametrize("code", [code for code in CATALOGUE if fields_of(CATALOGUE[code]) & set(COUNTS)])
@pytest.mark.parametrize("interval", ["15min", "hour", "shift", "day", "week", "month"])
def test_what_is_counted_stands_in_the_singular_where_it_is_one(code: str, interval: str):
    one, two = counting(code, 1, interval), counting(code, 2, interval)
    assert not re.search(rf"\b1 ([a-z-]+ )?({PLURALS})\b", one), one
    assert "|" not in one + two
    if code not in COUNTED_ASIDE:
        assert re.sub(r"\b1\b", "2", one) != two, "the text has one form for one and for two"


def test_a_number_chooses_between_words_and_keeps_its_own_form():
    text = "{n} {n:value is|values are} in {n:>3}: {n:{interval}}"
    assert fill(text, {"n": 1, "interval": "day|days"}) == "1 value is in   1: day"
    assert fill(text, {"n": 2, "interval": "day|days"}) == "2 values are in   2: days"
    assert fill(text, {"n": "1.0", "interval": "day|days"}).startswith("1.0 values are")
    assert set(names_of(text)) == {"n", "interval"}
    with pytest.raises(KeyError):
        fill(text, {"n": 1})


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
