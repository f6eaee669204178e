"""`edge check-config --connect`: mistakes show before the agent runs, and nothing is touched."""

from __future__ import annotations

import pytest

from deploy.local.state import free_port
from edge_agent.commission.check_opcua import judge_clock
from edge_agent.commission.findings import PointCheck
from tests.edge_agent.commissioning import content, opcua
from tests.edge_agent.odd_server import serving
from tests.edge_agent.test_edge_cli import run


@pytest.fixture(scope="module")
def url():
    with serving() as address:
        yield address


def check(path, *words: object) -> tuple[int, str]:
    done = run("check-config", path, "--connect", *words)
    return done.exit_code, done.output


def test_a_point_that_can_be_used_shows_value_status_skew_and_what_was_granted(url, write_config):
    code, shown = check(write_config(opcua(url, energy={})))
    assert code == 0, shown
    (line,) = [line for line in shown.splitlines() if line.lstrip().startswith("line")]
    source, point, value, unit, status, skew, _, sampling, _, queue, verdict = line.split()
    assert (source, point, value, unit, status, verdict) == ("line", "energy", "12.5", "kWh", "Good", "ok")
    assert abs(float(skew)) < 5
    assert float(sampling) >= 0
    assert int(queue) > 0
    assert "1 of 1 points can be used; 1 of 1 ways are open" in shown
    assert "note: line.energy: the server keeps no history of it" in shown


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("energy", {"node": "ns=2;s=gone"}, "Look for it with: retroproof edge browse"),
        ("energy", {"unit": "t"}, "the plant says kWh, the configuration t: one of them is wrong"),
        ("exported", {}, "the plant counts in MWh; values are kept as they come, so write unit: MWh"),
        ("recipe", {"unit": "1", "kind": "state"}, "String"),
        ("zones", {"unit": "1", "kind": "gauge"}, "array"),
        ("secret", {}, "ask its administrator"),
        ("unset", {}, "its clock was never set"),
        ("broken", {}, "the status is BadSensorFailure: look at the device"),
        ("nothing", {}, "the value is no finite number"),
    ],
)
def test_what_is_wrong_with_a_point_is_said_with_its_mend(url, write_config, name, changes, message):
    code, shown = check(write_config(opcua(url, **{name: changes}, **({"energy": {}} if name != "energy" else {}))))
    assert code == 1
    problems = [line for line in shown.splitlines() if line.startswith(f"PROBLEM: line.{name}: ")]
    assert any(message in line for line in problems), shown
    if name != "energy":  # the others are judged all the same
        assert "1 of 2 points can be used" in shown


@pytest.mark.parametrize(
    ("ahead_us", "skew", "problem"),
    [
        (4_900_000, "+4.9 s", []),
        (-4_900_000, "-4.9 s", []),
        (5_100_000, "+5.1 s", ["the server's clock is 5 s ahead of this machine's; have both use NTP"]),
        (-3_600_000_000, "-3600.0 s", ["the server's clock is 3600 s behind this machine's; have both use NTP"]),
        (None, "-", []),
    ],
)
def test_a_servers_clock_may_be_five_seconds_off(ahead_us, skew, problem):
    found = PointCheck("line", "energy")
    judge_clock(found, ahead_us)
    assert (found.skew, found.problems) == (skew, problem)


def test_what_many_points_share_is_said_once(write_config):
    nobody = f"opc.tcp://127.0.0.1:{free_port()}"
    code, shown = check(write_config(opcua(nobody, energy={}, steam={}, unset={}, broken={})))
    assert code == 1
    (line,) = [line for line in shown.splitlines() if line.startswith("PROBLEM: line.")]
    assert "line.energy, line.steam, line.unset and 1 more: " in line
    assert "Does the server run" in line


