"""What a careless or a hostile person gives the commands ends in a finding or in a plain error that says where and what
to do next: never in a traceback, never in a figure without a word.

In process, through the command's own `main`. Damage of readings by chance is in `test_damage.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from retroproof import main
from tests.verification.lines import PLAN_BYTES, PLAN_FILE, hengkang_plan, line
from tests.verification.test_verify_command import as_csv

EXIT_INVALID, EXIT_USAGE = 3, 64
PLAN = PLAN_BYTES.decode()
TARGET = "target: {at_most: -200, unit: kWh/t}"
NORMALISED = "    method: normalised\n    standard: {drivers: {metal_tapped: %s}}\n"
FACTOR = "    factors: {money: {value: %s, unit: CNY/kWh, version: x}}\n"


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("table") / "readings.csv"
    path.write_text(as_csv(line(hengkang_plan())), encoding="utf-8")
    return path


@pytest.fixture
def told(capsys):
    """Run the command line: its exit status, and everything that it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        assert "nan" not in printed.out.lower()
        return ended.value.code, printed.out + printed.err

    return run


def plan_of(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def changed(old: str, new: str) -> str:
    assert old in PLAN
    return PLAN.replace(old, new, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "plan.yaml:1: there is nothing here"),
        (b"- 1\n", "plan.yaml:1: Expected keys with values, got a list"),
        (changed("  en:", "\ten:"), "plan.yaml:6: not valid YAML: found character"),
        (PLAN.encode("gbk"), "plan.yaml:7: is not UTF-8 text; save it as UTF-8"),
        (PLAN.encode("gbk"), "iconv -f GB18030 -t UTF-8"),
        (PLAN + "confidence: 0.9\n", "appears twice"),
        (PLAN + "static_factors: &x [*x]\n", "nested too deeply"),
        (changed("confidence: 0.95", "confidence: 0"), ":30: confidence: 0.0 is not between 0.5 and 0.9999"),
        (changed("confidence: 0.95", "confidence: 0.9999999999999999"), "is not between 0.5 and 0.9999"),
        (changed("confidence: 0.95", "confidence: .nan"), "is not between 0.5 and 0.9999"),
        (changed("class_percent: 0.2", "class_percent: 010"), ":15: not valid YAML: 010 is not a plain decimal number"),
        (changed("class_percent: 0.2", "class_percent: 0x1"), "0x1 is not a plain decimal number; write it as one"),
        (changed("class_percent: 0.2", "class_percent: 1_0"), "1_0 is not a plain decimal number"),
        (changed("class_percent: 0.2", "class_percent: 1:30"), "1:30 is not a plain decimal number"),
        (changed("class_percent: 0.2", "class_percent: 1:30.5"), "or in quotes where it is text"),
        (changed("interval: day", "interval: Day"), ":27: 'Day' is not one of 15min, day, hour"),
        (changed("kind: counter", "kind: counters"), "did you mean 'counter'?"),
        (changed("start: 2026-03-01", "start: 2026/03/01"), ":28: is not a date; write it as 2026-03-01"),
        (changed("start: 2026-03-01", "start: 0001-01-01"), ":28: baseline.start: 0001-01-01 is not between 1970"),
        (changed("end: 2026-11-06", "end: 9999-12-31"), ":29: reporting.end: 9999-12-31 is not between 1970"),
        (PLAN + "events: [{id: a, start: 0001-01-01, end: 0002-01-01, cause: {en: x, zh: y}}]\n", "events.0.start"),
        (PLAN.replace("ac_energy", "电量"), ":9: must be a letter A to Z"),
        (changed("project: hengkang-potline", "project: Potline 1"), ":4: must be lower-case letters"),
        (changed("timezone: Asia/Shanghai", f"timezone: {'x' * 9000}"), "is not in the time zone database"),
        (changed("at_most: -200", "at_most: -1.0e+300"), "Expected a number >= -1e+18"),
        (PLAN + FACTOR % ".nan", "Expected a number > 0.0 (at measures.energy.factors.money.value)"),
        (PLAN + FACTOR % "-0.4", "Expected a number > 0.0"),
        (PLAN + FACTOR % "1.0e+300", "Expected a number <= 1e+18"),
        (PLAN + NORMALISED % "1.0e+308", "Expected a number <= 1e+18"),
        (PLAN + NORMALISED % "1.0e-300", "is the denominator, which must be at least 1e-06"),
        (changed("{kind: counter, unit: t,", "{kind: counter, unit: t, column: ac_energy,"), "another point is called"),
    ],
)
def test_a_plan_of_nonsense_is_refused_with_its_line(told, tmp_path: Path, content: str | bytes, message: str):
    code, printed = told("plan", "check", plan_of(tmp_path, content))
    assert code == EXIT_USAGE, printed
    assert message in printed


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("at_most: -200", "at_most: 200", "LIMIT_ALLOWS_WORSE"),
        (TARGET, 'target: {of: relative, at_most: 1, unit: "%"}', "LIMIT_ALLOWS_WORSE"),
        ("at_most: -200", "at_least: -200", "LIMIT_ON_OTHER_SIDE"),
        (TARGET, "target: {of: level, at_least: 13000, unit: kWh/t}", "LIMIT_ON_OTHER_SIDE"),
        ("value: -260", "value: 260", "CLAIM_OF_WORSE"),
        ("at_most: -200", "at_most: 0", ""),
        (TARGET, "target: {of: level, at_most: 13000, unit: kWh/t}", ""),
    ],
)
def test_a_sign_that_may_not_be_meant_is_named_before_and_after(
    told, table: Path, tmp_path: Path, old: str, new: str, finding: str
):
    path = plan_of(tmp_path, changed(old, new))
    for arguments in (("plan", "check", path), ("verify", path, "--readings", table)):
        _, printed = told(*arguments)
        for code in ("LIMIT_ALLOWS_WORSE", "LIMIT_ON_OTHER_SIDE", "CLAIM_OF_WORSE"):
            assert (code in printed) == (code == finding), printed


