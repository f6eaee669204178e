"""What the platform knows beside the readings, and the form of a result: canonical, complete, the same everywhere."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import unicodedata
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.verification.lines import changed, codes, hengkang_plan, line, only
from tests.verification.test_engine import DIGEST, PLAN, SHORT, SHORT_READINGS, judge
from verification import strictjson
from verification.engine.result import parse_result
from verification.engine.verify import Context, verify
from verification.errors import FormatError
from verification.findings import Finding
from verification.plan import Claim, Target
from verification.plan.shape import StaticFactor
from verification.report.explain import explain
from verification.report.text import render
from verification.series.columns import Series

# What only the platform knows.


def test_a_plan_logged_after_the_first_reporting_reading_is_marked():
    first = dt.datetime(2026, 7, 9, tzinfo=PLAN.zone)
    in_time = judge(plan_logged_at=first, baseline_logged_at=first)
    late = judge(plan_logged_at=first, baseline_logged_at=first + dt.timedelta(microseconds=1))
    assert not codes(in_time) & {"LOGGED_LATE", "PLAN_NOT_LOGGED"}
    assert [f.data["item"] for f in late.all_findings if f.code == "LOGGED_LATE"] == ["baseline"]


def test_what_no_meter_shows_is_said_to_be_taken_for_granted():
    alloy = StaticFactor("alloy", "AA1070"), StaticFactor("pots", "320", "in service")
    declared = verify(changed(SHORT, static_factors=[*alloy]), DIGEST, SHORT_READINGS)
    for result, code, words in (
        (declared, "STATIC_FACTORS_ASSUMED", "alloy: AA1070; pots: 320"),
        (verify(SHORT, DIGEST, SHORT_READINGS), "NO_STATIC_FACTORS", "products"),
    ):
        [finding] = [one for one in result.findings if "STATIC_FACTORS" in one.code]
        assert finding.code == code
        assert words in finding.text()
        assert finding.text() in render(result)
        assert finding.text("zh") in render(result, "zh")
        assert finding.text() in explain(result)


def test_a_thin_margin_is_said_to_hang_on_the_choice_of_the_baseline_unless_the_plan_came_first():
    effect = only(judge()).effect
    bound = float(effect.delta) + float(effect.expanded_uncertainty)
    close, far = (
        hengkang_plan(target=Target(at_most=limit, unit="kWh/t"))
        for limit in (round(bound, 1) + 0.1, round(bound) + 90)
    )
    begin = dt.datetime(2026, 3, 1, tzinfo=PLAN.zone)
    assert (close.baseline.start.year, close.baseline.start.month, close.baseline.start.day) == (2026, 3, 1)
    assert "BASELINE_CHOICE_MATTERS" in codes(judge(close))
    assert "BASELINE_CHOICE_MATTERS" in codes(judge(close, plan_logged_at=begin + dt.timedelta(microseconds=1)))
    assert "BASELINE_CHOICE_MATTERS" not in codes(judge(close, plan_logged_at=begin))
    assert "BASELINE_CHOICE_MATTERS" not in codes(judge(far))


def locked(latest_days: int, extra_s: int = 0) -> set[str]:
    """Codes about the lock, for one logged long after the fact, with readings collected up to so many days in."""
    first = dt.datetime(2026, 7, 9, tzinfo=PLAN.zone)
    latest = first + dt.timedelta(days=latest_days, seconds=extra_s)
    long_after = first + dt.timedelta(days=200)
    found = judge(plan_logged_at=long_after, baseline_logged_at=long_after, latest_collected_at=latest).findings
    return {f.code for f in found} & {"LOGGED_LATE", "COLLECTED_BEFORE_LOCK", "DATED_BEFORE_LOCK"}


def test_readings_collected_before_the_lock_are_told_by_the_order_of_collection_not_by_clocks():
    assert locked(120) == {"COLLECTED_BEFORE_LOCK"}
    assert locked(0, 61) == {"COLLECTED_BEFORE_LOCK"}
    assert locked(0, 60) == {"DATED_BEFORE_LOCK"}  # the baseline's closing reading, within a minute of the edge
    assert locked(-10) == {"DATED_BEFORE_LOCK"}


def test_times_about_the_lock_are_told_to_the_second_unless_that_makes_them_the_same():
    first = dt.datetime(2026, 7, 9, tzinfo=PLAN.zone)
    later = first + dt.timedelta(days=1, microseconds=123_456)
    shown = {"logged_at": "2026-07-10T00:00:00+08:00", "first_reading_at": "2026-07-09T00:00:00+08:00"}
    for latest, code in ((None, "LOGGED_LATE"), (first, "DATED_BEFORE_LOCK")):
        found = judge(plan_logged_at=later, baseline_logged_at=later, latest_collected_at=latest).findings
        [of_plan, _] = [finding for finding in found if finding.code == code]
        assert of_plan.data == {"item": "plan", **shown}
        for language in ("en", "zh"):
            assert ".123456" not in of_plan.text(language)
            assert shown["logged_at"] in of_plan.text(language)
    [close] = [
        finding
        for finding in judge(plan_logged_at=first + dt.timedelta(microseconds=1), baseline_logged_at=first).findings
        if finding.code == "LOGGED_LATE"
    ]
    assert close.data["logged_at"] == "2026-07-09T00:00:00.000001+08:00"


def test_readings_that_are_merely_dated_before_the_lock_leave_no_warning():
    assert Finding.of("DATED_BEFORE_LOCK", item="plan", logged_at="x", first_reading_at="y").severity == "info"
    assert Finding.of("COLLECTED_BEFORE_LOCK", collected_until="x", first_reading_at="y").severity == "warning"


def test_naive_times_in_the_context_are_refused():
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        msgspec.convert({"plan_logged_at": "2026-07-09T00:00:00"}, Context)


def test_trust_and_run_are_part_of_the_result():
    result = judge(run_number=3, run_count=3, trust_grades={"ac_energy": "manual", "metal_tapped": "signed"})
    assert {"RUN_REPEATED", "TRUST_GRADE_LOW"} <= codes(result)
    assert result.context.run_number == 3


def test_findings_of_the_loader_count():
    bad = Finding.of("NAIVE_TIMES", count=3, line=2, example="2026-03-01T00:00:00")
    result = judge(input_findings=[bad])
    assert result.verdict.state == "invalid_data"
    assert result.verdict.reasons == [bad]


# The form of the result.


def test_a_result_is_integers_and_decimal_strings_and_reads_back():
    result = judge(run_number=1, run_count=1)
    data = result.to_json()

    def refuse(text: str):
        raise AssertionError(text)

    json.loads(data, parse_float=refuse, parse_constant=refuse)
    assert parse_result(data) == result
    assert parse_result(data).to_json() == data


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text)))
@example('"rows":[]')
@example("\U0001f600")
def test_the_bytes_are_those_of_the_canonical_form(project: str):
    result = verify(SHORT, DIGEST, SHORT_READINGS)
    result = msgspec.structs.replace(result, project=project, measures=[*result.measures, *result.measures])
    assert result.to_json() == strictjson.encode(msgspec.to_builtins(result, enc_hook=list))


def test_a_result_whose_texts_are_not_normalised_is_refused():
    with pytest.raises(FormatError):
        msgspec.structs.replace(judge(), project="e\u0301").to_json()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"schema":1}', b"\xff", judge().to_json()[:-1]])
def test_what_is_no_result_is_refused(data: bytes):
    with pytest.raises(FormatError):
        parse_result(data)


def test_the_totals_are_those_of_the_intervals():
    measure = only(judge())
    for label, totals in (("baseline", measure.baseline), ("reporting", measure.reporting)):
        rows = [row for row in measure.rows if row.window == label]
        assert sum(Decimal(row.numerator) for row in rows) == Decimal(totals.numerator)
        assert sum(Decimal(row.denominator) for row in rows) == Decimal(totals.denominator)
    reporting = [row for row in measure.rows if row.window == "reporting"]
    change = sum(float(row.numerator) - float(row.predicted) for row in reporting)
    assert change == pytest.approx(float(measure.effect.numerator_change), abs=1)


def test_a_claim_may_be_in_another_unit():
    result = judge(hengkang_plan(claim=Claim(-0.26, "MWh/t")))
    assert only(result).claim.value == "-260.0000"


def test_the_bytes_are_the_same_on_every_machine():
    """Pinned on Python 3.11 and 3.13 and two versions of numpy: a new digest means a new figure, and must be meant."""
    days = np.arange(62)
    tons = np.round(656 + 40 * np.sin(days * 1.7), 1)
    readings = line(SHORT, noise_sd=0.0, output_t=tons)
    wobble = np.round(np.append(0, np.cumsum(np.repeat(20_000 * np.sin(days * 2.3) / 24, 24))))
    energy = readings["ac_energy"]
    readings["ac_energy"] = Series(energy.time_us, (energy.value + wobble) % 1e9, energy.status, energy.flags)
    result = msgspec.structs.replace(verify(SHORT, DIGEST, readings), plan_digest="", engine_version="")
    assert result.verdict.state == "met"
    assert hashlib.sha256(result.to_json()).hexdigest() == (
        "6255684857dbdbed1f83ce4333cff29bce7f45c9e17d6d84ebe3a866c80d7162"
    )
