"""`retroproof plan`: says how a plan is understood, begins one that is valid, and describes the format."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.verification.lines import PLAN_BYTES, PLAN_FILE, line, short_plan
from verification.cli import plan
from verification.metrics.catalogue import catalogue
from verification.plan import parse_plan
from verification.plan.draft import draft_plan
from verification.plan.resolve import measure_spec
from verification.plan.schema import plan_schema

REPO = Path(__file__).parents[2]
START = dt.date(2026, 3, 1)


def run(*arguments: object):
    return CliRunner().invoke(plan, [str(argument) for argument in arguments])


def test_a_valid_plan_is_explained():
    done = run("check", PLAN_FILE)
    assert done.exit_code == 0
    assert "baseline: 2026-03-01 to 2026-06-29 (end excluded), 120 days" in done.output
    assert "energy / output [kWh/t]" in done.output
    assert "reads ac_energy, metal_tapped" in done.output
    assert "铝" not in done.output
    assert "单位产品能耗" in run("check", PLAN_FILE, "--lang", "zh").output


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: kWh/t\n", "unt: kWh/t\n", ":34: unknown key 'unt'; did you mean 'unit'?"),
        ("metric: energy_per_ton", "metric: energy_per_tonne", ":33: measures.energy.metric: energy_per_tonne is not"),
        ("output: metal_tapped", "output: metal_taped", ":36: measures.energy.inputs.output: metal_taped is not"),
        ("drivers: [metal_tapped]", "drivers: [ac_energy + metal_tapped]", ":37: measures.energy.model.drivers.0: ac_"),
        ("meter: SCALE-01", "meter: SCALE-1", ":10: points.metal_tapped.meter: SCALE-1 is not under meters"),
    ],
)
def test_an_error_names_the_line_the_key_and_what_is_meant(tmp_path: Path, old: str, new: str, message: str):
    text = PLAN_BYTES.decode()
    assert old in text
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    done = run("check", path)
    assert done.exit_code == 64
    assert f"{path}{message}" in done.output


def readings_file(tmp_path: Path, *, hours_lost: int) -> Path:
    """A month before and after, by the hour; the meter is silent for the last hours."""
    readings = line(short_plan())
    rows = ["point,time,value\n"]
    for name, series in readings.items():
        last = len(series) - hours_lost if name == "ac_energy" else len(series)
        times = np.datetime_as_string(series.time_us.astype("datetime64[us]"), unit="s")
        rows += [f"{name},{time}Z,{value}\n" for time, value in zip(times[:last], series.value[:last], strict=True)]
    path = tmp_path / "readings.csv"
    path.write_text("".join(rows), encoding="utf-8")
    return path


def short_plan_file(tmp_path: Path) -> Path:
    text = PLAN_BYTES.decode()
    for old, new in (
        ("end: 2026-06-29", "end: 2026-03-31"),
        ("start: 2026-07-09, end: 2026-11-06", "start: 2026-04-02, end: 2026-05-02"),
        ("meter: M-AC-01}", "meter: M-AC-01, cadence_s: 3600}"),
        ("meter: SCALE-01}", "meter: SCALE-01, cadence_s: 3600}"),
        ('unit: "1"}', 'unit: "1", cadence_s: 3600}'),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("hours_lost", "exit_code", "usable"), [(0, 0, "30 of 30 days"), (10 * 24, 3, "20 of 30 days")]
)
def test_readings_are_looked_at_and_nothing_is_judged(tmp_path: Path, hours_lost: int, exit_code: int, usable: str):
    done = run("check", short_plan_file(tmp_path), "--readings", readings_file(tmp_path, hours_lost=hours_lost))
    assert done.exit_code == exit_code, done.output
    assert f"reporting period, energy: {usable} usable" in done.output
    assert ("TOO_FEW_INTERVALS" in done.output) == bool(exit_code)
    assert "kWh/t (" not in done.output, "no figure is shown"


def test_a_plan_is_begun_and_never_written_over(tmp_path: Path):
    path = tmp_path / "plan.yaml"
    assert run("init", "energy_per_ton", "--out", path, "--start", "2026-03-01").exit_code == 0
    assert "start: 2026-03-01" in path.read_text(encoding="utf-8")
    assert run("check", path).exit_code == 0
    again = run("init", "energy_per_ton", "--out", path)
    assert again.exit_code == 64
    assert "is there already" in again.output


def test_an_unknown_metric_is_refused():
    done = run("init", "enrgy_per_ton")
    assert done.exit_code == 64
    assert "retroproof plan metrics" in done.output


@pytest.mark.parametrize("metric", sorted(catalogue().metrics))
def test_the_draft_of_every_metric_is_a_valid_plan(metric: str):
    drafted = parse_plan(draft_plan(metric, START).encode())
    spec = measure_spec(drafted, metric)
    assert spec.metric_id == metric
    assert spec.points


def test_the_metrics_are_listed_in_both_languages():
    english, chinese = run("metrics").output, run("metrics", "--lang", "zh").output
    for name, definition in catalogue().metrics.items():
        assert f"{name} [{definition.unit}] {definition.title.en}" in english
        assert f"{name} [{definition.unit}] {definition.title.zh}" in chinese


def test_the_schema_that_is_published_is_that_of_the_code():
    published = (REPO / "docs" / "reference" / "plan.schema.json").read_text(encoding="utf-8")
    assert published == plan_schema() == run("schema").output
    assert json.loads(published)["$defs"]["Plan"]["additionalProperties"] is False