@pytest.mark.parametrize(
    ("metric", "named"),
    [("energy_per_10k_yuan", True), ("labour_productivity_value", True), ("energy_per_ton", False)],
)
def test_a_figure_that_prices_move_says_so(told, tmp_path: Path, metric: str, *, named: bool):
    """15 % more for the same goods are 13 % less energy per 10,000 yuan."""
    path = tmp_path / "plan.yaml"
    told("plan", "init", metric, "--out", path)
    for language in ("en", "zh"):
        _, printed = told("plan", "check", path, "--lang", language)
        assert ("PRICES_COUNT" in printed) == named, printed


def test_readings_in_another_unit_than_the_plan_s_are_not_told_to_save_more(told, table: Path, tmp_path: Path):
    """A thousandth of the energy: the limit then asks for more than all of it."""
    lines = [line.split(",") for line in table.read_text().splitlines()]
    scaled = [
        ",".join([point, time, f"{float(value) / 1000:.6f}", *rest])
        if point == "ac_energy"
        else ",".join([point, time, value, *rest])
        for point, time, value, *rest in lines
    ]
    (tmp_path / "mwh.csv").write_text("\n".join(scaled) + "\n")
    _, printed = told("verify", plan_of(tmp_path, PLAN), "--readings", tmp_path / "mwh.csv")
    assert "LIMIT_BEYOND_LEVEL" in printed, printed


def test_a_claim_is_overstated_on_the_side_that_is_better(told, table: Path, tmp_path: Path):
    inverted = (
        PLAN.replace("metric: energy_per_ton", "metric: {numerator: output, denominator: energy, better: higher}")
        .replace("unit: kWh/t", "unit: t/kWh")
        .replace("boundary: liquid_ac", "boundary: {en: line, zh: 产线}")
        .replace("{kind: ols, drivers: [metal_tapped]}", "{kind: ratio}")
        .replace("at_most: -200", "at_least: 0.0000001")
    )
    for value, finding in (("0.000005", "CLAIM_OVERSTATED"), ("0.0000001", "CLAIM_UNDERSTATED")):
        path = plan_of(tmp_path, inverted.replace("value: -260", f"value: {value}"))
        _, printed = told("verify", path, "--readings", table)
        assert finding in printed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda text: "Report 2026,,,\n" + text,
            "the first line must name the columns, 'time' among them; it is: Report",
        ),
        (lambda text: "sep=,\n" + text, "the first line must name the columns"),
        (lambda text: text.replace("time", "TIME"), "'time' among them; it is: point, TIME, value"),
        (lambda text: text.replace(",", ";"), "columns are separated by semicolons or tabs; use commas"),
        (lambda text: text.encode("utf-16"), "it is UTF-16 text; save it as 'CSV UTF-8'"),
        (lambda text: text.encode("utf-16-le"), "it is UTF-16 text or no text at all; save it as 'CSV UTF-8'"),
        (lambda text: text.encode("utf-16-be"), "it is UTF-16 text or no text at all"),
        (lambda text: text.replace("point,time,value", "point,time,time"), "appears twice in the header"),
        (lambda text: text.replace("point,time,value", "point,time,values"), "column 'value' is missing"),
        (lambda _: "", "it is empty; a header and readings are needed"),
    ],
)
def test_a_table_that_is_none_is_refused_with_what_to_do(told, table: Path, tmp_path: Path, damage, message: str):
    damaged, path = damage(table.read_text(encoding="utf-8")[:40_000]), tmp_path / "damaged.csv"
    path.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    code, printed = told("verify", PLAN_FILE, "--readings", path)
    assert code == EXIT_INVALID
    assert message in printed


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda cells: [cells[0], "46023.5", cells[2]], "UNREADABLE_TIMES"),  # a spreadsheet's serial date
        (lambda cells: [cells[0], "1767196800", cells[2]], "UNREADABLE_TIMES"),
        (lambda cells: [cells[0], "01/03/2026 00:00", cells[2]], "UNREADABLE_TIMES"),
        (lambda cells: [cells[0], cells[1][:19], cells[2]], "NAIVE_TIMES"),
        (lambda cells: [cells[0], cells[1], f'"{cells[2]},5"'], "NON_NUMERIC_CELLS"),  # a decimal comma
        (lambda cells: [cells[0], cells[1], f"{cells[2]} kWh"], "NON_NUMERIC_CELLS"),
        (lambda cells: [cells[0], cells[1], "9" * 400], "NON_NUMERIC_CELLS"),
        (lambda cells: [cells[0], cells[1], "1e308"], "IMPOSSIBLE_VALUES"),
        (lambda cells: [cells[0], cells[1], "#REF!"], "NON_NUMERIC_CELLS"),
        (lambda cells: [cells[0], cells[1], "0x10"], "NON_NUMERIC_CELLS"),
    ],
)
def test_cells_of_nonsense_are_named_and_give_no_figure(told, table: Path, tmp_path: Path, damage, finding: str):
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "damaged.csv"
    path.write_text("\n".join([head, *(",".join(damage(row.split(","))) for row in rows)]), encoding="utf-8")
    code, printed = told("verify", PLAN_FILE, "--readings", path)
    assert code == EXIT_INVALID, printed
    assert finding in printed


