"""The meter register: imported from a file, kept for ever, and used where a counter rolls over."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from ingest import cli, db_cli
from ingest.database import connect
from ingest.meters import InUse, in_use
from tests.ingest.builders import POINTS, START_US, Device
from verification import batch
from verification.model import Point, PointKind, Rows

# A register is a few plain rows: what holds on one tier holds on all.
pytestmark = pytest.mark.parametrize("migrated", ["plain"], indirect=True)

FILE = """\
enterprise: hengkang
meters:
  M-1:
    - {valid_from: 2025-01-01T00:00:00+08:00, serial: A, unit: kWh, class_percent: 0.5, register_modulus: 1000}
    - {valid_from: 2026-01-01T08:00:00+08:00, serial: B, unit: MWh, class_percent: 0.2, register_modulus: 100,
       ct_ratio: 200, vt_ratio: 100}
calibrations:
  - {meter: M-1, serial: A, date: 2025-02-01, certificate: C-1, laboratory: Yulin, error_percent: 0.1,
     valid_until: 2028-01-31}
points:
  - {device: potline-1, point: ac_energy, valid_from: 2025-01-01T00:00:00+08:00, quantity: energy, meter: M-1}
"""


@pytest.fixture
def run(migrated, tmp_path, device):  # noqa: ARG001 - the device must be there
    def import_file(text: str, *, code: int = 0) -> str:
        path = tmp_path / "meters.yaml"
        path.write_text(text)
        done = CliRunner().invoke(cli.ingest, ["meters", "import", str(path)], env={"RETROPROOF_DB": migrated})
        assert done.exit_code == code, done.output
        return done.output

    return import_file


def test_a_file_is_imported_once_and_listed(run, migrated):
    assert "4 added" in run(FILE)
    assert "0 added" in run(FILE)
    shown = CliRunner().invoke(cli.ingest, ["meters", "list"], env={"RETROPROOF_DB": migrated}).output
    header, first, second = (line.split("\t") for line in shown.splitlines())
    assert dict(zip(header, first, strict=True))["certificate"] == "C-1"
    assert dict(zip(header, second, strict=True))["ct_ratio"] == "200.0"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("class_percent: 0.5", "class_percent: 0.6"), "M-1 from 2025-01-01.* recorded otherwise"),
        (("laboratory: Yulin", "laboratory: Xian"), "C-1 of M-1 is recorded otherwise"),
    ],
)
def test_what_is_recorded_stays(run, change, said):
    run(FILE)
    assert re.search(said, run(FILE.replace(*change), code=1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("unit: kWh", "unit: kWx"), "not a known unit"),
        (("quantity: energy", "quantity: enregy"), "did you mean 'energy'"),
        (("device: potline-1", "device: potline-2"), "no device of hengkang"),
        (("quantity: energy, meter: M-1", "quantity: energy, meter: M-2"), "no meter M-2"),
        (("serial: A, date", "serial: C, date"), "no meter M-1 with the serial C"),
        (("+08:00, serial: A", ", serial: A"), "meters.yaml:4"),
        (("class_percent: 0.5", "class_percent: 0"), "meters.yaml:4"),
        (("serial: A, unit", "serail: A, unit"), "did you mean 'serial'"),
    ],
)
def test_a_mistake_is_named_and_nothing_of_the_file_is_kept(run, migrated, change, said):
    assert said in run(FILE.replace(*change, 1), code=1)
    with connect(migrated) as conn:
        assert conn.execute("SELECT count(*) FROM telemetry.meter").fetchone() == (0,)


def test_a_quantity_must_fit_the_unit_that_the_device_sends(run, device, deliver):
    deliver(device.seal(batch.Catalogue(POINTS)))
    assert "no unit of current" in run(FILE.replace("quantity: energy", "quantity: current"), code=1)


def test_what_a_point_is_is_told_with_its_history(run, migrated, device, deliver):
    moved = Point("ac_energy", "ns=2;s=moved", "MWh", PointKind.COUNTER, "M-1")
    later = Device(epoch=START_US + 60_000_000)
    deliver(device.seal(batch.Catalogue(POINTS)))
    deliver(later.seal(batch.Catalogue((moved,))))
    run(FILE)
    shown = CliRunner().invoke(db_cli.db, ["points", "--device", device.name], env={"RETROPROOF_DB": migrated})
    assert shown.output.splitlines() == [
        "point,valid_from,said_by,unit,kind,quantity,meter,address",
        "ac_energy,2024-12-31T16:00:00+00:00,operator,,,energy,M-1,",
        "ac_energy,2026-01-01T00:00:00+00:00,device,kWh,counter,,M-1,ns=2;s=ac_energy",
        "ac_energy,2026-01-01T00:01:00+00:00,device,MWh,counter,,M-1,ns=2;s=moved",
        "line_current,2026-01-01T00:00:00+00:00,device,kA,gauge,,,ns=2;s=line_current",
    ]


def test_the_versions_in_use_follow_the_meter_and_the_notes(run, db, device):
    run(FILE)
    swap_us = START_US
    first_us = 1_735_660_800_000_000  # 2025-01-01 in Shanghai
    both = [InUse(first_us, "A", 1000.0), InUse(swap_us, "B", 100_000.0)]
    assert in_use(db, device.name, "ac_energy", "", "kWh") == both
    assert in_use(db, device.name, "line_current", "M-1", "kWh") == both
    assert in_use(db, device.name, "line_current", "", "kA") == []
    run(
        "enterprise: hengkang\n"
        "meters: {M-2: [{valid_from: 2020-01-01T00:00:00Z, serial: C, unit: kWh, class_percent: 1}]}\n"
        "points:\n"
        "  - {device: potline-1, point: ac_energy, valid_from: 2027-01-01T00:00:00Z, quantity: energy, meter: M-2}\n"
    )
    note_us = 1_798_761_600_000_000
    assert in_use(db, device.name, "ac_energy", "", "kWh") == [*both, InUse(note_us, "C", None)]


def test_a_registers_modulus_makes_a_fall_a_rollover_from_the_command_line(run, migrated, device, deliver):
    run(FILE)
    made = Rows.empty()
    for n, value in enumerate((950.0, 50.0, 60.0)):
        made.append(0, START_US - 1000 + n, value)
    deliver(device.seal(batch.Catalogue(POINTS)), device.seal(made))
    span = ["--device", device.name, "--start", "2026-01-01T07:45:00+08:00", "--end", "2026-01-01T08:00:00+08:00"]
    done = CliRunner().invoke(db_cli.db, ["deltas", *span, "--point", "ac_energy"], env={"RETROPROOF_DB": migrated})
    header, line = done.output.splitlines()
    found = dict(zip(header.split(","), line.split(","), strict=True))
    assert (found["delta"], found["rollovers"], found["resets"]) == ("110.0", "1", "0")
    done = CliRunner().invoke(db_cli.db, ["coverage", *span], env={"RETROPROOF_DB": migrated})
    assert done.output.splitlines() == ["point,day,readings,good,quarters", "ac_energy,2026-01-01,3,3,1"]


def test_kinds_of_points_that_the_format_knows_can_be_stored(device, deliver):
    points = tuple(Point(str(kind), "a", "1", kind) for kind in PointKind)
    outcome = deliver(device.seal(batch.Catalogue(points)))
    assert [str(decision.code) for decision in outcome.decisions] == ["accepted"]
