"""The rosters that shift leaders drop: read back by the edge agent's own reader, they are the rows of the ledger."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import date
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import simulators.plant
from edge_agent.config.csvfile import CsvSourceConfig
from edge_agent.sources import csvfile
from simulators.cli import simulate
from simulators.errors import SimulatorError
from simulators.faults import DAY_US, KINDS, Fault, Faults
from simulators.history import complete_history, now_us, produced
from simulators.ledger import Ledger
from simulators.plant import Settings, run_plant
from simulators.plants import Plant
from simulators.roster import Rosters
from simulators.scenarios import scenario
from simulators.timeline import Timeline
from tests.simulators.plants import rows_in, wait_in_loop_for

FIRST_DAY = date(2026, 1, 5)  # a Monday
TEAMS = ("roster_team1", "roster_team2")
ONLY_ROSTERS = ("--points", "lines_running,roster_team1,roster_team2")
Rows = Counter[tuple[str, int, float]]


def hall(first_day: date = FIRST_DAY, points: tuple[str, ...] = (*TEAMS, "lines_running")) -> Plant:
    made = scenario("yangshao").plant(1, Timeline(first_day, 8, 1, 2))
    made.narrow(points)
    return made


def midnight_us(day: int) -> int:
    return int(hall().grid.day_starts_us[day])


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.csv", {"scenario": "hall"}) as opened:
        yield opened


def write(folder: Path, ledger: Ledger, until_us: int, faults: Faults = simulators.plant.NO_FAULTS) -> list[str]:
    """Have the rosters written up to an instant; returns the names of the files that are there."""
    rosters = Rosters(folder, hall(), ledger)
    complete_history(hall(), ledger, rosters.points, until_us, faults)
    rosters.write()
    return names(folder)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_by_the_agent(folder: Path) -> Rows:
    """Every reading that the edge agent takes from the files, by the layout that `simulate points` prints."""
    said = json.loads(CliRunner().invoke(simulate, ["points", "yangshao", *ONLY_ROSTERS]).stdout)
    points = {one["name"]: one for one in said if one["protocol"] == "roster"}
    keys = {name: one["address"] | {"unit": one["unit"], "kind": one["kind"]} for name, one in points.items()}
    source = next(iter(points.values()))["layout"] | {"files": str(folder), "points": keys}
    config = msgspec.convert(source, CsvSourceConfig)
    tables = [csvfile.read(path.read_bytes(), config) for path in folder.glob("*.csv")]
    assert all(not table.problems for table in tables)
    return Counter(tuple(reading) for table in tables for reading in table.readings)


def written_rows(ledger: Ledger) -> Rows:
    return Counter(row for row in rows_in(ledger.path) if row[0] in TEAMS)


def test_agent_reads_from_the_files_just_what_the_ledger_says_was_written(tmp_path, ledger):
    files = write(tmp_path / "drop", ledger, midnight_us(8))
    assert files == [f"考勤表-2026-01-{day:02}.csv" for day in range(5, 13)]
    assert read_by_the_agent(tmp_path / "drop") == written_rows(ledger)
    assert written_rows(ledger).total() == 8 * 3 * len(TEAMS)


def test_file_is_what_an_office_saves_from_a_chinese_excel(tmp_path, ledger):
    write(tmp_path / "drop", ledger, midnight_us(1))
    raw = (tmp_path / "drop" / "考勤表-2026-01-05.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    lines = raw.decode("gb18030").split("\r\n")
    assert lines[0] == "日期,班次,上班时间,班组,实到人数"
    assert lines[1] == "2026-01-05,夜班,00:00,包装一班,0"
    assert lines[3].startswith("2026-01-05,白班,08:00,包装一班,1")
    assert lines[6:] == ["2026-01-05,中班,16:00,包装二班,0", ""]


def test_leaders_count_who_came_but_for_a_miscount_that_has_no_direction():
    made = scenario("yangshao").plant(1, Timeline(FIRST_DAY))
    written = sum(produced(made, team, Faults()).value for team in TEAMS)
    badge = produced(made, "staff_on_shift", Faults())
    came = badge.value[badge.time_us.searchsorted(produced(made, "roster_team1", Faults()).time_us)]
    error = (written - came)[came > 0]
    assert 0 < abs(error).max() <= 12
    assert abs(error.sum()) < 0.002 * came.sum()  # four standard deviations of a sum of such miscounts
    assert not written[came == 0].any(), "nobody is written down when the hall rests"


def test_day_is_handed_in_when_it_has_ended_and_not_before(tmp_path, ledger):
    assert write(tmp_path / "drop", ledger, midnight_us(3) - 1) == [f"考勤表-2026-01-{day:02}.csv" for day in (5, 6)]
    assert len(write(tmp_path / "drop", ledger, midnight_us(3))) == 3


def test_file_that_was_taken_away_is_not_written_again(tmp_path, ledger):
    drop = tmp_path / "drop"
    write(drop, ledger, midnight_us(3))
    for path in drop.iterdir():
        path.unlink()
    assert write(drop, ledger, midnight_us(4)) == ["考勤表-2026-01-08.csv"]


def test_what_a_kill_left_unwritten_is_written_at_the_next_start_with_the_same_content(tmp_path, ledger):
    drop = tmp_path / "drop"
    write(drop, ledger, midnight_us(4))
    before = {path.name: path.read_bytes() for path in drop.iterdir()}
    ledger.save_rosters_us(midnight_us(2))  # as if it had died before it noted the last two
    (drop / "考勤表-2026-01-08.csv").unlink()
    write(drop, ledger, midnight_us(4))
    assert {path.name: path.read_bytes() for path in drop.iterdir()} == before


def test_understated_roster_has_whole_heads_in_file_and_ledger(tmp_path, ledger):
    faults = Faults((Fault("scaled", "roster_team1", 0.85, first_day=2),))
    write(tmp_path / "drop", ledger, midnight_us(8), faults)
    assert read_by_the_agent(tmp_path / "drop") == written_rows(ledger)
    true, seen = (produced(hall(), "roster_team1", each).value for each in (Faults(), faults))
    assert seen[:6].tolist() == true[:6].tolist()
    assert seen[7] == round(true[7] * 0.85) < true[7]


def test_roster_that_nobody_filled_in_is_missing_and_so_is_the_file_where_no_team_did(tmp_path, ledger):
    one, both = (
        [Fault("withheld", team, 0, first_day=day, days=1) for team in teams]
        for day, teams in ((1, TEAMS[:1]), (3, TEAMS))
    )
    files = write(tmp_path / "drop", ledger, midnight_us(5), Faults((*one, *both)))
    assert files == [f"考勤表-2026-01-{day:02}.csv" for day in (5, 6, 7, 9)]
    assert read_by_the_agent(tmp_path / "drop") == written_rows(ledger)
    assert written_rows(ledger).total() == 3 * (2 + 1 + 2 + 2)


def test_copied_days_of_a_roster_are_those_of_as_many_days_before():
    made, fault = hall(), Fault("copied_days", "roster_team1", 7, first_day=7, days=3)
    true, seen = (produced(made, "roster_team1", faults).value for faults in (Faults(), Faults((fault,))))
    assert seen[21:30].tolist() == true[0:9].tolist()
    assert seen[30:].tolist() == true[30:].tolist()


@pytest.mark.parametrize("kind", sorted(name for name, kind in KINDS.items() if kind.needs_device))
def test_fault_of_a_clock_or_a_status_cannot_befall_a_roster(tmp_path, kind):
    out = tmp_path / "readings.csv"
    done = CliRunner().invoke(simulate, ["table", "yangshao", "--fault", f"{kind}:roster_team1", "--out", str(out)])
    assert done.exit_code == 1
    assert "neither a clock nor a status; choose from: " in done.stderr
    assert "withheld" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("{kind: year_2000, point: roster_team1, size: 0}", "neither a clock nor a status"),
        ("{kind: stuck, point: smoke, size: 0}", "no point 'smoke'"),
    ],
)
def test_scenario_whose_fault_cannot_be_is_refused_when_it_is_read(tmp_path, fault, says):
    own = tmp_path / "own.yaml"
    said = f"{{plant: packaging, plan: yangshao, faults: [{fault}], title: {{en: own, zh: 自}}, verdicts: [met]}}"
    own.write_text(said, encoding="utf-8")
    with pytest.raises(SimulatorError, match=says):
        scenario(str(own))


@pytest.mark.parametrize("kind", sorted(name for name, kind in KINDS.items() if not kind.needs_device))
def test_nothing_befalls_rosters_that_nobody_handed_in(kind):
    sizes = {"withheld": 0.0, kind: KINDS[kind].default_size}
    faults = Faults(tuple(Fault(each, "roster_team1", size, first_day=0) for each, size in sizes.items()))
    assert len(produced(hall(), "roster_team1", faults)) == 0


def test_plant_without_a_roster_refuses_a_folder_for_them(tmp_path):
    options = ("--until", "baseline", "--ledger", str(tmp_path / "ledger.csv"), "--opcua-port", "0")
    done = CliRunner().invoke(simulate, ["run", "hengkang", *options, "--rosters", str(tmp_path / "drop")])
    assert done.exit_code == 1
    assert "leave out --rosters" in done.stderr


def run(plant: Plant, ledger: Ledger, settings: Settings, files: int) -> list[str]:
    """Run the plant until it has written so many files; returns their names."""

    async def until_written() -> list[str]:
        stop, up = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(run_plant(plant, ledger, settings, ready=lambda *_: up.set(), stop=stop))
        await wait_in_loop_for(up.is_set, "the plant is up")
        await wait_in_loop_for(lambda: len(list(settings.rosters.glob("*.csv"))) >= files, "the rosters are there")
        stop.set()
        await task
        return names(settings.rosters)

    return asyncio.run(until_written())


def test_plant_whose_time_runs_fast_hands_in_each_day_as_it_ends(tmp_path, ledger):
    settings = Settings(0, present_us=midnight_us(1) + DAY_US // 2, speed=1e6, rosters=tmp_path / "drop")
    assert run(hall(), ledger, settings, 11) == [f"考勤表-2026-01-{day:02}.csv" for day in range(5, 16)]
    assert read_by_the_agent(tmp_path / "drop") == written_rows(ledger)


def test_live_plant_hands_in_the_day_at_midnight(tmp_path, ledger, monkeypatch):
    early_us = now_us() - (midnight_us(2) - 1_500_000)
    monkeypatch.setattr(simulators.plant, "now_us", lambda: now_us() - early_us)
    settings = Settings(0, rate_hz=5, rosters=tmp_path / "drop")
    assert run(hall(), ledger, settings, 2) == ["考勤表-2026-01-05.csv", "考勤表-2026-01-06.csv"]
    assert read_by_the_agent(tmp_path / "drop") == written_rows(ledger)