@pytest.mark.parametrize("nonsense", ["nan", "inf", "1e308", "-1e308", "a lot"])
def test_no_change_of_nonsense_is_planned_for(told, table: Path, nonsense: str):
    for option in ("--change", "--power"):
        code, _ = told("plan", "power", PLAN_FILE, "--readings", table, option, nonsense)
        assert code == EXIT_USAGE


def test_the_power_is_not_told_from_a_table_in_two_time_zones_without_a_word(told, table: Path, tmp_path: Path):
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("".join(lines[:3]) + lines[3].replace("+08:00", "+05:30") + "".join(lines[4:]), encoding="utf-8")
    code, printed = told("plan", "power", PLAN_FILE, "--readings", mixed)
    assert code == EXIT_INVALID
    assert "MIXED_TIME_ZONES" in printed


def test_the_power_is_told_against_no_change_where_the_limit_is_on_another_figure(told, table: Path, tmp_path: Path):
    relative = plan_of(tmp_path, changed(TARGET, 'target: {of: relative, at_most: -1, unit: "%"}'))
    _, printed = told("plan", "power", relative, "--readings", table)
    assert "its limit is on the relative change; what follows is about changes in kWh/t against none" in printed
    assert "a change of -260 kWh/t against none needs" in printed
    _, printed = told("plan", "power", PLAN_FILE, "--readings", table)
    assert "a change of -260 kWh/t against the limit of -200 kWh/t needs" in printed
    _, printed = told("plan", "power", PLAN_FILE, "--readings", table, "--lang", "zh")
    assert "方差构成：模型" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--start", "9999-12-31"], "--start: 9999-12-31 leaves no room"),
        (["--start", "0001-01-01"], "is not between 1970"),
        (["--project", "Potline 1"], "must be lower-case letters"),
    ],
)
def test_no_plan_begins_with_nonsense(told, arguments: list[str], message: str):
    code, printed = told("plan", "init", "energy_per_ton", *arguments)
    assert code == EXIT_USAGE
    assert message in printed


def test_links_that_lead_in_a_circle_are_no_package(told, tmp_path: Path):
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    code, printed = told("check", circle)
    assert code == EXIT_USAGE
    assert "cannot be read" in printed


TOO_LONG = f"{'x' * 300}.csv"  # a name that no file system takes


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", PLAN_FILE, "--readings", TOO_LONG),
        ("verify", TOO_LONG, "--readings", TOO_LONG),
        ("plan", "check", PLAN_FILE, "--readings", TOO_LONG),
        ("plan", "power", PLAN_FILE, "--readings", TOO_LONG),
        ("plan", "init", "energy_per_ton", "--out", TOO_LONG),
        ("check", TOO_LONG),
    ],
)
def test_a_name_that_cannot_even_be_looked_at_is_told_as_what_it_is(told, arguments: tuple[object, ...]):
    code, printed = told(*arguments)
    assert code == EXIT_USAGE
    done = "written" if "--out" in arguments else "read"
    assert printed.endswith(f"Error: {TOO_LONG}: cannot be {done}: File name too long\n")
