"""The proof that readings equal their batches, and their making anew."""

from __future__ import annotations

import io
import re

import pytest

from ingest import rebuild
from ingest.progress import Progress


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("UPDATE telemetry.reading SET value = value + 1e-12 WHERE row = 9", "batch 1 of epoch"),
        ("UPDATE telemetry.reading SET server_time = time + interval '1us' WHERE batch_id = 3", "batch 2 of epoch"),
        ("DELETE FROM telemetry.reading WHERE row = 0 AND batch_id = 4", "batch 3 of epoch"),
        ("DELETE FROM telemetry.reading WHERE batch_id = 4", "batch 3 of .* not there"),
        ("INSERT INTO telemetry.reading SELECT * FROM telemetry.reading WHERE row = 3", "batch 1 of epoch"),
        ("UPDATE telemetry.point_total SET readings = readings + 1", "how many there are of ac_energy"),
        ("DELETE FROM telemetry.point_total", "how many there are of ac_energy"),
        ("INSERT INTO telemetry.reading SELECT time, time, 1, 0, 99, point_id, 0, 0 FROM telemetry.reading", "id 99"),
        ("INSERT INTO telemetry.reading SELECT time, time, 1, 0, 1, point_id, 0, 0 FROM telemetry.reading", "id 1,"),
    ],
)
def test_a_rebuild_finds_and_mends_every_difference(db, migrated, device, deliver, damage, where):
    deliver(*device.chain(4))
    good = rebuild.compare(migrated)
    assert (good.batches, good.readings, good.first_difference) == (3, 30, None)
    db.execute(damage)
    assert re.search(where, rebuild.compare(migrated).first_difference)
    rebuild.rebuild(migrated)
    assert rebuild.compare(migrated) == good


def test_the_hash_depends_on_every_reading(migrated, device, deliver):
    hashes = []
    for data in device.chain(4):
        deliver(data)
        hashes.append(rebuild.compare(migrated).sha256)
    assert len(set(hashes)) == 4


def test_progress_counts_up_to_the_ledger_and_is_silent_where_nobody_watches(migrated, device, deliver):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    deliver(*device.chain(4))
    watched, piped = Terminal(), io.StringIO()
    for stream in (watched, piped):
        with Progress("compared", "readings", stream=stream) as progress:
            rebuild.compare(migrated, progress)
        assert progress.count == progress.total == 30
    assert "30 of 30 readings compared (100 %)" in watched.getvalue()
    assert piped.getvalue() == ""
