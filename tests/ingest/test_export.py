"""Exports: every reading with its place in the evidence, in three formats with one content."""

from __future__ import annotations

import csv
import datetime as dt
import io
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet
import pytest

from ingest import register
from ingest.admission import Arrival
from ingest.database import connect
from ingest.errors import IngestError
from ingest.export import Format, export
from ingest.retention import drop_before
from ingest.writer import write_group
from tests.ingest.builders import POINTS, START_US, STEP_US, Device, now_us, release_all, rows
from verification.model import Rows

COLUMNS = ["point", "time_us", "value", "status", "flags", "epoch", "sequence", "row"]
MB = 1 << 20
DAY_US = 86_400_000_000
# In a process of its own, whose peak the operating system keeps: everything but the export is the first measurement.
MEASURE = """
import resource, sys
from ingest.database import connect
from ingest.export import Format, export
url, device, end_us = sys.argv[1], sys.argv[2], int(sys.argv[3])
for form in Format:
    with connect(url) as conn, open("/dev/null", "wb") as out:
        count = export(conn, out, form, device, end_us=end_us)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def as_csv(db, *arguments) -> list[dict[str, str]]:
    out = io.BytesIO()
    export(db, out, Format.CSV, *arguments)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode())))


def test_the_csv_has_every_reading_with_its_place_in_the_evidence(db, device, deliver):
    deliver(*device.chain(2))
    lines = as_csv(db, device.name)
    assert list(lines[0]) == COLUMNS
    sent = rows(10)
    expected = sorted(
        (POINTS[sent.point[n]].name, sent.time_us[n], sent.value[n], sent.status[n], sent.flags[n], START_US, 1, n)
        for n in range(10)
    )
    kinds = (str, int, float, int, int, int, int, int)
    assert [tuple(kind(text) for kind, text in zip(kinds, line.values(), strict=True)) for line in lines] == expected


def test_the_three_formats_hold_the_same(db, device, deliver):
    extreme = Rows.empty()
    for n, value in enumerate([float("nan"), float("inf"), -0.0, 5e-324, 0.1, 1.7976931348623157e308]):
        extreme.append(n % 2, -n, value, status=0xFFFFFFFF, flags=3)
    deliver(*device.chain(3), device.seal(extreme))
    release_all(db)
    files = {form: io.BytesIO() for form in Format}
    counts = {export(db, out, form, device.name) for form, out in files.items()}
    assert counts == {26}
    parquet = pa.parquet.read_table(io.BytesIO(files[Format.PARQUET].getvalue()))
    arrow = pa.ipc.open_file(files[Format.ARROW].getvalue()).read_all()
    assert parquet.schema == arrow.schema
    rows_of_arrow = as_text(arrow.set_column(1, "time_us", arrow.column("time").cast(pa.int64())))
    assert rows_of_arrow == as_text(parquet.set_column(1, "time_us", parquet.column("time").cast(pa.int64())))
    lines = csv.reader(io.StringIO(files[Format.CSV].getvalue().decode()))
    assert next(lines) == COLUMNS
    assert [[*line[:2], repr(float(line[2])), *line[3:]] for line in lines] == rows_of_arrow


def as_text(table: pa.Table) -> list[list[str]]:
    """NaN equals NaN here, and -0.0 is not 0.0."""
    return [[one if isinstance(one, str) else repr(one) for one in row.values()] for row in table.to_pylist()]


def test_points_and_a_window_narrow_it_down_and_nothing_is_a_file_with_columns(db, device, deliver):
    deliver(*device.chain(3))
    window = ([POINTS[1].name], START_US + STEP_US, START_US + 3 * STEP_US)
    assert [int(line["time_us"]) for line in as_csv(db, device.name, *window)] == [
        START_US + STEP_US,
        START_US + 2 * STEP_US,
    ]
    assert as_csv(db, "nobody") == as_csv(db, device.name, ["no_such"]) == []
    out = io.BytesIO()
    assert export(db, out, Format.PARQUET, "nobody") == 0
    assert pa.parquet.read_table(io.BytesIO(out.getvalue())).num_rows == 0


def test_memory_does_not_grow_with_the_export(template, request):
    """Of 0.2 and 1.6 million readings in every format: little more for the second, though its data are 63 MB more."""
    server, name = template("timescale")
    url = server.create_database("ingest_export", template=name)
    request.addfinalizer(lambda: server.drop_database("ingest_export"))
    device = Device()
    with connect(url) as db:
        register.enroll(db, device.name, device.public_key, "hengkang")
        write_group(db, [Arrival.of(device.name, data) for data in device.chain(2)], received_at_us=now_us())
        db.execute(
            "INSERT INTO telemetry.reading SELECT t, t, n, 0, 2, 1, 0, 0 FROM generate_series(1, 1600000) AS n,"
            " LATERAL (SELECT timestamptz '2026-02-01Z' + n * interval '4.32 s') AS made (t)"
        )
    first_us = START_US + 31 * DAY_US
    measured = []
    for days in (10, 80):
        command = [sys.executable, "-c", MEASURE, url, device.name, str(first_us + days * DAY_US + 1)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        measured.append([int(word) for word in done.stdout.split()])
    (few, small), (many, large) = measured
    assert (few, many) == (200_010, 1_600_010)
    assert large - small < 40 * MB


def test_what_was_dropped_is_refused_and_not_left_out(db, device, deliver):
    deliver(*device.chain(3), device.seal(rows(4, start_us=START_US + 14 * DAY_US)))
    horizon = drop_before(db, dt.datetime(2026, 1, 12, tzinfo=dt.UTC))
    with pytest.raises(IngestError, match="were dropped"):
        as_csv(db, device.name)
    from_us = int(horizon.timestamp()) * 1_000_000
    assert len(as_csv(db, device.name, [], from_us)) == 4
    assert as_csv(db, "nobody") == []
