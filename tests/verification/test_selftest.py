"""The known answers: the engine has all of them, and a wrong one would be noticed."""

from __future__ import annotations

import dataclasses
import math

import pytest
from click.testing import CliRunner

from verification.selftest import run
from verification.selftest.check import Check
from verification.selftest.command import selftest
from verification.selftest.nist import pi_digits

NIST_LINEAR = {
    "Norris", "Pontius", "NoInt1", "NoInt2", "Filip", "Longley",
    "Wampler1", "Wampler2", "Wampler3", "Wampler4", "Wampler5",
}  # fmt: skip
NIST_UNIVARIATE = {
    "PiDigits", "Lottery", "Lew", "Mavro", "Michelso", "NumAcc1", "NumAcc2", "NumAcc3", "NumAcc4",
}  # fmt: skip
NIST_VARIANCE = {"SiRstv", "AtmWtAg", *(f"SmLs0{number}" for number in range(1, 10))}


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    return list(run.all_checks())


def test_every_known_answer_is_right(checks: list[Check]):
    assert [check for check in checks if not check.passed] == []


def test_every_published_set_is_there_and_every_certified_value_has_nine_digits(checks: list[Check]):
    named = {check.source.rpartition(": ")[2] for check in checks if "NIST" in check.source}
    assert named == NIST_LINEAR | NIST_UNIVARIATE | NIST_VARIANCE
    certified = [check for check in checks if "NIST" in check.source and check.got is not None]
    assert all(check.digits >= 9 for check in certified)
    assert sum("H.3" in check.source for check in checks) == 8


def test_only_filip_may_be_refused(checks: list[Check]):
    refused = {check.source.rpartition(": ")[2] for check in checks if check.got is None}
    assert refused <= {"Filip"}
    assert {check.source.rpartition(": ")[2] for check in checks if check.may_be_refused} <= {"Filip"}


def test_a_value_that_is_off_in_its_tenth_digit_passes_and_in_its_eighth_does_not():
    exact = Check("s", "q", "1.23456789012345", 1.23456789012345)
    assert exact.digits == 15
    assert dataclasses.replace(exact, got=1.23456789012345 * (1 + 1e-10)).passed
    assert not dataclasses.replace(exact, got=1.23456789012345 * (1 + 1e-8)).passed


def test_a_rounded_value_needs_every_digit_that_its_source_prints():
    printed = Check("s", "q", "-0.1712", -0.17124, rounded=True)
    assert (printed.passed, printed.digits) == (True, 4.0)
    assert not dataclasses.replace(printed, got=-0.17126).passed


def test_zero_is_compared_absolutely():
    assert Check("s", "q", "0.000000000000000", 1e-10).passed
    assert not Check("s", "q", "0.000000000000000", 1e-8).passed


@pytest.mark.parametrize("got", [None, math.nan, math.inf])
def test_no_number_is_a_miss(got: float | None):
    assert not Check("s", "q", "1.5", got).passed
    assert not Check("s", "q", "1.5", got, refusal="why").passed


def test_a_refusal_passes_only_where_it_is_as_right_as_the_digits():
    assert Check("s", "q", "1.5", None, refusal="why", may_be_refused=True).passed
    assert not Check("s", "q", "1.5", None, may_be_refused=True).passed


def test_the_command_prints_expected_got_and_digits_and_exits_0():
    done = CliRunner().invoke(selftest, [])
    assert done.exit_code == 0
    line = next(line for line in done.stdout.splitlines() if "-0.262323073774029" in line)
    assert float(line.split()[-1]) >= 9
    assert "known answers are right" in done.stdout


def test_the_command_reads_in_chinese():
    done = CliRunner().invoke(selftest, ["--lang", "zh"])
    assert "已知答案全部正确" in done.stdout


def test_one_miss_is_marked_and_exits_1(monkeypatch: pytest.MonkeyPatch):
    wrong = Check("a source", "q", "1.50000000000000", 1.6)
    monkeypatch.setattr(run, "GROUPS", (lambda: iter([wrong]),))
    done = CliRunner().invoke(selftest, [])
    assert done.exit_code == 1
    assert "MISS" in done.stdout
    assert "1 of 1 known answers are WRONG" in done.stdout


def test_the_digits_of_pi():
    assert pi_digits(30) == "314159265358979323846264338327"
    assert len(pi_digits(5000)) == 5000
