"""`retroproof simulate` as a user types it: ready line, clean stop, kill and restart, table, truth, refusals."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulators.cli import simulate
from simulators.ledger import Ledger
from simulators.plants.potline import Potline, PotlineParameters
from simulators.scenarios import scenarios
from simulators.timeline import Timeline, micros
from tests.simulators.plants import rows_in, wait_for

PERIODS = ("--baseline-days", "3", "--works-days", "1", "--reporting-days", "2")
POINTS = Potline.points
OPCUA_POINTS = [name for name, point in POINTS.items() if point.protocol == "opcua"]
ROWS_A_POINT = 6 * 96 + 1


def command(*arguments: str):
    return CliRunner().invoke(simulate, arguments)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A plant in a process of its own, and its ready line; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "retroproof", "simulate", "run", "hengkang", "--opcua-port", "0", *PERIODS, *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def potline_of(ready: dict[str, object]) -> Potline:
    first_day = datetime.fromisoformat(str(ready["baseline_start"])).date()
    return Potline(PotlineParameters(), 1, Timeline(first_day, 3, 1, 2))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_plant_says_when_it_is_ready_and_stops_cleanly(tmp_path, number):
    path = tmp_path / "ledger.csv"
    with running("--until", "baseline", "--ledger", str(path)) as (process, ready):
        assert ready["ready"] is True
        assert ready["live"] is False
        assert ready["produced"] == len(rows_in(path)) == len(OPCUA_POINTS) * (3 * 96 + 1)
        end_us = micros(datetime.fromisoformat(str(ready["baseline_end"])))
        assert max(time_us for _, time_us, _ in rows_in(path)) == end_us
        process.send_signal(number)
        assert process.wait(20) == 0


def test_ledger_goes_on_after_a_kill_and_every_row_is_the_plants(tmp_path):
    path = tmp_path / "ledger.csv"
    for _ in range(2):
        with running("--until", "now", "--rate-hz", "20", "--ledger", str(path)) as (process, ready):
            assert ready["live"] is True
            produced = int(str(ready["produced"]))
            wait_for(lambda produced=produced: len(rows_in(path)) >= produced + 40, "live values")
            process.kill()
            process.wait(20)
    potline = potline_of(ready)
    with Ledger(path, json.loads((tmp_path / "ledger.csv.plant.json").read_text(encoding="utf-8"))):
        rows = rows_in(path)  # opened once more, so that a line torn by the kill is cut off
    assert len({(point, time_us) for point, time_us, _ in rows}) == len(rows)
    assert all(value == potline.value_us(point, time_us) for point, time_us, value in rows)
    for point in OPCUA_POINTS:
        times = [time_us for name, time_us, _ in rows if name == point]
        assert times == sorted(times)
        assert times[:ROWS_A_POINT] == list(range(times[0], times[0] + ROWS_A_POINT * 900_000_000, 900_000_000))


def test_ledger_of_an_earlier_day_keeps_its_first_day(tmp_path):
    path = tmp_path / "ledger.csv"
    long_ago = ("--first-day", "2026-01-05")
    with running(*long_ago, "--until", "baseline", "--ledger", str(path)) as (_, ready):
        assert ready["baseline_start"] == "2026-01-05T00:00:00+08:00"
    with running("--until", "reporting", "--ledger", str(path)) as (_, ready):
        assert ready["baseline_start"] == "2026-01-05T00:00:00+08:00"
        assert ready["produced"] == len(OPCUA_POINTS) * ROWS_A_POINT


def test_default_timeline_ended_yesterday():
    truth = json.loads(command("truth-of", "hengkang").stdout)
    today = datetime.now(UTC).astimezone(Timeline(date(2026, 1, 1)).tz).date()
    assert datetime.fromisoformat(truth["reporting_end"]).date() == today
    assert (truth["baseline_days"], truth["works_days"], truth["reporting_days"]) == (120, 10, 120)


@pytest.mark.parametrize(
    ("arguments", "effect"),
    [(("hengkang",), -260.0), (("hengkang", "--set", "effect_kwh_per_t=-100"), -100.0), (("hengkang-unchanged",), 0.0)],
)
def test_truth_is_told_as_json(arguments, effect):
    truth = json.loads(command("truth-of", *arguments).stdout)
    assert truth["true_effects"]["energy"]["value"] == pytest.approx(effect, abs=1e-9)


def test_table_holds_every_reading_of_the_three_periods(tmp_path):
    out = tmp_path / "readings.csv"
    done = command("table", "hengkang", "--first-day", "2026-01-05", *PERIODS, "--seed", "7", "--out", str(out))
    assert done.exit_code == 0
    potline = Potline(PotlineParameters(), 7, Timeline(date(2026, 1, 5), 3, 1, 2))
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(POINTS) * ROWS_A_POINT
    assert {row["time"][-6:] for row in rows} == {"+08:00"}
    assert all(
        float(row["value"]) == potline.value(row["point"], datetime.fromisoformat(row["time"])) for row in rows[::50]
    )


def test_list_names_every_scenario_with_the_verdict_that_it_deserves():
    listed = {line.split()[1]: line for line in command("list").stdout.splitlines()}
    assert list(listed) == list(scenarios()) == command("names").stdout.split()
    for name, scenario in scenarios().items():
        assert listed[name].startswith(scenario.group)
        assert " or ".join(scenario.verdicts) in listed[name]


@pytest.mark.parametrize("name", scenarios())
def test_a_plant_shows_its_relations_points_parameters_and_truth(name):
    shown = command("show", name, "--first-day", "2026-01-05", *PERIODS)
    assert shown.exit_code == 0, shown.output
    assert all(
        word in shown.output
        for word in ("Relations", "Points", "effect_share", "True effects", "source:", "drivers:", "noise:")
    )


def refusal(tmp_path: Path, *arguments: str) -> str:
    done = command("run", *arguments, "--ledger", str(tmp_path / "ledger.csv"))
    assert done.exit_code != 0
    assert isinstance(done.exception, SystemExit), "a refusal, not a crash"
    return done.stderr


def test_refusals_say_what_to_do_next(tmp_path):
    tomorrow = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
    assert "hengkang-unchanged" in refusal(tmp_path, "hengkong", "--until", "now")
    assert "--first-day" in refusal(tmp_path, "hengkang", "--until", "baseline", "--first-day", tomorrow)
    assert "mqtt://user" in refusal(tmp_path, "hengkang", "--until", "baseline", "--mqtt", "nowhere")
    assert "there are: " in refusal(tmp_path, "hengkang", "--until", "now", "--set", "colour=1")
    assert "NAME=NUMBER" in refusal(tmp_path, "hengkang", "--until", "now", "--set", "effect_share=much")
    assert "NAME=true" in refusal(tmp_path, "hengkang", "--until", "now", "--set", "idle_before=1")
    assert "0.01 to 100" in refusal(tmp_path, "hengkang", "--until", "now", "--rate-hz", "1000")


def test_a_plant_that_stands_still_at_its_ledger_produces_nothing_more(tmp_path):
    path = tmp_path / "ledger.csv"
    with running("--until", "now", "--rate-hz", "20", "--ledger", str(path)) as (process, _):
        before = len(rows_in(path))
        wait_for(lambda: len(rows_in(path)) > before + 20, "live readings")
        process.terminate()
        assert process.wait(30) == 0
    produced = len(rows_in(path))
    with running("--until", "ledger", "--ledger", str(path)) as (process, ready):
        assert (ready["produced"], ready["live"]) == (produced, False)
        process.terminate()
        assert process.wait(30) == 0
    assert len(rows_in(path)) == produced


def test_a_plant_with_faults_stands_still_at_its_ledger_too(tmp_path):
    options = ("--fault", "stuck:so2:0:1", "--ledger", str(tmp_path / "ledger.csv"))
    produced = []
    for until in ("baseline", "ledger"):
        with running("--until", until, *options) as (process, ready):
            produced.append((ready["produced"], ready["live"]))
            process.terminate()
            assert process.wait(30) == 0
    assert produced == [(len(OPCUA_POINTS) * (3 * 96 + 1), False)] * 2


def test_an_empty_ledger_has_no_instant_to_stand_still_at(tmp_path):
    done = command("run", "hengkang", "--until", "ledger", "--ledger", str(tmp_path / "new.csv"))
    assert done.exit_code != 0
    assert "run with --until now first" in done.output


def test_the_plan_has_the_plants_own_dates(tmp_path):
    out = tmp_path / "plan.yaml"
    done = command("plan", "hengkang", "--first-day", "2026-03-01", "--out", str(out))
    assert done.exit_code == 0, done.output
    text = out.read_text(encoding="utf-8")
    assert "baseline: {start: 2026-03-01, end: 2026-06-29}" in text
    assert "reporting: {start: 2026-07-09, end: 2026-11-06}" in text
    assert command("plan", "hengkang", "--first-day", "2026-03-01").output == text


def test_scenario_of_ones_own_is_a_file_in_a_folder_called_like_its_group(tmp_path):
    said = "{plant: gypsum, plan: yongtai, days: [3, 1, 2], title: {en: own, zh: 自}, verdicts: [met]}"
    for folder, group in (("frauds", "frauds"), ("mine", "plants")):
        path = tmp_path / folder / "my-own.yaml"
        path.parent.mkdir()
        path.write_text(said, encoding="utf-8")
        truth = json.loads(command("truth-of", str(path)).stdout)
        assert (truth["scenario"], truth["group"], truth["baseline_days"]) == ("my-own", group, 3)
    refused = command("truth-of", str(tmp_path / "missing.yaml"))
    assert refused.exit_code == 1
    assert "missing.yaml" in refused.output


def test_a_file_of_ones_own_is_shown_whatever_its_name_and_its_plan_asks_for_a_project(tmp_path):
    own = tmp_path / "My_line.yaml"
    own.write_text("{plant: gypsum, plan: yongtai, title: {en: own, zh: 自}, verdicts: [met]}", encoding="utf-8")
    shown = command("show", str(own))
    assert (shown.exit_code, shown.output) == (0, command("show", "yongtai").output)
    assert "write --project in small letters, digits and hyphens" in command("plan", str(own)).stderr
    assert command("plan", str(own), "--project", "my-line").exit_code == 0


@pytest.mark.parametrize("renaming", ["no_such_point=x", "metal_tapped", "metal_tapped=so2", "staff_on_shift=x"])
def test_renaming_must_name_an_opcua_point_and_a_tag_of_no_other_point(tmp_path, renaming):
    arguments = ("--until", "baseline", *PERIODS, "--first-day", "2026-01-05", "--ledger", str(tmp_path / "ledger.csv"))
    done = command("run", "hengkang", *arguments, "--rename", renaming)
    assert done.exit_code == 1
    assert f"--rename {renaming}: write POINT=TAG" in done.output


PLANT = ("hengkang", "--first-day", "2026-01-05", *PERIODS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--fault", "stuck:so2:1:2:3:4"), "write KIND:POINT:SIZE:FIRST_DAY:DAYS"),
        (("--fault", "drift:so2:nan"), "choose one from -0.5 to 0.5"),
        (("--fault", "dropouts:so2:2"), "choose one from 0 to 0.5"),
        (("--fault", "rollover:metal_tapped:0"), "choose one from 1 to 1e+15"),
        (("--fault", "clock_step:so2:1e300"), "choose one from -1e+09 to 1e+09"),
        (("--fault", "stuck:smoke"), "no point 'smoke'; there are: "),
        (("--fault", "stuck:so2:0:-1"), "its first day counts from 0"),
        (("--fault", "stuck:so2:0:1:0"), "lasts a day or more"),
        (("--set", "load_sd=nan"), "write NAME=NUMBER"),
        (("--set", "pots=2.5"), "a whole one for a count"),
        (("--set", "so2_after_mg_m3=30"), "NAME=A,B for several; usual is (25.0, 30.0)"),
        (("--set", "current_ka=-1"), "would count backwards"),
        (("--set", "absence_share=2"), "cannot work with these parameters"),
        (("--first-day", "0001-01-01"), "one of the years 1971 to 2100"),
        (("--first-day", "9998-01-01"), "one of the years 1971 to 2100"),
    ],
)
def test_nonsense_is_refused_in_one_line_that_says_what_to_write(tmp_path, arguments, says):
    done = command("table", *PLANT, *arguments, "--out", str(tmp_path / "readings.csv"))
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1
    assert says in done.stderr
    assert not (tmp_path / "readings.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--until", "baseline", "--speed", "nan"), "how many times as fast"),
        (("--until", "baseline", "--link", "cut:-1:5"), "both must be 0.01 to 86400 s"),
        (("--until", "baseline", "--link", "cut:nan:5"), "both must be 0.01 to 86400 s"),
        (("--until", "now", "--fault", "stuck:so2"), "--until baseline --speed 900"),
    ],
)
def test_plant_that_could_not_run_as_asked_does_not_start(tmp_path, arguments, says):
    done = command("run", "hengkang", *arguments, "--ledger", str(tmp_path / "ledger.csv"))
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1
    assert says in done.stderr


def test_file_that_cannot_be_written_is_named_without_a_traceback(tmp_path):
    for verb, option in (("table", "--out"), ("plan", "--out")):
        done = command(verb, *PLANT, option, str(tmp_path / "missing" / "file"))
        assert isinstance(done.exception, SystemExit), done.exception
        assert f"{tmp_path}/missing/file: No such file or directory" in done.stderr


def test_a_reader_that_went_away_is_no_complaint_about_a_place():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "retroproof", "simulate", "show", "hengkang"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError("reset")])
def test_an_error_that_names_no_file_is_not_taken_for_one(monkeypatch, error):
    def fails(*_: object) -> str:
        raise error

    monkeypatch.setattr("simulators.cli.described", fails)
    assert command("show", "hengkang").exception is error


def test_names_that_a_topic_or_a_plan_cannot_hold_are_refused():
    assert "leave out blanks" in command("points", "hengkang", "--gate", "a/#").stderr
    assert "in small letters, digits and hyphens" in command("plan", "hengkang", "--project", "a: b\nc").stderr


def test_parameter_of_several_numbers_and_one_that_a_scenario_set_can_be_set():
    told = json.loads(command("truth-of", "hengkang-unchanged", "--set", "effect_share=0.5").stdout)
    assert told["true_effects"]["energy"]["value"] == pytest.approx(-130)
    told = json.loads(command("truth-of", "hengkang", "--set", "so2_after_mg_m3=20,22").stdout)
    assert told["true_effects"]["so2"]["value"] == pytest.approx(21 - 110)
