"""Interim and rolling reports: a part of the reporting period is judged as that part, and says so."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.verification.lines import PLAN_BYTES, PLAN_FILE, hengkang_plan, line, only
from tests.verification.test_verify_command import as_csv
from verification.cli import verify as verify_command
from verification.engine.interim import rolling, until
from verification.engine.result import Result, parse_result
from verification.engine.verify import verify
from verification.errors import ConfigError
from verification.plan import Window, parse_plan, plan_digest

PLAN = hengkang_plan()
READINGS = line(PLAN)
DAY = dt.timedelta(days=1)
SIXTY = PLAN.reporting.start + 60 * DAY


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "readings.csv"
    path.write_text(as_csv(READINGS), encoding="utf-8")
    return path


def run(table: Path, *arguments: object):
    command = [str(PLAN_FILE), "--readings", str(table), *map(str, arguments)]
    return CliRunner().invoke(verify_command, command)


def interim(table: Path, out: Path, *arguments: object) -> tuple[str, Result]:
    done = run(table, "--until", SIXTY, "--json", out, *arguments)
    assert done.exit_code == 0, done.output
    return done.output, parse_result(out.read_bytes())


def test_an_interim_result_is_that_of_the_days_until_then_and_says_so(table: Path, tmp_path: Path):
    output, result = interim(table, tmp_path / "result.json")
    text = PLAN_BYTES.decode().replace(f"end: {PLAN.reporting.end}", f"end: {SIXTY}")
    ended = verify(parse_plan(text.encode()), plan_digest(PLAN_BYTES), READINGS)
    assert only(result).effect == only(ended).effect
    assert only(result).reporting.used == 60
    assert "INTERIM" in {finding.code for finding in result.findings}
    assert f"up to {SIXTY} (excluded) of a reporting period that ends on {PLAN.reporting.end}" in output
    assert "中期结果" in interim(table, tmp_path / "zh.json", "--lang", "zh")[0]


def test_a_whole_report_is_not_interim(table: Path):
    assert "INTERIM" not in run(table).output


@pytest.mark.parametrize("end", [PLAN.reporting.start, PLAN.reporting.end + DAY, PLAN.baseline.start])
def test_a_date_outside_the_reporting_period_is_refused(table: Path, end: dt.date):
    done = run(table, "--until", end)
    assert done.exit_code == 64
    assert "is not in the reporting period" in done.output


def test_an_interim_end_inside_an_interval_is_refused():
    weekly = hengkang_plan(
        interval="week",
        baseline=Window(PLAN.baseline.start, PLAN.baseline.start + 119 * DAY),
        reporting=Window(PLAN.reporting.start, PLAN.reporting.start + 119 * DAY),
    )
    assert until(weekly, PLAN.reporting.start + 14 * DAY).reporting.end == PLAN.reporting.start + 14 * DAY
    with pytest.raises(ConfigError, match="15 days are not whole weeks"):
        until(weekly, PLAN.reporting.start + 15 * DAY)


def test_rolling_parts_are_whole_and_end_with_the_reporting_period():
    parts = [part.reporting for part in rolling(PLAN, 50)]
    assert parts == [Window(PLAN.reporting.end - 100 * DAY, PLAN.reporting.end - 50 * DAY),
                     Window(PLAN.reporting.end - 50 * DAY, PLAN.reporting.end)]  # fmt: skip
    assert rolling(PLAN, 121) == []
    monthly = hengkang_plan(interval="month", reporting=Window(dt.date(2026, 11, 1), dt.date(2027, 3, 1)))
    starts = [part.reporting.start for part in rolling(monthly, 2)]
    assert starts == [dt.date(2026, 11, 1), dt.date(2027, 1, 1)]
    assert rolling(monthly, 10**9) == []


def test_the_rolling_table_has_the_change_of_each_part(table: Path):
    done = run(table, "--rolling", 40)
    rows = done.output[done.output.index("part by part") :].splitlines()[1:]
    assert len(rows) == 3
    for row, part in zip(rows, rolling(PLAN, 40), strict=True):
        effect = only(verify(part, plan_digest(PLAN_BYTES), READINGS)).effect
        window = f"{part.reporting.start}  {part.reporting.end}"
        assert row.startswith(f"  {window}  {effect.reported_delta} ± {effect.reported_uncertainty}  ")
    assert "报告期分段结果" in run(table, "--rolling", 40, "--lang", "zh").output
    assert run(table, "--rolling", 121).exit_code == 64
