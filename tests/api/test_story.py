"""The way of a project through the API: entered, planned, locked, judged, downloaded, checked offline."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from api.tokens import Role
from tests.api.conftest import Served, file_plan, new_project
from tests.api.plant import DEVICE, PROJECT, MeteredLine, plan_text
from verification.evidence import logentry
from verification.evidence.archive import pack, unpack
from verification.evidence.check import check_archive
from verification.evidence.check_report import Axis, Outcome
from verification.evidence.keyring import parse_trust

Enter = Callable[[MeteredLine], httpx.Response]
PROJECT_PATH = f"/api/v1/projects/{PROJECT}"


def log_entries(served: Served) -> list[logentry.Entry]:
    with served.as_role(Role.AUDITOR) as client:
        return [logentry.parse(entry["entry"].encode()) for entry in client.get("/api/v1/log/entries").json()]


def test_a_downloaded_package_is_verified_on_every_axis_with_the_platforms_keys(
    served: Served, judged: dict[str, Any]
) -> None:
    with served.as_role(Role.AUDITOR) as client:
        package = client.get(f"{PROJECT_PATH}/runs/{judged['number']}/package.zip")
        trust = client.get("/api/v1/keys")
    assert package.headers["content-type"] == "application/zip"
    assert judged["manifest_sha256"][:12] in package.headers["content-disposition"]
    report = check_archive(package.content, trusted=parse_trust(trust.content, name="trust"), recompute=True)
    assert {axis.axis: axis.outcome for axis in report.axes} == dict.fromkeys(Axis, Outcome.VERIFIED), report
    assert report.package == judged["manifest_sha256"]


def test_a_package_with_one_byte_changed_is_refuted(served: Served, judged: dict[str, Any]) -> None:
    with served.as_role(Role.AUDITOR) as client:
        files, _ = unpack(client.get(f"{PROJECT_PATH}/runs/1/package.zip").content)
    changed = files["readings.csv"].replace(b"ac_energy", b"ac_enargy", 1)
    report = check_archive(pack({**files, "readings.csv": changed}))
    assert Outcome.REFUTED in {axis.outcome for axis in report.axes}, judged["number"]


def test_the_same_package_comes_down_twice_with_the_same_bytes(served: Served, judged: dict[str, Any]) -> None:
    path = f"{PROJECT_PATH}/runs/{judged['number']}/package.zip"
    with served.as_role(Role.ENTERPRISE) as client:
        assert client.get(path).content == client.get(path).content


def test_the_log_holds_plan_before_baseline_before_run(served: Served, judged: dict[str, Any]) -> None:
    plan, baseline, run = log_entries(served)
    assert isinstance(plan, logentry.PlanEntry)
    assert isinstance(baseline, logentry.BaselineEntry)
    assert isinstance(run, logentry.RunEntry)
    assert plan.plan_sha256 == baseline.plan_sha256 == run.plan_sha256 == judged["plan_sha256"]
    assert run.manifest_sha256 == judged["manifest_sha256"]
    assert judged["log_index"] == 2
    assert baseline.heads[0].sequence < run.heads[0].sequence


def test_a_run_says_what_its_result_says_in_both_languages(served: Served, judged: dict[str, Any]) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        result = client.get(f"{PROJECT_PATH}/runs/1/result")
        found = client.get(f"{PROJECT_PATH}/runs/1/findings").json()
        assert client.get(f"{PROJECT_PATH}/runs/1").json() == judged
        assert [run["number"] for run in client.get(f"{PROJECT_PATH}/runs").json()] == [1]
        assert client.get(f"{PROJECT_PATH}/runs/2").status_code == 404
        listed = client.get(PROJECT_PATH).json()
    [run_entry] = [entry for entry in log_entries(served) if isinstance(entry, logentry.RunEntry)]
    assert hashlib.sha256(result.content).hexdigest() == run_entry.result_sha256
    effect = result.json()["measures"][0]["effect"]
    assert judged["delta"]["value"] == effect["reported_delta"]
    assert judged["delta"]["expanded_uncertainty"] == effect["reported_uncertainty"]
    assert found == judged["findings"]
    assert all(finding["text"]["en"] and finding["text"]["zh"] for finding in found)
    assert (listed["plan_version"], listed["verdict"]) == (1, judged["verdict"]["state"])


def test_every_run_counts_and_stays(served: Served, judged: dict[str, Any]) -> None:
    with served.as_role(Role.EXPERT) as client:
        again = client.post(f"{PROJECT_PATH}/runs").json()
    assert (judged["number"], judged["k"]) == (1, 1)
    assert (again["number"], again["k"]) == (2, 2)
    assert [entry.run for entry in log_entries(served) if isinstance(entry, logentry.RunEntry)] == [1, 2]


@pytest.mark.usefixtures("judged")
def test_a_second_plan_is_a_second_version_and_its_runs_are_counted_anew(served: Served, line: MeteredLine) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        other = file_plan(client, plan_text(line.timeline, at_most=-100.0))
        assert (other.status_code, other.json()["version"]) == (201, 2)
        assert client.get(f"{PROJECT_PATH}/plan").json() == other.json()
        assert "-100.0" in client.get(f"{PROJECT_PATH}/plan.yaml").text
        assert "Plan locked, not yet verified" in client.get(f"/projects/{PROJECT}").text
    with served.as_role(Role.EXPERT) as client:
        run = client.post(f"{PROJECT_PATH}/runs").json()
    assert (run["number"], run["plan_version"], run["k"]) == (2, 2, 1)
    [refiled] = [found for found in run["findings"] if found["code"] == "PLAN_REFILED"]
    assert refiled["data"] == {"version": 2, "runs": 1}
    kinds = [entry.__class__ for entry in log_entries(served)]
    first_plan_and_run = [logentry.PlanEntry, logentry.BaselineEntry, logentry.RunEntry]
    assert kinds == first_plan_and_run * 2


def test_filing_the_same_bytes_again_changes_nothing(served: Served, line: MeteredLine, project: Enter) -> None:
    first = project(line)
    with served.as_role(Role.ENTERPRISE) as client:
        again = file_plan(client, plan_text(line.timeline))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert len(log_entries(served)) == 2


def test_the_plan_comes_back_byte_for_byte(served: Served, line: MeteredLine, project: Enter) -> None:
    filed = project(line).json()
    with served.as_role(Role.AUDITOR) as client:
        content = client.get(f"{PROJECT_PATH}/plan.yaml").content
    assert content == plan_text(line.timeline).encode()
    assert hashlib.sha256(content).hexdigest() == filed["plan_sha256"]


def test_a_typo_in_a_plan_is_refused_with_its_line_and_the_right_word(served: Served, line: MeteredLine) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        answer = file_plan(client, plan_text(line.timeline).replace("timezone:", "time_zone:"))
        empty = file_plan(client, "")
    assert answer.status_code == 422
    assert answer.json()["error"] == "invalid_plan"
    assert "plan.yaml:" in answer.json()["message"]
    assert "did you mean 'timezone'" in answer.json()["message"]
    assert empty.status_code == 422
    assert log_entries(served) == []


def test_a_plan_for_another_project_or_in_another_unit_than_the_device_sends_is_refused(
    served: Served, line: MeteredLine
) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        other_project = file_plan(client, plan_text(line.timeline, project="another"))
        other_unit = file_plan(client, plan_text(line.timeline, energy_unit="MWh"))
    assert other_project.json()["error"] == "other_project"
    assert other_unit.json()["error"] == "point_mismatch"
    assert "kWh" in other_unit.json()["message"]
    assert log_entries(served) == []


def test_a_plan_whose_baseline_lies_outside_the_data_is_filed_with_a_finding(served: Served, line: MeteredLine) -> None:
    early = plan_text(line.timeline).replace("baseline: {start: 2026-03-01, end: 2026-04-10}", OUTSIDE)
    assert OUTSIDE in early
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        outside = file_plan(client, early)
        inside = file_plan(client, plan_text(line.timeline))
    assert outside.status_code == inside.status_code == 201
    assert "WINDOW_OUTSIDE_DATA" in {finding["code"] for finding in outside.json()["findings"]}
    assert {finding["code"] for finding in inside.json()["findings"]} <= {"COUNTER_ROLLOVER", "NO_STATIC_FACTORS"}


OUTSIDE = "baseline: {start: 2025-06-01, end: 2025-07-11}"


def test_a_plan_cannot_be_locked_before_there_is_a_reading(served: Served, line: MeteredLine) -> None:
    silent = MeteredLine(served.db, line.timeline, device="silent-device")
    silent.enroll()
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project(device="silent-device")).raise_for_status()
        answer = file_plan(client, plan_text(line.timeline))
    assert (answer.status_code, answer.json()["error"]) == (409, "no_readings")


def test_a_run_needs_a_plan(served: Served, line: MeteredLine) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project(device=line.device)).raise_for_status()
    with served.as_role(Role.EXPERT) as client:
        answer = client.post(f"{PROJECT_PATH}/runs")
    assert (answer.status_code, answer.json()["error"]) == (409, "no_plan")


def test_a_run_before_the_reporting_period_is_an_honest_invalid_data(
    served: Served, line: MeteredLine, project: Enter
) -> None:
    project(line)
    with served.as_role(Role.EXPERT) as client:
        run = client.post(f"{PROJECT_PATH}/runs").json()
        page = client.get(f"/projects/{PROJECT}")
    assert run["verdict"]["state"] == "invalid_data"
    assert run["delta"] is None
    assert page.status_code == 200
    assert "Data not valid" in page.text


def test_coverage_counts_every_stored_reading(served: Served, line: MeteredLine) -> None:
    with served.as_role(Role.ENTERPRISE) as client:
        client.post("/api/v1/projects", json=new_project()).raise_for_status()
        coverage = client.get(f"{PROJECT_PATH}/coverage").json()
    per_point = line.timeline.baseline_days * 96 + 1
    assert coverage["readings"] == per_point * len(line.points)
    energy = next(point for point in coverage["points"] if point["name"] == "ac_energy")
    assert (energy["count"], energy["unit"], energy["kind"], energy["meter"]) == (
        per_point,
        "kWh",
        "counter",
        "M-AC-01",
    )
    assert energy["first"].startswith("2026-02-28T16:00:00")


def test_only_experts_and_auditors_leave_a_read_entry_and_it_names_them(served: Served, judged: dict[str, Any]) -> None:
    path = f"{PROJECT_PATH}/runs/{judged['number']}/package.zip"
    for role in (Role.ENTERPRISE, Role.EXPERT, Role.AUDITOR):
        with served.as_role(role) as client:
            assert client.get(path).status_code == 200
    reads = [entry for entry in log_entries(served) if isinstance(entry, logentry.ReadEntry)]
    assert [(entry.role, entry.actor) for entry in reads] == [
        ("expert", "expert-1"),
        ("auditor", "auditor-1"),
    ]
    assert {entry.manifest_sha256 for entry in reads} == {judged["manifest_sha256"]}


def test_a_package_does_not_grow_with_what_comes_after_the_reporting_period(
    served: Served, line: MeteredLine, judged: dict[str, Any]
) -> None:
    """Batches that came later and have nothing to say about the plan's windows stay out; the package still verifies."""
    later = line.timeline.reporting_end + dt.timedelta(days=2)
    line.deliver(later, later + dt.timedelta(days=10))
    with served.as_role(Role.EXPERT) as client:
        again = client.post(f"{PROJECT_PATH}/runs").json()
        archives = [client.get(f"{PROJECT_PATH}/runs/{run['number']}/package.zip").content for run in (judged, again)]
        trust = client.get("/api/v1/keys")
    first, second = ({name for name in unpack(one)[0] if name.startswith("batches/")} for one in archives)
    assert first == second != set()
    report = check_archive(archives[1], trusted=parse_trust(trust.content, name="trust"))
    assert report.axes
    assert Outcome.REFUTED not in {axis.outcome for axis in report.axes}


