"""`retroproof verify`: the verdict is the exit status, the report reads in both languages, and nothing ends in a
traceback.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.verification.lines import PLAN_BYTES, PLAN_FILE, hengkang_plan, line, only
from verification.engine.result import parse_result
from verification.plan import plan_digest
from verification.series.columns import Series

HEADER = "point,time,value\n"


def retroproof(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "retroproof", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def as_csv(readings: dict[str, Series]) -> str:
    """The readings in local time, as the simulator writes them."""
    rows = [HEADER]
    for point, series in readings.items():
        moments = np.datetime_as_string((series.time_us + 8 * 3_600_000_000).astype("datetime64[us]"), unit="s")
        rows += [
            f"{point},{moment}+08:00,{value!r}\n" for moment, value in zip(moments, series.value.tolist(), strict=True)
        ]
    return "".join(rows)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("table") / "readings.csv"
    path.write_text(as_csv(line(hengkang_plan())), encoding="utf-8")
    return path


def plan_with(tmp_path: Path, old: str, new: str) -> Path:
    text = PLAN_BYTES.decode()
    assert old in text
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_a_met_target_exits_0_and_writes_the_result(table: Path, tmp_path: Path):
    out = tmp_path / "result.json"
    done = retroproof("verify", PLAN_FILE, "--readings", table, "--json", out)
    assert done.returncode == 0, done.stderr
    result = parse_result(out.read_bytes())
    assert result.plan_digest == plan_digest(PLAN_BYTES)
    assert result.verdict.state == "met"
    assert f"{only(result).effect.reported_delta} ± {only(result).effect.reported_uncertainty} kWh/t" in done.stdout
    assert "Verdict: MET" in done.stdout
    assert "verified change" in done.stdout


def test_the_report_reads_in_chinese(table: Path):
    done = retroproof("verify", PLAN_FILE, "--readings", table, "--lang", "zh")
    assert "结论：达标" in done.stdout
    assert "核定变化量" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("at_most: -200", "at_most: -400", 1),
        ("class_percent: 0.2", "class_percent: 2\n    changes: [{date: 2026-07-01, kind: replaced}]", 2),
        ("start: 2026-07-09, end: 2026-11-06", "start: 2027-07-09, end: 2027-11-06", 3),
        ("confidence: 0.95", "confidnce: 0.95", 64),
        ("end: 2026-06-29", "end: 2026-02-28", 64),
    ],
)
def test_each_outcome_has_its_exit_status(table: Path, tmp_path: Path, old: str, new: str, code: int):
    done = retroproof("verify", plan_with(tmp_path, old, new), "--readings", table)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_mixed_time_zones_are_invalid_data(table: Path, tmp_path: Path):
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[5] = lines[5].replace("+08:00", "+09:00")
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("".join(lines), encoding="utf-8")
    done = retroproof("verify", PLAN_FILE, "--readings", mixed)
    assert done.returncode == 3
    assert "MIXED_TIME_ZONES" in done.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "TABLE_EMPTY"),
        ("point,time,value\n电量,2026-03-01T00:00:00+08:00,1\n".encode("utf-16"), "UTF-16"),
        (b"point,value\n", "'time' among them"),
    ],
)
def test_a_file_that_is_no_table_is_invalid_data(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "readings.csv"
    path.write_bytes(content)
    done = retroproof("verify", PLAN_FILE, "--readings", path)
    assert done.returncode == 3
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", PLAN_FILE],
        ["verify", PLAN_FILE, "--readings", "/nowhere.csv"],
        ["verify", "/nowhere.yaml", "--readings", PLAN_FILE],
        ["verify", "/", "--readings", PLAN_FILE],
        ["verify", PLAN_FILE, "--readings", PLAN_FILE, "--lang", "de"],
    ],
)
def test_wrong_usage_exits_64(arguments: list[object]):
    done = retroproof(*arguments)
    assert done.returncode == 64
    assert "Traceback" not in done.stderr


def test_a_result_that_cannot_be_written_exits_64(table: Path):
    done = retroproof("verify", PLAN_FILE, "--readings", table, "--json", "/nowhere/result.json")
    assert done.returncode == 64
    assert "cannot be written" in done.stderr


def test_importing_the_command_line_needs_no_numpy():
    code = "import sys, verification.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_explain_prints_the_numbered_steps(table: Path):
    done = retroproof("verify", PLAN_FILE, "--readings", table, "--explain")
    assert done.returncode == 0, done.stderr
    assert [f"{step}. " in done.stdout for step in range(1, 9)] == [True] * 8
    assert "8. Verdict" in done.stdout


def test_plots_are_files_with_a_page_of_their_own(table: Path, tmp_path: Path):
    folder = tmp_path / "made" / "plots"
    done = retroproof("verify", PLAN_FILE, "--readings", table, "--plots", folder, "--lang", "zh")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in folder.iterdir()}
    assert {"index.html", "energy-series.svg", "energy-bridge-narrow.svg"} <= names
    assert "改造前后对比" in (folder / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("option", "place", "told"),
    [
        ("--plots", "file", "cannot be made"),
        ("--plots", "file/plots", "cannot be made"),
        ("--json", "elsewhere/result.json", "there is no folder"),
        ("--json", ".", "it is a folder; name a file"),
    ],
)
def test_a_place_that_cannot_be_written_exits_64_before_the_table_is_read(
    tmp_path: Path, option: str, place: str, told: str
):
    (tmp_path / "file").touch()
    done = retroproof("verify", PLAN_FILE, "--readings", tmp_path / "no-table.csv", option, tmp_path / place)
    assert (done.returncode, done.stdout) == (64, "")
    assert told in done.stderr
    assert "no-table.csv" not in done.stderr


# How far long work has come.


@pytest.fixture(scope="module")
def long_table(table: Path, tmp_path_factory) -> Path:
    """The readings of the table, and 17 MB of a point that the plan does not know."""
    row = f"elsewhere,2026-01-05T00:00:00+08:00,{1:.40f}\n"
    path = tmp_path_factory.mktemp("long") / "long.csv"
    path.write_text(table.read_text(encoding="utf-8") + row * ((17 << 20) // len(row)), encoding="utf-8")
    return path


def test_long_work_is_a_bar_on_a_terminal_that_ends_at_its_end(long_table: Path):
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "retroproof", "verify", PLAN_FILE, "--readings", long_table]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, text=True) as running:
        os.close(terminal)
        shown = written_to(controller)
        assert running.stdout is not None
        assert "kWh/t" in running.stdout.read()
    steps = [int(percent) for percent in re.findall(r"\] +(\d+)%", shown)]
    assert "long.csv, " in shown
    assert len(set(steps)) > 4
    assert steps == sorted(steps)
    assert steps[-1] == 100


def written_to(controller: int) -> str:
    """Everything that a program writes to its terminal until it leaves it."""
    pieces = []
    with contextlib.suppress(OSError):  # Linux says so where nobody holds the other end any more
        while piece := os.read(controller, 4096):
            pieces.append(piece)
    os.close(controller)
    return b"".join(pieces).decode()


def test_elsewhere_it_is_two_lines_and_of_a_small_table_none(table: Path, long_table: Path):
    assert retroproof("verify", PLAN_FILE, "--readings", table).stderr == ""
    about = f"{long_table}: {long_table.stat().st_size >> 20} MB"
    assert retroproof("verify", PLAN_FILE, "--readings", long_table).stderr.splitlines() == [
        f"{about}, reading / 正在读取 ...",
        f"{about}, computing / 正在计算 ...",
    ]
