"""Every finding reads in both languages and carries the numbers that its text names."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verification.finding_catalogue import CATALOGUE, EARLIER, Entry, Language
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
    text = "{n} {n:value is|values are} here: {n:{interval}}"
    assert fill(text, {"n": 1, "interval": "day|days"}) == "1 value is here: day"
    assert fill(text, {"n": 2, "interval": "day|days"}) == "2 values are here: days"
    assert fill(text, {"n": 2, "interval": ">200000000"}) == "2 values are here: >200000000"
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
        Finding.of("RESIDUALS_ZERO", fitted="in_baseline").text("de")


def test_a_code_of_a_newer_version_still_shows():
    assert Finding("FROM_THE_FUTURE", "info").text("zh") == "FROM_THE_FUTURE"
    assert Finding("FROM_THE_FUTURE", "info").blocks is None


def test_a_finding_that_lost_its_numbers_still_shows():
    assert Finding("RAGGED_ROWS", "warning").text("en").startswith("? rows have another number of cells")


HOSTILE = ["", "?", "fortnight", ">200000000", ">99999999999999", "0200000000d", "{count}", "{", "!r:x}", "a|b", "|", 0]


def assert_no_longer_than_its_data(finding: Finding) -> None:
    """No value is ever a width, a precision or a type: a forged package must not ask for gigabytes of text."""
    texts = [text for entry in (CATALOGUE[finding.code], EARLIER.get(finding.code)) if entry for text in entry[2:]]
    longest = max((len(str(each)) for each in finding.data.values()), default=1) + 40  # as a word of the language
    limit = max(len(text) + len([*names_of(text)]) * longest for text in texts)
    for language in get_args(Language):
        assert len(finding.text(language)) <= limit
        assert len(finding.resolve(language)) <= limit


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_reads_with_no_data_and_with_hostile_data(code: str):
    assert_no_longer_than_its_data(Finding(code, "error"))
    for value in HOSTILE:
        finding = Finding(code, "error", dict.fromkeys(fields_of(CATALOGUE[code]), value))
        assert finding.text("en")
        assert finding.text("zh")
        assert_no_longer_than_its_data(finding)


@settings(deadline=None)
@given(data=st.data())
def test_whatever_a_stranger_writes_into_a_finding_stands_in_its_text_as_it_is(data: st.DataObject):
    code = data.draw(st.sampled_from(sorted(CATALOGUE)))
    value = st.one_of(st.sampled_from(HOSTILE), st.integers(-(2**53), 2**53), st.text(max_size=20))
    name = st.sampled_from([*sorted(fields_of(CATALOGUE[code])), "other"])
    assert_no_longer_than_its_data(Finding(code, "error", data.draw(st.dictionaries(name, value))))


@pytest.mark.parametrize("code", [code for code in CATALOGUE if "interval" in fields_of(CATALOGUE[code])])
def test_an_interval_that_is_none_is_a_word_like_any_other(code: str):
    data: dict[str, int | str] = dict.fromkeys(fields_of(CATALOGUE[code]), 7)
    for interval in ("fortnight", ">200000000", "{count}"):
        assert f"7 {interval}" in Finding(code, "error", data | {"interval": interval}).text("en")
    if code not in EARLIER:  # whose findings read as they did without one
        del data["interval"]
        assert "7 ?" in Finding(code, "error", data).text("en")


BILL = {"bill": "grid", "point": "ac_energy"}
OUTSIDE = {"driver": "load", "limit": 10}
AS_RELEASED: list[tuple[str, dict[str, int | str], str, str]] = [
    (
        "EXTRAPOLATION_FEW", {"count": 1, **OUTSIDE},
        "In 1 interval of the reporting period, at most a tenth of them, load lies outside the baseline's range",
        "报告期内有 1 个时段（不超过十分之一）的 load 超出基准期取值范围",
    ),
    (
        "EXTRAPOLATION", {"count": 9, **OUTSIDE},
        "In 9 intervals of the reporting period load lies outside the baseline's range",
        "报告期内有 9 个时段的 load 超出基准期取值范围",
    ),
    (
        "EXTRAPOLATION_MEAN", {"mean": "7.0", "low": "1.0", "high": "5.0", **OUTSIDE},
        "The mean of load in the reporting period (7.0) lies outside the baseline's range (1.0 to 5.0)",
        "load 在报告期的均值（7.0）超出基准期取值范围（1.0 至 5.0）",
    ),
    (
        "BILL_DISAGREES",
        {"billed": "1", "metered": "2", "unit": "kWh", "percent": "50.0", "limit": "2", **BILL},
        "The bill grid says 1 kWh, ac_energy 2 kWh: 50.0 % apart (at most 2 %).",
        "账单 grid 为 1 kWh，测点 ac_energy 为 2 kWh：相差 50.0 %（应不超过 2 %）。",
    ),
    (
        "BILL_NOT_COMPARABLE", {**BILL},
        "The bill grid cannot be compared with ac_energy: its period is not one of whole, metered intervals.",
        "账单 grid 无法与测点 ac_energy 比较：其期间不是完整且有读数的时段。",
    ),
    (
        "NOISE_GREW", {"times": "2.00"},
        "The window that the model is projected on scatters 2.00 times as much about a model of its own as the",
        "模型推算所用期间围绕自身模型的波动是拟合期间的 2.00 倍",
    ),
    (
        "R_SQUARED_LOW", {"r_squared": "0.123", "limit": "0.5"},
        "The model explains 0.123 of the variation (R2; at least 0.5 is usual).",
        "模型的 R² 为 0.123（通常不低于 0.5）。",
    ),
    (
        "RESIDUALS_ZERO", {},
        "The readings follow the model exactly: such readings are computed", "读数与模型完全一致：此类读数疑为计算所得",
    ),
    (
        "TOO_FEW_EFFECTIVE", {"n": 90, "effective": "2.0", "rho": "0.9", "required": 6},
        "The 90 intervals that the model is fitted to are worth 2.0 independent", "模型拟合期的 90 个时段仅相当于 2.0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("code", "data", "en", "zh"), AS_RELEASED)
def test_a_finding_with_the_data_of_an_earlier_engine_reads_as_it_did(
    code: str, data: dict[str, int | str], en: str, zh: str
):
    finding = Finding(code, CATALOGUE[code].severity, data)
    assert finding.text("en").startswith(en)
    assert finding.text("zh").startswith(zh)
    for language in get_args(Language):
        assert not {"?", "？"} & set(finding.text(language) + finding.resolve(language))
        assert finding.resolve(language)


@pytest.mark.parametrize("code", EARLIER)
def test_a_text_of_an_earlier_engine_says_the_same_in_both_languages_and_less_than_the_present_one(code: str):
    earlier = EARLIER[code]
    assert names(earlier.text_en) == names(earlier.text_zh)
    assert names(earlier.resolve_en) == names(earlier.resolve_zh)
    assert fields_of(earlier) < fields_of(CATALOGUE[code])


def test_findings_of_one_kind_stand_together_and_keep_their_order():
    def at(point: str) -> Finding:
        return Finding.of("WINDOW_OUTSIDE_DATA", point=point, window="baseline", start="a", end="b")

    lone = Finding.of("RESIDUALS_ZERO", fitted="in_baseline")
    assert alike_together([at("a"), lone, at("b")]) == [[at("a"), at("b")], [lone]]