def test_runs_started_at_once_get_numbers_without_hole_or_double(
    served: Served, line: MeteredLine, project: Enter
) -> None:
    project(line)
    token = served.token(Role.EXPERT)

    def start(_: int) -> int:
        with served.client(token) as client:
            k: int = client.post(f"{PROJECT_PATH}/runs").json()["k"]
            return k

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(start, range(4))) == [1, 2, 3, 4]
    assert [entry.run for entry in log_entries(served) if isinstance(entry, logentry.RunEntry)] == [
        1,
        2,
        3,
        4,
    ]


def test_keys_name_engine_log_and_the_device_of_the_project(served: Served, line: MeteredLine, project: Enter) -> None:
    project(line)
    with served.as_role(Role.AUDITOR) as client:
        trusted = parse_trust(client.get("/api/v1/keys").content, name="trust")
    assert set(trusted.keys) == {"engine", "log", f"device/{DEVICE}"}


def test_a_run_says_what_the_way_of_its_readings_shows(served: Served, line: MeteredLine, project: Enter) -> None:
    """The second half of the reporting period comes first, and somebody sends under the device's name."""
    assert project(line).status_code == 201
    line.deliver_late(line.timeline.baseline_end + dt.timedelta(minutes=15), line.timeline.reporting_end)
    line.deliver_forged()
    with served.as_role(Role.EXPERT) as client:
        run = client.post(f"{PROJECT_PATH}/runs").json()
        package = client.get(f"{PROJECT_PATH}/runs/1/package.zip").content
    found = {finding["code"]: finding for finding in run["findings"]}
    assert found["DISORDER_SORTED"]["severity"] == "info"
    assert found["BATCHES_QUARANTINED"]["data"]["count"] == 1
    assert run["verdict"]["state"] == "met"
    axes = {axis.axis: axis.outcome for axis in check_archive(package, recompute=True).axes}
    assert axes[Axis.RECOMPUTATION] is Outcome.VERIFIED
