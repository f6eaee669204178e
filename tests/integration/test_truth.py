"""A few short scenarios through plant, agent, broker, ingest, database and engine; `make truth` runs all, at length.

One of them expects a verdict that cannot come out, so that what a miss leaves behind is seen, too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
import yaml

from deploy.line import Line
from deploy.local.errors import DeployError
from deploy.local.progress import Progress
from deploy.local.servers import Servers
from deploy.stack import RETROPROOF, ROLES
from deploy.truth.run import Course, Ended, conclude, platform, run_all
from deploy.truth.tale import Project

MISSED = "expects-the-impossible"
# name: (the scenario that it shortens, what differs, its days). As short as the engine still has an answer for.
SHORT = {
    "yongtai-short": ("plants/yongtai", {}, (40, 2, 40)),
    "juntong-short": ("plants/juntong", {}, (28, 2, 28)),
    "roster-gaps-short": ("faults/roster-gaps", {}, (40, 2, 40)),
    "scaled-meter-short": (
        "frauds/scaled-meter",
        {"faults": [{"kind": "scaled", "point": "ac_energy", "size": 0.97, "first_day": 30}]},
        (28, 2, 28),
    ),
    "yangshao-short": ("plants/yangshao", {}, (35, 2, 35)),
    MISSED: ("plants/juntong", {"verdicts": ["not_met"]}, (28, 2, 28)),
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    """A file for each short scenario, in a folder named like its group, and the file's path by the scenario's name."""
    folder, bundled = tmp_path_factory.mktemp("scenarios"), resources.files("simulators.scenarios")
    paths = {}
    for name, (origin, changes, days) in SHORT.items():
        said = yaml.safe_load((bundled / f"{origin}.yaml").read_text(encoding="utf-8"))
        path = folder / origin.split("/")[0] / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(said | {"days": list(days)} | changes, allow_unicode=True), encoding="utf-8")
        paths[name] = str(path)
    return paths


@pytest.fixture(scope="module")
def run(servers: Servers, session_folder: Path, told) -> Iterator[tuple[Ended, Course]]:
    """All of them, side by side on one platform."""
    folder = session_folder / "truth"
    with platform(folder, servers, Progress()) as stack:
        course = Course(stack, seed=1, papers=folder / "papers")
        yield run_all(course, list(told.values()), Progress()), course


@pytest.mark.parametrize("name", [name for name in SHORT if name != MISSED])
def test_short_scenario_comes_out_right_with_every_reading_stored_once(run, told, name):
    ended, course = run
    outcome = ended.outcomes[told[name]]
    assert outcome.misses == []
    assert (outcome.tally.lost, outcome.tally.doubled) == (0, 0)
    assert outcome.tally.stored == outcome.tally.produced > 10_000
    assert outcome.measures
    assert not (course.papers / name).exists()


def test_package_with_readings_from_files_passes_the_offline_check(run, told):
    """Half of the headcount came from rosters, a file a day, the one that follows the baseline after its lock."""
    name, stack = "yangshao-short", run[1].stack
    line = Line(stack, name, told[name], ROLES["enterprise"])
    package = Project(line, name).package(1)
    assert sum(1 for _ in (line.rosters / "done").glob("*.csv")) == 72
    command = [*RETROPROOF, "check", package, "--trust", line.folder / "trusted-keys.txt", "--recompute"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_scenario_that_misses_ends_the_command_non_zero_and_says_where_its_papers_are(run, told):
    ended, course = run
    assert ended.wrong == {told[MISSED]: ["the verdict is met, not not_met"]}
    with pytest.raises(DeployError) as raised:
        conclude(ended, course, list(told.values()), Progress())
    assert raised.value.exit_code != 0
    assert f"make truth SCENARIOS={told[MISSED]} SEED=1" in raised.value.message
    assert str(course.papers / MISSED) in raised.value.message


def test_scenario_that_misses_leaves_plan_result_readings_plots_and_logs(run, told):
    papers = run[1].papers / MISSED
    assert yaml.safe_load((papers / "plan.yaml").read_text(encoding="utf-8"))["project"] == MISSED
    assert '"state":"met"' in (papers / "result.json").read_text(encoding="utf-8")
    assert (papers / "readings.csv").stat().st_size > 100_000
    drawn = {path.name for path in (papers / "plots").iterdir()}
    assert {"index.html"} < drawn
    assert {f"agent-{MISSED}.log", f"plant-{MISSED}.log", "ingest.log", "api.log"} == {
        path.name for path in (papers / "logs").iterdir()
    }
    said = (papers / "why.txt").read_text(encoding="utf-8").splitlines()
    assert said == ["wrong: the verdict is met, not not_met", f"again: make truth SCENARIOS={told[MISSED]} SEED=1"]


def test_scenario_that_crashes_is_a_miss_with_its_papers_and_ends_no_other(run):
    _, course = run
    ended = run_all(course, ["no-such-scenario"], Progress())
    assert not ended.outcomes
    assert "no scenario is called 'no-such-scenario'" in ended.wrong["no-such-scenario"][0]
    said = (course.papers / "no-such-scenario" / "why.txt").read_text(encoding="utf-8")
    assert "no result.json" in said
    assert "again: make truth SCENARIOS=no-such-scenario SEED=1" in said
