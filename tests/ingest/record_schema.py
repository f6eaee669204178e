"""Writes schema.txt anew from the migrations: `python -m tests.ingest.record_schema URL_OF_AN_EMPTY_DATABASE`."""

from __future__ import annotations

import sys

from ingest.database import connect
from ingest.migrate import migrate
from tests.ingest.test_migrate import SNAPSHOT, describe

with connect(sys.argv[1]) as conn:
    migrate(conn)
SNAPSHOT.write_text(describe(sys.argv[1]), encoding="utf-8")