def test_an_uplink_that_is_not_open_is_a_problem(url, write_config):
    uplink = {"https": f"http://127.0.0.1:{free_port()}"}
    code, shown = check(write_config(opcua(url, energy={}), uplink=uplink))
    assert code == 1
    assert "PROBLEM: uplink http://127.0.0.1:" in shown
    assert "0 of 1 ways are open" in shown


def test_mqtt_points_are_heard_without_being_taken(write_config, gate):
    code, shown = check(write_config({"gate": gate({"value": 12})}), "--wait", 20)
    assert code == 0, shown
    assert next(line.split()[:5] for line in shown.splitlines() if "staff" in line) == [
        "gate",
        "staff",
        "12",
        "heads",
        "Good",
    ]
    assert gate.made[0].receipts == []


@pytest.mark.parametrize(
    ("payload", "point", "message"),
    [
        ({"worth": 12}, {}, "value"),
        ({"value": "many"}, {}, "value"),
        ({"value": 1, "time": "2000-01-01T00:00:00Z"}, {"time": "time"}, "over a minute from this machine's"),
    ],
)
def test_a_payload_that_is_not_as_configured_is_a_problem(write_config, gate, payload, point, message):
    code, shown = check(write_config({"gate": gate(payload, **point)}), "--wait", 20)
    assert code == 1
    assert any(message in line for line in shown.splitlines() if line.startswith("PROBLEM: gate.staff"))


def test_a_broker_that_does_not_know_us_is_a_problem_with_its_mend(write_config, gate, tmp_path):
    source = gate({"value": 1})
    (tmp_path / "gate.password").write_text("guessed")
    code, shown = check(write_config({"gate": source}), "--wait", 20)
    assert code == 1
    (line,) = [line for line in shown.splitlines() if line.startswith("PROBLEM: gate.staff")]
    assert "look at the user in the address and at its password_file" in line


def test_a_device_that_is_silent_is_a_note(write_config, gate):
    code, shown = check(write_config({"gate": gate({"value": 1}, topic="badge/nobody")}), "--wait", 1)
    assert code == 0
    assert "note: gate.staff: nothing came within 1 s" in shown
    assert "0 of 1 points can be used, 1 were not seen; 1 of 1 ways are open" in shown


def test_a_sparkplug_node_is_asked_for_its_birth(write_config, hall):
    code, shown = check(write_config(hall(energy={"device": "meter", "metric": "Energy/Total"})), "--wait", 30)
    assert code == 0, shown
    assert ["hall", "energy", "12.5", "kWh", "Good"] in [line.split()[:5] for line in shown.splitlines()]


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"device": "meter", "metric": "Energy/Totals"}, "did you mean 'meter: Energy/Total'?"),
        ({"metric": "Label"}, "the point needs a number"),
        ({"edge_node": "hall/nobody", "metric": "x"}, "was not born within 3 s of being asked"),
    ],
)
def test_a_sparkplug_metric_that_is_not_there_is_a_problem(write_config, hall, point, message):
    code, shown = check(write_config(hall(one=point)), "--wait", 3)
    assert code == 1
    assert any(message in line for line in shown.splitlines() if line.startswith("PROBLEM: hall.one")), shown


def test_a_folder_is_checked_by_the_files_that_wait_in_it(write_config, office, tmp_path):
    drop, source = office
    path = write_config(source)
    before = content(tmp_path)
    code, shown = check(path)
    assert code == 0, shown
    assert ["office", "staff", "64", "heads"] in [line.split()[:4] for line in shown.splitlines()]
    assert content(tmp_path) == before
    (drop / "april.csv").write_text("日期,人数\n2026-04-01,6O\n", encoding="utf-8")
    code, shown = check(path)
    assert code == 1
    assert "PROBLEM: office.staff: would be refused: april.csv, line 2, column '人数': not a number: '6O'" in shown
    for file in drop.iterdir():
        file.unlink()
    code, shown = check(path)
    assert code == 0
    assert "note: office.staff: none of the 0 files that wait in" in shown
    assert "0 of 1 points can be used, 1 were not seen" in shown
